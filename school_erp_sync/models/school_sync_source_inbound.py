import uuid
from collections.abc import Iterable

from odoo import fields, models

from ..sync.item import Report
from .school_sync_policy import POLICIES


class SchoolSyncSource(models.Model):
    """What is done with documents that cannot be applied as they come: they wait, or somebody has to win."""

    # Each side of a source has a file of its own.
    _inherit = "school.sync.source"  # pylint: disable=consider-merging-classes-inherited

    parked_days = fields.Integer(
        "Wait (Days)",
        required=True,
        default=30,
        help="How long a document waits for a record that it refers to and that has not arrived.",
    )
    conflict_policy = fields.Selection(
        POLICIES,
        string="Changed on Both Sides",
        required=True,
        default="source",
        tracking=True,
        help="Where a document changes what was changed in Odoo as well since the source last sent it:\n"
        "The source wins: its value replaces Odoo's.\n"
        "Odoo wins: Odoo's value stays.\n"
        "The newest wins: updatedAt of the document against the time of the last change in Odoo.\n"
        "Ask: nothing of the document is applied, the source is answered 409, and somebody decides in Odoo.\n"
        "Whatever loses is kept with the conflict, and can be put back.",
    )
    policy_ids = fields.One2many(
        "school.sync.policy", "source_id", string="Exceptions", groups="school_erp_sync.group_sync_manager"
    )
    parked_count = fields.Integer(
        "Parked", compute="_compute_waiting_counts", groups="school_erp_sync.group_sync_manager"
    )
    conflict_count = fields.Integer(
        "Conflicts", compute="_compute_waiting_counts", groups="school_erp_sync.group_sync_manager"
    )

    _parked_days_positive = models.Constraint("CHECK (parked_days > 0)", "Documents must be allowed to wait a day.")

    def _compute_waiting_counts(self):
        def count(model, domain):
            return dict(
                self.env[model]._read_group([("source_id", "in", self.ids), *domain], ["source_id"], ["__count"])
            )

        parked = count("school.sync.parked", [])
        conflicts = count("school.sync.conflict", [("state", "=", "open")])
        for source in self:
            source.parked_count = parked.get(source, 0)
            source.conflict_count = conflicts.get(source, 0)

    def action_open_parked(self):
        """:return: the action that shows the documents of this source that wait"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_parked_action")
        return {**action, "domain": [("source_id", "in", self.ids)]}

    def action_open_conflicts(self):
        """:return: the action that shows where this source and Odoo disagree"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_conflict_action")
        return {**action, "domain": [("source_id", "in", self.ids)]}

    def _conflict_policies(self, entity: str, paths: Iterable[str]) -> dict[str, str]:
        """Who wins, by each of ``paths`` of documents of ``entity``: the rule for the part, for the entity, for all."""
        # sudo: rules of the source, read on behalf of its API user, who must not change them.
        rules = {policy.scope: policy.policy for policy in self.sudo().policy_ids}
        otherwise = rules.get(entity) or self.sudo().conflict_policy
        return {path: rules.get(f"{entity}/{path}", otherwise) for path in paths}

    def _as_api_user(self):
        """This source with the rights of its own user: what it asked for is done as it would have been then."""
        self.ensure_one()
        # sudo: which user that is may be known to system administrators only.
        user = self.sudo().user_id
        context = {**self._api_context(), "school_sync_decided_by": self.env.uid}
        return self.with_env(self.env(user=user.id, context=context, su=False))

    def _api_context(self) -> dict:
        """Return the context in which the API user works: its school, and the language in which it is answered."""
        # sudo: which user that is may be known to system administrators only.
        return {"allowed_company_ids": self.company_id.ids, "lang": self.sudo().user_id._school_lang()}

    def _log_internal(self, path: str, *reports: Report) -> None:
        """Log what somebody did in Odoo on behalf of this source, as an exchange of its own.

        :param path: what was done, in the place of a path of the API
        """
        names = {report.model for report in reports}
        entity = self.env[names.pop()]._sync_entity if len(names) == 1 else None
        failed = any(not item.went_through for report in reports for item in report.items)
        by = self.env["res.users"].browse(self.env.context.get("school_sync_decided_by", self.env.uid))
        self.env["school.sync.log"]._record(
            self,
            {
                "request_id": uuid.uuid4().hex,
                "method": "ODOO",
                "path": path,
                "entity": entity,
                "http_status": 207 if failed else 200,
                # sudo: the name of a colleague, which the API user may not read.
                "message": self.env._("by %s", by.sudo().name),
                "duration": 0,
                "request": "",
                "response": "",
            },
            *reports,
        )
