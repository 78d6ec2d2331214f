from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date

from ..contract.base import Url
from ..contract.student import StudentDocument, Year
from ..contract.words import meanings
from ..sync.contact_points import reach_parts
from ..sync.contacts import Phone, TaxNumber, address_parts, name_parts
from ..sync.languages import Language
from ..sync.merge import value_at
from ..sync.parts import EnrichingValue, EnrichingWord, Part, Tags
from .school_parent_link import Links
from .school_student_program import Programs
from .school_sync_mixin import SENSITIVE

GENDERS = meanings(
    {
        "male": ("m", "boy", "man"),
        "female": ("f", "girl", "woman"),
        "other": ("o", "x", "d", "diverse", "nonbinary", "non_binary", "third_gender", "transgender"),
    }
)


class SchoolStudent(models.Model):
    _name = "school.student"
    _inherit = ["school.person.mixin"]
    _inherits = {"res.partner": "partner_id"}
    _description = "Student"
    _order = "id"
    _rec_names_search = ["name", "preferred_name", "student_number"]

    _sync_entity = "students"
    _sync_document = StudentDocument
    _sync_after = ("parents",)
    _sync_raced = True
    _sync_link_path = "parents"
    _sync_link_side = "student_id"
    _sync_loose_paths = (_sync_link_path,)
    _sync_name_path = "fullName"
    _sync_parts = {
        **name_parts(_sync_name_path),
        "studentNumber": Part("student_number"),
        **reach_parts(),
        "language": Language("lang"),
        "taxNumber": TaxNumber("vat"),
        "dob": Part("birth_date"),
        "gender": EnrichingWord("gender", GENDERS),
        "nationality": Part("nationality"),
        "religion": Part("religion"),
        "casteCommunity": Part("caste_community"),
        "languages": Tags("language_ids", "language"),
        "photoUrl": EnrichingValue("photo_url", Url),
        "health.bloodGroup": Part("blood_group"),
        "health.allergies": Tags("allergy_ids", "allergy"),
        "health.medicalConditions": Tags("condition_ids", "condition"),
        "emergency.name": Part("emergency_name"),
        "emergency.phone": Phone("emergency_phone"),
        "emergency.relation": Part("emergency_relation"),
        **address_parts(),
        "previousSchool.schoolName": Part("previous_school"),
        "previousSchool.board": Part("previous_board"),
        "previousSchool.lastGrade": Part("previous_grade"),
        "previousSchool.yearOfCompletion": EnrichingValue("previous_year", Year),
        "previousSchool.reasonForTransfer": Part("transfer_reason"),
        "transport.mode": Part("transport_mode"),
        "transport.route": Part("transport_route"),
        "programs": Programs("program_ids"),
        _sync_link_path: Links(_sync_link_side),
    }

    partner_id = fields.Many2one("res.partner", string="Contact Record", required=True, ondelete="restrict", index=True)
    student_number = fields.Char(
        index="btree_not_null", help="The number that the school prints on cards and reports. Not the External ID."
    )
    birth_date = fields.Date("Date of Birth")
    gender = fields.Selection([("male", "Male"), ("female", "Female"), ("other", "Other")])
    nationality = fields.Char()
    religion = fields.Char(groups=SENSITIVE)
    caste_community = fields.Char("Caste or Community", groups=SENSITIVE)
    language_ids = fields.Many2many(
        "school.tag", "school_student_language_rel", string="Languages", domain=[("kind", "=", "language")]
    )
    photo_url = fields.Char("Photo Link")
    blood_group = fields.Char(groups=SENSITIVE)
    allergy_ids = fields.Many2many(
        "school.tag",
        "school_student_allergy_rel",
        string="Allergies",
        domain=[("kind", "=", "allergy")],
        groups=SENSITIVE,
    )
    condition_ids = fields.Many2many(
        "school.tag",
        "school_student_condition_rel",
        string="Medical Conditions",
        domain=[("kind", "=", "condition")],
        groups=SENSITIVE,
    )
    emergency_name = fields.Char("Emergency Contact")
    emergency_phone = fields.Char()
    emergency_relation = fields.Char()
    previous_school = fields.Char()
    previous_board = fields.Char()
    previous_grade = fields.Char("Last Grade")
    previous_year = fields.Integer("Year of Completion")
    transfer_reason = fields.Char("Reason for Transfer")
    transport_mode = fields.Char()
    transport_route = fields.Char()
    program_ids = fields.One2many("school.student.program", "student_id", string="Programs", groups=SENSITIVE)
    link_ids = fields.One2many("school.parent.link", "student_id", string="Guardians")
    fee_schedule_ids = fields.One2many("school.fee.schedule", "student_id", string="Fee Schedules")
    fee_schedule_count = fields.Integer(compute="_compute_fee_counts")
    billing_ids = fields.One2many("school.billing", "student_id", string="Billings")
    billing_count = fields.Integer(compute="_compute_fee_counts")
    parent_count = fields.Integer(compute="_compute_parent_count")
    parent_ids = fields.Many2many("school.parent", string="Guardian Names", compute="_compute_parents")
    main_parent_id = fields.Many2one("school.parent", "First Guardian", compute="_compute_parents")
    main_phone = fields.Char("Guardian's Phone", compute="_compute_parents")

    _partner_company_unique = models.Constraint(
        "UNIQUE (partner_id, company_id)", "This contact is a student of this school already."
    )

    @api.depends("link_ids")
    def _compute_parent_count(self):
        for student in self:
            student.parent_count = len(student.link_ids)

    @api.depends("link_ids.parent_id.phone", "link_ids.priority")
    def _compute_parents(self):
        for student in self:
            parents = student.link_ids.sorted("priority").parent_id
            student.parent_ids = parents
            student.main_parent_id = parents[:1]
            student.main_phone = parents[:1].phone

    @api.depends("fee_schedule_ids", "billing_ids")
    def _compute_fee_counts(self):
        for student in self:
            student.fee_schedule_count = len(student.fee_schedule_ids)
            student.billing_count = len(student.billing_ids)

    @api.model
    def _sync_fits(self, source, item, candidate):
        fits = super()._sync_fits(source, item, candidate)
        if not fits or source.match_rule == "reference" or not candidate.role:
            return fits
        born, day = candidate.role.birth_date, value_at(item.document, "dob")
        # A mother and her daughter may share the address and the name.
        return not (born and day and born.isoformat() != day)

    def _merge_into(self, survivor):
        born = (self | survivor).filtered("birth_date")
        days = sorted(set(born.mapped("birth_date")))
        if len(days) > 1:
            raise UserError(
                self.env._(
                    "These students were born on different days: %(days)s. If they are one student, correct the date "
                    "of birth first.",
                    days=", ".join(format_date(self.env, day) for day in days),
                )
            )
        result = super()._merge_into(survivor)
        survivor.program_ids._unlink_repeated()
        return result

    def _read_group_groupby(self, alias, groupby_spec, query):
        # Of a many2many field, Odoo does not look at the groups.
        name = groupby_spec.partition(":")[0].partition(".")[0]
        if name in self._fields:
            self._check_field_access(self._fields[name], "read")
        return super()._read_group_groupby(alias, groupby_spec, query)

    def action_open_fee_schedules(self):
        """:return: the action that shows this student's fee schedules"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_fee_schedule_action")
        return {**action, "domain": [("student_id", "in", self.ids)]}

    def action_open_billings(self):
        """:return: the action that shows this student's billings"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_billing_action")
        return {**action, "domain": [("student_id", "in", self.ids)]}

    def action_open_parents(self):
        """:return: the action that shows this student's guardians"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_parent_action")
        action["domain"] = [("link_ids.student_id", "in", self.ids)]
        return action
