from odoo import models


class AccountMoveLine(models.Model):
    """Journal items that are reconciled for a part of what is open: Odoo alone would take as much as it can."""

    _inherit = "account.move.line"

    def _school_reconcile(self, amounts: dict) -> None:
        """Reconcile pairs of journal items for just so much each.

        :param amounts: by pair of an invoice's and a payment's item, the amount in the currency that both have
        """
        if amounts:
            most = {(debit.id, credit.id): amount for (debit, credit), amount in amounts.items()}
            pairs = [debit + credit for debit, credit in amounts]
            self.with_context(school_most=most)._reconcile_plan(pairs)

    def _prepare_reconciliation_single_partial(self, debit_values, credit_values, shadowed_aml_values=None):
        pair = debit_values["aml"].id, credit_values["aml"].id
        most = self.env.context.get("school_most", {}).get(pair)
        if most is None:
            return super()._prepare_reconciliation_single_partial(debit_values, credit_values, shadowed_aml_values)
        kept = []
        for values in (debit_values, credit_values):
            line, residual = values["aml"], values["amount_residual_currency"]
            share = min(most / abs(residual), 1) if residual else 1
            offered = {
                "amount_residual_currency": line.currency_id.round(residual * share),
                "amount_residual": line.company_currency_id.round(values["amount_residual"] * share),
            }
            kept.append((values, {name: values[name] - amount for name, amount in offered.items()}))
            values.update(offered)
        result = super()._prepare_reconciliation_single_partial(debit_values, credit_values, shadowed_aml_values)
        for values, left in kept:
            values.update({name: values[name] + amount for name, amount in left.items()})
        # Nothing more of this pair, however much is open.
        return {**result, "debit_values": None, "credit_values": None}
