from odoo import api, fields, models
from odoo.exceptions import UserError

from ..contract.text import quote
from ..sync.item import Item


class SchoolBillingPayment(models.Model):
    """Money that a source says was received, and the payment it became."""

    _name = "school.billing.payment"
    _description = "Payment of a School Billing"
    _order = "date, id"
    _rec_name = "external_id"

    billing_id = fields.Many2one("school.billing", required=True, index=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="billing_id.company_id", store=True, precompute=True)
    currency_id = fields.Many2one(related="billing_id.currency_id")
    external_id = fields.Char("External ID", readonly=True, help="Empty where the source said paid, and not how.")
    date = fields.Date(required=True, readonly=True)
    amount = fields.Monetary(required=True, readonly=True)
    method = fields.Char(readonly=True)
    reference = fields.Char(readonly=True)
    payment_id = fields.Many2one("account.payment", readonly=True, ondelete="restrict", index=True)
    payment_state = fields.Selection(related="payment_id.state", string="Status")

    _identity = models.UniqueIndex("(billing_id, external_id)", "This payment is registered already.")

    @api.ondelete(at_uninstall=False)
    def _unlink_except_registered(self):
        if registered := self.filtered("payment_id")[:1]:
            raise UserError(
                self.env._(
                    "Payment %(payment)s of %(billing)s cannot be deleted: the source would register it again. Cancel "
                    "the payment in Accounting instead.",
                    payment=registered.external_id or registered.date,
                    billing=registered.billing_id.name,
                )
            )

    def _filter_live(self):
        """Those of these payments that stand in the books, or may yet do so."""
        return self.filtered(
            lambda payment: (
                payment.payment_id.state not in (False, "canceled", "rejected")
                and "posted" not in payment.payment_id.move_id.reversal_move_ids.mapped("state")
            )
        )

    def _filter_own(self):
        """Those of these live payments that have not become a document of their own, and so are the billings'."""
        return self._filter_live().filtered(lambda payment: not payment.payment_id.school_payment_ids)

    def _filter_applied(self):
        """Those of these payments that pay for an invoice: what accountants have undone is theirs.

        What has become a document of its own says itself what it pays.
        """
        return self.filtered(
            lambda payment: (
                payment._get_receivable_lines().filtered("matched_debit_ids")
                and not payment.payment_id.school_payment_ids
            )
        )

    def _get_receivable_lines(self):
        return self.payment_id.move_id.line_ids.filtered(
            lambda line: line.account_type == "asset_receivable" and line.parent_state == "posted"
        )

    def _register_all(self, source, vals_list: list[dict]):
        """Register these payments and new ones in Odoo's accounting, and pay the invoices of their billings with them.

        :return: the payments
        """
        payments = self + self.create(vals_list)
        payments._post(source)
        payments._reconcile()
        return payments

    def _post(self, source) -> None:
        """Register and post these payments in Odoo's accounting, in the journal of ``source``."""
        if not self:
            return
        odoo_payments = self.env["account.payment"]._school_register(
            source,
            source._get_payment_journal(),
            [
                {
                    "partner_id": payment.billing_id.move_id.commercial_partner_id.id,
                    "amount": payment.amount,
                    "currency_id": payment.currency_id.id,
                    "date": payment.date,
                    **payment._prepare_destination(),
                    **payment._prepare_discount(),
                    "memo": " ".join(filter(None, (payment.billing_id.name, payment.method, payment.reference))),
                }
                for payment in self
            ],
        )
        for payment, odoo_payment in zip(self, odoo_payments, strict=True):
            payment.payment_id = odoo_payment

    def _prepare_destination(self) -> dict:
        """The account of the invoice that is paid, whatever the customer's has become since."""
        lines = self.billing_id.move_id.line_ids.filtered(lambda line: line.account_type == "asset_receivable")
        return {"destination_account_id": lines.account_id.id} if len(lines.account_id) == 1 else {}

    def _prepare_discount(self) -> dict:
        """The journal items of a discount for early payment, if this only payment is what is then to be paid."""
        move = self.billing_id.move_id
        if not move.invoice_payment_term_id.early_discount or self.billing_id.payment_ids != self:
            return {}
        due = move.line_ids.filtered(lambda line: line.display_type == "payment_term")
        if not move._is_eligible_for_early_payment_discount(self.currency_id, self.date) or (
            self.currency_id.compare_amounts(self.amount, due.discount_amount_currency)
        ):
            return {}
        left = due.currency_id._convert(
            due.amount_residual_currency - self.amount, due.company_currency_id, due.company_id, self.date
        )
        balance = due.currency_id._convert(
            -due.amount_residual_currency, due.company_currency_id, due.company_id, self.date
        )
        values = {"aml": due, "amount_currency": -due.amount_residual_currency, "balance": balance}
        items = move._get_invoice_counterpart_amls_for_early_payment_discount([values], left)
        return {"write_off_line_vals": [line for lines in items.values() for line in lines]}

    def _reconcile(self) -> None:
        """Pay the invoices of the billings with these payments, as far as they go."""
        plan = []
        for billing, payments in self.grouped("billing_id").items():
            lines = payments._get_receivable_lines() + billing.move_id.line_ids.filtered(
                lambda line: line.account_type == "asset_receivable" and line.parent_state == "posted"
            )
            open_lines = lines.filtered(lambda line: not line.reconciled)
            if len(open_lines) > 1:
                plan.append(open_lines)
        self.env["account.move.line"]._reconcile_plan(plan)

    def _identify(self, item: Item, said: dict) -> None:
        """Note that this payment, registered when the source said *paid*, is the one that the source names now.

        Where Odoo allows it, it is booked on the day that the source says.
        """
        self.ensure_one()
        date = fields.Date.to_date(said["date"])
        if self.payment_id.date != date:
            try:
                with self.env.cr.savepoint():
                    self.payment_id.action_draft()
                    self.payment_id.date = date
                    self.payment_id.action_post()
                    self._reconcile()
            except UserError:
                item.warn(
                    self.env._(
                        "Payment %(payment)s is already booked on %(date)s. Its date was not changed.",
                        payment=quote(said["externalId"]),
                        date=self.payment_id.date.isoformat(),
                    )
                )
        self.write(
            {
                "external_id": said["externalId"],
                "date": date,
                "method": said.get("method") or False,
                "reference": said.get("reference") or False,
            }
        )

    def _warn_of_locks(self, item: Item) -> None:
        """Warn the sender of ``item`` of those of these payments that Odoo accounts for on another day."""
        for payment in self:
            move = payment.payment_id.move_id
            if move.date > payment.date:
                item.warn(
                    self.env._(
                        "The period of %(day)s is locked. Payment %(payment)s is accounted for on %(date)s.",
                        day=payment.date.isoformat(),
                        payment=quote(payment.external_id or move.name),
                        date=move.date.isoformat(),
                    )
                )

    def action_open_payment(self):
        """:return: the action that opens the payment in Odoo's accounting"""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "account.payment",
            "res_id": self.payment_id.id,
            "view_mode": "form",
        }
