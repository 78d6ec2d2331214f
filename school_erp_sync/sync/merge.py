"""How documents are compared and laid over each other. Values in, values out: no database."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

_ABSENT = object()


def digest(document: Mapping[str, Any]) -> str:
    """A fingerprint of what ``document`` says: equal for equal content, whatever the order of its keys.

    ``updatedAt`` is not content: a source that touches a record without changing it sends nothing new.
    """
    content = {key: value for key, value in document.items() if key != "updatedAt"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


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


def changed_paths(last: Mapping[str, Any], new: Mapping[str, Any], paths: Iterable[str]) -> set[str]:
    """Those of ``paths`` about which ``new`` says something else than ``last`` did. Silence is not a change."""
    return {
        path
        for path in paths
        if (value := value_at(new, path, _ABSENT)) is not _ABSENT and value != value_at(last, path, _ABSENT)
    }


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


def equal(_path: str, said: Any, held: Any, _other: Any = None) -> bool:
    """Whether two JSON values say the same; how :func:`merge` compares unless it is told better."""
    return said == held or (is_empty(said) and is_empty(held))


def merge(
    base: Mapping[str, Any],
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    paths: Iterable[str],
    untouched: Callable[[str, Any, Any, Any], bool] = equal,
    done: Callable[[str, Any, Any, Any], bool] = equal,
) -> Merge:
    """The three-way merge of ``paths``: per part, who changed it since ``base``.

    - Odoo still holds what was said last: the source alone changed it, and its value is taken.
    - Odoo holds what has arrived: both sides say the same, nothing is to be done.
    - else: a clash, about which a policy decides.

    A part that the source has changed is in ``paths``, and no other: silence is not a change.

    :param base: the last document applied
    :param ours: what Odoo holds now, by path
    :param theirs: the document that is to be applied
    :param paths: where ``theirs`` says something else than ``base``
    :param untouched: whether Odoo, which holds the third argument, still holds what was said last, the second, as far
        as the fourth, what has arrived, would change it
    :param done: whether Odoo, which holds the third argument, already holds what has arrived, the second, in place of
        what was said last, the fourth
    """
    taken, clashes = set(), []
    for path in sorted(paths):
        before, held, arrived = value_at(base, path), ours.get(path), value_at(theirs, path)
        if untouched(path, before, held, arrived):
            taken.add(path)
        elif not done(path, arrived, held, before):
            clashes.append(Clash(path, before, held, arrived))
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
