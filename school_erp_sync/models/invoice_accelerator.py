"""Makes many invoices at once, with the journal items that Odoo's own form makes of each.

All that is faster than ``create`` and ``action_post`` is in this file, and one setting switches it off: the system
parameter ``school_erp_sync.accelerate_invoices``, set to ``0``. It also steps aside where an addon that it was not
compared with takes part in what it does only once: see :meth:`AccountMove._school_find_unproven`.
"""

import logging
from collections import Counter, defaultdict
from contextlib import contextmanager, nullcontext

from odoo import api, models
from odoo.fields import Command
from odoo.tools import SQL, ormcache, str2bool

from .school_audit_mixin import AUDIT
from .school_batch_mixin import BATCH
from .school_invoiced_mixin import PLACE_FIELDS

_logger = logging.getLogger(__name__)

# What Odoo looks at in a customer to find the fiscal position.
_FISCAL_FIELDS = ("property_account_position_id", "vat", "country_id", "state_id", "zip", "is_company")
# What is of a journal item itself, or a setting of the whole invoice.
_NOT_COPIED = ("id", "move_id", "move_name", "full_reconcile_id", "matching_number", "no_followup")
_FORMATS = "school_sequence_formats"
# The context key under which nothing but the state of invoices is written, and what is written then.
_POSTING = "school_sync_posting"
_POSTED = {"state", "posted_before"}
_DUE = ("amount_currency", "balance", "amount_residual", "amount_residual_currency")
_AMOUNTS = ("quantity", "price_unit", "discount")
# Amounts that differ by less are the same, but for what floats make of them.
_EXACT = 1e-9
_SIDES = ("debit", "credit")
# What the totals of an item without taxes come from.
_PRICE = ("display_type", "product_id", "quantity", "price_unit", "discount", "currency_id", "company_id")
_RANKS = "school_waiting_ranks"
_SWITCH = "school_erp_sync.accelerate_invoices"
# The addons whose part in an invoice tests/ledger compares with that of Odoo's own form.
_BASIC = frozenset({"account", "account_debit_note", "account_peppol", "analytic", "base", "mail", "school_erp_sync"})
_LOCALIZATIONS = frozenset({"l10n_in"})
# What is done once for invoices that are alike, besides computing stored fields.
_DONE_ONCE = {
    "account.move": (
        "_get_last_sequence_domain",
        "_get_next_sequence_format",
        "_get_sequence_format_param",
        "_get_starting_sequence",
        "_sync_dynamic_line",
        "_sync_dynamic_lines",
        "_sync_non_deductible_base_lines",
        "_sync_rounding_lines",
        "_sync_tax_lines",
        "_sync_unbalanced_lines",
    ),
    "account.move.line": ("_sanitize_vals", "_sync_invoice"),
    "account.fiscal.position": (
        "_get_fiscal_position",
        "_get_first_matching_fpos",
        "_get_fpos_ranking_functions",
        "_get_vat_valid",
    ),
    "res.partner": ("_increase_rank",),
}


