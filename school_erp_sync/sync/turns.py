"""Requests about the same documents take turns, in the order in which they came.

Without turns a request that lost a race would start again behind those that came meanwhile, and might lose many times
in a row. Only the time that a request takes depends on this: the claims on bindings keep a document from being applied
twice.
"""

from collections.abc import Sequence

from odoo.tools import SQL

from .sql import query

#: A larger request only claims its bindings: this is how many locks PostgreSQL plans for in a transaction.
MOST_NAMES = 64
_KEYS = "SELECT DISTINCT hashtextextended(name, %s) AS key FROM unnest(%s) AS name ORDER BY key"


def take(source, names: Sequence[tuple[str, str]]) -> bool:
    """Take the turn for documents until the end of this transaction.

    :param names: the (entity, externalId) of each document
    :return: False where another request has the turn for one of them, or waits for it
    """
    if len(names) > MOST_NAMES:
        return True
    taking = SQL(
        f"SELECT bool_and(pg_try_advisory_xact_lock(key)) FROM ({_KEYS}) AS asked", *_key_values(source, names)
    )
    ((taken,),) = query(source.env, taking)
    return taken


def wait(source, names: Sequence[tuple[str, str]]) -> None:
    """Wait for the turn for documents, and keep it until the end of the transaction that begins then.

    That transaction sees what the requests before this one have committed. Call it before anything else is done.

    :param names: as :func:`take` takes them
    """
    cr, values = source.env.cr, _key_values(source, names)
    query(source.env, SQL(f"SELECT pg_advisory_lock(key) FROM ({_KEYS}) AS asked", *values))
    # The next transaction sees what was committed meanwhile; the locks are of the connection, and stay.
    cr.rollback()

    def leave():
        # The cursor may be closed by now; its connection is not.
        with cr._cnx.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_unlock(key) FROM ({_KEYS}) AS asked", values)
        cr._cnx.rollback()

    cr.postcommit.add(leave)
    cr.postrollback.add(leave)


def _key_values(source, names: Sequence[tuple[str, str]]) -> tuple[int, list[str]]:
    return source.id, [f"{entity} {external_id}" for entity, external_id in names]
