"""The routes: which entity, which options; nothing else."""

from datetime import datetime
from urllib.parse import quote

from odoo import http
from odoo.http import request
from odoo.modules import Manifest

from ..contract.base import FieldError
from ..sync import engine, outbound
from ..sync.item import Item, Report, Status
from .problem import Problem, json_response

MOST_IN_A_PAGE = 1000
_STATUS_CODES = {
    Status.CREATED: 201,
    Status.PARKED: 202,
    Status.STALE: 409,
    Status.CONFLICT: 409,
    Status.FAILED: 422,
    Status.ROLLED_BACK: 422,
}
_COLLECTION_METHODS = "GET, HEAD, POST, OPTIONS"
_DOCUMENT_METHODS = "GET, HEAD, DELETE, OPTIONS"


def sync_route(path, *methods, **routing):
    """An Odoo route of ours: stateless, served by the dispatcher of this addon, which asks for the key."""
    readonly = not {"POST", "DELETE"} & set(methods)
    return http.route(
        path, type="school_sync", auth="none", methods=methods or None, readonly=readonly, save_session=False, **routing
    )


class SchoolSyncController(http.Controller):
    @sync_route("/api/health", "GET", sync_public=True)
    def health(self):
        """Whether the database answers, and which version of the addon serves; for load balancers, without a key."""
        request.env.cr.execute("SELECT 1")
        return json_response({"status": "ok", "version": Manifest.for_addon("school_erp_sync").version}, 200)

    @sync_route("/api/<string:entity>", "GET")
    def read_page(self, source, entity):
        """A page of documents, in a stable order."""
        self._check_entity(source, entity)
        options = Options({"limit", "cursor", "updatedSince", "active"})
        limit = options.integer("limit", default=100, least=1, most=MOST_IN_A_PAGE)
        updated_since = options.moment("updatedSince")
        active = options.choice("active", {"true": True, "false": False, "all": None}, default="true")
        options.check()
        try:
            items, cursor = outbound.read_page(
                source, entity, limit=limit, cursor=options.get("cursor"), updated_since=updated_since, active=active
            )
        except outbound.BadCursor as exc:
            raise bad_option("cursor", "was not made by this list; leave it out to start from the beginning") from exc
        return json_response({"items": items, "nextCursor": cursor}, 200)

    @sync_route("/api/<string:entity>", "POST", sync_payload=True)
    def upsert(self, source, entity, payload):
        """Create or update a document, or a batch of them."""
        self._check_entity(source, entity)
        options = Options({"atomic"})
        atomic = options.choice("atomic", {"true": True, "false": False}, default="false")
        options.check()
        single = isinstance(payload, dict)
        report = engine.run(source, entity, [payload] if single else payload, atomic=atomic)
        request.dispatcher.report = report
        if single:
            return _answer_one(report.items[0], report.model, entity)
        return _answer_batch(report)

    @sync_route("/api/<string:entity>/<path:external_id>", "GET")
    def read_one(self, source, entity, external_id):
        """One document."""
        self._check_entity(source, entity)
        Options(set()).check()
        document = outbound.read_one(source, entity, external_id)
        if document is None:
            raise _unknown(entity, external_id)
        return json_response(document, 200, {"ETag": f'"{document["version"]}"'})

    @sync_route("/api/<string:entity>/<path:external_id>", "DELETE")
    def archive(self, source, entity, external_id):
        """Archive the record behind a document. What refers to it keeps it; sending the document again restores it."""
        self._check_entity(source, entity)
        Options(set()).check()
        item = engine.archive(source, entity, external_id)
        if item is None:
            raise _unknown(entity, external_id)
        model = source._sync_model(entity)._name
        request.dispatcher.report = Report(model, [item])
        return _answer_one(item, model, entity)

    @sync_route(["/api", "/api/<path:path>"])
    def elsewhere(self, source, path=""):
        """Every other path below /api, and every other method."""
        entity, _slash, external_id = path.partition("/")
        if path == "health":
            raise _not_allowed("GET, HEAD, OPTIONS")
        self._check_entity(source, entity)
        raise _not_allowed(_DOCUMENT_METHODS if external_id else _COLLECTION_METHODS)

    def _check_entity(self, source, entity):
        entities = source._sync_entities()
        if entity not in entities:
            raise Problem(404, "not-found", f"There is no such path. Entities are: {', '.join(sorted(entities))}.")
        request.dispatcher.entity = entity


