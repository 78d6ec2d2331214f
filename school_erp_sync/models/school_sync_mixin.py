from collections.abc import Collection, Iterable
from datetime import datetime, timezone
from typing import Any

from odoo import api, fields, models
from odoo.fields import Domain

from ..sync.item import Item, Reference
from ..sync.merge import is_empty, put, value_at
from ..sync.plan import parse_time


class SchoolSyncMixin(models.AbstractModel):
    """Makes a model syncable: documents of one entity become its records, and back.

    A model says what is specific to it (``_sync_entity``, ``_sync_document``, ``_sync_fields`` and, where that is not
    enough, the ``_sync_…`` methods below); the engine does the rest. Methods that take ``items`` work on a whole batch
    and must not query in a loop over it.
    """

    _name = "school.sync.mixin"
    _inherit = ["school.referred.mixin"]
    _description = "Record That a School System Sends"

    #: the word in the path of the API, such as "students"
    _sync_entity: str
    #: the class of the contract that reads a document of the entity
    _sync_document: type
    #: where each simple part of a document is stored: path in the document -> field of this model
    _sync_fields: dict[str, str] = {}
    #: where a document names other records: path in the document -> (entity, field of this model)
    _sync_reference_fields: dict[str, tuple[str, str]] = {}

    #: where a document names records without which this one can be made; that breaks circles of such names
    _sync_loose_paths: tuple[str, ...] = ()
    #: the parts of a document that the model itself lays together with what happens in Odoo, such as payments
    _sync_merged_paths: frozenset[str] = frozenset()

    #: entities, besides those of ``_sync_reference_fields``, whose documents go first when all arrive together
    _sync_after: tuple[str, ...] = ()

    sync_binding_ids = fields.One2many(
        "school.sync.binding",
        "res_id",
        string="Sources",
        domain=lambda self: [("res_model", "=", self._name)],
        readonly=True,
    )

    def unlink(self):
        bindings = self._find_bindings()
        result = super().unlink()
        bindings.unlink()
        return result

    def _find_bindings(self):
        """:return: the bindings of these records, of every source"""
        # sudo: whoever may delete or merge records may do so with what says where they came from.
        bindings = self.env["school.sync.binding"].sudo()
        return bindings.search(Domain("res_model", "=", self._name) & Domain("res_id", "in", self.ids), order="id")

    def action_open_bindings(self):
        """:return: the action that shows which documents of which sources this record comes from"""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_binding_action")
        action["domain"] = [("res_model", "=", self._name), ("res_id", "=", self.id)]
        return action

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_paths(self) -> Iterable[str]:
        """The parts of a document that are compared and stored one by one."""
        return (*self._sync_fields, *self._sync_reference_fields)

    @api.model
    def _sync_references(self, document: dict[str, Any]) -> Iterable[Reference]:
        """The records that ``document`` refers to, by their entity and externalId."""
        for path, (entity, _name) in self._sync_reference_fields.items():
            if external_id := value_at(document, path):
                yield Reference(entity, external_id, "/" + path.replace(".", "/"))

    @api.model
    def _sync_match(self, source, items: list[Item]) -> None:
        """Find what is there already of the records that ``items`` are to make: ``values`` that point to it."""

    @api.model
    def _sync_found_paths(self) -> set[str]:
        """The parts of a document that :meth:`_sync_match` may find a record to hold already."""
        return set()

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        """Turn the changed ``paths`` of each item's document into field ``values``, or into ``errors``.

        Writes nothing: some of the items are here only to find all that is wrong with them.
        """
        for item in items:
            document = item.decision.document
            for path in item.paths:
                if name := self._sync_fields.get(path):
                    item.values[name] = self._sync_to_value(name, value_at(document, path))
                elif path in self._sync_reference_fields:
                    entity, name = self._sync_reference_fields[path]
                    item.values[name] = item.found.get((entity, value_at(document, path)), False)
        return items

    @api.model
    def _sync_to_value(self, name: str, value: Any) -> Any:
        """What is stored in field ``name`` for the JSON ``value`` of a canonical document."""
        if value and self._fields[name].type == "datetime":
            return parse_time(value).astimezone(timezone.utc).replace(tzinfo=None, microsecond=0)
        return value or False

    @api.model
    def _sync_make_related(self, source, items: list[Item]) -> list[Item]:
        """Make the small records that ``values`` are to point to and that are not there yet, such as tags."""
        return items

    @api.model
    def _sync_create(self, source, items: list[Item]):
        """:return: the new records, one an item, in their order"""
        return self.create([{"company_id": source.company_id.id, **item.values} for item in items])

    @api.model
    def _sync_write(self, source, items: list[Item]) -> list[Item]:
        """Store the ``values`` of items whose records exist (``res_id``)."""
        for item in items:
            if item.values:
                self.browse(item.res_id).write(item.values)
        return items

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        """Store what lies beyond the record itself, after all records of the batch are there."""
        return items

    # ------------------------------------------------------------------
    # From records to documents
    # ------------------------------------------------------------------

    def _sync_read(self, source, documents: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
        """These records as documents of the contract.

        Where a record still holds what ``source`` said, its own words are given back (``"IN"`` stays ``"IN"``);
        elsewhere, what Odoo says.

        :param documents: the last document applied, by record id
        :return: the document by record id
        """
        result = {}
        for record, current in zip(self, self._sync_to_json(source), strict=True):
            sent = documents.get(record.id) or {}
            result[record.id] = document = {}
            for path, now in current.items():
                said = value_at(sent, path)
                value = said if said is not None and record._sync_holds(path, said, now) else now
                if value not in (None, []) or value_at(sent, path, self) is not self:
                    put(document, path, value)
        return result

    def _sync_to_json(self, source, paths: Collection[str] | None = None) -> list[dict[str, Any]]:
        """What each record says now, as JSON values by path.

        :param paths: what is asked for; None for everything, and more may be told
        """
        asked = {path: name for path, name in self._sync_fields.items() if paths is None or path in paths}
        result = [{path: record._sync_field_to_json(name) for path, name in asked.items()} for record in self]
        for path, (entity, name) in self._sync_reference_fields.items():
            if paths is None or path in paths:
                names_in = source._names_in(self, entity, self[name].ids)
                for record, current in zip(self, result, strict=True):
                    current[path] = next(iter(names_in(record.id, record[name].id)), None)
        return result

    def _sync_field_to_json(self, name: str) -> Any:
        value = self[name]
        field = self._fields[name]
        if field.type in ("many2many", "one2many"):
            return value.mapped("name")
        if field.type == "many2one":
            return value.name or None
        if field.type == "date":
            return value.isoformat() if value else None
        if field.type == "datetime":
            return value.isoformat() + "Z" if value else None
        if field.type == "selection":
            return dict(field._description_selection(self.env)).get(value)
        if field.type == "boolean":
            return value
        return value or None

    def _sync_holds(self, path: str, said: Any, now: Any) -> bool:
        """Whether this record, which says ``now`` at ``path``, still holds what a document ``said`` there."""
        if isinstance(said, list):
            return set(said) == set(now or ())
        name = self._sync_fields.get(path)
        if name and self._fields[name].type == "datetime":
            return self._sync_to_value(name, said) == self[name]
        return said == now

    def _sync_agrees(self, path: str, said: Any, now: Any) -> bool:
        """Whether what a document ``said`` at ``path`` is the same as what this record says ``now``."""
        if is_empty(said) or is_empty(now):
            return is_empty(said) and is_empty(now)
        return self._sync_holds(path, said, now)

    def _sync_untouched(self, path: str, said: Any, now: Any, _arrived: Any) -> bool:
        """Whether nobody in Odoo has changed what a document ``said`` at ``path``, where this record says ``now``, as
        far as what has ``arrived`` would change it."""
        return self._sync_agrees(path, said, now)

    def _sync_done(self, path: str, arrived: Any, now: Any, _said: Any) -> bool:
        """Whether this record, which says ``now`` at ``path``, needs no change to hold what has ``arrived`` there, in
        place of what was ``said`` before."""
        return self._sync_agrees(path, arrived, now)

    @api.model
    def _sync_spelled_out(self, _path: str, value: Any) -> Any:
        """What to apply at ``_path`` so that a record says ``value``, as it once did, and nothing else."""
        return value

    @api.model
    def _sync_defaults(self, source) -> dict[str, Any]:
        """What Odoo fills in by itself, as JSON values by path: nobody's change."""
        blank = self.new(self.default_get(list(set(self._sync_fields.values()))))
        return {path: blank._sync_field_to_json(name) for path, name in self._sync_fields.items()}

    def _sync_written_at(self) -> datetime:
        """When somebody, here or there, last changed this record (naive UTC)."""
        return self.write_date

    @api.model
    def _sync_changed_since(self, since) -> Domain:
        """The records that somebody, here or there, changed at or after ``since`` (naive UTC)."""
        return Domain("write_date", ">=", since)