class AccountMove(models.Model):
    _name = "account.move"
    _inherit = ["school.batch.mixin", "account.move"]

    @api.model
    def _school_create(self, vals_list):
        """Create draft invoices of one company, many at once, with ``invoice_line_ids`` as :meth:`create` takes them.

        For each invoice Odoo works out accounts, taxes and what is due when, line by line. Where invoices are alike, it
        does so for the first, and the others get the same journal items: with their own amounts where all that Odoo
        does with these is to add them up, else (taxes, another currency, a rounded sum …) only where the amounts are
        the same, too. No check is left out: Odoo's checks of the entry run for each invoice.

        :return: the invoices, in the order of ``vals_list``
        """
        if len(vals_list) < 2 or not self._school_is_accelerated():
            return self.create(vals_list)
        vals_list = self._school_complete_headers(vals_list)
        made, batch = {}, self._for_batch(len(vals_list))
        # A rule that shares amounts out over analytic accounts may look at the customer.
        by_customer = bool(self.env["account.analytic.distribution.model"].search_count([], limit=1))
        for with_amounts in (False, True):
            alike = defaultdict(list)
            for index, vals in enumerate(vals_list):
                if index not in made:
                    alike[self._school_shape(vals, with_amounts, by_customer)].append(index)
            groups = list(alike.values())
            firsts = batch.create([dict(vals_list[group[0]]) for group in groups])
            made.update((group[0], first) for group, first in zip(groups, firsts, strict=True))
            completed = {}
            for group, first in zip(groups, firsts, strict=True):
                own_amounts = not (with_amounts or self._school_rounds_sum(vals_list[group[0]]))
                if len(group) > 1 and (not own_amounts or first._school_only_adds_up()):
                    template, rate = first._school_line_values(), first.invoice_currency_rate
                    for index in group[1:]:
                        vals = {**vals_list[index], "invoice_currency_rate": rate}
                        completed[index] = self._school_complete(vals, template, own_amounts=own_amounts)
            others = batch.with_context(skip_invoice_sync=True).create(list(completed.values()))
            made.update(zip(completed, others, strict=True))
        return self.browse(made[index].id for index in range(len(vals_list)))

    @api.model
    def _school_is_accelerated(self) -> bool:
        """Return whether invoices may be made together: what Odoo does for each of them is known, and so wanted."""
        # sudo: the parameter is the administrator's; API users need not read it.
        wanted = str2bool(self.env["ir.config_parameter"].sudo().get_param(_SWITCH, "1"), default=True)
        return wanted and not self._school_find_unproven()

    @api.model
    @ormcache()
    def _school_find_unproven(self) -> tuple[str, ...]:
        """Return the addons that take part in making an invoice, and of which that was never compared.

        They define a stored field that Odoo computes of an invoice or its journal items, or extend how one is computed
        or what is done once for many.
        """
        unproven = sorted(self._school_find_makers() - _BASIC - _LOCALIZATIONS)
        if unproven:
            _logger.info("Invoices are made one by one, in Odoo's own way, because of these addons: %s", unproven)
        return tuple(unproven)

    @api.model
    def _school_find_makers(self) -> set[str]:
        """Return the addons that define what an invoice comes to."""
        makers = set()
        for name, methods in _DONE_ONCE.items():
            model = self.env[name]
            names = set(methods)
            if name.startswith("account.move"):
                computed = [field for field in model._fields.values() if field.store and field.compute]
                makers.update(*(field._modules for field in computed))
                names.update(field.compute for field in computed if isinstance(field.compute, str))
            makers.update(cls._module for cls in type(model).__mro__ if not names.isdisjoint(vars(cls)))
        return makers

    @api.model
    def _school_complete_headers(self, vals_list) -> list[dict]:
        """Add what Odoo works out of the customers before it looks at the lines: once for customers that are alike."""
        if self._school_find_makers() & _LOCALIZATIONS:
            return self._school_compute_headers(vals_list)
        result, known = {}, {}
        for partner in self._school_customers(vals_list):
            delivery = partner.browse(partner.address_get(["delivery"])["delivery"])
            alone = delivery != partner or partner.commercial_partner_id != partner
            alike = alone and partner, *(partner[name] for name in _FISCAL_FIELDS)
            if alike not in known:
                positions = partner.env["account.fiscal.position"]
                known[alike] = positions._get_fiscal_position(partner, delivery=delivery).id
            result[partner.id] = {"partner_shipping_id": delivery.id, "fiscal_position_id": known[alike]}
        return [{**vals, **result[vals["partner_id"]]} for vals in vals_list]

    @api.model
    def _school_compute_headers(self, vals_list) -> list[dict]:
        """As :meth:`_school_complete_headers`, for each customer in the localization's own way."""
        names = ("partner_shipping_id", "fiscal_position_id", *self._school_get_local_fields())
        result = []
        for vals in vals_list:
            move = self.new({name: value for name, value in vals.items() if name != "invoice_line_ids"})
            result.append({**vals, **{name: self._fields[name].convert_to_write(move[name], move) for name in names}})
        return result

    @api.model
    def _school_get_local_fields(self) -> list[str]:
        """Return the fields of an invoice that localizations compute and store."""
        return [
            name
            for name, field in self._fields.items()
            if field.store and field.compute and not _LOCALIZATIONS.isdisjoint(field._modules)
        ]

    @api.model
    def _school_customers(self, vals_list):
        """The customers of invoices of one company, as that company knows them."""
        company = self.env["res.company"].browse(vals_list[0]["company_id"])
        return self.env["res.partner"].with_company(company).browse({vals["partner_id"] for vals in vals_list})

    @api.model
    def _school_shape(self, vals: dict, with_amounts: bool, by_customer: bool) -> tuple:
        """What Odoo makes journal items from. Two invoices for which this is equal are alike."""
        partner = self._school_customers([vals])
        company = self.env["res.company"].browse(vals["company_id"])
        with_amounts = with_amounts or self._school_rounds_sum(vals)
        lines = tuple(
            tuple(
                (name, repr(value))
                for name, value in sorted(line.items())
                if name != "name" and (with_amounts or name not in _AMOUNTS)
            )
            for _command, _id, line in vals["invoice_line_ids"]
        )
        return (
            lines,
            partner.property_account_receivable_id,
            by_customer and partner,
            "invoice_payment_term_id" not in vals and partner.property_payment_term_id,
            # What analytic accounts follow from, besides what the lines say.
            *(company._school_get_plans() and (vals.get(name) for name in PLACE_FIELDS)),
            *(vals.get(name) for name in ("fiscal_position_id", "currency_id", "journal_id", "invoice_date")),
            *(vals.get(name) for name in self._school_get_local_fields()),
        )

    @api.model
    def _school_rounds_sum(self, vals: dict) -> bool:
        """Whether Odoo rounds the sum of the lines of an invoice, and not each of them."""
        company = self.env["res.company"].browse(vals["company_id"])
        if company.tax_calculation_rounding_method == "round_per_line":
            return False
        currency = self.env["res.currency"].browse(vals["currency_id"])
        amounts = [
            line["quantity"] * line["price_unit"] * (1 - line["discount"] / 100)
            for _command, _id, line in vals["invoice_line_ids"]
        ]
        return any(abs(amount - currency.round(amount)) > _EXACT for amount in amounts)

    def _school_only_adds_up(self) -> bool:
        """Whether the journal items are one for each line, and one for their sum that is due at once."""
        types = [line.display_type for line in self.line_ids]
        return (
            self.currency_id == self.company_id.currency_id
            and not self.invoice_payment_term_id
            and not self.line_ids.tax_ids
            and set(types) == {"product", "payment_term"}
            and types.count("payment_term") == 1
        )

    def _school_line_values(self) -> list[dict]:
        """The journal items as values that :meth:`create` takes."""
        names = [
            name
            for name, field in self.line_ids._fields.items()
            if field.store
            # Odoo takes no other value for these than what it works out itself.
            and not (field.precompute and field.readonly)
            and field.type != "one2many"
            and name not in models.LOG_ACCESS_COLUMNS
            and name not in _NOT_COPIED
        ]
        self.line_ids.flush_recordset()
        query = SQL("SELECT id, to_jsonb(line) FROM account_move_line line WHERE id = ANY(%s)", self.line_ids.ids)
        stored = dict(self.env.execute_query(query))
        return [
            {
                name: field.convert_to_write(line[name], line)
                for name in names
                # What Odoo worked out to be empty is given as such, lest it be worked out again; what it never set is
                # not set here either.
                if (field := line._fields[name]).compute or stored[line.id].get(name) is not None or line[name]
            }
            for line in self.line_ids.sorted("id")
        ]

    @api.model
    def _school_complete(self, vals: dict, template: list[dict], *, own_amounts: bool) -> dict:
        """``vals`` with the journal items of ``template``, an invoice that is alike, instead of invoice lines.

        :param own_amounts: whether its lines have amounts of their own, which only add up to what is due
        """
        vals, due = dict(vals), 0.0
        currency = self.env["res.currency"].browse(vals["currency_id"])
        partner_id = self.env["res.partner"].browse(vals["partner_id"]).commercial_partner_id.id
        given = [line for _command, _id, line in vals.pop("invoice_line_ids")]
        lines = [{**line, "partner_id": partner_id, "ref": vals["ref"]} for line in template]
        products = [line for line in lines if line["display_type"] == "product"]
        for line, own in zip(products, given, strict=True):
            line["name"] = own["name"]
            if own_amounts:
                line.update((name, own[name]) for name in _AMOUNTS)
                price = own["price_unit"] * (1 - own["discount"] / 100)
                amount = currency.round(own["quantity"] * price)
                line.update(amount_currency=-amount, balance=-amount, price_subtotal=amount, price_total=amount)
                due += amount
        for line in lines:
            if line["display_type"] == "payment_term":
                if "invoice_payment_term_id" in vals:
                    line.update(date_maturity=vals["invoice_date_due"])
                if "invoice_payment_term_id" in vals and "payment_reference" in vals:
                    line.update(name=vals["payment_reference"])
                else:
                    # Odoo names what is due by references that it gives, and by installments.
                    line.pop("name", None)
                if own_amounts:
                    line.update(dict.fromkeys(_DUE, currency.round(due)))
            if own_amounts:
                line.update(debit=max(line["balance"], 0.0), credit=max(-line["balance"], 0.0))
        return {**vals, "line_ids": [Command.create(line) for line in lines]}

    def _school_post(self) -> None:
        """Post these invoices, many at once.

        :raises odoo.exceptions.UserError: where Odoo does not post one of them
        """
        if not self:
            return
        if not self._school_is_accelerated():
            self.action_post()
            return
        # Where this is tried again after a rollback, what the first try noted is void, and its numbers are free again.
        self.env.cr.cache.pop(_FORMATS, None)
        self._get_sequence_cache().clear()
        self.env["res.partner"]._school_forget_ranks()
        self._for_batch(len(self)).action_post()
        self.partner_id._school_raise_ranks()

    def write(self, vals):
        if self.env.context.get(BATCH) and vals.get("state") == "posted" and vals.keys() <= _POSTED:
            self = self.with_context(**{_POSTING: True})  # noqa: PLW0642
        return super().write(vals)

    @contextmanager
    def _sync_dynamic_line(self, *args, **kwargs):
        # What is due when, and which discounts are, follows from amounts and dates, and none of them from the state.
        with nullcontext() if self.env.context.get(_POSTING) else super()._sync_dynamic_line(*args, **kwargs):
            yield

    def _get_next_sequence_format(self):
        # Invoices of one journal and day are numbered alike; the number itself is Odoo's, which holds the lock.
        if not self.env.context.get(BATCH) or self.journal_id.is_self_billing:
            return super()._get_next_sequence_format()
        known = self.env.cr.cache.setdefault(_FORMATS, {})
        alike = self.journal_id, self.date, self.move_type, bool(self.origin_payment_id)
        if alike not in known:
            known[alike] = super()._get_next_sequence_format()
        text, values = known[alike]
        return text, dict(values)


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

    @api.model
    def fields_get(self, allfields=None, attributes=None):
        # To track a write of no tracked field, Odoo asks for no fields, and would get all of them.
        if self.env.context.get(AUDIT) and allfields == []:
            return {}
        return super().fields_get(allfields, attributes)

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


class ResPartner(models.Model):
    _inherit = "res.partner"

    def _increase_rank(self, field, n=1):
        if not self.env.context.get(BATCH):
            return super()._increase_rank(field, n)
        # The first invoice of a customer writes on the contact; those of a batch are written together.
        # sudo: as in Odoo, where whoever posts an invoice makes its customer one.
        first = self.sudo().filtered(lambda partner: not partner[field])
        super(ResPartner, self - first)._increase_rank(field, n)
        waiting = self.env.cr.cache.setdefault(_RANKS, Counter())
        waiting.update({(field, partner.id): n for partner in first})
        return None

    def _school_forget_ranks(self):
        """Forget what a batch of invoices has gathered and not written."""
        self.env.cr.cache.pop(_RANKS, None)

    def _school_raise_ranks(self):
        """Write the ranks of new customers that a batch of invoices has gathered."""
        by_rank = defaultdict(list)
        for (field, partner_id), rank in self.env.cr.cache.pop(_RANKS, {}).items():
            by_rank[field, rank].append(partner_id)
        for (field, rank), partner_ids in by_rank.items():
            # sudo: as in Odoo, where whoever posts an invoice makes its customer one.
            self.browse(partner_ids).sudo().write({field: rank})
