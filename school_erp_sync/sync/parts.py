"""What one part of a document means: when two values of it mean the same, and how a record holds it.

A part is one path of a document, such as ``health.bloodGroup``. Its :meth:`~Part.meaning` decides when two values are
equal; comparing, merging, storing and giving back follow from it. A model lists its parts in ``_sync_parts``.
"""

from collections.abc import Hashable, Iterable, Mapping
from datetime import timezone
from typing import Any, NamedTuple

from odoo.fields import Command, Domain

from ..contract.base import fault_in, pointer
from ..contract.text import quote
from ..contract.words import fold
from .merge import is_empty, overlay, said_paths, value_at
from .plan import parse_time
from .texts import ENGLISH, translate


class Remark(NamedTuple):
    """What the sender, and people in Odoo, should know of a value in a document that was applied.

    :param is_unread: whether Odoo did not understand the value, so that the record says nothing there
    """

    text: str
    is_unread: bool = False


class Unread(NamedTuple):
    """The meaning of a value that Odoo does not understand: the same only as the same words."""

    words: Any


class Part:
    """A part that is stored in one field, as it is sent.

    :param field: the field of the model; None for a part that the model stores in a way of its own
    """

    #: The model itself combines what is sent with what happens in Odoo. Such a part is never in conflict.
    merged = False
    #: Whether a list can be narrowed to the records of which this part says one value, see :meth:`find`.
    is_option = False

    def __init__(self, field: str | None = None, instead_of: str | None = None):
        """:param instead_of: the path of another part in the same field: what a source says last of the two counts"""
        self.field = field
        self.instead_of = instead_of
        #: where a document says it; the model that lists the part sets this
        self.path = ""

    # ------------------------------------------------------------------
    # What a value means
    # ------------------------------------------------------------------

    def meaning(self, model, value: Any) -> Any:
        """The canonical form of a JSON ``value``: equal for two values that mean the same, None for an empty one."""
        if is_empty(value):
            return None
        if self._type(model) == "datetime":
            return parse_time(value).astimezone(timezone.utc).replace(tzinfo=None, microsecond=0)
        return value

    def same(self, model, one: Any, other: Any) -> bool:
        """Whether two values that a source may send mean the same."""
        return one == other or self.meaning(model, one) == self.meaning(model, other)

    def combine(self, last: Any, new: Any) -> Any:
        """What a source says in all, where it said ``last`` before and says ``new`` now."""
        return new

    def complete(self, last: Mapping[str, Any], new: Mapping[str, Any], document: dict[str, Any]) -> None:
        """Say in ``document`` what follows of this part from others, where a source says ``new`` after ``last``.

        :param document: ``new`` laid over ``last``; it is changed in place
        """

    # ------------------------------------------------------------------
    # What a record holds
    # ------------------------------------------------------------------

    def read_from(self, records, source) -> list[Any]:
        """What each of ``records`` says now, as JSON."""
        return [self._read_one(record) for record in records]

    def holds(self, record, value: Any, now: Any) -> bool:
        """Whether ``record``, which says ``now``, means what ``value`` means."""
        return self.same(record, value, now)

    def untouched(self, record, base: Any, ours: Any, theirs: Any) -> bool:
        """Whether nobody in Odoo has changed ``base``, what the source said last, where ``theirs`` would change it."""
        return self.holds(record, base, ours)

    def done(self, record, base: Any, ours: Any, theirs: Any, found: Mapping[tuple[str, str], int]) -> bool:
        """Whether ``record``, which says ``ours``, needs no change to mean ``theirs``.

        :param found: the ids of the records that the document refers to, by entity and externalId
        """
        return self.holds(record, theirs, ours)

    def keep_ours(self, record, base: Any, ours: Any, theirs: Any) -> Any:
        """What ``record`` is to say where both sides changed the part and Odoo wins."""
        return ours

    def said(self, records, source, documents: Iterable[Mapping[str, Any]]) -> list[Any]:
        """What ``source`` said last of each of ``records``, in whichever of its documents.

        :param documents: for each record the last document of this entity
        """
        documents = list(documents)
        said = [value_at(document, self.path) for document in documents]
        if self.instead_of and any(value_at(document, self.instead_of) is not None for document in documents):
            other = records._sync_get_parts()[self.instead_of]
            held, others = self.read_from(records, source), other.read_from(records, source)
            for place, (record, document) in enumerate(zip(records, documents, strict=True)):
                of_other = value_at(document, self.instead_of)
                if said[place] is None and of_other is not None and other.holds(record, of_other, others[place]):
                    # What the other part says is what this one reads.
                    said[place] = held[place]
        return said

    def find(self, model, source, text: str) -> Domain:
        """The records of which this part says ``text``, as the query string of a list has it."""
        raise NotImplementedError

    def is_readable(self, record, document: Mapping[str, Any]) -> bool:
        """Whether Odoo understands what ``document`` says here of ``record``."""
        return True

    def remark(self, source, item, value: Any) -> Remark | None:
        """Return what people should know of ``value``, which the document of ``item`` says and is not empty."""

    def spell_out(self, value: Any) -> Any:
        """What to apply so that a record says ``value``, as it once did, and nothing else."""
        return value

    # ------------------------------------------------------------------
    # How it is stored
    # ------------------------------------------------------------------

    def prepare(self, model, source, items: Iterable) -> None:
        """Put what ``items`` say into their ``values``, or into their errors. Writes nothing."""
        if self.field:
            for item in items:
                item.values[self.field] = self.to_value(model, value_at(item.decision.document, self.path))

    def to_value(self, model, value: Any) -> Any:
        """The value of the field for a JSON ``value``."""
        return False if is_empty(value) else self.meaning(model, value)

    # ------------------------------------------------------------------

    def _type(self, model) -> str | None:
        return model._fields[self.field].type if self.field else None

    def _read_one(self, record) -> Any:
        value, field = record[self.field], record._fields[self.field]
        match field.type:
            case "many2many" | "one2many":
                return value.mapped("name")
            case "many2one":
                return value.name or None
            case "date":
                return value.isoformat() if value else None
            case "datetime":
                return value.isoformat() + "Z" if value else None
            case "boolean":
                return value
        return value or None


