from decimal import ROUND_HALF_UP, Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain
from odoo.tools import html2plaintext, plaintext2html

from ..contract.billing import BillingDocument
from ..contract.money import to_decimal, write_amount
from ..contract.text import quote
from ..sync.conflicts import ODOO
from ..sync.engine import MONEY_CONTEXT
from ..sync.isolation import check_refused
from ..sync.item import Item, Refused, Status
from ..sync.merge import value_at
from ..sync.money import Currency, amount_to_json
from ..sync.parts import Part, Reference
from ..sync.texts import show
from .billing_parts import (
    LINE_AMOUNT,
    BillingStatus,
    DueDate,
    Lines,
    Payer,
    Payments,
    Total,
    amount_of,
    by_code,
    code_of,
    line_to_json,
    quantity_of,
)
from .school_invoiced_mixin import INVOICED_FIELDS, PLACE_FIELDS

# What is fixed once an invoice is posted.
_MONEY_PATHS = ("studentExternalId", "payerExternalId", "currency", "issueDate", "lines", "total")
_MOVE_PATHS = frozenset({*_MONEY_PATHS, "dueDate", "invoiceNumber", "notes", "feeScheduleExternalId"})
# What the amount of the invoice comes from.
_TOTAL_PATHS = frozenset({"lines", "total", "currency"})
# Where the invoice holds what a document says of it, besides the customer and the lines.
_MOVE_FIELDS = {
    "studentExternalId": INVOICED_FIELDS,
    "feeScheduleExternalId": PLACE_FIELDS,
    "currency": ("currency_id",),
    "issueDate": ("invoice_date", *PLACE_FIELDS),
    # One day for all of it, where somebody had set terms of payment.
    "dueDate": ("invoice_date_due", "invoice_payment_term_id"),
    "invoiceNumber": ("ref", "payment_reference"),
    "notes": ("narration",),
}
# Where a line of the invoice holds what a document says of it, besides the product, which has the code. Two times fifty
# and once a hundred are the same, but not half of each.
_LINE_FIELDS = {"label": ("name",), "taxes": ("tax_ids",), **dict.fromkeys(LINE_AMOUNT, LINE_AMOUNT)}
# What Odoo would take from a new customer.
_CUSTOMER_TERMS = ("narration", "invoice_payment_term_id", "invoice_date_due")
_POSTED = frozenset({"sent", "overdue", "partial", "paid"})


