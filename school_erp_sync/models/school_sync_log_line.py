import json

from odoo import fields, models
from odoo.exceptions import AccessError, UserError

from ..sync import engine
from .notification import notify
from .school_sync_mixin import SENSITIVE
from .school_sync_payload_mixin import MANAGER

# What came back to the sender, and is kept with its document.
_REFUSED = ("failed", "conflict", "rolledBack", "notTried")


class SchoolSyncLogLine(models.Model):
    """What became of one document of an exchange."""

    _name = "school.sync.log.line"
    _inherit = ["school.sync.payload.mixin", "school.sync.record.mixin"]
    _description = "Sync Log Line"
    _order = "log_id desc, position"
    _rec_name = "external_id"

    log_id = fields.Many2one("school.sync.log", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True, index=True)
    source_id = fields.Many2one(related="log_id.source_id")
    source_name = fields.Char(related="log_id.source_id.name")
    entity = fields.Char(readonly=True)
    position = fields.Integer("#", readonly=True, aggregator=None)
    external_id = fields.Char("External ID", readonly=True, index="btree_not_null")
    status = fields.Selection(
        [
            ("created", "Created"),
            ("updated", "Updated"),
            ("unchanged", "Unchanged"),
            ("archived", "Archived"),
            ("parked", "Parked"),
            ("stale", "Stale"),
            ("conflict", "Conflict"),
            ("failed", "Failed"),
            ("rolledBack", "Rolled Back"),
            ("notTried", "Not Tried"),
            ("synced", "Synced"),
            ("refused", "Refused"),
        ],
        required=True,
        readonly=True,
    )
    message = fields.Text(readonly=True)
    document = fields.Text(readonly=True, groups=SENSITIVE)

    _record_index = models.Index("(res_model, res_id) WHERE res_id IS NOT NULL")

    def action_send_again(self):
        """Apply documents that were refused once more, as they came, after what was wrong in Odoo has been mended.

        Of a document that was refused several times, the last is taken; one is left out where something of the same
        record has been applied since, for it is older than that.

        :return: the action that tells what became of them
        :raises UserError: where there is nothing among them to apply
        :raises odoo.exceptions.AccessError: unless the user is a sync manager
        """
        if not self.env.user.has_group(MANAGER):
            raise AccessError(self.env._("Only a manager of School Sync may apply documents again."))
        self.check_access("read")
        entities = self.env["school.sync.source"]._sync_entities()
        latest = {}
        # sudo: a manager may have a document applied again, as the API user of its source, without reading it.
        for line in self.sudo().sorted("id"):
            if line.status in _REFUSED and line.document and line.entity in entities:
                latest[line.source_id, line.entity, line.external_id] = line
        lines = self.sudo().browse().concat(*latest.values())
        overtaken = lines._overtaken()
        lines -= overtaken
        if not lines:
            raise UserError(
                self.env._(
                    "There is nothing to apply again: it was applied, a newer document replaced it, or it expired."
                )
            )
        applied = 0
        for (source, entity), of_entity in lines.grouped(lambda line: (line.source_id, line.entity)).items():
            as_api_user = source.sudo(False)._as_api_user()
            report = engine.run(as_api_user, entity, [json.loads(line.document) for line in of_entity])
            as_api_user._log_internal("log/send-again", report)
            applied += report.went_through
        return notify(
            "success" if applied == len(lines) and not overtaken else "warning",
            self.env._(
                "%(applied)s applied, %(refused)s refused again, %(overtaken)s skipped because a newer document was "
                "applied. See the newest entries of the log.",
                applied=applied,
                refused=len(lines) - applied,
                overtaken=len(overtaken),
            ),
        )

    def _overtaken(self):
        """Those of these lines after which something else was applied to the same record."""
        # sudo: the bindings of the sources whose log the user reads.
        bindings = self.env["school.sync.binding"].sudo()
        written = {
            (binding.source_id.id, binding.entity, binding.external_id): binding.write_date
            for binding in bindings.search(
                [
                    ("source_id", "in", self.source_id.ids),
                    ("external_id", "in", self.mapped("external_id")),
                    ("res_id", "!=", False),
                ]
            )
        }
        return self.filtered(
            lambda line: (
                (at := written.get((line.source_id.id, line.entity, line.external_id))) and at > line.create_date
            )
        )
