"""Parts of a record that changed on both sides since the source last spoke: who wins, and what is remembered of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache
from typing import Any

import psycopg2.errors

from odoo.exceptions import ConcurrencyError

from ..contract.base import pointer
from .item import Item, Status, open_items
from .merge import Clash, is_empty, merge, overlay, put, said_paths, value_at, without
from .plan import Action, parse_time

SOURCE, ODOO, NEWEST, ASK = "source", "odoo", "newest", "ask"
# An item that ends so has clashes to remember.
RECORDED = frozenset({Status.CREATED, Status.UPDATED, Status.CONFLICT})


def resolve(source, model, items: list[Item], choices: Mapping[str, tuple[Any, str]] | None = None) -> None:
    """Take what Odoo holds into account: drop from each item's ``paths`` what is not to be written.

    Of a record that was there before its first document, nothing was said before: all that it holds is Odoo's.

    :param choices: what somebody has decided, for the parts that still are as they were then: path -> (what Odoo held,
        the side that won)
    """
    known = [
        item
        for item in open_items(items)
        if item.matched or (item.decision.action is Action.UPDATE and (item.paths or item.reread))
    ]
    found = [
        item for item in open_items(items) if item.decision.action is Action.CREATE and item.values and not item.matched
    ]
    records = dict(zip(known, model.browse([item.res_id for item in known]), strict=True))
    records.update((item, model.new(item.values)) for item in found)
    if not records:
        return
    parts = model._sync_get_parts()
    asked = {item: item.paths | _readable(item, record, parts) for item, record in records.items() if item.res_id}
    asked.update((item, item.paths & model._sync_found_paths()) for item in found)
    every_path = set().union(*asked.values())
    policies = source._conflict_policies(model._sync_entity, every_path)
    defaults = cache(lambda: model._sync_defaults(source))
    # What is asked of one of them is fetched for all.
    together = model.concat(*records.values())
    held = together._sync_to_json(source, every_path)
    documents = [{} if _is_first(item) else item.binding.document for item in records]
    said = {path: parts[path].said(together, source, documents) for path in every_path}
    for place, (item, record) in enumerate(zip(records, together, strict=True)):
        if NEWEST in policies.values():
            _note_change(item, record)
        # What Odoo did not understand, it did not take from the source.
        unread = {path for path in item.binding.unread if is_empty(held[place].get(path))} if item.binding else ()
        base = {path: None if path in unread else said[path][place] for path in asked[item]}
        clashes = _merge(item, record, parts, base, held[place], defaults)
        item.clashes = [(clash, _winner(item, clash, policies[clash.path], choices or {})) for clash in clashes]
    _note_tellers(source, model, items, parts)
    for item, record in zip(records, together, strict=True):
        item.paths |= {clash.path for clash, winner in item.clashes if winner == SOURCE}
        if any(winner is None for _clash, winner in item.clashes):
            _ask(model.env, item)
        else:
            _keep_ours(model, item, record, parts)
        if not (_is_first(item) or item.paths or item.clashes or item.binding.deleted):
            item.status = Status.UNCHANGED


def _readable(item: Item, record, parts) -> set[str]:
    """The parts that Odoo did not understand when they were said, and understands now."""
    return {path for path in item.reread if path in parts and parts[path].is_readable(record, item.decision.document)}


def _note_tellers(source, model, items: list[Item], parts) -> None:
    """Note which other sources have sent what Odoo holds where something clashes: it was no person in Odoo."""
    clashing = {item.res_id: item for item in items if item.clashes and item.res_id}
    for binding in model.browse(clashing)._find_bindings() if clashing else ():
        if binding.source_id != source and binding.document:
            item, record = clashing[binding.res_id], model.browse(binding.res_id)
            for clash, _winner in item.clashes:
                said = value_at(binding.document, clash.path)
                if not is_empty(said) and parts[clash.path].holds(record, said, clash.ours):
                    item.tellers[clash.path] = binding.source_id


def _is_first(item: Item) -> bool:
    """Whether the source has said nothing of the record before, though the record or its contact is there."""
    return item.decision.action is Action.CREATE


def _merge(item: Item, record, parts, base: dict[str, Any], ours: dict[str, Any], defaults) -> list[Clash]:
    """Leave in the item's ``paths`` what only the source changed; :return: what both sides did

    :param base: what the source said last, by path: of the parts that are compared
    """
    theirs = {path: value_at(item.decision.document, path) for path in base}
    result = merge(
        base,
        ours,
        theirs,
        untouched=lambda path, *sides: parts[path].merged or parts[path].untouched(record, *sides),
        done=lambda path, *sides: parts[path].done(record, *sides, item.found),
    )
    # What Odoo fills in by itself is nobody's change.
    of_odoo = {
        clash.path
        for clash in result.clashes
        if is_empty(clash.base) and (clash.path, clash.ours) in defaults().items()
    }
    clashes = [clash for clash in result.clashes if clash.path not in of_odoo]
    item.agreed = theirs.keys() - result.theirs - {clash.path for clash in result.clashes}
    item.paths = item.paths - theirs.keys() | result.theirs | of_odoo
    return clashes


def _note_change(item: Item, record) -> None:
    """Note when somebody last changed ``record`` in Odoo: what we wrote there ourselves since is no such change."""
    written_at = record._sync_written_at()
    if _is_first(item) or written_at > item.binding.written_at:
        item.changed_at = written_at


def _winner(item: Item, clash: Clash, policy: str, choices) -> str | None:
    """The side that wins ``clash``; None where somebody has to decide."""
    if clash.path in choices:
        seen, winner = choices[clash.path]
        if seen == clash.ours:
            item.decided.add(clash.path)
            return winner
    if policy == ASK:
        # Before its first document is applied, a record has no place where a conflict could wait.
        return ODOO if _is_first(item) else None
    if policy == NEWEST:
        sent = parse_time(item.document.get("updatedAt")) or (item.waiting and item.healing and item.waiting.since)
        changed_at = item.changed_at or item.binding.changed_at or item.binding.written_at
        # Without a time of its own, a document is as new as its arrival.
        return SOURCE if not sent or _naive(sent) >= changed_at else ODOO
    return policy


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc).replace(tzinfo=None)


def _ask(env, item: Item) -> None:
    for clash, winner in item.clashes:
        if winner is None:
            item.fail(
                "/" + clash.path.replace(".", "/"),
                "conflict",
                env._(
                    "%(field)s was changed in Odoo as well. Nothing was changed. Someone must choose a value in Odoo, "
                    "under School Sync > Sync > Conflicts.",
                    field=clash.path,
                ),
                Status.CONFLICT,
            )


def _keep_ours(model, item: Item, record, parts) -> None:
    kept = [clash for clash, winner in item.clashes if winner == ODOO]
    if kept:
        # What is applied says what Odoo says; what is remembered is what the source said.
        item.said = item.decision.document
        patch = {}
        for path, *sides in kept:
            left = parts[path].keep_ours(record, *sides)
            put(patch, path, left)
            if left != sides[1]:
                item.paths.add(path)
        item.decision = replace(item.decision, document=overlay(item.said, patch))
    for clash, winner in item.clashes:
        item.warn(_explain(model.env, item, clash, winner))


def _explain(env, item: Item, clash: Clash, winner: str | None) -> str:
    """Return what the sender is told of a clash that a rule, or somebody, has decided."""
    where = pointer(*clash.path.split("."))
    if teller := item.tellers.get(clash.path):
        if winner == ODOO:
            return env._(
                "%(pointer)s was changed by %(other)s. The conflict rule of this source keeps that value.",
                pointer=where,
                other=teller.name,
            )
        return env._(
            "%(pointer)s was changed by %(other)s. The conflict rule of this source replaced that value.",
            pointer=where,
            other=teller.name,
        )
    if not _is_first(item) and winner == ODOO:
        return env._(
            "%(pointer)s was changed in Odoo as well. The conflict rule of this source keeps Odoo's value.",
            pointer=where,
        )
    if not _is_first(item):
        return env._(
            "%(pointer)s was changed in Odoo as well. The conflict rule of this source replaced Odoo's value.",
            pointer=where,
        )
    if winner == ODOO:
        return env._(
            "%(pointer)s differs in the existing contact. The conflict rule of this source keeps Odoo's value.",
            pointer=where,
        )
    return env._(
        "%(pointer)s differs in the existing contact. The conflict rule of this source replaced Odoo's value.",
        pointer=where,
    )


def record(source, model, items: list[Item]) -> None:
    """Remember what clashed: what a rule has settled, with the value that lost, and what waits for a decision.

    What waited for one is not decided any more where the source has spoken anew about what clashed, and that is
    applied; where it spoke about something else, that something is newer than what waits.
    """
    # sudo: what both sides said is for managers, not for the API user, to read and to decide.
    conflicts = source.env["school.sync.conflict"].sudo()
    if any(item.clashes and item.status in RECORDED for item in items):
        try:
            conflicts._record(source, model._name, items)
        except psycopg2.errors.UniqueViolation as exc:
            raise ConcurrencyError("somebody else queues the same conflict") from exc
    overtaken, newer = [], {}
    for item in items:
        if not item.pending or item.status not in (Status.UPDATED, Status.UNCHANGED, Status.ARCHIVED):
            continue
        if item.status is Status.ARCHIVED or said_paths(item.document, item.pending.paths):
            overtaken.append(item.pending.id)
        else:
            newer[item.pending.id] = without(
                item.pending.document, {*said_paths(item.document, model._sync_get_parts()), "updatedAt"}
            )
    if overtaken:
        conflicts.browse(overtaken).write({"state": "overtaken", "document": False})
    for conflict in conflicts.browse(newer):
        conflict.document = newer[conflict.id]
