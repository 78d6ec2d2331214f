from typing import Any, NamedTuple

import psycopg2.errors

from odoo import api, fields, models
from odoo.tools import SQL

from ..sync import employees
from ..sync.engine import ClaimLost
from .school_sync_mixin import SENSITIVE

# How many expired keys one transaction of the cron takes: a few hundred milliseconds of work.
PURGE_BATCH = 5000


class KeptAnswer(NamedTuple):
    """What a request was answered; ``fingerprint`` says what it was, ``stamp`` what it left behind."""

    fingerprint: str
    stamp: str | None
    http_status: int
    headers: dict[str, str]
    body: str
    request_id: str


class SchoolSyncIdempotencyKey(models.Model):
    """A request that came with an ``Idempotency-Key``, and its answer, for as long as the source may ask again.

    Rows are written and read in SQL, in the transaction of the request itself: a row is there if and only if what it
    answers has happened. Nobody edits them, and the API user has no rights to them.
    """

    _name = "school.sync.idempotency.key"
    _description = "Idempotency Key"
    _order = "id desc"
    _rec_name = "key"

    source_id = fields.Many2one("school.sync.source", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True, index=True)
    scope = fields.Char(required=True, readonly=True, help="A digest of method, path and key.")
    method = fields.Char(required=True, readonly=True)
    path = fields.Char(required=True, readonly=True)
    key = fields.Char("Idempotency Key", required=True, readonly=True)
    fingerprint = fields.Char(required=True, readonly=True, help="A digest of what was sent, in canonical form.")
    stamp = fields.Char(
        readonly=True,
        help="The version of the record that the key names, as this request left it, and what was parked for it. Once "
        "that has moved, the same document is applied anew instead of being answered from here.",
    )
    request_id = fields.Char(required=True, readonly=True, help="Under which the log knows the request.")
    http_status = fields.Integer("HTTP Status", required=True, readonly=True, aggregator=None)
    headers = fields.Json(readonly=True)
    body = fields.Text("Answer", readonly=True, groups=SENSITIVE)
    answered_at = fields.Datetime("Answered", required=True, readonly=True)
    expires_at = fields.Datetime("Expires", required=True, readonly=True, index=True)

    _identity = models.UniqueIndex("(source_id, scope)")

    def action_open_log(self):
        """:return: the action that shows the request in the log, and those that were answered from here"""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_log_action")
        action["domain"] = ["|", ("request_id", "=", self.request_id), ("replay_of", "=", self.request_id)]
        return action

    # ------------------------------------------------------------------
    # For the controllers
    # ------------------------------------------------------------------

    @api.model
    def _find(self, source, scope: str) -> KeptAnswer | None:
        """The answer that is kept for ``source`` under ``scope`` and has not expired."""
        # Raw SQL: the API user itself must not be able to read the answers of others; this asks for its source's only.
        self.env.cr.execute(
            SQL(
                """
                SELECT fingerprint, stamp, http_status, headers, body, request_id
                  FROM school_sync_idempotency_key
                 WHERE source_id = %s AND scope = %s AND expires_at > now() AT TIME ZONE 'UTC'
                """,
                source.id,
                scope,
            ),
            log_exceptions=False,
        )
        row = self.env.cr.fetchone()
        return KeptAnswer(*row) if row else None

    @api.model
    def _try_lock(self, source, scope: str) -> bool:
        """Whether nobody else is working on ``scope``; from now on until the end of this transaction, this one is.

        A row could not say that: those of a transaction that still runs are invisible to all others, and to wait for
        one occupies a worker.
        """
        lock = int.from_bytes(bytes.fromhex(scope)[:8], "big", signed=True) ^ source.id
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock,))
        return self.env.cr.fetchone()[0]

    @api.model
    def _stamp(self, source, entity: str, external_id: str) -> str | None:
        """How far ``source`` has got with the record it calls ``external_id``, and what waits to be applied to it; None
        where it is not known.
        """
        if entity == employees.ENTITY:
            query = "SELECT version || ' ' || state FROM school_sync_employee WHERE source_id = %s AND external_id = %s"
            parameters = (source.id, external_id)
        else:
            query = """
                SELECT concat_ws(' ', binding.version, parked.id, parked.state, parked.write_date)
                  FROM (SELECT version FROM school_sync_binding
                         WHERE source_id = %s AND entity = %s AND external_id = %s AND res_id IS NOT NULL) AS binding
                  FULL JOIN (SELECT id, state, write_date FROM school_sync_parked
                              WHERE source_id = %s AND entity = %s AND external_id = %s) AS parked ON TRUE
            """
            parameters = (source.id, entity, external_id) * 2
        self.env.cr.execute(query, parameters, log_exceptions=False)
        row = self.env.cr.fetchone()
        return row and row[0]

    @api.model
    def _keep(self, source, values: dict[str, Any]) -> None:
        """Keep an answer, in place of one that was kept under the same scope.

        :param values: ``scope, method, path, key, fingerprint, stamp, request_id, http_status, headers`` (JSON text)
            and ``body``
        :raises ClaimLost: somebody else was answered under this scope since this transaction began
        """
        try:
            self.env.cr.execute(
                """
                INSERT INTO school_sync_idempotency_key
                       (source_id, company_id, scope, method, path, key, fingerprint, stamp, request_id, http_status,
                        headers, body, answered_at, expires_at, create_uid, create_date, write_uid, write_date)
                SELECT %(source_id)s, %(company_id)s, %(scope)s, %(method)s, %(path)s, %(key)s, %(fingerprint)s,
                       %(stamp)s, %(request_id)s, %(http_status)s, %(headers)s::jsonb, %(body)s,
                       moment, moment + make_interval(hours => %(hours)s), %(uid)s, moment, %(uid)s, moment
                  FROM (SELECT now() AT TIME ZONE 'UTC' AS moment) AS clock
                    ON CONFLICT (source_id, scope) DO UPDATE
                   SET fingerprint = EXCLUDED.fingerprint, stamp = EXCLUDED.stamp, request_id = EXCLUDED.request_id,
                       http_status = EXCLUDED.http_status, headers = EXCLUDED.headers, body = EXCLUDED.body,
                       answered_at = EXCLUDED.answered_at, expires_at = EXCLUDED.expires_at,
                       write_uid = EXCLUDED.write_uid, write_date = EXCLUDED.write_date
                """,
                {
                    **values,
                    "source_id": source.id,
                    "company_id": source.company_id.id,
                    "hours": source.idempotency_hours,
                    "uid": self.env.uid,
                },
                log_exceptions=False,
            )
        except psycopg2.errors.SerializationFailure as exc:
            raise ClaimLost("somebody else was answered under the same key") from exc
        self.invalidate_model(flush=False)

    # ------------------------------------------------------------------
    # Expiry
    # ------------------------------------------------------------------

    @api.model
    def _cron_purge(self) -> None:
        """Remove the answers that have expired, a batch a transaction."""
        remaining = self.search_count([("expires_at", "<=", fields.Datetime.now())])
        while remaining:
            # Raw SQL: a row that a request is replacing at this moment is left to it.
            self.env.cr.execute(
                """
                DELETE FROM school_sync_idempotency_key
                 WHERE id IN (SELECT id FROM school_sync_idempotency_key
                               WHERE expires_at <= now() AT TIME ZONE 'UTC'
                               LIMIT %s FOR UPDATE SKIP LOCKED)
                """,
                (PURGE_BATCH,),
            )
            done = self.env.cr.rowcount
            self.invalidate_model(flush=False)
            remaining = max(remaining - done, 0) if done else 0
            if not self.env["ir.cron"]._commit_progress(done, remaining=remaining):
                break
