from odoo import api, fields, models

from ..contract.parent import ParentDocument
from ..sync.item import Item, Reference


class SchoolParent(models.Model):
    _name = "school.parent"
    _inherit = ["school.person.mixin"]
    _inherits = {"res.partner": "partner_id"}
    _description = "Parent or Guardian"
    _order = "id"

    _sync_entity = "parents"
    _sync_document = ParentDocument
    _sync_raced = True
    _sync_loose_paths = ("students",)
    _sync_name_path = "name"
    _sync_phone_paths = ("phone",)
    _sync_fields = {
        "name": "name",
        "relation": "relation",
        "occupation": "function",
        "phone": "phone",
        "email": "email",
        "portalUserId": "portal_user_id",
    }

    partner_id = fields.Many2one("res.partner", string="Contact Record", required=True, ondelete="restrict", index=True)
    relation = fields.Char(help="What this person is to the students of the family, unless a student says otherwise.")
    portal_user_id = fields.Char(index="btree_not_null", help="The account in the onboarding portal.")
    link_ids = fields.One2many("school.parent.link", "parent_id", string="Students")
    student_count = fields.Integer(compute="_compute_student_count")
    student_ids = fields.Many2many("school.student", string="Student Names", compute="_compute_students")

    _partner_company_unique = models.Constraint(
        "UNIQUE (partner_id, company_id)", "This contact is a parent of this school already."
    )

    @api.depends("link_ids")
    def _compute_student_count(self):
        for parent in self:
            parent.student_count = len(parent.link_ids)

    @api.depends("link_ids.student_id")
    def _compute_students(self):
        for parent in self:
            parent.student_ids = parent.link_ids.student_id

    def action_open_students(self):
        """:return: the action that shows this guardian's students"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_student_action")
        action["domain"] = [("link_ids.parent_id", "in", self.ids)]
        return action

    @api.model
    def _sync_paths(self):
        return (*super()._sync_paths(), "students")

    @api.model
    def _sync_references(self, document):
        for index, link in enumerate(document.get("students") or ()):
            yield Reference("students", link["externalId"], f"/students/{index}")

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        self.env["school.parent.link"]._sync_replace(source, "parent_id", "students", items)
        return items

    def _sync_to_json(self, source, paths=None):
        result = super()._sync_to_json(source, paths)
        if paths is None or "students" in paths:
            links = self.env["school.parent.link"]._sync_by_side(source, "parent_id", self)
            for parent, current in zip(self, result, strict=True):
                current["students"] = links[parent.id]
        return result

    def _sync_holds(self, path, said, now):
        if path == "students":
            return self.env["school.parent.link"]._sync_same(said, now)
        return super()._sync_holds(path, said, now)

    def _sync_untouched(self, path, said, now, arrived):
        if path == "students":
            return self.env["school.parent.link"]._sync_untouched(said, now, arrived)
        return super()._sync_untouched(path, said, now, arrived)

    def _sync_done(self, path, arrived, now, said):
        if path == "students":
            return self.env["school.parent.link"]._sync_done(arrived, now, said)
        return super()._sync_done(path, arrived, now, said)

    def _sync_spelled_out(self, path, value):
        if path == "students":
            return self.env["school.parent.link"]._sync_spelled_out(value)
        return super()._sync_spelled_out(path, value)
