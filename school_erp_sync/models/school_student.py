from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import format_date

from ..contract.student import StudentDocument
from ..sync.item import Item
from ..sync.merge import value_at

GENDERS = {"m": "male", "male": "male", "boy": "male", "f": "female", "female": "female", "girl": "female"}

_TAG_PATHS = {
    "languages": ("language", "language_ids"),
    "health.allergies": ("allergy", "allergy_ids"),
    "health.medicalConditions": ("condition", "condition_ids"),
}
_PLACE_PATHS = {"address.country", "address.state"}


class SchoolStudent(models.Model):
    _name = "school.student"
    _inherit = ["school.person.mixin"]
    _inherits = {"res.partner": "partner_id"}
    _description = "Student"
    _order = "id"

    _sync_entity = "students"
    _sync_document = StudentDocument
    _sync_after = ("parents",)
    _sync_raced = True
    _sync_link_path = "parents"
    _sync_link_side = "student_id"
    _sync_loose_paths = (_sync_link_path,)
    _sync_name_path = "fullName"
    _sync_phone_paths = ("emergency.phone",)
    _sync_fields = {
        "fullName": "name",
        "dob": "birth_date",
        "gender": "gender",
        "nationality": "nationality",
        "religion": "religion",
        "casteCommunity": "caste_community",
        "languages": "language_ids",
        "photoUrl": "photo_url",
        "health.bloodGroup": "blood_group",
        "health.allergies": "allergy_ids",
        "health.medicalConditions": "condition_ids",
        "emergency.name": "emergency_name",
        "emergency.phone": "emergency_phone",
        "emergency.relation": "emergency_relation",
        "address.permanent": "street",
        "address.correspondence": "correspondence_address",
        "address.city": "city",
        "address.state": "state_id",
        "address.country": "country_id",
        "address.pin": "zip",
        "previousSchool.schoolName": "previous_school",
        "previousSchool.board": "previous_board",
        "previousSchool.lastGrade": "previous_grade",
        "previousSchool.yearOfCompletion": "previous_year",
        "previousSchool.reasonForTransfer": "transfer_reason",
        "transport.mode": "transport_mode",
        "transport.route": "transport_route",
    }

    partner_id = fields.Many2one("res.partner", string="Contact Record", required=True, ondelete="restrict", index=True)
    birth_date = fields.Date("Date of Birth")
    gender = fields.Selection([("male", "Male"), ("female", "Female"), ("other", "Other")])
    nationality = fields.Char()
    religion = fields.Char()
    caste_community = fields.Char("Caste or Community")
    language_ids = fields.Many2many(
        "school.tag", "school_student_language_rel", string="Languages", domain=[("kind", "=", "language")]
    )
    photo_url = fields.Char("Photo Link")
    blood_group = fields.Char()
    allergy_ids = fields.Many2many(
        "school.tag", "school_student_allergy_rel", string="Allergies", domain=[("kind", "=", "allergy")]
    )
    condition_ids = fields.Many2many(
        "school.tag", "school_student_condition_rel", string="Medical Conditions", domain=[("kind", "=", "condition")]
    )
    emergency_name = fields.Char("Emergency Contact")
    emergency_phone = fields.Char()
    emergency_relation = fields.Char()
    correspondence_address = fields.Char()
    state_text = fields.Char("State as Sent", help="A state that Odoo does not know, in the words of the source.")
    previous_school = fields.Char()
    previous_board = fields.Char()
    previous_grade = fields.Char("Last Grade")
    previous_year = fields.Integer("Year of Completion")
    transfer_reason = fields.Char("Reason for Transfer")
    transport_mode = fields.Char()
    transport_route = fields.Char()
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
        return super()._merge_into(survivor)

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

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        self._sync_place_values(source, items)
        for item in items:
            if gender := item.values.get("gender"):
                item.values["gender"] = GENDERS.get(gender.casefold(), "other")
        return items

    @api.model
    def _sync_make_related(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_make_related(source, items)
        for path, (kind, name) in _TAG_PATHS.items():
            names = {item.index: value_at(item.decision.document, path) or [] for item in items if path in item.paths}
            ids = self.env["school.tag"]._find_or_make(kind, {tag for tags in names.values() for tag in tags})
            for item in items:
                if item.index in names:
                    item.values[name] = [Command.set([ids[tag] for tag in dict.fromkeys(names[item.index])])]
        return items

    @api.model
    def _sync_place_values(self, source, items: list[Item]) -> None:
        placed = [item for item in items if item.paths & _PLACE_PATHS]
        if not placed:
            return
        countries = self._places_by_word("res.country")
        states = None
        records = {record.id: record for record in self.browse([item.res_id for item in placed if item.res_id])}
        for item in placed:
            # Of a student that is new, the contact may have been there before.
            record = records.get(item.res_id) or self.new({"partner_id": item.values.get("partner_id")})
            country_id = record.country_id.id
            if "address.country" in item.paths:
                country_word = value_at(item.decision.document, "address.country")
                country_id = countries.get(country_word.casefold()) if country_word else False
                if country_id is None:
                    item.fail(
                        "/address/country",
                        "unknown_country",
                        f"address.country {country_word!r} is not a country that Odoo knows; "
                        "send its English name or its ISO 3166 code, such as India or IN",
                    )
                    continue
                item.values["country_id"] = country_id
            if "address.state" in item.paths:
                state_word = value_at(item.decision.document, "address.state")
            else:
                # Where its country changes, the state that Odoo has is another one of the same name, or mere text.
                state_word = record.state_id.with_context(lang="en_US").name or record.state_text
            state_id = False
            if state_word:
                states = self._places_by_word("res.country.state") if states is None else states
                state_id = states.get((country_id or source.company_id.country_id.id, state_word.casefold()), False)
                if not state_id:
                    item.warn(f"/address/state {state_word!r} is not a state that Odoo knows; it was kept as text")
            item.values.update(state_id=state_id, state_text=False if state_id else state_word or False)

    @api.model
    def _places_by_word(self, model: str) -> dict:
        """The ids of all countries, or of all states by country, under each word that may name one."""
        result = {}
        for place in self.env[model].with_context(lang="en_US").search_fetch([], ["code", "name"]):
            for word in filter(None, (place.code, place.name)):
                key = word.casefold()
                result[key if model == "res.country" else (place.country_id.id, key)] = place.id
        return result

    # ------------------------------------------------------------------
    # From records to documents
    # ------------------------------------------------------------------

    def _sync_to_json(self, source, paths=None):
        result = super()._sync_to_json(source, paths)
        for student, current in zip(self, result, strict=True):
            if "address.state" in current:
                current["address.state"] = current["address.state"] or student.state_text or None
        return result

    def _sync_holds(self, path, said, now):
        if path == "gender":
            return GENDERS.get(said.casefold(), "other") == self.gender
        if path in _PLACE_PATHS:
            place = self.country_id if path == "address.country" else self.state_id
            english = place.with_context(lang="en_US")
            return said.casefold() in {
                (now or "").casefold(),
                (place.code or "").casefold(),
                (english.name or "").casefold(),
            }
        return super()._sync_holds(path, said, now)
