"""What has to be in place before there is a database, and what must not outlive the addon in one."""

import psycopg2

from odoo import http
from odoo.service import server
from odoo.service.db import list_dbs
from odoo.tools import config

from .contract.text import Message, _lt, quote
from .controllers.dispatcher import SchoolSyncDispatcher
from .controllers.problem import Problem
from .models.school_sync_source import KEY_SCOPE

# How many connections wait for a free worker. Linux allows 4,096 (net.core.somaxconn).
BACKLOG = 1024


def post_load():
    """Patch Odoo's server, where it has no hook."""
    _answer_without_database()
    _let_connections_wait()


def _let_connections_wait():
    """Let as many connections wait for a worker as come.

    Odoo has room for 8 a worker. The next one is dropped without an answer; its client tries again after 1 s, 3 s and
    7 s, and some are reset.
    """
    start = server.PreforkServer.start

    def listen(prefork):
        # A socket that systemd made has the backlog that its unit says.
        if prefork.socket and not config.http_socket_activation:
            prefork.socket.listen(BACKLOG)

    def start_and_listen(self):
        start(self)
        listen(self)

    server.PreforkServer.start = start_and_listen
    if isinstance(server.server, server.PreforkServer):
        # Loaded with the database, by a server that listens already.
        listen(server.server)


def _answer_without_database():
    """Answer for the API when the database cannot be reached, or is lost before it is known which route is asked for.

    Odoo then serves a request as if there were no database at all, or as a page: with 404 or 500 in HTML, on which a
    sender gives up. No hook of Odoo's is reached on that way, hence the patches.
    """
    serve_db, serve_nodb = http.Request._serve_db, http.Request._serve_nodb

    def _serve_db(self):
        try:
            return serve_db(self)
        except psycopg2.Error:
            # Before our own dispatcher serves, which answers for itself, nothing but the connection can be at fault.
            if not _is_api(self) or isinstance(self.dispatcher, SchoolSyncDispatcher):
                raise
            return _unavailable(self)

    def _serve_nodb(self):
        return _without_database(self) if _is_api(self) else serve_nodb(self)

    http.Request._serve_db = _serve_db
    http.Request._serve_nodb = _serve_nodb


def uninstall_hook(env):
    """Archive the API users of all sources and remove their keys: Odoo removes only what the addon itself installed."""
    sources = env["school.sync.source"].with_context(active_test=False).search_fetch([], ["user_id"])
    env["res.users.apikeys"].search([("scope", "=", KEY_SCOPE)])._remove()
    sources.user_id._archive_school_api_users()


def _is_api(request) -> bool:
    path = request.httprequest.path
    return path == "/api" or path.startswith("/api/")


def _without_database(request):
    """Answer a request for which Odoo has not found a database: because of its address, or because it is away."""
    named = request.httprequest.headers.get("X-Odoo-Database")
    try:
        served = http.db_filter(list_dbs(force=True), host=request.httprequest.environ["HTTP_HOST"])
    except psycopg2.Error:
        return _unavailable(request)
    if named in served or not named and len(served) == 1:
        return _unavailable(request)
    if named:
        detail = Message(
            _lt("X-Odoo-Database names %(name)s, which this server does not serve. Correct the name."),
            name=quote(named),
        )
    elif served:
        detail = Message(_lt("This server serves several databases. Name yours in the header X-Odoo-Database."))
    else:
        detail = Message(_lt("This server serves no database at this address. Check the host name."))
    return SchoolSyncDispatcher(request).handle_error(Problem(404, "unknown-database", detail))


def _unavailable(request):
    away = Problem(
        503,
        "unavailable",
        Message(_lt("The database cannot be reached at the moment. Send the request again.")),
        headers={"Retry-After": "2"},
    )
    return SchoolSyncDispatcher(request).handle_error(away)
