"""Records on their way out: one document, or a page of them in a stable order."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from odoo.fields import Domain

from . import parking
from .plan import parse_time

LONGEST_CURSOR = 200


class BadCursor(ValueError):
    """The cursor of a list was not made by this server for this list."""


def read_one(source, entity: str, external_id: str) -> dict[str, Any] | None:
    """The document that ``source`` knows as ``external_id``, archived ones included, or None."""
    found = read_tagged(source, entity, external_id)
    return found[0] if found else None


def find(source, entity: str, external_id: str) -> tuple | None:
    """The binding of what ``source`` knows as ``external_id``, archived ones included, and the record; or None."""
    binding = _bindings(source, entity, Domain("external_id", "=", external_id), Domain.TRUE, limit=1)
    if not binding:
        return None
    # Under an old id, the record is given as it is called now.
    binding = binding.successor_id or binding
    return binding, source._sync_model(entity).browse(binding.res_id)


def read_tagged(source, entity: str, external_id: str) -> tuple[dict[str, Any], str] | None:
    """The document as :func:`read_one` gives it, and its entity tag.

    The tag is the version, as long as Odoo holds just what the source said in that version. Where Odoo says more, or
    something else, which no version counts, a fingerprint of the document follows.
    """
    found = find(source, entity, external_id)
    if found is None:
        return None
    binding, _record = found
    (document,) = _documents(source, entity, binding)
    told = {name: value for name, value in document.items() if name not in ("id", "model", "version", "active")}
    said = {**(binding.document or {}), "externalId": binding.external_id}
    is_as_sent = document["active"] is not bool(binding.deleted_at) and not binding.restated
    if is_as_sent and _without_nothing(told) == _without_nothing(said):
        return document, str(binding.version)
    fingerprint = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
    return document, f"{binding.version}-{fingerprint}"


def _without_nothing(value: Any) -> Any:
    """``value`` without what is null or empty in it: a document may say so or be silent about it."""
    if not isinstance(value, dict):
        return value
    told = {name: _without_nothing(below) for name, below in value.items()}
    return {name: below for name, below in told.items() if below not in (None, [], {})}


def read_page(
    source,
    entity: str,
    *,
    limit: int,
    cursor: str | None = None,
    updated_since: datetime | None = None,
    active: bool | None = True,
    said: Mapping[str, str] | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the documents that ``source`` knows, in the order in which they first arrived.

    The order never changes and the next page starts where this one ended, so nothing is skipped or told twice, however
    much arrives meanwhile.

    :param cursor: what the page before gave; None for the first page
    :param updated_since: only what changed, here or there, at or after this moment (with a zone)
    :param active: True or False for records that are not, or are, archived; None for both
    :param said: only the documents that say this, by path: those for which the model has options
    :return: the documents, and the cursor of the next page or None
    :raises BadCursor: for a cursor of another list, or of nobody's making
    """
    model = source._sync_model(entity)
    of_record = Domain.TRUE if active is None else Domain("active", "=", active)
    if updated_since:
        of_record &= model._sync_changed_since(updated_since.astimezone(timezone.utc).replace(tzinfo=None))
    if said:
        of_record &= model._sync_saying(source, said)
    after = Domain("id", ">", read_cursor(cursor, entity)) if cursor is not None else Domain.TRUE
    after &= Domain("successor_id", "=", False)
    found = _bindings(source, entity, after, of_record, limit=limit + 1)
    page = found[:limit]
    return _documents(source, entity, page), make_cursor(entity, page[-1].id) if len(found) > limit else None


def is_parked(source, entity: str, external_id: str) -> bool:
    """Whether a document of ``entity`` called ``external_id`` waits for something it refers to."""
    domain = [("source_id", "=", source.id), ("entity", "=", entity), ("external_id", "=", external_id)]
    return bool(_parked(source).search_count(domain, limit=1))


