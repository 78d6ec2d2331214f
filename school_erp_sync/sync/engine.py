"""How a batch of documents becomes records: the five steps of the design, each for the whole batch at once."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

import psycopg2.errors

from odoo.exceptions import ConcurrencyError, UserError
from odoo.tools import SQL

from ..contract.base import FieldError, Reading, read_all
from ..contract.text import quote
from . import conflicts, parking, renaming, repeats, turns
from .budget import Budget
from .isolation import (
    INTERNAL_ERROR,
    apply_in_groups,
    broken_rule,
    check_refused,
    explain,
    fail_not_tried,
    isolate,
    note_incident,
)
from .item import Binding, Held, Item, Pending, Refusal, Report, Status, Waiting, open_items
from .merge import digest, overlay, put, said_paths
from .parts import changed_paths, lay_over
from .plan import Action, Decision, Known, decide, parse_time
from .sql import query
from .texts import in_language_of

# Silences what a person would want from a form and a sync does not: a chatter message, a follower or a mail per record.
# Constraints, computed fields, access rules and accounting are untouched.
SYNC_CONTEXT = {
    "tracking_disable": True,
    "mail_create_nolog": True,
    "mail_create_nosubscribe": True,
    "mail_notrack": True,
    "no_reset_password": True,
    # Odoo's own way with systems that do not know which tax numbers it takes for valid.
    "no_vat_validation": True,
}
# Money is tracked, always: with the messages of a form, written for the whole batch at once.
MONEY_CONTEXT = {**dict.fromkeys(SYNC_CONTEXT, False), "mail_create_nosubscribe": True, "school_sync_audit": True}


class ClaimLost(ConcurrencyError):
    """Somebody else was first to claim the same documents, and nothing was made yet: to be run again at once.

    ``names`` are the (entity, externalId) for which it is better to :func:`turns.wait` before.
    """

    def __init__(self, message: str, names: Sequence[tuple[str, str]] = ()):
        super().__init__(message)
        self.names = names


def run(
    source,
    entity: str,
    raws: Sequence[Any],
    *,
    atomic: bool = False,
    parking_allowed: bool = True,
    budget: Budget | None = None,
) -> Report:
    """Upsert ``raws`` as documents of ``entity`` on behalf of ``source``.

    Runs in the caller's transaction, with the rights of the caller's user; nothing is committed here.

    :param source: the ``school.sync.source`` that sends, in the environment of its own user
    :param entity: the kind of record, as in the path of the API
    :param raws: parsed JSON values, one a document
    :param atomic: all or nothing: if one document does not go through, none is applied
    :param parking_allowed: whether a document that refers to a record which has not arrived waits for it, or fails
    :param budget: of the request; one that begins now, if not given. What it leaves no time for is not tried.
    :return: what became of each document, in the order received
    :raises odoo.exceptions.ConcurrencyError: somebody else is applying the same documents; run again, on a fresh
        snapshot. It is :class:`ClaimLost` where nothing was made yet.
    """
    report = _run(source, entity, raws, [], atomic=atomic, parking_allowed=parking_allowed, budget=budget or Budget())
    _explain_missing(source, {entity: report})
    return report


def _run(
    source, entity: str, raws, validated: list[list[Item]], *, atomic=False, parking_allowed, budget, heal=True
) -> Report:
    """As :func:`run`; ``validated`` holds the items of ``raws``, if these have been validated.

    :param heal: whether to apply what waits for these documents, or leave that to the caller
    """
    model = _model(source, entity)
    if not validated:
        validated.append(_validate(source, model, raws))
    report = Report(model._name, validated[0])
    with model.env.cr.savepoint() if atomic else nullcontext() as savepoint:
        for wave in renaming.waves(report.items):
            places = {item.index for item in wave}

            def make(places=places) -> list[Item]:
                items = validated.pop() if validated else _validate(source, model, raws)
                return [item for item in items if item.index in places]

            decided = {
                item.index: item for item in _decide_isolating(source, model, make, parking_allowed=parking_allowed)
            }
            report.items = [decided.get(item.index, item) for item in report.items]
            if atomic and not all(item.status is None or item.went_through for item in decided.values()):
                break
            report.healed += _carry_out(source, model, list(decided.values()), budget, heal=heal)
        if atomic and not all(item.went_through for item in report.items):
            savepoint.rollback()
    if atomic and not all(item.went_through for item in report.items):
        _roll_back(source, {model: report})
    return report


def run_bundle(
    source,
    bundle: Mapping[str, Sequence[Any]],
    *,
    atomic: bool = False,
    parking_allowed: bool = True,
    budget: Budget | None = None,
) -> dict[str, Report]:
    """Upsert documents of several entities, in the order in which they refer to each other.

    :param bundle: for each entity its documents, as :func:`run` takes them
    :param atomic: all or nothing, over all entities
    :return: a report for each entity, in the order applied
    """
    entities = [entity for entity in source._sync_order() if entity in bundle]
    how = {"parking_allowed": parking_allowed, "budget": budget or Budget()}

    def run_all() -> dict[str, Report]:
        items = {entity: _validate(source, _model(source, entity), bundle[entity]) for entity in entities}
        claimed = _claim_bundle(source, items)
        # What waits is applied once, after all that came, and invoices late: their numbers are locked until the commit.
        # A document that may not wait needs what has waited for those before it.
        reports = {
            entity: _run(source, entity, bundle[entity], [items[entity]], heal=not parking_allowed, **how)
            for entity in entities
        }
        if parking_allowed:
            _heal_after(source, list(reports.values()), how["budget"])
        _catch_up(reports.values(), [healed for report in reports.values() for healed in report.healed])
        _release_unused(source, claimed)
        _explain_missing(source, reports)
        return reports

    if not atomic:
        return run_all()
    with source.env.cr.savepoint() as savepoint:
        reports = run_all()
        failed = not all(item.went_through for report in reports.values() for item in report.items)
        if failed:
            savepoint.rollback()
    if failed:
        _roll_back(source, {_model(source, entity): report for entity, report in reports.items()})
    return reports


def retry(source, waiting: Mapping[str, Sequence[tuple[str, Waiting]]]) -> list[Report]:
    """Try documents that wait once more, and what has waited for them.

    :param waiting: for each entity the documents, with their externalIds
    """
    due = {
        entity: [parking.healing_item(index, *one) for index, one in enumerate(documents)]
        for entity, documents in waiting.items()
    }
    return _heal(source, Budget(), due=due)


def apply_decided(source, entity: str, document: Mapping[str, Any], choices: Mapping[str, tuple[Any, str]]) -> Report:
    """Apply a ``document`` that was in conflict, as somebody has decided.

    :param choices: for each path that clashed, what Odoo held when it was decided and the side that wins
    :return: a report of the one document; in conflict again where Odoo holds something else meanwhile
    """
    model = _model(source, entity)
    item = Item(0, dict(document), document["externalId"], document=dict(document), healing=True)
    _decide(source, model, [item], choices=choices)
    return Report(model._name, [item], healed=_carry_out(source, model, [item], Budget()))


def restore(source, entity: str, external_id: str, values: Mapping[str, Any]) -> Report:
    """Put ``values`` back into a record, by path, as if somebody had entered them in Odoo.

    What the source last said stays what it last said; the version rises, for the record is no longer what it was.

    :raises odoo.exceptions.UserError: where there is no record any more to put them into
    """
    model = _model(source, entity)
    document = {"externalId": external_id}
    for path, value in values.items():
        put(document, path, value)
    item = Item(0, document, external_id, document=document, paths=set(values), healing=True, restored=True)
    item.binding = binding = find_bindings(source, entity, [(external_id, None)]).get(external_id)
    if not binding or not model.browse(binding.res_id).exists():
        raise UserError(model.env._("The record does not exist any more."))
    if binding.deleted:
        raise UserError(model.env._("The source has deleted this record. Restore it first."))
    item.res_id = binding.res_id
    item.decision = Decision(Action.UPDATE, overlay(binding.document, document), binding.digest, binding.updated_at)
    item.said, item.changed_at = binding.document, source.env.cr.now()
    _resolve_references(source, model, [item], parking_allowed=False)
    _prepare(source, model, [item])
    _apply(source, model, [item], Budget())
    return Report(model._name, [item])


def archive(source, entity: str, external_id: str) -> Item | None:
    """Archive the record that ``external_id`` names: what DELETE means for records that others refer to.

    :return: the item, archived or unchanged (it was archived before), or None where nothing is known by that id
    :raises odoo.exceptions.UserError: where Odoo refuses it
    """
    model = _model(source, entity)
    binding, waiting, pending = _find_held(source, model, [(external_id, None)])[external_id]
    record = model.browse(binding.res_id if binding else None)
    item = Item(0, None, external_id, binding=binding, waiting=waiting, pending=pending, status=Status.ARCHIVED)
    if waiting:
        parking.forget(source, [waiting.id])
    if not record:
        return item if waiting else None
    item.res_id, item.version = record.id, binding.version
    if binding.deleted:
        item.status = Status.ARCHIVED if waiting else Status.UNCHANGED
        return item
    _claim(source, model, [item])
    # What is still known by another name, as after a merge, or to another source, is not gone with this one.
    names = record._find_bindings().filtered(lambda one: one.source_id.active and one.id != binding.id)
    living = names.filtered(lambda one: not one.deleted_at and not one.successor_id)
    others = living.source_id.filtered(lambda one: one != source)
    if others:
        item.warn(
            model.env._(
                "%(record)s stays active in Odoo, as it was not deleted by %(sources)s.",
                record=quote(external_id),
                sources=", ".join(others.mapped("name")),
            )
        )
    if living:
        # Whoever deletes that name at this moment, and cannot see that this one is gone, is made to look again.
        _touch(source, living.ids)
    try:
        with model.env.cr.savepoint():
            if not living:
                record.action_archive()
    except psycopg2.errors.IntegrityError as exc:
        raise UserError(broken_rule(model, exc)) from exc
    item.version += 1
    query(
        source.env,
        SQL(
            """
            UPDATE school_sync_binding
               SET deleted_at = now() AT TIME ZONE 'UTC', version = %s, write_date = now() AT TIME ZONE 'UTC'
             WHERE id = %s
         RETURNING id
            """,
            item.version,
            binding.id,
        ),
    )
    source.env["school.sync.binding"].invalidate_model(flush=False)
    conflicts.record(source, model, [item])
    return item


def _model(source, entity: str):
    model = source._sync_model(entity)
    return model.with_context(**(MONEY_CONTEXT if model._sync_is_money else SYNC_CONTEXT))


def _decide(source, model, items: list[Item], *, parking_allowed: bool = True, choices=None) -> None:
    """Steps 2 and 3, and all that can be found out before anything is written."""
    _look_up(source, model, items)
    _plan(model, items)
    _resolve_references(source, model, items, parking_allowed=parking_allowed)
    model._sync_match(source, [item for item in open_items(items) if item.decision.action is Action.CREATE])
    conflicts.resolve(source, model, items, choices)
    _prepare(source, model, items)


def _decide_isolating(source, model, make: Callable[[], list[Item]], **options) -> list[Item]:
    """As :func:`_decide`; a document at which that raises fails, the rest go on.

    :param make: returns the items, about which nothing is decided yet; called again where one of them raises
    """
    items = make()
    try:
        with model.env.cr.savepoint():
            _decide(source, model, items, **options)
    except Exception as exc:
        explain(model, exc)
    else:
        return items
    items, incidents, bad = make(), {}, set()
    for item in items:
        try:
            with model.env.cr.savepoint():
                _decide(source, model, [item], **options)
        except Exception as exc:
            item.decision = item.decision or Decision(Action.REJECT, item.document, "", None)
            item.fail(*(explain(model, exc) or note_incident(model, exc, incidents)))
            bad.add(item.index)
    # Once more together: of two that match the same person, only one may have it.
    rest = {item.index: item for item in make() if item.index not in bad}
    try:
        with model.env.cr.savepoint():
            _decide(source, model, list(rest.values()), **options)
    except Exception as exc:
        explain(model, exc)
        return items
    return [rest.get(item.index, item) for item in items]


def _carry_out(source, model, items: list[Item], budget: Budget, *, heal: bool = True) -> list[Report]:
    """Steps 4 and 5; :return: the reports of what had waited for it"""
    _apply(source, model, items, budget)
    parked = [item for item in items if item.status is Status.PARKED]
    isolate(model, parked, partial(parking.keep, source, model._sync_entity))
    # Those of what is applied are recorded with it.
    undecided = [
        item for item in items if item.status is Status.CONFLICT or (item.pending and item.status is Status.UNCHANGED)
    ]
    isolate(model, undecided, partial(conflicts.record, source, model))
    _release(source, parked + undecided)
    parking.settle(source, items)
    if not heal:
        return []
    report = Report(model._name, items)
    _heal_after(source, [report], budget)
    _catch_up([report], report.healed)
    return report.healed


def _heal_after(source, reports: Sequence[Report], budget: Budget) -> None:
    """Apply what has waited for the documents of ``reports``, and note it in the last of them."""
    if reports:
        reports[-1].healed += _heal(
            source,
            budget,
            arrived=[name for report in reports for name in _awaited(source.env[report.model], report.items)],
            parked=[item.waiting.id for report in reports for item in report.items if item.status is Status.PARKED],
        )


def _heal(source, budget: Budget, *, arrived=(), parked=(), due=None) -> list[Report]:
    """Apply what has waited for ``arrived`` (entity, externalId), what has waited for that, and so on.

    What ``budget`` leaves no time for goes on waiting, and is applied by a job that runs at once.

    :param parked: ids of documents that began to wait just now, and may have closed a circle
    :param due: what to begin with instead
    """
    reports, caught = [], set(parked)
    while True:
        if due is None and arrived:
            due, incomplete = parking.due(source, arrived)
            caught.update(incomplete)
        if not due:
            due = parking.cut_circles(source, caught) if caught else {}
            caught = set()
        if not due:
            return reports
        arrived = []
        for entity in source._sync_order():
            for waiting in renaming.waves(due.get(entity, ())):
                model = _model(source, entity)
                items = _decide_isolating(source, model, partial(parking.again, waiting))
                _carry_out(source, model, items, budget, heal=False)
                if any(item.status is Status.NOT_TRIED for item in items):
                    parking.apply_soon(source.env)
                    items = [item for item in items if item.status is not Status.NOT_TRIED]
                reports.append(Report(model._name, items))
                arrived += _awaited(model, items)
                caught.update(item.waiting.id for item in items if item.status is Status.PARKED)
        due = None


def _awaited(model, items: list[Item]) -> list[tuple[str, str]]:
    """What is new and may be waited for, by (entity, externalId)."""
    # What was parked together with it may wait for it as well.
    parked_too = any(item.status is Status.PARKED for item in items)
    return [
        (model._sync_entity, name)
        for item in items
        if item.status is Status.CREATED or (item.status is Status.UPDATED and (item.matched or item.former))
        if item.awaited or item.former or parked_too
        for name in (item.external_id, *item.former)
    ]


def _catch_up(reports, healed: Sequence[Report]) -> None:
    """Tell of the documents that were parked by this request, and healed by it, what became of them in the end."""
    ends = {}
    for report in healed:
        for item in report.items:
            if item.status in (Status.CREATED, Status.UPDATED):
                ends.setdefault((report.model, item.external_id), []).append(item)
    for report in reports:
        for item in report.items:
            if item.status is Status.PARKED and (mended := ends.get((report.model, item.external_id))):
                # Where a circle had to be broken, it was made first and completed then.
                item.status = mended[0].status
                item.res_id, item.version, item.warnings = mended[-1].res_id, mended[-1].version, mended[-1].warnings


def _explain_missing(source, reports: Mapping[str, Report]) -> None:
    """Find out of what parked documents wait for whether it was refused, in this request or before.

    :param reports: by entity
    """
    parked = [item for report in reports.values() for item in report.items if item.status is Status.PARKED]
    missing = {(reference.entity, reference.external_id) for item in parked for reference in item.missing}
    if not missing:
        return
    now = datetime.now(timezone.utc)
    refused = {
        (entity, item.external_id): Refusal(
            entity, item.external_id, now, " ".join(error.detail for error in item.errors)
        )
        for entity, report in reports.items()
        for item in report.items
        if item.status is Status.FAILED
    }
    found = parking.refusals(source, missing, refused)
    for item in parked:
        item.refusals = {key: found[key] for one in item.missing if (key := (one.entity, one.external_id)) in found}


def _roll_back(source, reports: Mapping[Any, Report]) -> None:
    """Say of the documents of ``reports``, by model, that nothing of them was applied, as one could not be."""
    items = [item for report in reports.values() for item in report.items]
    # Where none is at fault, all of them may go through the next time.
    is_late = all(item.went_through or item.status in (None, Status.NOT_TRIED) for item in items)
    for item in items:
        if item.status in (None, Status.NOT_TRIED) or item.went_through:
            item.status, item.res_id, item.version, item.errors = Status.ROLLED_BACK, None, None, []
            if is_late:
                fail_not_tried(source.env, item)
    for model, report in reports.items():
        report.healed = []
        # What waits for a decision is to be seen by those who decide, applied or not.
        conflicts.record(source, model, [item for item in report.items if item.status is Status.CONFLICT])


# 1 — validate


def _validate(source, model, raws: Sequence[Any]) -> list[Item]:
    repeated = repeats.find(source, model, raws)
    items = list(repeated.values())
    places = [place for place in range(len(raws)) if place not in repeated]
    readings = _read_all(model, [raws[place] for place in places])
    shown = model._sync_withhold([reading.document for reading in readings])
    for index, reading, (document, hidden) in zip(places, readings, shown, strict=True):
        raw = raws[index]
        item = Item(index, raw, document=document, errors=reading.errors, warnings=reading.warnings)
        if hidden:
            item.warn(
                model.env._(
                    "The API user of this source may not see sensitive data, so this was ignored: %(fields)s. "
                    "Give the user the right Sensitive Data in Odoo, then send the document again.",
                    fields=", ".join(sorted(hidden)),
                )
            )
        item.external_id = item.document.get("externalId") or _external_id(raw)
        if item.errors:
            item.status = Status.FAILED
            # Not to be applied, but checked to the end: whoever mends it wants to know everything at once.
            item.decision = Decision(Action.REJECT, item.document, "", None)
            item.paths = said_paths(item.document, model._sync_get_parts())
        items.append(item)
    items.sort(key=lambda item: item.index)
    renaming.refuse_circles(model, items)
    return items


def _read_all(model, raws: Sequence[Any]) -> list[Reading]:
    """As the contract's :func:`read_all`; a document at which that raises is refused, the rest go on."""
    try:
        return [in_language_of(model.env.user, reading) for reading in read_all(model._sync_document, raws)]
    except Exception as exc:
        if len(raws) == 1:
            return [Reading({}, [FieldError(*note_incident(model, exc, {}))])]
    alone = [_read_all(model, [raw])[0] for raw in raws]
    failed = [any(error.code == INTERNAL_ERROR for error in reading.errors) for reading in alone]
    # Once more together, for what is wrong with several.
    readings = _read_all(model, [raw for raw, is_bad in zip(raws, failed, strict=True) if not is_bad])
    return [one if is_bad else readings.pop(0) for one, is_bad in zip(alone, failed, strict=True)]


