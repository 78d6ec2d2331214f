from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command

from ..contract.base import Url
from ..contract.fee_schedule import FeeScheduleDocument
from ..sync.item import Item, Status
from ..sync.merge import value_at
from ..sync.money import Amount, Count, Currency, Installments, Shares
from ..sync.parts import EnrichingValue, Part, Reference

_MONEY_PATHS = frozenset({"heads", "discounts", "total", "installmentPlan.schedule", "currency", "studentExternalId"})
# The kinds of lines, and where a document says them.
_LINE_KINDS = {"head": "heads", "discount": "discounts"}


class SchoolFeeSchedule(models.Model):
    """What a student owes by fee head, and when. Each installment becomes one billing."""

    _name = "school.fee.schedule"
    _inherit = ["school.sync.mixin", "school.fee.mixin"]
    _description = "Fee Schedule"
    _order = "id desc"
    _check_company_auto = True

    _sync_entity = "fee-schedules"
    _sync_document = FeeScheduleDocument
    _sync_parts = {
        "studentExternalId": Reference("students", "student_id"),
        "schoolExternalId": Reference("schools", "school_id"),
        "academicYearExternalId": Reference("academic-years", "academic_year_id"),
        "currency": Currency("currency_id"),
        "heads": Shares("head"),
        "discounts": Shares("discount"),
        "total": Amount("total"),
        "installmentPlan.count": Count(),
        "installmentPlan.schedule": Installments(),
        "firstPaymentLink.url": EnrichingValue("payment_url", Url),
        "firstPaymentLink.invoiceId": Part("payment_reference"),
    }

    name = fields.Char("Reference", required=True, copy=False, default=lambda self: self.env._("New"))
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, default=lambda self: self.env.company
    )
    student_id = fields.Many2one("school.student", required=True, index=True, ondelete="restrict", check_company=True)
    school_id = fields.Many2one(
        "school.school", "Campus", index="btree_not_null", ondelete="restrict", check_company=True
    )
    academic_year_id = fields.Many2one(
        "school.academic.year", index="btree_not_null", ondelete="restrict", check_company=True
    )
    currency_id = fields.Many2one(
        "res.currency", required=True, default=lambda self: self.env.company.currency_id, ondelete="restrict"
    )
    line_ids = fields.One2many("school.fee.line", "schedule_id", string="Heads and Discounts", copy=True)
    installment_ids = fields.One2many("school.fee.installment", "schedule_id", string="Installments", copy=True)
    total = fields.Monetary()
    payment_url = fields.Char("First Payment Link")
    payment_reference = fields.Char("First Payment Invoice")
    billing_ids = fields.One2many("school.billing", "fee_schedule_id", string="Billings")
    billing_count = fields.Integer(compute="_compute_billing_count")
    amount_billed = fields.Monetary(compute="_compute_amount_billed", store=True)
    state = fields.Selection(
        [("open", "Open"), ("partial", "Partly Billed"), ("billed", "Billed")],
        string="Status",
        compute="_compute_amount_billed",
        store=True,
    )

    @api.depends("billing_ids")
    def _compute_billing_count(self):
        for schedule in self:
            schedule.billing_count = len(schedule.billing_ids)

    @api.depends("total", "installment_ids.billing_id", "installment_ids.amount")
    def _compute_amount_billed(self):
        for schedule in self:
            billed = schedule.installment_ids.filtered("billing_id")
            schedule.amount_billed = sum(billed.mapped("amount"))
            schedule.state = "open" if not billed else "billed" if billed == schedule.installment_ids else "partial"

    @api.constrains("line_ids", "installment_ids", "total")
    def _check_sums(self):
        for schedule in self:
            currency = schedule.currency_id
            lines = sum(line.amount if line.kind == "head" else -line.amount for line in schedule.line_ids)
            if currency.compare_amounts(lines, schedule.total):
                raise ValidationError(
                    self.env._(
                        "Heads less discounts are %(lines)s, but the total is %(total)s.",
                        lines=currency.format(lines),
                        total=currency.format(schedule.total),
                    )
                )
            installments = sum(schedule.installment_ids.mapped("amount"))
            if schedule.installment_ids and currency.compare_amounts(installments, schedule.total):
                raise ValidationError(
                    self.env._(
                        "The installments add up to %(installments)s, but the total is %(total)s.",
                        installments=currency.format(installments),
                        total=currency.format(schedule.total),
                    )
                )

    def action_bill(self):
        """Make a billing of every installment that has none yet, and show the billings.

        :return: the action that shows them
        :raises odoo.exceptions.UserError: if there is nothing left to bill
        :raises odoo.exceptions.AccessError: unless the user may make billings, and invoices
        """
        if not all(self.env[model].has_access("create") for model in ("school.billing", "account.move")):
            raise AccessError(
                self.env._("To bill installments you need two rights: Writer or Manager of School Sync, and Invoicing.")
            )
        installments = self.installment_ids.filtered(lambda installment: not installment.billing_id)
        if not installments:
            raise UserError(self.env._("Every installment has its billing already."))
        for source, parts in installments.grouped(lambda part: part.schedule_id._get_source()).items():
            for own in parts.grouped("company_id").values():
                own._make_billings(source)
        return self.action_open_billings()

    def _get_source(self):
        """The source whose accounting settings count for the schedule: the first that holds it; none if none does."""
        # sudo: whoever bills a schedule need not see where it came from.
        bindings = self.sudo().sync_binding_ids.filtered(lambda one: not one.deleted_at and one.source_id.active)
        return bindings.sorted("id")[:1].source_id

    def action_open_billings(self):
        """:return: the action that shows the billings of these schedules"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_billing_action")
        action["domain"] = [("fee_schedule_id", "in", self.ids)]
        return action

    @api.model
    def _cron_bill_due_installments(self, limit: int = 100):
        """Bill the installments whose source wants them billed some days before they are due."""
        cron = self.env["ir.cron"]
        sources = self.env["school.sync.source"].search([("bill_automatically", "=", True)])
        due = {source: source._find_due_installments() for source in sources}
        cron._commit_progress(remaining=sum(map(len, due.values())))
        for source, installments in due.items():
            for start in range(0, len(installments), limit):
                group = installments[start : start + limit]
                source._bill_installments(group)
                if not cron._commit_progress(len(group)):
                    return

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        known = {
            schedule.id: schedule
            for schedule in self.browse([item.res_id for item in items if item.res_id and item.paths & _MONEY_PATHS])
        }
        billed = {schedule_id for schedule_id, schedule in known.items() if schedule.amount_billed}
        currencies = self.env["res.currency"]._sync_active_by_code()
        for item in items:
            document = item.decision.document
            for path in sorted(item.paths & _MONEY_PATHS) if item.res_id in billed else ():
                item.fail(
                    "/" + path.replace(".", "/"),
                    "billed_already",
                    self.env._(
                        "This fee schedule has billings, so %(field)s can no longer change. Cancel the billings first, "
                        "or send a new fee schedule.",
                        field=path,
                    ),
                    Status.CONFLICT,
                )
            currency = self.env["res.currency"]._sync_choose(currencies, source, item, document.get("currency"))
            if item.paths & _MONEY_PATHS:
                item.values["name"] = item.external_id
                self._sync_money_values(item, known.get(item.res_id, self.browse()), currency)
            if currency:
                self._sync_check_decimals(item, currency, document)
            source.company_id._school_check_money_dates(item, self._sync_new_dates(item))
        return items

    @api.model
    def _sync_new_dates(self, item: Item) -> dict[tuple, str]:
        """Return the due dates that the document of ``item`` brings, by their path."""
        path = "installmentPlan.schedule"
        last = value_at((item.binding and item.binding.document) or {}, path) or ()
        known = {part["due"] for part in last}
        return {
            (*path.split("."), index, "due"): part["due"]
            for index, part in enumerate(value_at(item.decision.document, path) or ())
            if part["due"] not in known
        }

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        self._sync_warn_archived(source, items, "student_id")
        return items

    @api.model
    def _sync_money_values(self, item: Item, schedule, currency) -> None:
        """What is not in the item's ``paths`` stays as ``schedule`` has it, which may be somebody's work in Odoo."""
        document = item.decision.document
        if not schedule or "currency" in item.paths:
            item.values["currency_id"] = currency.id if currency else False
        commands = []
        for kind, path in _LINE_KINDS.items():
            if path in item.paths:
                commands += [Command.delete(line.id) for line in schedule.line_ids if line.kind == kind]
                commands += self._prepare_lines(kind, value_at(document, path))
        if commands:
            item.values["line_ids"] = commands
        if "installmentPlan.schedule" in item.paths:
            item.values["installment_ids"] = [Command.clear(), *self._prepare_installments(document)]

    @api.model
    def _sync_check_decimals(self, item: Item, currency, document: dict) -> None:
        places = [
            (f"/{path}/{index}/amount", part["amount"])
            for path in ("heads", "discounts", "installmentPlan.schedule")
            for index, part in enumerate(value_at(document, path) or ())
        ]
        for place, amount in places:
            currency._sync_check_decimals(item, place.replace(".", "/"), amount)

    @api.model
    def _prepare_lines(self, kind: str, parts: list[dict] | None) -> list:
        return [
            Command.create(
                {
                    "kind": kind,
                    "sequence": sequence,
                    "code": part.get("code") or False,
                    "label": part.get("label") or False,
                    "amount": part["amount"],
                }
            )
            for sequence, part in enumerate(parts or ())
        ]

    @api.model
    def _prepare_installments(self, document: dict) -> list:
        return [
            Command.create({"number": number, "due_date": part["due"], "amount": part["amount"]})
            for number, part in enumerate(value_at(document, "installmentPlan.schedule") or (), 1)
        ]

    # ------------------------------------------------------------------
    # From records to documents
    # ------------------------------------------------------------------

    @api.model
    def _sync_defaults(self, source):
        return {**super()._sync_defaults(source), "currency": source.company_id.currency_id.name}

    def _sync_written_at(self):
        return max(
            [
                super()._sync_written_at(),
                *self.line_ids.mapped("write_date"),
                *self.installment_ids.mapped("write_date"),
            ]
        )
