"""The routes: which entity, which options; nothing else."""

from collections import Counter
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from odoo import http
from odoo.http import request
from odoo.modules import Manifest

from ..contract.base import DateTime, FieldError, pointer
from ..contract.text import Message, _lt
from ..contract.text import quote as in_quotes
from ..sync import employees, engine, outbound, statements
from ..sync.budget import Budget
from ..sync.item import Item, Report, Status
from . import preconditions
from .problem import Problem, json_response

MOST_IN_A_PAGE = 1000
PARKED_STATES = ("waiting", "failed", "expired")
_STATUS_CODES = {
    Status.CREATED: 201,
    Status.PARKED: 202,
    Status.STALE: 409,
    Status.CONFLICT: 409,
    Status.FAILED: 422,
    Status.ROLLED_BACK: 422,
    Status.NOT_TRIED: 503,
}
# How soon what was not tried may be sent again.
_RETRY_NOW = {"Retry-After": "1"}
_COLLECTION_METHODS = "GET, HEAD, POST, OPTIONS"
_OWN_PATHS = {
    employees.ENTITY: "GET, HEAD, OPTIONS",
    "health": "GET, HEAD, OPTIONS",
    "sync": "POST, OPTIONS",
    "sync/parked": "GET, HEAD, OPTIONS",
    "teacher/status": "POST, OPTIONS",
    **dict.fromkeys((f"statements/{entity}/" for entity in statements.ENTITIES), "GET, HEAD, OPTIONS"),
}
_DOCUMENT_METHODS = "GET, HEAD, DELETE, OPTIONS"
# The same times as in a document, on every version of Python.
_MOMENT = TypeAdapter(DateTime)


def sync_route(path, *methods, allow=None, public=False, readonly=None):
    """An Odoo route of ours: stateless, served by the dispatcher of this addon, which asks for the key.

    :param allow: the methods of the whole path, for the ``Allow`` header
    :param public: whether it is served without a key
    :param readonly: whether it writes nothing; by default what only gets does not
    """
    return http.route(
        path,
        type="school_sync",
        auth="none",
        methods=methods or None,
        readonly=not {"POST", "DELETE"} & set(methods) if readonly is None else readonly,
        save_session=False,
        sync_allow=allow,
        sync_public=public,
    )


