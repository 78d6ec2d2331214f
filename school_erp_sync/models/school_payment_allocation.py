from itertools import product

from odoo import fields, models

from ..sync.money import amount_to_json


class SchoolPaymentAllocation(models.Model):
    """What of a payment is for one billing. It is reconciled once, and from then on a matter of the accountants."""

    _name = "school.payment.allocation"
    _description = "Allocation of a Payment"
    _order = "payment_id, id"
    _rec_name = "billing_id"
    _check_company_auto = True

    payment_id = fields.Many2one("school.payment", required=True, index=True, ondelete="cascade", readonly=True)
    billing_id = fields.Many2one(
        "school.billing", required=True, index=True, ondelete="restrict", readonly=True, check_company=True
    )
    company_id = fields.Many2one(related="payment_id.company_id", store=True, precompute=True)
    currency_id = fields.Many2one(related="payment_id.currency_id")
    date = fields.Date(related="payment_id.date")
    student_name = fields.Char(related="billing_id.student_name")
    amount = fields.Monetary(required=True, readonly=True)
    amount_applied = fields.Monetary("Applied", readonly=True, help="What was reconciled with the invoice.")
    is_applied = fields.Boolean(
        readonly=True, help="Whether it was reconciled with a posted invoice, as far as that was due."
    )

    _identity = models.UniqueIndex(
        "(payment_id, billing_id)", "This payment has an allocation to this billing already."
    )

    def action_open_billing(self):
        """:return: the action that opens the billing"""
        return self._open(self.billing_id)

    def action_open_payment(self):
        """:return: the action that opens the receipt"""
        return self._open(self.payment_id)

    def _open(self, record) -> dict:
        return {
            "type": "ir.actions.act_window",
            "res_model": record._name,
            "res_id": record.id,
            "view_mode": "form",
        }

    def _get_partials(self):
        """:return: the reconciliations of the payment with the current invoice of the billing"""
        self.ensure_one()
        return self.payment_id._get_partials(self.billing_id.move_id)

    def _get_held(self) -> float:
        """Return what of the payment pays the invoice of the billing now, in the currency of the payment."""
        return sum(self._get_partials().mapped("credit_amount_currency"))

    def _filter_untouched(self):
        """Those of these allocations that are reconciled as they were by us: nobody has changed them in Odoo."""
        return self.filtered(
            lambda one: (
                not one.currency_id.compare_amounts(one._get_held(), one.amount_applied if one.is_applied else 0)
            )
        )

    def _filter_live(self):
        """Those of these allocations that pay something."""
        return self.filtered(lambda one: one.payment_id._is_live() and one._get_partials())

    def _filter_pending(self):
        """Those of these allocations that wait for the invoice to be posted."""
        return self.filtered(lambda one: not one.is_applied and one.payment_id._is_live())

    def _apply(self) -> None:
        """Reconcile the payments with posted invoices, for just what is allocated and as far as it goes."""
        # What was allocated to a draft whose currency has changed since stays on account.
        posted = self.filtered(
            lambda one: (
                one.billing_id._is_payable()
                and one.billing_id.currency_id == one.currency_id
                and one.payment_id._is_live()
            )
        )
        credits = {one: one.payment_id._get_receivable_lines() for one in posted}
        debits = {one: one.billing_id._get_receivable_lines().sorted("date_maturity") for one in posted}
        lines = self.env["account.move.line"].concat(*credits.values(), *debits.values())
        left = {line: abs(line.amount_residual_currency) for line in lines}
        amounts = {}
        for allocation in posted:
            wanted = allocation.amount - allocation._get_held()
            for credit, debit in product(credits[allocation], debits[allocation]):
                amount = min(wanted, left[credit], left[debit])
                if credit.account_id == debit.account_id and allocation.currency_id.compare_amounts(amount, 0) > 0:
                    amounts[debit, credit] = amount
                    wanted -= amount
                    left[debit] -= amount
                    left[credit] -= amount
        self.env["account.move.line"]._school_reconcile(amounts)
        for allocation in posted:
            allocation.write({"is_applied": True, "amount_applied": allocation._get_held()})

    def _to_json_of_billing(self) -> list[dict]:
        """Return what pays the billing, as its own document says payments."""
        # sudo: what was paid is part of the billing; who reads it need not see payments.
        return [
            {
                "externalId": one.payment_id.name,
                "date": one.payment_id.date.isoformat(),
                "amount": amount_to_json(one.currency_id, one._get_held()),
                **{name: one.payment_id[name] for name in ("method", "reference") if one.payment_id[name]},
            }
            for one in self.sudo()
            if one._filter_live() and one.payment_id.name not in one.billing_id.payment_ids.mapped("external_id")
        ]
