import copy
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import ormcache

from ..contract.text import quote
from ..sync import parts, renaming
from ..sync.item import Item, Reference
from ..sync.merge import is_empty, put, said_paths, value_at
from ..sync.parts import Part, collect, make_named

#: who may see health, religion and caste, in a record, in a document and in a payload that may hold them
SENSITIVE = "school_erp_sync.group_sync_sensitive"


class SchoolSyncMixin(models.AbstractModel):
    """Makes a model syncable: documents of one entity become its records, and back.

    A model says what is specific to it (``_sync_entity``, ``_sync_document``, ``_sync_parts`` and, where that is not
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
    #: what each part of a document means, by its path; addons that extend the model add to it
    _sync_parts: dict[str, Part] = {renaming.PATH: parts.FormerNames()}

    #: where a document names records without which this one can be made; that breaks circles of such names
    _sync_loose_paths: tuple[str, ...] = ()

    #: whether a large batch may take longer than Odoo gives to one request, so that it begins with a part of it
    _sync_is_slow = False

    #: whether its documents change the books, where each change leaves a message
    _sync_is_money = False

    #: entities, besides those that its parts refer to, whose documents go first when all arrive together
    _sync_after: tuple[str, ...] = ()

    sync_binding_ids = fields.One2many(
        "school.sync.binding",
        "res_id",
        string="Sources",
        domain=lambda self: [("res_model", "=", self._name)],
        readonly=True,
    )

    sync_warnings = fields.Text(
        "Not Understood",
        compute="_compute_sync_warnings",
        compute_sudo=True,
        help="What the last document of a source says of this record and Odoo does not understand.",
    )
    has_sync_warnings = fields.Boolean(
        "With Warnings", compute="_compute_sync_warnings", compute_sudo=True, search="_search_has_sync_warnings"
    )

    # sudo: whoever sees a record may see what is not understood of it; no part of sensitive data is ever remarked on.
    @api.depends("sync_binding_ids.remarks")
    def _compute_sync_warnings(self):
        for record in self:
            sentences = [text for binding in record.sync_binding_ids for text in record._get_open_remarks(binding)]
            record.sync_warnings = "\n".join(sentences)
            record.has_sync_warnings = bool(sentences)

    @api.model
    def _search_has_sync_warnings(self, operator, value):
        if operator != "in":
            return NotImplemented
        # sudo: see above.
        bindings = self.env["school.sync.binding"].sudo()
        found = bindings._search(Domain("res_model", "=", self._name) & Domain("has_warnings", "=", True))
        return Domain("id", "in", found.subselect("res_id"))

    def _get_open_remarks(self, binding) -> list[str]:
        """Return what was remarked on the document of ``binding``, where nobody has entered another value in Odoo."""
        if not binding.remarks or binding.deleted_at:
            return []
        known = self._sync_get_parts()
        (now,) = self._sync_to_json(binding.source_id, binding.remarks)
        return [
            f"{binding.source_id.name}: {remark['text']}"
            for path, remark in binding.remarks.items()
            if path in known and known[path].holds(self, value_at(binding.document, path), now.get(path))
        ]

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
    @ormcache("self.env.uid", "self.env.su")
    def _sync_get_parts(self) -> Mapping[str, Part]:
        """The parts of a document that are compared and stored one by one, by path.

        Parts in fields that the user may not see are left out: they are neither taken from a source nor given to it.
        """
        return MappingProxyType(
            {
                path: part
                for path, part in collect(type(self)).items()
                if not part.field or self._has_field_access(self._fields[part.field], "read")
            }
        )

    @api.model
    def _sync_withhold(self, documents: list[dict[str, Any]]) -> list[tuple[dict[str, Any], set[str]]]:
        """:return: each document without the parts that the user may not see, and those of them that it holds"""
        shown = self._sync_get_parts()
        hidden = collect(type(self)).keys() - shown.keys()
        if not hidden:
            return [(document, set()) for document in documents]
        result = []
        for document in documents:
            said = said_paths(document, hidden)
            # An object that is null is said to be empty in all of its parts; those that are shown stay said.
            kept = {path: value_at(document, path) for path in said_paths(document, shown)}
            heads = {path.partition(".")[0] for path in said}
            document = {name: value for name, value in document.items() if name not in heads}
            for path, value in kept.items():
                if path.partition(".")[0] in heads:
                    put(document, path, value)
            result.append((document, said))
        return result

    @api.model
    def _sync_references(self, document: dict[str, Any]) -> Iterable[Reference]:
        """The records that ``document`` refers to, by their entity and externalId."""
        for path, part in self._sync_get_parts().items():
            if isinstance(part, parts.Reference) and (external_id := value_at(document, path)):
                yield Reference(part.entity, external_id, "/" + path.replace(".", "/"))

    @api.model
    def _sync_rename(self, document: dict[str, Any], names: Mapping[tuple[str, str], str]) -> dict[str, Any]:
        """``document`` with other names for the records that it refers to.

        :param names: the new externalId, by entity and old one
        """
        renamed = copy.deepcopy(document)
        for path, part in self._sync_get_parts().items():
            if isinstance(part, parts.Reference) and (new := names.get((part.entity, value_at(document, path)))):
                put(renamed, path, new)
        return renamed

    @api.model
    def _sync_find_referring(self, entity: str, res_ids: list[int]):
        """:return: the records of this model that refer to the records ``res_ids`` of ``entity``"""
        known = self._sync_get_parts().values()
        names = [part.field for part in known if isinstance(part, parts.Reference) and part.entity == entity]
        return self.search(Domain.OR([(name, "in", res_ids)] for name in names)) if names else self.browse()

    @api.model
    def _sync_merge(self, loser_id: int, survivor_id: int) -> int:
        """Merge two records that are one at the source; :return: the id of the one that is left

        :raises odoo.exceptions.UserError: where they cannot be merged
        """
        raise UserError(self.env._("Odoo cannot merge records of %(entity)s.", entity=self._sync_entity))

    @api.model
    def _sync_claims(self, item: Item) -> Iterable[tuple[str, str]]:
        """Return the (entity, externalId) of records that ``item`` is tied to without naming them.

        They are claimed with it: a transaction that creates one of them at the same moment runs again, and sees it.
        """
        return ()

    @api.model
    def _sync_match(self, source, items: list[Item]) -> None:
        """Find what is there already of the records that ``items`` are to make: ``values`` that point to it."""

    @api.model
    def _sync_claim_keys(self, source, items: list[Item]) -> None:
        """Claim whatever else only one transaction at a time may make of ``items``, before anything is made.

        :raises psycopg2.errors.SerializationFailure: somebody else was first; the request is run again
        """

    @api.model
    def _sync_found_paths(self) -> set[str]:
        """The parts of a document that :meth:`_sync_match` may find a record to hold already."""
        return set()

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        """Turn the changed ``paths`` of each item's document into field ``values``, or into ``errors``.

        Writes nothing: some of the items are here only to find all that is wrong with them.
        """
        by_path = defaultdict(list)
        for item in items:
            for path in item.paths:
                by_path[path].append(item)
        for path, part in self._sync_get_parts().items():
            if path in by_path:
                part.prepare(self, source, by_path[path])
        return items

    @api.model
    def _sync_remarks(self, source, items: list[Item]) -> None:
        """Fill the ``remarks`` of ``items``: what Odoo does not understand of what only enriches."""
        known = {path: part for path, part in self._sync_get_parts().items() if type(part).remark is not Part.remark}
        for item in items:
            remarks, told = {}, []
            last = item.binding and item.binding.document or {}
            for path, part in known.items():
                value = value_at(item.decision.document, path)
                # Two paths may be two names of the same thing.
                if is_empty(value) or (part.field, value) in told:
                    continue
                if value == value_at(last, path) and not item.last_remark(path):
                    # There was nothing to remark when the same was said last.
                    continue
                if remark := part.remark(source, item, value):
                    remarks[path] = remark
                    told.append((part.field, value))
            # In the order of the document; what a part remarked before goes last.
            item.remarks = remarks | item.remarks
            for remark in item.remarks.values():
                item.warn(remark.text)

    @api.model
    def _sync_make_related(self, source, items: list[Item]) -> list[Item]:
        """Make the small records that ``values`` are to point to and that are not there yet, such as tags."""
        make_named(self, source, self._sync_get_parts(), items)
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

    @api.model
    def _sync_bound(self, source, items: list[Item]) -> None:
        """Do what is left to do for applied ``items`` when the source knows their records."""

    @api.model
    def _sync_agreed(self, source, items: list[Item]) -> list[Item]:
        """Note what the source says anew, of records that hold it already: nothing that people see changes."""
        return items

    @api.model
    def _sync_warn_archived(self, source, items: list[Item], name: str) -> None:
        """Warn of applied ``items`` whose record refers, in field ``name``, to an archived record.

        What belongs to somebody who has left is stored, not refused.
        """
        records = self.browse([item.res_id for item in items])
        archived = records[name].filtered(lambda other: not other.active)
        if not archived:
            return
        external_ids = source._external_ids(archived._sync_entity, archived.ids)
        for item, record in zip(items, records, strict=True):
            if record[name] in archived:
                item.warn(
                    self.env._(
                        "%(record)s is archived in Odoo. This document was applied. "
                        "If the record was archived by mistake, restore it.",
                        record=quote(external_ids.get(record[name].id) or record[name].display_name),
                    )
                )

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
        known = self._sync_get_parts()
        for record, current in zip(self, self._sync_to_json(source), strict=True):
            sent = documents.get(record.id) or {}
            result[record.id] = document = {}
            for path, now in current.items():
                said, part = value_at(sent, path), known.get(path)
                value = said if said is not None and part and part.holds(record, said, now) else now
                if value not in (None, []) or value_at(sent, path, self) is not self:
                    put(document, path, value)
        return result

    def _sync_to_json(self, source, paths: Collection[str] | None = None) -> list[dict[str, Any]]:
        """What each record says now, as JSON values by path.

        :param paths: what is asked for; None for everything, and more may be told
        """
        # Documents are the same in every language: what is merged must not depend on who sends it, or decides.
        records = self.with_context(lang=None)
        columns = {
            path: part.read_from(records, source)
            for path, part in self._sync_get_parts().items()
            if paths is None or path in paths
        }
        return [{path: column[place] for path, column in columns.items()} for place in range(len(self))]

    @api.model
    def _sync_defaults(self, source) -> dict[str, Any]:
        """What Odoo fills in by itself, as JSON values by path: nobody's change."""
        stored = {
            path: part
            for path, part in self._sync_get_parts().items()
            if part.field and not isinstance(part, parts.Reference)
        }
        names = list({part.field for part in stored.values()})
        model = self.with_context(lang=None)
        blank = model.new(model.default_get(names))
        return {path: part.read_from(blank, source)[0] for path, part in stored.items()}

    def _sync_written_at(self) -> datetime:
        """When somebody, here or there, last changed this record (naive UTC)."""
        return self.write_date

    @api.model
    def _sync_options(self) -> set[str]:
        """The parts by which a list can be narrowed."""
        return {path for path, part in self._sync_get_parts().items() if part.is_option}

    @api.model
    def _sync_saying(self, source, said: Mapping[str, str]) -> Domain:
        """The records that say what ``said`` says, by path."""
        known = self._sync_get_parts()
        return Domain.AND(known[path].find(self, source, text.strip()) for path, text in said.items())

    @api.model
    def _sync_changed_since(self, since) -> Domain:
        """The records that somebody, here or there, changed at or after ``since`` (naive UTC)."""
        return Domain("write_date", ">=", since)
