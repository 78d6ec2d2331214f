from odoo import api, fields, models

from ..contract.program import status_key, type_of
from ..sync.parts import Part

# What a program of the contract says -> where it is stored.
_FIELDS = {"code": "code", "name": "name", "status": "status", "startDate": "date_start", "endDate": "date_end"}


class SchoolStudentProgram(models.Model):
    """A program that a student takes part in. Which ones is as sensitive as health is."""

    _name = "school.student.program"
    _description = "Program of a Student"
    _order = "student_id, date_start desc, id"

    student_id = fields.Many2one("school.student", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="student_id.company_id", store=True, precompute=True, index=True)
    type = fields.Selection(
        [
            ("special_education", "Special Education"),
            ("language_learner", "Language Learner"),
            ("meal", "School Meals"),
            ("other", "Other"),
        ],
        required=True,
        default="other",
    )
    code = fields.Char(help="The code of the source.")
    name = fields.Char("Program")
    status = fields.Char(help="Such as active, or for school meals free, reduced or paid.")
    date_start = fields.Date("From")
    date_end = fields.Date("Until")

    _period_check = models.Constraint(
        "CHECK (date_end IS NULL OR date_start IS NULL OR date_end >= date_start)",
        "A program cannot end before it starts.",
    )

    @api.depends("type", "name", "code")
    def _compute_display_name(self):
        labels = dict(self._fields["type"]._description_selection(self.env))
        for program in self:
            program.display_name = program.name or program.code or labels.get(program.type)

    def _to_json(self):
        """:return: this program as the contract words it"""
        said = {"type": self.type, **{key: self[name] for key, name in _FIELDS.items()}}
        return {key: value.isoformat() if key.endswith("Date") else value for key, value in said.items() if value}

    def _unlink_repeated(self) -> None:
        """Delete those of these programs that say what another one says, as after a merge of students."""
        first = {}
        for program in self.sorted("id"):
            first.setdefault(_essence(program._to_json()), program)
        (self - self.browse().concat(*first.values())).unlink()


class Programs(Part):
    """The part of a document that lists the programs of a student, in no order."""

    def meaning(self, model, value):
        return frozenset(_essence(program) for program in value) if value else None

    def prepare(self, model, source, items):
        for item in items:
            programs = {_essence(program): program for program in item.decision.document.get(self.path) or ()}
            item.values[self.field] = [
                fields.Command.clear(),
                *(
                    fields.Command.create(
                        {"type": type_of(program)} | {name: program.get(key) or False for key, name in _FIELDS.items()}
                    )
                    for program in programs.values()
                ),
            ]

    def _read_one(self, record):
        return [program._to_json() for program in record[self.field]] or None


def _essence(program):
    """:return: what is equal for two ``program`` that mean the same"""
    program_type = type_of(program)
    words = tuple((program.get(key) or "").casefold() for key in ("code", "name"))
    days = tuple(program.get(key) for key in ("startDate", "endDate"))
    return program_type, *words, status_key(program_type, program.get("status")), *days
