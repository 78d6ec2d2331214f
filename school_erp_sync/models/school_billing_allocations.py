from odoo import api, fields, models

from ..contract.text import quote
from ..sync.item import Status


class SchoolBilling(models.Model):
    """Payments that pay several billings: what of them is for this one."""

    _inherit = "school.billing"  # pylint: disable=consider-merging-classes-inherited

    allocation_ids = fields.One2many("school.payment.allocation", "billing_id", string="Allocations", readonly=True)

    def _get_receivable_lines(self):
        """:return: the journal items of the invoices that the customers owe"""
        return self.move_id.line_ids.filtered(lambda line: line.account_type == "asset_receivable")

    def _is_payable(self) -> bool:
        """Whether payments of the customer can pay the invoice: it is posted, and no credit note."""
        return self.move_id.state == "posted" and self.move_id.move_type == "out_invoice"

    @api.model
    def _sync_apply_allocations(self, source, billings: dict) -> set[str]:
        """Have payments that are documents of their own pay ``billings``, by item, which are posted by now.

        :return: the externalIds of those that the documents of the billings name: they are not registered again
        """
        # Nothing was allocated to a billing that is new.
        known = self.concat(*(billing for item, billing in billings.items() if item.status is not Status.CREATED))
        known.allocation_ids.filtered(lambda one: not one.is_applied)._apply()
        names = {payment["externalId"] for item in billings for payment in item.decision.document.get("payments") or ()}
        documents = source._find_named("payments", names) if names else {}
        if documents:
            self._sync_allocate_named(source, billings, documents)
        return set(documents)

    @api.model
    def _sync_allocate_named(self, source, billings: dict, documents: dict[str, int]) -> None:
        """Have the payments ``documents``, ids by externalId, pay the ``billings``, by item, that name them.

        Where such a document says itself what it pays, that counts.
        """
        payments = self.env["school.payment"].browse(documents.values())
        last = source._last_documents(payments)
        silent = {
            payment.id for payment in payments if not any("allocations" in one for one in last.get(payment.id, ()))
        }
        vals_list = []
        for item, billing in billings.items():
            for said in item.decision.document.get("payments") or ():
                payment = payments.browse(documents.get(said["externalId"]))
                if not payment or payment in billing.allocation_ids.payment_id:
                    continue
                if payment.id in silent and billing._can_be_paid_by(payment):
                    vals_list.append({"payment_id": payment.id, "billing_id": billing.id, "amount": said["amount"]})
                else:
                    item.warn(
                        self.env._(
                            "Payment %(payment)s is a document of its own, which does not allocate it to this billing. "
                            "It was not registered again.",
                            payment=quote(said["externalId"]),
                        )
                    )
        self.env["school.payment.allocation"].create(vals_list)._apply()

    def _can_be_paid_by(self, payment) -> bool:
        booked = payment.payment_id
        return (
            booked.currency_id == self.currency_id
            and booked.partner_id.commercial_partner_id == self.move_id.commercial_partner_id
            and payment._is_live()
        )

    @api.model
    def _sync_write_moves(self, source, billings: dict) -> None:
        # An invoice that is drawn up anew is paid by what paid the one before.
        before = {billing: billing.move_id for billing in billings.values()}
        live = {billing: billing.allocation_ids._filter_live() for billing in billings.values()}
        result = super()._sync_write_moves(source, billings)
        moved = self.env["school.payment.allocation"].concat(
            *(live[billing] for billing, move in before.items() if billing.move_id != move)
        )
        moved._apply()
        return result
