import uuid
from typing import Any

from odoo import api, fields, models
from odoo.tools import split_every
from odoo.tools.sql import column_exists

from ..sync.merge import digest
from ..sync.names import split_name
from .school_sync_employee import STATES

COMPARED_AT_ONCE = 1000


class HrEmployee(models.Model):
    _inherit = "hr.employee"

    school_sync_uid = fields.Char(
        "Identity at School Systems",
        required=True,
        readonly=True,
        copy=False,
        default=lambda self: str(uuid.uuid4()),
        groups="hr.group_hr_user",
    )
    school_sync_digest = fields.Char(
        "Fingerprint of What Is Sent", compute="_compute_school_sync", store=True, groups="hr.group_hr_user"
    )
    school_sync_state = fields.Selection(
        STATES, "School Sync", compute="_compute_school_sync", store=True, groups="hr.group_hr_user"
    )
    school_sync_ids = fields.One2many(
        "school.sync.employee", "employee_id", string="School Systems", readonly=True, groups="hr.group_hr_user"
    )
    school_sync_line_ids = fields.One2many(
        "school.sync.log.line",
        "res_id",
        string="School Sync Log",
        domain=[("res_model", "=", "hr.employee")],
        readonly=True,
        groups="hr.group_hr_user",
    )
    school_sync_message = fields.Text(
        "Why It Failed", compute="_compute_school_sync_message", groups="hr.group_hr_user"
    )

    _school_sync_uid_index = models.UniqueIndex("(school_sync_uid)")
    _school_sync_state_index = models.Index("(school_sync_state) WHERE school_sync_state IN ('pending', 'error')")

    def _auto_init(self):
        if not column_exists(self.env.cr, "hr_employee", "school_sync_uid"):
            # A default is computed once for all rows that are there; an identity must not be.
            self.env.cr.execute("ALTER TABLE hr_employee ADD COLUMN school_sync_uid varchar")
            self.env.cr.execute("UPDATE hr_employee SET school_sync_uid = gen_random_uuid()::varchar")
        return super()._auto_init()

    # All versions are named, not the current one alone: from a version to its employee leads a field, to the employee
    # whose current one it is only a search, at every write. What is then found not to have changed costs a comparison.
    @api.depends(
        "name",
        "active",
        "work_email",
        "work_phone",
        "mobile_phone",
        "barcode",
        "parent_id.school_sync_uid",
        "company_id.name",
        "company_id.partner_id.lang",
        "current_version_id",
        "version_ids.department_id.name",
        "version_ids.job_title",
        "version_ids.work_location_id.name",
    )
    def _compute_school_sync(self):
        """Compare what is sent with what was, and mark the employees who differ, for every source at once."""
        stored = self.filtered("id")
        for employee in self - stored:
            employee.school_sync_digest = employee._origin.school_sync_digest
            employee.school_sync_state = employee._origin.school_sync_state
        if not stored:
            return
        documents = stored._school_sync_documents()
        digests = {
            employee.id: digest({"companyId": employee.company_id.id, **documents[employee.id]}) for employee in stored
        }
        rows, sources = self.env["school.sync.employee"], self.env["school.sync.source"]._that_send_employees()
        selective = sources.filtered("is_employee_selective")
        changed = stored.filtered(lambda employee: employee.school_sync_digest != digests[employee.id])
        if changed:
            rows._mark_changed(changed)
            rows._match_scope(sources - selective, changed)
        # Whom a domain selects may depend on fields that are not sent.
        rows._match_scope(selective, stored)
        touched = stored if selective else changed
        badges = rows._badges(touched.ids) if touched else {}
        for employee in touched:
            employee.school_sync_digest = digests[employee.id]
            employee.school_sync_state = badges.get(employee.id, False)

    @api.depends("school_sync_state", "school_sync_ids.message")
    def _compute_school_sync_message(self):
        for employee in self:
            failed = employee.school_sync_ids.filtered(lambda row: row.state == "error")
            employee.school_sync_message = "\n".join(
                (f"{row.source_name}: " if len(failed) > 1 else "")
                + (row.message or row.code or self.env._("No reason was given."))
                for row in failed
            )

    @api.model_create_multi
    def create(self, vals_list):
        employees = super().create(vals_list)
        employees._school_sync_touch({name for vals in vals_list for name in vals})
        return employees

    def write(self, vals):
        result = super().write(vals)
        self._school_sync_touch(vals)
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_leave_tombstones(self):
        # sudo: whoever may delete the employee may not, by that, write what school systems are told.
        self.env["school.sync.employee"].sudo()._bury(self)

    def action_school_sync_again(self):
        """Send these employees to the school systems once more, whether or not anything has changed.

        :raises odoo.exceptions.UserError: if none of them is sent to any
        """
        self.check_access("write")
        # sudo: HR may have an employee sent again, and nothing else of what school systems are told.
        self.sudo().school_sync_ids._send_again()

    def _school_sync_touch(self, names) -> None:
        """Look again at whom the domains of sources select, when fields that they look at (``names``) were written."""
        if self.env["school.sync.source"]._employee_domain_fields() & set(names):
            self.env.add_to_compute(self._fields["school_sync_digest"], self)

    @api.model
    def _cron_school_sync(self):
        """Compare everything with what was sent, once a day.

        What changes without a trace in Odoo is found here: a domain that counts the days, a change made in SQL.
        """
        cron = self.env["ir.cron"]
        # Once a day, and all are what is meant.
        # pylint: disable=no-search-all
        all_ids = self.with_context(active_test=False).search([], order="id").ids
        cron._commit_progress(remaining=len(all_ids))
        for ids in split_every(COMPARED_AT_ONCE, all_ids):
            self.env.add_to_compute(self._fields["school_sync_digest"], self.browse(ids).exists())
            self.flush_model(["school_sync_digest"])
            self.env.invalidate_all()
            cron._commit_progress(len(ids))
        self.env["school.sync.source"]._that_send_employees()._match_employees()

    # ------------------------------------------------------------------
    # What is sent
    # ------------------------------------------------------------------

    def _school_sync_documents(self) -> dict[int, dict[str, Any]]:
        """What is sent of each employee, by id: just these fields, and none that is private.

        Names that Odoo translates are given in the language of the company, so that what is sent does not depend on
        who looks.
        """
        result = {}
        # sudo: a source is told these fields of employees without being a user of HR, who alone may read the rest.
        for lang, employees in self.sudo().grouped(lambda employee: employee.company_id.partner_id.lang).items():
            for employee in employees.with_context(lang=lang or None):
                version, name = employee.current_version_id, split_name(employee.name)
                result[employee.id] = {
                    "active": employee.active,
                    "name": employee.name or None,
                    "firstName": name.first,
                    "middleName": name.middle,
                    "lastName": name.last,
                    "workEmail": employee.work_email or None,
                    "workPhone": employee.work_phone or None,
                    "mobile": employee.mobile_phone or None,
                    "barcode": employee.barcode or None,
                    "department": version.department_id.name or None,
                    "jobTitle": version.job_title or None,
                    "manager": employee.parent_id.school_sync_uid or None,
                    "company": employee.company_id.name or None,
                    "workLocation": version.work_location_id.name or None,
                }
        return result

    @api.model
    def _school_sync_no_document(self) -> dict[str, Any]:
        """What is sent of somebody of whom nothing is to be said any more."""
        return {
            "active": False,
            **dict.fromkeys(
                (
                    "name",
                    "firstName",
                    "middleName",
                    "lastName",
                    "workEmail",
                    "workPhone",
                    "mobile",
                    "barcode",
                    "department",
                    "jobTitle",
                    "manager",
                    "company",
                    "workLocation",
                )
            ),
        }