class SchoolSyncController(http.Controller):
    @sync_route("/api/health", "GET", allow=_OWN_PATHS["health"], public=True)
    def health(self):
        """Whether the database answers, and which version of the addon serves; for load balancers, without a key."""
        request.env.cr.execute("SELECT 1")
        return json_response({"status": "ok", "version": Manifest.for_addon("school_erp_sync").version}, 200)

    @sync_route("/api/<string:entity>", "GET", allow=_COLLECTION_METHODS)
    def read_page(self, source, entity):
        """A page of documents, in a stable order."""
        self._check_entity(source, entity)
        paths = source._sync_model(entity)._sync_options()
        options = Options({"limit", "cursor", "updatedSince", "active"} | paths)
        limit = options.integer("limit", default=100, least=1, most=MOST_IN_A_PAGE)
        updated_since = options.moment("updatedSince")
        active = options.choice("active", {"true": True, "false": False, "all": None}, default="true")
        said = {path: text for path in sorted(paths) if (text := options.text(path)) is not None}
        options.check()
        try:
            items, cursor = outbound.read_page(
                source,
                entity,
                limit=limit,
                cursor=options.get("cursor"),
                updated_since=updated_since,
                active=active,
                said=said,
            )
        except outbound.BadCursor as exc:
            raise bad_cursor() from exc
        return json_response({"items": items, "nextCursor": cursor}, 200)

    @sync_route("/api/<string:entity>", "POST", allow=_COLLECTION_METHODS)
    def upsert(self, source, entity):
        """Create or update a document, or a batch of them."""
        self._check_entity(source, entity)
        how = _how_to_apply()
        payload = request.dispatcher.read_payload()
        preconditions.check_payload(source, entity, payload)
        single = isinstance(payload, dict)
        report = engine.run(source, entity, [payload] if single else payload, **how)
        request.dispatcher.reports = (report,)
        if single:
            return _answer_one(report.items[0], report.model, entity)
        return _answer_batch(report)

    @sync_route("/api/sync", "POST", allow=_OWN_PATHS["sync"])
    def upsert_bundle(self, source):
        """Create or update documents of several entities, which may refer to each other: a family in one call."""
        how = _how_to_apply()
        request.dispatcher.entity = "sync"
        payload = request.dispatcher.read_payload()
        preconditions.refuse()
        _check_bundle(source, payload)
        reports = engine.run_bundle(source, payload, **how)
        request.dispatcher.reports = tuple(reports.values())
        return _answer_bundle(reports)

    @sync_route("/api/sync/parked", "GET", allow=_OWN_PATHS["sync/parked"])
    def read_parked(self, source):
        """A page of the documents that wait for a record they refer to, the oldest first."""
        options = Options({"limit", "cursor", "entity", "state"})
        limit = options.integer("limit", default=100, least=1, most=MOST_IN_A_PAGE)
        entity = options.choice("entity", {None: None} | {name: name for name in source._sync_entities()}, default=None)
        state = options.choice("state", {None: None} | {name: name for name in PARKED_STATES}, default=None)
        options.check()
        try:
            items, cursor = outbound.read_parked(
                source, limit=limit, cursor=options.get("cursor"), entity=entity, state=state
            )
        except outbound.BadCursor as exc:
            raise bad_cursor() from exc
        return json_response({"items": items, "nextCursor": cursor}, 200)

    @sync_route("/api/<string:entity>/<everything:external_id>", "GET", allow=_DOCUMENT_METHODS)
    def read_one(self, source, entity, external_id):
        """One document."""
        self._check_entity(source, entity, external_id)
        Options(set()).check()
        found = outbound.read_tagged(source, entity, external_id)
        if found is None:
            raise _unknown(entity, external_id, parked=outbound.is_parked(source, entity, external_id))
        document, tag = found
        return preconditions.under_tag(json_response(document, 200), tag)

    @sync_route("/api/<string:entity>/<everything:external_id>", "DELETE", allow=_DOCUMENT_METHODS)
    def archive(self, source, entity, external_id):
        """Archive the record behind a document. What refers to it keeps it; sending the document again restores it."""
        self._check_entity(source, entity, external_id)
        Options(set()).check()
        request.dispatcher.claim_key(external_id)
        preconditions.check(source, entity, external_id)
        item = engine.archive(source, entity, external_id)
        if item is None:
            raise _unknown(entity, external_id)
        model = source._sync_model(entity)._name
        request.dispatcher.reports = (Report(model, [item]),)
        return _answer_one(item, model, entity)

    @sync_route(["/api", "/api/<everything:path>"])
    def elsewhere(self, source, path=""):
        """Every other path below /api, and every other method."""
        entity, _slash, external_id = path.partition("/")
        self._check_entity(source, entity, external_id)
        raise _not_allowed(_DOCUMENT_METHODS if external_id else _COLLECTION_METHODS)

    def _check_entity(self, source, entity, external_id=""):
        first, slash, _rest = external_id.partition("/")
        paths = (entity, f"{entity}/{external_id}", f"{entity}/{first}{slash}")
        own = next((_OWN_PATHS[path] for path in paths if path in _OWN_PATHS), None)
        if own:
            raise _not_allowed(own)
        entities = source._sync_entities()
        if entity not in entities:
            names = ", ".join(sorted({*entities, employees.ENTITY}))
            detail = Message(_lt("There is no such path. Entities are: %(names)s."), names=names)
            raise Problem(404, "not-found", detail)
        if "\0" in external_id:
            raise _unknown(entity, external_id)
        request.dispatcher.entity = entity


