from collections.abc import Iterable

from odoo import api, models
from odoo.fields import Domain


class AccountAnalyticAccount(models.Model):
    _inherit = "account.analytic.account"

    @api.model
    def _school_find(self, keys: Iterable[tuple]) -> dict[tuple, int]:
        """Return the ids of accounts by ``keys`` (company, plan and code), as far as there are such accounts."""
        keys = set(keys)
        if not keys:
            return {}
        companies, plans, codes = zip(*keys, strict=True)
        accounts = self.with_context(active_test=False).search_fetch(
            Domain("company_id", "in", [company.id for company in companies])
            & Domain("plan_id", "in", [plan.id for plan in plans])
            & Domain("code", "in", codes),
            ["company_id", "plan_id", "code"],
            order="id desc",
        )
        return {(one.company_id, one.plan_id, one.code): one.id for one in accounts}

    @api.model
    def _school_make(self, names: dict[tuple, str]) -> None:
        """Make the accounts that are not there yet.

        :param names: what each is called, by company, plan and code
        """
        missing = names.keys() - self._school_find(names).keys()
        if not missing:
            return
        next(iter(missing))[0]._school_claim_lists()
        self.create(
            [
                {"company_id": company.id, "plan_id": plan.id, "code": code, "name": names[company, plan, code]}
                for company, plan, code in sorted(missing, key=lambda key: (key[1].id, key[2]))
            ]
        )
