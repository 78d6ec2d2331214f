"""How documents are compared and laid over each other. Values in, values out: no database."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

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
        if not isinstance(value, Mapping) or key not in value:
            return default
        value = value[key]
    return value


def changed_paths(last: Mapping[str, Any], new: Mapping[str, Any], paths: Iterable[str]) -> set[str]:
    """Those of ``paths`` about which ``new`` says something else than ``last`` did. Silence is not a change."""
    return {
        path
        for path in paths
        if (value := value_at(new, path, _ABSENT)) is not _ABSENT and value != value_at(last, path, _ABSENT)
    }


def put(document: dict[str, Any], path: str, value: Any) -> None:
    """Store ``value`` at ``path`` of ``document``, making the objects on the way."""
    *parents, leaf = path.split(".")
    for key in parents:
        below = document.get(key)
        if below is None:
            below = document[key] = {}
        document = below
    document[leaf] = value