def _external_id(raw: Any) -> str | None:
    """The identity that even a bad document may have told, so that its sender finds it in the answer and the log."""
    external_id = raw.get("externalId") if isinstance(raw, dict) else None
    return external_id[:255].replace("\0", "") if isinstance(external_id, str) else None


# 2 — look up


def _look_up(source, model, items: list[Item]) -> None:
    asking = open_items(items)
    if not asking:
        return
    for item in asking:
        item.digest = item.digest or digest(item.document)
    held = _find_held(source, model, [(item.external_id, item.digest) for item in asking])
    parts = model._sync_get_parts()
    for item in asking:
        item.binding, _waiting, item.pending = held[item.external_id]
    _look_up_former(source, model, asking)
    for item in open_items(asking):
        waiting, sent = item.waiting or held[item.external_id].waiting, item.document
        if waiting and not item.healing:
            # What was accepted and not applied yet is part of what the source has said.
            item.waiting = waiting
            item.document = lay_over(parts, waiting.document, item.document)
        if item.pending and said_paths(item.document, item.pending.paths):
            # It may end the conflict; the rest of what was held back with it is then applied as well.
            item.document = lay_over(parts, item.pending.document, item.document)
        if item.document is not sent:
            item.digest = digest(item.document)


def _look_up_former(source, model, items: list[Item]) -> None:
    """Find out what the old ids are that ``items`` say for the first time, if they say any."""
    for item in items:
        item.former = renaming.former_names(item)
    asking = [item for item in items if item.former]
    if asking:
        held = _find_held(source, model, [(name, None) for name in sorted({n for item in asking for n in item.former})])
        roots = {one.binding.successor for one in held.values() if one.binding and one.binding.successor}
        if roots := sorted(roots - held.keys()):
            held.update(_find_held(source, model, [(name, None) for name in roots]))
        renaming.look_up(model, asking, held)


