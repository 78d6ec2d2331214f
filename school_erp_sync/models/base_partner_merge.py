from odoo import models


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    _inherit = "base.partner.merge.automatic.wizard"

    def _update_foreign_keys(self, src_partners, dst_partner):
        # Before Odoo does it in SQL, which deletes a role where the contact that is kept has one already.
        (src_partners + dst_partner)._school_merge_roles(dst_partner)
        self.env["school.sync.duplicate"]._forget_merged(src_partners + dst_partner)
        result = super()._update_foreign_keys(src_partners, dst_partner)
        # sudo: whoever may merge contacts merges how they are reached.
        dst_partner.sudo()._school_unlink_repeated_points()
        return result
