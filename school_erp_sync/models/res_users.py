from odoo import models, tools

from ..sync.texts import ENGLISH


class ResUsers(models.Model):
    _inherit = "res.users"

    @tools.ormcache("self.id")
    def _school_lang(self) -> str:
        """Return the language in which this API user is answered: its own, else English."""
        return self.lang if self.lang and self.env["res.lang"]._get_data(code=self.lang) else ENGLISH

    def _archive_school_api_users(self) -> None:
        """Archive those of these users who are machines: they have no password and have never logged in."""
        # Nobody reads a password through the ORM.
        self.env.cr.execute("SELECT id FROM res_users WHERE id = ANY(%s) AND password IS NULL", [self.ids])
        machines = self.browse(user_id for (user_id,) in self.env.cr.fetchall()) - self.env.user
        # sudo: a sync manager who ends a source need not be allowed to administer users.
        machines.sudo().filtered(lambda user: user.active and not user.login_date).action_archive()