def _find_held(source, model, identities: Sequence[tuple[str, str | None]]) -> dict[str, Held]:
    """What is held of ``identities`` (externalId, digest of what has arrived), by externalId, in one query.

    A record may have been deleted past the ORM; its binding then binds nothing. The last document comes along only
    where it is needed: where something other than it may have arrived.
    """
    source.env["school.sync.conflict"].flush_model(["document", "state"])
    # Raw SQL: some index look-ups for a whole batch, and past the field groups that keep documents from API users. The
    # names are said twice for the planner: of a source that has just begun to send it knows nothing, and would go
    # through all of its bindings for the one that is asked for.
    rows = query(
        source.env,
        SQL(
            """
            SELECT asked.external_id,
                   b.id, record.id, b.version, b.digest, b.source_updated_at AT TIME ZONE 'UTC',
                   b.deleted_at IS NOT NULL,
                   CASE WHEN b.digest = asked.digest AND b.deleted_at IS NULL AND p.id IS NULL AND c.id IS NULL
                             AND b.remarks IS NULL
                        THEN NULL ELSE b.document END,
                   b.write_date, b.changed_in_odoo_at, b.remarks,
                   CASE WHEN b.successor_id IS NOT NULL
                        THEN (SELECT s.external_id FROM school_sync_binding s WHERE s.id = b.successor_id) END,
                   p.id, p.document, p.source_updated_at AT TIME ZONE 'UTC', p.create_date AT TIME ZONE 'UTC',
                   c.id, c.document, ARRAY(SELECT path FROM school_sync_conflict_line WHERE conflict_id = c.id)
              FROM unnest(%(external_ids)s::varchar[], %(digests)s::varchar[]) AS asked(external_id, digest)
              LEFT JOIN school_sync_binding b
                ON b.source_id = %(source_id)s AND b.entity = %(entity)s AND b.external_id = asked.external_id
               AND b.external_id = ANY(%(external_ids)s)
              LEFT JOIN %(table)s record ON record.id = b.res_id
              LEFT JOIN school_sync_parked p
                ON p.source_id = %(source_id)s AND p.entity = %(entity)s AND p.external_id = asked.external_id
              LEFT JOIN school_sync_conflict c ON c.binding_id = b.id AND c.state = 'open'
            """,
            external_ids=[external_id for external_id, _digest in identities],
            digests=[document_digest for _external_id, document_digest in identities],
            source_id=source.id,
            entity=model._sync_entity,
            table=SQL.identifier(model._table),
        ),
    )
    return {
        row[0]: Held(
            Binding(*row[1:12]) if row[1] else None,
            Waiting(*row[12:16]) if row[12] else None,
            Pending(*row[16:18], frozenset(row[18])) if row[16] else None,
        )
        for row in rows
    }


