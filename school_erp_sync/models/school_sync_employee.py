from collections.abc import Iterable
from datetime import timezone
from typing import Any

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ..contract.base import FieldError, read
from ..contract.employee import EmployeeIdentity, TeacherStatus
from ..contract.text import quote
from ..sync.item import Item
from ..sync.status import LOGGED_AS, Outcome, Progress, StatusReport, decide_status
from ..sync.texts import in_language_of

STATES = [("pending", "To Sync"), ("synced", "Synced"), ("error", "Failed")]

# What becomes of a row when something new is to be sent.
_RAISED = SQL(
    """
    version = row.version + 1, state = 'pending', said_at = NULL, changed_at = now() AT TIME ZONE 'UTC',
    write_date = now() AT TIME ZONE 'UTC'
    """
)
# A tombstone is given until it has been taken over; who was deleted in SQL is not one yet.
_GIVEN = (Domain("removed", "=", False) & Domain("employee_id", "!=", False)) | (
    Domain("removed", "=", True) & Domain("state", "!=", "synced")
)


class SchoolSyncEmployee(models.Model):
    """How far a source has got with an employee: one row a pair.

    ``version`` rises with each change of what is sent, and with nothing else; a source that takes over that version
    makes the pair synced. A row outlives its employee, so that the source hears of the deletion: it is then a
    tombstone (``removed``), as is the row of an employee who is no longer meant for the source.

    Rows are written in sets and in SQL: nobody edits them, and an import of a thousand employees makes a thousand.
    """

    _name = "school.sync.employee"
    _description = "Employee at a School System"
    _order = "id"
    _rec_name = "name"

    source_id = fields.Many2one("school.sync.source", required=True, readonly=True, ondelete="cascade")
    source_name = fields.Char("School System", related="source_id.name")
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True, index=True)
    employee_id = fields.Many2one("hr.employee", readonly=True, index="btree_not_null", ondelete="set null")
    res_id = fields.Integer("Employee ID", readonly=True, help="Outlives the employee.")
    external_id = fields.Char("External ID", required=True, readonly=True)
    name = fields.Char(
        readonly=True, help="As last sent; outlives the employee until the source knows of the deletion."
    )
    version = fields.Integer(required=True, readonly=True, default=1, aggregator=None)
    synced_version = fields.Integer("Version Taken Over", readonly=True, aggregator=None)
    state = fields.Selection(STATES, required=True, readonly=True, default="pending")
    removed = fields.Boolean("No Longer Sent", readonly=True)
    changed_at = fields.Datetime("Changed", required=True, readonly=True, default=fields.Datetime.now)
    teacher_id = fields.Char("Teacher ID", readonly=True)
    message = fields.Text("Answer", readonly=True)
    code = fields.Char(readonly=True)
    answered_at = fields.Datetime("Last Answer", readonly=True)
    said_at = fields.Datetime("Time in the Last Answer", readonly=True)

    _identity = models.UniqueIndex("(source_id, external_id)")
    _page_index = models.Index("(source_id, state, id)")
    _page_all_index = models.Index("(source_id, id)")
    _record_index = models.Index("(source_id, res_id)")
    _changed_index = models.Index("(source_id, changed_at)")

    def action_send_again(self):
        """Have these sent once more, whether or not anything has changed; deletions that were refused as well.

        :raises odoo.exceptions.AccessError: unless the user is of HR, or a manager of the sync
        :raises odoo.exceptions.UserError: if none of them is sent to any school system any more
        """
        self.check_access("read")
        if not any(map(self.env.user.has_group, ("hr.group_hr_user", "school_erp_sync.group_sync_manager"))):
            raise AccessError(self.env._("Only HR may have an employee sent again."))
        # sudo: it may be asked for, and nothing else of what school systems are told is theirs to write.
        self.sudo()._send_again()

    # ------------------------------------------------------------------
    # What is to be sent
    # ------------------------------------------------------------------

    @api.model
    def _mark_changed(self, employees) -> None:
        """Raise the version of ``employees``, about whom something that is sent has changed, at every source."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE school_sync_employee row
                   SET %(raised)s, name = changed.name
                  FROM unnest(%(ids)s::int[], %(names)s::varchar[]) AS changed(id, name)
                 WHERE row.employee_id = changed.id AND NOT row.removed
                """,
                raised=_RAISED,
                ids=employees.ids,
                names=[employee.name for employee in employees],
            )
        )
        self.invalidate_model(flush=False)

    @api.model
    def _match_scope(self, sources, employees=None) -> None:
        """Give ``sources`` the employees that are meant for them, and no others.

        Who is new to a source gets a row; who no longer is meant for it, a tombstone.

        :param employees: whom to look at; None for all
        """
        if not sources:
            return
        scanned = Domain.TRUE if employees is None else Domain("id", "in", employees.ids)
        all_employees = self.env["hr.employee"].with_context(active_test=False)
        all_employees.flush_model(["name", "school_sync_uid"])
        for source in sources:
            meant = all_employees._search(scanned & source._employee_scope()).subselect()
            looked_at = SQL("TRUE") if employees is None else SQL("row.employee_id = ANY(%s)", employees.ids)
            self.env.execute_query(
                SQL(
                    """
                    WITH left_behind AS (
                        UPDATE school_sync_employee row
                           SET %(raised)s, removed = TRUE
                         WHERE row.source_id = %(source_id)s AND NOT row.removed AND %(looked_at)s
                           AND (row.employee_id IS NULL OR row.employee_id NOT IN %(meant)s)
                    )
                    INSERT INTO school_sync_employee AS row
                           (source_id, company_id, employee_id, res_id, external_id, name, version, state, removed,
                            changed_at, create_uid, create_date, write_uid, write_date)
                    SELECT %(source_id)s, %(company_id)s, e.id, e.id, e.school_sync_uid, e.name, 1, 'pending', FALSE,
                           now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s,
                           now() AT TIME ZONE 'UTC'
                      FROM hr_employee e
                     WHERE e.id IN %(meant)s
                     ORDER BY e.id
                        ON CONFLICT (source_id, external_id) DO UPDATE
                       SET %(raised)s, removed = FALSE, name = EXCLUDED.name,
                           employee_id = EXCLUDED.employee_id, res_id = EXCLUDED.res_id
                     WHERE row.removed
                 RETURNING row.id
                    """,
                    raised=_RAISED,
                    source_id=source.id,
                    company_id=source.company_id.id,
                    uid=self.env.uid,
                    looked_at=looked_at,
                    meant=meant,
                )
            )
        self.invalidate_model(flush=False)

    @api.model
    def _bury(self, employees) -> None:
        """Make tombstones of the rows of ``employees``, who are about to be deleted."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE school_sync_employee row
                   SET %s, removed = TRUE
                 WHERE row.employee_id = ANY(%s) AND NOT row.removed
                """,
                _RAISED,
                employees.ids,
            )
        )
        self.invalidate_model(flush=False)

    def _send_again(self) -> None:
        """Have these pairs sent once more, as if something had changed: an answer to an older version is too late.

        :raises odoo.exceptions.UserError: if none of them is sent to any school system
        """
        rows = self.filtered_domain(
            _GIVEN & Domain("source_id.active", "=", True) & Domain("source_id.sends_employees", "=", True)
        )
        if not rows:
            raise UserError(self.env._("No school system is given this employee."))
        self.env.cr.execute(
            SQL(
                """
                UPDATE school_sync_employee row
                   SET %s, write_uid = %s
                 WHERE row.id = ANY(%s)
                """,
                _RAISED,
                self.env.uid,
                rows.ids,
            )
        )
        self.invalidate_model(flush=False)
        self._update_badges(rows.employee_id.ids)

    # ------------------------------------------------------------------
    # One state per employee
    # ------------------------------------------------------------------

    @api.model
    def _badges(self, employee_ids: Iterable[int]) -> dict[int, str]:
        """The state of each employee over all sources: failed at one counts more than to be sent to another.

        A source that could fetch employees and never has answered about any does not keep those waiting that others
        have taken over.
        """
        rows = self.env.execute_query(SQL("SELECT * FROM (%s) badge", self._badge_query(employee_ids)))
        return dict(rows)

    @api.model
    def _update_badges(self, employee_ids: Iterable[int]) -> None:
        """Store the state of each employee anew, after rows have changed."""
        ids = list(employee_ids)
        self.env.execute_query(
            SQL(
                """
                UPDATE hr_employee e
                   SET school_sync_state = badge.state
                  FROM unnest(%(ids)s::int[]) AS asked(id)
                  LEFT JOIN (%(badges)s) AS badge ON badge.employee_id = asked.id
                 WHERE e.id = asked.id AND e.school_sync_state IS DISTINCT FROM badge.state
             RETURNING e.id
                """,
                ids=ids,
                badges=self._badge_query(ids),
            )
        )
        self.env["hr.employee"].invalidate_model(["school_sync_state"], flush=False)

    @api.model
    def _badge_query(self, employee_ids: Iterable[int]) -> SQL:
        self.env["school.sync.source"].flush_model(["active", "sends_employees", "answers_employees"])
        return SQL(
            """
            SELECT row.employee_id,
                   CASE WHEN bool_or(row.state = 'error') THEN 'error'
                        WHEN bool_or(row.state = 'pending') THEN 'pending'
                        ELSE 'synced' END AS state
              FROM school_sync_employee row
              JOIN school_sync_source source ON source.id = row.source_id AND source.active AND source.sends_employees
               AND (source.answers_employees OR NOT EXISTS (
                       SELECT FROM school_sync_source other
                        WHERE other.company_id = source.company_id AND other.active AND other.sends_employees
                          AND other.answers_employees
                   ))
             WHERE row.employee_id = ANY(%s) AND NOT (row.removed AND row.state = 'synced')
             GROUP BY row.employee_id
            """,
            list(employee_ids),
        )

    # ------------------------------------------------------------------
    # What a source is given
    # ------------------------------------------------------------------

    def _read_documents(self) -> list[dict[str, Any]]:
        """These rows as documents of the contract (:class:`~.contract.employee.EmployeeDocument`), in their order."""
        said = self.filtered(lambda row: not row.removed).employee_id._school_sync_documents()
        nothing = self.env["hr.employee"]._school_sync_no_document()
        return [
            {
                "externalId": row.external_id,
                "id": row.res_id,
                "version": row.version,
                "syncState": row.state,
                "deleted": row.removed,
                **(nothing if row.removed else said[row.employee_id.id]),
                "teacherId": row.teacher_id or None,
                "updatedAt": row.changed_at.isoformat() + "Z",
            }
            for row in self
        ]

    @api.model
    def _given_to(self, source) -> Domain:
        """The rows that ``source`` is given."""
        return Domain("source_id", "=", source.id) & _GIVEN

    # ------------------------------------------------------------------
    # What a source answers
    # ------------------------------------------------------------------

    @api.model
    def _apply_statuses(self, source, raws: list[Any]) -> StatusReport:
        """Take over what ``source`` says of employees, each status on top of those before it.

        :param raws: parsed JSON values, one a status
        :return: what became of each, in the order received
        :raises psycopg2.errors.SerializationFailure: somebody edits one of the employees just now; to be run again
        """
        # sudo: a source may say how far it got with employees that it may not read as a user of Odoo; the rows are
        # looked up by source, so that it reaches no other's.
        rows_model = self.sudo()
        items = [_read_status(self.env.user, index, raw) for index, raw in enumerate(raws)]
        rows = rows_model._lock_rows(source, [item.document for item in items if not item.errors])
        by_external_id = {row.external_id: row for row in rows}
        by_res_id = {row.res_id: row for row in rows}
        progress = {row: row._progress() for row in rows}
        outcomes, after, touched = [], [], {}
        for item in items:
            outcome, row = Outcome.INVALID, None
            if not item.errors:
                outcome, row = _find_row(self.env, item, by_external_id, by_res_id)
            if row:
                item.res_id, item.external_id = row.res_id, row.external_id
                outcome, progress[row] = decide_status(progress[row], item.document)
                _explain(self.env, item, outcome, progress[row])
                touched[row] = touched.get(row, False) or outcome in (Outcome.SYNCED, Outcome.ERROR)
            item.status = LOGGED_AS[outcome]
            outcomes.append(outcome)
            after.append(progress.get(row))
        rows_model._store_progress({row: (progress[row], answered) for row, answered in touched.items()})
        if touched:
            source.sudo()._note_answer()
        return StatusReport("hr.employee", items, outcomes, after)

    @api.model
    def _lock_rows(self, source, statuses: list[dict[str, Any]]):
        employees = self.env["hr.employee"]
        employees.flush_model(["school_sync_digest"])
        self.env.cr.execute(
            SQL(
                """
                SELECT id FROM school_sync_employee
                 WHERE source_id = %s AND (external_id = ANY(%s::varchar[]) OR res_id = ANY(%s::int[]))
                 ORDER BY id
                   FOR UPDATE
                """,
                source.id,
                [status["externalId"] for status in statuses if status.get("externalId")],
                [status["employeeId"] for status in statuses if status.get("employeeId")],
            ),
            log_exceptions=False,
        )
        rows = self.browse(row_id for (row_id,) in self.env.cr.fetchall())
        # What has changed without a trace is found before anybody is called synced.
        self.env.add_to_compute(employees._fields["school_sync_digest"], rows.employee_id)
        employees.flush_model(["school_sync_digest"])
        return rows

    def _progress(self) -> Progress:
        return Progress(
            version=self.version,
            state=self.state,
            synced_version=self.synced_version or None,
            teacher_id=self.teacher_id or None,
            message=self.message or None,
            code=self.code or None,
            said_at=self.said_at.replace(tzinfo=timezone.utc) if self.said_at else None,
        )

    @api.model
    def _store_progress(self, progress) -> None:
        """:param progress: for each row, how far it has come and whether that answers its newest version"""
        if not progress:
            return
        rows, states = list(progress), [state for state, _answered in progress.values()]
        self.env.execute_query(
            SQL(
                """
                UPDATE school_sync_employee row
                   SET state = new.state, synced_version = new.synced_version, teacher_id = new.teacher_id,
                       message = new.message, code = new.code, said_at = new.said_at AT TIME ZONE 'UTC',
                       answered_at = CASE WHEN new.answered THEN now() AT TIME ZONE 'UTC' ELSE row.answered_at END,
                       name = CASE WHEN row.removed AND new.state = 'synced' THEN NULL ELSE row.name END,
                       write_uid = %(uid)s, write_date = now() AT TIME ZONE 'UTC'
                  FROM unnest(%(ids)s::int[], %(states)s::varchar[], %(synced_versions)s::int[],
                              %(teacher_ids)s::varchar[], %(messages)s::text[], %(codes)s::varchar[],
                              %(said_at)s::timestamptz[], %(answered)s::bool[])
                       AS new(id, state, synced_version, teacher_id, message, code, said_at, answered)
                 WHERE row.id = new.id
             RETURNING row.id
                """,
                uid=self.env.uid,
                ids=[row.id for row in rows],
                states=[state.state for state in states],
                synced_versions=[state.synced_version for state in states],
                teacher_ids=[state.teacher_id for state in states],
                messages=[state.message for state in states],
                codes=[state.code for state in states],
                said_at=[state.said_at for state in states],
                answered=[answered for _state, answered in progress.values()],
            )
        )
        self.invalidate_model(flush=False)
        self._update_badges({row.employee_id.id for row in rows if row.employee_id})


