from odoo import fields, models


class SchoolSyncSource(models.Model):
    """How a source may repeat its requests."""

    # Each side of a source has a file of its own.
    _inherit = "school.sync.source"  # pylint: disable=consider-merging-classes-inherited

    idempotency_required = fields.Boolean(
        "Require Idempotency-Key",
        tracking=True,
        help="A POST or DELETE without this header is answered with 400.",
    )
    idempotency_hours = fields.Integer(
        "Keep Answers (Hours)",
        required=True,
        default=72,
        tracking=True,
        help="For how long a request that came with an Idempotency-Key is answered from what was answered before. "
        "A change counts for answers from now on.",
    )

    _idempotency_hours_positive = models.Constraint(
        "CHECK (idempotency_hours > 0)", "Answers must be kept for an hour at least."
    )
