from odoo import api, fields, models
from odoo.tools import frozendict

from .school_invoiced_mixin import INVOICED_GROUPS

# The context key under which the analytic accounts of items are, by the id of the item, while Odoo works them out.
_ACCOUNTS = "school_analytic_accounts"


class AccountMoveLine(models.Model):
    _name = "account.move.line"
    _inherit = ["school.invoiced.mixin", "account.move.line"]

    school_student_id = fields.Many2one(
        related="move_id.school_student_id", store=True, precompute=True, ondelete="set null"
    )
    school_class = fields.Char(related="move_id.school_class", store=True, precompute=True)
    school_grade_id = fields.Many2one(
        related="move_id.school_grade_id", store=True, precompute=True, ondelete="set null"
    )
    school_year_id = fields.Many2one(related="move_id.school_year_id", store=True, precompute=True, ondelete="set null")
    school_campus_id = fields.Many2one(
        related="move_id.school_campus_id", store=True, precompute=True, ondelete="set null"
    )
    school_fee_head = fields.Char(
        "Fee Head", readonly=True, copy=False, groups=INVOICED_GROUPS, help="The code that the school bills it under."
    )

    school_fee_head_id = fields.Many2one(
        "school.fee.head",
        string="Accounting of the Fee Head",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="The row of Fee Heads that gave the line its product, account and taxes.",
    )

    @api.depends("school_fee_head_id")
    def _compute_account_id(self):
        result = super()._compute_account_id()
        # sudo: whoever makes an invoice need not see the table.
        for line in self.sudo().filtered("school_fee_head_id.account_id"):
            line.account_id = line.move_id.fiscal_position_id.map_account(line.school_fee_head_id.account_id)
        return result

    @api.depends("school_fee_head_id")
    def _compute_tax_ids(self):
        return super()._compute_tax_ids()

    def _get_computed_taxes(self):
        # sudo: as above.
        taxes = self.sudo().school_fee_head_id.tax_ids
        return self.move_id.fiscal_position_id.map_tax(taxes) if taxes else super()._get_computed_taxes()

    def write(self, vals):
        if "product_id" in vals and "school_fee_head_id" not in vals:
            # With another product the line is accounted for as that product says.
            vals = {**vals, "school_fee_head_id": False}
        return super().write(vals)

    def copy_data(self, default=None):
        return self._school_add_copied(super().copy_data(default), ("school_fee_head",))

    # ------------------------------------------------------------------
    # Analytic accounts
    # ------------------------------------------------------------------

    def _compute_analytic_distribution(self):
        accounts = self._school_get_analytic_accounts()
        lines = self.with_context(**{_ACCOUNTS: accounts}) if accounts else self
        return super(AccountMoveLine, lines)._compute_analytic_distribution()

    def _related_analytic_distribution(self):
        accounts = self.env.context.get(_ACCOUNTS, {}).get(self.id)
        return super()._related_analytic_distribution() | ({accounts: 100} if accounts else {})

    def _school_get_analytic_accounts(self) -> frozendict:
        """Return the accounts of those of these items that are about a student, in the plans of their companies.

        :return: by the id of the item, in Odoo's spelling: the ids of the accounts with commas between them
        """
        keys = {
            line: [
                (line.company_id, plan, said if isinstance(said, str) else said.code)
                for name, plan in line.company_id._school_get_plans().items()
                if (said := line[name])
            ]
            # sudo: what an invoice is shared out over follows from whom it is for, whoever makes it.
            for line in self.sudo()
            if line.display_type == "product" and line.school_student_id
        }
        found = self.env["account.analytic.account"].sudo()._school_find(key for some in keys.values() for key in some)
        accounts = {line.id: sorted(found[key] for key in some if key in found) for line, some in keys.items()}
        return frozendict({line_id: ",".join(map(str, ids)) for line_id, ids in accounts.items() if ids})

    def _school_update_analytic_accounts(self) -> None:
        """Have these items, where they are about another student or place now, say the accounts of that.

        What people have entered in other plans stays.
        """
        # sudo: as above.
        lines = self.sudo().filtered(
            lambda line: line.display_type == "product" and line.company_id._school_get_plans()
        )
        for company, of_company in lines.grouped("company_id").items():
            heads = {line.school_fee_head: line.product_id.name for line in of_company if line.school_fee_head}
            company._school_make_analytic_accounts(of_company.school_campus_id, of_company.school_grade_id, heads)
        accounts = lines._school_get_analytic_accounts()
        for (company, ids), alike in lines.grouped(lambda line: (line.company_id, accounts.get(line.id))).items():
            columns = [plan._column_name() for plan in company._school_get_plans().values()]
            alike.analytic_distribution = {"__update__": columns} | ({ids: 100} if ids else {})
