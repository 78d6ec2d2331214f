"""Records whose externalId has changed at the source, and records that were merged there (``previousExternalIds``).

The binding of an old id stays, as another name of the record: it points to the binding that replaced it, so that
documents which still use the old id find the record. It has no document of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from odoo.exceptions import UserError
from odoo.tools import SQL

from ..contract.text import quote
from .item import Held, Item, Status
from .merge import digest
from .plan import Action, Decision
from .sql import query

PATH = "previousExternalIds"
POINTER = f"/{PATH}"


def former_names(item: Item) -> list[str]:
    """The old ids that ``item`` says, and that its last document did not say."""
    names = item.document.get(PATH)
    binding = item.binding
    if not names or (binding and binding.res_id and not binding.successor and binding.document is None):
        return []
    known = {item.external_id, *((binding and binding.document or {}).get(PATH) or ())}
    return [name for name in dict.fromkeys(names) if name not in known]


def waves(items: Sequence[Item]) -> list[list[Item]]:
    """``items`` in the order in which they have to be applied: a document goes after those whose ids it replaces."""
    if not items:
        return []
    present = {item.external_id for item in items}
    graph = {
        item.external_id: present.intersection(item.document.get(PATH) or ()) - {item.external_id} for item in items
    }
    if not any(graph.values()):
        return [list(items)]
    sorter, result = TopologicalSorter(graph), []
    try:
        sorter.prepare()
    except CycleError:
        # Sent in several requests, and come together only now: the first one is applied, the next is refused.
        return [[item] for item in items]
    while sorter.is_active():
        names = set(sorter.get_ready())
        result.append([item for item in items if item.external_id in names])
        sorter.done(*names)
    return result


def refuse_circles(model, items: Iterable[Item]) -> None:
    """Refuse documents of one request that replace each other's ids in a circle."""
    graph = {item.external_id: set(item.document.get(PATH) or ()) - {item.external_id} for item in items}
    if not any(graph.values()):
        return
    by_name = {item.external_id: item for item in items}
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as exc:
            for name in exc.args[1]:
                graph.pop(name, None)
                if (item := by_name.get(name)) and item.status is None:
                    _refuse_circle(model, item)
        else:
            return


def look_up(model, items: Iterable[Item], held: Mapping[str, Held]) -> None:
    """Find out what the old ids that ``items`` name were: which record is renamed, and which are merged.

    :param held: what there is under each old id, and under the id that replaced it
    """
    taken = {}
    for item in items:
        roots = {}
        for name in item.former:
            binding = held[name].binding
            roots[(binding and binding.successor) or name] = name
        if item.binding and item.binding.successor:
            # An old id itself: refused for the circle, or left to be stale.
            if item.binding.successor in item.former:
                _refuse_circle(model, item)
            continue
        others = {
            root: name for root, name in roots.items() if root != name and root not in (item.external_id, *item.former)
        }
        others.update(
            (taken[root], root) for root in roots if taken.setdefault(root, item.external_id) != item.external_id
        )
        if others:
            root, name = next(iter(others.items()))
            _refuse(
                item,
                "id_replaced",
                model.env._(
                    "%(old)s was replaced by %(other)s before. If %(new)s replaces both, name both in "
                    "previousExternalIds.",
                    old=quote(name),
                    other=quote(root),
                    new=quote(item.external_id),
                ),
            )
            continue
        bound = [
            held[root]
            for root in roots
            if root != item.external_id and held[root].binding and held[root].binding.res_id
        ]
        if bound and not (item.binding and item.binding.res_id):
            there = bound.pop(0)
            item.binding, item.renamed = there.binding, True
            item.pending = item.pending or there.pending
            if not item.healing:
                item.waiting = item.waiting or there.waiting
        item.losers = [there.binding for there in bound]


def _refuse_circle(model, item: Item) -> None:
    _refuse(
        item,
        "id_circle",
        model.env._(
            "%(new)s replaces an id that has replaced it. Send the id that is used now, and only old ids in "
            "previousExternalIds.",
            new=quote(item.external_id),
        ),
    )


def _refuse(item: Item, code: str, detail: str) -> None:
    item.fail(POINTER, code, detail)
    item.decision = Decision(Action.REJECT, item.document, "", None)


def take_names(source, model, items: Sequence[Item]) -> None:
    """Merge the records of old ids into those of ``items``, and give their bindings the new ids."""
    for item in items:
        for loser in item.losers:
            _merge(model, item, loser.res_id, items)
    renamed = [item for item in items if item.renamed]
    if not renamed:
        return
    entity, names = model._sync_entity, [item.external_id for item in renamed]
    # What was there for the new id is a claim, or a name that somebody waits for.
    query(
        source.env,
        SQL(
            """
            DELETE FROM school_sync_binding
             WHERE source_id = %s AND entity = %s AND external_id = ANY(%s) AND res_id IS NULL
         RETURNING id
            """,
            source.id,
            entity,
            names,
        ),
    )
    ids = [item.binding.id for item in renamed]
    query(
        source.env,
        SQL(
            """
            UPDATE school_sync_binding b SET external_id = new.external_id
              FROM unnest(%s::int[], %s::varchar[]) AS new(id, external_id) WHERE b.id = new.id
         RETURNING b.id
            """,
            ids,
            names,
        ),
    )
    query(
        source.env,
        SQL(
            """
            UPDATE school_sync_conflict c
               SET external_id = new.external_id,
                   document = CASE WHEN jsonb_exists(c.document, 'externalId')
                                   THEN jsonb_set(c.document, '{externalId}', to_jsonb(new.external_id))
                                   ELSE c.document END
              FROM unnest(%s::int[], %s::varchar[]) AS new(id, external_id) WHERE c.binding_id = new.id
         RETURNING c.id
            """,
            ids,
            names,
        ),
    )
    source.env["school.sync.conflict"].invalidate_model(flush=False)


