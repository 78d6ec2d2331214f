from odoo import api, fields, models
from odoo.exceptions import UserError


class AccountPayment(models.Model):
    _name = "account.payment"
    _inherit = ["school.audit.mixin", "account.payment"]

    school_payment_ids = fields.One2many("school.payment", "payment_id", string="Payments from Sources", readonly=True)

    @api.model
    def _school_register(self, source, journal, vals_list: list[dict]):
        """Register and post payments of customers in ``journal``, for ``source``. :return: them, in their order"""
        # Odoo books a payment only where it has an account to wait on, and without one no invoice would be paid.
        lines = {
            kind: journal[f"{kind}_payment_method_line_ids"][:1]
            for kind in {vals.get("payment_type", "inbound") for vals in vals_list}
        }
        has_account = all(line.payment_account_id for line in lines.values())
        model = self.with_context(force_payment_move=not has_account)
        if source.company_id.parent_id:
            # sudo: the account of a branch is its parent's, which Odoo looks up there; the API user need not see it.
            model = model.sudo()
        payments = model.create(
            [
                {
                    "payment_type": "inbound",
                    "partner_type": "customer",
                    "journal_id": journal.id,
                    "company_id": source.company_id.id,
                    **vals,
                }
                for vals in vals_list
            ]
        ).with_env(self.env)
        payments.action_post()
        return payments

    def unlink(self):
        # First of all: Odoo takes the entry away, and then refuses in words of its own.
        self._check_not_reported()
        return super().unlink()

    def _check_not_reported(self) -> None:
        """:raises odoo.exceptions.UserError: if a source has reported one of these payments"""
        # sudo: as below.
        documents = self.env["school.payment"].sudo()
        booked = documents.search(["|", ("payment_id", "in", self.ids), ("refund_id", "in", self.ids)], limit=1)
        if booked:
            raise UserError(
                self.env._(
                    "This payment was reported as %(payment)s and cannot be deleted. Cancel it instead.",
                    payment=booked.name,
                )
            )
        # sudo: what a source has reported is kept from those, too, who see nothing of the sync.
        reported = self.env["school.billing.payment"].sudo().search([("payment_id", "in", self.ids)], limit=1)
        if reported:
            raise UserError(
                self.env._(
                    "This payment was reported for the school billing %(billing)s and cannot be deleted. Cancel it "
                    "instead.",
                    billing=reported.billing_id.name,
                )
            )
