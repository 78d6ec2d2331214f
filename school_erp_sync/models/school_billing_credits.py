from odoo import api, models
from odoo.fields import Command

from ..contract.text import quote
from ..sync.item import Item, Status
from ..sync.money import amount_to_json
from .billing_parts import Credits, code_of

_POSTED = frozenset({"sent", "overdue", "partial", "paid"})


class SchoolBilling(models.Model):
    """The credits of a billing: each becomes one credit note of its invoice, and from then on is the accountants'."""

    _inherit = "school.billing"  # pylint: disable=consider-merging-classes-inherited
    _sync_parts = {"credits": Credits()}

    def _get_credit_notes(self):
        """:return: the posted credit notes that the source has sent"""
        return self.move_ids.filtered(lambda move: move.school_credit and move.state == "posted")

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        with_credits = [item for item in items if "credits" in item.paths and item.decision.document.get("credits")]
        if not with_credits:
            return items
        taxes = self._get_sales_taxes(source.company_id)
        currencies = self.env["res.currency"]._sync_active_by_code()
        for item in with_credits:
            currency = currencies.get(item.decision.document.get("currency"))
            for index, credit in enumerate(item.decision.document["credits"]):
                self._sync_check_credit(source, item, index, credit, taxes, currency)
            if item.res_id:
                self._sync_check_changed_credits(source, item)
        return items

    @api.model
    def _sync_check_credit(self, source, item: Item, index: int, credit: dict, taxes: dict, currency) -> None:
        where = f"/credits/{index}"
        for place, line in enumerate(credit["lines"]):
            if currency and line.get("unitPrice") is None:
                currency._sync_check_decimals(item, f"{where}/lines/{place}/amount", line["amount"])
            for number, name in enumerate(line.get("taxes") or ()):
                if name.casefold() not in taxes:
                    item.fail(
                        f"{where}/lines/{place}/taxes/{number}",
                        "unknown_tax",
                        self.env._(
                            "%(tax)s is not a sales tax of %(company)s. Send a name from Invoicing > Configuration > "
                            "Taxes.",
                            tax=quote(name),
                            company=source.company_id.name,
                        ),
                    )
        if currency and credit.get("total") is not None:
            currency._sync_check_decimals(item, f"{where}/total", credit["total"])

    @api.model
    def _sync_check_changed_credits(self, source, item: Item) -> None:
        """A posted credit note is never rewritten, no more than a posted invoice is."""
        for index, note in self.browse(item.res_id)._get_changed_credits(item).items():
            if source.posted_policy == "refuse" or note._is_fixed_for_schools():
                item.fail(
                    f"/credits/{index}",
                    "posted_invoice",
                    self.env._(
                        "Credit %(credit)s is posted as %(note)s, so it cannot change. Send the correction as another "
                        "credit, or correct it in Odoo.",
                        credit=quote(note.school_credit),
                        note=note.name,
                    ),
                    Status.CONFLICT,
                )

    def _get_changed_credits(self, item: Item) -> dict:
        """Return the posted credit notes of which the document of ``item`` says another thing than before, by index."""
        part = self._sync_get_parts()["credits"]
        last = part.meaning(self, (item.binding.document or {}).get("credits")) or {}
        notes = {note.school_credit: note for note in self._get_credit_notes()}
        now = part.meaning(self, item.decision.document.get("credits")) or {}
        return {
            index: notes[name]
            for index, (name, said) in enumerate(now.items())
            if name in notes and name in last and last[name] != said
        }

    @api.model
    def _sync_new_dates(self, item: Item) -> dict[tuple, str]:
        last = (item.binding and item.binding.document) or {}
        known = {(credit["externalId"], credit["date"]) for credit in last.get("credits") or ()}
        return {
            **super()._sync_new_dates(item),
            **{
                ("credits", index, "date"): credit["date"]
                for index, credit in enumerate(item.decision.document.get("credits") or ())
                if (credit["externalId"], credit["date"]) not in known
            },
        }

    @api.model
    def _sync_register_payments(self, source, billings: dict) -> None:
        # First: what is credited need not be paid.
        self._sync_register_credits(
            source, {item: billing for item, billing in billings.items() if "credits" in item.paths}
        )
        return super()._sync_register_payments(source, billings)

    @api.model
    def _sync_register_credits(self, source, billings: dict) -> None:
        """Make and post the credit notes that the documents of ``billings``, by item, name for the first time."""
        new = []
        for item, billing in billings.items():
            if item.decision.document["status"] not in _POSTED or not billing._is_payable():
                continue
            if item.res_id and (changed := billing._get_changed_credits(item)):
                # Only where the source has Odoo reverse and reissue.
                notes = self.env["account.move"].concat(*changed.values())
                notes.button_cancel()
                notes.school_credit = False
            known = set(billing.move_ids.mapped("school_credit"))
            new += [
                (item, index, billing, credit)
                for index, credit in enumerate(item.decision.document.get("credits") or ())
                if credit["externalId"] not in known
            ]
        if not new:
            return
        lines_list = [self._sync_prepare_lines(credit) for _item, _index, _billing, credit in new]
        accounting = self._get_accounting(lines_list, source)
        self.concat(*(billing for _item, _index, billing, _credit in new))._make_analytic_accounts(accounting[0])
        notes = self.env["account.move"].create(
            [
                billing._prepare_credit_note(credit, lines, accounting)
                for (_item, _index, billing, credit), lines in zip(new, lines_list, strict=True)
            ]
        )
        for (item, index, billing, credit), note in zip(new, notes, strict=True):
            total, write = credit.get("total"), billing.currency_id._school_write
            if total is not None and billing.currency_id.compare_amounts(note.amount_total, total):
                item.fail(
                    f"/credits/{index}/total",
                    "total_mismatch",
                    self.env._(
                        "The total is %(total)s, but the lines add up to %(made)s.",
                        total=write(total),
                        made=write(note.amount_total),
                    ),
                )
        # Odoo reconciles a credit note that is posted with its invoice, as far as that is due.
        notes.filtered(lambda note: note.school_billing_id).action_post()

    def _prepare_credit_note(self, credit: dict, lines: list[dict], accounting: tuple) -> dict:
        """A credit note of the invoice, with the accounts and taxes that this has for the same codes."""
        invoice = self.move_id
        vals = self._prepare_move([], *accounting)
        by_code = {code_of(line): line for line in invoice.invoice_line_ids}
        line_vals = []
        for line in lines:
            prepared = self._prepare_move_line(line, *accounting[:2])
            if billed := by_code.get(line["code"]):
                prepared = {
                    "account_id": billed.account_id.id,
                    "analytic_distribution": billed.analytic_distribution,
                    "tax_ids": [Command.set(billed.tax_ids.ids)],
                    **prepared,
                }
            line_vals.append(Command.create(prepared))
        return {
            **vals,
            "move_type": "out_refund",
            "reversed_entry_id": invoice.id,
            "journal_id": invoice.journal_id.id,
            "partner_id": invoice.partner_id.id,
            "currency_id": invoice.currency_id.id,
            "fiscal_position_id": invoice.fiscal_position_id.id,
            "invoice_date": credit["date"],
            "invoice_date_due": credit["date"],
            "invoice_line_ids": line_vals,
            "ref": credit.get("reason") or self.env._("Credit of %s", invoice.name),
            "payment_reference": False,
            "narration": False,
            "school_credit": credit["externalId"],
        }

    @api.model
    def _sync_write_moves(self, source, billings: dict) -> None:
        before = {billing: billing.move_id for billing in billings.values()}
        result = super()._sync_write_moves(source, billings)
        # An invoice that is drawn up anew is credited by what credited the one before.
        self.concat(*(billing for billing, move in before.items() if billing.move_id != move))._use_credit_notes()
        return result

    def _use_credit_notes(self) -> None:
        """Have what is due of these billings taken off by the credit notes that the source has sent of them."""
        plan = [
            (billing._get_credit_notes() + billing.move_id).line_ids.filtered(
                lambda line: (
                    line.account_type == "asset_receivable" and line.parent_state == "posted" and not line.reconciled
                )
            )
            for billing in self
            if billing._get_credit_notes()
        ]
        self.env["account.move.line"]._reconcile_plan([lines for lines in plan if len(lines) > 1])

    def _credits_to_json(self) -> list[dict]:
        """The credit notes of the invoice that accountants have made."""
        # sudo: what was credited is part of the billing; who reads it need not see invoices.
        billing = self.sudo()
        return [
            {
                "date": note.invoice_date.isoformat(),
                "number": note.name,
                "amount": amount_to_json(note.currency_id, note.amount_total),
            }
            for note in billing.move_id.reversal_move_ids
            if note.state == "posted" and not note.school_credit
        ]

    def _sync_to_json(self, source, paths=None):
        result = super()._sync_to_json(source, paths)
        if paths is None:
            for billing, current in zip(self, result, strict=True):
                current["otherCredits"] = billing._credits_to_json()
        return result