class Options:
    """The query string, read strictly: a misspelt ``?atomc=true`` must not pass for a batch that is not atomic."""

    def __init__(self, known: set[str]):
        self._args = request.httprequest.args
        self._errors = [
            _option_error(name, "is not an option here" + (f"; there are {', '.join(sorted(known))}" if known else ""))
            for name in self._args
            if name not in known
        ]

    def get(self, name):
        return self._args.get(name)

    def integer(self, name, *, default, least, most):
        text = self._args.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
            self._errors.append(_option_error(name, f"must be a whole number from {least} to {most}"))
            return default
        return int(text)

    def choice(self, name, choices, *, default):
        text = self._args.get(name, default)
        if text not in choices:
            self._errors.append(_option_error(name, f"must be one of {', '.join(choices)}"))
        return choices.get(text)

    def moment(self, name):
        text = self._args.get(name)
        if text is None:
            return None
        try:
            # In a query string a plus sign stands for a space, and few remember to write %2B.
            moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+"))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self._errors.append(_option_error(name, "must be a time with a zone, such as 2025-05-03T10:12:44Z"))
        return moment

    def check(self):
        """:raises Problem: 400 with all that is wrong with the options"""
        if self._errors:
            raise Problem(400, "bad-option", "The query string has mistakes.", errors=self._errors)


def bad_option(name, sentence):
    return Problem(400, "bad-option", "The query string has mistakes.", errors=[_option_error(name, sentence)])


def _option_error(name, sentence):
    name = name[:100]
    return FieldError(f"?{name}", "bad_option", f"{name} {sentence}")


def _unknown(entity, external_id):
    return Problem(404, "not-found", f"No record of {entity} is known as {external_id[:255]!r} in this source.")


def _not_allowed(methods):
    return Problem(405, "method-not-allowed", f"This path takes {methods} only.", headers={"Allow": methods})


def _item_json(item: Item, model: str):
    body = {"externalId": item.external_id, "id": item.res_id, "model": model, "status": item.status.value}
    if item.version is not None:
        body["version"] = item.version
    if item.warnings:
        body["warnings"] = item.warnings
    return body


def _answer_one(item: Item, model: str, entity: str):
    code = _STATUS_CODES.get(item.status, 200)
    body = _item_json(item, model)
    if not item.went_through:
        kind = "invalid-document" if code == 422 else item.status.value
        del body["status"]
        detail = "; ".join(error.detail for error in item.errors)
        # Answered, not raised: the exchange is logged in this transaction.
        problem = Problem(code, kind, detail, errors=item.errors, extra=body)
        return problem.answer(request.dispatcher.request_id, request.httprequest.path)
    headers = {"ETag": f'"{item.version}"', "Location": f"/api/{entity}/{quote(item.external_id, safe='')}"}
    return json_response(body, code, headers)


def _answer_batch(report: Report):
    items = []
    for item in report.items:
        body = _item_json(item, report.model)
        if item.errors:
            body["errors"] = [error.at(f"/{item.index}").as_json() for error in item.errors]
        items.append(body)
    body = {"summary": report.summary(), "items": items}
    if report.went_through == len(items):
        return json_response(body, 200)
    if report.went_through:
        return json_response(body, 207)
    errors = [error.at(f"/{item.index}") for item in report.items for error in item.errors]
    problem = Problem(422, "invalid-batch", "No document of the batch was applied.", errors=errors, extra=body)
    return problem.answer(request.dispatcher.request_id, request.httprequest.path)
