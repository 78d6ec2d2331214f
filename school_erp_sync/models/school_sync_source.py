import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from graphlib import TopologicalSorter
from typing import Any

from odoo import api, fields, models, tools
from odoo.exceptions import AccessError, RedirectWarning, UserError, ValidationError
from odoo.fields import Command, Domain
from odoo.tools import SQL, frozendict

from ..sync.merge import digest
from ..sync.parts import Reference
from .school_sync_mixin import SENSITIVE

KEY_SCOPE = "school_sync"


class SchoolSyncSource(models.Model):
    """A system that talks to us. It acts as a user of its own, with that user's rights and no more."""

    _name = "school.sync.source"
    _inherit = ["mail.thread"]
    _description = "Sync Source"
    _check_company_auto = True
    _order = "name"

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, default=lambda self: self.env.company, tracking=True
    )
    user_id = fields.Many2one(
        "res.users",
        string="API User",
        required=True,
        ondelete="restrict",
        index=True,
        copy=False,
        tracking=True,
        help="The user as whom this source acts. Its groups say whether it may read or write. Left empty, one is made.",
    )
    match_rule = fields.Selection(
        [
            ("never", "Never"),
            ("email", "E-Mail"),
            ("email_name", "E-Mail and Name"),
            ("reference", "Reference"),
        ],
        string="Take Over Contacts by",
        required=True,
        default="never",
        tracking=True,
        help="When a new parent or student arrives, an existing contact or record that matches is used instead of a "
        "new one, also if another source sent it.\n"
        "E-Mail: the names must agree as well, such as Jane Doe and DOE, Jane A.\n"
        "E-Mail and Name: the names must be the same.\n"
        "Reference: the contact's reference is the externalId.\n"
        "If it is not clear who matches, a new contact is created and listed under Possible Duplicates.",
    )
    max_documents = fields.Integer(
        "Documents per Request", required=True, default=1000, help="A larger batch is answered with 413."
    )
    max_mebibytes = fields.Integer(
        "Request Size (MiB)", required=True, default=8, help="A larger request is answered with 413."
    )
    log_days = fields.Integer("Keep Log (Days)", required=True, default=365)
    payload_days = fields.Integer(
        "Keep Payloads (Days)",
        required=True,
        default=30,
        help="How long requests and responses, which hold personal data, are kept with the log.",
    )
    posted_policy = fields.Selection(
        [("refuse", "Refuse, and tell the source"), ("reissue", "Reverse and reissue")],
        string="Changed after Posting",
        required=True,
        default="refuse",
        tracking=True,
        help="What happens when a document changes money on an invoice that is posted. It is never rewritten: "
        "either the source is answered with the difference, or a credit note and a new invoice are made.",
    )
    invoice_journal_id = fields.Many2one(
        "account.journal", check_company=True, domain=[("type", "=", "sale")], help="Empty: the first sales journal."
    )
    payment_journal_id = fields.Many2one(
        "account.journal",
        check_company=True,
        domain=[("type", "in", ("bank", "cash"))],
        help="Where payments that the source reports are registered. Empty: the first bank journal.",
    )
    log_ids = fields.One2many("school.sync.log", "source_id")
    binding_ids = fields.One2many("school.sync.binding", "source_id")
    binding_count = fields.Integer(compute="_compute_counts")
    warning_count = fields.Integer(
        compute="_compute_counts",
        help="Records of which the last document says something that Odoo does not understand.",
    )
    error_count = fields.Integer(compute="_compute_counts", help="Requests of the last seven days with failures.")
    last_request_date = fields.Datetime("Last Request", compute="_compute_counts")
    has_key = fields.Boolean(compute="_compute_has_key")
    sees_sensitive_data = fields.Boolean(
        "Sensitive Data",
        compute="_compute_sees_sensitive_data",
        help="Whether the source may send and get the health, religion and caste of students. Its API user needs the "
        "right Sensitive Data for that. The user has it from the start if whoever adds the source has it. Otherwise, "
        "an administrator can give it to the user.",
    )

    _user_unique = models.Constraint("UNIQUE (user_id)", "Each source needs an API user of its own.")
    _limits_positive = models.Constraint(
        "CHECK (max_documents > 0 AND max_mebibytes > 0 AND log_days > 0 AND payload_days > 0)",
        "Limits and retention must be above zero.",
    )

    def _compute_counts(self):
        week_ago = fields.Datetime.now() - timedelta(days=7)
        bindings = dict(
            self.env["school.sync.binding"]._read_group(
                [("source_id", "in", self.ids), ("res_id", "!=", False)], ["source_id"], ["__count"]
            )
        )
        warnings = dict(
            self.env["school.sync.binding"]._read_group(
                [("source_id", "in", self.ids), ("has_warnings", "=", True)], ["source_id"], ["__count"]
            )
        )
        errors = dict(
            self.env["school.sync.log"]._read_group(
                [("source_id", "in", self.ids), ("state", "!=", "success"), ("create_date", ">=", week_ago)],
                ["source_id"],
                ["__count"],
            )
        )
        latest = dict(
            self.env["school.sync.log"]._read_group([("source_id", "in", self.ids)], ["source_id"], ["create_date:max"])
        )
        for source in self:
            source.binding_count = bindings.get(source, 0)
            source.warning_count = warnings.get(source, 0)
            source.error_count = errors.get(source, 0)
            source.last_request_date = latest.get(source, False)

    def _compute_has_key(self):
        keys = self._get_keys()
        for source in self:
            source.has_key = source.sudo().user_id in keys.user_id

    @api.depends("user_id")
    def _compute_sees_sensitive_data(self):
        for source in self:
            # sudo: the rights of the API user may be known to administrators only.
            source.sees_sensitive_data = source.sudo().user_id.has_group(SENSITIVE)

    @api.constrains("company_id", "user_id")
    def _check_user_company(self):
        for source in self.sudo():
            if source.company_id not in source.user_id.company_ids:
                raise ValidationError(
                    self.env._(
                        "The API user %(user)s does not belong to %(company)s. Allow that company on the user first.",
                        user=source.user_id.name,
                        company=source.company_id.name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        self._check_user_choice(vals_list)
        for vals in vals_list:
            if not vals.get("user_id"):
                company_id = vals.get("company_id") or self.env.company.id
                vals["user_id"] = self._make_user(vals.get("name") or "", company_id).id
        return super().create(vals_list)

    def write(self, vals):
        self._check_user_choice([vals])
        if "company_id" in vals and any(
            source.binding_count and source.company_id.id != vals["company_id"] for source in self
        ):
            raise UserError(
                self.env._(
                    "Records of this source are bound to its school already. Make a new source for the other school."
                )
            )
        return super().write(vals)

    def unlink(self):
        users, keys = self.sudo().user_id, self._get_keys()
        result = super().unlink()
        keys._remove()
        users._archive_school_api_users()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_known(self):
        """What a source calls its records is all that keeps them from being made a second time."""
        # sudo: a manager sees all bindings of the source, and may have no right to count what is parked.
        of_source = [("source_id", "in", self.ids)]
        bound = self.env["school.sync.binding"].sudo().search_count([*of_source, ("res_id", "!=", False)])
        parked = self.env["school.sync.parked"].sudo().search_count(of_source)
        if bound or parked:
            raise RedirectWarning(
                self.env._(
                    "%(name)s cannot be deleted: it is bound to %(bound)s record(s), and %(parked)s document(s) are "
                    "parked. Without the bindings, a later source makes every record twice. Archive it instead: its "
                    "keys then open nothing, and it notifies nobody.",
                    name=", ".join(self.mapped("name")),
                    bound=bound,
                    parked=parked,
                ),
                self.env.ref("school_erp_sync.school_sync_source_archive_action").id,
                self.env._("Archive"),
                {"active_model": self._name, "active_ids": self.ids, "active_id": self[:1].id},
            )

    def _check_user_choice(self, vals_list):
        """Whoever chooses the user of a source can make a key that acts as that user.

        :raises odoo.exceptions.AccessError: unless a system administrator chooses
        """
        if not self.env.is_system() and any(vals.get("user_id") for vals in vals_list):
            raise AccessError(
                self.env._(
                    "Only a system administrator may choose the user of a source. Leave it empty, and one is made."
                )
            )

    def action_generate_key(self):
        """Make an API key for the source's user.

        :return: the action that shows the key, this once
        :raises odoo.exceptions.AccessError: if the user may not edit the source, or not see what the key would show
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "res.users.apikeys.show",
            "name": self.env._("API Key of %s", self.name),
            "views": [(self.env.ref("school_erp_sync.res_users_apikeys_show_view_form").id, "form")],
            "target": "new",
            "context": {"default_key": self._generate_key()},
        }

    def action_revoke_keys(self):
        """Make every key of the source's user worthless, at once."""
        self.check_access("write")
        self._get_keys()._remove()
        for source in self:
            source.message_post(body=self.env._("All API keys were revoked."))

    def action_open_bindings(self):
        """:return: the action that shows the records bound to this source"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_binding_action")
        action["domain"] = [("source_id", "in", self.ids), ("res_id", "!=", False)]
        return action

    def action_open_warnings(self):
        """:return: the action that shows the records of this source with values that Odoo does not understand"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_warning_action")
        action["domain"] = [("source_id", "in", self.ids), ("has_warnings", "=", True)]
        return action

    def action_open_log(self):
        """:return: the action that shows what this source sent, failures first"""
        action = self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_log_action")
        action["domain"] = [("source_id", "in", self.ids)]
        action["context"] = {"search_default_not_success": 1} if self.env.context.get("failures") else {}
        return action

    def _message_auto_subscribe_followers(self, updated_values, default_subtype_ids):
        # The API user is a machine: it follows nothing, and needs no mail that it was assigned.
        return []

    # ------------------------------------------------------------------
    # Keys and users
    # ------------------------------------------------------------------

    @api.model
    def _provision(self, name: str) -> str:
        """Make the source ``name`` when it is missing, and a new key for it.

        :return: the key; it is stored as a hash only and cannot be shown again
        """
        source = self.search([("name", "=", name), ("company_id", "=", self.env.company.id)], limit=1)
        return (source or self.create({"name": name}))._generate_key()

    def _get_keys(self):
        """The keys of these sources; not the keys that their users may have for other purposes."""
        # sudo: managers of a source are not system users, who alone may see and remove the keys of others.
        return (
            self.env["res.users.apikeys"]
            .sudo()
            .search([("user_id", "in", self.sudo().user_id.ids), ("scope", "=", KEY_SCOPE)])
        )

    def _generate_key(self) -> str:
        self.check_access("write")
        if self.sees_sensitive_data and not self.env.user.has_group(SENSITIVE):
            raise AccessError(
                self.env._(
                    "A key of %(name)s opens sensitive data. Someone with the right Sensitive Data can generate it.",
                    name=self.name,
                )
            )
        user = self.sudo().user_id
        # sudo: the API user has no rights to make lasting keys, and must have none.
        key = self.env["res.users.apikeys"].with_user(user).sudo()._generate(KEY_SCOPE, self.name, False)
        self.message_post(body=self.env._("An API key was generated."))
        return key

    @api.model
    def _make_user(self, name: str, company_id: int):
        groups = self.env.ref("school_erp_sync.group_sync_writer")
        # Whoever adds a source can make a key of it, and must not see more by that.
        if self.env.user.has_group(SENSITIVE):
            groups |= self.env.ref(SENSITIVE)
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "source"
        login = f"{slug}-api-{company_id}"
        # sudo: a sync manager may add a source without being allowed to administer users; this one has no password.
        users = self.env["res.users"].sudo().with_context(no_reset_password=True, active_test=False)
        taken = set(users.search(Domain("login", "=like", login + "%")).mapped("login"))
        number = next(n for n in range(1, len(taken) + 2) if (f"{login}-{n}" if n > 1 else login) not in taken)
        return users.create(
            {
                "name": self.env._("%s (API)", name),
                "login": f"{login}-{number}" if number > 1 else login,
                "company_id": company_id,
                "company_ids": [Command.set([company_id])],
                "group_ids": [Command.set(groups.ids)],
            }
        )

    # ------------------------------------------------------------------
    # For the engine
    # ------------------------------------------------------------------

    @api.model
    @tools.ormcache()
    def _sync_entities(self) -> Mapping[str, str]:
        """The model of each entity, for every model that says that it has one."""
        return frozendict(
            {
                model._sync_entity: name
                for name, model in self.env.registry.items()
                if not model._abstract and getattr(model, "_sync_entity", None)
            }
        )

    @api.model
    def _sync_order(self) -> list[str]:
        """All entities, each after those that its documents refer to."""
        graph = {}
        for entity, name in self._sync_entities().items():
            model = self.env[name]
            referred = {part.entity for part in model._sync_get_parts().values() if isinstance(part, Reference)}
            graph[entity] = (referred | set(model._sync_after)) - {entity}
        return [entity for entity in TopologicalSorter(graph).static_order() if entity in graph]

    def _sync_model(self, entity: str):
        """:return: the model of ``entity``, in this source's environment; :raises KeyError: if there is none"""
        return self.env[self._sync_entities()[entity]]

    def _forget_said(self, entity: str, res_ids: list[int], path: str) -> None:
        """Take ``path`` out of what these sources said last of these records: it has become something else since."""
        self._revise_said(entity, path, dict.fromkeys(res_ids))

    def _revise_said(self, entity: str, path: str, revise: Mapping[int, Callable[[Any], Any] | None]) -> None:
        """Change what the last documents of some records, from these sources, say at ``path``.

        The same document, sent again, is then compared anew with what the record holds.

        :param path: a part at the top of the document
        :param revise: by record id, the new value for the old one; None to take the part out
        """
        if not revise:
            return
        env = self.env
        env.cr.execute(
            SQL(
                """
                SELECT id, res_id, document FROM school_sync_binding
                 WHERE source_id = ANY(%s) AND entity = %s AND res_id = ANY(%s) AND jsonb_exists(document, %s)
                 ORDER BY source_id, external_id COLLATE "C" FOR UPDATE
                """,
                self.ids,
                entity,
                list(revise),
                path,
            ),
            log_exceptions=False,
        )
        bindings = env["school.sync.binding"]
        ids, documents = [], []
        for binding_id, res_id, document in env.cr.fetchall():
            value = document.pop(path)
            if revise[res_id]:
                document[path] = revise[res_id](value)
            ids.append(binding_id)
            documents.append(document)
        env.cr.execute(
            SQL(
                """
                UPDATE school_sync_binding b SET document = new.document::jsonb, digest = new.digest
                  FROM unnest(%s::int[], %s::text[], %s::varchar[]) AS new(id, document, digest) WHERE b.id = new.id
                """,
                ids,
                [bindings._document_text(document) for document in documents],
                [digest(document) for document in documents],
            ),
            log_exceptions=False,
        )
        bindings.invalidate_model(flush=False)

    def _get_invoice_journal(self):
        """:return: the journal of this source's invoices; empty where there is none"""
        return self.invoice_journal_id or self._first_journal(("sale",))

    def _get_payment_journal(self):
        """:return: the journal of the payments that this source reports; empty where there is none"""
        return self.payment_journal_id or self._first_journal(("bank", "cash"))

    def _first_journal(self, types: tuple[str, ...]):
        journals = self.env["account.journal"]
        domain = Domain("type", "in", types) & Domain(journals._check_company_domain(self.company_id))
        found = journals.search(domain, order="type, sequence, id")
        # A branch without a journal of its own uses that of its parent.
        return (found.filtered(lambda journal: journal.company_id == self.company_id) or found)[:1]

    def _external_ids(self, entity: str, res_ids: list[int]) -> dict[int, str]:
        """What this source calls the records ``res_ids`` of ``entity``, by record id: the oldest of several names."""
        return {res_id: names[0] for res_id, names in self._names(entity, res_ids).items()}

    def _names(self, entity: str, res_ids: Collection[int]) -> dict[int, list[str]]:
        """All that this source calls the records ``res_ids`` of ``entity``, by record id, the oldest name first.

        A record has several names where people have merged two that the source tells apart.
        """
        result = defaultdict(list)
        for binding in self._bindings_of(entity, res_ids, ["res_id", "external_id"]):
            result[binding.res_id].append(binding.external_id)
        return result

    def _names_in(self, records, entity: str, res_ids: Collection[int]) -> Callable[[int, int], list[str]]:
        """How the last documents of ``records`` call the records ``res_ids`` of ``entity`` that they refer to.

        :return: a function of two record ids, of one that refers and one that is referred to; it gives the names that
            the documents use, or else the oldest, and none for what the source does not know
        """
        names, said = self._names(entity, res_ids), {}
        if any(len(of_one) > 1 for of_one in names.values()):
            said = {
                res_id: {reference.external_id for one in documents for reference in records._sync_references(one)}
                for res_id, documents in self._last_documents(records).items()
            }

        def names_in(record_id: int, res_id: int) -> list[str]:
            known = names.get(res_id, [])
            return [name for name in known if name in said.get(record_id, ())] or known[:1]

        return names_in

    def _former_names(self, records) -> dict[int, list[str]]:
        """What this source called ``records`` before, by record id."""
        result = defaultdict(list)
        bindings = self._bindings_of(records._sync_entity, records.ids, ["res_id", "external_id"], replaced=True)
        for binding in bindings:
            result[binding.res_id].append(binding.external_id)
        return result

    def _last_documents(self, records, but: Collection[int] = ()) -> dict[int, list[dict]]:
        """The last documents that this source sent of ``records``, by record id; not of the bindings ``but``."""
        result = defaultdict(list)
        for binding in self._bindings_of(records._sync_entity, records.ids, ["res_id", "document", "deleted_at"]):
            if binding.id not in but and binding.document and not binding.deleted_at:
                result[binding.res_id].append(binding.document)
        return result

    def _living_names(self, entity: str, res_ids: Collection[int]) -> dict[int, str]:
        """What this source calls those of the records ``res_ids`` that it has not deleted, by record id."""
        bindings = self._bindings_of(entity, res_ids, ["res_id", "external_id", "deleted_at"]) if res_ids else ()
        return {binding.res_id: binding.external_id for binding in bindings if not binding.deleted_at}

    def _find_employees(self, external_ids: Collection[str]) -> dict[str, int]:
        """The employees whom this source is given under ``external_ids``, by externalId."""
        # sudo: a source may name an employee whom it is given without being a user of HR.
        rows = self.env["school.sync.employee"].sudo()
        domain = [("source_id", "=", self.id), ("external_id", "in", list(external_ids)), ("employee_id", "!=", False)]
        return {row.external_id: row.employee_id.id for row in rows.search(domain)} if external_ids else {}

    def _find_ids(self, entity: str, external_id: str) -> list[int]:
        """The id of the record of ``entity`` that this source calls ``external_id``; none where it knows no such."""
        # sudo: an API user reads no bindings but through the engine, which asks for its own source's only.
        bindings = self.env["school.sync.binding"].sudo()
        identity = [("source_id", "=", self.id), ("entity", "=", entity), ("external_id", "=", external_id)]
        return bindings.search([*identity, ("res_id", "!=", False)]).mapped("res_id")

    def _find_named(self, entity: str, external_ids: Collection[str]) -> dict[str, int]:
        """The ids of the records of ``entity`` that this source calls ``external_ids``, by externalId."""
        # sudo: an API user reads no bindings but through the engine, which asks for its own source's only.
        bindings = self.env["school.sync.binding"].sudo()
        identities = [("source_id", "=", self.id), ("entity", "=", entity), ("external_id", "in", list(external_ids))]
        found = bindings.search_fetch([*identities, ("res_id", "!=", False)], ["external_id", "res_id"])
        return {binding.external_id: binding.res_id for binding in found}

    def _bindings_of(self, entity: str, res_ids: Collection[int], fnames: list[str], *, replaced: bool = False):
        """The names that this source uses for the records ``res_ids``; with ``replaced``, those that it used before."""
        # sudo: an API user reads no bindings but through the engine, which asks for its own source's only.
        bindings = self.env["school.sync.binding"].sudo()
        return bindings.search_fetch(
            [
                ("source_id", "=", self.id),
                ("entity", "=", entity),
                ("res_id", "in", list(res_ids)),
                ("successor_id", "!=" if replaced else "=", False),
            ],
            fnames,
            order="id",
        )
