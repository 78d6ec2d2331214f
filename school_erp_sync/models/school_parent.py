from odoo import api, fields, models

from ..contract.parent import ParentDocument
from ..sync.contact_points import reach_parts
from ..sync.contacts import OfContact, TaxNumber, address_parts, name_parts
from ..sync.languages import Language
from ..sync.parts import Part
from .school_parent_link import Links


class SchoolParent(models.Model):
    _name = "school.parent"
    _inherit = ["school.person.mixin"]
    _inherits = {"res.partner": "partner_id"}
    _description = "Parent or Guardian"
    _order = "id"
    _rec_names_search = ["name", "preferred_name"]

    _sync_entity = "parents"
    _sync_document = ParentDocument
    _sync_raced = True
    _sync_link_path = "students"
    _sync_link_side = "parent_id"
    _sync_loose_paths = (_sync_link_path,)
    _sync_name_path = "name"
    _sync_parts = {
        **name_parts(_sync_name_path),
        "relation": Part("relation"),
        "occupation": OfContact("function"),
        **reach_parts(),
        "language": Language("lang"),
        "taxNumber": TaxNumber("vat"),
        **address_parts(),
        "portalUserId": Part("portal_user_id"),
        _sync_link_path: Links(_sync_link_side),
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
