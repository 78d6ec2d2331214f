from odoo import api, models

_WHO_PAYS = frozenset({"student_id", "parent_id", "pays", "priority", "date_start", "date_end"})


class SchoolParentLink(models.Model):
    """Whoever pays for a student gets the invoices that are not posted yet."""

    _inherit = "school.parent.link"

    @api.model_create_multi
    def create(self, vals_list):
        links = super().create(vals_list)
        self._address_drafts(links.student_id)
        return links

    def write(self, vals):
        students = self.student_id
        result = super().write(vals)
        if not _WHO_PAYS.isdisjoint(vals):
            self._address_drafts(students + self.student_id)
        return result

    def unlink(self):
        students = self.student_id
        result = super().unlink()
        self._address_drafts(students.exists())
        return result

    @api.model
    def _address_drafts(self, students) -> None:
        """Address the drafts of ``students`` to whoever pays for them now."""
        # sudo: who says who pays need not see invoices; only drafts that nobody has addressed otherwise are changed.
        billings = self.env["school.billing"].sudo()
        drafts = [("student_id", "in", students.ids), ("state", "=", "draft"), ("payer_id", "=", False)]
        billings.search(drafts)._follow_payer()
