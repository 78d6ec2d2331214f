"""The routes for employees, who travel the other way: a source fetches them, and says how far it got."""

import hashlib

from odoo import http
from odoo.http import request

from ..contract.text import Message, _lt, quote
from ..sync import employees
from ..sync.outbound import BadCursor
from . import preconditions
from .inbound import MOST_IN_A_PAGE, Options, bad_cursor, sync_route
from .problem import Problem, json_response

_READ = "GET, HEAD, OPTIONS"
_STATES = {"pending": "pending", "synced": "synced", "error": "error", "all": None}


class SchoolSyncEmployeeController(http.Controller):
    @sync_route("/api/employees", "GET", allow=_READ)
    def read_employees(self, source):
        """A page of employees, in a stable order; those that still are to be taken over, unless asked otherwise."""
        _check_sends(source)
        known = {"syncState", "updatedSince", "limit", "cursor", "department", "jobTitle", "active"}
        options = Options(known)
        limit = options.integer("limit", default=100, least=1, most=MOST_IN_A_PAGE)
        state = options.choice("syncState", _STATES, default="pending")
        updated_since = options.moment("updatedSince")
        active = options.choice("active", {"true": True, "false": False, "all": None}, default="all")
        department, job_title = options.text("department"), options.text("jobTitle")
        options.check()
        try:
            items, cursor = employees.read_page(
                source,
                limit=limit,
                cursor=options.get("cursor"),
                state=state,
                updated_since=updated_since,
                department=department,
                job_title=job_title,
                active=active,
            )
        except BadCursor as exc:
            raise bad_cursor() from exc
        return answer_tagged({"items": items, "nextCursor": cursor})

    @sync_route("/api/employees/<everything:external_id>", "GET", allow=_READ)
    def read_employee(self, source, external_id):
        """One employee."""
        _check_sends(source)
        Options(set()).check()
        document = None if "\0" in external_id else employees.read_one(source, external_id)
        if document is None:
            detail = Message(_lt("This source was given no employee %(name)s."), name=quote(external_id))
            raise Problem(404, "not-found", detail)
        return answer_tagged(document)

    @sync_route("/api/teacher/status", "POST", allow="POST, OPTIONS")
    def report_status(self, source):
        """What became of employees at the source. Always 200, with a result for each, when the request was good."""
        Options(set()).check()
        request.dispatcher.entity = employees.ENTITY
        payload = request.dispatcher.read_payload()
        preconditions.refuse()
        single = isinstance(payload, dict)
        report = source.env["school.sync.employee"]._apply_statuses(source, [payload] if single else payload)
        request.dispatcher.reports = (report,)
        body = report.as_json(single=single)
        return json_response(body["items"][0] if single else body, 200)


def _check_sends(source):
    request.dispatcher.entity = employees.ENTITY
    if not source.sends_employees:
        detail = Message(_lt("This source is given no employees. Switch on Send Employees on the source in Odoo."))
        raise Problem(403, "not-enabled", detail)


def answer_tagged(body):
    """``body`` under a tag of its own, or 304 where the client holds just that already."""
    response = json_response(body, 200)
    return preconditions.under_tag(response, hashlib.sha256(response.get_data()).hexdigest()[:32])
