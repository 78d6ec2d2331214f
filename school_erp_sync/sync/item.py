"""What travels through the engine: one item a document, and the report they make together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any, NamedTuple

from odoo.exceptions import UserError

from ..contract.base import FieldError
from ..contract.text import quote
from .merge import Clash
from .parts import Remark
from .plan import Decision


class Status(Enum):
    """What became of a document. The values are words of the API."""

    # Each member exists once. Enum's own hash is written in Python, and asked several times for each document.
    __hash__ = object.__hash__

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    PARKED = "parked"
    STALE = "stale"
    CONFLICT = "conflict"
    FAILED = "failed"
    ARCHIVED = "archived"
    ROLLED_BACK = "rolledBack"
    NOT_TRIED = "notTried"
    SYNCED = "synced"
    REFUSED = "refused"


WENT_THROUGH = frozenset(
    {Status.CREATED, Status.UPDATED, Status.UNCHANGED, Status.PARKED, Status.ARCHIVED, Status.SYNCED}
)
#: not the fault of the document, and rare: a summary names them only where there are some
NOT_APPLIED = (Status.ROLLED_BACK, Status.NOT_TRIED)


class Refused(UserError):
    """A record that Odoo, or the code that applies it, refuses, and the part of the document that is to blame."""

    def __init__(self, pointer: str, code: str, detail: str):
        super().__init__(detail)
        self.pointer = pointer
        self.code = code


class Reference(NamedTuple):
    """A record that a document refers to, and where in the document it does."""

    entity: str
    external_id: str
    pointer: str

    def as_json(self) -> dict[str, str]:
        return {"entity": self.entity, "externalId": self.external_id, "pointer": self.pointer}


class Refusal(NamedTuple):
    """The last refusal of a document that something waits for, directly or through others."""

    entity: str
    external_id: str
    at: datetime
    why: str

    def as_json(self) -> dict[str, str]:
        return {
            "entity": self.entity,
            "externalId": self.external_id,
            "at": self.at.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "detail": self.why,
        }

    def told(self, env, entity: str, external_id: str) -> str:
        """Return what to tell people who wait for ``external_id`` of ``entity``, in the language of ``env``."""
        when = self.at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        if (self.entity, self.external_id) == (entity, external_id):
            return env._("It was refused on %(when)s: %(why)s", when=when, why=self.why)
        return env._(
            "It waits for %(record)s in %(entity)s, which was refused on %(when)s: %(why)s",
            record=quote(self.external_id),
            entity=self.entity,
            when=when,
            why=self.why,
        )


@dataclass(slots=True)
class Binding:
    """The row of ``school.sync.binding`` that an item works on."""

    id: int
    res_id: int | None = None
    version: int = 0
    digest: str | None = None
    updated_at: Any = None
    deleted: bool = False
    document: dict[str, Any] | None = None
    written_at: Any = None
    changed_at: Any = None
    remarks: dict[str, Any] | None = None
    successor: str | None = None

    @property
    def unread(self) -> set[str]:
        """The parts of the last document that Odoo did not understand."""
        return {path for path, remark in (self.remarks or {}).items() if remark.get("unread")}


@dataclass(frozen=True, slots=True)
class Waiting:
    """The row of ``school.sync.parked`` that holds a document of an item's record, accepted and not applied."""

    id: int
    document: dict[str, Any]
    updated_at: Any
    since: Any


@dataclass(frozen=True, slots=True)
class Pending:
    """The document of an item's record that somebody has to decide about, and the parts that clash in it."""

    id: int
    document: dict[str, Any]
    paths: frozenset[str]


class Held(NamedTuple):
    """What there is of the record that a source calls by one name, as far as there is something."""

    binding: Binding | None
    waiting: Waiting | None
    pending: Pending | None


