"""The route for statements, which are read from the books and never sent."""

from odoo import http
from odoo.http import request

from ..contract.text import Message, _lt, quote
from ..sync import statements
from .employees import answer_tagged
from .inbound import Options, sync_route
from .problem import Problem

_READ = "GET, HEAD, OPTIONS"


class SchoolSyncStatementController(http.Controller):
    # Not read-only: the link to an invoice may have to be made.
    @sync_route(
        [f"/api/statements/{entity}/<everything:external_id>" for entity in statements.ENTITIES],
        "GET",
        allow=_READ,
        readonly=False,
    )
    def read_statement(self, source, external_id):
        """What a guardian or student was billed, has paid and owes."""
        entity = request.httprequest.path.split("/")[3]
        request.dispatcher.entity = entity
        Options(set()).check()
        document = None if "\0" in external_id else statements.read(source, entity, external_id)
        if document is None:
            detail = _lt("This source has no record %(name)s in %(entity)s.")
            raise Problem(404, "not-found", Message(detail, name=quote(external_id), entity=entity))
        return answer_tagged(document)
