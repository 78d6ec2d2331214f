from collections import defaultdict

from odoo import api, fields, models
from odoo.fields import Domain

from ..sync.item import Item
from ..sync.names import names_agree


class SchoolSyncDuplicate(models.Model):
    """Two contacts that may be one person: a source sent somebody like one who was there, and a person decides."""

    _name = "school.sync.duplicate"
    _description = "Possible Duplicate"
    _order = "id desc"
    _rec_name = "external_id"
    _check_company_auto = True

    source_id = fields.Many2one(
        "school.sync.source", required=True, readonly=True, index=True, ondelete="cascade", check_company=True
    )
    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True, index=True)
    entity = fields.Char("Record Type", required=True, readonly=True)
    external_id = fields.Char("External ID", required=True, readonly=True)
    partner_id = fields.Many2one(
        "res.partner", "Existing Contact", required=True, readonly=True, index=True, ondelete="cascade"
    )
    other_id = fields.Many2one(
        "res.partner", "New Contact", required=True, readonly=True, index=True, ondelete="cascade"
    )
    partner_email = fields.Char("Existing E-Mail", related="partner_id.email")
    partner_phone = fields.Char("Existing Phone", related="partner_id.phone")
    partner_known_as = fields.Char("Existing Contact Known As", compute="_compute_known_as")
    other_email = fields.Char("New E-Mail", related="other_id.email")
    other_phone = fields.Char("New Phone", related="other_id.phone")
    other_known_as = fields.Char("New Contact Known As", compute="_compute_known_as")
    state = fields.Selection(
        [("open", "To Decide"), ("different", "Different People")],
        string="Decision",
        required=True,
        readonly=True,
        default="open",
    )
    decided_by_id = fields.Many2one("res.users", "Decided by", readonly=True)
    decided_at = fields.Datetime("Decided on", readonly=True)

    _pair_unique = models.UniqueIndex("(LEAST(partner_id, other_id), GREATEST(partner_id, other_id))")

    @api.depends("partner_id", "other_id")
    def _compute_known_as(self):
        # sudo: what sources call them; the contacts are those of the user's own duplicates.
        contacts = (self.partner_id | self.other_id).sudo().with_context(active_test=False)
        known_as = defaultdict(list)
        for roles in (contacts.school_parent_ids, contacts.school_student_ids):
            names = roles._describe_names()
            for role in roles:
                known_as[role.partner_id.id] += filter(None, [names.get(role.id)])
        for duplicate in self:
            duplicate.partner_known_as = ", ".join(known_as[duplicate.partner_id.id])
            duplicate.other_known_as = ", ".join(known_as[duplicate.other_id.id])

    @api.depends("partner_id.name", "other_id.name")
    def _compute_display_name(self):
        for duplicate in self:
            duplicate.display_name = f"{duplicate.partner_id.name} / {duplicate.other_id.name}"

    def action_same(self):
        """Merge the two contacts of each, with what they are at school; every externalId keeps working.

        :return: the action that opens the contact that is left, or the list where there are several
        :raises odoo.exceptions.UserError: where they cannot be one person
        """
        self.check_access("write")
        kept = self.env["res.partner"]
        for duplicate in self:
            # Merging one pair may have merged another one.
            if duplicate.exists():
                kept |= duplicate.partner_id
                contacts = duplicate.partner_id | duplicate.other_id
                self.env["base.partner.merge.automatic.wizard"]._merge(contacts.ids, duplicate.partner_id)
        kept = kept.exists()
        if len(kept) != 1:
            return self.env["ir.actions.act_window"]._for_xml_id("school_erp_sync.school_sync_duplicate_action")
        return {
            "type": "ir.actions.act_window",
            "res_model": "res.partner",
            "res_id": kept.id,
            "view_mode": "form",
        }

    def action_different(self):
        """Remember that these are different people: they are not asked about again."""
        self.check_access("write")
        self.write({"state": "different", "decided_by_id": self.env.uid, "decided_at": fields.Datetime.now()})

    # ------------------------------------------------------------------
    # For the engine
    # ------------------------------------------------------------------

    @api.model
    def _note(self, source, model, items: list[Item]) -> None:
        """List, for each of applied ``items``, whoever may be the same person."""
        contact_of = {item: model.browse(item.res_id).partner_id for item in items}
        values = []
        for item, contact in contact_of.items():
            for other in item.alike:
                if isinstance(other, Item):
                    # An earlier document of the batch, unless Odoo has refused it.
                    other = model.browse(other.res_id if other.went_through else None).partner_id
                if other:
                    values.append(
                        {
                            "source_id": source.id,
                            "company_id": source.company_id.id,
                            "entity": model._sync_entity,
                            "external_id": item.external_id,
                            "partner_id": other.id,
                            "other_id": contact.id,
                        }
                    )
        # sudo: who may be who is for managers to see and decide, not for the API user.
        self.sudo().create(values)

    @api.model
    def _forget_told_apart(self, contacts) -> None:
        """Forget which of ``contacts`` are to be decided where a source tells them apart by name and externalId."""
        # sudo: as in _note.
        found = self.sudo().search(
            Domain("state", "=", "open")
            & (Domain("partner_id", "in", contacts.ids) | Domain("other_id", "in", contacts.ids))
        )
        if found:
            known = (found.partner_id | found.other_id)._get_school_sources()
            found.filtered(
                lambda one: (
                    known.get(one.partner_id.id, {}).keys() & known.get(one.other_id.id, {}).keys()
                    and not names_agree(one.partner_id.name, one.other_id.name)
                )
            ).unlink()

    @api.model
    def _forget_merged(self, contacts) -> None:
        """Forget which of ``contacts``, that become one, were to be decided."""
        # sudo: whoever may merge contacts has decided.
        self.sudo().search(Domain("partner_id", "in", contacts.ids) & Domain("other_id", "in", contacts.ids)).unlink()
