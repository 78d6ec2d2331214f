from collections.abc import Collection, Iterable
from typing import Any

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import SQL

from ..sync import employees
from ..sync.item import Item, Report, Status

ACTIVITY_TYPE = "mail.mail_activity_data_warning"
FAILING = frozenset({Status.FAILED, Status.CONFLICT, Status.REFUSED, Status.PARKED})
# How many parked documents are looked at for what they wait for.
MOST_TOLD = 20
# What stands for a whole request that failed, in place of an externalId.
WHOLE_REQUEST = ""
# Not the fault of what was sent: sent again, it may go through.
_PASSING = frozenset({408, 429, 503})


class SchoolSyncIncident(models.Model):
    """Something that goes wrong between a source and Odoo: one kind of failure of one entity, for as long as it lasts.

    The first failure of a kind opens it and tells the people responsible for the source; what else fails in the same
    way only counts. When all of it has gone through after all, it is resolved by itself, and so are their activities.
    """

    _name = "school.sync.incident"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _description = "Sync Problem"
    _order = "id desc"
    _mail_post_access = "read"

    source_id = fields.Many2one("school.sync.source", required=True, readonly=True, ondelete="cascade")
    source_name = fields.Char("School System", related="source_id.name")
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True, index=True)
    entity = fields.Char("Kind of Record", required=True, readonly=True)
    code = fields.Char(required=True, readonly=True)
    kind = fields.Char("Kind of Problem", compute="_compute_kind")
    message = fields.Text("First Message", readonly=True)
    state = fields.Selection([("open", "Open"), ("resolved", "Resolved")], required=True, readonly=True, default="open")
    resolved_at = fields.Datetime("Resolved", readonly=True)
    failure_ids = fields.One2many("school.sync.failure", "incident_id", string="What Failed", readonly=True)
    failure_count = fields.Integer("Failing", compute="_compute_failures")
    refusal = fields.Text("Refused", compute="_compute_refusal", help="Why parked documents wait, if it was refused.")
    may_be_closed = fields.Boolean(compute="_compute_may_be_closed")
    failed_at = fields.Datetime("Last Failure", compute="_compute_failures")

    _open_index = models.UniqueIndex("(source_id, entity, code) WHERE state = 'open'")

    @api.depends("code")
    def _compute_kind(self):
        for incident in self:
            incident.kind = (incident.code or "").replace("_", " ").replace("-", " ").capitalize()

    @api.depends_context("uid")
    @api.depends("entity", "source_id.notify_user_ids")
    def _compute_may_be_closed(self):
        user = self.env.user
        manages, of_hr = user.has_group("school_erp_sync.group_sync_manager"), user.has_group("hr.group_hr_user")
        for incident in self:
            # sudo: those who are told of a problem need not see the source.
            is_told = user in incident.sudo().source_id.notify_user_ids
            incident.may_be_closed = manages or is_told or (of_hr and incident.entity == employees.ENTITY)

    @api.depends("source_id.name", "entity", "kind")
    def _compute_display_name(self):
        for incident in self:
            incident.display_name = f"{incident.source_name}: {incident.entity}, {(incident.kind or '').lower()}"

    @api.depends("failure_ids")
    def _compute_refusal(self):
        """Say what parked documents wait for that was refused, each once."""
        for incident in self:
            # sudo: whoever is told of a problem is told its cause, and need not see what is parked.
            parked = incident.sudo().env["school.sync.parked"]
            if incident.code == Status.PARKED.value:
                parked = parked.search(
                    [("source_id", "=", incident.sudo().source_id.id), ("entity", "=", incident.entity)],
                    limit=MOST_TOLD,
                )
            incident.refusal = "\n".join(dict.fromkeys(text for one in parked if (text := one.refusal)))

    @api.depends("failure_ids")
    def _compute_failures(self):
        found = {
            incident: (count, latest)
            for incident, count, latest in self.env["school.sync.failure"]._read_group(
                [("incident_id", "in", self.ids)], ["incident_id"], ["__count", "write_date:max"]
            )
        }
        for incident in self:
            incident.failure_count, incident.failed_at = found.get(incident, (0, False))

    def action_resolve(self):
        """Close these problems: what failed is not waited for any more. What fails again is a new problem.

        :raises odoo.exceptions.AccessError: unless the user is told of them, manages the sync, or is of HR where they
            are about employees
        """
        self.check_access("read")
        if not all(self.mapped("may_be_closed")):
            raise AccessError(
                self.env._("A problem may be closed by those who are told of it, by HR for employees, and by managers.")
            )
        # sudo: whoever is told of a problem may close it, and nothing else of it is theirs to write.
        incidents = self.sudo().filtered(lambda incident: incident.state == "open")
        incidents.failure_ids.unlink()
        incidents._resolve(self.env._("Closed by hand."))

    # ------------------------------------------------------------------
    # Opening and resolving
    # ------------------------------------------------------------------

    @api.model
    def _observe(
        self, source, exchange: dict[str, Any], reports: Iterable[Report], open_entities: Collection[str] | None = None
    ) -> None:
        """Learn from an exchange what fails and what no longer does. Called for every exchange that is logged.

        Everything happens in the transaction of the exchange, the mails being queued in it: tried again, it notifies
        once; rolled back, it does not.

        :param exchange: as :meth:`school.sync.log._record` takes it
        :param reports: what became of the documents; none where the request failed as a whole
        :param open_entities: those of which a problem of the source is open, which what went through may resolve; None
            where that is not known
        """
        # sudo: what goes wrong is noted for people other than the API user, who must neither read nor shape it.
        incidents = self.sudo()
        reports = tuple(reports)
        for report in reports:
            entity = getattr(self.env[report.model], "_sync_entity", None) or exchange["entity"]
            # Of several about the same record, the last one counts.
            failed, passed = {}, set()
            for item in report.items:
                external_id = item.external_id or WHOLE_REQUEST
                if item.status in FAILING:
                    failed[external_id] = _failure(self.env, item)
                    passed.discard(external_id)
                elif item.went_through and not item.errors:
                    passed.add(external_id)
                    failed.pop(external_id, None)
            if not failed:
                passed.add(WHOLE_REQUEST)
            if failed or open_entities is None or entity in open_entities:
                incidents._settle(source, entity, failed, passed)
        status = exchange["http_status"]
        if not reports and exchange["entity"] and status >= 400 and status not in _PASSING:
            failed = {WHOLE_REQUEST: (f"http_{status}", exchange["message"])}
            incidents._settle(source, exchange["entity"], failed, set())

    @api.model
    def _settle(self, source, entity: str, failed: dict[str, tuple[str, str]], passed: set[str]) -> None:
        """Note what of ``entity`` fails now, and what does not any more.

        :param failed: the kind of problem and the message, by externalId
        :param passed: externalIds
        """
        is_open = Domain("source_id", "=", source.id) & Domain("entity", "=", entity) & Domain("state", "=", "open")
        known = {incident.code: incident for incident in self.search_fetch(is_open, ["code"])}
        if not known and not failed:
            return
        opened = self._open(source, entity, failed, known)
        failures = self.env["school.sync.failure"]
        fewer = failures._forget(known.values(), passed, failed)
        failures._note({**known, **opened}, failed)
        failing = {code for code, _message in failed.values()}
        if fewer:
            self.browse().concat(*(known[code] for code in known.keys() - failing))._resolve_settled()
        self.browse().concat(*opened.values())._notify()

    @api.model
    def _open(self, source, entity, failed, known) -> dict[str, Any]:
        first = {}
        for code, message in failed.values():
            if code not in known:
                first.setdefault(code, message)
        if not first:
            return {}
        # Raw SQL: where somebody else opens the same at this moment, PostgreSQL ends the transaction in a way that
        # makes Odoo run it again, and then it is open already.
        rows = self.env.execute_query(
            SQL(
                """
                INSERT INTO school_sync_incident
                       (source_id, company_id, entity, code, message, state,
                        create_uid, create_date, write_uid, write_date)
                SELECT %(source_id)s, %(company_id)s, %(entity)s, first.code, first.message, 'open',
                       %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
                  FROM unnest(%(codes)s::varchar[], %(messages)s::text[]) AS first(code, message)
                    ON CONFLICT (source_id, entity, code) WHERE state = 'open' DO NOTHING
             RETURNING id, code
                """,
                source_id=source.id,
                company_id=source.company_id.id,
                entity=entity,
                uid=self.env.uid,
                codes=list(first),
                messages=list(first.values()),
            )
        )
        return {code: self.browse(incident_id) for incident_id, code in rows}

    @api.model
    def _review(self) -> None:
        """Put right what two transactions at one moment may leave: one adds a failure, the other sees none left."""
        by_kind = {}
        for incident in self.search([("state", "=", "open")]):
            by_kind[incident.source_id, incident.entity, incident.code] = incident
        for incident in self.search([("state", "=", "resolved"), ("failure_ids", "!=", False)]):
            newer = by_kind.setdefault((incident.source_id, incident.entity, incident.code), incident)
            if newer == incident:
                incident.write({"state": "open", "resolved_at": False})
                continue
            known = set(newer.failure_ids.mapped("external_id"))
            doubled = incident.failure_ids.filtered(lambda failure, known=known: failure.external_id in known)
            (incident.failure_ids - doubled).incident_id = newer
            doubled.unlink()
        self.browse().concat(*by_kind.values())._resolve_settled()

    def _resolve_settled(self) -> None:
        """Resolve those of these incidents of which nothing is left."""
        self.filtered(lambda incident: not incident.failure_count)._resolve(
            self.env._("Everything has been applied since.")
        )

    def _resolve(self, why: str) -> None:
        """Resolve these incidents and the activities about them; ``why`` is what their chatter says of it."""
        if not self:
            return
        self.write({"state": "resolved", "resolved_at": fields.Datetime.now()})
        for incident in self:
            incident.message_post(body=why)
        self.activity_unlink([ACTIVITY_TYPE])

    # ------------------------------------------------------------------
    # Telling people
    # ------------------------------------------------------------------

    def _notify(self) -> None:
        """Tell the people responsible for the source: an activity each, and a mail in the language of each.

        What is parked waits for something that is to come by itself: the daily summary is enough.
        """
        urgent = self.filtered(lambda incident: incident.code != Status.PARKED.value)
        if not urgent:
            return
        template = self.env.ref("school_erp_sync.mail_template_incident", raise_if_not_found=False)
        for incident in urgent:
            people = incident.source_id._people_to_notify()
            for user in people:
                # The mail below says it already: Odoo's own mail about a new activity would be the second.
                incident.with_context(mail_activity_quick_update=True, lang=user.lang).activity_schedule(
                    ACTIVITY_TYPE, user_id=user.id, summary=incident.with_context(lang=user.lang)._summary()
                )
            if template:
                incident.source_id._queue_mail(template, incident.id, people)

    def _summary(self) -> str:
        return self.env._("%(name)s: problem with %(entity)s", name=self.source_name, entity=self.entity)

    def action_open_failures(self):
        """:return: the action that shows the employees, or the documents, that fail"""
        self.ensure_one()
        ids = self.failure_ids.mapped("external_id")
        if self.entity == employees.ENTITY:
            action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.hr_employee_sync_action")
            action["domain"] = [("school_sync_uid", "in", ids)]
            action["context"] = {"active_test": False}
        else:
            action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_log_line_action")
            action["domain"] = [("source_id", "=", self.source_id.id), ("external_id", "in", ids)]
        return action


def _failure(env, item: Item) -> tuple[str, str]:
    """The kind of problem that ``item`` has, and what to say of it."""
    if item.status in (Status.CONFLICT, Status.PARKED):
        return item.status.value, "\n".join([error.detail for error in item.errors] + item.notes(env))
    return item.errors[0].code, "\n".join(error.detail for error in item.errors)