def _merge(model, item: Item, loser_id: int, items: Sequence[Item]) -> None:
    if loser_id == item.res_id:
        return
    try:
        with model.env.cr.savepoint():
            kept_id = model._sync_merge(loser_id, item.res_id)
    except UserError as exc:
        item.fail(
            POINTER,
            "cannot_be_merged",
            model.env._(
                "The records of these ids cannot be merged: %(reason)s Nothing was changed. Correct the records in "
                "Odoo, or leave the id out.",
                reason=exc,
            ),
        )
        return
    for other in items:
        if other.res_id in (loser_id, item.res_id):
            other.res_id = kept_id


def bind_former(source, model, items: Iterable[Item]) -> None:
    """Have the old ids that applied ``items`` name lead to their records.

    Documents that used the old ids use the new ones from here on.
    """
    rows = [(name, item) for item in items for name in item.former]
    if not rows:
        return
    query(
        source.env,
        SQL(
            """
            INSERT INTO school_sync_binding AS b
                   (source_id, company_id, entity, external_id, res_model, res_id, successor_id, version,
                    create_uid, create_date, write_uid, write_date)
            SELECT %(source_id)s, %(company_id)s, %(entity)s, old.external_id, %(res_model)s, old.res_id,
                   old.successor_id, 1, %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
              FROM unnest(%(names)s::varchar[], %(res_ids)s::int[], %(successors)s::int[])
                   AS old(external_id, res_id, successor_id)
             ORDER BY old.external_id COLLATE "C"
                ON CONFLICT (source_id, entity, external_id) DO UPDATE
               SET res_id = EXCLUDED.res_id, successor_id = EXCLUDED.successor_id, version = b.version + 1,
                   document = NULL, digest = NULL, remarks = NULL, deleted_at = NULL, write_date = EXCLUDED.write_date
         RETURNING b.id
            """,
            source_id=source.id,
            company_id=source.company_id.id,
            entity=model._sync_entity,
            res_model=model._name,
            uid=source.env.uid,
            names=[name for name, _item in rows],
            res_ids=[item.res_id for _name, item in rows],
            successors=[item.binding.id for _name, item in rows],
        ),
    )
    losers = [(loser.id, item) for item in items for loser in item.losers]
    if losers:
        # What was an old id of an old id is one of the new id.
        query(
            source.env,
            SQL(
                """
                UPDATE school_sync_binding b SET successor_id = new.successor_id, res_id = new.res_id
                  FROM unnest(%s::int[], %s::int[], %s::int[]) AS new(id, successor_id, res_id)
                 WHERE b.successor_id = new.id
             RETURNING b.id
                """,
                [loser_id for loser_id, _item in losers],
                [item.binding.id for _id, item in losers],
                [item.res_id for _id, item in losers],
            ),
        )
        # sudo: conflicts are for managers; what is to be decided about a record that was merged is over.
        conflicts = source.env["school.sync.conflict"].sudo()
        conflicts.search(
            [("binding_id", "in", [loser_id for loser_id, _item in losers]), ("state", "=", "open")]
        ).write({"state": "overtaken", "document": False})
    source.env["school.sync.binding"].invalidate_model(flush=False)
    _rename_in_documents(
        source, model, {name: item.external_id for name, item in rows}, {item.res_id for _n, item in rows}
    )


def _rename_in_documents(source, model, names: Mapping[str, str], res_ids: set[int]) -> None:
    """Have the last documents of what refers to the records ``res_ids`` call them by their new ``names``.

    Whoever sends the new id then says nothing new.
    """
    entity = model._sync_entity
    renames = {(entity, old): new for old, new in names.items()}
    changed: list[tuple[int, dict[str, Any]]] = []
    for referring in source._sync_entities():
        other = source._sync_model(referring).with_context(active_test=False)
        records = other._sync_find_referring(entity, list(res_ids))
        for binding in source._bindings_of(referring, records.ids, ["document"]) if records else ():
            if binding.document and (document := other._sync_rename(binding.document, renames)) != binding.document:
                changed.append((binding.id, document))
    if changed:
        changed.sort()
        store = source.env["school.sync.binding"]
        query(
            source.env,
            SQL(
                """
                UPDATE school_sync_binding b SET document = new.document::jsonb, digest = new.digest
                  FROM unnest(%s::int[], %s::text[], %s::varchar[]) AS new(id, document, digest) WHERE b.id = new.id
             RETURNING b.id
                """,
                [binding_id for binding_id, _document in changed],
                [store._document_text(document) for _id, document in changed],
                [digest(document) for _id, document in changed],
            ),
        )
        store.invalidate_model(flush=False)


def tell_replaced(model, item: Item) -> None:
    """Say of ``item``, a document of an old id, that it is too late."""
    item.fail(
        "/externalId",
        "replaced",
        model.env._(
            "%(old)s was replaced by %(new)s. Nothing was changed. Send this record as %(new)s.",
            old=quote(item.external_id),
            new=quote(item.binding.successor),
        ),
        Status.STALE,
    )
