from collections.abc import Iterable

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import ormcache


class SchoolFeeHead(models.Model):
    """How a code that sources bill under is accounted for: its product, income account and taxes."""

    _name = "school.fee.head"
    _description = "Fee Head"
    _order = "code, source_id, id"
    _rec_name = "code"
    _check_company_auto = True
    _check_company_domain = models.check_company_domain_parent_of

    code = fields.Char(
        required=True,
        help="The code of a line of a billing, or of a fee or discount of a fee schedule. Fees and discounts without a "
        "code are HEAD and DISCOUNT.",
    )
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, default=lambda self: self.env.company
    )
    source_id = fields.Many2one(
        "school.sync.source",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        help="Empty: for all sources of the school. A row of the source goes before one for all.",
    )
    product_id = fields.Many2one(
        "product.product",
        ondelete="restrict",
        check_company=True,
        domain=[("sale_ok", "=", True)],
        help="What the invoice names, with its HSN or SAC code. Empty: the product of that internal reference.",
    )
    account_id = fields.Many2one(
        "account.account",
        string="Income Account",
        ondelete="restrict",
        check_company=True,
        domain=[("account_type", "not in", ("asset_receivable", "liability_payable", "asset_cash", "off_balance"))],
        help="For a scholarship or a discount, a contra-revenue account; for a deposit, a liability. "
        "Empty: that of the product.",
    )
    tax_ids = fields.Many2many(
        "account.tax",
        string="Taxes",
        check_company=True,
        domain=[("type_tax_use", "=", "sale")],
        help="Empty: those of the product. The fiscal position of the customer maps account and taxes.",
    )

    _code_unique = models.UniqueIndex(
        "(company_id, COALESCE(source_id, 0), code) WHERE active", "There is a row for this code already."
    )

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        self.env.registry.clear_cache()
        return super().write(vals)

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    @api.model
    def _find_by_code(self, company, source, codes: Iterable[str]) -> dict:
        """Return the row of each of ``codes`` that has one: of the source, else of its school, else of a parent."""
        table = self._get_table(company.id, source.id if source else False)
        return {code: self.browse(table[code]) for code in codes if code in table}

    @api.model
    @ormcache("company_id", "source_id")
    def _get_table(self, company_id: int, source_id: int | bool) -> dict[str, int]:
        """The id of the row of each code, as it counts for a source of a company."""
        company = self.env["res.company"].browse(company_id)
        # sudo: an API user bills with the table, and need not see all of it.
        rows = self.sudo().search(
            Domain("company_id", "parent_of", company_id) & Domain("source_id", "in", (source_id, False))
        )
        # The row that counts comes last.
        nearest = company.parent_path.split("/")
        ranked = rows.sorted(lambda row: (nearest.index(str(row.company_id.id)), bool(row.source_id)))
        return {row.code: row.id for row in ranked}
