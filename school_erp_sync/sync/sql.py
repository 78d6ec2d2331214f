"""How the engine asks the database where the ORM would ask once a record."""

from typing import Any

from odoo.tools import SQL


def query(env, statement: SQL) -> list[tuple[Any, ...]]:
    """The rows of ``statement``. Where it fails it is not logged: to lose a race is normal, and the query names people.

    :raises psycopg2.Error: as the database does
    """
    env.cr.execute(statement, log_exceptions=False)
    return env.cr.fetchall()
