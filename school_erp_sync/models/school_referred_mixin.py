from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import format_list


class SchoolReferredMixin(models.AbstractModel):
    """A record that cannot be deleted while others need it: the user is told which others, and what to do instead."""

    _name = "school.referred.mixin"
    _description = "Record That Others Refer To"

    @api.ondelete(at_uninstall=False)
    def _unlink_except_referred(self):
        for record in self:
            if users := record._describe_referring():
                raise UserError(
                    self.env._(
                        "%(record)s cannot be deleted, because these records need it: %(users)s. Archive it instead, "
                        "or delete them first.",
                        record=record.display_name,
                        users=format_list(self.env, users),
                    )
                )

    def _describe_referring(self) -> list[str]:
        """:return: the kinds of records that need this one, each with how many there are"""
        result = []
        for model, name in self._fields_referring("restrict"):
            # sudo: a record of which the user sees nothing needs this one all the same; only how many is told.
            records = self.env[model].sudo().with_context(active_test=False)
            if count := records.search_count([(name, "in", self.ids)]):
                result.append(f"{self.env['ir.model']._get(model).name} ({count})")
        return sorted(result)

    @api.model
    def _fields_referring(self, *ondelete: str) -> list[tuple[str, str]]:
        """The stored many2one fields, by model and name, that point to records of this model.

        :param ondelete: only those for which this happens when a record is deleted; any where none is given
        """
        return [
            (model, field.name)
            for model, cls in self.env.registry.items()
            if cls._auto and not cls._abstract and not cls._transient
            for field in cls._fields.values()
            if field.type == "many2one" and field.store and field.comodel_name == self._name and not field.inherited
            if not ondelete or field.ondelete in ondelete
        ]