def find_bindings(source, entity: str, identities: Sequence[tuple[str, str | None]]) -> dict[str, Binding]:
    """The bindings of ``identities`` (externalId, digest of what has arrived), by externalId, in one query.

    The last document comes along only where it is needed: where its digest differs.
    """
    # Raw SQL: one index look-up for a whole batch, and past the field groups that keep documents from API users.
    rows = query(
        source.env,
        SQL(
            """
            SELECT b.external_id, b.id, b.res_id, b.version, b.digest, b.source_updated_at AT TIME ZONE 'UTC',
                   b.deleted_at IS NOT NULL,
                   CASE WHEN b.digest = asked.digest AND b.deleted_at IS NULL THEN NULL ELSE b.document END,
                   b.write_date, b.changed_in_odoo_at, b.remarks
              FROM unnest(%(external_ids)s::varchar[], %(digests)s::varchar[]) AS asked(external_id, digest)
              JOIN school_sync_binding b
                ON b.source_id = %(source_id)s AND b.entity = %(entity)s AND b.external_id = asked.external_id
            """,
            external_ids=[external_id for external_id, _digest in identities],
            digests=[document_digest for _external_id, document_digest in identities],
            source_id=source.id,
            entity=entity,
        ),
    )
    return {external_id: Binding(*rest) for external_id, *rest in rows}


