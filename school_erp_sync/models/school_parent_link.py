from collections import defaultdict
from typing import Any

from odoo import api, fields, models

from ..sync.item import Item

# What a link of the contract says -> where it is stored.
LINK_FIELDS = {
    "relation": "relation",
    "priority": "priority",
    "custodial": "custodial",
    "emergency": "emergency",
    "livesWith": "lives_with",
    "pickup": "pickup",
    "receivesMail": "receives_mail",
    "pays": "pays",
    "start": "date_start",
    "end": "date_end",
}

# What a link is where nobody says.
_UNSAID = {"priority": 1} | dict.fromkeys(
    ("custodial", "emergency", "livesWith", "pickup", "receivesMail", "pays"), False
)

# What two links of one pair say together, besides what only one of them can say.
_UNITED_FIELDS = ("relation", "custodial", "emergency", "lives_with", "pickup", "receives_mail", "pays")

_Links = list[dict[str, Any]] | None

_OTHER_PATH = {"parents": "students", "students": "parents"}
_OTHER_SIDE = {"student_id": ("parent_id", "parents"), "parent_id": ("student_id", "students")}


class SchoolParentLink(models.Model):
    """A guardian and a student: what is true of the pair. A divorced father may pick up one child and not another."""

    _name = "school.parent.link"
    _inherit = ["school.batch.mixin"]
    _description = "Guardian of a Student"
    _order = "priority, id"
    _rec_name = "parent_id"

    #: two transactions may make the same row at once: to lose that race is no error of the document
    _sync_raced = True

    student_id = fields.Many2one("school.student", required=True, index=True, ondelete="cascade")
    parent_id = fields.Many2one(
        "school.parent", string="Guardian", required=True, index=True, ondelete="cascade", check_company=True
    )
    company_id = fields.Many2one(related="student_id.company_id", store=True, precompute=True)
    source_id = fields.Many2one(
        "school.sync.source",
        index="btree_not_null",
        ondelete="set null",
        readonly=True,
        help="The source that sent this link and may take it away again. Empty for a link made in Odoo.",
    )
    relation = fields.Char(help="What the guardian is to this student, where it differs from the guardian's own.")
    relation_shown = fields.Char(
        "Relation to Student", compute="_compute_relation_shown", inverse="_inverse_relation_shown"
    )
    priority = fields.Integer(default=1, help="Whom to call first: 1 before 2.")
    custodial = fields.Boolean("Custody")
    emergency = fields.Boolean("Emergency Contact")
    lives_with = fields.Boolean()
    pickup = fields.Boolean("May Pick Up")
    receives_mail = fields.Boolean()
    pays = fields.Boolean(help="Invoices of this student are addressed to this guardian.")
    date_start = fields.Date("From")
    date_end = fields.Date("Until")
    phone = fields.Char(related="parent_id.phone")
    email = fields.Char(related="parent_id.email")
    occupation = fields.Char(related="parent_id.function", string="Occupation")

    _pair_unique = models.Constraint(
        "UNIQUE (student_id, parent_id)", "This guardian is linked to this student already."
    )
    _period_check = models.Constraint(
        "CHECK (date_end IS NULL OR date_start IS NULL OR date_end >= date_start)",
        "A link cannot end before it starts.",
    )

    @api.depends("relation", "parent_id.relation")
    def _compute_relation_shown(self):
        for link in self:
            link.relation_shown = link.relation or link.parent_id.relation

    def _inverse_relation_shown(self):
        for link in self:
            said = link.relation_shown
            link.relation = said if said != link.parent_id.relation else False

    def unlink(self):
        # A person whose guardians change has changed: whoever asks for what changed since yesterday wants to know.
        students, parents = self.student_id, self.parent_id
        result = super().unlink()
        students._touch()
        parents._touch()
        return result

    @api.model
    def _sync_replace(self, source, side: str, path: str, items: list[Item]) -> None:
        """Make the links of each item's record what its document says at ``path``.

        Links that this source sent before and that are not named any more are removed; those of others stay.

        :param side: the field that holds the item's own record, ``student_id`` or ``parent_id``
        """
        items = [item for item in items if path in item.paths]
        if not items:
            return
        other_side, entity = _OTHER_SIDE[side]
        wanted = {
            (item.res_id, item.found[entity, link["externalId"]]): self._prepare_values(link)
            for item in items
            for link in item.decision.document.get(path) or ()
        }
        gone, touched = self.browse(), self.browse()
        for link in self.search([(side, "in", [item.res_id for item in items])]):
            values = wanted.pop((link[side].id, link[other_side].id), None)
            if values is None:
                gone |= link if link.source_id == source else self.browse()
            elif changed := {name: value for name, value in values.items() if (link[name] or False) != value}:
                link.write(changed)
                touched |= link
        # A person may have several names, as after a merge: what is said under one does not take away the others'.
        gone -= gone._said_under_other_names(source, side, path, {item.binding.id for item in items})
        (gone | touched)._forget_said(source, side)
        gone.unlink()
        self._for_batch(len(wanted)).create(
            [
                {side: own_id, other_side: other_id, "source_id": source.id, **values}
                for (own_id, other_id), values in wanted.items()
            ]
        )

    def _move_to(self, survivor, side: str) -> None:
        """Make these links those of ``survivor``; where it has the same one, that says what either of them said.

        :param side: the field that holds the people who become ``survivor``
        """
        other_side, _entity = _OTHER_SIDE[side]
        known = {link[other_side]: link for link in survivor.link_ids}
        for link in self:
            kept = known.setdefault(link[other_side], link)
            if kept == link:
                link[side] = survivor
                continue
            # Of a link without an end nothing is missing: it goes on. So do calls to its own place in the order.
            kept.write({name: link[name] for name in _UNITED_FIELDS if link[name] and not kept[name]})
            link.unlink()

    def _forget_said(self, sources, side: str) -> None:
        """Have the ends of these links other than ``side`` be compared anew with what ``sources`` say of them next.

        Their last documents no longer say how it is.
        """
        other_side, entity = _OTHER_SIDE[side]
        sources._forget_said(entity, self[other_side].ids, _OTHER_PATH[entity])

    def _said_under_other_names(self, source, side: str, path: str, own_binding_ids: set[int]):
        """Those of these links that documents of other bindings of the same people say, at ``path``."""
        documents = source._last_documents(self[side], but=own_binding_ids)
        if not documents:
            return self.browse()
        other_side, entity = _OTHER_SIDE[side]
        names = source._names(entity, self[other_side].ids)
        said = {
            (res_id, link["externalId"])
            for res_id, of_record in documents.items()
            for document in of_record
            for link in document.get(path) or ()
        }
        return self.filtered(
            lambda link: any((link[side].id, name) in said for name in names.get(link[other_side].id, ()))
        )

    @api.model
    def _prepare_values(self, link: dict[str, Any]) -> dict[str, Any]:
        values = {name: link[key] or False for key, name in LINK_FIELDS.items() if key in link}
        for name in ("date_start", "date_end"):
            if values.get(name):
                values[name] = fields.Date.to_date(values[name])
        return values

    @api.model
    def _sync_by_side(self, source, side: str, records) -> dict[int, list[dict[str, Any]]]:
        """The links of ``records`` as the contract words them, by record id, but for people unknown to ``source``."""
        other_side, entity = _OTHER_SIDE[side]
        links = self.search([(side, "in", records.ids)])
        names_in = source._names_in(records, entity, links[other_side].ids)
        result = defaultdict(list)
        for link in links:
            for external_id in names_in(link[side].id, link[other_side].id):
                result[link[side].id].append({"externalId": external_id, **link._to_json()})
        return result

    def _to_json(self) -> dict[str, Any]:
        said = {key: self[name] for key, name in LINK_FIELDS.items()}
        return {key: value.isoformat() if key in ("start", "end") else value for key, value in said.items() if value}

    @api.model
    def _sync_same(self, said: list[dict[str, Any]], now: list[dict[str, Any]]) -> bool:
        """Whether the links ``now`` are what ``said`` says of them, and no more."""
        return self._essence(said) == self._essence(now)

    @api.model
    def _sync_untouched(self, said: _Links, now: _Links, arrived: _Links) -> bool:
        """Whether the links ``now`` still are what was ``said``, as far as what has ``arrived`` would change them.

        Of what was not said, only what goes without saying may be overwritten. Links that others have made stay.
        """
        before, held, after = _by_id(said), _by_id(now), _by_id(arrived)
        for external_id in before.keys() | (after.keys() & held.keys()):
            link, wanted = held.get(external_id), after.get(external_id, {})
            if link is None:
                if wanted:
                    return False
                continue
            known = dict.fromkeys(wanted, None) | before.get(external_id, {})
            if any(not _agree(key, link, known) and not (key in wanted and _agree(key, link, wanted)) for key in known):
                return False
        return True

    @api.model
    def _sync_done(self, arrived: _Links, now: _Links, said: _Links) -> bool:
        """Whether the links ``now`` are what has ``arrived``, and none is left that was only ``said`` before."""
        after, held = _by_id(arrived), _by_id(now)
        return not (_by_id(said).keys() - after.keys()) & held.keys() and all(
            external_id in held and all(_agree(key, held[external_id], link) for key in link)
            for external_id, link in after.items()
        )

    @api.model
    def _sync_spelled_out(self, links: _Links) -> _Links:
        """``links`` with what goes without saying, so that what is stored instead is not kept."""
        return [{**dict.fromkeys(LINK_FIELDS), **_UNSAID, **link} for link in links or ()]

    @api.model
    def _essence(self, links: list[dict[str, Any]] | None) -> dict[str, dict[str, Any]]:
        """What ``links`` say, by externalId, without what goes without saying."""
        return {
            link["externalId"]: {
                key: link[key] for key in LINK_FIELDS if link.get(key) and not (key == "priority" and link[key] == 1)
            }
            for link in links or ()
        }


def _by_id(links: _Links) -> dict[str, dict[str, Any]]:
    return {link["externalId"]: link for link in links or ()}


def _agree(key: str, link: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two links say the same of ``key``."""
    return (link.get(key) or _UNSAID.get(key)) == (other.get(key) or _UNSAID.get(key))
