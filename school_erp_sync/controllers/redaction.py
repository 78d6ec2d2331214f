"""Keeps what was sent out of the server's log."""

import logging

from odoo.http import request


class _QueryRedaction(logging.Filter):
    """Odoo logs a query that fails with its values: in our requests, names and birthdays of children.

    The query itself and PostgreSQL's error code say enough to find the place.
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
        return True


logging.getLogger("odoo.sql_db").addFilter(_QueryRedaction())
