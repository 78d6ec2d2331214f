from collections import defaultdict
from functools import partial
from typing import Any

from odoo import api, fields, models

from ..contract.text import quote
from ..sync.item import Item
from ..sync.parts import Part

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
    said = fields.Json(
        readonly=True,
        help="What each source said last of this pair, in the documents of either person.",
    )
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

    # ------------------------------------------------------------------
    # From documents to links
    # ------------------------------------------------------------------

    @api.model
    def _sync_replace(self, source, side: str, path: str, items: list[Item]) -> None:
        """Apply what each item's document changes in the links at ``path``; what it does not change stays.

        Links that this source has said before and that are not named any more are removed, whoever else says them;
        those that it never said stay.

        :param side: the field that holds the item's own record, ``student_id`` or ``parent_id``
        """
        items_of = defaultdict(list)
        for item in items:
            if path in item.paths or path in item.agreed:
                items_of[item.res_id].append(item)
        if not items_of:
            return
        other_side, entity = _OTHER_SIDE[side]
        wanted = {
            (item, item.found[entity, link["externalId"]]): link
            for of_one in items_of.values()
            for item in of_one
            for link in item.decision.document.get(path) or ()
        }
        told = {
            (item, item.found[entity, link["externalId"]]): _flags(link)
            for of_one in items_of.values()
            for item in of_one
            for link in (item.decision.document if item.said is None else item.said).get(path) or ()
            if (entity, link["externalId"]) in item.found
        }
        gone, revised = self.browse(), defaultdict(dict)
        for link in self.search([(side, "in", list(items_of))]):
            of_one, other_id = items_of[link[side].id], link[other_side].id
            naming = [item for item in of_one if (item, other_id) in wanted]
            if not naming and (link.source_id == source or str(source.id) in (link.said or {})):
                gone |= link
            for item in naming:
                changed = link._sync_update(source, item, wanted.pop((item, other_id)), told.get((item, other_id), {}))
                if changed:
                    revised[other_id].update((one.external_id, changed) for one in of_one)
        # A person may have several names, as after a merge: what is said under one does not take away the others'.
        own_bindings = {item.binding.id for of_one in items_of.values() for item in of_one}
        gone -= gone._said_under_other_names(source, side, path, own_bindings)
        gone._warn_of_other_sources(source, side, items_of)
        for link in gone:
            revised[link[other_side].id].update((item.external_id, None) for item in items_of[link[side].id])
        # What the document of the other end said last is no longer so: the same document, sent again, is compared anew.
        source._revise_said(
            entity,
            _OTHER_PATH[path],
            {other_id: partial(_revise_links, flags_by_id=flags) for other_id, flags in revised.items()},
        )
        gone.unlink()
        new = defaultdict(dict)
        for (item, other_id), link in wanted.items():
            # One that was named before, and that somebody has removed in Odoo, is not made again by being repeated.
            if item.restored or not _is_repeated(item, path, link):
                said = {str(source.id): told.get((item, other_id), {})}
                new[item.res_id, other_id].update(self._prepare_values(link), said=said)
        self._for_batch(len(new)).create(
            [
                {side: own_id, other_side: other_id, "source_id": source.id, **values}
                for (own_id, other_id), values in new.items()
            ]
        )

    def _sync_update(self, source, item: Item, link: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        """Apply to this link what ``item`` says of it, ``link``, otherwise than was said before.

        :param told: what to remember as said
        :return: the flags that the item changes, if that changes the record
        """
        said = self._get_said(source)
        changed = _flags(link) if item.restored else _changes(said, _flags(link))
        values = {
            name: value for name, value in self._prepare_values(changed).items() if (self[name] or False) != value
        }
        is_changed = bool(values)
        if not item.restored and (said | told != said or str(source.id) not in (self.said or {})):
            values["said"] = {**(self.said or {}), str(source.id): said | told}
        if values:
            self.write(values)
        return changed if is_changed else {}

    @api.model
    def _find_linked(self, side: str, other_ids: list[int]):
        """:return: the people at ``side`` of the links with the people ``other_ids`` at the other end"""
        other_side, _entity = _OTHER_SIDE[side]
        return self.search([(other_side, "in", other_ids)])[side]

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
            said = {key: flags | (kept.said or {}).get(key, {}) for key, flags in (link.said or {}).items()}
            kept.write(
                {name: link[name] for name in _UNITED_FIELDS if link[name] and not kept[name]}
                | {"said": (kept.said or {}) | said}
            )
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

    def _warn_of_other_sources(self, source, side: str, items_of: dict[int, list[Item]]) -> None:
        """Tell the senders of ``items_of``, by record id, which of these links another source has said as well."""
        others = {link: {int(key) for key in link.said or {}} - {source.id} for link in self}
        if not any(others.values()):
            return
        other_side, entity = _OTHER_SIDE[side]
        external_ids = source._external_ids(entity, self[other_side].ids)
        # sudo: the names of the sources of its own school, which an API user may not read.
        sources = self.env["school.sync.source"].sudo()
        for link, ids in others.items():
            for item in items_of[link[side].id] if ids else ():
                item.warn(
                    self.env._(
                        "The link to %(person)s was removed. %(sources)s had sent it as well.",
                        person=quote(external_ids.get(link[other_side].id) or link[other_side].name),
                        sources=", ".join(sources.browse(ids).exists().mapped("name")),
                    )
                )

    @api.model
    def _prepare_values(self, link: dict[str, Any]) -> dict[str, Any]:
        values = {name: link[key] or False for key, name in LINK_FIELDS.items() if key in link}
        for name in ("date_start", "date_end"):
            if values.get(name):
                values[name] = fields.Date.to_date(values[name])
        return values

    def _get_said(self, source) -> dict[str, Any]:
        """What ``source`` said last of this link, in the documents of either person."""
        return (self.said or {}).get(str(source.id)) or {}

    # ------------------------------------------------------------------
    # From links to documents
    # ------------------------------------------------------------------

    @api.model
    def _sync_by_side(self, source, side: str, records, *, said: bool = False) -> dict[int, list[dict[str, Any]]]:
        """The links of ``records`` as the contract words them, by record id, but for people unknown to ``source``.

        :param said: what ``source`` said of the links that it has named, instead of what Odoo holds
        """
        other_side, entity = _OTHER_SIDE[side]
        links = self.search([(side, "in", records.ids)])
        if said:
            links = links.filtered(lambda link: str(source.id) in (link.said or {}))
        names_in = source._names_in(records, entity, links[other_side].ids)
        result = defaultdict(list)
        for link in links:
            flags = link._get_said(source) if said else link._to_json(source)
            for external_id in names_in(link[side].id, link[other_side].id):
                result[link[side].id].append({"externalId": external_id, **flags})
        return result

    def _to_json(self, source) -> dict[str, Any]:
        # What another source denies in so many words, it has not left open: that the father may pick up the child.
        told = {key for told_by, flags in (self.said or {}).items() if told_by != str(source.id) for key in flags}
        return {
            key: value.isoformat() if key in ("start", "end") and value else value
            for key, name in LINK_FIELDS.items()
            if (value := self[name]) or (key in told and value is False and self._fields[name].type == "boolean")
        }


class Links(Part):
    """The part of a document that lists the people at the other end, each with what is true of the pair.

    What a link does not say of the pair stays as the source said it last. The order of the list means nothing.

    :param side: the field of a link that is the record's own end
    """

    def __init__(self, side: str):
        super().__init__()
        self.side = side

    def meaning(self, model, value):
        return {
            link["externalId"]: {key: _meaning(key, flag) for key, flag in _flags(link).items()} for link in value or ()
        }

    def combine(self, last, new):
        before = {link["externalId"]: link for link in last or ()}
        return new and [before.get(link["externalId"], {}) | link for link in new]

    def read_from(self, records, source):
        links = records.env["school.parent.link"]._sync_by_side(source, self.side, records)
        return [links[record.id] for record in records]

    def said(self, records, source, documents):
        links = records.env["school.parent.link"]._sync_by_side(source, self.side, records, said=True)
        result = []
        for record, in_document in zip(records, super().said(records, source, documents), strict=True):
            by_id = {link["externalId"]: link for link in in_document or ()}
            by_id.update((link["externalId"], link) for link in links[record.id])
            result.append(list(by_id.values()))
        return result

    def holds(self, record, value, now):
        return _essence(value) == _essence(now)

    def untouched(self, record, base, ours, theirs):
        changes, removed = self._compare(record, base, theirs)
        before, held = self.meaning(record, base), self.meaning(record, ours)
        for external_id in removed & held.keys():
            if any(not _agree(key, before[external_id], held[external_id]) for key in before[external_id]):
                return False
        for external_id, flags in changes.items():
            if external_id not in held:
                # Somebody has removed the link, or there never was one.
                if external_id in before:
                    return False
                continue
            known = before.get(external_id, {})
            if any(
                not _agree(key, flags, held[external_id]) and _is_told(key, known, held[external_id]) for key in flags
            ):
                return False
        return True

    def done(self, record, base, ours, theirs, found):
        changes, removed = self._compare(record, base, theirs)
        held = self.meaning(record, ours)
        return not removed & held.keys() and all(
            external_id in held and all(_agree(key, flags, held[external_id]) for key in flags)
            for external_id, flags in changes.items()
        )

    def keep_ours(self, record, base, ours, theirs):
        """What the source alone has changed is applied, unless a link was removed on either side."""
        _changed, removed = self._compare(record, base, theirs)
        before, held = self.meaning(record, base), self.meaning(record, ours)
        if not removed.isdisjoint(held) or before.keys() & {link["externalId"] for link in theirs or ()} - held.keys():
            return ours
        return [
            {
                **link,
                **{
                    key: held[link["externalId"]].get(key)
                    for key in _flags(link)
                    if link["externalId"] in held
                    and _is_told(key, before.get(link["externalId"], {}), held[link["externalId"]])
                },
            }
            for link in theirs or ()
        ]

    def spell_out(self, value):
        return [{**dict.fromkeys(LINK_FIELDS), **_UNSAID, **link} for link in value or ()]

    def _compare(self, model, base: _Links, theirs: _Links) -> tuple[dict[str, dict[str, Any]], set[str]]:
        """What ``theirs`` changes of ``base``: the flags of each person, and the people who are not named any more."""
        before, after = self.meaning(model, base), self.meaning(model, theirs)
        changes = {
            external_id: _changes(before.get(external_id, {}), flags)
            for external_id, flags in after.items()
            if external_id not in before or _changes(before[external_id], flags)
        }
        return changes, before.keys() - after.keys()


def _revise_links(links: _Links, flags_by_id: dict[str, dict[str, Any] | None]) -> _Links:
    """``links`` with other flags for some people; without those for whom there are none any more."""
    return links and [
        {**link, **(flags_by_id.get(link["externalId"]) or {})}
        for link in links
        if flags_by_id.get(link["externalId"], link) is not None
    ]


def _flags(link: dict[str, Any]) -> dict[str, Any]:
    return {key: link[key] for key in LINK_FIELDS if key in link}


def _meaning(key: str, flag: Any) -> Any:
    return flag or _UNSAID.get(key)


def _agree(key: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two links mean the same by ``key``."""
    return _meaning(key, one.get(key)) == _meaning(key, other.get(key))


def _is_told(key: str, known: dict[str, Any], held: dict[str, Any]) -> bool:
    """Whether Odoo, or another source, says by ``key`` in the link ``held`` what ``known``, said before, does not."""
    return not _agree(key, known, held) or (key not in known and held.get(key) is False)


def _changes(said: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """Those of ``flags`` that ``said`` does not say, or says otherwise."""
    return {key: flag for key, flag in flags.items() if key not in said or not _agree(key, said, flags)}


def _is_repeated(item: Item, path: str, link: dict[str, Any]) -> bool:
    """Whether the last document of ``item`` says of ``link`` what this one says."""
    last = (item.binding.document or {}).get(path) or ()
    said = {one["externalId"]: _flags(one) for one in last}.get(link["externalId"])
    return said is not None and not _changes(said, _flags(link))


def _essence(links: _Links) -> dict[str, dict[str, Any]]:
    """What ``links`` say, by externalId, without what goes without saying."""
    return {
        link["externalId"]: {key: flag for key, flag in _flags(link).items() if flag and flag != _UNSAID.get(key)}
        for link in links or ()
    }
