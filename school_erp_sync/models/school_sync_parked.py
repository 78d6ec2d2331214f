import json
from collections import Counter
from datetime import timedelta, timezone

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain

from ..contract.base import read
from ..contract.text import quote
from ..sync import engine, parking
from ..sync.item import Status, Waiting
from ..sync.texts import in_language_of
from .notification import notify
from .school_sync_mixin import SENSITIVE

# How many documents the cron looks at before it commits and goes on.
CRON_BATCH = 500


class SchoolSyncParked(models.Model):
    """A document that is accepted and waits for a record it refers to.

    It is applied by itself, in the transaction in which the last of those records arrives, or by a job where the
    request that brings that record has no time left.
    """

    _name = "school.sync.parked"
    _description = "Parked Document"
    _order = "id desc"
    _rec_name = "external_id"
    _check_company_auto = True

    #: two transactions may park the same document at once: to lose that race is no error of the document
    _sync_raced = True

    source_id = fields.Many2one(
        "school.sync.source", required=True, readonly=True, ondelete="cascade", check_company=True
    )
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True, index=True)
    entity = fields.Char(required=True, readonly=True)
    external_id = fields.Char("External ID", required=True, readonly=True, index="trigram")
    state = fields.Selection(
        [("waiting", "Waiting"), ("failed", "Failed"), ("expired", "Expired")],
        required=True,
        readonly=True,
        default="waiting",
        help="Waiting: applied by itself when what is missing arrives.\n"
        "Failed: everything had arrived, and Odoo refused the document.\n"
        "Expired: what is missing has not come in time; it is no longer waited for.",
    )
    message = fields.Text(readonly=True)
    document = fields.Json(readonly=True, required=True, groups=SENSITIVE, help="In its canonical form.")
    document_text = fields.Text(
        "Document",
        compute="_compute_document_text",
        inverse="_inverse_document_text",
        groups=SENSITIVE,
    )
    source_updated_at = fields.Datetime("Changed at Source", readonly=True)
    expires_at = fields.Datetime("Waits Until", required=True, readonly=True)
    reference_ids = fields.One2many("school.sync.parked.reference", "parked_id", string="Waits For", readonly=True)
    waits_for = fields.Char("Missing", compute="_compute_waits_for")
    refusal = fields.Text("Refused", compute="_compute_refusal", help="Why what is missing was refused, where it was.")

    _identity = models.UniqueIndex("(source_id, entity, external_id)")
    _expiry_index = models.Index("(expires_at)")

    @api.depends("document")
    def _compute_document_text(self):
        for parked in self:
            parked.document_text = json.dumps(parked.document, indent=2, ensure_ascii=False)

    def _inverse_document_text(self):
        for parked in self:
            parked.document = document = parked._read_document(parked.document_text)
            # sudo: what is waited for follows from the document, and is for nobody to choose.
            parked.sudo().reference_ids = [
                Command.clear(),
                *(Command.create(values) for values in parked._prepare_references(document)),
            ]

    @api.depends("reference_ids")
    def _compute_waits_for(self):
        for parked in self:
            parked.waits_for = ", ".join(reference.display_name for reference in parked.reference_ids)

    @api.depends("reference_ids.refusal")
    def _compute_refusal(self):
        for parked in self:
            parked.refusal = "\n".join(
                f"{reference.display_name}: {reference.refusal}"
                for reference in parked.reference_ids
                if reference.refusal
            )

    @api.depends("entity", "external_id")
    def _compute_display_name(self):
        for parked in self:
            parked.display_name = f"{parked.entity}/{parked.external_id}"

    def action_retry(self):
        """Try these documents again, as their sources; what still misses something goes on waiting.

        :return: the action that tells what became of them
        :raises odoo.exceptions.AccessError: unless the user is a sync manager
        """
        self.check_access("write")
        counts = self._retry()
        applied = sum(counts[status] for status in (Status.CREATED, Status.UPDATED, Status.UNCHANGED))
        waiting = counts[Status.PARKED]
        next_action = None
        if len(self) == 1 and not self.exists():
            # What is applied does not wait any more: its form would be reloaded in vain.
            next_action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_parked_action")
            next_action["target"] = "main"
        others = sum(counts.values()) - applied - waiting
        return notify(
            "warning" if others or waiting else "success",
            self.env._(
                "%(applied)s applied, %(waiting)s still parked, %(others)s not applied. The sync log says why.",
                applied=applied,
                waiting=waiting,
                others=others,
            ),
            next_action,
        )

    def _retry(self) -> Counter:
        """Try these documents again, as their sources; :return: how many ended in which status"""
        # The engine reads and writes past the ORM.
        self.flush_recordset()
        counts = Counter()
        for source, parked in self.grouped("source_id").items():
            source = source._as_api_user()
            waiting = {
                entity: [(one.external_id, one._waiting()) for one in rows]
                for entity, rows in parked.grouped("entity").items()
            }
            reports = engine.retry(source, waiting)
            source._log_internal("parked/retry", *reports)
            counts.update(item.status for report in reports for item in report.items)
        return counts

    def action_open_log(self):
        """:return: the action that shows what happened to this document so far"""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_log_line_action")
        action["domain"] = [("source_id", "=", self.source_id.id), ("external_id", "=", self.external_id)]
        return action

    @api.ondelete(at_uninstall=False)
    def _unlink_settles_incidents(self):
        """Whoever discards a document has dealt with it."""
        for (source, entity), parked in self.grouped(lambda one: (one.source_id, one.entity)).items():
            # sudo: what goes wrong is noted by machines, and nobody may write it but they.
            self.env["school.sync.incident"].sudo()._settle(source, entity, {}, parked.mapped("external_id"))

    @api.model
    def _cron_apply(self):
        """Apply what misses nothing any more, where the request that brought the last of it had no time left."""
        before = None
        while (ids := parking.ready(self.env, CRON_BATCH)) and ids != before:
            self.browse(ids)._retry()
            if not self.env["ir.cron"]._commit_progress(len(ids), remaining=len(ids)):
                break
            before = ids

    @api.model
    def _cron_expire(self):
        """Stop waiting for what has not come in time, and tell people; forget what expired long ago."""
        now = fields.Datetime.now()
        expired = Domain("state", "=", "waiting") & Domain("expires_at", "<", now)
        remaining = self.search_count(expired)
        self.env["ir.cron"]._commit_progress(remaining=remaining)
        while parked := self.search(expired, limit=CRON_BATCH, order="id"):
            parked._expire()
            remaining -= len(parked)
            if not self.env["ir.cron"]._commit_progress(len(parked), remaining=max(remaining, 0)):
                break
        self._gc_placeholders()

    def _expire(self) -> None:
        for (source, entity), parked in self.grouped(lambda one: (one.source_id, one.entity)).items():
            failed = {}
            for one in parked:
                expired = self.env._(
                    "Expired on %(day)s: %(missing)s did not arrive.",
                    day=fields.Date.to_string(one.expires_at),
                    missing=one.waits_for,
                )
                one.message = "\n".join(filter(None, (expired, one.refusal)))
                failed[one.external_id] = ("expired", one.message)
            self.env["school.sync.incident"]._settle(source, entity, failed, [])
        self.write({"state": "expired"})

    @api.model
    def _gc_placeholders(self) -> None:
        """Forget the identities that nobody waits for any more."""
        # Raw SQL: an anti-join over a table that may hold a million rows.
        self.env.cr.execute(
            """
            DELETE FROM school_sync_binding b
             WHERE b.res_id IS NULL AND b.version = 0
               AND b.create_date < now() AT TIME ZONE 'UTC' - interval '1 day'
               AND NOT EXISTS (SELECT FROM school_sync_parked_reference r
                                WHERE r.source_id = b.source_id AND r.entity = b.entity
                                  AND r.external_id = b.external_id)
            """
        )
        self.env["school.sync.binding"].invalidate_model(flush=False)

    @api.autovacuum
    def _gc_expired(self):
        """Documents hold personal data: what waits no more is kept as long as other payloads that failed."""
        for source in self.env["school.sync.source"].with_context(active_test=False).search([], limit=10_000):
            limit = fields.Datetime.now() - timedelta(days=source.payload_days)
            self.search(
                Domain("source_id", "=", source.id)
                & Domain("state", "!=", "waiting")
                & Domain("expires_at", "<", limit)
            ).unlink()

    def _read_document(self, text: str) -> dict:
        """:return: the canonical document that somebody has mended; :raises UserError: with all that is wrong in it"""
        try:
            raw = json.loads(text or "")
        except ValueError as exc:
            raise UserError(self.env._("This is not valid JSON: %(reason)s", reason=exc)) from exc
        document = self.source_id._sync_model(self.entity)._sync_document
        reading = in_language_of(self.env.user, read(document, raw))
        sentences = [f"{error.pointer}: {error.detail}" for error in reading.errors]
        if not sentences and reading.document["externalId"] != self.external_id:
            sentences = [self.env._("/externalId must stay %(name)s.", name=quote(self.external_id))]
        if sentences:
            raise UserError("\n".join(sentences))
        return reading.document

    def _prepare_references(self, document: dict) -> list[dict]:
        """:return: the values of a reference for each record that ``document`` names and that is not there"""
        model = self.source_id._sync_model(self.entity)
        references = list(model._sync_references(document))
        # sudo: whether a record is known to the source, and no more of it.
        known = (
            self.env["school.sync.binding"]
            .sudo()
            .search(
                Domain("source_id", "=", self.source_id.id)
                & Domain("external_id", "in", [reference.external_id for reference in references])
                & Domain("res_id", "!=", False)
            )
        )
        there = {(binding.entity, binding.external_id) for binding in known}
        return [
            {**reference._asdict(), "source_id": self.source_id.id, "company_id": self.company_id.id}
            for reference in references
            if (reference.entity, reference.external_id) not in there
        ]

    def _waiting(self) -> Waiting:
        updated_at, since = (
            moment and moment.replace(tzinfo=timezone.utc) for moment in (self.source_updated_at, self.create_date)
        )
        # sudo: a manager may have a document tried again, as the API user of its source, without reading it.
        return Waiting(self.id, self.sudo().document, updated_at, since)