class Options:
    """The query string, read strictly: a misspelt ``?atomc=true`` must not pass for a batch that is not atomic."""

    def __init__(self, known: set[str]):
        self._args = request.httprequest.args
        self._errors = [
            _option_error(name, _lt("%(option)s is sent more than once. Send it once."))
            for name in self._args
            if len(self._args.getlist(name)) > 1
        ]
        unknown = _lt("%(option)s is not an option here. Leave it out.")
        if known:
            unknown = _lt("%(option)s is not an option here. Options are: %(known)s.")
        self._errors += [
            _option_error(name, unknown, known=", ".join(sorted(known))) for name in self._args if name not in known
        ]

    def get(self, name):
        return self._args.get(name)

    def text(self, name):
        text = self._args.get(name)
        if text is not None and (not text or "\0" in text):
            self._errors.append(_option_error(name, _lt("%(option)s must not be empty. Leave it out to get all.")))
        return text

    def integer(self, name, *, default, least, most):
        text = self._args.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
            detail = _lt("%(option)s must be a whole number from %(least)s to %(most)s.")
            self._errors.append(_option_error(name, detail, least=least, most=most))
            return default
        return int(text)

    def choice(self, name, choices, *, default):
        text = self._args.get(name, default)
        if text not in choices:
            detail = _lt("%(option)s must be one of: %(choices)s.")
            self._errors.append(_option_error(name, detail, choices=", ".join(filter(None, choices))))
        return choices.get(text)

    def moment(self, name):
        text = self._args.get(name)
        if text is None:
            return None
        try:
            # In a query string a plus sign stands for a space, and few remember to write %2B before the zone.
            return _MOMENT.validate_python(text[:11] + text[11:].replace(" ", "+"))
        except ValidationError:
            detail = _lt("%(option)s must be a time with a zone, such as 2025-05-03T10:12:44Z.")
            self._errors.append(_option_error(name, detail))
            return None

    def check(self):
        """:raises Problem: 400 with all that is wrong with the options"""
        if self._errors:
            raise bad_options(self._errors)


def _how_to_apply():
    """:return: the options of :func:`engine.run` and :func:`engine.run_bundle`, as the query string says

    The time of the request counts from here, before its body is read.
    """
    # Odoo makes a dispatcher for each of its tries, but the request stays the same.
    request.sync_budget = getattr(request, "sync_budget", None) or Budget()
    options = Options({"atomic", "onMissing"})
    how = {
        "atomic": options.choice("atomic", {"true": True, "false": False}, default="false"),
        "parking_allowed": options.choice("onMissing", {"park": True, "error": False}, default="park"),
        "budget": request.sync_budget,
    }
    options.check()
    return how


def bad_options(errors):
    return Problem(400, "bad-option", Message(_lt("The query string has mistakes. See errors.")), errors=errors)


def bad_cursor():
    detail = _lt("%(option)s is not from this list. Leave it out to start from the beginning.")
    return bad_options([_option_error("cursor", detail)])


def _option_error(name, template, **params):
    return FieldError(f"?{name[:100]}", "bad_option", Message(template, option=in_quotes(name), **params))


def _unknown(entity, external_id, *, parked=False):
    detail = _lt("This source has no record %(name)s in %(entity)s.")
    if parked:
        detail = _lt(
            "This source has no record %(name)s in %(entity)s yet: its document is parked. GET /api/sync/parked shows "
            "what it waits for."
        )
    return Problem(404, "not-found", Message(detail, name=in_quotes(external_id), entity=entity))


def _not_allowed(methods):
    detail = Message(_lt("This path takes only these methods: %(methods)s."), methods=methods)
    return Problem(405, "method-not-allowed", detail, headers={"Allow": methods})


def _item_json(item: Item, model: str, env):
    body = {"externalId": item.external_id, "id": item.res_id, "model": model, "status": item.status.value}
    if item.version is not None:
        body["version"] = item.version
    if item.status is Status.PARKED:
        body["missing"] = item.missing_as_json()
    if item.went_through and (notes := item.notes(env)):
        body["warnings"] = notes
    return body