def _read_status(user, index: int, raw: Any) -> Item:
    reading = in_language_of(user, read(TeacherStatus, raw))
    # Of a status that is none it is told all the same whom it is about.
    named = read(EmployeeIdentity, raw).document if reading.errors else reading.document
    external_id = named.get("externalId")
    return Item(index, raw, external_id, reading.document, errors=reading.errors, warnings=reading.warnings)


def _find_row(env, item: Item, by_external_id, by_res_id):
    """:return: what to answer if there is no row that ``item`` names, or more than one; and the row, if there is one"""
    external_id, employee_id = item.document.get("externalId"), item.document.get("employeeId")
    row = by_external_id.get(external_id) if external_id else by_res_id.get(employee_id)
    if row and employee_id and row.res_id != employee_id:
        detail = env._(
            "employeeId %(id)s and externalId %(name)s are different employees. Send one of them.",
            id=employee_id,
            name=quote(external_id),
        )
        item.errors.append(FieldError("/employeeId", "mismatch", detail))
        return Outcome.INVALID, None
    if not row:
        name = "externalId" if external_id else "employeeId"
        detail = env._(
            "%(field)s %(name)s is not an employee that this source was given.",
            field=name,
            name=quote(external_id or employee_id),
        )
        item.errors.append(FieldError(f"/{name}", "unknown_employee", detail))
    return Outcome.UNKNOWN, row


def _explain(env, item: Item, outcome: Outcome, progress: Progress) -> None:
    version = item.document["version"]
    if outcome is Outcome.UNKNOWN:
        detail = env._(
            "Version %(version)s does not exist. The newest version is %(newest)s.",
            version=version,
            newest=progress.version,
        )
        item.errors.append(FieldError("/version", "unknown_version", detail))
    elif outcome is Outcome.STALE and version < progress.version:
        detail = env._(
            "The employee was changed in Odoo after version %(version)s. GET version %(newest)s and report on that.",
            version=version,
            newest=progress.version,
        )
        item.errors.append(FieldError("/version", "stale_version", detail))
    elif outcome is Outcome.STALE:
        detail = env._(
            "syncedAt is before %(held)s, the time of a newer answer. Nothing was changed.",
            held=progress.said_at.isoformat(),
        )
        item.errors.append(FieldError("/syncedAt", "stale_answer", detail))
    elif progress.state == "error":
        code, message = item.document.get("code"), item.document.get("message")
        item.errors.append(FieldError("", code or "refused", message or code or env._("No reason was given.")))
