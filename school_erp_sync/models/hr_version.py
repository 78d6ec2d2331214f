from odoo import api, models


class HrVersion(models.Model):
    _inherit = "hr.version"

    @api.model_create_multi
    def create(self, vals_list):
        versions = super().create(vals_list)
        # sudo: whom a source selects does not depend on who writes.
        versions.sudo().employee_id._school_sync_touch({name for vals in vals_list for name in vals})
        return versions

    def write(self, vals):
        result = super().write(vals)
        # sudo: whom a source selects does not depend on who writes.
        self.sudo().employee_id._school_sync_touch(vals)
        return result
