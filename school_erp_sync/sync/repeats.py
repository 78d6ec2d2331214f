"""Documents that a source sends again word for word, as a nightly load does: known without being read."""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from odoo.modules import Manifest
from odoo.tools import SQL

from .item import Binding, Item, Status
from .merge import write_canonical
from .plan import Action, Decision
from .sql import query

# For fewer documents the look-up takes longer than reading them.
_FEWEST = 20


def find(source, model, raws: Sequence[Any]) -> dict[int, Item]:
    """Return the items, unchanged, of those of ``raws`` that are the last document of their records, by place."""
    if len(raws) < _FEWEST:
        return {}
    places: dict[str, int | None] = {}
    for place, raw in enumerate(raws):
        if isinstance(raw, dict) and isinstance(name := raw.get("externalId"), str):
            name = name.strip()
            # A name that comes twice is refused, whatever the documents say.
            places[name] = None if name in places else place
    rows = query(
        source.env,
        SQL(
            """
            SELECT b.external_id, b.id, b.res_id, b.version, b.digest, b.repeat_mark
              FROM unnest(%(names)s::varchar[]) AS asked(external_id)
              JOIN school_sync_binding b
                ON b.source_id = %(source_id)s AND b.entity = %(entity)s AND b.external_id = asked.external_id
               AND b.external_id = ANY(%(names)s)
              JOIN %(table)s record ON record.id = b.res_id
             WHERE b.repeat_mark IS NOT NULL AND b.deleted_at IS NULL AND b.successor_id IS NULL AND b.remarks IS NULL
               AND NOT EXISTS (SELECT FROM school_sync_parked p
                                WHERE p.source_id = b.source_id AND p.entity = b.entity
                                  AND p.external_id = b.external_id)
               AND NOT EXISTS (SELECT FROM school_sync_conflict c WHERE c.binding_id = b.id AND c.state = 'open')
            """,
            names=[name.replace("\0", "") for name, place in places.items() if place is not None],
            source_id=source.id,
            entity=model._sync_entity,
            table=SQL.identifier(model._table),
        ),
    )
    return {
        place: Item(
            place,
            raws[place],
            name,
            document=raws[place],
            binding=Binding(binding_id, res_id, version, digest),
            decision=Decision(Action.UNCHANGED, raws[place], digest, None),
            status=Status.UNCHANGED,
            res_id=res_id,
            version=version,
        )
        for name, binding_id, res_id, version, digest, mark in rows
        if (place := places.get(name)) is not None and mark == _mark(raws[place], digest)
    }


def mark(item: Item) -> str | None:
    """Return what tells a repetition of an applied document; None where one has to be read for its warnings."""
    if item.healing or item.warnings or item.remarks or not isinstance(item.raw, dict):
        return None
    return _mark(item.raw, item.decision.digest)


def _mark(raw: dict, digest: str) -> str:
    """:param digest: of the binding: where that changes, the next document is compared anew, and is no repetition"""
    text = f"{_version()} {digest} {write_canonical(raw)}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@cache
def _version() -> str:
    # The next version may read the same words otherwise.
    return Manifest.for_addon("school_erp_sync").version
