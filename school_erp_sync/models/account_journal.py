from odoo import models


class AccountJournal(models.Model):
    _inherit = "account.journal"

    def _school_has_own_references(self) -> bool:
        """Return whether payments refer to invoices other than by the number that Odoo gives by default."""
        return bool(self) and (self.invoice_reference_type, self.invoice_reference_model) != ("invoice", "odoo")
