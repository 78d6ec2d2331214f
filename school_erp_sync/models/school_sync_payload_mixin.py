from odoo import models

from .school_sync_mixin import SENSITIVE

MANAGER = "school_erp_sync.group_sync_manager"


class SchoolSyncPayloadMixin(models.AbstractModel):
    """Something with payloads, which a source sent or got: fields with the group :data:`.SENSITIVE`."""

    _name = "school.sync.payload.mixin"
    _description = "Record with Payloads"

    def _has_field_access(self, field, operation):
        # Any one of a field's groups opens it. A payload takes both: it is for managers, and may hold sensitive data.
        return super()._has_field_access(field, operation) and (
            self.env.su or field.groups != SENSITIVE or self.env.user.has_group(MANAGER)
        )
