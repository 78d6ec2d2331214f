"""``Idempotency-Key``: what was asked before is answered again, and not done again.

After the IETF's draft-ietf-httpapi-idempotency-key-header, with what the data contract adds to it: there the key of a
POST *is* the document's externalId, and comes again with each change of the record. Such a key names no attempt but a
record, so an answer is given again only for as long as the record stands as that answer left it.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from odoo.http import Response

from ..contract.base import read
from ..contract.employee import TeacherStatus
from ..contract.text import Message, _lt
from ..models.school_sync_idempotency_key import KeptAnswer
from ..sync import employees
from ..sync.item import Status
from ..sync.plan import Action
from .problem import HEADERS, Problem

LONGEST_KEY = 255
#: What the same request would be answered again, and what it did. Everything else is not the request's doing (401, 403,
#: 429, 5xx), may be answered otherwise at the next try (404, 409, 412), or is found out before a key is looked at.
_KEPT = frozenset({200, 201, 202, 207, 400, 422})
_KEPT_HEADERS = ("Content-Type", "ETag", "Location", "X-Request-Id")
#: A string of RFC 9651, which may be followed by parameters; but any letter may stand in it.
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)" *(?:;.*)?')


class Replay(Exception):
    """The request was answered before: ``answer`` says how."""

    def __init__(self, answer: KeptAnswer):
        super().__init__(answer.request_id)
        self.answer = answer

    def response(self) -> Response:
        """:return: the answer, byte for byte, under the request id of the request that did the work"""
        headers = {**HEADERS, **self.answer.headers, "Idempotent-Replayed": "true"}
        return Response(self.answer.body, status=self.answer.http_status, headers=headers)


@dataclass(slots=True)
class Claim:
    """A key that this request, and at this moment no other, is working under.

    ``names`` is the entity and externalId of the record that the key names, if it names one. What is done under the
    claim is done within ``savepoint``: where it fails for good, it is undone, and the claim holds.
    """

    source: Any
    scope: str
    method: str
    path: str
    key: str
    fingerprint: str
    names: tuple[str, str] | None
    savepoint: Any

    def keep(self, response: Response, reports) -> None:
        """Keep ``response`` for those who ask again, in the transaction of what it tells of.

        :raises ClaimLost: somebody else was answered under the same key a moment ago
        """
        if response.status_code not in _KEPT:
            return
        if any(item.status is Status.NOT_TRIED for report in reports for item in report.items):
            # The same request goes on where this one had to stop.
            return
        if self.names and response.status_code == 422 and not _is_refused_by_contract(reports):
            # It may be what Odoo holds that is at fault: once that is mended, the same document goes through.
            return
        keys = self.source.env["school.sync.idempotency.key"]
        keys._keep(
            self.source,
            {
                "scope": self.scope,
                "method": self.method,
                "path": self.path[:2000],
                "key": self.key,
                "fingerprint": self.fingerprint,
                "stamp": keys._stamp(self.source, *self.names) if self.names else None,
                "request_id": response.headers["X-Request-Id"],
                "http_status": response.status_code,
                "headers": json.dumps(
                    {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
                ),
                "body": response.get_data(as_text=True),
            },
        )


def claim(source, httprequest, entity: str, body: bytes, external_id: str | None) -> Claim | None:
    """Claim the key that the request carries, before anything of it is done.

    :param external_id: of the one document that the request is about
    :return: the claim, or None for a request without a key
    :raises Replay: it was answered before
    :raises Problem: 400 for a bad key, or none where the source must send one; 409 while another request works under
        the key; 422 where the key came with something else before
    """
    key = _read_key(httprequest.headers.get("Idempotency-Key"))
    if key is None:
        if source.idempotency_required:
            raise Problem(
                400,
                "idempotency-key-required",
                Message(
                    _lt(
                        "Idempotency-Key is missing; this source must send one with each POST and DELETE. Send the "
                        "externalId, or an identifier that is new for each request and the same when it is retried."
                    )
                ),
            )
        return None
    method = httprequest.method
    path = httprequest.path.rstrip("/") if method == "POST" else httprequest.path
    scope = hashlib.sha256("\n".join((method, path, key)).encode(errors="surrogatepass")).hexdigest()
    fingerprint = _fingerprint(httprequest, body)
    names = (entity, external_id) if key == external_id else None
    keys = source.env["school.sync.idempotency.key"]
    kept = keys._find(source, scope)
    if kept and kept.fingerprint == fingerprint:
        if not names or kept.stamp == keys._stamp(source, *names):
            raise Replay(kept)
    elif kept and not names:
        raise Problem(
            422,
            "idempotency-key-reused",
            Message(
                _lt(
                    "This Idempotency-Key came with another request to the same address before. Send a new key with a "
                    "new request."
                )
            ),
        )
    if not keys._try_lock(source, scope):
        raise Problem(
            409,
            "idempotency-key-in-use",
            Message(
                _lt("A request with this Idempotency-Key is still running. Send it again later to get its answer.")
            ),
            headers={"Retry-After": "1"},
            passing=True,
        )
    return Claim(source, scope, method, path, key, fingerprint, names, source.env.cr.savepoint())


def named_by(source, entity: str, payload: Any) -> str | None:
    """The externalId of the one document that ``payload`` is, if it is one and has one."""
    if not isinstance(payload, dict):
        return None
    name = source._sync_entities().get(entity)
    if not name and entity != employees.ENTITY:
        return None
    document = read(source.env[name]._sync_document if name else TeacherStatus, payload).document
    external_id = document.get("externalId") or payload.get("externalId")
    # Anything else names no record, and the document is refused for it.
    return external_id if isinstance(external_id, str) and "\0" not in external_id else None


def _read_key(header: str | None) -> str | None:
    if header is None:
        return None
    try:
        # Headers arrive as Latin-1, whatever they are.
        key = header.encode("latin-1").decode().strip()
    except UnicodeError as exc:
        raise _bad_key(_lt("Idempotency-Key is not UTF-8.")) from exc
    if key.startswith('"'):
        quoted = _QUOTED.fullmatch(key)
        if not quoted:
            raise _bad_key(
                _lt('Idempotency-Key starts with a quote but is not a quoted string. Write "…", with \\" and \\\\ in.')
            )
        key = re.sub(r'\\(["\\])', r"\1", quoted[1])
    if not key:
        raise _bad_key(_lt("Idempotency-Key is empty."))
    if len(key) > LONGEST_KEY:
        detail = _lt("Idempotency-Key has %(count)s characters. Send at most %(most)s.")
        raise _bad_key(detail, count=len(key), most=LONGEST_KEY)
    if re.search(r"[\x00-\x1f\x7f]", key):
        raise _bad_key(_lt("Idempotency-Key contains a control character. Remove it."))
    return key


def _bad_key(template: str, **params: Any) -> Problem:
    return Problem(400, "bad-idempotency-key", Message(template, **params))


def _fingerprint(httprequest, body: bytes) -> str:
    """A digest of what is asked: options and content, in a form in which neither order nor spelling counts."""
    options = sorted(httprequest.args.items(multi=True))
    try:
        content = json.loads(body.removeprefix(b"\xef\xbb\xbf"), parse_float=_number)
    except (ValueError, RecursionError):
        content = {"not JSON": body.decode("latin-1")}
    return hashlib.sha256(json.dumps([options, content], sort_keys=True).encode()).hexdigest()


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def _is_refused_by_contract(reports) -> bool:
    """Whether a look at the document alone was enough to refuse it."""
    decisions = [item.decision for report in reports for item in report.items]
    return bool(decisions) and all(decision and decision.action is Action.REJECT for decision in decisions)
