"""HTTP on its way in and out: key → user → source, body → JSON, every error → one envelope."""

import contextlib
import json
import logging
import time
import uuid

import psycopg2
from pydantic_core import from_json
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from odoo import api
from odoo.http import Dispatcher, Response

from ..models.school_sync_source import KEY_SCOPE
from .problem import HEADERS, Problem, problem_of

_logger = logging.getLogger(__name__)

MEBIBYTE = 1024 * 1024
# What is read of a body that is refused, so that the client, still sending, gets to see the answer.
MOST_DRAINED = 128 * MEBIBYTE
DRAIN_SECONDS = 20
_SAFE_METHODS = frozenset({"GET", "HEAD"})


class SchoolSyncDispatcher(Dispatcher):
    """Serves routes of type ``school_sync``.

    A route gets the ``source`` that asks, reads the body with :meth:`read_payload` if it wants one, and returns a
    response. With ``sync_public=True`` it gets no source and asks for no key. ``sync_allow`` is its ``Allow`` header.
    """

    routing_type = "school_sync"
    mimetypes = ("application/json",)

    def __init__(self, request):
        super().__init__(request)
        self.request_id = uuid.uuid4().hex
        self.source = None
        self.reports = ()
        self.entity = None
        self.body = b""
        self.started = time.monotonic()

    @classmethod
    def is_compatible_with(cls, request):
        # A wrong content type is answered in our own envelope, not in Odoo's.
        return request.httprequest.path.startswith("/api")

    def dispatch(self, endpoint, args):
        request, method = self.request, self.request.httprequest.method
        if method == "OPTIONS":
            allow = endpoint.routing.get("sync_allow", "OPTIONS")
            return Response(status=204, headers={**HEADERS, "Allow": allow, "X-Request-Id": self.request_id})
        request.params = dict(args)
        if not endpoint.routing.get("sync_public"):
            self.source = request.params["source"] = self._authenticate()
            self._authorize()
        response = request.registry["ir.http"]._dispatch(endpoint)
        response.headers["X-Request-Id"] = self.request_id
        if self.source and method not in _SAFE_METHODS:
            self._log(self.source, response)
        return response

    def handle_error(self, exc):
        """Answer ``exc``, and log it where it cannot be undone with what failed: on a cursor of its own.

        Called once a request, after the last retry.
        """
        if not self.body:
            self._drain()
        response = problem_of(exc, self.request_id).answer(self.request_id, self.request.httprequest.path)
        if self.source and self.request.httprequest.method not in _SAFE_METHODS:
            self.reports = ()
            try:
                with self.request.registry.cursor() as cr:
                    env = api.Environment(cr, self.source.env.uid, {})
                    self._log(self.source.with_env(env), response)
            except psycopg2.Error as error:
                _logger.error("request %s could not be logged: %s", self.request_id, type(error).__qualname__)
        return response

    # ------------------------------------------------------------------
    # Who asks
    # ------------------------------------------------------------------

    def _authenticate(self):
        """:return: the source whose key the request carries, in the environment of its user; :raises Problem: 401, 403

        Here and not in an authentication method of ``ir.http``, which turns every exception, a database that restarts
        included, into "access denied": a client would give up where it should try again.
        """
        headers = self.request.httprequest.headers
        kind, _space, key = headers.get("Authorization", "").partition(" ")
        key = key.strip() if kind.lower() == "bearer" else headers.get("X-API-Key", "").strip()
        challenge = {"WWW-Authenticate": 'Bearer realm="school_erp_sync"'}
        if not key or "\0" in key:
            raise Problem(
                401, "unauthorized", "Send the API key as Authorization: Bearer <key> or X-API-Key.", headers=challenge
            )
        env = self.request.env
        uid = env["res.users.apikeys"]._check_credentials(scope=KEY_SCOPE, key=key)
        if not uid:
            raise Problem(401, "unauthorized", "The API key is unknown, expired or revoked.", headers=challenge)
        # sudo: which source a user speaks for is asked before anything is known of the user's rights.
        source = env["school.sync.source"].sudo().search_fetch([("user_id", "=", uid)], ["company_id"], limit=1)
        if not source:
            raise Problem(403, "no-source", "The user of this API key is not the API user of an active sync source.")
        self.request.update_env(user=uid, context={"allowed_company_ids": source.company_id.ids}, su=False)
        return source.with_env(self.request.env)

    def _authorize(self):
        user, reading = self.source.env.user, self.request.httprequest.method in _SAFE_METHODS
        if not user.has_group(f"school_erp_sync.group_sync_{'reader' if reading else 'writer'}"):
            self.source = None
            action = "read" if reading else "write"
            raise Problem(
                403, "forbidden", f"The user of this API key may not {action}; add it to the Sync group that may."
            )

    # ------------------------------------------------------------------
    # What is sent
    # ------------------------------------------------------------------

    def read_payload(self):
        """:return: the body as parsed JSON, an object or an array; :raises Problem: 400, 413 or 415 where it is none"""
        httprequest, limit = self.request.httprequest, self.source.max_mebibytes * MEBIBYTE
        media_type = httprequest.mimetype
        if not (media_type == "application/json" or media_type.endswith("+json")):
            raise Problem(
                415,
                "unsupported-media-type",
                f"Content-Type is {media_type[:100] or 'missing'}; send application/json.",
                headers={"Accept-Post": "application/json"},
            )
        if httprequest.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Problem(415, "unsupported-media-type", "Content-Encoding is not supported; send the JSON plain.")
        # One byte more than allowed: a body in chunks is cut there, not refused.
        httprequest.max_content_length = limit + 1
        too_large = Problem(
            413, "too-large", f"The request is larger than {self.source.max_mebibytes} MiB; send smaller batches."
        )
        if (httprequest.content_length or 0) > limit:
            raise too_large
        try:
            body = httprequest.get_data(cache=True)
        except RequestEntityTooLarge as exc:
            raise too_large from exc
        except ClientDisconnected as exc:
            raise Problem(400, "malformed-json", "The request ended before its body did.") from exc
        if len(body) > limit:
            raise too_large
        self.body = body
        return self._parse(body)

    def _parse(self, body):
        if not body.strip():
            raise Problem(400, "malformed-json", "The body is empty; send a JSON object or an array of objects.")
        try:
            payload = from_json(body.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
        except ValueError as exc:
            raise Problem(400, "malformed-json", f"The body is not valid JSON: {exc}.") from exc
        if not isinstance(payload, dict | list):
            raise Problem(400, "malformed-json", "The body must be a JSON object or an array of objects.")
        if isinstance(payload, list) and len(payload) > self.source.max_documents:
            raise Problem(
                413,
                "too-large",
                f"The array holds {len(payload)} documents; send at most {self.source.max_documents} at once.",
            )
        return payload

    def _drain(self):
        """Read what the client still sends, up to a limit: an answer before that is lost with the connection."""
        # Odoo shows neither the stream nor the WSGI input of a request.
        environ = self.request.httprequest._HTTPRequest__wrapped.environ
        chunked = environ.get("wsgi.input_terminated")
        left = min(MOST_DRAINED, MOST_DRAINED if chunked else self.request.httprequest.content_length or 0)
        deadline = time.monotonic() + DRAIN_SECONDS
        # An OSError here says that the client is gone, and needs no answer.
        with contextlib.suppress(OSError):
            while left > 0 and time.monotonic() < deadline:
                chunk = environ["wsgi.input"].read(min(left, MEBIBYTE))
                if not chunk:
                    break
                left -= len(chunk)

    # ------------------------------------------------------------------
    # What is remembered
    # ------------------------------------------------------------------

    def _log(self, source, response):
        httprequest = self.request.httprequest
        answer = response.get_data(as_text=True)
        source.env["school.sync.log"]._record(
            source,
            {
                "request_id": self.request_id,
                "method": httprequest.method,
                "path": httprequest.full_path.rstrip("?")[:2000].replace("\0", "\N{SYMBOL FOR NULL}"),
                "entity": self.entity,
                "http_status": response.status_code,
                "message": json.loads(answer).get("detail") if response.status_code >= 400 else None,
                "duration": round((time.monotonic() - self.started) * 1000),
                "request": self.body.decode(errors="replace"),
                "response": answer,
            },
            *self.reports,
        )
