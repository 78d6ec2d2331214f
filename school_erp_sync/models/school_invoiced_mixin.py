from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools.sql import column_exists, create_column

#: who may see whom an invoice is for: not everybody who sees invoices, such as salespeople
INVOICED_GROUPS = "account.group_account_invoice,account.group_account_readonly,school_erp_sync.group_sync_reader"
#: where the student was enrolled; it stays what it was when the student moves up
PLACE_FIELDS = ("school_class", "school_grade_id", "school_year_id", "school_campus_id")
INVOICED_FIELDS = ("school_student_id", *PLACE_FIELDS)


class SchoolInvoicedMixin(models.AbstractModel):
    """What an invoice, or a part of one, is about: a student, in the class of that time."""

    _name = "school.invoiced.mixin"
    _description = "Invoice of a Student, or a Part of It"

    # None is copied by Odoo, which would refuse it to those who may copy an invoice and not see whom it is for.
    school_student_id = fields.Many2one(
        "school.student",
        string="Student",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        groups=INVOICED_GROUPS,
    )
    school_student_name = fields.Char(
        compute="_compute_school_student_name",
        compute_sudo=True,
        search="_search_school_student_name",
        groups=INVOICED_GROUPS,
    )
    school_class = fields.Char(
        "Class",
        readonly=True,
        copy=False,
        groups=INVOICED_GROUPS,
        help="Grade and section of the student on the day of the invoice.",
    )
    school_grade_id = fields.Many2one(
        "school.grade", string="Grade", readonly=True, copy=False, ondelete="restrict", groups=INVOICED_GROUPS
    )
    school_year_id = fields.Many2one(
        "school.academic.year",
        readonly=True,
        copy=False,
        ondelete="restrict",
        groups=INVOICED_GROUPS,
    )
    school_campus_id = fields.Many2one(
        "school.school", string="Campus", readonly=True, copy=False, ondelete="restrict", groups=INVOICED_GROUPS
    )

    # sudo: those who collect fees are told whose they are, without being readers of students.
    @api.depends("school_student_id.name")
    def _compute_school_student_name(self):
        for record in self:
            record.school_student_name = record.school_student_id.name

    @api.model
    def _search_school_student_name(self, operator, value):
        # sudo: as above; of a student that the user may not read, nothing but the name can be searched.
        students = self.env["school.student"].sudo()._search(Domain("name", operator, value), active_test=False)
        return Domain("school_student_id", "in", students)

    def export_data(self, fields_to_export):
        # Odoo shows the name of a linked record to everybody, but exports it only to those who may open the record.
        if not self.env["school.student"].has_access("read"):
            fields_to_export = [
                "school_student_name" if name == "school_student_id" else name for name in fields_to_export
            ]
        return super().export_data(fields_to_export)

    def _auto_init(self):
        # Nothing is about a student before there are billings: Odoo need not look at each entry that is there.
        for name, field in self._fields.items():
            if name.startswith("school_") and field.store and field.compute:
                if not column_exists(self.env.cr, self._table, name):
                    create_column(self.env.cr, self._table, name, field.column_type[1])
        return super()._auto_init()

    def _school_add_copied(self, vals_list: list, names: tuple[str, ...]) -> list:
        """Return the values of copies of these records with the fields ``names``, for those who see them."""
        if not self._has_field_access(self._fields[names[0]], "read"):
            return vals_list
        for record, vals in zip(self, vals_list, strict=True):
            for name in names if vals else ():
                vals.setdefault(name, record._fields[name].convert_to_write(record[name], record))
        return vals_list
