from odoo import fields, models


class SchoolSyncSource(models.Model):
    """How often and how slowly a source may ask, and how it may repeat its requests."""

    # Each side of a source has a file of its own.
    _inherit = "school.sync.source"  # pylint: disable=consider-merging-classes-inherited

    upload_seconds = fields.Integer(
        "Upload Time (Seconds)",
        required=True,
        default=30,
        tracking=True,
        help="A request whose body takes longer to arrive is answered with 408, and the source sends it again. "
        "Until then it occupies a process of the server.",
    )

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

    rate_limit = fields.Integer(
        "Requests per Minute",
        tracking=True,
        help="More, in the long run, are answered with 429 and the seconds to wait. 0: no limit.",
    )
    rate_burst = fields.Integer(
        "At Once",
        required=True,
        default=60,
        tracking=True,
        help="How many requests may come in a row after a pause, before the limit per minute is felt.",
    )
    rate_refused = fields.Integer("Refused Requests", compute="_compute_rate_refused")
    rate_refused_at = fields.Datetime("Last Refused", compute="_compute_rate_refused")

    _upload_seconds_positive = models.Constraint(
        "CHECK (upload_seconds > 0)", "The upload time must be at least 1 second."
    )
    _rate_positive = models.Constraint(
        "CHECK (rate_limit >= 0 AND rate_burst > 0)",
        "A rate limit is no negative number, and at least one request must be allowed at once.",
    )
    _idempotency_hours_positive = models.Constraint(
        "CHECK (idempotency_hours > 0)", "Answers must be kept for an hour at least."
    )

    def _compute_rate_refused(self):
        # sudo: how many requests were refused is told to everybody who may see the source.
        buckets = self.env["school.sync.rate.bucket"].sudo().search([("source_id", "in", self.ids)])
        by_source = {bucket.source_id.id: bucket for bucket in buckets}
        for source in self:
            bucket = by_source.get(source.id)
            source.rate_refused = bucket.refused if bucket else 0
            source.rate_refused_at = bucket.refused_at if bucket else False
