"""Documents that wait for records they refer to: kept, found again when those arrive, forgotten when applied."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from odoo.tools import SQL

from .item import Item, Refusal, Status, Waiting
from .sql import query

# What to do with an item's waiting document once it is known what became of the item.
_SETTLED = frozenset({Status.CREATED, Status.UPDATED, Status.UNCHANGED, Status.ARCHIVED, Status.CONFLICT})


def keep(source, entity: str, items: list[Item]) -> None:
    """Keep the documents of ``items`` that are parked, in place of what waited for the same records before."""
    parked = [item for item in items if item.status is Status.PARKED]
    if not parked:
        return
    env = source.env
    # Raw SQL: a batch in one statement; the API user has no rights to what waits, and needs none.
    rows = query(
        env,
        SQL(
            """
            INSERT INTO school_sync_parked AS p
                   (source_id, company_id, entity, external_id, state, document, source_updated_at, expires_at,
                    create_uid, create_date, write_uid, write_date)
            SELECT %(source_id)s, %(company_id)s, %(entity)s, new.external_id, 'waiting', new.document::jsonb,
                   new.updated_at AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC' + make_interval(days => %(days)s),
                   %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
              FROM unnest(%(external_ids)s::varchar[], %(documents)s::text[], %(times)s::timestamptz[])
                   AS new(external_id, document, updated_at)
                ON CONFLICT (source_id, entity, external_id) DO UPDATE
               SET state = 'waiting', message = NULL, document = EXCLUDED.document,
                   source_updated_at = EXCLUDED.source_updated_at, expires_at = EXCLUDED.expires_at,
                   create_date = EXCLUDED.create_date,
                   write_uid = EXCLUDED.write_uid, write_date = EXCLUDED.write_date
         RETURNING p.external_id, p.id, p.create_date AT TIME ZONE 'UTC'
            """,
            source_id=source.id,
            company_id=source.company_id.id,
            entity=entity,
            days=source.parked_days,
            uid=env.uid,
            external_ids=[item.external_id for item in parked],
            documents=[env["school.sync.binding"]._document_text(item.document) for item in parked],
            times=[item.decision.updated_at for item in parked],
        ),
    )
    kept = {external_id: rest for external_id, *rest in rows}
    for item in parked:
        parked_id, since = kept[item.external_id]
        item.waiting = Waiting(parked_id, item.document, item.decision.updated_at, since)
    ids = [item.waiting.id for item in parked]
    query(env, SQL("DELETE FROM school_sync_parked_reference WHERE parked_id = ANY(%s) RETURNING id", ids))
    missing = [(item.waiting.id, reference) for item in parked for reference in item.missing]
    query(
        env,
        SQL(
            """
            INSERT INTO school_sync_parked_reference
                   (parked_id, source_id, company_id, entity, external_id, pointer,
                    create_uid, create_date, write_uid, write_date)
            SELECT new.parked_id, %(source_id)s, %(company_id)s, new.entity, new.external_id, new.pointer,
                   %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
              FROM unnest(%(parked_ids)s::int[], %(entities)s::varchar[], %(external_ids)s::varchar[],
                          %(pointers)s::varchar[]) AS new(parked_id, entity, external_id, pointer)
         RETURNING id
            """,
            source_id=source.id,
            company_id=source.company_id.id,
            uid=env.uid,
            parked_ids=[parked_id for parked_id, _reference in missing],
            entities=[reference.entity for _parked_id, reference in missing],
            external_ids=[reference.external_id for _parked_id, reference in missing],
            pointers=[reference.pointer for _parked_id, reference in missing],
        ),
    )
    _forget_cache(env)


def settle(source, items: list[Item]) -> None:
    """Forget what waited and is dealt with; remember why what was tried again did not go through."""
    known = [item for item in items if item.waiting]
    gone = [
        item.waiting.id
        for item in known
        if not item.cut and (item.status in _SETTLED or (item.healing and item.status is Status.STALE))
    ]
    forget(source, gone)
    failed = [item for item in known if item.healing and item.status is Status.FAILED]
    if failed:
        query(
            source.env,
            SQL(
                """
                UPDATE school_sync_parked p
                   SET state = 'failed', message = new.message, write_date = now() AT TIME ZONE 'UTC'
                  FROM unnest(%s::int[], %s::text[]) AS new(id, message)
                 WHERE p.id = new.id
             RETURNING p.id
                """,
                [item.waiting.id for item in failed],
                ["\n".join(error.detail for error in item.errors) for item in failed],
            ),
        )
        # Nothing is missing any more, but what a circle was cut at.
        arrived = [item.waiting.id for item in failed if not item.cut]
        query(
            source.env, SQL("DELETE FROM school_sync_parked_reference WHERE parked_id = ANY(%s) RETURNING id", arrived)
        )
        _forget_cache(source.env)


def forget(source, ids: list[int]) -> None:
    """Forget the waiting documents ``ids``; what they waited for goes with them."""
    if ids:
        query(source.env, SQL("DELETE FROM school_sync_parked WHERE id = ANY(%s) RETURNING id", ids))
        _forget_cache(source.env)


def due(source, arrived: Iterable[tuple[str, str]]) -> tuple[dict[str, list[Item]], list[int]]:
    """What has waited for one of ``arrived`` (entity, externalId).

    :return: what misses nothing any more, as items to try again, by entity and in the order in which they came; and
        the ids of what still waits for something else
    """
    arrived = list(arrived)
    rows = query(
        source.env,
        SQL(
            """
            SELECT EXISTS (SELECT FROM school_sync_parked_reference r
                            WHERE r.parked_id = p.id
                              AND NOT EXISTS (SELECT FROM school_sync_binding b
                                               WHERE b.source_id = r.source_id AND b.entity = r.entity
                                                 AND b.external_id = r.external_id AND b.res_id IS NOT NULL)),
                   p.entity, p.external_id, p.id, p.document, p.source_updated_at AT TIME ZONE 'UTC',
                   p.create_date AT TIME ZONE 'UTC'
              FROM school_sync_parked p
             WHERE p.state = 'waiting'
               AND p.id IN (SELECT r.parked_id
                              FROM unnest(%(entities)s::varchar[], %(external_ids)s::varchar[])
                                   AS new(entity, external_id)
                              JOIN school_sync_parked_reference r
                                ON r.source_id = %(source_id)s
                               AND r.entity = new.entity AND r.external_id = new.external_id)
             ORDER BY p.id
            """,
            source_id=source.id,
            entities=[entity for entity, _external_id in arrived],
            external_ids=[external_id for _entity, external_id in arrived],
        ),
    )
    complete, incomplete = defaultdict(list), []
    for misses_something, entity, external_id, *rest in rows:
        waiting = Waiting(*rest)
        if misses_something:
            incomplete.append(waiting.id)
        else:
            complete[entity].append(healing_item(len(complete[entity]), external_id, waiting))
    if incomplete:
        # Somebody else may be making the rest of it at this moment, and neither would see that nothing is missing any
        # more. Both change the row: PostgreSQL ends one of them, and it is run again.
        query(
            source.env,
            SQL(
                "UPDATE school_sync_parked SET write_date = now() AT TIME ZONE 'UTC' WHERE id = ANY(%s) RETURNING id",
                incomplete,
            ),
        )
    return complete, incomplete


def unsettled(source, asked: Mapping[tuple[str, str], str | None]) -> list[tuple[str, str]]:
    """Which of ``asked`` are not yet as asked, and what waits for them or is waited for, at whatever distance.

    :param asked: for each (entity, externalId) the digest of its document, or None where any record will do
    """
    return query(
        source.env,
        SQL(
            """
            WITH RECURSIVE asked AS (
                SELECT * FROM unnest(%(entities)s::varchar[], %(external_ids)s::varchar[], %(digests)s::varchar[])
                              AS asked(entity, external_id, digest)
            ), family(entity, external_id) AS (
                SELECT entity, external_id FROM asked
                 UNION
                SELECT other.*
                  FROM family,
               LATERAL (SELECT p.entity, p.external_id
                          FROM school_sync_parked_reference r
                          JOIN school_sync_parked p ON p.id = r.parked_id AND p.state = 'waiting'
                         WHERE r.source_id = %(source_id)s AND r.entity = family.entity
                           AND r.external_id = family.external_id
                         UNION ALL
                        SELECT r.entity, r.external_id
                          FROM school_sync_parked p
                          JOIN school_sync_parked_reference r ON r.parked_id = p.id
                         WHERE p.source_id = %(source_id)s AND p.entity = family.entity
                           AND p.external_id = family.external_id AND p.state = 'waiting') AS other
            )
            SELECT family.entity, family.external_id
              FROM family
         LEFT JOIN asked USING (entity, external_id)
             WHERE NOT EXISTS (SELECT FROM school_sync_binding b
                                WHERE b.source_id = %(source_id)s AND b.entity = family.entity
                                  AND b.external_id = family.external_id AND b.res_id IS NOT NULL
                                  AND (asked.digest IS NULL OR asked.digest = b.digest AND b.deleted_at IS NULL))
            """,
            entities=[entity for entity, _external_id in asked],
            external_ids=[external_id for _entity, external_id in asked],
            digests=list(asked.values()),
            source_id=source.id,
        ),
    )


def refusals(
    source, missing: Iterable[tuple[str, str]], refused: Mapping[tuple[str, str], Refusal] | None = None
) -> dict[tuple[str, str], Refusal]:
    """Why records that are waited for are not there, where a document was refused: theirs, or one that they wait for.

    :param missing: the (entity, externalId) of what is waited for
    :param refused: what was refused a moment ago, and is not noted yet
    :return: the refusal by (entity, externalId) of what is waited for; the last one of several
    """
    missing = list(missing)
    # Raw SQL: a recursion for a whole batch; an API user reads neither what waits nor what fails.
    rows = query(
        source.env,
        SQL(
            """
            WITH RECURSIVE reach(missing_entity, missing_id, entity, external_id) AS (
                SELECT asked.entity, asked.external_id, asked.entity, asked.external_id
                  FROM unnest(%(entities)s::varchar[], %(external_ids)s::varchar[]) AS asked(entity, external_id)
                 UNION
                SELECT reach.missing_entity, reach.missing_id, r.entity, r.external_id
                  FROM reach
                  JOIN school_sync_parked p ON p.source_id = %(source_id)s AND p.state = 'waiting'
                                           AND p.entity = reach.entity AND p.external_id = reach.external_id
                  JOIN school_sync_parked_reference r ON r.parked_id = p.id
                 WHERE NOT EXISTS (SELECT FROM school_sync_binding b
                                    WHERE b.source_id = r.source_id AND b.entity = r.entity
                                      AND b.external_id = r.external_id AND b.res_id IS NOT NULL)
            )
            SELECT reach.*, refusal.at AT TIME ZONE 'UTC', refusal.why
              FROM reach
         LEFT JOIN LATERAL (SELECT failure.write_date AS at, failure.message AS why
                              FROM school_sync_incident incident
                              JOIN school_sync_failure failure ON failure.incident_id = incident.id
                                                              AND failure.external_id = reach.external_id
                             WHERE incident.source_id = %(source_id)s AND incident.entity = reach.entity
                               AND incident.state = 'open' AND incident.code NOT IN ('parked', 'expired')
                             ORDER BY failure.write_date DESC
                             LIMIT 1) AS refusal ON TRUE
             ORDER BY refusal.at
            """,
            source_id=source.id,
            entities=[entity for entity, _external_id in missing],
            external_ids=[external_id for _entity, external_id in missing],
        ),
    )
    found = {}
    for entity, external_id, *other, at, why in rows:
        if refusal := (refused or {}).get(tuple(other)) or (at and Refusal(*other, at, why)):
            found[entity, external_id] = refusal
    return found


def healing_item(index: int, external_id: str, waiting: Waiting) -> Item:
    """The item that tries ``waiting`` again."""
    document = dict(waiting.document)
    return Item(index, document, external_id, document=document, waiting=waiting, healing=True)


def again(items: Iterable[Item]) -> list[Item]:
    """Return ``items`` that are to be tried, with nothing decided about them."""
    return [
        Item(
            item.index,
            item.raw,
            item.external_id,
            document=item.document,
            waiting=item.waiting,
            healing=True,
            cut=item.cut,
        )
        for item in items
    ]


def apply_soon(env) -> None:
    """Have what misses nothing any more applied by a job, as soon as this is committed."""
    # sudo: the job is Odoo's; an API user may only have it started.
    env.ref("school_erp_sync.school_sync_parked_apply_cron").sudo()._trigger()


def ready(env, most: int) -> list[int]:
    """Return the ids of up to ``most`` waiting documents that miss nothing, the oldest first."""
    rows = query(
        env,
        SQL(
            """
            SELECT p.id
              FROM school_sync_parked p
             WHERE p.state = 'waiting'
               AND NOT EXISTS (SELECT FROM school_sync_parked_reference r
                                WHERE r.parked_id = p.id
                                  AND NOT EXISTS (SELECT FROM school_sync_binding b
                                                   WHERE b.source_id = r.source_id AND b.entity = r.entity
                                                     AND b.external_id = r.external_id AND b.res_id IS NOT NULL))
             ORDER BY p.id
             LIMIT %s
            """,
            most,
        ),
    )
    return [parked_id for (parked_id,) in rows]


def cut_circles(source, ids: Iterable[int]) -> dict[str, list[Item]]:
    """What can break the circles in which the waiting documents ``ids`` are caught.

    A parent that names its student, and the student that names its parent, wait for each other for ever, unless one of
    them is made without the other's name first. What is cut short here keeps waiting as a whole, and is applied as a
    whole when the rest of its circle is there.

    :return: documents without the parts that close the circle, as items by entity: of one entity only, the first that
        serves
    """
    nodes = {}
    unresolved = defaultdict(list)
    for entity, external_id, *waiting, other, other_id, pointer in _reach(source, list(ids)):
        nodes[entity, external_id] = Waiting(*waiting)
        unresolved[entity, external_id].append(((other, other_id), pointer))
    _touch(source, {other for found in unresolved.values() for other, _pointer in found} - nodes.keys())
    # Whoever waits, at whatever distance, for something that has not even been sent, goes on waiting.
    stuck, found = set(), True
    while found:
        found = {
            node
            for node in nodes.keys() - stuck
            if any(other not in nodes or other in stuck for other, _pointer in unresolved[node])
        }
        stuck |= found
    for entity in source._sync_order():
        loose = set(source._sync_model(entity)._sync_loose_paths)
        items = []
        for node in sorted(nodes.keys() - stuck):
            left_out = {pointer.split("/")[1] for _other, pointer in unresolved[node]}
            if node[0] == entity and left_out <= loose:
                waiting = nodes[node]
                short = {key: value for key, value in waiting.document.items() if key not in left_out}
                items.append(
                    Item(len(items), waiting.document, node[1], document=short, waiting=waiting, healing=True, cut=True)
                )
        if items:
            return {entity: items}
    return {}


def _touch(source, missing: Iterable[tuple[str, str]]) -> None:
    """Change the bindings, without a record yet, of what is ``missing`` (entity, externalId) at the end of a chain.

    Somebody else may be parking just that at this moment, and so be closing a circle, unseen from here as what is here
    is from there. He works on the same row: PostgreSQL ends one of the two, and it is run again.
    """
    missing = sorted(missing)
    if missing:
        query(
            source.env,
            SQL(
                """
                UPDATE school_sync_binding b
                   SET version = b.version
                  FROM unnest(%s::varchar[], %s::varchar[]) AS asked(entity, external_id)
                 WHERE b.source_id = %s AND b.entity = asked.entity AND b.external_id = asked.external_id
             RETURNING b.id
                """,
                [entity for entity, _external_id in missing],
                [external_id for _entity, external_id in missing],
                source.id,
            ),
        )


def _reach(source, ids: list[int]) -> list[tuple[Any, ...]]:
    """The references without a record of the waiting documents ``ids``, of what they wait for, and so on."""
    return query(
        source.env,
        SQL(
            """
            WITH RECURSIVE reach(id) AS (
                SELECT id FROM school_sync_parked WHERE id = ANY(%s) AND state = 'waiting'
                 UNION
                SELECT p.id
                  FROM reach
                  JOIN school_sync_parked_reference r ON r.parked_id = reach.id
                  JOIN school_sync_parked p ON p.source_id = r.source_id AND p.entity = r.entity
                                           AND p.external_id = r.external_id AND p.state = 'waiting'
            )
            SELECT p.entity, p.external_id, p.id, p.document, p.source_updated_at AT TIME ZONE 'UTC',
                   p.create_date AT TIME ZONE 'UTC', r.entity, r.external_id, r.pointer
              FROM reach
              JOIN school_sync_parked p ON p.id = reach.id
              JOIN school_sync_parked_reference r ON r.parked_id = p.id
             WHERE NOT EXISTS (SELECT FROM school_sync_binding b
                                WHERE b.source_id = r.source_id AND b.entity = r.entity
                                  AND b.external_id = r.external_id AND b.res_id IS NOT NULL)
            """,
            ids,
        ),
    )


def _forget_cache(env) -> None:
    env["school.sync.parked"].invalidate_model(flush=False)
    env["school.sync.parked.reference"].invalidate_model(flush=False)
