from odoo import api, fields, models
from odoo.exceptions import ValidationError

POLICIES = [
    ("source", "The source wins"),
    ("odoo", "Odoo wins"),
    ("newest", "The newest wins"),
    ("ask", "Ask"),
]


class SchoolSyncPolicy(models.Model):
    """Who wins where a record, or one part of it, was changed in Odoo and by the source since they last agreed."""

    _name = "school.sync.policy"
    _description = "Who Wins"
    _order = "scope"
    _rec_name = "scope"

    source_id = fields.Many2one("school.sync.source", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="source_id.company_id", store=True, precompute=True)
    scope = fields.Selection(
        selection="_get_scopes", string="Of", required=True, help="A kind of record, or one part of it."
    )
    policy = fields.Selection(POLICIES, string="Who Wins", required=True)

    _scope_unique = models.Constraint("UNIQUE (source_id, scope)", "There is a rule for this already.")

    def write(self, vals):
        # A rule of access looks at the row as it was, and would let it move to a source of another school.
        self.env["school.sync.source"].browse(vals.get("source_id")).check_access("write")
        return super().write(vals)

    @api.model
    def _get_scopes(self):
        """Every entity, and every part of its documents that is compared by itself."""
        scopes = []
        for entity, name in sorted(self.env["school.sync.source"]._sync_entities().items()):
            # sudo: a rule may be about a part that whoever makes the rule does not see.
            model = self.env[name].sudo()
            scopes.append((entity, self.env._("%s: everything", entity)))
            scopes += [
                (f"{entity}/{path}", f"{entity}: {path}")
                for path in sorted(path for path, part in model._sync_get_parts().items() if not part.merged)
            ]
        return scopes

    @api.constrains("scope")
    def _check_scope(self):
        known = dict(self._get_scopes())
        for policy in self:
            if policy.scope not in known:
                raise ValidationError(self.env._("%(scope)s is not a field of any document.", scope=policy.scope))