@dataclass(slots=True, eq=False)
class Item:
    """One document on its way through the engine.

    ``values`` are the field values to store; ``paths`` the parts of the document that they come from; ``found`` the
    records it refers to, by (entity, externalId), ``missing`` those that are not there,
    and ``refusals`` why some of these are not. ``clashes`` are the parts
    that changed in Odoo as well, each with the side that won, if one has, and ``decided`` those of them that somebody
    has decided; ``said`` is the document to remember where Odoo won, or where something is ``restored`` in Odoo.
    ``agreed`` are the parts that say something new which Odoo holds already. ``awaited`` is what others wait for.
    ``matched`` is the first document of a record that was there: nothing was said of it before.
    ``former`` are old ids that the document says for the first time. The binding of one of them is ``renamed``, and the
    records of the ``losers`` are merged into that of the item. ``claims`` are bindings that were made to claim names.
    ``tellers`` are the other sources that have sent what Odoo holds, by the part that clashes.
    ``alike`` are contacts, and items that make one, that may be the same person and are left for people to decide.
    ``reread`` are the parts that Odoo did not understand when the same was said last, and may understand now;
    ``remarks`` tell what it does not understand, by path. ``healing`` is a document that has waited and is tried again,
    and ``cut`` one that is tried without some of its references, and waits for them as a whole.
    """

    index: int
    raw: Any
    external_id: str | None = None
    document: dict[str, Any] | None = None
    digest: str | None = None
    errors: list[FieldError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    binding: Binding | None = None
    decision: Decision | None = None
    references: list[Reference] = field(default_factory=list)
    found: dict[tuple[str, str], int] = field(default_factory=dict)
    missing: list[Reference] = field(default_factory=list)
    refusals: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    waiting: Waiting | None = None
    pending: Pending | None = None
    healing: bool = False
    cut: bool = False
    clashes: list[tuple[Clash, str | None]] = field(default_factory=list)
    decided: set[str] = field(default_factory=set)
    agreed: set[str] = field(default_factory=set)
    reread: set[str] = field(default_factory=set)
    remarks: dict[str, Remark] = field(default_factory=dict)
    said: dict[str, Any] | None = None
    restored: bool = False
    matched: bool = False
    alike: list[Any] = field(default_factory=list)
    tellers: dict[str, Any] = field(default_factory=dict)
    changed_at: Any = None
    claims: list[int] = field(default_factory=list)
    former: list[str] = field(default_factory=list)
    renamed: bool = False
    losers: list[Binding] = field(default_factory=list)
    awaited: bool = False
    paths: set[str] = field(default_factory=set)
    values: dict[str, Any] = field(default_factory=dict)
    status: Status | None = None
    res_id: int | None = None
    version: int | None = None

    @property
    def went_through(self) -> bool:
        return self.status in WENT_THROUGH

    def notes(self, env) -> list[str]:
        """What the sender should know of a document that went through, in the language of ``env``."""
        waits = self.missing if self.status is Status.PARKED else ()
        if not waits:
            return self.warnings
        return self.warnings + [self._explain_missing(env, reference) for reference in waits]

    def missing_as_json(self) -> list[dict[str, Any]]:
        """The records that are waited for, as the API names them."""
        return [
            {**reference.as_json(), **({"refused": refusal.as_json()} if refusal else {})}
            for reference in self.missing
            for refusal in (self.refusals.get((reference.entity, reference.external_id)),)
        ]

    def _explain_missing(self, env, reference: Reference) -> str:
        sentence = env._(
            "%(pointer)s: %(record)s does not exist in %(entity)s yet. This document is parked, and is applied when "
            "that record arrives.",
            pointer=reference.pointer,
            record=quote(reference.external_id),
            entity=reference.entity,
        )
        refusal = self.refusals.get((reference.entity, reference.external_id))
        return f"{sentence} {refusal.told(env, reference.entity, reference.external_id)}" if refusal else sentence

    def fail(self, pointer: str, code: str, detail: str, status: Status = Status.FAILED) -> None:
        """This document is not applied: say where, what kind, and what to do."""
        self.errors.append(FieldError(pointer, code, detail))
        self.status = status

    def last_remark(self, path: str) -> Remark | None:
        """What was remarked of the last document at ``path``."""
        known = (self.binding and self.binding.remarks or {}).get(path)
        return known and Remark(known["text"], known.get("unread", False))

    def remarks_as_json(self) -> dict[str, Any] | None:
        """``remarks`` as they are stored with the binding."""
        return {
            path: {"text": remark.text, **({"unread": True} if remark.is_unread else {})}
            for path, remark in self.remarks.items()
        } or None

    def warn(self, sentence: str) -> None:
        """The document is applied, and the sender should know this."""
        self.warnings.append(sentence)


@dataclass(slots=True)
class Report:
    """What became of the documents of one request, in the order received.

    ``healed`` are the reports of what had waited for these documents and was applied with them.
    """

    model: str
    items: list[Item]
    healed: list["Report"] = field(default_factory=list, kw_only=True)

    @property
    def went_through(self) -> int:
        return sum(item.went_through for item in self.items)

    def summary(self) -> dict[str, int]:
        """How many documents went which way, in the words of the API."""
        counts = Counter(item.status for item in self.items)
        return {
            "received": len(self.items),
            **{
                status.value: counts[status]
                for status in (
                    Status.CREATED,
                    Status.UPDATED,
                    Status.UNCHANGED,
                    Status.PARKED,
                    Status.STALE,
                    Status.CONFLICT,
                    Status.FAILED,
                )
            },
            **{status.value: counts[status] for status in NOT_APPLIED if counts[status]},
        }


def open_items(items: Iterable[Item]) -> list[Item]:
    """Those of ``items`` about which nothing is settled yet."""
    return [item for item in items if item.status is None]
