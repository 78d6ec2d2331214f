from datetime import timedelta

from odoo import fields, models
from odoo.fields import Domain

from ..sync.isolation import explain, note_incident

NOT_BILLED = "not_billed"


class SchoolSyncSource(models.Model):
    """Which installments of a source's fee schedules become invoices by themselves, and how far these go."""

    # Each side of a source has a file of its own.
    _inherit = "school.sync.source"  # pylint: disable=consider-merging-classes-inherited

    bill_automatically = fields.Boolean(
        "Bill Installments", help="Make an invoice of each installment of this source's fee schedules in time."
    )
    bill_days_before = fields.Integer("Days before Due", default=14)
    bill_action = fields.Selection(
        [("draft", "Leave as draft"), ("post", "Post"), ("send", "Post and send")],
        string="Invoices of Installments",
        required=True,
        default="draft",
        help="Leave as draft: an accountant posts them.\n"
        "Post: they are posted when they are made.\n"
        "Post and send: they are also sent to the customer, in the way set on the customer, else by e-mail.",
    )

    def _find_due_installments(self):
        """Return the installments that this source wants billed by today. Archived students are not billed."""
        self.ensure_one()
        is_held = Domain("source_id", "=", self.id) & Domain("deleted_at", "=", False)
        return (
            self.env["school.fee.installment"]
            .with_context(allowed_company_ids=self.company_id.ids)
            .search(
                Domain("schedule_id.sync_binding_ids", "any", is_held)
                & Domain("company_id", "=", self.company_id.id)
                & Domain("due_date", "<=", fields.Date.context_today(self) + timedelta(days=self.bill_days_before))
                & Domain("billing_id", "=", False)
                & Domain("schedule_id.active", "=", True)
                & Domain("schedule_id.student_id.active", "=", True)
            )
        )

    def _bill_installments(self, installments) -> None:
        """Bill ``installments``, each as if it were alone: people are told of those that fail, and the others go on."""
        failed = self._try_to_bill(installments)
        names = self._external_ids("fee-schedules", installments.schedule_id.ids)
        schedules = {names[part.schedule_id.id]: (NOT_BILLED, reason) for part, reason in failed.items()}
        passed = {name for name in names.values() if name not in schedules}
        self.env["school.sync.incident"].sudo()._settle(self, "installments", schedules, passed)

    def _try_to_bill(self, installments) -> dict:
        """:return: why an installment could not be billed, by installment"""
        try:
            with self.env.cr.savepoint():
                billings = installments._make_billings(self.with_env(installments.env))
                if self.bill_action != "draft":
                    billings.move_id._school_post()
                if self.bill_action == "send":
                    billings.move_id._school_send()
        except Exception as exc:
            _pointer, _code, reason = explain(installments, exc) or note_incident(installments, exc, {})
            if len(installments) == 1:
                return {installments: reason}
        else:
            return {}
        half = len(installments) // 2
        return self._try_to_bill(installments[:half]) | self._try_to_bill(installments[half:])
