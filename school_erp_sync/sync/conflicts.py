"""Parts of a record that changed on both sides since the source last spoke: who wins, and what is remembered of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from .item import Item, Status
from .merge import Clash, changed_paths, is_empty, merge, overlay, put, value_at
from .plan import Action, parse_time

SOURCE, ODOO, NEWEST, ASK = "source", "odoo", "newest", "ask"


def resolve(source, model, items: list[Item], choices: Mapping[str, Clash] | None = None) -> None:
    """Take what Odoo has changed meanwhile into account: drop from each item's ``paths`` what is not to be written.

    :param choices: what somebody has decided, for the parts that still are as they were then: path -> (what Odoo held,
        the side that won)
    """
    planned = [
        item
        for item in items
        if item.status is None and item.decision.action is Action.UPDATE and item.paths - model._sync_merged_paths
    ]
    if not planned:
        return
    paths = set().union(*(item.paths for item in planned)) - model._sync_merged_paths
    records = model.browse([item.res_id for item in planned])
    blank = None
    for item, record, held in zip(planned, records, records._sync_to_json(source, paths), strict=True):
        base = item.binding.document
        result = merge(base, held, item.decision.document, item.paths - model._sync_merged_paths, record._sync_agrees)
        clashes = result.clashes
        if any(is_empty(clash.base) for clash in clashes):
            # What Odoo fills in by itself is nobody's change.
            blank = model._sync_defaults(source) if blank is None else blank
            of_odoo = {clash.path for clash in clashes if is_empty(clash.base) and blank.get(clash.path) == clash.ours}
            clashes = [clash for clash in clashes if clash.path not in of_odoo]
            result.theirs.update(of_odoo)
        item.clashes = [(clash, _winner(source, item, record, clash, choices or {})) for clash in clashes]
        item.paths = (
            item.paths & model._sync_merged_paths
            | result.theirs
            | {clash.path for clash, winner in item.clashes if winner == SOURCE}
        )
        if any(winner is None for _clash, winner in item.clashes):
            _ask(item)
        else:
            _keep_ours(item)


def _winner(source, item: Item, record, clash: Clash, choices) -> str | None:
    """The side that wins ``clash``; None where somebody has to decide."""
    if clash.path in choices:
        seen, winner = choices[clash.path]
        if seen == clash.ours:
            return winner
    policy = source._conflict_policy(record._sync_entity, clash.path)
    if policy == ASK:
        return None
    if policy == NEWEST:
        sent = parse_time(item.document.get("updatedAt"))
        # Without a time of its own, a document is as new as its arrival.
        return SOURCE if not sent or _naive(sent) >= record._sync_written_at() else ODOO
    return policy


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc).replace(tzinfo=None)


def _ask(item: Item) -> None:
    for clash, winner in item.clashes:
        if winner is None:
            item.fail(
                "/" + clash.path.replace(".", "/"),
                "conflict",
                f"{clash.path} was changed in Odoo as well since it was last sent. Nothing was changed; "
                "somebody has to decide in Odoo which side is right",
                Status.CONFLICT,
            )


def _keep_ours(item: Item) -> None:
    kept = [clash for clash, winner in item.clashes if winner == ODOO]
    if kept:
        # What is applied says what Odoo says; what is remembered is what the source said.
        item.said = item.decision.document
        patch = {}
        for clash in kept:
            put(patch, clash.path, clash.ours)
        item.decision = replace(item.decision, document=overlay(item.said, patch))
    for clash, winner in item.clashes:
        side = "Odoo's value was kept" if winner == ODOO else "the value sent has replaced Odoo's"
        item.warn(f"/{clash.path.replace('.', '/')} was changed in Odoo as well; {side}, as the source's rule says")


def record(source, model, items: list[Item]) -> None:
    """Remember what clashed: what a rule has settled, with the value that lost, and what waits for a decision."""
    if any(item.clashes and item.status in (Status.UPDATED, Status.CONFLICT) for item in items):
        # sudo: what both sides said is for managers, not for the API user, to read and to decide.
        source.env["school.sync.conflict"].sudo()._record(source, model._name, items)
    touched = {
        item.binding.id: _changed(model, item)
        for item in items
        if item.binding and item.status in (Status.UPDATED, Status.ARCHIVED)
    }
    if touched:
        source.env["school.sync.conflict"].sudo()._overtake(touched)


def _changed(model, item: Item) -> set[str] | None:
    """The parts of which the source has spoken anew; None for all of them."""
    if item.status is Status.ARCHIVED or item.binding.document is None:
        return None
    return changed_paths(item.binding.document, item.said or item.decision.document, model._sync_paths())


def as_document(external_id: str, document: Mapping[str, Any], paths) -> dict[str, Any]:
    """``document`` with nothing but ``paths``."""
    result = {"externalId": external_id}
    for path in paths:
        put(result, path, value_at(document, path))
    return result
