from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Command, Domain
from odoo.models import MAGIC_COLUMNS
from odoo.tools import SQL, email_normalize

from odoo.addons.base.models.ir_model import MODULE_UNINSTALL_FLAG

from ..contract.email import addresses_in
from ..sync.contacts import State
from ..sync.item import Item, Reference
from ..sync.merge import value_at


class SchoolPersonMixin(models.AbstractModel):
    """A role that a contact plays in a school: the contact says who it is, the role what it is to the school."""

    _name = "school.person.mixin"
    _inherit = ["school.sync.mixin", "school.batch.mixin"]
    _description = "Contact in a Role at School"

    #: where a document says the person's name
    _sync_name_path: str
    #: where a document names the people at the other end of its links, and the field of a link that is this end
    _sync_link_path: str
    _sync_link_side: str

    company_id = fields.Many2one(
        "res.company", string="School", required=True, index=True, default=lambda self: self.env.company
    )
    active = fields.Boolean(default=True)
    given_name = fields.Char()
    middle_name = fields.Char()
    family_name = fields.Char()
    name_suffix = fields.Char("Suffix")
    name_title = fields.Char("Title")
    preferred_name = fields.Char(help="What the person is called every day.")
    correspondence_address = fields.Char()
    state_text = fields.Char("State as Sent", help="A state that Odoo does not know, in the words of the source.")

    @api.constrains("partner_id", "company_id")
    def _check_one_school(self):
        """Whoever shares a contact with another school would read and change what that knows of the family."""
        # sudo: which company a contact belongs to, even where the user may not see it.
        contacts = self.sudo().partner_id
        if len(contacts._get_schools() | contacts.company_id | self.company_id) == 1:
            # All of one school, as in a batch: nobody need be looked at alone.
            return
        for role in self:
            contact = role.sudo().partner_id
            if (contact._get_schools() | contact.company_id) - role.company_id:
                raise ValidationError(
                    self.env._(
                        "The contact of %(name)s belongs to another school or company already. Make a contact of its "
                        "own for %(school)s.",
                        name=role.name,
                        school=role.company_id.name,
                    )
                )

    def write(self, vals):
        result = super().write(vals)
        if "active" in vals:
            if vals["active"]:
                self.partner_id.filtered(lambda partner: not partner.active).action_unarchive()
            else:
                self.partner_id._archive_idle_school_contacts()
        return result

    def unlink(self):
        contacts = self.partner_id
        self._unlink_links()
        result = super().unlink()
        if not self.env.context.get(MODULE_UNINSTALL_FLAG):
            contacts.exists()._archive_idle_school_contacts()
        return result

    def _unlink_links(self) -> None:
        """Remove the links of these people, and have those at the other end say theirs anew.

        Their last documents named people who will be others when they are sent again.
        """
        # sudo: sources of which the user sees nothing have to forget it, too.
        sources = self.env["school.sync.source"].sudo().with_context(active_test=False).search_fetch([], ["name"])
        self.link_ids._forget_said(sources, self._sync_link_side)
        self.link_ids.unlink()

    # ------------------------------------------------------------------
    # Merging roles
    # ------------------------------------------------------------------

    def _merge_into(self, survivor) -> None:
        """Make these roles and ``survivor``, of the same school, one: their links, bindings and records are its own.

        What the survivor does not say is taken from them, and every source goes on calling it as before.

        :raises odoo.exceptions.UserError: where they cannot be one person
        """
        if not self:
            return
        values = survivor._prepare_merged_values(self)
        self.link_ids._move_to(survivor, self._sync_link_side)
        for model, name in self._fields_referring():
            field = self.env[model]._fields[name]
            if not (field.compute and field.readonly):
                self.env[model].with_context(active_test=False).search([(name, "in", self.ids)])[name] = survivor
        for model in self.pool.descendants(["school.sync.record.mixin"], "_inherit"):
            if not self.env[model]._abstract:
                told = self.env[model].search(Domain("res_model", "=", self._name) & Domain("res_id", "in", self.ids))
                told.res_id = survivor.id
        self.unlink()
        survivor.write(values)

    def _prepare_merged_values(self, others) -> dict:
        """What this role takes from ``others`` that become one with it."""
        values = {}
        for name, field in self._fields.items():
            if field.inherited or not field.store or field.compute or name in MAGIC_COLUMNS:
                continue
            if field.type == "many2many":
                values[name] = [Command.link(one.id) for one in others[name]]
            elif field.type != "one2many" and not self[name] and (found := others.filtered(name)[:1]):
                values[name] = field.convert_to_write(found[name], found)
        return values

    def action_open_contact(self):
        """:return: the action that opens the contact behind this role"""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "res.partner",
            "res_id": self.partner_id.id,
            "view_mode": "form",
        }

    def _prepare_create_values(self, vals_list):
        result = super()._prepare_create_values(vals_list)
        for given, vals in zip(vals_list, result, strict=True):
            if given.get("partner_id"):
                # Odoo would write the default properties of a new contact over those of the contact that is there.
                for name in [name for name in vals if name not in given]:
                    if name in self._fields and self._fields[name].inherited:
                        del vals[name]
        return result

    # ------------------------------------------------------------------
    # From documents to records
    # ------------------------------------------------------------------

    @api.model
    def _sync_references(self, document):
        yield from super()._sync_references(document)
        # Both ends of a link call the other end as its entity is called.
        for index, link in enumerate(document.get(self._sync_link_path) or ()):
            yield Reference(self._sync_link_path, link["externalId"], f"/{self._sync_link_path}/{index}")

    @api.model
    def _sync_applied(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_applied(source, items)
        self.env["school.parent.link"]._sync_replace(source, self._sync_link_side, self._sync_link_path, items)
        return items

    @api.model
    def _sync_agreed(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_agreed(source, items)
        self.env["school.parent.link"]._sync_replace(source, self._sync_link_side, self._sync_link_path, items)
        return items

    @api.model
    def _sync_values(self, source, items: list[Item]) -> list[Item]:
        items = super()._sync_values(source, items)
        for part in self._sync_get_parts().values():
            if isinstance(part, State):
                part.prepare_all(self, source, items)
        return items

    @api.model
    def _sync_create(self, source, items: list[Item]):
        taken_over = [(item.values["partner_id"], item) for item in items if "partner_id" in item.values]
        self.env["res.partner"].browse(contact_id for contact_id, _item in taken_over)._school_claim()
        self._sync_write_contacts(taken_over)
        newcomers = [item for item in items if "partner_id" not in item.values]
        contacts = self.env["res.partner"]._school_create(
            # A new contact belongs to the school that sent it: other companies have no business with it.
            [{"company_id": source.company_id.id, **self._split_values(item.values)[1]} for item in newcomers]
        )
        for item, contact in zip(newcomers, contacts, strict=True):
            item.values["partner_id"] = contact.id
        records = self._for_batch(len(items)).create(
            [{"company_id": source.company_id.id, **self._split_values(item.values)[0]} for item in items]
        )
        return records.with_env(self.env)

    @api.model
    def _sync_write(self, source, items: list[Item]) -> list[Item]:
        records = self.browse([item.res_id for item in items])
        self._sync_write_contacts([(record.partner_id.id, item) for record, item in zip(records, items, strict=True)])
        for record, item in zip(records, items, strict=True):
            if own := self._split_values(item.values)[0]:
                record.write(own)
        return items

    @api.model
    def _sync_write_contacts(self, items: list[tuple[int, Item]]) -> None:
        """:param items: each with the id of its contact; several may be about the same"""
        contacts = self.env["res.partner"].browse(contact_id for contact_id, _item in items)
        staff = self._get_staff(contacts)
        for contact, (_contact_id, item) in zip(contacts, items, strict=True):
            values = self._split_values(item.values)[1]
            if contact in staff and values:
                # Whoever may change a colleague's e-mail may take over the account; and the rest is for HR to keep.
                item.warn(
                    self.env._(
                        "Contact %(contact)s belongs to a member of staff. Name, address, phone and e-mail are kept.",
                        contact=contact.id,
                    )
                )
            elif values:
                contact.write(values)

    @api.model
    def _get_staff(self, contacts):
        """Those of ``contacts`` that are of staff: of employees, or of people with a login; former ones included."""
        # sudo: who works where, and has a login, is not for API users to see; it decides what they may change.
        known = contacts.sudo().with_context(active_test=False)
        users = known.user_ids.filtered(lambda user: user._is_internal())
        return (known.employee_ids.work_contact_id | users.partner_id).with_env(contacts.env)

    @api.model
    def _split_values(self, values: dict) -> tuple[dict, dict]:
        """``values`` of this role, and those of the contact behind it."""
        own = {name: value for name, value in values.items() if not self._fields[name].inherited}
        return own, {name: value for name, value in values.items() if name not in own}

    # ------------------------------------------------------------------
    # Taking over contacts that are there already
    # ------------------------------------------------------------------

    @api.model
    def _sync_match(self, source, items: list[Item]) -> None:
        """Find the contacts of new persons by the source's rule: ``partner_id`` is set where exactly one fits.

        Where several contacts, or several documents of the batch, fit each other, nothing is guessed.
        """
        wanted = defaultdict(list)
        for item in items:
            if key := self._sync_match_key(source, item):
                wanted[key].append(item)
        if not wanted:
            return
        found = defaultdict(list)
        contacts = self._sync_match_candidates(source, [key[0] for key in wanted])
        for contact in contacts:
            # Nobody is told, either, that another school knows the contact.
            if contact._get_schools() <= source.company_id:
                found[self._sync_contact_key(source, contact)].append(contact)
        known = self.with_context(active_test=False).search([("partner_id", "in", contacts.ids)])
        taken = set(known.partner_id.ids)
        rules = dict(source._fields["match_rule"]._description_selection(self.env))
        for key, key_items in wanted.items():
            contacts = found.get(key, [])
            if not contacts:
                continue
            if len(contacts) > 1 or len(key_items) > 1 or contacts[0].id in taken:
                for item in key_items:
                    item.warn(
                        self.env._(
                            "Contacts with the same %(rule)s: %(contacts)s; documents with it: %(documents)s. It is "
                            "not clear which belong together, so a new contact was created.",
                            rule=rules[source.match_rule],
                            contacts=len(contacts),
                            documents=len(key_items),
                        )
                    )
            else:
                key_items[0].values["partner_id"] = contacts[0].id
                key_items[0].warn(
                    self.env._("The existing contact %(contact)s was taken over.", contact=contacts[0].id)
                )

    @api.model
    def _sync_found_paths(self):
        return {
            path for path, part in self._sync_get_parts().items() if part.field and self._fields[part.field].inherited
        }

    @api.model
    def _sync_match_key(self, source, item: Item) -> tuple | None:
        if source.match_rule == "reference":
            return (item.external_id,)
        email = email_normalize(addresses_in(value_at(item.document, "email") or "")[0] or "")
        if source.match_rule == "email" and email:
            return (email,)
        if source.match_rule == "email_name" and email:
            return (email, item.decision.document[self._sync_name_path].casefold())
        return None

    @api.model
    def _sync_match_candidates(self, source, values: list[str]):
        name = "ref" if source.match_rule == "reference" else "email_normalized"
        return self.env["res.partner"].search(
            Domain(name, "in", values)
            & Domain("is_company", "=", False)
            & Domain("company_id", "in", [False, source.company_id.id])
        )

    @api.model
    def _sync_contact_key(self, source, contact) -> tuple:
        if source.match_rule == "reference":
            return (contact.ref,)
        if source.match_rule == "email":
            return (contact.email_normalized,)
        return (contact.email_normalized, (contact.name or "").casefold())

    # ------------------------------------------------------------------
    # From records to documents
    # ------------------------------------------------------------------

    def _sync_written_at(self):
        written = self.mapped("write_date") + self.partner_id.mapped("write_date") + self.link_ids.mapped("write_date")
        # Of a role that is to be made, only the contact is there.
        return max(filter(None, written))

    @api.model
    def _sync_changed_since(self, since) -> Domain:
        return (
            super()._sync_changed_since(since)
            | Domain("partner_id.write_date", ">=", since)
            | Domain("link_ids.write_date", ">=", since)
        )

    def _touch(self) -> None:
        """Count these records as changed now."""
        if not self:
            return
        # Raw SQL: nothing of the record changes but the time.
        self.env.cr.execute(
            SQL(
                "UPDATE %s SET write_date = now() AT TIME ZONE 'UTC' WHERE id = ANY(%s)",
                SQL.identifier(self._table),
                self.ids,
            )
        )
        self.invalidate_recordset(["write_date"], flush=False)
