from odoo import api, fields, models


class SchoolTag(models.Model):
    _name = "school.tag"
    _description = "Language, Allergy or Medical Condition"
    _order = "kind, name"

    #: two transactions may make the same row at once: to lose that race is no error of the document
    _sync_raced = True

    name = fields.Char(required=True, translate=False)
    kind = fields.Selection(
        [("language", "Language"), ("allergy", "Allergy"), ("condition", "Medical Condition")],
        required=True,
        index=True,
    )
    color = fields.Integer(aggregator=None)

    _name_kind_unique = models.Constraint("UNIQUE (kind, name)", "This tag exists already.")

    @api.model
    def _find_or_make(self, kind: str, names: set[str]) -> dict[str, int]:
        """:return: the id of the tag of ``kind`` for each of ``names``; tags that are not there yet are made"""
        if not names:
            return {}
        # sudo: tags are shared words without personal data; a source may add one but not edit the list.
        tags = self.sudo().search_fetch([("kind", "=", kind), ("name", "in", list(names))], ["name"])
        missing = sorted(names - set(tags.mapped("name")))
        tags += self.sudo().create([{"kind": kind, "name": name} for name in missing])
        return {tag.name: tag.id for tag in tags}
