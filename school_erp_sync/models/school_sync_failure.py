from collections.abc import Iterable

from odoo import api, fields, models
from odoo.tools import SQL

from ..sync import employees


class SchoolSyncFailure(models.Model):
    """A record that fails, in the way that its incident names, until it goes through."""

    _name = "school.sync.failure"
    _description = "Record That Fails"
    _order = "id"
    _rec_name = "external_id"

    incident_id = fields.Many2one("school.sync.incident", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True)
    external_id = fields.Char("External ID", readonly=True, help="Empty where a request failed as a whole.")
    message = fields.Text(readonly=True)
    name = fields.Char("Record", compute="_compute_name")

    _identity = models.UniqueIndex("(incident_id, external_id)")

    @api.depends("external_id", "incident_id.entity")
    def _compute_name(self):
        of_employees = self.filtered(lambda failure: failure.incident_id.entity == employees.ENTITY)
        # sudo: whoever is told that an employee was refused is told who it is.
        external_ids = of_employees.mapped("external_id")
        rows = self.env["school.sync.employee"].sudo().search([("external_id", "in", external_ids)])
        names = {row.external_id: row.name for row in rows}
        for failure in self:
            failure.name = names.get(failure.external_id) or failure.external_id or self.env._("(the whole request)")

    @api.model
    def _note(self, incidents: dict, failed: dict[str, tuple[str, str]]) -> None:
        """:param incidents: the open incidents, by kind of problem; :param failed: kind and message, by externalId"""
        noted = [(incidents[code], external_id, message) for external_id, (code, message) in sorted(failed.items())]
        if not noted:
            return
        # Rows are added, and the incident itself is not touched: requests that fail at the same time do not wait for
        # each other.
        self.env.execute_query(
            SQL(
                """
                INSERT INTO school_sync_failure AS failure
                       (incident_id, company_id, external_id, message, create_uid, create_date, write_uid, write_date)
                SELECT new.incident_id, incident.company_id, new.external_id, new.message,
                       %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
                  FROM unnest(%(incident_ids)s::int[], %(external_ids)s::varchar[], %(messages)s::text[])
                       AS new(incident_id, external_id, message)
                  JOIN school_sync_incident incident ON incident.id = new.incident_id
                    ON CONFLICT (incident_id, external_id) DO UPDATE
                   SET message = EXCLUDED.message, write_date = EXCLUDED.write_date
             RETURNING failure.id
                """,
                uid=self.env.uid,
                incident_ids=[incident.id for incident, _external_id, _message in noted],
                external_ids=[external_id for _incident, external_id, _message in noted],
                messages=[message for _incident, _external_id, message in noted],
            )
        )
        self._forget_cache()

    @api.model
    def _forget(self, incidents: Iterable, passed: Iterable[str], failed: dict[str, tuple[str, str]]) -> bool:
        """Forget what went through, and what now fails in another way than the incident says.

        :return: whether there was anything to forget
        """
        gone = [
            (incident.id, external_id)
            for incident in incidents
            for external_id in (
                *passed,
                *(known for known, (code, _message) in failed.items() if code != incident.code),
            )
        ]
        if not gone:
            return False
        forgotten = self.env.execute_query(
            SQL(
                """
                DELETE FROM school_sync_failure failure
                 USING unnest(%s::int[], %s::varchar[]) AS gone(incident_id, external_id)
                 WHERE failure.incident_id = gone.incident_id AND failure.external_id = gone.external_id
             RETURNING failure.id
                """,
                [incident_id for incident_id, _external_id in gone],
                [external_id for _incident_id, external_id in gone],
            )
        )
        if forgotten:
            self._forget_cache()
        return bool(forgotten)

    @api.model
    def _forget_cache(self):
        self.invalidate_model(flush=False)
        self.env["school.sync.incident"].invalidate_model(["failure_ids", "failure_count", "failed_at"], flush=False)
