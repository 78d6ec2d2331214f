"""The parts of a document that list several phone numbers, or several e-mail addresses, of one person."""

from collections.abc import Callable
from typing import Any

from odoo.fields import Command

from ..contract.base import pointer
from ..contract.contact_point import OTHER, TYPES, email_key, phone_key, type_of
from ..contract.text import quote
from .contacts import ContactPhone, Email, OfContact, remark_on_email, remark_on_phone
from .parts import Part, Remark

# Where nothing says which entry is the primary one, the first of these is.
_RANKS = {name: rank for rank, name in enumerate(dict.fromkeys(TYPES.values()))}

_Entries = list[dict[str, Any]]


class ContactPoints(OfContact):
    """A list of phone numbers or e-mail addresses, in no order, of which one is the primary one.

    The primary one is the part ``single`` of the document, and stored where Odoo keeps it. Of it, this part stores the
    type only, and of the others all.

    :param field: the field for the others
    :param single: the part and the field of the primary one, and the kind of contact point
    :param name: of the number or address in an entry of the list
    :param spelling: returns what is equal for two spellings of a number or address
    """

    def __init__(self, field: str, single: str, name: str, spelling: Callable[[str], str]):
        super().__init__(field)
        self.single, self.name, self.spelling = single, name, spelling

    def meaning(self, model, value):
        types = [type_of(entry) for entry in value or () if entry.get("primary")] or [OTHER]
        others = frozenset((self._key(entry), type_of(entry)) for entry in value or () if not entry.get("primary"))
        return (types[0], others) if others or types[0] != OTHER else None

    def complete(self, last, new, document):
        """Let the list and the single one agree on which entry is the primary one.

        The single one decides, then the entry that is marked, then what was said before, then the types.
        """
        entries, single = document.get(self.path), document.get(self.single)
        if not entries:
            if self.path in new and self.single not in new and last.get(self.path):
                document[self.single] = None
            return
        if self.path not in new:
            if self.single in new:
                # It takes the place of the primary one. The others stay.
                others = [entry for entry in entries if not entry.get("primary")]
                document[self.path] = self._mark(others, single)
            return
        marked = next((entry for entry in entries if entry.get("primary")), None)
        if not new.get(self.single):
            if marked:
                single = marked[self.name]
            elif self.single in new:
                single = None
            elif not self._find(entries, single):
                single = min(entries, key=self._rank)[self.name]
            document[self.single] = single
        document[self.path] = self._mark(entries, single)

    def holds(self, record, value, now):
        primary = next((entry[self.name] for entry in value or () if entry.get("primary")), None)
        single = record._sync_get_parts()[self.single]
        return self.same(record, value, now) and (
            not value or single.holds(record, primary, record[self.single] or None)
        )

    def untouched(self, record, base, ours, theirs):
        return self.same(record, base, ours) or super().untouched(record, base, ours, theirs)

    def done(self, record, base, ours, theirs, found):
        return self.same(record, theirs, ours)

    def prepare(self, model, source, items):
        for item in items:
            entries = item.decision.document.get(self.path) or ()
            primary = next((type_of(entry) for entry in entries if entry.get("primary")), OTHER)
            others = {(self._key(entry), type_of(entry)): entry for entry in entries if not entry.get("primary")}
            item.values[f"{self.single}_type"] = False if primary == OTHER else primary
            item.values[self.field] = [
                Command.clear(),
                *(
                    Command.create(
                        {
                            "kind": self.single,
                            "type": type_,
                            "value": entry[self.name],
                            "company_id": source.company_id.id,
                        }
                    )
                    for (_key, type_), entry in others.items()
                ),
            ]
            self._check_marked(model, item)

    def _check_marked(self, model, item) -> None:
        single = item.document.get(self.single)
        for entry in item.document.get(self.path) or ():
            if single and entry.get("primary") and self._key(entry) != self.spelling(single):
                item.warn(
                    model.env._(
                        "%(pointer)s %(single)s differs from %(entry)s, which %(list)s marks as primary. %(single)s "
                        "was taken as primary.",
                        pointer=pointer(self.single),
                        single=quote(single),
                        entry=quote(entry[self.name]),
                        list=self.path,
                    )
                )

    def remark(self, source, item, value):
        # The primary one is remarked on where the document says it alone.
        remarks = [
            remark.text
            for index, entry in enumerate(value)
            if not entry.get("primary")
            and (remark := self._remark_on(source, pointer(self.path, index, self.name), entry[self.name]))
        ]
        return Remark("\n".join(remarks)) if remarks else None

    def _read_one(self, record):
        held, primary_type = record[self.single], record[f"{self.single}_type"]
        others = record[self.field]
        if not others and (not held or (primary_type or OTHER) == OTHER):
            # The single one says it all.
            return None
        entries = [{self.name: held, "type": primary_type or OTHER, "primary": True}] if held else []
        return entries + [{self.name: point.value, "type": point.type} for point in others]

    def _remark_on(self, source, where: str, value: str) -> Remark | None:
        """Return what people should know of ``value``, which a document says at ``where``."""
        raise NotImplementedError

    def _mark(self, entries: _Entries, single: str | None) -> _Entries:
        """``entries``, of which just ``single`` is marked as the primary one; it is added where it is missing."""
        found = self._find(entries, single)
        chosen = min(found, key=lambda entry: (not entry.get("primary"), self._rank(entry)), default=None)
        result = [{**_unmarked(entry), "primary": True} if entry is chosen else _unmarked(entry) for entry in entries]
        return result if chosen or not single else [{self.name: single, "primary": True}, *result]

    def _find(self, entries: _Entries, single: str | None) -> _Entries:
        return [entry for entry in entries if single and self._key(entry) == self.spelling(single)]

    def _key(self, entry: dict[str, Any]) -> str:
        return self.spelling(entry[self.name])

    def _rank(self, entry: dict[str, Any]) -> tuple[int, str]:
        return _RANKS[type_of(entry)], self._key(entry)


class Phones(ContactPoints):
    """All phone numbers of a person."""

    def __init__(self):
        super().__init__("phone_point_ids", "phone", "number", phone_key)

    def _remark_on(self, source, where, value):
        return remark_on_phone(source, where, value)


class Emails(ContactPoints):
    """All e-mail addresses of a person. One that is none is kept as text: mail goes to the primary one only."""

    def __init__(self):
        super().__init__("email_point_ids", "email", "address", email_key)

    def _remark_on(self, source, where, value):
        return remark_on_email(source, where, value)


def _unmarked(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "primary"}


def reach_parts() -> dict[str, Part]:
    """The parts of how a person is reached: phone numbers and e-mail addresses."""
    return {
        "phone": ContactPhone("phone"),
        "phones": Phones(),
        "email": Email("email"),
        "emails": Emails(),
    }
