from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ..contract.money import to_decimal
from ..contract.payment import PaymentDocument
from ..contract.text import quote
from ..sync.isolation import check_refused
from ..sync.item import Item, Reference, Status
from ..sync.merge import value_at
from ..sync.money import Amount, Currency, amount_to_json
from ..sync.parts import Part
from ..sync.plan import Action
from ..sync.sql import query
from ..sync.texts import show
from .payment_parts import RECEIVED, Allocations, JournalOf, PaidBy, PaymentStatus

# What is fixed once the payment is registered.
_FIXED_PATHS = ("payerExternalId", "date", "amount", "currency", "journal")
# What decides whether the billings can be paid with it.
_ALLOCATED_PATHS = frozenset({"payerExternalId", "amount", "currency", "allocations"})


class SchoolPayment(models.Model):
    """Money that a source says was received: one payment in Odoo's accounting, for any number of billings."""

    _name = "school.payment"
    _inherit = ["school.sync.mixin"]
    _description = "Payment from a Source"
    _order = "date desc, id desc"
    _check_company_auto = True

    _sync_entity = "payments"
    _sync_is_slow = True
    _sync_is_money = True
    _sync_document = PaymentDocument
    _sync_after = ("billings",)
    _sync_parts = {
        "payerExternalId": PaidBy("parents", "payer_id"),
        "date": Part("date"),
        "amount": Amount("amount"),
        "currency": Currency("currency_id"),
        "status": PaymentStatus(),
        "returnDate": Part("return_date"),
        "method": Part("method"),
        "journal": JournalOf("journal_id"),
        "reference": Part("reference"),
        "allocations": Allocations(),
    }

    name = fields.Char("Receipt", required=True, readonly=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, readonly=True, default=lambda self: self.env.company
    )
    payer_id = fields.Many2one(
        "school.parent",
        string="Paying Guardian",
        index="btree_not_null",
        readonly=True,
        ondelete="restrict",
        check_company=True,
        help="As the source said. Empty, the payment is booked for the customer of the billings.",
    )
    partner_id = fields.Many2one(
        "res.partner", string="Customer", related="payment_id.partner_id", store=True, index="btree_not_null"
    )
    date = fields.Date(compute="_compute_details", store=True, readonly=False, required=True)
    amount = fields.Monetary(compute="_compute_details", store=True, readonly=False, required=True)
    currency_id = fields.Many2one(
        "res.currency", compute="_compute_details", store=True, readonly=False, required=True, ondelete="restrict"
    )
    journal_id = fields.Many2one(
        "account.journal", compute="_compute_details", store=True, readonly=False, check_company=True
    )
    return_date = fields.Date("Returned", readonly=True, help="When the payment was reversed or refunded.")
    method = fields.Char(readonly=True)
    reference = fields.Char(readonly=True)
    payment_id = fields.Many2one(
        "account.payment", string="Odoo Payment", readonly=True, copy=False, ondelete="restrict", index="btree_not_null"
    )
    refund_id = fields.Many2one(
        "account.payment", readonly=True, copy=False, ondelete="restrict", index="btree_not_null"
    )
    allocation_ids = fields.One2many("school.payment.allocation", "payment_id", string="Allocations", readonly=True)
    state = fields.Selection(
        [("received", "Received"), ("reversed", "Reversed"), ("refunded", "Refunded")],
        string="Status",
        compute="_compute_state",
        store=True,
        readonly=False,
        index=True,
    )
    amount_on_account = fields.Monetary(
        "On Account",
        compute="_compute_amount_on_account",
        compute_sudo=True,
        help="What pays no invoice yet, and is a credit of the customer.",
    )

    @api.depends("payment_id.date", "payment_id.amount", "payment_id.currency_id", "payment_id.journal_id")
    def _compute_details(self):
        """What people change on the payment is what its source is told."""
        for payment in self:
            booked = payment.payment_id
            for name in ("date", "amount", "currency_id", "journal_id"):
                payment[name] = booked[name] or payment[name]

    @api.depends("payment_id.state", "payment_id.move_id.reversal_move_ids.state", "refund_id.state")
    def _compute_state(self):
        for payment in self:
            booked, gone = payment.payment_id, ("draft", "canceled", "rejected")
            if not booked:
                payment.state = payment.state or RECEIVED
            elif booked.state in gone[1:] or "posted" in booked.move_id.reversal_move_ids.mapped("state"):
                payment.state = "reversed"
            elif payment.refund_id and payment.refund_id.state not in gone:
                payment.state = "refunded"
            else:
                payment.state = RECEIVED

    # sudo: what is left of a payment belongs to it; who reads it need not see journal items.
    @api.depends("state", "payment_id.move_id.line_ids.amount_residual_currency")
    def _compute_amount_on_account(self):
        for payment in self:
            lines = payment._get_receivable_lines() if payment._is_live() else payment.env["account.move.line"]
            payment.amount_on_account = -sum(lines.mapped("amount_residual_currency"))

    def action_archive(self):
        """Reverse the payments, so that what they paid is due again, and archive them.

        :raises odoo.exceptions.UserError: where Odoo does not let a payment be reversed
        """
        for payment in self.filtered(lambda one: one._is_live()):
            payment._undo(fields.Date.context_today(self))
        return super().action_archive()

    @api.ondelete(at_uninstall=False)
    def _unlink_except_registered(self):
        if registered := self.filtered("payment_id")[:1]:
            raise UserError(
                self.env._(
                    "Payment %(payment)s cannot be deleted: the source would register it again. Archive it instead, "
                    "which reverses it.",
                    payment=registered.name,
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

    # ------------------------------------------------------------------
    # In the books
    # ------------------------------------------------------------------

    def _is_live(self) -> bool:
        """Whether the money stands in the books."""
        return self.state == RECEIVED and self.payment_id.state in ("in_process", "paid")

    def _get_receivable_lines(self):
        return self.payment_id.move_id.line_ids.filtered(
            lambda line: line.account_type == "asset_receivable" and line.parent_state == "posted"
        )

    def _get_partials(self, invoices=None):
        """:return: the reconciliations of the payment with invoices of billings, or with ``invoices``"""
        return self._get_receivable_lines().matched_debit_ids.filtered(
            lambda partial: (
                partial.debit_move_id.move_id in invoices
                if invoices is not None
                else partial.debit_move_id.move_id.school_billing_id
            )
        )

    def _get_allocated(self) -> dict:
        """Return what of the payment is for which billing, as said and as far as nobody has changed it in Odoo."""
        if self.state != RECEIVED:
            return {}
        # sudo: what a payment pays belongs to it; who reads it need not see journal items.
        payment = self.sudo()
        held = {}
        for partial in payment._get_partials():
            billing = partial.debit_move_id.move_id.school_billing_id
            held[billing] = held.get(billing, 0) + partial.credit_amount_currency
        for allocation in payment.allocation_ids:
            if allocation in allocation._filter_untouched():
                held[allocation.billing_id] = allocation.amount
        return held

    def _undo(self, day) -> None:
        """Take the payment back, so that what it paid is due again.

        It is cancelled; where the period is locked, the entry secured or the bank statement matched, an entry of
        ``day`` reverses it. Credit notes that it left nothing to take off from do so now.
        """
        self.ensure_one()
        booked, lines = self.payment_id, self._get_receivable_lines()
        move, billings = booked.move_id, self._get_partials().debit_move_id.move_id.school_billing_id
        lines.remove_move_reconcile()
        locks = move.company_id._get_lock_date_violations(move.date, sale=False, purchase=False, tax=False)
        if locks or move.inalterable_hash or booked.reconciled_statement_line_ids:
            # Posted, it is reconciled with what it reverses.
            move._reverse_moves([{"date": day, "ref": self.env._("Reversal of %s", move.name)}]).action_post()
        else:
            booked.action_cancel()
        self.allocation_ids.unlink()
        billings._use_credit_notes()

    def _refund(self, source, day) -> None:
        """Book on ``day`` that the money was given back; what it paid is due again."""
        self.ensure_one()
        booked, lines = self.payment_id, self._get_receivable_lines()
        billings = self._get_partials().debit_move_id.move_id.school_billing_id
        lines.remove_move_reconcile()
        self.refund_id = self.env["account.payment"]._school_register(
            source,
            booked.journal_id,
            [
                {
                    "payment_type": "outbound",
                    "partner_id": booked.partner_id.id,
                    "amount": booked.amount,
                    "currency_id": booked.currency_id.id,
                    "date": day,
                    "destination_account_id": booked.destination_account_id.id,
                    "memo": self.env._("Refund of %s", booked.memo or booked.name),
                }
            ],
        )
        back = self.refund_id.move_id.line_ids.filtered(lambda line: line.account_id in lines.account_id)
        (lines + back).reconcile()
        self.allocation_ids.unlink()
        billings._use_credit_notes()

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_references(self, document):
        yield from super()._sync_references(document)
        for index, one in enumerate(document.get("allocations") or ()):
            yield Reference("billings", one["billingExternalId"], f"/allocations/{index}/billingExternalId")

    @api.model
    def _sync_rename(self, document, names):
        renamed = super()._sync_rename(document, names)
        for one in renamed.get("allocations") or ():
            one["billingExternalId"] = names.get(("billings", one["billingExternalId"]), one["billingExternalId"])
        return renamed

    @api.model
    def _sync_find_referring(self, entity, res_ids):
        found = super()._sync_find_referring(entity, res_ids)
        if entity == "billings":
            found |= self.search([("allocation_ids.billing_id", "in", res_ids)])
        return found

    @api.model
    def _sync_claim_keys(self, source, items: list[Item]) -> None:
        """Let only one transaction at a time work on the billings that are paid.

        The invoice that another one is posting at this moment, or a payment that it registers, is not seen yet.
        """
        result = super()._sync_claim_keys(source, items)
        names = {
            one["billingExternalId"]
            for item in items
            for document in (item.document, item.binding and item.binding.document)
            for one in (document or {}).get("allocations") or ()
        }
        if names:
            # Raw SQL: in order, so that two batches that overlap never wait for each other in a circle.
            query(
                self.env,
                SQL(
                    """
                    UPDATE school_sync_binding SET version = version
                     WHERE id IN (SELECT id FROM school_sync_binding
                                   WHERE source_id = %s AND entity = 'billings' AND external_id = ANY(%s)
                                   ORDER BY external_id COLLATE "C" FOR NO KEY UPDATE)
                 RETURNING id
                    """,
                    source.id,
                    list(names),
                ),
            )
        self._claim_names(source, {item.external_id for item in items})
        return result

    @api.model
    def _claim_names(self, source, names: set[str]) -> None:
        """Let only one transaction at a time register the payments ``names``.

        The document of a billing may name the same payment at this moment, and neither would see the other's.
        """
        self.env["school.sync.claim"]._take(source.company_id, {f"payments\n{source.id}\n{name}" for name in names})

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        currencies = self.env["res.currency"]._sync_active_by_code()
        billings = self._sync_find_billings(items)
        configured = self.env["school.billing"]._sync_check_configuration(source, items)
        for item in items:
            document, payment = item.decision.document, self.browse(item.res_id)
            item.values["name"] = item.external_id
            if configured and not item.values.get("journal_id") and not source._get_payment_journal():
                self._sync_refuse_without_journal(source, item)
            currency = self.env["res.currency"]._sync_choose(currencies, source, item, document.get("currency"))
            if currency:
                item.values["currency_id"] = currency.id
                for where, part in [("", document)] + [
                    (f"/allocations/{index}", one) for index, one in enumerate(document.get("allocations") or ())
                ]:
                    if part.get("amount") is not None:
                        currency._sync_check_decimals(item, f"{where}/amount", part["amount"])
            dates = {(path,): document[path] for path in ("date", "returnDate") if path in item.paths}
            source.company_id._school_check_money_dates(item, {key: day for key, day in dates.items() if day})
            if item.res_id:
                self._sync_check_registered(source, item, payment)
            elif (
                item.decision.action is Action.CREATE
                and not document.get("payerExternalId")
                and not document.get("allocations")
            ):
                item.fail(
                    "/payerExternalId",
                    "required",
                    self.env._("payerExternalId is required where no billing is paid. Send who paid."),
                )
            if not item.res_id and document.get("status"):
                item.values["state"] = document["status"]
            if currency and not item.paths.isdisjoint(_ALLOCATED_PATHS):
                self._sync_check_allocations(item, payment, currency, billings)
        return items

    @api.model
    def _sync_refuse_without_journal(self, source, item: Item) -> None:
        item.fail(
            "/journal",
            "no_payment_journal",
            self.env._(
                "%(company)s has no bank or cash journal. Choose one on the source, under Accounting.",
                company=source.company_id.name,
            ),
        )

    @api.model
    def _sync_find_billings(self, items: list[Item]) -> dict:
        """:return: the billings that the documents of ``items`` allocate to, by their externalId"""
        ids = {name: res_id for item in items for (entity, name), res_id in item.found.items() if entity == "billings"}
        # Together, so that what one of them is asked is fetched for all.
        return dict(zip(ids, self.env["school.billing"].browse(ids.values()), strict=True))

    @api.model
    def _sync_check_allocations(self, item: Item, payment, currency, billings: dict) -> None:
        document = item.decision.document
        allocations = document.get("allocations") or ()
        payer = self.env["school.parent"].browse(item.found.get(("parents", document.get("payerExternalId"))))
        customer = (payer.partner_id or payment.payment_id.partner_id).commercial_partner_id
        for index, one in enumerate(allocations):
            billing = billings.get(one["billingExternalId"])
            invoice = billing and billing.move_id
            if not invoice:
                continue
            where = f"/allocations/{index}/billingExternalId"
            customer = customer or invoice.commercial_partner_id
            numbers = {"billing": quote(one["billingExternalId"]), "customer": invoice.commercial_partner_id.name}
            if invoice.commercial_partner_id != customer:
                item.fail(
                    where,
                    "other_customer",
                    self.env._(
                        "Billing %(billing)s is addressed to %(customer)s, and this payment is from %(payer)s. Send "
                        "one payment for each customer, without payerExternalId where somebody else paid.",
                        payer=customer.name,
                        **numbers,
                    ),
                )
            elif billing.amount_total < 0:
                item.fail(
                    where,
                    "not_payable",
                    self.env._(
                        "Billing %(billing)s is below zero: a credit note, which takes no payments. Leave it out of "
                        "allocations.",
                        billing=numbers["billing"],
                    ),
                )
            elif billing.currency_id != currency:
                item.fail(
                    where,
                    "other_currency",
                    self.env._(
                        "Billing %(billing)s is in %(its)s, and this payment is in %(currency)s. Send a payment in "
                        "%(its)s, or leave this one on account.",
                        billing=numbers["billing"],
                        its=billing.currency_id.name,
                        currency=currency.name,
                    ),
                )
        allocated = float(sum(to_decimal(one["amount"]) for one in allocations))
        if currency.compare_amounts(allocated, document.get("amount") or 0) > 0 and "allocations" not in item.paths:
            item.fail(
                "/amount",
                "over_allocated",
                self.env._(
                    "The amount is %(amount)s, but the allocations sent before add up to %(allocated)s. Send "
                    "allocations as well.",
                    amount=currency._school_write(document["amount"]),
                    allocated=currency._school_write(allocated),
                ),
            )

    @api.model
    def _sync_check_registered(self, source, item: Item, payment) -> None:
        """A registered payment is never rewritten: what would change it is a conflict, told field by field."""
        document, last = item.decision.document, item.binding.document or {}
        wanted = document.get("status") or RECEIVED
        if "status" in item.paths and "refunded" in (payment.state, wanted) and RECEIVED != payment.state != wanted:
            item.fail(
                "/status",
                "registered_payment",
                self.env._(
                    "Payment %(payment)s is %(state)s in Odoo and cannot become %(wanted)s. Send other money as "
                    "another payment.",
                    payment=quote(item.external_id),
                    state=payment.state,
                    wanted=wanted,
                ),
                Status.CONFLICT,
            )
        if not payment._is_live() or wanted != RECEIVED or source.posted_policy != "refuse":
            return
        currency = payment.currency_id.name
        for path in _FIXED_PATHS:
            if path in item.paths:
                item.fail(
                    f"/{path}",
                    "registered_payment",
                    self.env._(
                        "Payment %(payment)s is registered in Odoo, so %(field)s cannot change from %(before)s to "
                        "%(after)s. Send the status reversed and the payment under another externalId, or have the "
                        "source reverse and reissue.",
                        payment=quote(item.external_id),
                        field=path,
                        before=show(self.env, path, value_at(last, path), currency),
                        after=show(self.env, path, value_at(document, path), document.get("currency") or currency),
                    ),
                    Status.CONFLICT,
                )

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        payments = {item: self.browse(item.res_id) for item in items}
        to_register, to_allocate, returned = {}, {}, {}
        for item, payment in payments.items():
            wanted = item.decision.document.get("status") or RECEIVED
            if wanted != RECEIVED:
                returned[item] = payment
            elif payment._is_live():
                if item.paths.isdisjoint(_FIXED_PATHS):
                    payment._rename(item)
                else:
                    # Only where the source has Odoo reverse and reissue.
                    payment._undo(payment._get_return_day(item))
                    to_register[item] = payment
                if item in to_register or "allocations" in item.paths:
                    to_allocate[item] = payment
            elif not payment.payment_id or "status" in item.paths or item.binding.deleted:
                to_register[item] = to_allocate[item] = payment
            else:
                item.warn(
                    self.env._(
                        "Payment %(payment)s was cancelled or reset to draft in Odoo. It stays so until the status "
                        "changes.",
                        payment=quote(item.external_id),
                    )
                )
        # What billings have reported of money that came back meanwhile comes back with it.
        self._sync_register(source, self._sync_filter_reported(source, returned))
        for item, payment in returned.items():
            payment._return(source, item, item.decision.document["status"])
        self._sync_allocate(to_allocate, self._sync_register(source, to_register))
        return items

    @api.model
    def _sync_filter_reported(self, source, payments: dict) -> dict:
        """Those of ``payments``, by item, that documents of billings have registered, and their own has not."""
        names = [item.external_id for item, payment in payments.items() if not payment.payment_id]
        if not names:
            return {}
        rows = self.env["school.billing.payment"].search(
            [("external_id", "in", names), ("company_id", "=", source.company_id.id)]
        )
        known = source._external_ids("billings", rows.billing_id.ids)
        reported = set(rows.filtered(lambda row: row.billing_id.id in known)._filter_own().mapped("external_id"))
        return {item: payment for item, payment in payments.items() if item.external_id in reported}

    def _get_return_day(self, item: Item):
        return self.return_date or fields.Date.context_today(self)

    def _return(self, source, item: Item, wanted: str) -> None:
        """Book that the money never came, or that it was given back, as the document of ``item`` wants."""
        self.ensure_one()
        if not self._is_live():
            if self.state != wanted:
                self.state = wanted
            return
        if wanted == "refunded":
            self._refund(source, self._get_return_day(item))
        else:
            self._undo(self._get_return_day(item))

    def _rename(self, item: Item) -> None:
        if not item.paths.isdisjoint(("method", "reference")):
            self.payment_id.memo = self._prepare_memo()

    def _prepare_memo(self) -> str:
        return " ".join(filter(None, (self.name, self.method, self.reference)))

    @api.model
    def _sync_register(self, source, payments: dict) -> dict:
        """Register and post ``payments``, by item; what was registered of them for single billings becomes theirs.

        :return: by payment, what documents of billings say that it pays, where its own does not
        """
        if not payments:
            return {}
        by_journal = {}
        rest, inherited = self._sync_take_over(source, payments)
        check_refused(payments)
        for item, payment in rest.items():
            journal = payment.journal_id or source._get_payment_journal()
            by_journal.setdefault(journal, []).append((payment, payment._prepare_payment(item)))
        for journal, prepared in by_journal.items():
            booked = self.env["account.payment"]._school_register(source, journal, [vals for _one, vals in prepared])
            for (payment, _vals), one in zip(prepared, booked, strict=True):
                payment.write({"payment_id": one.id, "refund_id": False})
        for item, payment in payments.items():
            move = payment.payment_id.move_id
            if move and move.date > payment.date:
                item.warn(
                    self.env._(
                        "The period of %(day)s is locked. Payment %(payment)s is accounted for on %(date)s.",
                        day=payment.date.isoformat(),
                        payment=quote(item.external_id),
                        date=move.date.isoformat(),
                    )
                )
        return inherited

    def _prepare_payment(self, item: Item) -> dict:
        self.ensure_one()
        document = item.decision.document
        billings = self.env["school.billing"].browse(
            item.found["billings", one["billingExternalId"]] for one in document.get("allocations") or ()
        )
        customer = (
            self.payer_id.partner_id
            or billings.move_id[:1].partner_id
            or self.payment_id.partner_id
            or billings[:1]._get_customer()
        )
        accounts = billings._get_receivable_lines().account_id
        return {
            "partner_id": customer.commercial_partner_id.id,
            "amount": self.amount,
            "currency_id": self.currency_id.id,
            "date": self.date,
            "memo": self._prepare_memo(),
            # That of the invoices, whatever the customer's has become since.
            **({"destination_account_id": accounts[:1].id} if accounts else {}),
        }

    @api.model
    def _sync_take_over(self, source, payments: dict) -> tuple[dict, dict]:
        """Find those of ``payments``, by item, that documents of billings have registered. It is the same money.

        One payment over the same amount is that payment. Otherwise those of the single billings are cancelled, and
        this one replaces them; so it does what was registered where a billing was said to be paid, and not how.

        :return: the payments that are still to be registered; and, by payment, what of it pays which billing, where
            only the documents of the billings say so
        """
        names = {item.external_id: item for item in payments}
        paying = {}
        for item in payments:
            for one in item.decision.document.get("allocations") or ():
                paying.setdefault(item.found["billings", one["billingExternalId"]], item)
        unnamed = Domain("external_id", "=", False) & Domain("billing_id", "in", list(paying))
        rows = self.env["school.billing.payment"].search(
            (Domain("external_id", "in", list(names)) | unnamed) & Domain("company_id", "=", source.company_id.id)
        )
        if not rows:
            return payments, {}
        known = source._external_ids("billings", rows.billing_id.ids)
        by_item, rest, inherited = {}, dict(payments), {}
        for row in rows._filter_own():
            if row.billing_id.id in known:
                item = names[row.external_id] if row.external_id else paying[row.billing_id.id]
                by_item[item] = by_item.get(item, rows.browse()) + row
        for item, registered in by_item.items():
            payment, booked = payments[item], registered.payment_id
            if "allocations" not in item.decision.document:
                inherited[payment] = {row.billing_id.id: row.amount for row in registered if row.external_id}
            if len(booked) == 1 and payment._is_same_money(booked):
                payment.payment_id = booked
                del rest[item]
                continue
            try:
                # sudo: whoever may register payments of the source may take back what was registered in their place.
                booked.sudo().action_cancel()
            except UserError:
                item.fail(
                    "",
                    "registered_payment",
                    self.env._(
                        "Payment %(payment)s was registered for single billings, and Odoo does not allow to cancel "
                        "that. Correct it in Odoo, then send this again.",
                        payment=quote(item.external_id),
                    ),
                    Status.CONFLICT,
                )
        return rest, inherited

    def _is_same_money(self, booked) -> bool:
        return (
            booked.currency_id == self.currency_id
            and booked.date == self.date
            and not self.currency_id.compare_amounts(booked.amount, self.amount)
            and self.payer_id.commercial_partner_id
            in (booked.partner_id.commercial_partner_id, self.env["res.partner"])
        )

    @api.model
    def _sync_allocate(self, payments: dict, inherited: dict) -> None:
        """Have ``payments``, by item, pay what their documents say. What accountants have reconciled stays.

        :param inherited: by payment, what documents of billings say of it
        """
        allocations = self.env["school.payment.allocation"]
        vals_list, changed = [], allocations
        for item, payment in payments.items():
            wanted = {
                item.found["billings", one["billingExternalId"]]: one["amount"]
                for one in item.decision.document.get("allocations") or ()
            } or inherited.get(payment, {})
            for allocation in payment.allocation_ids:
                amount = wanted.pop(allocation.billing_id.id, None)
                if amount is not None and not payment.currency_id.compare_amounts(amount, allocation.amount):
                    continue
                if allocation not in allocation._filter_untouched():
                    item.warn(
                        self.env._(
                            "What of this payment pays billing %(billing)s was changed in Odoo. It stays.",
                            billing=quote(allocation.billing_id.name),
                        )
                    )
                else:
                    allocation._get_partials().unlink()
                    changed += allocation
                if amount is None:
                    changed -= allocation
                    allocation.unlink()
                else:
                    allocation.amount = amount
            vals_list += [
                {"payment_id": payment.id, "billing_id": billing_id, "amount": amount}
                for billing_id, amount in wanted.items()
            ]
        (changed + allocations.create(vals_list))._apply()
        for item, payment in payments.items():
            payment._warn_of_rest(item)

    def _warn_of_rest(self, item: Item) -> None:
        write = self.currency_id._school_write
        for allocation in self.allocation_ids:
            left = allocation.amount - allocation.amount_applied
            if (
                self.currency_id.is_zero(left)
                or allocation.is_applied
                and allocation not in allocation._filter_untouched()
            ):
                continue
            numbers = {"left": write(left), "billing": quote(allocation.billing_id.name)}
            if allocation.is_applied:
                item.warn(
                    self.env._(
                        "%(left)s more than is due is allocated to billing %(billing)s. It stays on account.", **numbers
                    )
                )
            else:
                item.warn(
                    self.env._(
                        "The invoice of billing %(billing)s is not posted. %(left)s stays on account until a document "
                        "posts it.",
                        **numbers,
                    )
                )

    # ------------------------------------------------------------------
    # From records to documents
    # ------------------------------------------------------------------

    def _sync_to_json(self, source, paths=None):
        result = super()._sync_to_json(source, paths)
        if paths is None:
            for payment, current in zip(self, result, strict=True):
                # sudo: the payment in the books is part of it; who reads it need not see payments.
                booked = payment.sudo().payment_id
                current.update(
                    {
                        "amountOnAccount": amount_to_json(payment.currency_id, payment.amount_on_account),
                        "payment.id": booked.id or None,
                        "payment.number": booked.name or None,
                        "payment.state": booked.state or None,
                    }
                )
        return result

    @api.model
    def _sync_defaults(self, source):
        return {
            **super()._sync_defaults(source),
            "currency": source.company_id.currency_id.name,
            "journal": source._get_payment_journal().code or None,
        }

    @api.model
    def _sync_changed_since(self, since):
        return super()._sync_changed_since(since) | Domain("payment_id.write_date", ">=", since)

    def _sync_written_at(self):
        return max([super()._sync_written_at(), *self.payment_id.mapped("write_date")])
