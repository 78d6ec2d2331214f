"""What a status that a source reports does to what is known of an employee: a pure decision, and the report on many."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from .item import Report, Status
from .plan import parse_time


class Outcome(Enum):
    """What became of one status. The values are words of the API."""

    #: the version named is the newest one, and is now known to have been taken over
    SYNCED = "synced"
    #: the version named is the newest one, and the source refused it: kept, shown and notified
    ERROR = "error"
    #: of a version that was edited since, or overtaken by a later answer; an edited employee stays pending
    STALE = "stale"
    #: said before, word for word
    REPEATED = "repeated"
    #: of an employee, or a version of one, that this source was never given
    UNKNOWN = "unknown"
    #: not a status: ``errors`` say why
    INVALID = "invalid"


#: How the log calls each outcome.
LOGGED_AS = {
    Outcome.SYNCED: Status.SYNCED,
    Outcome.ERROR: Status.REFUSED,
    Outcome.STALE: Status.STALE,
    Outcome.REPEATED: Status.UNCHANGED,
    Outcome.UNKNOWN: Status.FAILED,
    Outcome.INVALID: Status.FAILED,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a source has got with one employee.

    ``version`` is the newest one, ``synced_version`` the newest that was taken over, ``said_at`` the time that the
    last answer to the newest version gave, if it gave any.
    """

    version: int
    state: str
    synced_version: int | None = None
    teacher_id: str | None = None
    message: str | None = None
    code: str | None = None
    said_at: datetime | None = None


def decide_status(known: Progress, status: Mapping[str, Any]) -> tuple[Outcome, Progress]:
    """What ``status``, a canonical document of the contract, means for an employee of whom ``known`` is known.

    - a version above the newest: unknown. Nobody was ever given it.
    - a version below the newest: stale. What it says of the teacher is kept, the employee is sent again.
    - the newest version: the last word counts, whatever was said before, unless ``syncedAt`` shows that it is not the
      last word. So a success after an error mends it, and an error after a success is an error.

    :return: what to answer, and what is known from now on
    """
    version, said_at = status["version"], parse_time(status.get("syncedAt"))
    success, teacher_id = status["status"] == "success", status.get("teacherId") or known.teacher_id
    if version > known.version:
        return Outcome.UNKNOWN, known
    if version < known.version:
        if not success:
            return Outcome.STALE, known
        synced_version = max(version, known.synced_version or 0)
        return Outcome.STALE, replace(known, synced_version=synced_version, teacher_id=teacher_id)
    if said_at and known.said_at and said_at < known.said_at:
        return Outcome.STALE, known
    now = replace(
        known,
        state="synced" if success else "error",
        synced_version=version if success else known.synced_version,
        teacher_id=teacher_id,
        message=status.get("message"),
        code=None if success else status.get("code"),
        said_at=said_at or known.said_at,
    )
    if now == replace(known, said_at=now.said_at):
        return Outcome.REPEATED, now
    return (Outcome.SYNCED if success else Outcome.ERROR), now


@dataclass(slots=True)
class StatusReport(Report):
    """What became of the statuses of one request. ``outcomes`` and ``progress`` stand in the order of ``items``."""

    outcomes: list[Outcome]
    progress: list[Progress | None]

    def summary(self) -> dict[str, int]:
        """How many went which way, in the words of the log."""
        counts = Counter(self.outcomes)
        return {
            "received": len(self.items),
            "updated": counts[Outcome.SYNCED],
            "unchanged": counts[Outcome.REPEATED],
            "stale": counts[Outcome.STALE],
            "failed": counts[Outcome.ERROR] + counts[Outcome.UNKNOWN] + counts[Outcome.INVALID],
        }

    def as_json(self, *, single: bool) -> dict[str, Any]:
        """The answer: a result per status, and how many went which way."""
        items = []
        for item, outcome, progress in zip(self.items, self.outcomes, self.progress, strict=True):
            body = {"externalId": item.external_id, "employeeId": item.res_id, "status": outcome.value}
            if progress:
                body.update(version=progress.version, syncState=progress.state)
            if item.errors and outcome not in (Outcome.ERROR, Outcome.REPEATED):
                prefix = "" if single else f"/{item.index}"
                body["errors"] = [error.at(prefix).as_json() for error in item.errors]
            if item.warnings:
                body["warnings"] = item.warnings
            items.append(body)
        counts = Counter(self.outcomes)
        return {
            "summary": {"received": len(items), **{outcome.value: counts[outcome] for outcome in Outcome}},
            "items": items,
        }
