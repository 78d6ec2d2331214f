from collections import defaultdict

from odoo import api, models

from .school_batch_mixin import BATCH

_SIDES = ("debit", "credit")
# What the totals of an item without taxes come from.
_PRICE = ("display_type", "product_id", "quantity", "price_unit", "discount", "currency_id", "company_id")


class AccountMoveLine(models.Model):
    _name = "account.move.line"
    _inherit = ["school.batch.mixin", "account.move.line"]

    def _compute_totals(self):
        if not self.env.context.get(BATCH):
            return super()._compute_totals()
        alike = defaultdict(list)
        for line in self:
            alike[(line.tax_ids and line, *(line[name] for name in _PRICE))].append(line.id)
        super(AccountMoveLine, self.browse(first for first, *_others in alike.values()))._compute_totals()
        for first, *others in alike.values():
            for name in ("price_subtotal", "price_total"):
                self.browse(others)[name] = self.browse(first)[name]
        return None

    # Beside a balance, Odoo drops debit and credit, to work them out for each item before it is made and once more
    # after. In a batch they are taken as worked out; what Odoo makes of the balance afterwards is what counts.

    def _sanitize_vals(self, vals):
        result = super()._sanitize_vals(vals)
        if self.env.context.get(BATCH) and "balance" in vals:
            result = {**result, **{name: vals[name] for name in _SIDES if name in vals}}
        return result

    @api.model
    def _prepare_create_values(self, vals_list):
        result = super()._prepare_create_values(vals_list)
        if self.env.context.get(BATCH):
            for vals in result:
                vals.setdefault("__precomputed__", set()).update(self._fields[name] for name in _SIDES)
        return result
