"""HTTP on its way in and out: key → user → source, body → JSON, every error → one envelope."""

import contextlib
import json
import logging
import math
import random
import time
import uuid

import psycopg2
from pydantic_core import from_json
from werkzeug.exceptions import HTTPException

from odoo import api
from odoo.exceptions import ConcurrencyError, UserError
from odoo.http import Dispatcher, Response

from ..contract.text import Message, _lt, quote
from ..models.school_sync_source import KEY_SCOPE
from ..sync import turns
from ..sync.texts import ENGLISH
from .idempotency import Replay, claim, named_by
from .problem import HEADERS, Problem, problem_of
from .upload import Upload

_logger = logging.getLogger(__name__)

MEBIBYTE = 1024 * 1024
# How long the body of a client without a key is read, only so that the client gets to see the answer.
STRANGER_SECONDS = 0.25
_SAFE_METHODS = frozenset({"GET", "HEAD"})
# How often, and for how long, a request that lost a race is run again at once, before Odoo runs it again with pauses
# of up to 16 s.
MOST_RERUNS = 20
RERUN_SECONDS = 20
# How long those who lost wait at most, at random, so that they do not all come back at once: at first no longer than a
# winner needs to be out of the way, and twice as long after each further loss, up to the longest.
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.05
_LOST_RACES = (ConcurrencyError, psycopg2.errors.SerializationFailure, psycopg2.errors.DeadlockDetected)


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
        self.key = None
        self.source = None
        self.lang = ENGLISH
        self.reports = ()
        self.claim = None
        self.allowance = None
        self.entity = None
        self.upload = Upload(request.httprequest)
        self.patience = STRANGER_SECONDS
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
            return self._finish(Response(status=204, headers={**HEADERS, "Allow": allow}))
        request.params = dict(args)
        if not endpoint.routing.get("sync_public"):
            source = self._authenticate()
            self._take_token(source)
            self._check_place_of_key()
            self.source = request.params["source"] = source
            self._authorize()
            self.patience = source.upload_seconds
        if not self.source or method in _SAFE_METHODS:
            return self._finish(request.registry["ir.http"]._dispatch(endpoint))
        return self._run_until_won(endpoint)

    def _run_until_won(self, endpoint):
        """Serve a request that writes; where it loses a race, at once again, on a snapshot that sees the winner's work.

        Odoo would do so too, but with pauses of up to 16 s and five times only: too long, and too few, where many send
        the same. What is still lost after :data:`MOST_RERUNS` or :data:`RERUN_SECONDS` is raised for Odoo to run again.
        """
        request, reruns, began = self.request, 0, time.monotonic()
        while True:
            try:
                return self._exchange(endpoint)
            except _LOST_RACES as exc:
                names = getattr(exc, "names", ())
                is_late = reruns == MOST_RERUNS or time.monotonic() - began > RERUN_SECONDS
                if is_late or request.env.cr.closed:
                    raise
            _logger.debug("request %s lost a race and is run again", self.request_id)
            # As Odoo does between its tries.
            request.env.cr.rollback()
            request.env.transaction.reset()
            request.registry.reset_changes()
            if names:
                turns.wait(self.source, names)
            else:
                _pause(reruns)
            reruns += 1

    def _exchange(self, endpoint):
        """Serve a request that writes: what it does, its log, and its answer if it has a key, commit together."""
        self.reports, self.claim, passing = (), None, False
        try:
            response = self.request.registry["ir.http"]._dispatch(endpoint)
        except Replay as replay:
            response = replay.response()
            self._log(self.source, response, replay_of=replay.answer.request_id)
            return self._finish(response)
        except (HTTPException, UserError) as exc:
            if not self.claim:
                raise
            # It fails for good: it is undone and answered here, where the claim holds, and nobody comes in between.
            self.claim.savepoint.close(rollback=True)
            self.reports = ()
            problem = problem_of(exc, self.request_id)
            passing = problem.passing
            response = self.answer(problem)
        else:
            if self.claim:
                self.claim.savepoint.close(rollback=False)
        self._finish(response)
        if self.claim:
            self.claim.keep(response, self.reports)
        self._log(self.source, response, passing=passing)
        self.request.env.cr.flush()
        return response

    def answer(self, problem):
        """:return: the response that tells of ``problem``, in the language of the API user"""
        path = self.request.httprequest.path
        return problem.answer(
            self.request_id, path.replace(self.key, "[API key]") if self.key else path, lang=self.lang
        )

    def _finish(self, response):
        """``response`` with the headers that every answer has; what the client may still send is not received."""
        self.upload.close()
        # A replay has the id of the request that did the work.
        response.headers.setdefault("X-Request-Id", self.request_id)
        if self.allowance:
            response.headers.update(self.allowance.as_headers())
        return response

    def handle_error(self, exc):
        """Answer ``exc``, and log it where it cannot be undone with what failed: on a cursor of its own.

        Called once a request, after the last retry.
        """
        problem = problem_of(exc, self.request_id)
        self._let_go()
        self.upload.drain(self.patience)
        response = self.answer(problem)
        if self.source and self.request.httprequest.method not in _SAFE_METHODS:
            self.reports = ()
            try:
                self._log_apart(response, problem.passing)
            except psycopg2.Error as error:
                _logger.error("request %s could not be logged: %s", self.request_id, type(error).__qualname__)
        return self._finish(response)

    def _let_go(self):
        """Undo what failed and release its locks, before the rest of the body is read and the failure is logged."""
        if self.request.env is None or self.request.env.cr.closed:
            return
        # A connection that is lost holds no locks.
        with contextlib.suppress(psycopg2.Error):
            self.request.env.cr.rollback()

    def _log_apart(self, response, passing):
        """Log on a cursor of its own; again where somebody else opens the same problem at this moment."""
        for reruns in range(MOST_RERUNS + 1):
            try:
                with self.request.registry.cursor() as cr:
                    env = api.Environment(cr, self.source.env.uid, self.source.env.context)
                    self._log(self.source.with_env(env), response, passing=passing)
                return
            except psycopg2.errors.SerializationFailure:
                if reruns == MOST_RERUNS:
                    raise
            _pause(reruns)

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
        if not key:
            detail = Message(_lt("The API key is missing. Send it as Authorization: Bearer <key> or X-API-Key."))
            raise Problem(401, "unauthorized", detail, headers=challenge)
        env = self.request.env
        uid = env["res.users.apikeys"]._check_credentials(scope=KEY_SCOPE, key=key)
        if not uid:
            detail = Message(_lt("The API key is unknown, expired or revoked. Send a valid one."))
            raise Problem(401, "unauthorized", detail, headers=challenge)
        self.key = key
        # sudo: which source a user speaks for is asked before anything is known of the user's rights. Its settings come
        # along in the same query.
        source = env["school.sync.source"].sudo().search_fetch([("user_id", "=", uid)], limit=1)
        if not source:
            detail = Message(_lt("The user of this API key is not the API user of an active source."))
            raise Problem(403, "no-source", detail)
        self.lang = source._api_context()["lang"]
        self.request.update_env(user=uid, context=source._api_context(), su=False)
        return source.with_env(self.request.env)

    def _check_place_of_key(self, body=b""):
        """:raises Problem: 400 where the API key stands in a place that is logged, or kept with what was sent"""
        httprequest = self.request.httprequest
        told = httprequest.path + httprequest.full_path + httprequest.headers.get("Idempotency-Key", "")
        if self.key in told or self.key.encode() in body:
            raise Problem(
                400,
                "key-exposed",
                Message(
                    _lt(
                        "The API key is in the address, the Idempotency-Key or the body, where it may be stored and "
                        "seen. Send it in the header Authorization or X-API-Key only, and generate a new one."
                    )
                ),
            )

    def _take_token(self, source):
        """Count the request, once, however often it is run.

        A source that asks too often gets no log entry for it, which would cost what the limit is to save; the source
        itself shows how often.

        :raises Problem: 429
        """
        if self.allowance or not source.rate_limit:
            return
        self.allowance = source.env["school.sync.rate.bucket"]._take(source)
        if self.allowance.is_refused:
            raise Problem(
                429,
                "rate-limited",
                Message(
                    _lt(
                        "This source may send %(limit)s requests a minute, %(burst)s at once. Try again in "
                        "%(seconds)s s, and send many documents in one request."
                    ),
                    limit=source.rate_limit,
                    burst=source.rate_burst,
                    seconds=self.allowance.wait,
                ),
                headers={"Retry-After": str(self.allowance.wait)},
                passing=True,
            )

    def _authorize(self):
        user, reading = self.source.env.user, self.request.httprequest.method in _SAFE_METHODS
        if not user.has_group(f"school_erp_sync.group_sync_{'reader' if reading else 'writer'}"):
            self.source = None
            if reading:
                detail = _lt("The user of this API key may not read. Add it to a Sync group that may.")
            else:
                detail = _lt("The user of this API key may not write. Add it to a Sync group that may.")
            raise Problem(403, "forbidden", Message(detail))

    # ------------------------------------------------------------------
    # What is sent
    # ------------------------------------------------------------------

    def read_payload(self):
        """:return: the body as parsed JSON, an object or an array; :raises Problem: 400, 413 or 415 where it is none"""
        httprequest, limit = self.request.httprequest, self.source.max_mebibytes * MEBIBYTE
        media_type = httprequest.mimetype
        if not (media_type == "application/json" or media_type.endswith("+json")):
            if media_type:
                detail = Message(
                    _lt("Content-Type %(type)s is not supported. Send application/json."), type=quote(media_type)
                )
            else:
                detail = Message(_lt("Content-Type is missing. Send application/json."))
            headers = {"Accept-Post": "application/json"}
            raise Problem(415, "unsupported-media-type", detail, headers=headers)
        if httprequest.headers.get("Content-Encoding", "identity").lower() != "identity":
            detail = Message(_lt("Content-Encoding is not supported. Send the JSON uncompressed."))
            raise Problem(415, "unsupported-media-type", detail)
        if not self.body:
            body = self._read_body(limit)
            self._check_place_of_key(body)
            self.body = body
        try:
            payload = self._parse(self.body)
        except Problem:
            self.claim_key()
            raise
        self.claim_key(named_by(self.source, self.entity, payload))
        return payload

    def _read_body(self, limit):
        """:return: all that the client sends; :raises Problem: 400, 408 or 413 where that is not a whole body"""
        body = bytearray()
        too_large = Problem(
            413,
            "too-large",
            Message(
                _lt("The request is larger than %(most)s MiB. Send smaller batches."), most=self.source.max_mebibytes
            ),
        )
        if limit < self.upload.left < math.inf:
            raise too_large
        try:
            for piece in self.upload.pieces(self.patience):
                body += piece
                if len(body) > limit:
                    raise too_large
        except TimeoutError as exc:
            detail = _lt("The body did not arrive within %(seconds)s s. Send the request again.")
            raise _incomplete(Message(detail, seconds=self.patience)) from exc
        except (EOFError, ConnectionError) as exc:
            detail = _lt("The request ended before its body was complete. Send the request again.")
            raise _incomplete(Message(detail)) from exc
        except OSError as exc:
            detail = Message(_lt("Transfer-Encoding is chunked, but the body is not in chunks."))
            raise Problem(400, "malformed-chunks", detail) from exc
        return bytes(body)

    def claim_key(self, external_id=None):
        """Claim the request's ``Idempotency-Key``, if it has one, once it is known what is asked and nothing is done.

        :param external_id: of the one document that the request is about
        :raises Problem: 400, 409, 422
        """
        self.claim = claim(self.source, self.request.httprequest, self.entity, self.body, external_id)

    def _parse(self, body):
        if not body.strip():
            detail = Message(_lt("The body is empty. Send a JSON object or an array of objects."))
            raise Problem(400, "malformed-json", detail)
        try:
            payload = from_json(body.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
        except ValueError as exc:
            detail = Message(_lt("The body is not valid JSON: %(reason)s. Correct it."), reason=str(exc))
            raise Problem(400, "malformed-json", detail) from exc
        if not isinstance(payload, dict | list):
            detail = Message(_lt("The body must be a JSON object or an array of objects."))
            raise Problem(400, "malformed-json", detail)
        if isinstance(payload, list) and len(payload) > self.source.max_documents:
            raise Problem(
                413,
                "too-large",
                Message(
                    _lt("The array holds %(count)s documents. Send at most %(most)s at once."),
                    count=len(payload),
                    most=self.source.max_documents,
                ),
            )
        return payload

    # ------------------------------------------------------------------
    # What is remembered
    # ------------------------------------------------------------------

    def _log(self, source, response, *, replay_of=None, passing=False):
        """:param replay_of: the id of the request that was answered so first; :param passing: see :class:`Problem`"""
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
                "replay_of": replay_of,
                # What was sent and answered stands with the request that did the work.
                "request": "" if replay_of else self.body.decode(errors="replace"),
                "response": "" if replay_of else answer,
            },
            *self.reports,
            observe=not (replay_of or passing),
        )


def _incomplete(detail):
    return Problem(408, "upload-incomplete", detail, headers={"Retry-After": "1"}, passing=True)


def _pause(reruns: int) -> None:
    time.sleep(random.uniform(0, min(FIRST_PAUSE_SECONDS * 2**reruns, LONGEST_PAUSE_SECONDS)))
