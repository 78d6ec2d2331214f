"""``If-Match`` and ``If-None-Match`` (RFC 9110, section 13): only as long as the record is as the sender knows it."""

from odoo.http import Response, request

from ..contract.text import Message, _lt, quote
from ..sync import outbound
from .idempotency import named_by
from .problem import HEADERS, Problem

_HEADERS = ("If-Match", "If-None-Match")


def under_tag(response: Response, tag: str) -> Response:
    """``response`` under its entity tag, or 304 where the client holds just that already."""
    if request.httprequest.if_none_match.contains_weak(tag):
        return Response(status=304, headers={**HEADERS, "ETag": f'"{tag}"'})
    response.set_etag(tag)
    return response


def check_payload(source, entity: str, payload) -> None:
    """:raises Problem: 412 where the document does not stand as the request says; 400 where it is not one document"""
    if any(name in request.httprequest.headers for name in _HEADERS):
        if not isinstance(payload, dict):
            refuse()
        check(source, entity, named_by(source, entity, payload))


def refuse() -> None:
    """:raises Problem: 400 for a condition on a request that is about several records"""
    for name in _HEADERS:
        if name in request.httprequest.headers:
            raise Problem(
                400,
                "bad-precondition",
                Message(
                    _lt("%(header)s is for one document. Send the document alone, or leave the header out."),
                    header=name,
                ),
            )


def check(source, entity: str, external_id: str | None) -> None:
    """Compare what the request says of the record with what this transaction sees of it.

    That is enough: before it is written, the engine claims the binding, and a version that has moved since the
    transaction began makes it lose that claim and run again.

    :param external_id: None where the document is too bad to have one, and is refused for that
    :raises Problem: 412 where the condition does not hold
    """
    http = request.httprequest
    wants_match, wants_none = (name in http.headers for name in _HEADERS)
    if not external_id or not (wants_match or wants_none):
        return
    found = outbound.read_tagged(source, entity, external_id)
    if found is None:
        if wants_match and http.method == "POST":
            detail = _lt("This source has no record %(name)s in %(entity)s. To create it, leave out If-Match.")
            raise _failed(Message(detail, name=quote(external_id), entity=entity))
        return
    document, tag = found
    tags = {tag, str(document["version"])}
    if wants_match and not any(map(http.if_match.contains, tags)):
        raise _failed(
            Message(
                _lt(
                    "This record is at version %(version)s now, not at the version of If-Match. GET it, and send your "
                    "change again."
                ),
                version=document["version"],
            ),
            document,
            tag,
        )
    if wants_none and any(map(http.if_none_match.contains_weak, tags)):
        raise _failed(
            Message(
                _lt(
                    "This record already exists (version %(version)s). If-None-Match: * only creates. To change the "
                    "record, leave the header out."
                ),
                version=document["version"],
            ),
            document,
            tag,
        )


def _failed(detail, document=None, tag=None):
    return Problem(
        412,
        "precondition-failed",
        detail,
        headers={"ETag": f'"{tag}"'} if tag else None,
        extra={name: document[name] for name in ("externalId", "id", "model", "version")} if document else None,
        passing=True,
    )
