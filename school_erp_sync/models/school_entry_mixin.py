from odoo import api, fields, models

from ..contract.text import quote
from ..sync.item import Item, open_items
from ..sync.merge import is_empty
from ..sync.parts import Part
from .school_code_mixin import Place


class EntryCode(Part):
    """The code of an entry: case does not matter. Without one, the name is the code."""

    def meaning(self, model, value):
        return None if is_empty(value) else model._code_key(value)

    def holds(self, record, value, now):
        return record._code_key(value or record.name or "") == record.code_key

    def prepare(self, model, source, items):
        """Nothing: the model stores it, and takes the name where there is no code."""


class EntryName(Part):
    """The name of an entry. Without one, it is called by its code."""

    def holds(self, record, value, now):
        return (value or record._code_name(record.code or "")) == now

    def prepare(self, model, source, items):
        """Nothing: the model stores it, and takes the code where there is no name."""


class SchoolEntryMixin(models.AbstractModel):
    """An entry of a list that documents name by its code, and that sources may describe in documents of its own.

    A document takes over the entry that was made when another document named it.
    """

    _name = "school.entry.mixin"
    _inherit = ["school.code.mixin", "school.sync.mixin"]
    _description = "Entry of a List That Sources Describe"

    _sync_parts = {"code": EntryCode("code"), "name": EntryName("name")}

    is_described = fields.Boolean(
        "Described by a Source", readonly=True, copy=False, help="Else it was made when a document named its code."
    )

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        for item in items:
            code, name = item.decision.document.get("code"), item.decision.document.get("name")
            if item.paths & {"code", "name"} and (code or name):
                item.values["code"] = code or name
            if "name" in item.paths and (code or name):
                item.values["name"] = name or self._code_name(code)
        self._sync_take_over(source, [item for item in open_items(items) if "code" in item.values or self._moves(item)])
        return items

    @api.model
    def _moves(self, item: Item) -> bool:
        """Whether ``item`` changes where its entry is, within which codes are unique."""
        return False

    @api.model
    def _sync_take_over(self, source, items: list[Item]) -> None:
        """Find the entry that each new item describes, and refuse those whose code another entry of the source has."""
        if not items:
            return
        records = {record.id: record for record in self.browse([item.res_id for item in items if item.res_id])}
        places = {item: self._sync_place(item, records.get(item.res_id, self.browse())) for item in items}
        keys = {item: self._code_key(place.code) for item, place in places.items()}
        entries = self._find(source.company_id, set(keys.values()), self._may_be(places.values()))
        found = entries.grouped(lambda entry: entry._shelf())
        owners = source._living_names(self._sync_entity, entries.ids)
        taken = set()
        candidates, seen = {}, {}
        for item, place in places.items():
            alike = self._near(found, keys[item], place)
            if not item.res_id:
                free = alike.filtered(lambda entry: entry.id not in owners and entry.id not in taken)
                if entry := self._sync_choose(source, item, place, free, alike):
                    candidates[item] = entry
                    taken.add(entry.id)
        for item in candidates.keys() - self._sync_contradicted(candidates, places):
            item.values["id"] = candidates[item].id
        for item, place in places.items() if self._sync_code_is_unique else ():
            self._sync_check_code(item, place, self._near(found, keys[item], place), owners, seen)

    @api.model
    def _sync_place(self, item: Item, record) -> Place:
        """Return where the entry of ``item`` is, and its code."""
        return Place(item.values.get("code", record.code))

    #: whether no two entries of a source may have one code in the same place
    _sync_code_is_unique = True

    @api.model
    def _sync_choose(self, source, item: Item, place: Place, free, alike):
        """Choose the entry that the document of the new ``item`` describes.

        :param free: the entries with its code that ``source`` does not know by another name
        :param alike: all entries with its code
        """
        return self._choose(free, place)

    @api.model
    def _sync_contradicted(self, candidates: dict[Item, models.Model], places: dict[Item, Place]) -> set[Item]:
        """Return the items that must not take over their candidate, as what refers to it means another entry."""
        return set()

    @api.model
    def _sync_check_code(self, item: Item, place: Place, alike, owners: dict[int, str], seen: dict) -> None:
        """Refuse ``item`` where its code belongs to another entry.

        :param owners: what the source calls the entries in ``alike``, by id
        :param seen: the externalIds of the items before, by what must be unique; to be added to
        """
        key = self._code_key(place.code), place.school_id
        mine = item.values.get("id") or item.res_id
        rival = alike.filtered(lambda entry: entry.id != mine and entry._get_school_id() == place.school_id)[:1]
        other = seen.setdefault(key, item.external_id)
        if rival or other != item.external_id:
            item.fail(
                "/code" if item.decision.document.get("code") else "/name",
                "code_taken",
                self.env._(
                    "The code %(code)s belongs to %(other)s already. Send another code, or send this document as "
                    "%(other)s.",
                    code=quote(place.code),
                    other=quote(owners.get(rival.id) or rival.name if rival else other),
                ),
            )

    def _get_school_id(self) -> int | bool:
        """Return the school within which the code of this entry is unique."""
        return False

    @api.model
    def _sync_create(self, source, items: list[Item]):
        described = {"is_described": True}
        new = [item for item in items if "id" not in item.values]
        made = self.create([{"company_id": source.company_id.id, **item.values, **described} for item in new])
        ids = {item: entry.id for item, entry in zip(new, made, strict=True)}
        for item in items:
            if item not in ids:
                values = {name: value for name, value in item.values.items() if name != "id"}
                ids[item] = item.values["id"]
                self.browse(ids[item]).write({**values, **described, "active": True})
        return self.browse([ids[item] for item in items])
