import werkzeug.routing

from odoo import models


class EverythingConverter(werkzeug.routing.BaseConverter):
    """The rest of a path, whatever is in it: an externalId may hold slashes, even at its beginning."""

    regex = r"(?s:.+)"
    part_isolating = False


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    @classmethod
    def _get_converters(cls):
        return {**super()._get_converters(), "everything": EverythingConverter}
