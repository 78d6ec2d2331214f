from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command, Domain
from odoo.models import MAGIC_COLUMNS
from odoo.tools import SQL, email_normalize

from odoo.addons.base.models.ir_model import MODULE_UNINSTALL_FLAG

from ..contract.contact_point import phone_key
from ..contract.email import addresses_in
from ..contract.text import quote
from ..sync.contacts import State
from ..sync.item import Item, Reference
from ..sync.merge import value_at
from ..sync.names import names_agree
from ..sync.plan import Action

# An e-mail address that more contacts share is no person's.
MOST_ALIKE = 5


@dataclass(slots=True, eq=False)
class Candidate:
    """Somebody who may be the person of a new document: a contact, or an earlier document of the batch.

    ``taken`` says that the source has given the role to another document, ``known`` that it knows the contact in any
    role, ``is_other`` that the contact has no role but another one.
    """

    item: Item | None
    name: str
    contact: Any = None
    role: Any = None
    taken: bool = True
    known: bool = True
    is_other: bool = False


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
    any_phone = fields.Char("All Phones", compute="_compute_any_phone", search="_search_any_phone")
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

    @api.depends("phone", "phone_point_ids.value")
    def _compute_any_phone(self):
        for role in self:
            role.any_phone = ", ".join(filter(None, (role.phone, *role.phone_point_ids.mapped("value"))))

    @api.model
    def _search_any_phone(self, operator, value):
        if operator not in ("ilike", "=") or not isinstance(value, str):
            return NotImplemented
        key = phone_key(value)
        return Domain("phone_mobile_search", operator, key) | Domain("phone_point_ids.key", operator, key)

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
    def _sync_rename(self, document, names):
        renamed = super()._sync_rename(document, names)
        entity, links = self._sync_link_path, renamed.get(self._sync_link_path)
        if links and any((entity, link["externalId"]) in names for link in links):
            by_name = {}
            # Of a person who is named twice then, what is said under the new name counts.
            for link in sorted(links, key=lambda link: (entity, link["externalId"]) not in names):
                name = names.get((entity, link["externalId"]), link["externalId"])
                by_name[name] = {**by_name.get(name, {}), **link, "externalId": name}
            renamed[entity] = list(by_name.values())
        return renamed

    @api.model
    def _sync_find_referring(self, entity, res_ids):
        found = super()._sync_find_referring(entity, res_ids)
        if entity == self._sync_link_path:
            found |= self.env["school.parent.link"]._find_linked(self._sync_link_side, res_ids)
        return found

    @api.model
    def _sync_merge(self, loser_id, survivor_id):
        loser, survivor = self.browse(loser_id), self.browse(survivor_id)
        contacts = loser.partner_id | survivor.partner_id
        # The contact of a colleague is not to be merged into that of a parent.
        staff = self._get_staff(contacts)
        if len(staff) > 1:
            raise UserError(self.env._("Both contacts belong to members of staff, which a source must not merge."))
        # sudo: the source says that they are one, and Odoo's own merge asks nobody else; roles are merged with them.
        wizard = self.env["base.partner.merge.automatic.wizard"].sudo()
        wizard._merge(contacts.ids, (staff or survivor.partner_id).sudo(), extra_checks=False)
        return (survivor.exists() or loser).id

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
        existing = self.env["res.partner"].browse(contact_id for contact_id, _item in taken_over)
        existing._school_claim()
        existing.filtered(lambda contact: not contact.active).action_unarchive()
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
        self.browse([item.res_id for item in items if item.matched]).partner_id._school_claim()
        self._sync_write_contacts([(record.partner_id.id, item) for record, item in zip(records, items, strict=True)])
        lists = defaultdict(dict)
        for record, item in zip(records, items, strict=True):
            own = self._split_values(item.values)[0]
            self._sync_take_lists(record, own, lists)
            if own:
                record.write(own)
        self._sync_write_lists(lists)
        # Of the record itself nothing else may have changed.
        self.browse(record.id for of_records in lists.values() for record in of_records)._touch()
        return items

    @api.model
    def _sync_write_contacts(self, items: list[tuple[int, Item]]) -> None:
        """:param items: each with the id of its contact; several may be about the same"""
        contacts = self.env["res.partner"].browse(contact_id for contact_id, _item in items)
        staff = self._get_staff(contacts)
        changes = [self._split_values(item.values)[1] for _contact_id, item in items]
        contacts._school_check_writable({name for values in changes for name in values})
        lists = defaultdict(dict)
        # sudo: rights are checked once for all of them, just above.
        for contact, (_contact_id, item), values in zip(contacts.sudo(), items, changes, strict=True):
            if values and contact in staff:
                # Whoever may change a colleague's e-mail may take over the account; and the rest is for HR to keep.
                item.warn(
                    self.env._(
                        "Contact %(contact)s belongs to a member of staff. Name, address, phone and e-mail are kept.",
                        contact=contact.id,
                    )
                )
            elif values:
                self._sync_take_lists(contact, values, lists)
                contact.write(values)
        self._sync_write_lists(lists)

    @api.model
    def _sync_take_lists(self, record, values: dict, lists: dict) -> None:
        """Move those of ``values`` that are lists of other records into ``lists``, by field and record.

        Written with the rest, each of them would cost queries of its own.
        """
        for name in [name for name in values if record._fields[name].type == "one2many"]:
            lists[record._fields[name]][record] = values.pop(name)

    @api.model
    def _sync_write_lists(self, lists: dict) -> None:
        """Replace the ``lists`` of records, as :meth:`_sync_take_lists` gathers them."""
        for field, of_records in lists.items():
            records = self.env[field.model_name].browse(record.id for record in of_records)
            lines = self.env[field.comodel_name]
            lines.search(field.get_comodel_domain(records) & Domain(field.inverse_name, "in", records.ids)).unlink()
            lines.create(
                [
                    {**values, field.inverse_name: record.id}
                    for record, commands in of_records.items()
                    for command, _id, values in commands
                    if command == Command.CREATE
                ]
            )

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
        """Find new persons among those who are there, by the source's rule.

        Whoever has this role already is ``matched``, with the id of the record. Of a contact without it, ``partner_id``
        is set. Where nothing is clear, a new contact is made, and whoever is ``alike`` is left for people to decide.

        Documents are matched one after the other, so that a batch ends as they would one by one.
        """
        keys = {item: key for item in items if (key := self._sync_match_key(source, item))}
        if not keys:
            return
        found = self._sync_match_candidates(source, set(keys.values()))
        for item, key in keys.items():
            candidates = found[key]
            fitting = [one for one in candidates if self._sync_fits(source, item, one)]
            best = self._sync_choose([one for one in fitting if not one.taken])
            if best and best.role:
                item.matched, item.res_id = True, best.role.id
            elif best:
                item.values["partner_id"] = best.contact.id
                item.warn(self.env._("The existing contact %(contact)s was taken over.", contact=best.contact.id))
            else:
                item.alike = self._sync_alike(source, item, candidates, fitting)
                candidates.append(Candidate(item, item.decision.document[self._sync_name_path]))
            if best:
                best.taken = best.known = True
        self._sync_tell_matched([item for item in keys if item.matched])

    @api.model
    def _sync_tell_matched(self, items: list[Item]) -> None:
        """Tell the sender of ``items`` which records they were bound to."""
        roles = self.browse([item.res_id for item in items])
        names = roles._describe_names() if roles else {}
        for item, role in zip(items, roles, strict=True):
            item.warn(
                self.env._(
                    "%(name)s is in Odoo already: %(known)s. This document was bound to that record.",
                    name=quote(role.name),
                    known=names.get(role.id) or self.env._("made in Odoo"),
                )
            )

    @api.model
    def _sync_fits(self, source, item: Item, candidate: Candidate) -> bool:
        """Whether ``candidate``, who is called as the source's rule asks, may be the person of ``item``."""
        name = item.decision.document[self._sync_name_path]
        if source.match_rule == "email_name":
            return (candidate.name or "").casefold() == name.casefold()
        return source.match_rule == "reference" or names_agree(candidate.name, name)

    @api.model
    def _sync_choose(self, candidates: list[Candidate]) -> Candidate | None:
        """The one of ``candidates`` who has this role, or else the only contact; None where it is not clear."""
        for of_one_kind in (
            [one for one in candidates if one.role],
            [one for one in candidates if one.contact.active],
            candidates,
        ):
            if of_one_kind:
                return of_one_kind[0] if len(of_one_kind) == 1 else None
        return None

    @api.model
    def _sync_alike(self, source, item: Item, candidates: list[Candidate], fitting: list[Candidate]) -> list[Any]:
        """Those of ``candidates`` of whom somebody has to say whether they are the person of ``item``.

        Whom the source itself tells apart, and whose name is another, is another person. So is, for a student, a
        guardian with another name. An address of many people says nothing.
        """
        name, others = item.decision.document[self._sync_name_path], []
        if source.match_rule == "email_name":
            others = [one for one in candidates if one not in fitting and names_agree(one.name, name)]
        elif len(candidates) - len(fitting) <= MOST_ALIKE:
            others = [one for one in candidates if one not in fitting and not one.known and not one.is_other]
        if fitting:
            item.warn(
                self.env._(
                    "It is not clear which existing contact is %(name)s, so a new contact was created. Someone can "
                    "decide in Odoo, under School Sync > Sync > Possible Duplicates.",
                    name=quote(name),
                )
            )
        elif others:
            item.warn(
                self.env._(
                    "Contact %(contact)s has the same e-mail as %(name)s, but another name, so a new contact was "
                    "created. Someone can decide in Odoo, under School Sync > Sync > Possible Duplicates.",
                    contact=", ".join(str(one.contact.id) for one in others if one.contact),
                    name=quote(name),
                )
            )
        return [one.contact or one.item for one in fitting + others]

    def _describe_names(self) -> dict[int, str]:
        """:return: how the sources call these people, by id"""
        names = defaultdict(list)
        for binding in self._find_bindings():
            names[binding.res_id].append(f"{binding.external_id} ({binding.source_id.name})")
        return {res_id: ", ".join(of_one) for res_id, of_one in names.items()}

    @api.model
    def _sync_found_paths(self):
        return {
            path for path, part in self._sync_get_parts().items() if part.field and self._fields[part.field].inherited
        }

    @api.model
    def _sync_match_key(self, source, item: Item) -> str | None:
        """What a contact has to share with ``item`` to be looked at: the reference or the e-mail address."""
        if source.match_rule == "reference":
            return item.external_id
        if source.match_rule in ("email", "email_name"):
            return email_normalize(addresses_in(value_at(item.decision.document, "email") or "")[0] or "") or None
        return None

    @api.model
    def _sync_match_candidates(self, source, keys: set[str]) -> dict[str, list[Candidate]]:
        """Who is there with one of ``keys``, by key; archived people as well."""
        name = "ref" if source.match_rule == "reference" else "email_normalized"
        contacts = (
            self.env["res.partner"]
            .with_context(active_test=False)
            .search(
                Domain(name, "in", list(keys))
                & Domain("is_company", "=", False)
                & Domain("company_id", "in", [False, source.company_id.id]),
                order="id",
            )
        )
        found = defaultdict(list)
        if not contacts:
            return found
        # Nobody is told, either, that another school knows the contact.
        contacts = contacts.filtered(lambda contact: contact._get_schools() <= source.company_id)
        roles = {
            role.partner_id: role
            for role in self.with_context(active_test=False).search(
                Domain("partner_id", "in", contacts.ids) & Domain("company_id", "=", source.company_id.id)
            )
        }
        known = contacts._get_school_sources()
        for contact in contacts:
            entities = known.get(contact.id, {}).get(source.id, ())
            role = roles.get(contact)
            found[contact[name]].append(
                Candidate(
                    None,
                    contact.name,
                    contact=contact,
                    role=role,
                    taken=self._sync_entity in entities,
                    known=bool(entities),
                    is_other=not role and bool(contact._get_schools()),
                )
            )
        return found

    @api.model
    def _sync_claim_keys(self, source, items: list[Item]) -> None:
        if source.match_rule in ("email", "email_name"):
            new = [item for item in items if item.decision and item.decision.action is Action.CREATE]
            self.env["school.sync.claim"]._take(
                source.company_id, {key for item in new if (key := self._sync_match_key(source, item))}
            )

    @api.model
    def _sync_bound(self, source, items: list[Item]) -> None:
        if source.match_rule == "never":
            return
        new = [item for item in items if item.decision.action is Action.CREATE]
        duplicates = self.env["school.sync.duplicate"]
        duplicates._note(source, self, [item for item in new if item.alike])
        duplicates._forget_told_apart(self.browse([item.res_id for item in new]).partner_id)

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
