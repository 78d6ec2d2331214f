"""What is to be done with a document: a pure decision, from what is known of its record and what has arrived."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from .merge import digest, overlay


class Action(Enum):
    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    STALE = "stale"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Known:
    """What a binding says of the last document applied."""

    document: Mapping[str, Any]
    digest: str
    updated_at: datetime | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """``document`` is the whole truth after this decision: what was known, with what arrived laid over it."""

    action: Action
    document: Mapping[str, Any]
    digest: str
    updated_at: datetime | None


def parse_time(text: str | None) -> datetime | None:
    """The moment a canonical document's ``updatedAt`` names, with its zone."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def decide(
    known: Known | None,
    document: Mapping[str, Any],
    arrived_digest: str,
    waiting_since: datetime | None = None,
    lay_over: Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]] = overlay,
) -> Decision:
    """Decide what to do with ``document``, a canonical document of the contract whose digest is ``arrived_digest``.

    - never seen: create
    - ``updatedAt`` older than what is held: stale, whatever it says (rule 6 of the design). Equal is not older.
      Where either side has no ``updatedAt``, the order of arrival counts.
    - deleted, and here again: update, which brings it back
    - says nothing that is not known: unchanged
    - else: update

    :param waiting_since: the ``updatedAt`` of a document of the same record that is held and not applied yet
    :param lay_over: what is said in all, by the last document and then by this one
    """
    arrived_at = parse_time(document.get("updatedAt"))
    times = filter(None, (known and known.updated_at, waiting_since))
    held_at = max(times, default=None)
    if arrived_at and held_at and arrived_at < held_at:
        return Decision(Action.STALE, document, arrived_digest, held_at)
    updated_at = arrived_at or held_at
    if known is None:
        return Decision(Action.CREATE, lay_over({}, document), arrived_digest, updated_at)
    if arrived_digest == known.digest and not known.deleted:
        return Decision(Action.UNCHANGED, known.document, known.digest, updated_at)
    merged = lay_over(known.document, document)
    merged_digest = digest(merged)
    if merged_digest == known.digest and not known.deleted:
        return Decision(Action.UNCHANGED, known.document, known.digest, updated_at)
    return Decision(Action.UPDATE, merged, merged_digest, updated_at)
