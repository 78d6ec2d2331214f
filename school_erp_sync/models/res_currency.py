from odoo import api, models

from ..contract.money import to_decimal
from ..contract.text import write_number
from ..sync.item import Item


class ResCurrency(models.Model):
    _inherit = "res.currency"

    @api.model
    def _sync_active_by_code(self) -> dict:
        """:return: the active currencies, by their ISO 4217 code"""
        return {currency.name: currency for currency in self.search_fetch([], ["name", "rounding", "decimal_places"])}

    @api.model
    def _sync_choose(self, currencies: dict, source, item: Item, code: str | None):
        """The currency of a document: the one it names, else the company's; None, with an error, for one not in use."""
        if not code:
            return source.company_id.currency_id
        if code not in currencies:
            item.fail(
                "/currency",
                "inactive_currency",
                self.env._(
                    "Currency %(code)s is not active in Odoo. Activate it in Invoicing > Configuration > Currencies.",
                    code=code,
                ),
            )
        return currencies.get(code)

    def _sync_check_decimals(self, item: Item, pointer: str, amount: float) -> None:
        """Refuse an amount finer than the smallest coin: rounding it would change what is owed."""
        if to_decimal(amount) % to_decimal(self.rounding):
            item.fail(
                pointer,
                "too_precise",
                self.env._(
                    "%(amount)s has more decimals than %(currency)s has. Round it to %(smallest)s.",
                    amount=write_number(to_decimal(amount)),
                    currency=self.name,
                    smallest=self._school_write(self.rounding),
                ),
            )

    def _school_write(self, amount: float) -> str:
        """Return ``amount`` as sentences have it: with the decimals of this currency, and readable in any language."""
        return f"{self.round(amount):.{self.decimal_places}f}"