# 3 — plan


def _plan(model, items: list[Item]) -> None:
    parts = model._sync_get_parts()
    for item in open_items(items):
        binding = item.binding
        known = None
        if binding and binding.successor:
            item.res_id = binding.res_id
            item.decision = Decision(Action.STALE, item.document, item.digest, None)
            renaming.tell_replaced(model, item)
            continue
        if binding and binding.res_id:
            document = item.document if binding.document is None else binding.document
            known = Known(document, binding.digest, binding.updated_at, binding.deleted)
            item.res_id, item.version = binding.res_id, binding.version
        held = [
            item.waiting and item.waiting.updated_at,
            item.pending and parse_time(item.pending.document.get("updatedAt")),
        ]
        item.decision = decide(
            known, item.document, item.digest, max(filter(None, held), default=None), partial(lay_over, parts)
        )
        said = said_paths(item.decision.document, binding.unread) if binding and known else set()
        if item.decision.action is Action.UNCHANGED and not said:
            item.status = Status.UNCHANGED
        elif item.decision.action is Action.STALE:
            item.fail(
                "/updatedAt",
                "stale",
                model.env._(
                    "updatedAt %(sent)s is older than %(held)s, the time of the newest document. Nothing was changed. "
                    "Send the newest document.",
                    sent=item.document["updatedAt"],
                    held=item.decision.updated_at.isoformat(),
                ),
                Status.STALE,
            )
        else:
            if item.decision.action is Action.UNCHANGED:
                item.decision = replace(item.decision, action=Action.UPDATE)
            else:
                item.paths = changed_paths(model, parts, known.document if known else {}, item.decision.document)
            item.reread = said - item.paths
            if known and not item.paths and not item.reread and not known.deleted:
                item.status = Status.UNCHANGED


