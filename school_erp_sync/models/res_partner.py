from odoo import models


class ResPartner(models.Model):
    _inherit = "res.partner"

    def _archive_idle_school_contacts(self):
        """Archive those of these contacts that no longer play a role: no user, no employee, no student, no parent."""
        busy = self.filtered(lambda partner: partner.employee or partner.with_context(active_test=True).sudo().user_ids)
        candidates = self - busy
        for model in ("school.student", "school.parent"):
            # sudo: a role in a school that the user may not see keeps the contact alive all the same.
            candidates -= self.env[model].sudo().search([("partner_id", "in", candidates.ids)]).partner_id
        candidates.sudo(False).filtered("active").action_archive()
