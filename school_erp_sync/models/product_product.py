from collections.abc import Iterable

from odoo import api, models
from odoo.fields import Domain


class ProductProduct(models.Model):
    _inherit = "product.product"

    @api.model
    def _school_fee_heads(self, company, labels: dict[str, str | None], source=None) -> dict:
        """The products of fee heads: as their table says, else found by internal reference within ``company``, or made
        as services without taxes.

        :param labels: what each code is called, for those that are made
        :return: the product of each code
        """
        by_code = self._school_find_fee_heads(company, labels, source)
        missing = sorted(labels.keys() - by_code.keys())
        if missing:
            # Odoo allows two products of one reference.
            company._school_claim_lists()
            # sudo: a source may bill a new fee head, though it may not edit the product catalogue.
            made = self.sudo().create(
                [
                    {
                        "name": labels[code] or code,
                        "default_code": code,
                        "type": "service",
                        "purchase_ok": False,
                        "taxes_id": False,
                        "supplier_taxes_id": False,
                        "company_id": company.id,
                    }
                    for code in missing
                ]
            )
            by_code.update({product.default_code: product.sudo(False) for product in made})
        return by_code

    @api.model
    def _school_find_fee_heads(self, company, codes: Iterable[str], source=None) -> dict:
        """Return the product of each fee head of ``codes`` that ``company`` has."""
        # sudo: an API user bills with the table, and need not see it.
        rows = self.env["school.fee.head"].sudo()._find_by_code(company, source, codes)
        chosen = {code: row.product_id.sudo(False) for code, row in rows.items() if row.product_id}
        products = self.search(
            Domain("default_code", "in", [code for code in codes if code not in chosen])
            & Domain(self._check_company_domain(company)),
            order="id desc",
        )
        # The school's own goes before that of its district, and that before a shared one; of several, the oldest.
        nearest = ["", *company.parent_path.split("/")]
        ranked = products.sorted(lambda product: nearest.index(str(product.company_id.id or "")))
        return {product.default_code: product for product in ranked} | chosen