def _resolve_references(source, model, items: list[Item], *, parking_allowed: bool) -> None:
    planned = _to_check(items)
    for item in planned:
        item.references = list(model._sync_references(item.document))
    wanted = {(reference.entity, reference.external_id) for item in planned for reference in item.references}
    if not wanted:
        return
    rows = query(
        source.env,
        SQL(
            """
            SELECT b.entity, b.external_id, b.res_id,
                   CASE WHEN b.successor_id IS NOT NULL
                        THEN (SELECT s.external_id FROM school_sync_binding s WHERE s.id = b.successor_id) END
              FROM unnest(%(entities)s::varchar[], %(external_ids)s::varchar[]) AS asked(entity, external_id)
              JOIN school_sync_binding b
                ON b.source_id = %(source_id)s AND b.entity = asked.entity AND b.external_id = asked.external_id
             WHERE b.res_id IS NOT NULL
            """,
            entities=[entity for entity, _external_id in wanted],
            external_ids=[external_id for _entity, external_id in wanted],
            source_id=source.id,
        ),
    )
    known = {(entity, external_id): res_id for entity, external_id, res_id, _new in rows}
    if renames := {(entity, external_id): new for entity, external_id, _id, new in rows if new}:
        known.update(((entity, new), known[entity, old]) for (entity, old), new in renames.items())
        _use_new_names(model, [item for item in planned if item.status is None], renames)
    for item in planned:
        if item.status is Status.UNCHANGED:
            continue
        for reference in item.references:
            res_id = known.get((reference.entity, reference.external_id))
            if res_id:
                item.found[reference.entity, reference.external_id] = res_id
            else:
                item.missing.append(reference)
        if item.missing and parking_allowed and item.status is None:
            item.status = Status.PARKED
        elif not parking_allowed:
            for reference in item.missing:
                item.fail(
                    reference.pointer,
                    "reference_missing",
                    model.env._(
                        "%(record)s does not exist in %(entity)s. Send it first, then send this document again.",
                        record=quote(reference.external_id),
                        entity=reference.entity,
                    ),
                )


def _use_new_names(model, items: list[Item], renames: Mapping[tuple[str, str], str]) -> None:
    """Have ``items`` call records by the ids that have replaced those that they use, and plan them anew."""
    for item in items:
        if any((reference.entity, reference.external_id) in renames for reference in item.references):
            item.document = model._sync_rename(item.document, renames)
            item.digest, item.paths = digest(item.document), set()
            item.references = list(model._sync_references(item.document))
            _plan(model, [item])


def _prepare(source, model, items: list[Item]) -> None:
    planned = _to_check(items)
    if planned:
        model._sync_values(source, planned)
    # Of what is the same as ever there is nothing to remark, unless there was before.
    read = [item for item in items if item.status in (None, Status.PARKED) or _is_restated(item)]
    if read:
        model._sync_remarks(source, read)


def _is_restated(item: Item) -> bool:
    """Whether ``item`` changes nothing, and says so in other words, or with remarks."""
    return item.status is Status.UNCHANGED and bool(item.decision.digest != item.binding.digest or item.binding.remarks)


def _to_check(items: list[Item]) -> list[Item]:
    return [item for item in items if item.status in (None, Status.PARKED, Status.FAILED)]


# 4 — apply


def _apply(source, model, items: list[Item], budget: Budget) -> None:
    """Apply what is planned; what Odoo refuses of it is isolated, the rest goes on."""
    planned = open_items(items)
    # A document that says nothing new may be newer all the same, and what comes later is measured against that.
    unchanged = [item for item in items if item.status is Status.UNCHANGED]
    # It may say the same in other words, or anew what Odoo holds already.
    restated = [
        item
        for item in unchanged
        if item.decision.digest != item.binding.digest or item.remarks_as_json() != item.binding.remarks
    ]
    newer = [item for item in unchanged if item.decision.updated_at != item.binding.updated_at]
    in_conflict = [item for item in items if item.status is Status.CONFLICT and item.clashes]
    parked = [item for item in items if item.status is Status.PARKED]
    _claim(source, model, list(dict.fromkeys(planned + newer + restated)), postponed=in_conflict + parked)
    if planned:
        apply_in_groups(
            model,
            planned,
            partial(_apply_together, source, model),
            budget,
            partial(_find_suspects, source, model),
        )
        _release(source, planned)
    if newer:
        _store_times(source, newer)
    if restated:
        _store_restated(source, model, restated)


