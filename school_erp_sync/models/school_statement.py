from collections import defaultdict
from typing import Any

from odoo import api, fields, models
from odoo.fields import Domain

AMOUNTS = ("billed", "paid", "credited", "due", "overdue", "on_account")


class SchoolStatement(models.AbstractModel):
    """What the books say of a guardian or a student: from journal items, whoever made them."""

    _name = "school.statement"
    _description = "Statement of a Guardian or Student"

    @api.model
    def _read_person(self, person) -> list[dict[str, Any]]:
        """Return what ``person``, a guardian or student, is billed, has paid and owes, for each student.

        A guardian's statement has what is addressed to the guardian, a student's what is for the student, whoever pays.

        :return: parts with ``student`` (none: what is about no student), ``totals`` (:data:`AMOUNTS` by currency) and
            ``invoices`` (open ones: ``move``, ``due``, ``date`` and ``is_overdue``), by the name of the student
        """
        lines, payments = self._find_lines(person)
        paid = self.env["account.move"]._school_sum_payments_by("id", lines.ids)
        parts = defaultdict(lambda: (defaultdict(lambda: dict.fromkeys(AMOUNTS, 0.0)), {}))
        today = fields.Date.context_today(self)
        for line in lines:
            move, amount, rest = line.move_id, line.amount_currency, line.amount_residual_currency
            is_payment = bool(move.origin_payment_id or move.statement_line_id)
            if is_payment and line.reconciled:
                # What it pays is said of the invoices that it pays.
                continue
            totals, invoices = parts[line.school_student_id or payments.get(move, self.env["school.student"])]
            total = totals[line.currency_id]
            is_late = rest > 0 and bool(line.date_maturity) and line.date_maturity < today
            if is_payment:
                total["paid"] -= rest
            elif amount > 0:
                total["billed"] += amount
                total["paid"] += paid.get(line.id, 0)
            else:
                total["paid"] -= paid.get(line.id, 0)
            total["due"] += max(rest, 0)
            total["overdue"] += rest if is_late else 0
            total["on_account"] += max(-rest, 0)
            if rest > 0 and move.is_invoice(include_receipts=True):
                invoice = invoices.setdefault(move, {"move": move, "due": 0.0, "date": False, "is_overdue": False})
                invoice["due"] += rest
                invoice["date"] = min(filter(None, (invoice["date"], line.date_maturity)), default=False)
                invoice["is_overdue"] |= is_late
        return [
            {
                "student": student,
                "totals": {currency: self._round(currency, total) for currency, total in parts[student][0].items()},
                "invoices": list(parts[student][1].values()),
            }
            for student in sorted(parts, key=lambda student: (not student, student.name or "", student.id))
        ]

    @api.model
    def _round(self, currency, total: dict[str, float]) -> dict[str, float]:
        """Return ``total`` rounded, and with what was neither paid nor is due: credit notes, discounts, written off."""
        total["credited"] = total["billed"] - total["paid"] - total["due"] + total["on_account"]
        # Of two floats that come to nothing, the sum may be -0.
        return {name: currency.round(total[name]) or 0.0 for name in AMOUNTS}

    @api.model
    def _add_up(self, parts: list[dict]) -> dict:
        """Return the sum of the totals of ``parts``, by currency."""
        sums = defaultdict(lambda: dict.fromkeys(AMOUNTS, 0.0))
        for part in parts:
            for currency, total in part["totals"].items():
                for name in AMOUNTS:
                    sums[currency][name] = currency.round(sums[currency][name] + total[name])
        return dict(sums)

    @api.model
    def _find_lines(self, person) -> tuple:
        """Return the receivable items of ``person``, and the student for whom a payment was reported, by its entry."""
        model = self.env["account.move.line"]
        posted = Domain("parent_state", "=", "posted") & Domain("company_id", "=", person.company_id.id)
        posted &= Domain("account_type", "=", "asset_receivable")
        reported = Domain("payment_id.move_id", "!=", False)
        if person._name == "school.student":
            reported &= Domain("billing_id.student_id", "=", person.id)
        else:
            reported &= Domain("payment_id.partner_id", "=", person.partner_id.id)
        students = {
            one.payment_id.move_id: one.billing_id.student_id
            for one in self.env["school.billing.payment"].search(reported)
        }
        if person._name == "school.student":
            open_payments = Domain("move_id", "in", [move.id for move in students]) & Domain("reconciled", "=", False)
            lines = model.search(posted & (Domain("school_student_id", "=", person.id) | open_payments))
        else:
            partner = person.partner_id.id
            lines = model.search(
                posted & (Domain("partner_id", "=", partner) | Domain("move_id.partner_id", "=", partner))
            )
        return lines.sorted(lambda line: (line.date_maturity or line.date, line.id)), students
