from odoo import api, models
from odoo.exceptions import UserError

from ..contract.money import to_decimal
from ..sync.item import Item
from ..sync.money import amount_to_json
from ..sync.plan import Action

_POSTED = frozenset({"sent", "overdue", "partial", "paid"})
# What a customer has to the good.
_ON_ACCOUNT = (
    ("account_type", "=", "asset_receivable"),
    ("parent_state", "=", "posted"),
    ("reconciled", "=", False),
    ("amount_residual_currency", "<", 0),
)


def _purse(line) -> tuple:
    """What journal items have in common that may pay each other."""
    return line.company_id, line.partner_id, line.account_id, line.currency_id


class SchoolBilling(models.Model):
    """The payments of a billing: registered once, and from then on a matter of the accountants."""

    _inherit = "school.billing"  # pylint: disable=consider-merging-classes-inherited

    @api.model
    def _sync_claim_keys(self, source, items: list[Item]) -> None:
        result = super()._sync_claim_keys(source, items)
        self.env["school.payment"]._claim_names(
            source,
            {
                payment["externalId"]
                for item in items
                if item.decision
                for payment in item.decision.document.get("payments") or ()
            },
        )
        return result

    @api.model
    def _sync_register_payments(self, source, billings: dict) -> None:
        """Register the payments that the documents of ``billings``, by item, name for the first time.

        A billing that becomes *paid* takes what its payments leave open from what the customer has on account. Where
        the document names no payment, the rest is registered; only where it says so for the first time, or anew: what
        accountants do to that payment later is theirs.
        """
        # What is given back is no money received.
        billings = {item: one for item, one in billings.items() if one.move_id.move_type != "out_refund"}
        vals_list, bounced = [], self.env["school.billing.payment"]
        # A payment that is a document of its own says itself what it pays.
        documents = self._sync_apply_allocations(source, billings)
        for item, billing in billings.items():
            document = item.decision.document
            if document["status"] not in _POSTED:
                continue
            known = billing.payment_ids.grouped("external_id")
            new = []
            for payment in document.get("payments") or ():
                registered = known.get(payment["externalId"])
                if payment["externalId"] in documents:
                    continue
                if not registered:
                    new.append(payment)
                elif not registered._filter_live() and billing._is_said_anew(item, payment):
                    registered.write(billing._prepare_payment(payment))
                    bounced += registered
            vals_list += [billing._prepare_payment(payment) for payment in billing._name_unnamed_payments(item, new)]
        payments = bounced._register_all(source, vals_list)
        to_pay = {
            item: billing
            for item, billing in billings.items()
            if item.decision.document["status"] == "paid"
            and (billing._is_newly_paid(item) or "payments" in item.paths)
            and billing.move_id.amount_residual
        }
        self.concat(*to_pay.values())._use_credit()
        payments += payments.browse()._register_all(
            source,
            [
                {"billing_id": billing.id, "date": billing.issue_date, "amount": billing.move_id.amount_residual}
                for item, billing in to_pay.items()
                if not item.decision.document.get("payments")
                and billing._is_newly_paid(item)
                and billing.move_id.amount_residual
            ],
        )
        by_billing = payments.grouped("billing_id")
        for item, billing in billings.items():
            by_billing.get(billing, payments.browse())._warn_of_locks(item)
            billing._check_paid(item)

    def _use_credit(self) -> None:
        """Pay the invoices of these billings with what their customers have on account, the oldest first."""
        due = self.move_id.line_ids.filtered(
            lambda line: line.account_type == "asset_receivable" and not line.reconciled
        )
        if not due:
            return
        credit = self.env["account.move.line"].search(
            [
                ("account_id", "in", due.account_id.ids),
                ("partner_id", "in", due.partner_id.ids),
                ("company_id", "in", due.company_id.ids),
                *_ON_ACCOUNT,
            ]
        )
        credit_by_purse = credit.grouped(_purse)
        plan = [
            lines + credit_by_purse[purse] for purse, lines in due.grouped(_purse).items() if purse in credit_by_purse
        ]
        self.env["account.move.line"]._reconcile_plan(plan)

    @api.model
    def _refuse_unpaid(self, source, totals: dict[Item, float]) -> None:
        """Refuse new documents that say *paid* though their payments, and what is on account, are less than the total.

        A discount for early payment is known only later, once the invoice has its terms.

        :param totals: what the invoice comes to, by item
        """
        short = {}
        for item, total in totals.items():
            document = item.decision.document
            if item.decision.action is Action.CREATE and document["status"] == "paid" and document.get("payments"):
                if document.get("credits"):
                    # What they come to with taxes is known only later.
                    continue
                left = total - float(sum(to_decimal(payment["amount"]) for payment in document["payments"]))
                if left > 0 and document.get("dueDate"):
                    short[item] = left
        if not short:
            return
        customers = {}
        for item in short:
            billing = self.browse(item.res_id) if item.res_id else self.new(item.values)
            customers[item] = billing._get_customer().commercial_partner_id, billing.currency_id
        on_account = {
            (customer, currency): -amount
            for customer, currency, amount in self.env["account.move.line"]._read_group(
                [
                    ("partner_id", "in", [customer.id for customer, _currency in customers.values()]),
                    ("company_id", "=", source.company_id.id),
                    *_ON_ACCOUNT,
                ],
                ["partner_id", "currency_id"],
                ["amount_residual_currency:sum"],
            )
        }
        for item, left in short.items():
            currency = customers[item][1]
            left -= on_account.get(customers[item], 0)
            if currency.compare_amounts(left, 0) > 0:
                self._refuse_open(item, currency, left, totals[item])

    @api.model
    def _is_said_anew(self, item: Item, payment: dict) -> bool:
        """Whether the document says something of ``payment`` that the one before did not, such as another day."""
        meaning = self._sync_get_parts()["payments"].meaning
        last = meaning(self, (item.binding.document or {}).get("payments")) or {}
        (now,) = meaning(self, [payment]).items()
        return now not in last.items()

    def _prepare_payment(self, payment: dict) -> dict:
        return {
            "billing_id": self.id,
            "external_id": payment["externalId"],
            "date": payment["date"],
            "amount": payment["amount"],
            "method": payment.get("method") or False,
            "reference": payment.get("reference") or False,
        }

    def _is_newly_paid(self, item: Item) -> bool:
        """Whether the document says that the billing is paid for the first time, or after it said otherwise."""
        return "status" in item.paths or bool(item.binding.deleted)

    def _name_unnamed_payments(self, item: Item, new: list[dict]) -> list[dict]:
        """Find those of the payments ``new`` that were registered when the source said *paid* and named none.

        One payment over the same amount is that payment. Otherwise the payments that are named replace it.

        :return: the payments that are still to be registered
        """
        unnamed = self.payment_ids.filtered(lambda payment: not payment.external_id)._filter_own()
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
        named = billing.payment_ids.filtered("external_id").payment_id + billing.allocation_ids.payment_id.payment_id
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