def _claim(source, model, items: list[Item], postponed: Sequence[Item] = ()) -> None:
    """Take the bindings of ``items`` before anything is made, so that only one transaction can be making it.

    A row that is new is inserted, one that is there is locked. In the order in which entities refer to each other, and
    then of externalId: two batches that overlap wait for each other, and never in a circle. If the other one was first,
    PostgreSQL ends this transaction with a serialization failure, and it is run again on a snapshot that sees what the
    other did.

    What is ``postponed``, parked or in conflict, changes no record that the others could see. Its bindings, and those
    of what it waits for, made without a record where there are none, are therefore changed all the same: whoever works
    on one of them at this moment, and cannot see that somebody waits, is made to look again. A row that was merely
    locked by somebody else is no reason for PostgreSQL to end a transaction.

    What a model says an item is tied to (``_sync_claims``) is claimed in the same way.

    :raises ClaimLost: the other one was first
    """
    claims = {(model._sync_entity, item.external_id): model._name for item in (*items, *postponed)}
    further = [claim for item in items for claim in model._sync_claims(item)]
    further += [(model._sync_entity, name) for item in items for name in item.former]
    for item in postponed:
        further += [(reference.entity, reference.external_id) for reference in item.missing]
    if not claims:
        return
    for claim in further:
        claims.setdefault(claim, source._sync_model(claim[0])._name)
    rank = {entity: place for place, entity in enumerate(source._sync_order())} if further else {}
    ordered = sorted(claims, key=lambda claim: (rank.get(claim[0], 0), claim[1]))
    with _losing_early():
        inserted = _insert_claims(source, [(*claim, claims[claim]) for claim in ordered])
        if known := [item.binding.id for item in postponed if item.binding]:
            _touch(source, known)
        model._sync_claim_keys(source, items)
    for item in items:
        names = [(model._sync_entity, name) for name in (item.external_id, *item.former)]
        item.claims += [inserted[name] for name in names if name in inserted]
        if names[0] in inserted and not item.renamed:
            item.binding = Binding(inserted[names[0]])


def _claim_bundle(source, items: Mapping[str, list[Item]]) -> list[int]:
    """Claim what the documents of a bundle are, what they refer to, and what waits for the same, before all else.

    Each entity claims its own when its turn comes, and what is healed by it. Two bundles about the same families would
    meet in a circle there, and one of them would be undone with most of its work done.

    :return: the ids of the bindings made for it; :raises ClaimLost: somebody else was first
    """
    asked = {}
    for entity, documents in items.items():
        model = source._sync_model(entity)
        for item in open_items(documents):
            item.digest = digest(item.document)
            asked[entity, item.external_id] = item.digest
            try:
                references = list(model._sync_references(item.document))
            except Exception as exc:
                # It fails, and is told why, when its turn comes.
                explain(model, exc)
                continue
            for reference in references:
                asked.setdefault((reference.entity, reference.external_id), None)
    rank = {entity: place for place, entity in enumerate(source._sync_order())}
    ordered = sorted(parking.unsettled(source, asked), key=lambda claim: (rank[claim[0]], claim[1]))
    if not ordered:
        return []
    if not turns.take(source, ordered):
        raise ClaimLost("somebody else applies the same documents", ordered)
    claims = [(*claim, source._sync_model(claim[0])._name) for claim in ordered]
    with _losing_early():
        return list(_insert_claims(source, claims).values())


@contextmanager
def _losing_early():
    try:
        yield
    except (psycopg2.errors.SerializationFailure, psycopg2.errors.DeadlockDetected) as exc:
        raise ClaimLost("somebody else applies the same documents") from exc


def _release_unused(source, binding_ids: list[int]) -> None:
    """Give back those claims of a bundle that nothing was made for, and nothing waits for."""
    if binding_ids:
        query(
            source.env,
            SQL(
                """
                DELETE FROM school_sync_binding b
                 WHERE b.id = ANY(%s) AND b.res_id IS NULL AND b.version = 0
                   AND NOT EXISTS (SELECT FROM school_sync_parked p
                                    WHERE p.source_id = b.source_id AND p.entity = b.entity
                                      AND p.external_id = b.external_id)
                   AND NOT EXISTS (SELECT FROM school_sync_parked_reference r
                                    WHERE r.source_id = b.source_id AND r.entity = b.entity
                                      AND r.external_id = b.external_id)
             RETURNING b.id
                """,
                binding_ids,
            ),
        )


def _insert_claims(source, claims: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str], int]:
    """:return: the id of each binding that is new, by entity and externalId"""
    rows = query(
        source.env,
        SQL(
            """
            INSERT INTO school_sync_binding AS b
                   (source_id, company_id, entity, external_id, res_model, version,
                    create_uid, create_date, write_uid, write_date)
            SELECT %(source_id)s, %(company_id)s, asked.entity, asked.external_id, asked.res_model, 0,
                   %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
              FROM unnest(%(entities)s::varchar[], %(external_ids)s::varchar[], %(models)s::varchar[])
                   WITH ORDINALITY AS asked(entity, external_id, res_model, place)
             ORDER BY asked.place
                ON CONFLICT (source_id, entity, external_id) DO UPDATE SET write_date = EXCLUDED.write_date
                        WHERE b.res_id IS NULL AND b.version = 0
         RETURNING b.entity, b.external_id, b.id, b.xmax = 0
            """,
            source_id=source.id,
            company_id=source.company_id.id,
            uid=source.env.uid,
            entities=[entity for entity, _external_id, _model in claims],
            external_ids=[external_id for _entity, external_id, _model in claims],
            models=[name for _entity, _external_id, name in claims],
        ),
    )
    return {(entity, external_id): binding_id for entity, external_id, binding_id, is_new in rows if is_new}


def _touch(source, binding_ids: list[int]) -> None:
    query(
        source.env,
        SQL("UPDATE school_sync_binding SET version = version WHERE id = ANY(%s) RETURNING id", binding_ids),
    )


def _find_suspects(source, model, items: Sequence[Item]) -> set[str]:
    """Return the externalIds of those of ``items`` that failed the last time they were sent."""
    rows = query(
        source.env,
        SQL(
            """
            SELECT failure.external_id
              FROM school_sync_failure failure
              JOIN school_sync_incident incident ON incident.id = failure.incident_id
             WHERE incident.source_id = %s AND incident.entity = %s AND incident.state = 'open'
               AND failure.external_id = ANY(%s)
            """,
            source.id,
            model._sync_entity,
            [item.external_id for item in items],
        ),
    )
    return {external_id for (external_id,) in rows}


