import json
from collections import Counter
from datetime import timedelta
from typing import Any

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..sync.item import NOT_APPLIED, Item, Report, Status
from .school_sync_mixin import SENSITIVE

# What is kept of a request or response with the log. Documents that fail are kept whole, with their line.
PAYLOAD_LENGTH = 64 * 1024


class SchoolSyncLog(models.Model):
    """An exchange: one request of a source, logged whole."""

    _name = "school.sync.log"
    _inherit = ["school.sync.payload.mixin"]
    _description = "Sync Log"
    _order = "id desc"
    _rec_name = "request_id"

    request_id = fields.Char(required=True, readonly=True, index=True, help="As in the answer to the source.")
    replay_of = fields.Char(
        "Replay of",
        readonly=True,
        index="btree_not_null",
        help="The request that was answered first, under the same Idempotency-Key. Nothing was done again.",
    )
    source_id = fields.Many2one("school.sync.source", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True, index=True)
    entity = fields.Char(readonly=True)
    method = fields.Char(required=True, readonly=True)
    path = fields.Char(required=True, readonly=True)
    state = fields.Selection(
        [("success", "Success"), ("partial", "Partly Failed"), ("error", "Failed")], required=True, readonly=True
    )
    http_status = fields.Integer("HTTP Status", required=True, readonly=True, aggregator=None)
    message = fields.Char(readonly=True)
    received = fields.Integer(readonly=True)
    created = fields.Integer(readonly=True)
    updated = fields.Integer(readonly=True)
    unchanged = fields.Integer(readonly=True)
    parked = fields.Integer(readonly=True)
    stale = fields.Integer(readonly=True)
    conflict = fields.Integer(readonly=True)
    failed = fields.Integer(readonly=True)
    duration = fields.Integer("Duration (ms)", readonly=True, aggregator="avg")
    request = fields.Text("Request Body", readonly=True, groups=SENSITIVE)
    response = fields.Text("Response Body", readonly=True, groups=SENSITIVE)
    request_text = fields.Text("Request, Indented", compute="_compute_texts", groups=SENSITIVE)
    response_text = fields.Text("Response, Indented", compute="_compute_texts", groups=SENSITIVE)
    line_ids = fields.One2many("school.sync.log.line", "log_id", string="Documents", readonly=True)

    _source_index = models.Index("(source_id, create_date DESC)")
    _failed_index = models.Index("(create_date DESC) WHERE state != 'success'")

    @api.depends("method", "path")
    def _compute_display_name(self):
        for log in self:
            log.display_name = f"{log.method} {log.path}"

    @api.depends("request", "response")
    def _compute_texts(self):
        for log in self:
            log.request_text = _indented(log.request)
            log.response_text = _indented(log.response)

    @api.model
    def _record(self, source, exchange: dict[str, Any], *reports: Report, observe: bool = True) -> None:
        """Log one exchange, with a line for each document that was not merely unchanged.

        :param exchange: ``request_id, method, path, entity, http_status, message, duration`` (milliseconds),
            ``request`` and ``response`` (text), ``replay_of`` (the id of a request) where nothing was done
        :param observe: whether it says anything about what fails and what does not
        """
        summary = Counter()
        for report in reports:
            summary.update(report.summary())
        for status in NOT_APPLIED:
            summary.pop(status.value, None)
        went_through = exchange["http_status"] < 400
        # Statuses of employees are answered with 200 whatever they say.
        partly = exchange["http_status"] == 207 or summary["failed"]
        # What had waited for these documents was applied with them; it was received before.
        reports = [*reports, *(healed for report in reports for healed in report.healed)]
        open_entities = self._insert(
            {
                **exchange,
                **summary,
                "source_id": source.id,
                "company_id": source.company_id.id,
                "state": "error" if not went_through else "partial" if partly else "success",
                "request": self._shorten(exchange["request"]),
                "response": self._shorten(exchange["response"]),
            },
            [(report, item) for report in reports for item in report.items if item.status is not Status.UNCHANGED],
        )
        if observe:
            self.env["school.sync.incident"]._observe(source, exchange, reports, open_entities)

    @api.model
    def _insert(self, values: dict[str, Any], lines: list[tuple[Report, Item]]) -> list[str]:
        """Store an exchange and its lines; :return: the entities of which a problem of the source is open"""
        entities = {
            report.model: getattr(self.env[report.model], "_sync_entity", None) or values["entity"] or None
            for report, _item in lines
        }
        # Raw SQL: a thousand lines in one statement, with what whoever writes through the API must not be able to read
        # or shape; the models have no computed field and no constraint to skip.
        ((open_entities,),) = self.env.execute_query(
            SQL(
                """
                WITH log AS (
                    INSERT INTO school_sync_log (%(columns)s, create_uid, create_date, write_uid, write_date)
                    VALUES (%(values)s, %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC')
                    RETURNING id, source_id, company_id, create_uid, create_date
                ), lines AS (
                    INSERT INTO school_sync_log_line
                           (log_id, company_id, create_uid, create_date, write_uid, write_date,
                            entity, position, external_id, status, res_model, res_id, message, document)
                    SELECT log.id, log.company_id, log.create_uid, log.create_date, log.create_uid, log.create_date,
                           line.*
                      FROM log, unnest(%(entities)s::varchar[], %(positions)s::int[], %(external_ids)s::varchar[],
                                       %(statuses)s::varchar[], %(models)s::varchar[], %(res_ids)s::int[],
                                       %(messages)s::text[], %(documents)s::text[]) AS line
                )
                SELECT ARRAY(SELECT DISTINCT incident.entity FROM school_sync_incident incident
                              WHERE incident.source_id = log.source_id AND incident.state = 'open')
                  FROM log
                """,
                columns=SQL(", ").join(map(SQL.identifier, values)),
                values=SQL(", ").join(SQL("%s", value) for value in values.values()),
                uid=self.env.uid,
                entities=[entities[report.model] for report, _item in lines],
                positions=[item.index for _report, item in lines],
                external_ids=[item.external_id for _report, item in lines],
                statuses=[item.status.value for _report, item in lines],
                models=[report.model if item.res_id else None for report, item in lines],
                res_ids=[item.res_id for _report, item in lines],
                messages=[self._line_message(item) for _report, item in lines],
                documents=[None if item.went_through else _storable(item.raw) for _report, item in lines],
            )
        )
        self.env["school.sync.source"].invalidate_model(["log_ids"], flush=False)
        return open_entities

    @api.model
    def _line_message(self, item: Item) -> str | None:
        sentences = [] if (done := self._describe_change(item)) is None else [done]
        for error in item.errors:
            # What a source says of an employee is about no field.
            bare = item.status is Status.REFUSED
            sentences.append(error.detail if bare else f"{error.pointer or '/'}: {error.detail}")
        return "\n".join(sentences + item.notes(self.env)) or None

    @api.model
    def _describe_change(self, item: Item) -> str | None:
        """Return what became of a document that was applied, where its status does not say it all."""
        is_late = item.healing and item.status in (Status.CREATED, Status.UPDATED)
        if item.status is not Status.UPDATED:
            return self.env._("Applied after waiting.") if is_late else None
        changed = ", ".join(sorted(item.paths))
        if is_late:
            if changed:
                return self.env._("Applied after waiting. Changed: %(fields)s.", fields=changed)
            return self.env._("Applied after waiting. The record was restored.")
        return self.env._("Changed: %(fields)s.", fields=changed) if changed else self.env._("The record was restored.")

    @api.model
    def _shorten(self, text: str) -> str:
        text = text.replace("\0", "\N{SYMBOL FOR NULL}")
        if len(text) <= PAYLOAD_LENGTH:
            return text
        left = self.env._("… %(count)s more characters were not kept.", count=len(text) - PAYLOAD_LENGTH)
        return f"{text[:PAYLOAD_LENGTH]}\n{left}"

    @api.autovacuum
    def _gc_logs(self):
        """Forget payloads, which hold personal data, and later the log itself, as each source says."""
        now = fields.Datetime.now()
        # Sources are few: a school has as many as it has systems.
        every_source = self.env["school.sync.source"].with_context(active_test=False).search([], limit=10_000)
        for source in every_source:
            of_source = Domain("source_id", "=", source.id)
            self.search(of_source & Domain("create_date", "<", now - timedelta(days=source.log_days))).unlink()
            expired = self.search(
                of_source
                & Domain("create_date", "<", now - timedelta(days=source.payload_days))
                & (Domain("request", "!=", False) | Domain("response", "!=", False))
            )
            expired.write({"request": False, "response": False})
            expired.line_ids.write({"document": False})


def _indented(text: str | bool) -> str | bool:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2) if text else False
    except (ValueError, RecursionError):
        # Not JSON, or cut where it was too long: as it is.
        return text


def _storable(raw: Any) -> str:
    return json.dumps(raw, ensure_ascii=False, indent=2).replace("\\u0000", "\N{SYMBOL FOR NULL}")
