from odoo import api, fields, models

from ..contract.base import pointer
from ..contract.text import quote
from ..sync.item import Item
from ..sync.parts import Code, Reference


class SchoolAcademicMixin(models.AbstractModel):
    """A record of a school's year."""

    _name = "school.academic.mixin"
    _inherit = ["school.sync.mixin"]
    _description = "Record of an Academic Year"
    _check_company_auto = True

    _sync_parts = {"schoolExternalId": Reference("schools", "school_id")}

    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, default=lambda self: self.env.company
    )
    active = fields.Boolean(default=True)
    school_id = fields.Many2one(
        "school.school", "Campus", index="btree_not_null", ondelete="restrict", check_company=True
    )

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        texts = {path: part for path, part in self._sync_get_parts().items() if isinstance(part, Code)}
        for path, part in texts.items():
            if part.instead_of:
                self._sync_check_agree(items, path, part)
        self._sync_place_in_section(items)
        moved = [item for item in items if item.res_id and "schoolExternalId" in item.paths]
        for item, record in zip(moved, self.browse([item.res_id for item in moved]), strict=True):
            # A code means another entry at another school.
            document = item.decision.document
            item.paths |= {
                path
                for path, part in texts.items()
                if part.instead_of and document.get(path) and part.holds(record, document[path], None)
            }
        return items

    @api.model
    def _sync_check_agree(self, items: list[Item], path: str, part: Code) -> None:
        """Refuse those of ``items`` in which a code and a reference mean two entries; where they agree, apply one."""
        reference = self._sync_get_parts()[part.instead_of]
        found = {}
        for item in items:
            document = item.decision.document
            if item.paths & {path, reference.path} and document.get(path) and document.get(reference.path):
                if entry_id := item.found.get((reference.entity, document[reference.path])):
                    found[item] = entry_id
        entries = self.env[part.comodel(self)].browse(found.values())
        for item, entry in zip(found, entries, strict=True):
            code = item.decision.document[path]
            if part.meaning(self, code) == entry.code_key:
                item.paths.discard(path)
                continue
            item.fail(
                pointer(path),
                "contradiction",
                self.env._(
                    "%(field)s is %(code)s, but %(reference)s %(record)s has the code %(other)s. Send one of them.",
                    field=path,
                    code=quote(code),
                    reference=reference.path,
                    record=quote(item.decision.document[reference.path]),
                    other=quote(entry.code),
                ),
            )

    @api.model
    def _sync_place_in_section(self, items: list[Item]) -> None:
        """Give ``items`` that name a section by reference its course and its school, where they do not say them.

        Refuse those that say others.
        """
        named = {
            item: section_id
            for item in items
            if "sectionExternalId" in item.paths
            and (section_id := item.found.get(("sections", item.decision.document.get("sectionExternalId"))))
        }
        sections = self.env["school.section"].browse(named.values())
        for item, section in zip(named, sections, strict=True):
            self._sync_follow(item, section.school_id, "schoolExternalId", "school")
            if "course_id" in self._fields:
                self._sync_follow(item, section.course_id, "courseExternalId", "course")

    @api.model
    def _sync_follow(self, item: Item, entry, path: str, text: str) -> None:
        """Give ``item`` the ``entry`` of its section, which its document may also name, at ``path`` or as ``text``."""
        if not entry:
            return
        document, parts = item.decision.document, self._sync_get_parts()
        said = path if document.get(path) else text
        if document.get(path):
            agrees = item.found.get((parts[path].entity, document[path]), entry.id) == entry.id
        else:
            agrees = not document.get(text) or entry._code_key(document[text]) == entry.code_key
        if agrees:
            item.values[parts[path].field] = entry.id
            if text in parts and parts[text].instead_of:
                item.paths.discard(text)
        else:
            item.fail(
                pointer(said),
                "contradiction",
                self.env._(
                    "%(field)s is %(value)s, but the section %(section)s belongs to %(entry)s. Correct one of them.",
                    field=said,
                    value=quote(document[said]),
                    section=quote(document["sectionExternalId"]),
                    entry=quote(entry.display_name),
                ),
            )

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        self._sync_warn_archived(source, items, "student_id")
        return items