def _apply_together(source, model, items: Sequence[Item]) -> None:
    renaming.take_names(source, model, items)
    check_refused(items)
    model._sync_make_related(source, items)
    new = [item for item in items if not item.res_id]
    known = [item for item in items if item.res_id]
    if new:
        for item, record in zip(new, model._sync_create(source, new), strict=True):
            item.res_id, item.status = record.id, Status.CREATED
    if known:
        back = [item.res_id for item in known if item.binding.deleted or item.matched]
        if back:
            model.browse(back).action_unarchive()
        model._sync_write(source, known)
        for item in known:
            item.status = Status.UPDATED
    model._sync_applied(source, items)
    check_refused(items)
    _store_bindings(source, items)
    renaming.bind_former(source, model, items)
    model._sync_bound(source, items)
    conflicts.record(source, model, items)


def _release(source, items: list[Item]) -> None:
    """Give back the claims of what was not made."""
    claims = [binding_id for item in items if not item.went_through for binding_id in item.claims]
    if claims:
        query(source.env, SQL("DELETE FROM school_sync_binding WHERE id = ANY(%s) RETURNING id", claims))


# 5 — record


def _store_bindings(source, applied: Sequence[Item]) -> None:
    for item in applied:
        item.version = item.binding.version + 1
    model = source.env["school.sync.binding"]
    rows = query(
        source.env,
        SQL(
            """
            UPDATE school_sync_binding b
               SET res_id = new.res_id, version = new.version, digest = new.digest, document = new.document::jsonb,
                   source_updated_at = new.updated_at AT TIME ZONE 'UTC', deleted_at = NULL, restated = NULL,
                   remarks = new.remarks::jsonb, repeat_mark = new.mark,
                   changed_in_odoo_at = COALESCE(new.changed_at, b.changed_in_odoo_at),
                   write_uid = %(uid)s, write_date = now() AT TIME ZONE 'UTC'
              FROM unnest(%(ids)s::int[], %(res_ids)s::int[], %(versions)s::int[], %(digests)s::varchar[],
                          %(documents)s::text[], %(remarks)s::text[], %(marks)s::varchar[], %(times)s::timestamptz[],
                          %(changes)s::timestamp[])
                   AS new(id, res_id, version, digest, document, remarks, mark, updated_at, changed_at)
             WHERE b.id = new.id
         RETURNING b.id, EXISTS (SELECT FROM school_sync_parked_reference r
                                  WHERE r.source_id = b.source_id AND r.entity = b.entity
                                    AND r.external_id = b.external_id)
            """,
            uid=source.env.uid,
            ids=[item.binding.id for item in applied],
            res_ids=[item.res_id for item in applied],
            versions=[item.version for item in applied],
            digests=[item.decision.digest for item in applied],
            documents=[
                model._document_text(item.decision.document if item.said is None else item.said) for item in applied
            ],
            remarks=[_remarks_text(item) for item in applied],
            marks=[repeats.mark(item) for item in applied],
            times=[item.decision.updated_at for item in applied],
            changes=[item.changed_at for item in applied],
        ),
    )
    awaited = dict(rows)
    for item in applied:
        item.awaited = awaited[item.binding.id]
    model.invalidate_model(flush=False)


def _remarks_text(item: Item) -> str | None:
    remarks = item.remarks_as_json()
    return json.dumps(remarks, ensure_ascii=False) if remarks else None


def _store_times(source, items: list[Item]) -> None:
    query(
        source.env,
        SQL(
            """
            UPDATE school_sync_binding b
               SET source_updated_at = new.updated_at AT TIME ZONE 'UTC', repeat_mark = new.mark
              FROM unnest(%(ids)s::int[], %(times)s::timestamptz[], %(marks)s::varchar[]) AS new(id, updated_at, mark)
             WHERE b.id = new.id
         RETURNING b.id
            """,
            ids=[item.binding.id for item in items],
            times=[item.decision.updated_at for item in items],
            marks=[repeats.mark(item) for item in items],
        ),
    )
    source.env["school.sync.binding"].invalidate_model(flush=False)


def _store_restated(source, model, items: list[Item]) -> None:
    """Remember in which words the source says what the records hold already, so that its next change is seen as one.

    It is no new version: no record changes.
    """
    model._sync_agreed(source, items)
    binding = source.env["school.sync.binding"]
    query(
        source.env,
        SQL(
            """
            UPDATE school_sync_binding b
               SET digest = new.digest, document = new.document::jsonb, remarks = new.remarks::jsonb,
                   repeat_mark = new.mark, restated = TRUE
              FROM unnest(%(ids)s::int[], %(digests)s::varchar[], %(documents)s::text[], %(remarks)s::text[],
                          %(marks)s::varchar[]) AS new(id, digest, document, remarks, mark)
             WHERE b.id = new.id
         RETURNING b.id
            """,
            ids=[item.binding.id for item in items],
            digests=[item.decision.digest for item in items],
            documents=[binding._document_text(item.decision.document) for item in items],
            remarks=[_remarks_text(item) for item in items],
            marks=[repeats.mark(item) for item in items],
        ),
    )
    binding.invalidate_model(flush=False)