def _answer_one(item: Item, model: str, entity: str):
    code = _STATUS_CODES.get(item.status, 200)
    body = _item_json(item, model, request.env)
    if not item.went_through:
        kind = {422: "invalid-document", 503: "not-tried"}.get(code, item.status.value)
        if item.errors and all(error.code == "reference_missing" for error in item.errors):
            # Nothing is wrong with the document; it came too early.
            code, kind = 409, "reference-missing"
        del body["status"]
        detail = " ".join(error.detail for error in item.errors)
        # Answered, not raised: the exchange is logged in this transaction.
        headers = _RETRY_NOW if code == 503 else None
        problem = Problem(code, kind, detail, errors=item.errors, extra=body, headers=headers)
        return request.dispatcher.answer(problem)
    if item.version is None:
        return json_response(body, code)
    headers = {"ETag": f'"{item.version}"', "Location": f"/api/{entity}/{quote(item.external_id, safe='')}"}
    return json_response(body, code, headers)


def _answer_batch(report: Report):
    body = _report_json(report)
    return _answer_many(body, report.items, [error for item in body["items"] for error in item.get("errors", ())])


def _answer_bundle(reports: dict[str, Report]):
    summary = Counter()
    parts, errors = {}, []
    for entity, report in reports.items():
        summary.update(report.summary())
        parts[entity] = _report_json(report, entity)
        errors += [error for item in parts[entity]["items"] for error in item.get("errors", ())]
    items = [item for report in reports.values() for item in report.items]
    return _answer_many({"summary": dict(summary), **parts}, items, errors)


def _report_json(report: Report, *where: str):
    items, env = [], request.env
    for item in report.items:
        body = _item_json(item, report.model, env)
        if item.errors:
            body["errors"] = [error.at(pointer(*where, item.index)).as_json() for error in item.errors]
        items.append(body)
    return {"summary": report.summary(), "items": items}


def _answer_many(body: dict, items: list[Item], errors: list[dict]):
    went_through = sum(item.went_through for item in items)
    if went_through == len(items):
        return json_response(body, 200)
    not_tried = sum(item.status is Status.NOT_TRIED for item in items)
    if went_through or 0 < not_tried < len(items):
        return json_response(body, 207)
    if not_tried:
        problem = Problem(
            503,
            "not-tried",
            Message(_lt("There was no time left to apply any document. Send them again, in smaller batches.")),
            headers=_RETRY_NOW,
            extra={**body, "errors": errors},
        )
        return request.dispatcher.answer(problem)
    detail = Message(_lt("No document of the batch was applied. See errors."))
    problem = Problem(422, "invalid-batch", detail, extra={**body, "errors": errors})
    return request.dispatcher.answer(problem)


def _check_bundle(source, payload):
    """:raises Problem: 400 where the payload is not a bundle, 413 where it holds too many documents"""
    if not isinstance(payload, dict):
        detail = Message(_lt("The body must be an object that holds an array for each entity."))
        raise Problem(400, "malformed-json", detail)
    entities = source._sync_entities()
    errors = [
        FieldError(
            pointer(name),
            "unknown_entity",
            Message(
                _lt("%(name)s is not an entity. Send one of: %(entities)s."),
                name=in_quotes(name),
                entities=", ".join(sorted(entities)),
            ),
        )
        for name in payload
        if name not in entities
    ]
    errors += [
        FieldError(pointer(name), "wrong_type", Message(_lt("%(entity)s must be an array of documents."), entity=name))
        for name, documents in payload.items()
        if name in entities and not isinstance(documents, list)
    ]
    if errors:
        raise Problem(422, "invalid-bundle", Message(_lt("The bundle has mistakes. See errors.")), errors=errors)
    count = sum(map(len, payload.values()))
    if count > source.max_documents:
        raise Problem(
            413,
            "too-large",
            Message(
                _lt("The bundle holds %(count)s documents. Send at most %(most)s at once."),
                count=count,
                most=source.max_documents,
            ),
        )
