"""Apply many documents together, and find those that fail without taking the others along."""

import logging
import math
import traceback
import uuid
from collections.abc import Callable, Collection, Sequence

import psycopg2.errors

from odoo.exceptions import ConcurrencyError, LockError, UserError

from .budget import USABLE, Budget
from .item import Item, Refused, Status

_logger = logging.getLogger(__name__)

#: what the database, or somebody else at work, is to blame for: Odoo runs the request again
BUSY = (ConcurrencyError, LockError, psycopg2.OperationalError, psycopg2.InterfaceError)
INTERNAL_ERROR = "internal_error"
_REFUSED = frozenset({Status.FAILED, Status.CONFLICT})
# How much of slow documents is applied before the pace is known, in characters.
_FIRST_WEIGHT = 512 * 1024


class SomeRefused(Exception):
    """Some documents of a group have errors now: it is rolled back, and applied again without them."""


def is_busy(exc: Exception) -> bool:
    """Return whether ``exc`` is no document's fault, and has to reach Odoo, which runs the request again."""
    # The bare class is what psycopg2 raises where a connection ends under a statement.
    return isinstance(exc, BUSY) or type(exc) is psycopg2.DatabaseError


def check_refused(items: Collection[Item]) -> None:
    """Stop where some of ``items`` have been refused: what is done after this would be rolled back.

    :raises SomeRefused: the others are applied without them
    """
    if any(item.status in _REFUSED for item in items):
        raise SomeRefused


def apply_in_groups(
    model,
    items: Sequence[Item],
    apply: Callable[[Sequence[Item]], None],
    budget: Budget,
    find_suspects: Callable[[Sequence[Item]], Collection[str]],
) -> None:
    """Call ``apply`` on all of ``items``, in groups, each in a savepoint.

    Where ``apply`` says which documents it refuses, its group is applied again without them. Where it does not, the
    next group is half as large, until those at fault stand alone; where all goes well, it is twice as large. One bad
    document costs what halving would, and where most are bad, it is one by one. A savepoint for each document would be
    simpler, and slow: PostgreSQL keeps 64 of them at hand in a transaction.

    What cannot be begun within ``budget`` is not tried.

    :param find_suspects: returns the externalIds of those that failed the last time. They go last, so that a sender
        who repeats a batch that is too slow gets further each time.
    """
    queue, size, pace, suspects = list(items), len(items), 0.0, None
    first = _FIRST_WEIGHT if model._sync_is_slow else math.inf
    weights = {item: len(str(item.document)) for item in items}
    incidents: dict[str, str] = {}
    while queue and (used := budget.used()) < USABLE:
        allowed = (USABLE - used) / pace if pace else first if used else math.inf
        group = queue[: _count_within([weights[item] for item in queue[:size]], allowed)]
        refused = _try(model, group, apply, incidents)
        sample = (budget.used() - used) / sum(weights[item] for item in group)
        if refused is None:
            queue, size, pace = queue[len(group) :], max(size, 2 * len(group)), sample
            continue
        # What failed may have failed early.
        pace = max(pace, sample)
        queue = [item for item in queue if item not in refused]
        if not refused:
            size = len(group) // 2
            if suspects is None:
                suspects = find_suspects(queue)
                queue.sort(key=lambda item: item.external_id in suspects)
    for item in queue:
        fail_not_tried(model.env, item)


def fail_not_tried(env, item: Item) -> None:
    detail = env._("There was no time left to apply this document. Send it again, in a smaller batch.")
    item.fail("", "not_tried", detail, Status.NOT_TRIED)


def _count_within(weights: Sequence[int], allowed: float) -> int:
    """Return how many of ``weights``, from the first, add up to no more than ``allowed``; at least one."""
    for count, weight in enumerate(weights):
        allowed -= weight
        if allowed < 0:
            return max(count, 1)
    return len(weights)


def _try(model, group: Sequence[Item], apply, incidents: dict[str, str]) -> set[Item] | None:
    """Apply ``group``.

    :return: None where that went well; else it is rolled back, and these are refused: none where it is unknown who
    """
    before = [(item, item.res_id, dict(item.values), len(item.warnings)) for item in group]
    try:
        with model.env.cr.savepoint():
            apply(group)
            check_refused(group)
    except Exception as exc:
        error = explain(model, exc)
        refused = {item for item in group if item.status in _REFUSED}
        if not refused and len(group) == 1:
            group[0].fail(*(error or note_incident(model, exc, incidents)))
            refused.update(group)
    else:
        return None
    for item, res_id, values, warnings in before:
        item.res_id, item.values = res_id, values
        del item.warnings[warnings:]
        if item not in refused:
            item.status = None
    return refused


def isolate(model, items: Sequence[Item], step: Callable[[Sequence[Item]], None]) -> None:
    """Do ``step`` with ``items`` together; where that raises, with each alone: one at which it raises fails."""
    if not items:
        return
    try:
        with model.env.cr.savepoint():
            step(items)
    except Exception as exc:
        explain(model, exc)
    else:
        return
    incidents: dict[str, str] = {}
    for item in items:
        try:
            with model.env.cr.savepoint():
                step([item])
        except Exception as exc:
            item.fail(*(explain(model, exc) or note_incident(model, exc, incidents)))


def explain(model, exc: Exception) -> tuple[str, str, str] | None:
    """Return what to tell the sender of a document that raised ``exc``: pointer, code, detail; None if unexpected.

    :raises Exception: ``exc``, or what it really is, where it is no document's fault
    """
    if is_busy(exc):
        raise exc
    if isinstance(exc, Refused):
        return exc.pointer, exc.code, str(exc)
    if isinstance(exc, UserError):
        return "", "refused", model.env._("Odoo refuses this record: %(reason)s", reason=str(exc))
    if isinstance(exc, psycopg2.errors.IntegrityError):
        reason = broken_rule(model, exc)
        return "", "refused", model.env._("Odoo refuses this record: %(reason)s", reason=reason)
    return None


def broken_rule(model, exc: psycopg2.errors.IntegrityError) -> str:
    """Return which rule of the database a document breaks, in words.

    :raises odoo.exceptions.ConcurrencyError: it breaks none, but somebody else did the same work a moment ago: on a
        fresh snapshot it is no longer new. A model on whose table that may happen says so with ``_sync_raced``.
    """
    raced = {one._table for one in model.env.registry.values() if getattr(one, "_sync_raced", False)}
    if isinstance(exc, psycopg2.errors.UniqueViolation) and exc.diag.table_name in raced:
        raise ConcurrencyError("somebody else applies the same documents") from exc
    return model._sql_error_to_message(exc)


def note_incident(model, exc: Exception, incidents: dict[str, str]) -> tuple[str, str, str]:
    """Log an unexpected error; return what to tell the sender of it: pointer, code, detail.

    :param incidents: the ids of what was logged already, by where it happened
    """
    # The message of an exception may quote a document, and so a child's data; its type and place do not.
    frames = "".join(traceback.format_tb(exc.__traceback__))
    if not (incident := incidents.get(frames)):
        incident = incidents[frames] = uuid.uuid4().hex
        _logger.error("incident %s: a document failed with %s\n%s", incident, type(exc).__qualname__, frames)
    return (
        "",
        INTERNAL_ERROR,
        model.env._(
            "Odoo could not apply this document because of an error in Odoo. Ask its administrator to look for "
            "%(incident)s in the server log.",
            incident=incident,
        ),
    )
