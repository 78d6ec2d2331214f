"""How documents are compared and laid over each other. Values in, values out: no database."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

_ABSENT = object()
# Made once: json.dumps makes a new one for each document.
write_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def digest(document: Mapping[str, Any]) -> str:
    """A fingerprint of what ``document`` says: equal for equal content, whatever the order of its keys.

    ``updatedAt`` is not content: a source that touches a record without changing it sends nothing new.
    """
    content = {key: value for key, value in document.items() if key != "updatedAt"}
    return hashlib.sha256(write_canonical(content).encode()).hexdigest()


def overlay(last: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """``last`` with what ``new`` says laid over it, object by object (RFC 7396, but ``null`` is kept as a value).

    Arrays are values: the new one replaces the old one.
    """
    result = dict(last)
    for key, value in new.items():
        below = result.get(key)
        result[key] = overlay(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def value_at(document: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """What ``document`` holds at ``path`` (``"health.bloodGroup"``), or ``default`` where it says nothing.

    A ``null`` on the way (``"health": null``) says that everything below it is empty.
    """
    value: Any = document
    for key in path.split("."):
        if value is None:
            return None
        # Of what JSON has, only objects are dicts; an abstract class would be asked three times as long.
        if not isinstance(value, dict) or key not in value:
            return default
        value = value[key]
    return value


def said_paths(document: Mapping[str, Any], paths: Iterable[str]) -> set[str]:
    """Those of ``paths`` about which ``document`` says anything, be it ``null``."""
    return {path for path in paths if value_at(document, path, _ABSENT) is not _ABSENT}


class Clash(NamedTuple):
    """A part of a document that changed on both sides: what was said of it last, what Odoo holds, what has arrived."""

    path: str
    base: Any
    ours: Any
    theirs: Any


class Merge(NamedTuple):
    """What a three-way merge found: the parts that only the source changed, and those that both sides did."""

    theirs: set[str]
    clashes: list[Clash]


def is_empty(value: Any) -> bool:
    """Whether ``value`` says nothing: absent, ``null``, false, an empty text or an empty array."""
    # Zero says something: it is kindergarten.
    return value is False or value is _ABSENT or value in (None, "", [], {})


def equal(one: Any, other: Any) -> bool:
    """Whether two JSON values say the same; how values are compared unless a part knows better."""
    return one == other or (is_empty(one) and is_empty(other))


def _untouched(_path: str, base: Any, ours: Any, _theirs: Any) -> bool:
    return equal(base, ours)


def _done(_path: str, _base: Any, ours: Any, theirs: Any) -> bool:
    return equal(theirs, ours)


def merge(
    base: Mapping[str, Any],
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    untouched: Callable[[str, Any, Any, Any], bool] = _untouched,
    done: Callable[[str, Any, Any, Any], bool] = _done,
) -> Merge:
    """The three-way merge of the parts in ``theirs``: per part, who changed it since ``base``.

    - Odoo holds what has arrived: nothing is to be done, whoever changed it.
    - Odoo still holds what was said last: the source alone changed it, and its value is taken.
    - else: a clash, about which a policy decides.

    :param base: what the source said last, by path
    :param ours: what Odoo holds now, by path
    :param theirs: what has arrived, by path: the parts that the source has changed. Silence is not a change.
    :param untouched: for ``(path, base, ours, theirs)``: whether Odoo still holds what was said last, as far as what
        has arrived would change it
    :param done: for ``(path, base, ours, theirs)``: whether Odoo already holds what has arrived
    """
    taken, clashes = set(), []
    for path in sorted(theirs):
        sides = path, base.get(path), ours.get(path), theirs[path]
        if done(*sides):
            continue
        if untouched(*sides):
            taken.add(path)
        else:
            clashes.append(Clash(*sides))
    return Merge(taken, clashes)


def put(document: dict[str, Any], path: str, value: Any) -> None:
    """Store ``value`` at ``path`` of ``document``, making the objects on the way."""
    *parents, leaf = path.split(".")
    for key in parents:
        below = document.get(key)
        if below is None:
            below = document[key] = {}
        document = below
    document[leaf] = value


def without(document: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """``document``, silent about ``paths``."""
    result = dict(document)
    for path in paths:
        key, _dot, below = path.partition(".")
        if not below:
            result.pop(key, None)
        elif isinstance(result.get(key), Mapping):
            result[key] = without(result[key], [below])
    return result
