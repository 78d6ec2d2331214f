from collections import defaultdict

from odoo import api, fields, models
from odoo.tools import SQL

from .school_invoiced_mixin import INVOICED_FIELDS, INVOICED_GROUPS, PLACE_FIELDS


class AccountMove(models.Model):
    _name = "account.move"
    _inherit = ["school.audit.mixin", "school.invoiced.mixin", "account.move"]

    school_billing_id = fields.Many2one(
        "school.billing",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )
    school_credit = fields.Char(
        "Credit at Source", readonly=True, copy=False, help="What the source of the billing calls this credit note."
    )
    # Odoo finds by it, in one query a transaction, what to compute anew of a billing; else it searches each time.
    school_current_billing_ids = fields.One2many("school.billing", "move_id", readonly=True)
    school_fee_heads = fields.Char(
        "Fee Heads",
        compute="_compute_school_fee_heads",
        store=True,
        groups=INVOICED_GROUPS,
        help="The fee heads of the lines. Journal items and Invoice Analysis have one each.",
    )

    @api.depends("line_ids.school_fee_head")
    def _compute_school_fee_heads(self):
        for move in self:
            heads = set(move.line_ids.mapped("school_fee_head")) - {False}
            move.school_fee_heads = ", ".join(sorted(heads)) or False

    def copy_data(self, default=None):
        return self._school_add_copied(super().copy_data(default), INVOICED_FIELDS)

    def _school_get_place(self) -> dict:
        """Return where the student is enrolled, as this invoice says it."""
        return {name: self[name] for name in PLACE_FIELDS}

    def _school_complete_places(self) -> None:
        """Say on these invoices where their students are enrolled, which was not known when they were made."""
        alike = defaultdict(list)
        for move in self:
            year = move.school_billing_id.fee_schedule_id.academic_year_id
            place = move.school_student_id._prepare_invoiced_place(move.invoice_date or move.date, year)
            if place["school_class"]:
                alike[tuple(place.items())].append(move.id)
        # Nothing of the entry itself changes: what Odoo works out and checks of amounts and dates stays.
        moves = self.with_context(skip_invoice_sync=True, check_move_validity=False, skip_is_manually_modified=True)
        for place, move_ids in alike.items():
            moves.browse(move_ids).write(dict(place))
        self.invoice_line_ids._school_update_analytic_accounts()

    def _school_sign(self) -> int:
        """Return -1 for a credit note, of which a billing says every amount the other way round."""
        return -1 if self.move_type == "out_refund" else 1

    def _school_switch_negative(self):
        """Make credit notes of the invoices below zero, and the other way round, before they are posted.

        :return: those of these moves that are credit notes
        """
        self.filtered(lambda move: move.amount_total < 0 and not move.posted_before).action_switch_move_type()
        return self.filtered(lambda move: move.move_type == "out_refund")

    def _is_fixed_for_schools(self) -> bool:
        """Whether Odoo does not let this posted entry be cancelled any more."""
        self.ensure_one()
        locks = self._get_violated_lock_dates(self.date, self._affect_tax_report())
        return bool(locks) or not self.show_reset_to_draft_button

    def _reverse_moves(self, default_values_list=None, cancel=False):
        # A credit note that is made in Odoo belongs to the billing as well.
        values_list = default_values_list or [{} for _move in self]
        values_list = [
            {"school_billing_id": move.school_billing_id.id, **values}
            for move, values in zip(self, values_list, strict=True)
        ]
        return super()._reverse_moves(values_list, cancel=cancel)

    def _school_sum_payments(self) -> dict:
        """Return what payments and bank transactions paid of these invoices, less the discounts with them."""
        paid = self._school_sum_payments_by("move_id", self.ids)
        return {move: move.currency_id.round(paid[move.id]) for move in self if move.id in paid}

    @api.model
    def _school_sum_payments_by(self, name: str, ids: list[int]) -> dict[int, float]:
        """Return what payments and bank transactions paid of journal items, less the discounts with them.

        :param name: the column of journal items that ``ids`` are of, and by which the amounts are added up
        """
        if not ids:
            return {}
        self.env["account.partial.reconcile"].flush_model(
            ["debit_move_id", "credit_move_id", "debit_amount_currency", "credit_amount_currency"]
        )
        self.env["account.move.line"].flush_model(["move_id", "amount_currency", "currency_id"])
        self.env["account.move"].flush_model(["origin_payment_id", "statement_line_id"])
        self.env["account.payment"].flush_model(["amount", "currency_id"])
        # A payment with a discount for early payment settles more than its own amount.
        query = SQL(
            """
            SELECT line.%(column)s, SUM(part.amount * CASE
                       WHEN pay.currency_id = other.currency_id AND pay.amount < ABS(other.amount_currency)
                       THEN pay.amount / ABS(other.amount_currency) ELSE 1 END)
              FROM account_move_line line
              JOIN LATERAL (
                       SELECT credit_move_id AS other_id, debit_amount_currency AS amount
                         FROM account_partial_reconcile WHERE debit_move_id = line.id
                        UNION ALL
                       SELECT debit_move_id, credit_amount_currency
                         FROM account_partial_reconcile WHERE credit_move_id = line.id
                   ) part ON TRUE
              JOIN account_move_line other ON other.id = part.other_id
              JOIN account_move entry ON entry.id = other.move_id
              LEFT JOIN account_payment pay ON pay.id = entry.origin_payment_id
             WHERE line.%(column)s = ANY(%(ids)s)
               AND (entry.origin_payment_id IS NOT NULL OR entry.statement_line_id IS NOT NULL)
             GROUP BY line.%(column)s
            """,
            column=SQL.identifier(name),
            ids=ids,
        )
        return {key: float(amount) for key, amount in self.env.execute_query(query)}

    def _school_send(self) -> None:
        """Have Odoo send these invoices to their customers, in a job of its own."""
        user = self.env.user
        self.sending_data = {"author_user_id": user.id, "author_partner_id": user.partner_id.id}
        # sudo: whoever posts invoices may send them, and need not see scheduled actions.
        self.env.ref("account.ir_cron_account_move_send").sudo()._trigger()

    def action_open_school_billing(self):
        """:return: the action that opens the school billing behind this invoice"""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "school.billing",
            "res_id": self.school_billing_id.id,
            "view_mode": "form",
        }
