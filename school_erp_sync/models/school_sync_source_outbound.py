import logging
from ast import literal_eval

from odoo import api, fields, models, tools
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command, Domain

_logger = logging.getLogger(__name__)

# What is sent of an employee, and so may be filtered on: whoever chooses the employees learns who matches.
_SENT_FIELDS = frozenset(
    {
        "id",
        "active",
        "name",
        "work_email",
        "work_phone",
        "mobile_phone",
        "barcode",
        "department_id",
        "department_id.name",
        "job_title",
        "parent_id",
        "parent_id.name",
        "company_id",
        "company_id.name",
        "work_location_id",
        "work_location_id.name",
    }
)


class SchoolSyncSource(models.Model):
    """Which employees a source is given, and who is told when something goes wrong with it."""

    _inherit = "school.sync.source"

    sends_employees = fields.Boolean(
        "Send Employees",
        default=True,
        tracking=True,
        help="This system fetches the employees of the school and says which ones it took over.",
    )
    employee_domain = fields.Char(
        "Which Employees",
        required=True,
        default="[]",
        tracking=True,
        help="Those of its school that the system is given, chosen by what is sent of them.",
    )
    answers_employees = fields.Boolean("Has Answered About Employees", readonly=True, copy=False)
    is_employee_selective = fields.Boolean(compute="_compute_is_employee_selective")
    pending_employee_count = fields.Integer(compute="_compute_employee_counts")
    failed_employee_count = fields.Integer(compute="_compute_employee_counts")

    notify_user_ids = fields.Many2many(
        "res.users",
        "school_sync_source_notify_rel",
        "source_id",
        "user_id",
        string="Tell When Something Fails",
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
        default=lambda self: self.env.user.filtered("active"),
        help="They get an activity and a mail for each new kind of problem, and a summary a day while there is any.",
    )
    incident_ids = fields.One2many(
        "school.sync.incident", "source_id", string="Open Problems", domain=[("state", "=", "open")], readonly=True
    )
    incident_count = fields.Integer(compute="_compute_incident_count")
    summed_up_on = fields.Date("Last Daily Summary", readonly=True, copy=False)

    @api.depends("employee_domain")
    def _compute_is_employee_selective(self):
        for source in self:
            source.is_employee_selective = bool(literal_eval(source.employee_domain or "[]"))

    def _compute_employee_counts(self):
        # sudo: how many wait is told to managers of the source, who need not be of HR.
        rows = self.env["school.sync.employee"].sudo()
        counts = {
            (source, state): count
            for source, state, count in rows._read_group(
                [("source_id", "in", self.ids), ("state", "!=", "synced")], ["source_id", "state"], ["__count"]
            )
        }
        for source in self:
            source.pending_employee_count = counts.get((source.sudo(), "pending"), 0)
            source.failed_employee_count = counts.get((source.sudo(), "error"), 0)

    @api.constrains("employee_domain")
    def _check_employee_domain(self):
        for source in self:
            try:
                domain = Domain(literal_eval(source.employee_domain))
                domain.validate(self.env["hr.employee"])
            except (SyntaxError, ValueError, TypeError, AttributeError) as exc:
                raise ValidationError(
                    self.env._("The filter of employees is not valid: %(reason)s", reason=exc)
                ) from exc
            if others := _fields_of(domain) - _SENT_FIELDS:
                raise ValidationError(
                    self.env._(
                        "Employees cannot be chosen by %(others)s, which is not sent. Choose them by: %(sent)s.",
                        others=", ".join(sorted(others)),
                        sent=", ".join(sorted(_SENT_FIELDS)),
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        sources = super().create(vals_list)
        self.env.registry.clear_cache()
        sources.filtered("sends_employees")._match_employees()
        return sources

    def write(self, vals):
        result = super().write(vals)
        if {"sends_employees", "employee_domain", "active", "company_id"} & set(vals):
            self.env.registry.clear_cache()
            self.filtered(lambda source: source.active and source.sends_employees)._match_employees()
            self._update_badges()
        return result

    def unlink(self):
        # sudo: a sync manager who removes a source need not be of HR for the employees to forget it.
        employees = self.env["school.sync.employee"].sudo().search([("source_id", "in", self.ids)]).employee_id
        result = super().unlink()
        self.env.registry.clear_cache()
        self.env["school.sync.employee"].sudo()._update_badges(employees.ids)
        return result

    def action_open_employees(self):
        """:return: the action that shows how far this source has got with each employee"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_employee_action")
        action["domain"] = [("source_id", "in", self.ids)]
        return action

    @api.model
    def _that_send_employees(self):
        """The sources that are given employees."""
        # sudo: that an employee has changed is told to every source, whoever changed it.
        return self.sudo().search([("sends_employees", "=", True)])

    def _employee_scope(self) -> Domain:
        """The employees that are meant for this source: of its school, archived ones included."""
        self.ensure_one()
        return Domain("company_id", "=", self.company_id.id) & Domain(literal_eval(self.employee_domain))

    def _match_employees(self) -> None:
        """Give these sources the employees that are meant for them, as things stand now."""
        # sudo: a sync manager who says which employees are sent need not be of HR, and is shown none of them.
        self.env["school.sync.employee"].sudo()._match_scope(self.sudo())
        self._update_badges()

    def _note_answer(self) -> None:
        """Note that this source does take over employees: from its first answer on, it has a say in their state."""
        if self.answers_employees:
            return
        self.answers_employees = True
        # Those whom it has not taken over yet are no longer in step.
        self._update_badges()

    def _update_badges(self) -> None:
        """Store the state of each employee of these sources anew."""
        # sudo: a sync manager who starts or stops a source need not be of HR for the employees to show it.
        rows = self.env["school.sync.employee"].sudo()
        companies = self.sudo().company_id
        rows._update_badges(rows.search([("company_id", "in", companies.ids)]).employee_id.ids)

    @api.model
    @tools.ormcache()
    def _employee_domain_fields(self) -> frozenset[str]:
        """The fields of an employee that the domains of sources look at."""
        return frozenset(
            condition.field_expr.partition(".")[0]
            for source in self._that_send_employees()
            for condition in Domain(literal_eval(source.employee_domain)).iter_conditions()
        )

    # ------------------------------------------------------------------
    # Who is told when something goes wrong
    # ------------------------------------------------------------------

    def _compute_incident_count(self):
        counts = dict(
            self.env["school.sync.incident"]._read_group(
                [("source_id", "in", self.ids), ("state", "=", "open")], ["source_id"], ["__count"]
            )
        )
        for source in self:
            source.incident_count = counts.get(source, 0)

    @api.constrains("notify_user_ids", "company_id")
    def _check_notify_users(self):
        for source in self.sudo():
            outside = source.notify_user_ids.filtered(
                lambda user, source=source: source.company_id not in user.company_ids
            )
            if outside:
                raise ValidationError(
                    self.env._(
                        "%(users)s cannot be told about %(company)s: allow them that company first.",
                        users=", ".join(outside.mapped("name")),
                        company=source.company_id.name,
                    )
                )

    def action_open_incidents(self):
        """:return: the action that shows what goes wrong with this source, what is open first"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_incident_action")
        action["domain"] = [("source_id", "in", self.ids)]
        return action

    def _people_to_notify(self):
        """Those of the people to tell who still are at the school; nobody where the source is archived."""
        self.ensure_one()
        if not self.active:
            return self.env["res.users"]
        return self.notify_user_ids.filtered(lambda user: user.active and self.company_id in user.company_ids)

    def _queue_mail(self, template, res_id: int, people) -> None:
        """Queue the mail of ``template`` about record ``res_id`` to ``people``, to each in their language.

        It is only written here; Odoo's mail queue sends it after the transaction, if there is one to speak of.
        """
        for lang, users in people.filtered("email").grouped("lang").items():
            try:
                template.with_context(lang=lang).send_mail(
                    res_id, force_send=False, email_values={"recipient_ids": [Command.set(users.partner_id.ids)]}
                )
            except UserError as exc:
                # Somebody edited the template into something that cannot be rendered: no reason to refuse documents.
                _logger.error("%s cannot be rendered: %s", template.name, exc)

    @api.model
    def _cron_notify_daily(self):
        """Send the people of each source a summary of what goes wrong with it, if anything does."""
        self.env["school.sync.incident"]._review()
        template = self.env.ref("school_erp_sync.mail_template_daily", raise_if_not_found=False)
        cron, today = self.env["ir.cron"], fields.Date.today()
        not_yet = Domain("summed_up_on", "=", False) | Domain("summed_up_on", "<", today)
        sources = self.search(Domain("incident_ids", "!=", False) & not_yet) if template else self.browse()
        cron._commit_progress(remaining=len(sources))
        for source in sources:
            source._queue_mail(template, source.id, source._people_to_notify())
            source.summed_up_on = today
            if not cron._commit_progress(1):
                break


def _fields_of(domain: Domain) -> set[str]:
    """The fields, as dotted paths, that ``domain`` looks at."""
    paths = set()
    for condition in domain.iter_conditions():
        path, value = condition.field_expr, condition.value
        if condition.operator in ("any", "not any", "any!", "not any!"):
            paths |= {f"{path}.{below}" for below in _fields_of(Domain(value))}
        else:
            paths.add(path)
    return paths