def read_parked(
    source, *, limit: int, cursor: str | None = None, entity: str | None = None, state: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the documents of ``source`` that are parked, in the order in which they were.

    :param cursor: what the page before gave; None for the first page
    :return: what is told of each, and the cursor of the next page or None
    :raises BadCursor: for a cursor of another list, or of nobody's making
    """
    domain = Domain("source_id", "=", source.id)
    if cursor is not None:
        domain &= Domain("id", ">", read_cursor(cursor, "parked"))
    if entity:
        domain &= Domain("entity", "=", entity)
    if state:
        domain &= Domain("state", "=", state)
    found = _parked(source).search(domain, order="id", limit=limit + 1)
    page = found[:limit]
    missing = {(one.entity, one.external_id) for one in page.reference_ids}
    refused = parking.refusals(source, missing) if missing else {}
    items = [
        {
            "entity": parked.entity,
            "externalId": parked.external_id,
            "state": parked.state,
            "missing": [
                {"entity": one.entity, "externalId": one.external_id, "pointer": one.pointer}
                | ({"refused": refused[key].as_json()} if (key := (one.entity, one.external_id)) in refused else {})
                for one in parked.reference_ids
            ],
            "message": parked.message or None,
            "parkedAt": _moment(parked.create_date),
            "expiresAt": _moment(parked.expires_at),
        }
        for parked in page
    ]
    return items, make_cursor("parked", page[-1].id) if len(found) > limit else None


def _parked(source):
    # sudo: an API user sees what its own source has parked, through here, and never the documents themselves.
    return source.env["school.sync.parked"].sudo()


def _moment(value: datetime) -> str:
    return value.replace(microsecond=0).isoformat() + "Z"


def _bindings(source, entity: str, of_binding: Domain, of_record: Domain, limit: int):
    model = source._sync_model(entity).with_context(active_test=False)
    # sudo: an API user sees the bindings of its own source only, through here. The records behind them are searched
    # with its own rights.
    return (
        source.env["school.sync.binding"]
        .sudo()
        .search_fetch(
            Domain("source_id", "=", source.id)
            & Domain("entity", "=", entity)
            # Said as well for its index: the bindings of a few records are found without going through all others.
            & Domain("res_model", "=", model._name)
            & of_binding
            & Domain("res_id", "in", model._search(of_record)),
            ["external_id", "res_id", "version", "document", "source_updated_at", "deleted_at", "restated"],
            order="id",
            limit=limit,
        )
    )


def _documents(source, entity: str, bindings) -> list[dict[str, Any]]:
    records = source._sync_model(entity).browse(bindings.mapped("res_id"))
    by_binding, rest = {}, bindings
    while rest:
        # Of a record with several names, each is told as its own document words it.
        turn = rest.concat(*(of_record[:1] for of_record in rest.grouped("res_id").values()))
        documents = {binding.res_id: binding.document for binding in turn}
        by_id = records.browse(documents)._sync_read(source, documents)
        by_binding.update((binding, by_id[binding.res_id]) for binding in turn)
        rest -= turn
    return [
        {
            "externalId": binding.external_id,
            **by_binding[binding],
            "updatedAt": _updated_at(binding),
            "id": record.id,
            "model": record._name,
            "version": binding.version,
            "active": record.active,
        }
        for binding, record in zip(bindings, records, strict=True)
    ]


def _updated_at(binding) -> str | None:
    """When the source last changed the record; in its own words, unless it said the same again later."""
    said = (binding.document or {}).get("updatedAt")
    moment = binding.source_updated_at
    if not moment or (said and parse_time(said).astimezone(timezone.utc).replace(tzinfo=None, microsecond=0) == moment):
        return said
    return moment.isoformat() + "Z"


def make_cursor(entity: str, binding_id: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([entity, binding_id]).encode()).decode().rstrip("=")


def read_cursor(cursor: str, entity: str) -> int:
    if len(cursor) > LONGEST_CURSOR:
        raise BadCursor
    try:
        of_entity, binding_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error) as exc:
        raise BadCursor(cursor) from exc
    if of_entity != entity or type(binding_id) is not int or not 0 <= binding_id < 2**31:
        raise BadCursor(cursor)
    return binding_id