class SchoolBilling(models.Model):
    """What a source bills: it owns one customer invoice, and the history of those it replaced."""

    _name = "school.billing"
    _inherit = ["school.sync.mixin", "school.fee.mixin"]
    _description = "School Billing"
    _order = "issue_date desc, id desc"
    _check_company_auto = True

    _sync_entity = "billings"
    _sync_is_slow = True
    _sync_is_money = True
    _sync_document = BillingDocument
    _sync_parts = {
        "studentExternalId": Reference("students", "student_id"),
        "payerExternalId": Payer("parents", "payer_id"),
        "feeScheduleExternalId": Reference("fee-schedules", "fee_schedule_id"),
        "invoiceNumber": Part("invoice_number"),
        "issueDate": Part("issue_date"),
        "dueDate": DueDate("due_date"),
        "currency": Currency("currency_id"),
        "status": BillingStatus(),
        "lines": Lines(),
        "total": Total("amount_total"),
        "payments": Payments(),
        "notes": Part("notes"),
    }

    name = fields.Char("Reference", required=True, copy=False, readonly=True, default=lambda self: self.env._("New"))
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, readonly=True, default=lambda self: self.env.company
    )
    student_id = fields.Many2one(
        "school.student", required=True, index=True, readonly=True, ondelete="restrict", check_company=True
    )
    payer_id = fields.Many2one(
        "school.parent",
        string="Paying Guardian",
        compute="_compute_payer_id",
        store=True,
        readonly=False,
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="As the source said, or as somebody chose on the invoice. Empty, the guardian who pays for the student is "
        "billed.",
    )
    partner_id = fields.Many2one("res.partner", string="Customer", related="move_id.partner_id", store=True, index=True)
    default_partner_id = fields.Many2one(
        "res.partner",
        string="Default Customer",
        readonly=True,
        copy=False,
        ondelete="set null",
        help="Who paid for the student when the invoice was last addressed. A draft that still has this customer "
        "follows when another guardian pays.",
    )
    fee_schedule_id = fields.Many2one(
        "school.fee.schedule", index="btree_not_null", readonly=True, ondelete="restrict", check_company=True
    )
    invoice_number = fields.Char(
        compute="_compute_details", store=True, readonly=False, help="The number that the source gave."
    )
    issue_date = fields.Date(compute="_compute_details", store=True, readonly=False, required=True)
    due_date = fields.Date(compute="_compute_details", store=True, readonly=False)
    currency_id = fields.Many2one(
        "res.currency", compute="_compute_details", store=True, readonly=False, required=True, ondelete="restrict"
    )
    notes = fields.Text(compute="_compute_details", store=True, readonly=False)
    terms = fields.Text(
        compute="_compute_details",
        store=True,
        help="The terms and conditions of the company that Odoo put on the invoice. They are no notes.",
    )
    move_id = fields.Many2one("account.move", string="Invoice", readonly=True, copy=False, index="btree_not_null")
    move_ids = fields.One2many("account.move", "school_billing_id", string="Invoices and Credit Notes", readonly=True)
    invoice_line_ids = fields.One2many(related="move_id.invoice_line_ids", string="Lines")
    payment_ids = fields.One2many("school.billing.payment", "billing_id", string="Payments", readonly=True)
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("sent", "Posted"),
            ("partial", "Partly Paid"),
            ("paid", "Paid"),
            ("cancelled", "Cancelled"),
        ],
        string="Status",
        compute="_compute_state",
        store=True,
        index=True,
    )
    is_overdue = fields.Boolean(compute="_compute_is_overdue", search="_search_is_overdue")
    # Below zero where the invoice is a credit note.
    amount_total = fields.Monetary("Total", related="move_id.amount_total_in_currency_signed", store=True)
    amount_due = fields.Monetary("Due", compute="_compute_amount_due", store=True)
    amount_paid = fields.Monetary("Paid", compute="_compute_amount_paid", store=True)
    amount_credited = fields.Monetary(
        "Credited",
        compute="_compute_amount_paid",
        store=True,
        help="What credit notes, discounts for early payment and write-offs took off.",
    )
    amount_overpaid = fields.Monetary(
        "Overpaid",
        compute="_compute_amount_overpaid",
        help="What was paid beyond the invoice, and is kept as a credit.",
    )

    @api.depends(
        "move_id.invoice_date", "move_id.invoice_date_due", "move_id.currency_id", "move_id.ref", "move_id.narration"
    )
    def _compute_details(self):
        """What people change on the invoice is what the billing says, and what its source is told."""
        for billing in self:
            move = billing.move_id
            billing.issue_date = move.invoice_date or billing.issue_date
            billing.due_date = move.invoice_date_due or billing.due_date
            billing.currency_id = move.currency_id or billing.currency_id
            number, notes = billing.invoice_number, billing.notes
            if move and (move.ref or False) != (number or billing.name):
                number = move.ref
            written, terms = html2plaintext(move.narration or ""), billing.terms
            if move and written.split() != (notes or terms or "").split():
                if not notes and written and written == html2plaintext(billing._get_defaults().narration or ""):
                    terms = written
                else:
                    notes = written or False
            billing.invoice_number, billing.notes, billing.terms = number, notes, terms

    @api.depends("move_id.partner_id")
    def _compute_payer_id(self):
        """Another guardian, where somebody has addressed the invoice to another guardian."""
        for billing in self:
            customer = billing.move_id.partner_id
            payer = billing.payer_id
            if customer and customer != billing._get_customer():
                payer = customer.school_parent_ids.filtered(
                    lambda parent, company=billing.company_id: parent.company_id == company
                )[:1]
            billing.payer_id = payer

    @api.depends("move_id.state", "move_id.payment_state")
    def _compute_state(self):
        for billing in self:
            move = billing.move_id
            # What the credit note of another billing pays is paid.
            is_credited = move.payment_state == "reversed" and bool(move.reversal_move_ids)
            if move.state == "cancel" or is_credited:
                billing.state = "cancelled"
            elif move.state != "posted":
                billing.state = "draft"
            elif move.payment_state in ("paid", "in_payment", "reversed"):
                billing.state = "paid"
            else:
                billing.state = "partial" if move.payment_state == "partial" else "sent"

    @api.depends("state", "due_date", "amount_due")
    def _compute_is_overdue(self):
        today = fields.Date.context_today(self)
        for billing in self:
            is_due = billing.state in ("sent", "partial") and billing.amount_due > 0
            billing.is_overdue = is_due and bool(billing.due_date) and billing.due_date < today

    @api.model
    def _search_is_overdue(self, operator, value):
        if operator != "in":
            return NotImplemented
        is_due = Domain("state", "in", ("sent", "partial")) & Domain("amount_due", ">", 0)
        return is_due & Domain("due_date", "<", fields.Date.context_today(self))

    @api.depends("move_id.amount_residual", "move_id.move_type")
    def _compute_amount_due(self):
        for billing in self:
            billing.amount_due = billing.move_id._school_sign() * billing.move_id.amount_residual

    @api.depends("amount_total", "amount_due", "state")
    def _compute_amount_paid(self):
        less = self.filtered(lambda one: one.move_id.state == "posted" and one.amount_total != one.amount_due)
        paid = less.move_id._school_sum_payments()
        for billing in self:
            billing.amount_paid = billing.move_id._school_sign() * paid.get(billing.move_id, 0)
            off = billing.amount_total - billing.amount_due - billing.amount_paid if billing in less else 0
            billing.amount_credited = billing.currency_id.round(off)

    @api.depends("payment_ids.payment_id.move_id.line_ids.amount_residual_currency")
    def _compute_amount_overpaid(self):
        for billing in self:
            # sudo: what is left of the payments belongs to the billing; who reads it need not see journal items.
            payments = billing.sudo().payment_ids.payment_id
            # A payment of several billings is no credit of one of them.
            lines = payments.filtered(lambda payment: not payment.school_payment_ids).move_id.line_ids
            open_lines = lines.filtered(
                lambda line: line.account_type == "asset_receivable" and line.parent_state == "posted"
            )
            billing.amount_overpaid = -sum(open_lines.mapped("amount_residual_currency"))

    def action_archive(self):
        """Cancel the invoices and archive the billings.

        :raises odoo.exceptions.UserError: where Odoo does not let an invoice be cancelled
        """
        for billing in self:
            billing._cancel_move()
        return super().action_archive()

    @api.ondelete(at_uninstall=False)
    def _unlink_except_billed(self):
        """Keep what would be billed twice, and remove the drafts of the rest, which nobody needs any more."""
        # sudo: what keeps a billing keeps it from those, too, who do not see invoices and payments.
        billings = self.sudo()
        for billing in billings:
            posted = (billing.move_id + billing.move_ids).filtered(lambda move: move.state == "posted")
            if posted or billing.payment_ids._filter_live():
                raise UserError(
                    self.env._(
                        "%(billing)s cannot be deleted: invoice %(invoice)s is posted, or payments are registered. The "
                        "source would bill it again. Archive the billing instead, which cancels the invoice; reverse "
                        "its payments first.",
                        billing=billing.name,
                        invoice=posted[:1].name or billing.move_id.name or self.env._("(draft)"),
                    )
                )
        self.env["school.fee.installment"].sudo().search([("billing_id", "in", self.ids)]).billing_id = False
        (billings.move_id + billings.move_ids).filtered(lambda move: move.state == "draft").unlink()

    def action_open_invoices(self):
        """:return: the action that shows the invoice, and the credit notes and invoices before it"""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("account.action_move_out_invoice_type")
        if len(self.move_ids) == 1:
            return {**action, "view_mode": "form", "views": [(False, "form")], "res_id": self.move_id.id}
        return {**action, "domain": [("id", "in", self.move_ids.ids)], "context": {}}

    # ------------------------------------------------------------------
    # Documents: what is checked before anything is written
    # ------------------------------------------------------------------

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        currencies = self.env["res.currency"]._sync_active_by_code()
        taxes = {}
        if any(line.get("taxes") for item in items for line in item.decision.document.get("lines") or ()):
            taxes = self._get_sales_taxes(source.company_id)
        configured = self._sync_check_configuration(source, items)
        billings = {item: self.browse(item.res_id) for item in items if item.res_id} if configured else {}
        untaxed = self._get_untaxed_codes(source, items) if configured else set()
        made = {}
        for item in items:
            document = item.decision.document
            item.values["name"] = item.external_id
            if currency := self.env["res.currency"]._sync_choose(currencies, source, item, document.get("currency")):
                item.values["currency_id"] = currency.id
                self._sync_check_amounts(item, currency, document)
                lines = document.get("lines") or ()
                if lines and not item.res_id and all(line["code"] in untaxed for line in lines):
                    made[item] = self._sync_check_sum(source, item, currency, lines)
            for index, line in enumerate(document.get("lines") or ()):
                for place, name in enumerate(line.get("taxes") or ()):
                    if name.casefold() not in taxes:
                        item.fail(
                            f"/lines/{index}/taxes/{place}",
                            "unknown_tax",
                            self.env._(
                                "%(tax)s is not a sales tax of %(company)s. Send a name from Invoicing > "
                                "Configuration > Taxes.",
                                tax=quote(name),
                                company=source.company_id.name,
                            ),
                        )
                    elif len(taxes[name.casefold()]) > 1:
                        item.fail(
                            f"/lines/{index}/taxes/{place}",
                            "ambiguous_tax",
                            self.env._(
                                "%(company)s has several sales taxes named %(tax)s. Rename or archive all but one "
                                "under Invoicing > Configuration > Taxes.",
                                tax=quote(name),
                                company=source.company_id.name,
                            ),
                        )
            source.company_id._school_check_money_dates(item, self._sync_new_dates(item))
            if item in billings:
                self._sync_check_posted(source, item, billings[item])
        self._refuse_unpaid(source, {item: total for item, total in made.items() if total is not None})
        return items

    @api.model
    def _sync_new_dates(self, item: Item) -> dict[tuple, str]:
        """Return the dates that the document of ``item`` brings, by their path."""
        document, last = item.decision.document, (item.binding and item.binding.document) or {}
        known = {(payment["externalId"], payment["date"]) for payment in last.get("payments") or ()}
        return {
            **{(path,): document[path] for path in ("issueDate", "dueDate") if path in item.paths and document[path]},
            **{
                ("payments", index, "date"): payment["date"]
                for index, payment in enumerate(document.get("payments") or ())
                if (payment["externalId"], payment["date"]) not in known
            },
        }

    @api.model
    def _sync_check_configuration(self, source, items: list[Item]) -> bool:
        company = source.company_id
        missing = None
        if not company.parent_ids.filtered("chart_template"):
            missing = self.env._(
                "%(company)s has no chart of accounts. Install a fiscal localization under Invoicing > Configuration.",
                company=company.name,
            )
        elif not source._get_invoice_journal():
            missing = self.env._(
                "%(company)s has no sales journal. Create one under Invoicing > Configuration > Journals.",
                company=company.name,
            )
        if missing:
            for item in items:
                item.fail("", "accounting_not_configured", missing)
            return False
        if not source._get_payment_journal():
            for item in items:
                if item.decision.document.get("payments") or item.decision.document.get("status") == "paid":
                    item.fail(
                        "/payments",
                        "no_payment_journal",
                        self.env._(
                            "%(company)s has no bank or cash journal. Choose one on the source, under Accounting.",
                            company=company.name,
                        ),
                    )
        return True

    @api.model
    def _get_untaxed_codes(self, source, items: list[Item]) -> set[str]:
        """Return the codes, in new documents, of lines on which Odoo puts no tax, unless the line names one."""
        new = [line for item in items if not item.res_id for line in item.decision.document.get("lines") or ()]
        company = source.company_id
        accounts = self.env["account.account"]
        taxed_accounts = Domain(accounts._check_company_domain(company)) & Domain("tax_ids", "!=", False)
        if not new or accounts.search_count(taxed_accounts, limit=1):
            return set()
        # Odoo puts its default tax on a line without a product.
        codes = {line["code"] for line in new} - {None}
        products = self.env["product.product"]._school_find_fee_heads(company, codes, source)
        # sudo: an API user bills with the table, and need not see it.
        rows = self.env["school.fee.head"].sudo()._find_by_code(company, source, codes)
        taxed = {line["code"] for line in new if line.get("taxes")} | {
            code for code, row in rows.items() if row.tax_ids
        }
        return codes - taxed - {code for code, product in products.items() if product.taxes_id}

    @api.model
    def _sync_check_sum(self, source, item: Item, currency, lines: list[dict]) -> float | None:
        """Refuse now what would be refused as an invoice: where there are no taxes, the total is the sum of the lines.

        With taxes only Odoo can tell, once it has made the invoice (:meth:`_check_total`).

        :return: the total of the invoice; None where only Odoo can tell
        """
        amounts = [_net(line) for line in lines]
        if source.company_id.tax_calculation_rounding_method == "round_globally":
            if any(amount != _round(amount, currency) for amount in amounts):
                return None
        made = float(sum(_round(amount, currency) for amount in amounts))
        return None if self._refuse_total(item, currency, made) else made

    @api.model
    def _refuse_total(self, item: Item, currency, made: float, tax: float = 0) -> bool:
        """Refuse the document of ``item`` if an invoice over ``made`` is not what it says.

        :param tax: the part of ``made`` that is taxes
        :return: whether it was refused
        """
        total = item.decision.document.get("total")
        if total is not None and currency.compare_amounts(made, total):
            numbers = {"total": currency._school_write(total), "made": currency._school_write(made)}
            if tax:
                detail = self.env._(
                    "The total is %(total)s, but the lines add up to %(made)s, including taxes of %(tax)s.",
                    tax=currency._school_write(tax),
                    **numbers,
                )
            else:
                detail = self.env._("The total is %(total)s, but the lines add up to %(made)s.", **numbers)
            item.fail("/total", "total_mismatch", detail)
            return True
        return False

    @api.model
    def _refuse_open(self, item: Item, currency, left: float, total: float) -> None:
        detail = self.env._(
            "The status is paid, but the payments leave %(left)s of %(total)s open. Send every payment, or the status "
            "partial.",
            left=currency._school_write(left),
            total=currency._school_write(total),
        )
        item.fail("/payments", "payments_mismatch", detail)

    @api.model
    def _sync_check_amounts(self, item: Item, currency, document: dict) -> None:
        for path in ("lines", "payments"):
            for index, part in enumerate(document.get(path) or ()):
                if part.get("amount") is None:
                    continue
                place = f"/{path}/{index}/amount"
                if part.get("unitPrice") is None:
                    currency._sync_check_decimals(item, place, part["amount"])
                elif path in item.paths and to_decimal(part["amount"]) not in (
                    net := _net(part),
                    _round(net, currency),
                ):
                    # The contract, which knows no currency, is content with any number of decimals.
                    detail = self.env._(
                        "The amount is %(amount)s, but quantity, unitPrice and discount come to %(net)s.",
                        amount=write_amount(to_decimal(part["amount"]), currency.name),
                        net=write_amount(net, currency.name),
                    )
                    item.fail(place, "total_mismatch", detail)
        if document.get("total") is not None:
            currency._sync_check_decimals(item, "/total", document["total"])

    @api.model
    def _sync_check_posted(self, source, item: Item, billing) -> None:
        """A posted invoice is never rewritten: what would change it is a conflict, told field by field."""
        move = billing.move_id
        paid_with = (
            billing.payment_ids._filter_live() or billing.allocation_ids._filter_pending() or billing.amount_paid
        )
        if "currency" in item.paths and paid_with:
            detail = self.env._(
                "Billing %(billing)s has payments in %(currency)s, so its currency cannot change. Reverse the payments "
                "in Odoo, and bill anew under another externalId.",
                billing=quote(item.external_id),
                currency=billing.currency_id.name,
            )
            item.fail("/currency", "registered_payment", detail, Status.CONFLICT)
            return
        if move.state != "posted":
            return
        if billing.state == "cancelled":
            if item.decision.document["status"] != "cancelled":
                item.fail(
                    "/status",
                    "credited_invoice",
                    self.env._(
                        "Invoice %(invoice)s was credited in full. Bill again under another externalId.",
                        invoice=move.name,
                    ),
                    Status.CONFLICT,
                )
            return
        document, last = item.decision.document, item.binding.document or {}
        if document["status"] == "cancelled" and (error := billing._find_cancel_error()):
            item.fail("/status", *error)
        if document["status"] == "draft" and "status" in item.paths:
            item.fail(
                "/status",
                "posted_invoice",
                self.env._(
                    "Invoice %(invoice)s is posted and cannot return to draft. Send cancelled to cancel it.",
                    invoice=move.name,
                ),
                Status.CONFLICT,
            )
        currency = document.get("currency") or billing.currency_id.name
        for path in billing._get_fixed_paths():
            if path in item.paths and source.posted_policy == "refuse" and document["status"] != "cancelled":
                item.fail(
                    f"/{path}",
                    "posted_invoice",
                    self.env._(
                        "Invoice %(invoice)s is posted, so %(field)s cannot change from %(before)s to %(after)s. Send "
                        "the status cancelled and bill again under another externalId, or have the source reverse and "
                        "reissue posted invoices.",
                        invoice=move.name,
                        field=path,
                        before=show(self.env, path, value_at(last, path), billing.currency_id.name),
                        after=show(self.env, path, value_at(document, path), currency),
                    ),
                    Status.CONFLICT,
                )
        registered = {payment.external_id: payment for payment in billing.payment_ids._filter_live()}
        for index, payment in enumerate(document.get("payments") or ()):
            known = registered.get(payment["externalId"])
            if known and (
                billing.currency_id.compare_amounts(known.amount, payment["amount"])
                or known.date.isoformat() != payment["date"]
            ):
                item.fail(
                    f"/payments/{index}",
                    "registered_payment",
                    self.env._(
                        "Payment %(payment)s is registered with %(amount)s on %(day)s. "
                        "Reverse it in Odoo, or send the correction as another payment.",
                        payment=quote(payment["externalId"]),
                        amount=billing.currency_id._school_write(known.amount),
                        day=known.date.isoformat(),
                    ),
                    Status.CONFLICT,
                )

    # ------------------------------------------------------------------
    # Documents: what is made of them
    # ------------------------------------------------------------------

    @api.model
    def _sync_make_related(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_make_related(source, items)
        labels = {
            line["code"]: line.get("label")
            for item in items
            if "lines" in item.paths
            for line in item.decision.document["lines"]
            if line["code"]
        }
        self.env["product.product"]._school_fee_heads(source.company_id, labels, source)
        return items

    @api.model
    def _sync_create(self, source, items: list[Item]):
        billings = super()._sync_create(source, items)
        billings._make_moves([self._sync_prepare_lines(item.decision.document) for item in items], source)
        return billings

    @api.model
    def _sync_write(self, source, items: list[Item]) -> list[Item]:
        billings = {item: self.browse(item.res_id) for item in items}
        for item, billing in billings.items():
            if item.decision.document["status"] == "cancelled":
                # First of all: an invoice that has been paid refuses, and is left as it is.
                billing._cancel_move(source)
        touched = [
            item for item, billing in billings.items() if not item.paths.isdisjoint(_MOVE_PATHS) or not billing.move_id
        ]
        revived = dormant = self.env["account.move"]
        for item, billing in billings.items():
            if billing.move_id.state != "cancel":
                continue
            if item.decision.document["status"] != "cancelled" and ("status" in item.paths or item.binding.deleted):
                # Billed after all.
                revived += billing.move_id
            elif item in touched:
                # Cancelled, by somebody in Odoo perhaps, it follows its document, and stays cancelled.
                dormant += billing.move_id
        (revived + dormant).button_draft()
        # Not before: what happens to an invoice, the billing follows.
        super()._sync_write(source, items)
        self._sync_write_moves(source, {item: billings[item] for item in touched})
        dormant.button_cancel()
        return items

    @api.model
    def _sync_write_moves(self, source, billings: dict) -> None:
        """Have the invoices of ``billings``, by item, say what has changed in the documents."""
        bare = {item: billing for item, billing in billings.items() if not billing.move_id}
        lines_by_item = {item: self._sync_prepare_lines(item.decision.document) for item in billings}
        accounting = self._get_accounting(list(lines_by_item.values()), source) if billings else ()
        # Somebody has deleted the invoice of a draft.
        for item, billing in bare.items():
            billing.due_date = item.decision.document.get("dueDate")
        self.concat(*bare.values())._make_moves([lines_by_item[item] for item in bare], source)
        drawn = self.concat(*(billing for item, billing in billings.items() if item not in bare))
        if drawn:
            drawn._make_analytic_accounts(accounting[0])
        places = {billing: billing.move_id._school_get_place() for billing in drawn}
        reissued = {}
        for item, billing in billings.items():
            move = billing.move_id
            if item in bare:
                continue
            if move.state == "draft":
                move.write(
                    {
                        **billing._prepare_move_changes(item, accounting),
                        **billing._prepare_line_changes(item, lines_by_item[item], accounting),
                    }
                )
            elif item.decision.document["status"] != "cancelled":
                if item.paths.isdisjoint(billing._get_fixed_paths()):
                    names = billing._get_changed_names(item)
                    details = billing._get_default_details() | billing._prepare_move_details(billing.move_id.journal_id)
                    move.write({name: value for name, value in details.items() if name in names})
                else:
                    reissued[billing] = billing.payment_ids._filter_applied()
                    billing._redraw_move(item, lines_by_item[item], accounting)
        moved = drawn.filtered(lambda billing: billing.move_id._school_get_place() != places[billing])
        moved.move_id.invoice_line_ids._school_update_analytic_accounts()
        if reissued:
            moves = self.concat(*reissued).move_id
            moves._school_switch_negative()
            moves.action_post()
            self.env["school.billing.payment"].concat(*reissued.values())._reconcile()

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        self._sync_warn_archived(source, items, "student_id")
        billings = {item: self.browse(item.res_id) for item in items}
        self.concat(
            *(billing for item, billing in billings.items() if item.status is not Status.CREATED)
        )._follow_payer()
        for item, billing in billings.items():
            billing._warn_of_payers(item)
            to_be_posted = "status" in item.paths and billing.move_id.state == "draft"
            if to_be_posted or not item.paths.isdisjoint(_TOTAL_PATHS):
                billing._check_total(item)
        self._refuse_unpaid(
            source, {item: billing.amount_total for item, billing in billings.items() if not item.errors}
        )
        check_refused(items)
        drafts = {
            item: billing.move_id
            for item, billing in billings.items()
            if item.decision.document["status"] in _POSTED and billing.move_id.state == "draft"
        }
        at_work = {
            item
            for item, move in drafts.items()
            if move.posted_before and item.paths.isdisjoint(("status", "payments")) and not item.binding.deleted
        }
        for item in at_work:
            item.warn(
                self.env._(
                    "Invoice %(invoice)s was reset to draft in Odoo. It stays a draft until it is posted there.",
                    invoice=drafts[item].name,
                )
            )
        to_post = self.env["account.move"].concat(*(move for item, move in drafts.items() if item not in at_work))
        credit_notes = to_post._school_switch_negative()
        credit_notes.action_post()
        (to_post - credit_notes)._school_post()
        for item, billing in billings.items():
            if billing.move_id in to_post and billing.move_id.date > billing.issue_date:
                item.warn(
                    self.env._(
                        "The period of %(day)s is locked. Invoice %(invoice)s is accounted for on %(date)s.",
                        day=billing.issue_date.isoformat(),
                        invoice=billing.move_id.name,
                        date=billing.move_id.date.isoformat(),
                    )
                )
            status = item.decision.document["status"]
            if status == "cancelled":
                billing._cancel_move(source)
            elif status in ("sent", "overdue") and billing.state in ("partial", "paid"):
                item.warn(
                    self.env._(
                        "Invoice %(invoice)s is paid in part or in full. The status %(status)s changed nothing.",
                        invoice=billing.move_id.name,
                        status=status,
                    )
                )
            elif status in _POSTED and billing.state == "cancelled":
                item.warn(
                    self.env._(
                        "Invoice %(invoice)s was cancelled in Odoo. It stays cancelled until the status changes.",
                        invoice=billing.move_id.name,
                    )
                )
        self._sync_register_payments(
            source, {item: billing for item, billing in billings.items() if item not in at_work}
        )
        return items

    @api.model
    def _sync_prepare_lines(self, document: dict) -> list[dict]:
        """The lines of a document as :meth:`_prepare_move` takes them: exact, with a price for each unit."""
        result = []
        digits = self.env["decimal.precision"].precision_get
        company = self.company_id[:1] or self.env.company
        rounds_globally = company.tax_calculation_rounding_method == "round_globally"
        for line in document["lines"]:
            quantity = quantity_of(line)
            label = line.get("label") or line["code"] or ""
            discount = to_decimal(line.get("discount") or 0)
            price = line.get("unitPrice")
            if price is not None:
                price = to_decimal(price)
                amount = quantity * price
            else:
                amount = to_decimal(line["amount"])
                price = amount / quantity
            sent = line.get("amount")
            if rounds_globally and sent is not None and _net(line) != to_decimal(sent):
                # Odoo would round the sum of all lines instead of each of them. What was sent for this one counts.
                label = self.env._("%(label)s (%(quantity)s)", label=label, quantity=quantity)
                quantity, price, discount = 1, to_decimal(sent), 0
            elif price != round(price, 6) or quantity != round(quantity, digits("Product Unit")):
                # No price for one gives this amount for all, or Odoo would round how many; the amount is what counts.
                label, quantity, price = (
                    self.env._("%(label)s (%(quantity)s)", label=label, quantity=quantity),
                    1,
                    amount,
                )
            if discount != round(discount, digits("Discount")):
                price, discount = price * (100 - discount) / 100, 0
            result.append(
                {
                    "code": line["code"],
                    "label": label,
                    "quantity": quantity,
                    "price_unit": price,
                    "discount": discount,
                    "taxes": line.get("taxes"),
                }
            )
        return result

    def _make_moves(self, lines_list: list[list[dict]], source=None) -> None:
        """Make the draft invoices of these billings, of one company, all at once.

        :param lines_list: for each billing its lines: ``code, label, quantity, price_unit`` and, where there are any,
            ``discount`` (percent) and ``taxes`` (names)
        """
        heads, taxes, journal = self._get_accounting(lines_list, source)
        vals_list = [
            billing._prepare_move(lines, heads, taxes, journal) for billing, lines in zip(self, lines_list, strict=True)
        ]
        self._make_analytic_accounts(heads)
        for billing, move in zip(self, self.env["account.move"]._school_create(vals_list), strict=True):
            billing.move_id = move

    def _make_analytic_accounts(self, heads: dict) -> None:
        """Make the analytic accounts that the invoices of these billings, of one company, are shared out over."""
        company = self.company_id
        if not company._school_get_plans():
            return
        places = [billing._prepare_place() for billing in self]
        company._school_make_analytic_accounts(
            self.env["school.school"].browse({place["school_campus_id"] for place in places} - {False}),
            self.env["school.grade"].browse({place["school_grade_id"] for place in places} - {False}),
            {code: self.env["product.product"].browse(head["product_id"]).name for code, head in heads.items()},
        )

    def _get_accounting(self, lines_list: list[list[dict]], source=None) -> tuple:
        """What the invoices of these billings are made of: fee heads by code, taxes by name, and the journal."""
        company = source.company_id if source else self.company_id
        # A line that somebody added in Odoo need not have a product.
        labels = {line["code"]: line["label"] for lines in lines_list for line in lines if line["code"]}
        products = self.env["product.product"]._school_fee_heads(company, labels, source)
        rows = self.env["school.fee.head"]._find_by_code(company, source, labels)
        heads = {
            code: {
                "product_id": product.id,
                "school_fee_head": code,
                "school_fee_head_id": rows[code].id if code in rows else False,
            }
            for code, product in products.items()
        }
        taxed = any(line.get("taxes") for lines in lines_list for line in lines)
        taxes = self._get_sales_taxes(company) if taxed else {}
        return heads, taxes, source._get_invoice_journal() if source else self.env["account.journal"]

    @api.model
    def _get_sales_taxes(self, company) -> dict:
        """:return: the sales taxes of ``company``, by their name in lower case; several where that is ambiguous"""
        domain = [("type_tax_use", "=", "sale"), ("company_id", "parent_of", company.id)]
        # Sources name them as in English, whatever the language of the API user.
        taxes = self.env["account.tax"].with_context(lang=None).search(domain)
        # Taxes of a branch go before those of its parent.
        nearest = company.parent_path.split("/")
        taxes = taxes.sorted(lambda tax: -nearest.index(str(tax.company_id.id)))
        return {
            name: alike.filtered(lambda tax, first=alike[0]: tax.company_id == first.company_id)
            for name, alike in taxes.grouped(lambda tax: tax.name.casefold()).items()
        }

    def _prepare_move(self, lines: list[dict], heads: dict, taxes: dict, journal) -> dict:
        self.ensure_one()
        return {
            "move_type": "out_invoice",
            "company_id": self.company_id.id,
            **({"journal_id": journal.id} if journal else {}),
            "partner_id": self._choose_customer().id,
            "currency_id": self.currency_id.id,
            "invoice_date": self.issue_date,
            # The API user, who makes it, is nobody's salesperson.
            "invoice_user_id": False,
            "invoice_line_ids": [Command.create(self._prepare_move_line(line, heads, taxes)) for line in lines],
            "school_billing_id": self.id,
            "school_student_id": self.student_id.id,
            **self._prepare_place(),
            **self._prepare_due(),
            **self._prepare_move_details(journal),
        }

    @api.model
    def _prepare_move_line(self, line: dict, heads: dict, taxes: dict) -> dict:
        vals = {
            **(heads[line["code"]] if line["code"] else {"product_id": False}),
            "name": line["label"] or line["code"] or False,
            "quantity": float(line["quantity"]),
            "price_unit": float(line["price_unit"]),
            "discount": float(line.get("discount") or 0),
        }
        if line.get("taxes") is not None:
            vals["tax_ids"] = [Command.set([taxes[name.casefold()].id for name in line["taxes"]])]
        return vals

    def _prepare_place(self) -> dict:
        """Where the student is enrolled, as the invoice says it."""
        return self.student_id._prepare_invoiced_place(self.issue_date, self.fee_schedule_id.academic_year_id)

    def _prepare_move_changes(self, item: Item, accounting: tuple) -> dict:
        """What changes on the invoice where the document does, but for its lines. The rest may be somebody's work."""
        vals = self._get_default_details() | self._prepare_move([], *accounting)
        names = self._get_changed_names(item)
        if not {"studentExternalId", "payerExternalId"}.isdisjoint(item.paths):
            held = self.move_id._convert_to_write({name: self.move_id[name] for name in _CUSTOMER_TERMS})
            vals.update((name, value) for name, value in held.items() if name not in names)
            names.update(("partner_id", *_CUSTOMER_TERMS))
        return {name: value for name, value in vals.items() if name in names}

    def _prepare_line_changes(self, item: Item, lines: list[dict], accounting: tuple) -> dict:
        """What changes on the lines of the invoice, so that they say what ``lines`` say otherwise than was said last.

        The account, the analytic distribution and whatever else people have entered stays, as do sections and notes.
        """
        if "lines" not in item.paths:
            return {}
        heads, taxes, _journal = accounting
        # Where one side has won, or is put back, its lines are taken as they are.
        sign = self.move_id._school_sign()
        settled = item.restored or "lines" in {clash.path for clash, _winner in item.clashes}
        last = [] if settled else self._sync_prepare_lines(item.binding.document)
        held = by_code(
            (code_of(line), line) for line in self.move_id.invoice_line_ids if line.display_type == "product"
        )
        before = by_code((line["code"], line) for line in last)
        commands = []
        for key, line in by_code((line["code"], line) for line in lines).items():
            vals = self._prepare_move_line(line, heads, taxes)
            vals["quantity"] *= sign
            if present := held.pop(key, None):
                known = before.get(key, {})
                said, now = _as_sent(known) if known else None, line_to_json(self.currency_id, present, sign)
                if known and self.currency_id.compare_amounts(float(amount_of(said)), float(amount_of(now))):
                    # Lines of one code in another order than they were sent in: only all of it is right.
                    known = {}
                names = {
                    name
                    for part, names in _LINE_FIELDS.items()
                    if line[part] != known.get(part, known)
                    for name in names
                }
                if line["taxes"] is None and known.get("taxes") is not None:
                    vals["tax_ids"] = [Command.set(present._get_computed_taxes().ids)]
                commands.append(
                    Command.update(present.id, {name: value for name, value in vals.items() if name in names})
                )
            else:
                commands.append(Command.create(vals))
        commands += [Command.delete(line.id) for line in held.values()]
        return {"invoice_line_ids": commands}

    def _get_fixed_paths(self) -> tuple[str, ...]:
        """What may not change silently once the invoice is posted."""
        # Odoo does not let its terms of payment change then.
        return (*_MONEY_PATHS, "dueDate") if self.move_id.invoice_payment_term_id else _MONEY_PATHS

    def _get_changed_names(self, item: Item) -> set[str]:
        """The fields of the invoice that say what changes in a document, but for the customer and the lines."""
        names = {name for path in item.paths for name in _MOVE_FIELDS.get(path, ())}
        ours = self.move_id.ref, item.binding.document.get("invoiceNumber") or self.name
        if self.move_id.payment_reference not in (*ours, False):
            # Somebody has given the payer a reference of its own to pay with.
            names.discard("payment_reference")
        return names

    def _prepare_due(self) -> dict:
        """When the invoice is due. Where the source does not say it, the terms of the customer do."""
        if self.due_date:
            return {"invoice_payment_term_id": False, "invoice_date_due": self.due_date}
        if self.issue_date > fields.Date.context_today(self) and not self._get_payment_term():
            # Odoo would have it due today, before it is issued.
            return {"invoice_date_due": self.issue_date}
        return {}

    def _get_payment_term(self):
        return self._get_customer().with_company(self.company_id).property_payment_term_id

    def _get_defaults(self):
        """The invoice that Odoo's form begins with, for the customer."""
        move = self.move_id
        return move.new(
            {"move_type": move.move_type, "company_id": move.company_id.id, "partner_id": move.partner_id.id}
        )

    def _get_default_details(self) -> dict:
        """What the invoice says where the source says nothing."""
        move = self.move_id
        reference = (
            move.state == "posted" and move.move_type == "out_invoice" and move._get_invoice_computed_reference()
        )
        return {"narration": self._get_defaults().narration, "payment_reference": reference}

    def _prepare_move_details(self, journal) -> dict:
        """What Odoo lets change on an invoice that is posted. What is left out, Odoo works out itself."""
        vals = {"ref": self.invoice_number or self.name}
        if self.due_date:
            vals["invoice_date_due"] = self.due_date
        # Banks check and match structured references.
        if self.invoice_number and not journal._school_has_own_references():
            vals["payment_reference"] = self.invoice_number
        if self.notes:
            vals["narration"] = plaintext2html(self.notes)
        return vals

    def _get_customer(self):
        """Who is billed: the payer that was named, else whoever pays for the student."""
        self.ensure_one()
        return self.payer_id.partner_id if self.payer_id else self._get_default_customer()

    def _choose_customer(self):
        """Who is billed now; where it is nobody's choice, the draft follows whoever pays."""
        customer = self._get_customer()
        self.default_partner_id = not self.payer_id and customer
        return customer

    def _get_default_customer(self):
        """Who pays for the student: the guardian who is said to, else the first guardian, else the student."""
        self.ensure_one()
        guardian = (self._get_paying_links() or self._get_links())[:1].parent_id
        return (guardian or self.student_id).partner_id

    def _get_links(self):
        """The links of the student to guardians who are so today."""
        today = fields.Date.context_today(self)
        return self.student_id.link_ids.filtered(
            lambda link: (not link.date_end or link.date_end >= today) and link.parent_id.active
        )

    def _get_paying_links(self):
        return self._get_links().filtered("pays")

    def _warn_of_payers(self, item: Item) -> None:
        """Warn the sender of a new billing that several guardians pay for the student, and who is billed."""
        if item.status is not Status.CREATED or self.payer_id or len(self._get_paying_links()) < 2:
            return
        item.warn(
            self.env._(
                "Several guardians pay for student %(student)s. The invoice is addressed to %(customer)s. To bill "
                "another one, send payerExternalId.",
                student=quote(item.decision.document["studentExternalId"]),
                customer=self.move_id.partner_id.name,
            )
        )

    def _follow_payer(self) -> None:
        """Address the drafts of these billings to whoever pays for the student now.

        A customer whom the source or somebody in Odoo has chosen stays.
        """
        # Those who change people leave no messages.
        for billing in self.with_context(**MONEY_CONTEXT):
            move, last = billing.move_id, billing.default_partner_id
            if billing.payer_id or move.state != "draft" or move.partner_id != last:
                continue
            customer = billing._get_default_customer()
            if customer != last:
                billing.default_partner_id = customer
                held = move._convert_to_write({name: move[name] for name in _CUSTOMER_TERMS})
                move.write({"partner_id": customer.id, **held})

    def _check_total(self, item: Item) -> None:
        self.ensure_one()
        move = self.move_id
        if move.state == "cancel":
            return
        if "lines" in {clash.path for clash, winner in item.clashes if winner == ODOO}:
            # So is what they come to.
            return
        tax = move.amount_tax * move._school_sign()
        self._refuse_total(item, self.currency_id, self.amount_total, tax)

    def _cancel_move(self, source=None) -> None:
        """Cancel the invoice as far as Odoo allows it.

        :raises odoo.exceptions.UserError: if it is paid in part or whole, or if Odoo keeps it from being reset
        """
        self.ensure_one()
        move = self.move_id
        if not move or self.state == "cancelled":
            return
        if move.state == "posted":
            if error := self._find_cancel_error():
                raise Refused("/status", *error)
            if self._is_to_be_credited(source):
                self._reverse_move()
                return
            move.button_draft()
        move.button_cancel()

    def _is_to_be_credited(self, source=None) -> bool:
        """Return whether a credit note takes the place of cancelling the posted invoice."""
        move = self.move_id
        if source and source.posted_policy == "reissue" or not move.show_reset_to_draft_button:
            return True
        # A credit note has a date of its own.
        return bool(move._get_violated_lock_dates(move.date, move._affect_tax_report()))

    def _find_cancel_error(self) -> tuple[str, str] | None:
        """Return why the posted invoice cannot be cancelled: the code and a sentence; None if nothing is known."""
        move = self.move_id
        if self.amount_paid:
            return "paid_invoice", self.env._(
                "Invoice %(invoice)s has payments of %(paid)s. Reverse or refund them in Odoo first.",
                invoice=move.name,
                paid=self.currency_id._school_write(self.amount_paid),
            )
        if self.amount_credited:
            return "credited_invoice", self.env._(
                "Invoice %(invoice)s has credit notes or discounts of %(credited)s. Credit the rest in Odoo.",
                invoice=move.name,
                credited=self.currency_id._school_write(self.amount_credited),
            )
        return None

    def _reverse_move(self):
        """Credit the invoice in full; what was paid of it is free again. :return: the credit note"""
        move = self.move_id
        return move._reverse_moves(
            [
                {
                    "invoice_date": fields.Date.context_today(self),
                    "date": fields.Date.context_today(self),
                    "ref": self.env._("Reversal of %s", move.name),
                    "school_billing_id": self.id,
                }
            ],
            cancel=True,
        )

    def _redraw_move(self, item: Item, lines: list[dict], accounting: tuple) -> None:
        """Credit the posted invoice and draw it up anew, as it is but for what changes in the document."""
        self.ensure_one()
        move = self.move_id
        changes = self._prepare_move_changes(item, accounting)
        self._reverse_move()
        names = {"invoice_date", "invoice_date_due", "ref", "payment_reference"}
        if move.payment_reference == move._get_invoice_computed_reference():
            # It names the invoice that is credited.
            names.remove("payment_reference")
        kept = {name: move[name] for name in names}
        self.move_id = move.copy({**kept, **changes, "school_billing_id": self.id})
        self.move_id.write(self._prepare_line_changes(item, lines, accounting))

    # ------------------------------------------------------------------
    # From records to documents
    # ------------------------------------------------------------------

    def _sync_to_json(self, source, paths=None):
        result = super()._sync_to_json(source, paths)
        if paths is None:
            for billing, current in zip(self, result, strict=True):
                move = billing.move_id
                current.update(
                    {
                        "amountPaid": amount_to_json(
                            billing.currency_id, billing.amount_paid + billing.amount_overpaid
                        ),
                        "amountCredited": amount_to_json(billing.currency_id, billing.amount_credited),
                        "amountOverpaid": amount_to_json(billing.currency_id, billing.amount_overpaid),
                        "amountDue": amount_to_json(billing.currency_id, billing.amount_due),
                        "otherPayments": billing._payments_to_json(),
                        "invoice.id": move.id or None,
                        "invoice.number": move.name or None if move.state != "draft" else None,
                        "invoice.state": move.state or None,
                    }
                )
        return result

    @api.model
    def _sync_defaults(self, source):
        return {**super()._sync_defaults(source), "currency": source.company_id.currency_id.name}

    @api.model
    def _sync_changed_since(self, since):
        return (
            super()._sync_changed_since(since)
            | Domain("move_id.write_date", ">=", since)
            | Domain("move_id.invoice_line_ids.write_date", ">=", since)
        )

    def _sync_written_at(self):
        invoice = self.move_id
        return max(
            [super()._sync_written_at(), *invoice.mapped("write_date"), *invoice.invoice_line_ids.mapped("write_date")]
        )


def _net(line: dict) -> Decimal:
    """What quantity, price and discount of a line of a document come to, before it is rounded."""
    if line.get("unitPrice") is None:
        return to_decimal(line["amount"])
    return quantity_of(line) * to_decimal(line["unitPrice"]) * (100 - to_decimal(line.get("discount") or 0)) / 100


def _round(amount: Decimal, currency) -> Decimal:
    """``amount`` to the smallest unit of ``currency``, as Odoo rounds it."""
    unit = to_decimal(currency.rounding)
    return (amount / unit).to_integral_value(ROUND_HALF_UP) * unit


def _as_sent(line: dict) -> dict:
    """A prepared line as a document says it."""
    return {
        "code": line["code"],
        "unitPrice": line["price_unit"],
        **{key: line[key] for key in ("quantity", "discount")},
    }
