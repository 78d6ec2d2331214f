from odoo import api, models

_WHO_PAYS = frozenset({"student_id", "parent_id", "pays", "priority", "date_start", "date_end"})


class SchoolParentLink(models.Model):
    """Whoever pays for a student gets the invoices that are not posted yet."""

    _inherit = "school.parent.link"

    @api.model_create_multi
    def create(self, vals_list):
        links = super().create(vals_list)
        links.student_id._address_drafts()
        return links

    def write(self, vals):
        students = self.student_id
        result = super().write(vals)
        if not _WHO_PAYS.isdisjoint(vals):
            (students + self.student_id)._address_drafts()
        return result

    def unlink(self):
        students = self.student_id
        result = super().unlink()
        students.exists()._address_drafts()
        return result


class SchoolStudent(models.Model):
    _inherit = "school.student"

    def _address_drafts(self) -> None:
        """Address the drafts of these students to whoever pays for them now."""
        # sudo: who says who pays need not see invoices; only drafts that nobody has addressed otherwise are changed.
        billings = self.env["school.billing"].sudo()
        billings.search(
            [("student_id", "in", self.ids), ("state", "=", "draft"), ("payer_id", "=", False)]
        )._follow_payer()
