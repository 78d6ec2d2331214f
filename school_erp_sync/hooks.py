"""What has to be in place before there is a database."""

from odoo import http

from .controllers.dispatcher import SchoolSyncDispatcher
from .controllers.problem import Problem


def post_load():
    """Answer for the API when the database cannot be reached.

    Odoo then serves a request as if there were no database at all: with a page that says 404, on which a sender gives
    up. No hook of Odoo's is reached on that way, hence the patch.
    """
    serve_nodb = http.Request._serve_nodb

    def _serve_nodb(self):
        path = self.httprequest.path
        if path != "/api" and not path.startswith("/api/"):
            return serve_nodb(self)
        away = Problem(
            503,
            "unavailable",
            "The database cannot be reached at the moment. Send it again.",
            headers={"Retry-After": "2"},
        )
        return SchoolSyncDispatcher(self).handle_error(away)

    http.Request._serve_nodb = _serve_nodb
