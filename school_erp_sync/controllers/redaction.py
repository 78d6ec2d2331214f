"""Keeps what was sent out of the server's log."""

import logging
import re

import psycopg2

from odoo.http import request

# Sent again, or run again, the request may go through; whoever gives up says so.
_RACES = (
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.LockNotAvailable,
    psycopg2.errors.UniqueViolation,
)
# Odoo's API keys, and what looks like one.
_KEY = re.compile(r"[0-9a-f]{40,}")


class _QueryRedaction(logging.Filter):
    """Odoo logs a query that fails with its values: in our requests, names and birthdays of children.

    The query itself and PostgreSQL's error code say enough to find the place. A lost race is no error.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if (
            record.levelno >= logging.ERROR
            and request
            and getattr(request.dispatcher, "routing_type", "") == "school_sync"
        ):
            error = record.args[1] if isinstance(record.args, tuple) and len(record.args) > 1 else None
            code = getattr(error, "pgcode", None) or type(error).__name__
            record.msg, record.args = "a query of request %s failed: %s", (request.dispatcher.request_id, code)
            if isinstance(error, _RACES):
                record.levelno, record.levelname = logging.INFO, "INFO"
        return True


class _AddressRedaction(logging.Filter):
    """Odoo logs the address of each request, in which some sender may have put its API key."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_KEY.sub("[API key]", one) if isinstance(one, str) else one for one in record.args)
        return True


logging.getLogger("odoo.sql_db").addFilter(_QueryRedaction())
logging.getLogger("werkzeug").addFilter(_AddressRedaction())
