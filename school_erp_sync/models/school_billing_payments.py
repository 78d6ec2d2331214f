from odoo import api, models
from odoo.exceptions import UserError

from ..sync.item import Item
from ..sync.money import amount_to_json

_POSTED = frozenset({"sent", "overdue", "partial", "paid"})


class SchoolBilling(models.Model):
    """The payments of a billing: registered once, and from then on a matter of the accountants."""

    _inherit = "school.billing"

    @api.model
    def _sync_register_payments(self, source, billings: dict) -> None:
        """Register the payments that the documents of ``billings``, by item, name for the first time.

        A document that says *paid* and names no payment registers what is open; only where it says so for the first
        time, or anew: what accountants do to that payment later is theirs.
        """
        vals_list = []
        for item, billing in billings.items():
            document = item.decision.document
            if document["status"] not in _POSTED:
                continue
            said = document.get("payments") or []
            known = set(billing.payment_ids.mapped("external_id"))
            new = [payment for payment in said if payment["externalId"] not in known]
            vals_list += [
                {
                    "billing_id": billing.id,
                    "external_id": payment["externalId"],
                    "date": payment["date"],
                    "amount": payment["amount"],
                    "method": payment.get("method") or False,
                    "reference": payment.get("reference") or False,
                }
                for payment in billing._name_unnamed_payments(item, new)
            ]
            residual = billing.move_id.amount_residual
            if document["status"] == "paid" and not said and residual and billing._is_newly_paid(item):
                vals_list.append({"billing_id": billing.id, "date": billing.issue_date, "amount": residual})
        payments = self.env["school.billing.payment"].create(vals_list)
        payments._post(source)
        payments._reconcile()
        by_billing = payments.grouped("billing_id")
        for item, billing in billings.items():
            by_billing.get(billing, payments.browse())._warn_of_locks(item)
            billing._check_paid(item)

    def _is_newly_paid(self, item: Item) -> bool:
        """Whether the document says that the billing is paid for the first time, or after it said otherwise."""
        return "status" in item.paths or bool(item.binding.deleted)

    def _name_unnamed_payments(self, item: Item, new: list[dict]) -> list[dict]:
        """Find those of the payments ``new`` that were registered when the source said *paid* and named none.

        One payment over the same amount is that payment. Otherwise the payments that are named replace it.

        :return: the payments that are still to be registered
        """
        unnamed = self.payment_ids.filtered(lambda payment: not payment.external_id)._filter_live()
        if not unnamed or not new:
            return new
        if len(unnamed) == len(new) == 1 and not self.currency_id.compare_amounts(unnamed.amount, new[0]["amount"]):
            unnamed._identify(item, new[0])
            return []
        try:
            # sudo: whoever may register payments of the source may take back what was registered in their place.
            odoo_payments = unnamed.payment_id.sudo()
            odoo_payments.action_draft()
            odoo_payments.action_cancel()
        except UserError:
            item.fail(
                "/payments",
                "registered_payment",
                self.env._(
                    "A payment of %(amount)s was registered when the status was paid, and Odoo does not allow to "
                    "cancel it. Correct it in Odoo, then send this again.",
                    amount=self.currency_id._school_write(sum(unnamed.mapped("amount"))),
                ),
            )
            return []
        return new

    def _check_paid(self, item: Item) -> None:
        self.ensure_one()
        document, move, write = item.decision.document, self.move_id, self.currency_id._school_write
        if document["status"] == "paid" and not self.currency_id.is_zero(move.amount_residual):
            if self._is_newly_paid(item) or "payments" in item.paths:
                self._refuse_open(item, self.currency_id, move.amount_residual, move.amount_total)
            else:
                item.warn(
                    self.env._(
                        "In Odoo, %(left)s of invoice %(invoice)s is open. The status is paid as before, so no payment "
                        "was registered.",
                        left=write(move.amount_residual),
                        invoice=move.name,
                    )
                )
        if not self.currency_id.is_zero(self.amount_overpaid):
            item.warn(
                self.env._(
                    "Payments of %(paid)s are more than the total of %(total)s. The rest is kept as a credit.",
                    paid=write(self.amount_paid + self.amount_overpaid),
                    total=write(move.amount_total),
                )
            )

    def _payments_to_json(self) -> list[dict]:
        """The payments that the source has not named: registered for it, or by accountants."""
        # sudo: what was paid is part of the billing; who reads it need not see payments.
        billing = self.sudo()
        named = billing.payment_ids.filtered("external_id").payment_id
        others = (billing.payment_ids.payment_id + billing.move_id.matched_payment_ids - named).filtered(
            lambda payment: payment.state not in ("draft", "canceled", "rejected")
        )
        return [
            {
                "date": payment.date.isoformat(),
                "amount": amount_to_json(payment.currency_id, payment.amount),
                "reference": payment.name or None,
            }
            for payment in others
        ]
