from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..sync.sql import query
from .school_contact_point import CONTACT_POINT_TYPES


class ResPartner(models.Model):
    _name = "res.partner"
    _inherit = ["school.batch.mixin", "res.partner"]

    # From a contact to its roles leads a field: a batch that writes contacts need not search for the roles of each.
    school_parent_ids = fields.One2many(
        "school.parent", "partner_id", string="Roles as Guardian", groups="school_erp_sync.group_sync_reader"
    )
    school_student_ids = fields.One2many(
        "school.student", "partner_id", string="Roles as Student", groups="school_erp_sync.group_sync_reader"
    )

    phone_type = fields.Selection(
        CONTACT_POINT_TYPES, help="What the phone number is for.", groups="school_erp_sync.group_sync_reader"
    )
    phone_point_ids = fields.One2many(
        "school.contact.point",
        "partner_id",
        string="Other Phones",
        domain=[("kind", "=", "phone")],
        groups="school_erp_sync.group_sync_reader",
    )
    email_type = fields.Selection(
        CONTACT_POINT_TYPES, help="What the email address is for.", groups="school_erp_sync.group_sync_reader"
    )
    email_point_ids = fields.One2many(
        "school.contact.point",
        "partner_id",
        string="Other Emails",
        domain=[("kind", "=", "email")],
        groups="school_erp_sync.group_sync_reader",
    )

    is_student_only = fields.Boolean(
        "Only a Student",
        compute="_compute_is_student_only",
        store=True,
        help="A contact that is a student and neither a guardian, nor an employee, nor a colleague with a login. It is "
        "shown to readers of School Sync and, once billed, to invoicing.",
    )
    school_billing_ids = fields.One2many(
        "school.billing",
        "partner_id",
        groups="school_erp_sync.group_sync_reader,account.group_account_invoice,account.group_account_readonly",
    )

    @api.depends("school_student_ids", "school_parent_ids", "employee_ids", "partner_share")
    def _compute_is_student_only(self):
        for partner in self.with_context(active_test=False):
            # Who was a student once is no contact of everybody's now.
            is_student = partner.school_student_ids or partner.is_student_only
            others = partner.school_parent_ids or partner.employee_ids or not partner.partner_share
            partner.is_student_only = bool(is_student and not others)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_in_a_role(self):
        # sudo: a role in a school that the user may not see keeps the contact all the same.
        contacts = self.sudo().with_context(active_test=False)
        if contact := contacts.filtered(lambda one: one.school_student_ids or one.school_parent_ids)[:1]:
            raise UserError(
                self.env._(
                    "%(name)s cannot be deleted: the contact belongs to a student or guardian. Delete the student or "
                    "guardian first, or archive them.",
                    name=contact.name,
                )
            )

    def _get_schools(self):
        """:return: the companies in which these contacts are students or guardians"""
        # sudo: also those that the user may not see, so that no two schools share a contact.
        contacts = self.sudo().with_context(active_test=False)
        schools = contacts.school_student_ids.company_id | contacts.school_parent_ids.company_id
        return schools.with_env(self.env)

    def _get_school_sources(self) -> dict[int, dict[int, set[str]]]:
        """:return: for each of these contacts the sources that know it, each with the entities as which it does"""
        result = defaultdict(lambda: defaultdict(set))
        for model in self.pool.descendants(["school.person.mixin"], "_inherit"):
            if not self.env[model]._abstract:
                # Raw SQL: past the access rules of bindings, as what is found decides what is bound to what.
                rows = query(
                    self.env,
                    SQL(
                        """
                        SELECT role.partner_id, b.source_id, b.entity
                          FROM %s role
                          JOIN school_sync_binding b ON b.res_model = %s AND b.res_id = role.id
                         WHERE role.partner_id = ANY(%s)
                        """,
                        SQL.identifier(self.env[model]._table),
                        model,
                        self.ids,
                    ),
                )
                for contact_id, source_id, entity in rows:
                    result[contact_id][source_id].add(entity)
        return result

    def _school_claim(self) -> None:
        """Let only one transaction at a time take over these contacts.

        Of two, neither sees the role that the other is making. The row is written as it is, so that the one that comes
        second fails to serialize, and is run again on a snapshot that sees what the first one did.
        """
        if self:
            # In the order of ids: two batches that overlap wait for each other, and never in a circle.
            query = SQL("SELECT id FROM res_partner WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", self.ids)
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE res_partner SET write_date = res_partner.write_date
                      FROM (%s) AS claimed WHERE res_partner.id = claimed.id
                    """,
                    query,
                ),
                log_exceptions=False,
            )

    def _school_merge_roles(self, survivor) -> None:
        """Merge what these contacts are at school, before they become the one contact ``survivor``.

        :raises odoo.exceptions.UserError: where they cannot be one person of one school
        """
        # sudo: whoever may merge contacts merges what they are at school with them, or is told that it cannot be.
        contacts = self.sudo().with_context(active_test=False)
        students = contacts.school_student_ids
        parents = contacts.school_parent_ids
        if not students and not parents:
            return
        companies = students.company_id | parents.company_id | contacts.company_id
        if len(companies) > 1:
            raise UserError(
                self.env._(
                    "These contacts belong to different companies: %(companies)s. The contact of a student or guardian "
                    "belongs to one school. Merge only contacts of that school.",
                    companies=", ".join(companies.mapped("name")),
                )
            )
        if link := students.link_ids.filtered(lambda link: link.parent_id in parents)[:1]:
            raise UserError(
                self.env._(
                    "%(guardian)s is a guardian of %(student)s: they cannot be one contact.",
                    guardian=link.parent_id.name,
                    student=link.student_id.name,
                )
            )
        for roles in (students, parents):
            kept = roles.filtered(lambda role: role.partner_id == survivor)[:1] or roles.sorted("id")[:1]
            (roles - kept)._merge_into(kept)
            kept.filtered(lambda role: role.partner_id != survivor).partner_id = survivor
            # The contact may have been archived, with a role of its own.
            kept.filtered("active").partner_id.filtered(lambda contact: not contact.active).action_unarchive()

    def _school_unlink_repeated_points(self) -> None:
        """Delete phones and emails of each of these contacts that the contact has twice, as after a merge."""
        points = self.phone_point_ids | self.email_point_ids
        first = {
            (point.partner_id, point.kind, point.type, point.key): point for point in points.sorted("id", reverse=True)
        }
        (points - points.browse().concat(*first.values())).unlink()

    def _school_check_writable(self, names) -> None:
        """Check what ``write`` checks for each contact, for all of them at once.

        :param names: of the fields
        :raises odoo.exceptions.AccessError: the user may not write one of these contacts, or one of the fields
        """
        self.check_access("write")
        for name in names:
            self._check_field_access(self._fields[name], "write")

    @api.model
    def _school_create(self, vals_list):
        """Create the contacts of new persons, many at once. :return: them, in this environment"""
        # Odoo's own imports, too, leave out what a contact has in common with its company where it has none.
        batch = self._for_batch(len(vals_list)).with_context(_partners_skip_fields_sync=True)
        contacts = batch.create(vals_list).with_env(self.env)
        if not any("image_1920" in vals for vals in vals_list):
            # Where there is no picture, there are no smaller ones to make of it.
            for field in self._fields.values():
                if field.type == "binary" and field.store and field.related and field.related.startswith("image_1920"):
                    self.env.remove_to_compute(field, contacts)
        for contact in contacts.filtered("parent_id"):
            contact._fields_sync(self._add_missing_default_values({}))
        return contacts

    def _archive_idle_school_contacts(self):
        """Archive those of these contacts that no longer play a role: no user, no employee, no student, no parent."""
        busy = self.filtered(lambda partner: partner.employee or partner.with_context(active_test=True).sudo().user_ids)
        candidates = self - busy
        for model in ("school.student", "school.parent"):
            # sudo: a role in a school that the user may not see keeps the contact alive all the same.
            candidates -= self.env[model].sudo().search([("partner_id", "in", candidates.ids)]).partner_id
        candidates.sudo(False).filtered("active").action_archive()