class Enriching(Part):
    """A part that nothing depends on: a value that Odoo does not understand refuses no document.

    The value stays in the document, and is given back from there; the record says nothing. Once Odoo understands it,
    the same document applies it.
    """

    def understands(self, model, value: Any) -> bool:
        """Whether Odoo understands ``value``, which is not empty."""
        raise NotImplementedError

    def explain(self, model, value: Any) -> str:
        """Return why Odoo does not understand ``value``, and what to send instead."""
        raise NotImplementedError

    def is_unread(self, model, value: Any) -> bool:
        """Whether ``value`` says something that Odoo does not understand."""
        return not is_empty(value) and not self.understands(model, value)

    def is_readable(self, record, document):
        return not self.is_unread(record, value_at(document, self.path))

    def remark(self, source, item, value):
        return None if self.understands(source, value) else Remark(self.explain(source, value), is_unread=True)

    def meaning(self, model, value):
        return Unread(value) if self.is_unread(model, value) else super().meaning(model, value)

    def holds(self, record, value, now):
        return is_empty(now) if self.is_unread(record, value) else super().holds(record, value, now)

    def done(self, record, base, ours, theirs, found):
        if self.is_unread(record, theirs):
            # It replaces what the source said before, and never what people have entered in Odoo.
            return not self.untouched(record, base, ours, theirs)
        return super().done(record, base, ours, theirs, found)

    def to_value(self, model, value):
        return False if self.is_unread(model, value) else super().to_value(model, value)


class EnrichingValue(Enriching):
    """A part that is understood as one of the contract's types.

    :param kind: the type
    """

    def __init__(self, field: str, kind: Any):
        super().__init__(field)
        self.kind = kind

    def understands(self, model, value):
        return fault_in(self.kind, self.path, value) is None

    def explain(self, model, value):
        return model.env._(
            "%(pointer)s %(value)s was kept as text. %(fault)s",
            pointer=pointer(*self.path.split(".")),
            value=quote(value),
            fault=translate(fault_in(self.kind, self.path, value), model.env.user.lang or ENGLISH),
        )


class Word(Part):
    """A part that is one of a field's words: many words may stand for one value.

    :param words: the value for each folded word
    """

    def __init__(self, field: str, words: Mapping[str, str]):
        super().__init__(field)
        self.words = words

    def meaning(self, model, value):
        return None if is_empty(value) else self.words.get(fold(value))

    def _read_one(self, record):
        return record[self.field] or None


class EnrichingWord(Enriching, Word):
    """A word that refuses no document where it is not known. The record's value is told by its label."""

    def understands(self, model, value):
        return fold(value) in self.words

    def explain(self, model, value):
        return model.env._(
            "%(pointer)s %(value)s is not known. It was kept as text. Send one of: %(allowed)s.",
            pointer=pointer(*self.path.split(".")),
            value=quote(value),
            allowed=", ".join(dict.fromkeys(self.words.values())),
        )

    def _read_one(self, record):
        labels = dict(record._fields[self.field]._description_selection(record.env))
        return labels.get(record[self.field] or None)


class FormerNames(Part):
    """The part that says how else the source called the record. What it has said once stays true."""

    merged = True

    def meaning(self, model, value):
        return frozenset(value) if value else None

    def combine(self, last, new):
        return list(dict.fromkeys([*(last or ()), *(new or ())]))

    def read_from(self, records, source):
        names = source._former_names(records)
        return [names[record.id] for record in records]

    def holds(self, record, value, now):
        return set(value or ()) <= set(now or ())


