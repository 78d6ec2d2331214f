"""What can go wrong, as RFC 9457 problem documents: one function from exception to answer."""

import json
import logging
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from odoo.exceptions import AccessDenied, AccessError, MissingError, UserError
from odoo.http import Response

from ..contract.base import FieldError
from ..contract.text import Message, _lt
from ..sync.isolation import is_busy
from ..sync.item import Refused
from ..sync.texts import ENGLISH, translate

_logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
# Answers hold personal data of children: nobody on the way may keep them.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Problem(HTTPException):
    """Why a request is not served, in words for whoever sent it.

    :param status: the HTTP status
    :param kind: the last part of the problem's ``type``; stable, for programs
    :param detail: what was wrong and what to do; a :class:`Message` is translated when it is answered
    :param errors: the fields at fault
    :param headers: further headers of the answer
    :param extra: further members of the problem document
    :param passing: whether nobody need be told: the sender only has to ask again, or to look again
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        passing: bool = False,
    ):
        super().__init__(detail)
        self.code = status
        self.kind = kind
        self.errors = errors
        self.headers = headers or {}
        self.extra = extra or {}
        self.passing = passing

    def answer(self, request_id: str, path: str, lang: str = ENGLISH) -> Response:
        """:return: the response, with ``requestId`` under which the log of the server and of Odoo know it"""
        in_words = partial(translate, lang=lang)
        body = {
            "type": f"urn:school-erp-sync:problem:{self.kind}",
            "title": HTTP_STATUS_CODES[self.code],
            "status": self.code,
            "detail": in_words(self.description),
            "instance": path,
            "requestId": request_id,
            "errors": [error.translated(in_words).as_json() for error in self.errors],
            **self.extra,
        }
        return json_response(body, self.code, {**self.headers, "X-Request-Id": request_id}, MEDIA_TYPE)


def json_response(
    body: Any, status: int, headers: Mapping[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """``body`` as JSON, in UTF-8 and not to be stored by anybody on the way."""
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(data, status=status, headers={**HEADERS, **(headers or {})}, content_type=media_type)


def problem_of(exc: Exception, request_id: str) -> Problem:
    """What to tell the client about ``exc``. Nothing of an unexpected one but the id under which it is logged."""
    match exc:
        case Problem():
            return exc
        case HTTPException(code=int(code)):
            kind = HTTP_STATUS_CODES[code].lower().replace(" ", "-")
            return Problem(code, kind, exc.description or HTTP_STATUS_CODES[code])
        case AccessDenied():
            return Problem(401, "unauthorized", Message(_lt("The API key is not valid.")))
        case AccessError():
            detail = Message(_lt("The user of this API key may not do this. Ask an Odoo administrator for the right."))
            return Problem(403, "forbidden", detail)
        case MissingError():
            return Problem(404, "not-found", Message(_lt("The record does not exist any more.")))
        case _ if is_busy(exc):
            _logger.warning("request %s gave up: %s", request_id, type(exc).__qualname__)
            exc.loglevel = logging.DEBUG
            return Problem(
                503,
                "busy",
                Message(_lt("Other requests are changing the same records. Send the request again.")),
                headers={"Retry-After": "1"},
                passing=True,
            )
        case Refused():
            error = FieldError(exc.pointer, exc.code, str(exc))
            return Problem(409, exc.code.replace("_", "-"), str(exc), errors=[error])
        case UserError():
            return Problem(422, "refused", Message(_lt("Odoo refuses this: %(reason)s"), reason=str(exc)))
    # The message of an exception may quote a document, and so a child's data; its type and place do not.
    frames = "".join(traceback.format_tb(exc.__traceback__))
    _logger.error("request %s failed with %s\n%s", request_id, type(exc).__qualname__, frames)
    # Odoo logs what it cannot explain with its message, at this level.
    exc.loglevel = logging.DEBUG
    detail = Message(
        _lt(
            "The request failed because of an error in Odoo. Ask its administrator to look for request %(request)s in "
            "the server log."
        ),
        request=request_id,
    )
    return Problem(500, "internal-error", detail)