class Reference(Part):
    """A part that names a record of another entity."""

    is_option = True

    def __init__(self, entity: str, field: str, instead_of: str | None = None):
        super().__init__(field, instead_of)
        self.entity = entity

    def find(self, model, source, text):
        return Domain(self.field, "in", source._find_ids(self.entity, text))

    def read_from(self, records, source):
        names_in = source._names_in(records, self.entity, records[self.field].ids)
        return [next(iter(names_in(record.id, record[self.field].id)), None) for record in records]

    def done(self, record, base, ours, theirs, found):
        return record[self.field].id == found.get((self.entity, theirs), False)

    def prepare(self, model, source, items):
        for item in items:
            item.values[self.field] = item.found.get((self.entity, value_at(item.decision.document, self.path)), False)


class Named(Part):
    """A part that names entries of a list, which are made where they are missing."""

    def list_of(self, model) -> Hashable:
        """What is equal for two parts that name entries of the same list."""
        return self.comodel(model)

    def comodel(self, model) -> str:
        return model._fields[self.field].comodel_name

    def names(self, record, item) -> list[Any]:
        """The names that ``item`` says.

        :param record: the record of the item; empty for a new one
        """
        value = value_at(item.decision.document, self.path)
        return [] if is_empty(value) else [value]

    def find_or_make(self, model, source, names: set) -> Mapping[Any, int]:
        """The id of the entry for each of ``names``."""
        return model.env[self.comodel(model)]._find_or_make(source.company_id, names)

    def to_command(self, ids: list[int]) -> Any:
        """The value of the field for the entries ``ids``."""
        return next(iter(ids), False)

    def prepare(self, model, source, items):
        """Nothing yet: see :func:`make_named`."""


class Code(Named):
    """A part that names one entry of a list by its code."""

    is_option = True

    def find(self, model, source, text):
        return Domain(self.field, "in", model.env[self.comodel(model)]._find_ids(source.company_id, text))

    def meaning(self, model, value):
        return None if is_empty(value) else model.env[self.comodel(model)]._code_key(value)

    def _read_one(self, record):
        return record[self.field].code or None

    def holds(self, record, value, now):
        return self.meaning(record, value) == (record[self.field].code_key or None)


class EnrichingCode(EnrichingValue, Code):
    """A code that refuses no document where there can be no such entry."""

    def names(self, record, item):
        unread = self.is_unread(None, value_at(item.decision.document, self.path))
        return [] if unread else super().names(record, item)


class Tags(Named):
    """A part that is a list of words, in no order."""

    def __init__(self, field: str, kind: str):
        super().__init__(field)
        self.kind = kind

    def meaning(self, model, value):
        return frozenset(value) if value else None

    def list_of(self, model):
        return self.comodel(model), self.kind

    def names(self, record, item):
        return list(dict.fromkeys(value_at(item.decision.document, self.path) or ()))

    def find_or_make(self, model, source, names):
        return model.env[self.comodel(model)]._find_or_make(self.kind, names)

    def to_command(self, ids):
        return [Command.set(ids)]


def collect(model_class: type) -> dict[str, Part]:
    """The parts that a model and whatever extends it list, by path; what extends a model may replace a part."""
    parts = {}
    for cls in reversed(model_class.__mro__):
        parts.update(vars(cls).get("_sync_parts", {}))
    for path, part in parts.items():
        part.path = path
    return parts


def lay_over(parts: Mapping[str, Part], last: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What a source says in all, where it said the document ``last`` before and says ``new`` now."""
    result = overlay(last, new)
    for path, part in parts.items():
        if part.instead_of and path in new and part.instead_of not in new:
            result.pop(part.instead_of, None)
        # A part that combines stands at the top of the document.
        if type(part).combine is not Part.combine and path in last and path in new:
            result[path] = part.combine(last[path], new[path])
        if type(part).complete is not Part.complete:
            part.complete(last, new, result)
    return result


def changed_paths(model, parts: Mapping[str, Part], last: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """The parts of which ``new`` says something that ``last`` does not say, or that means another thing.

    Silence is not a change.
    """
    paths = said_paths(new, parts)
    before = said_paths(last, paths)
    return {
        path
        for path in paths
        if path not in before or not parts[path].same(model, value_at(last, path), value_at(new, path))
    }


def make_named(model, source, parts: Mapping[str, Part], items: Iterable) -> None:
    """Make the entries of lists that ``items`` name and that are missing, and put all into the items' ``values``."""
    by_list = {}
    for path, part in parts.items():
        if isinstance(part, Named) and (touched := [item for item in items if path in item.paths]):
            by_list.setdefault(part.list_of(model), []).append((part, touched))
    if not by_list:
        return
    # Together, so that what one of them is asked is fetched for all.
    records = {record.id: record for record in model.browse([item.res_id for item in items if item.res_id])}
    for key in sorted(by_list, key=str):
        named = [
            (part, item, part.names(records.get(item.res_id, model.browse()), item))
            for part, touched in by_list[key]
            for item in touched
        ]
        ids = by_list[key][0][0].find_or_make(model, source, {name for _part, _item, names in named for name in names})
        for part, item, names in named:
            item.values[part.field] = part.to_command([ids[name] for name in names])
