from math import ceil
from typing import NamedTuple

from odoo import api, fields, models

_TAKE = """
    INSERT INTO school_sync_rate_bucket AS bucket
           (source_id, tokens, filled_at, refused, create_uid, create_date, write_uid, write_date)
    SELECT %(source_id)s, %(burst)s - 1, moment, 0, %(uid)s, moment, %(uid)s, moment
      FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS moment) AS clock
        ON CONFLICT (source_id) DO UPDATE
       SET (tokens, filled_at, refused, refused_at) = (
           SELECT available - (available >= 1)::int, moment, bucket.refused + (available < 1)::int,
                  CASE WHEN available < 1 THEN moment ELSE bucket.refused_at END
             FROM (SELECT moment,
                          LEAST(%(burst)s, bucket.tokens + %(per_second)s * GREATEST(
                              extract(epoch FROM moment - bucket.filled_at), 0)) AS available
                     FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS moment) AS clock) AS now
           )
 RETURNING tokens, refused_at IS NOT DISTINCT FROM filled_at
"""


class Allowance(NamedTuple):
    """What a source may ask now: ``remaining`` of ``quota`` requests; ``wait`` seconds until there is one more.

    ``window`` seconds fill an empty bucket. ``wait`` is None where it is full.
    """

    is_refused: bool
    remaining: int
    quota: int
    window: int
    wait: int | None

    def as_headers(self) -> dict[str, str]:
        """:return: the header fields of draft-ietf-httpapi-ratelimit-headers-10"""
        wait = "" if self.wait is None else f";t={self.wait}"
        return {
            "RateLimit-Policy": f'"requests";q={self.quota};w={self.window}',
            "RateLimit": f'"requests";r={self.remaining}{wait}',
        }


class SchoolSyncRateBucket(models.Model):
    """How many requests a source has left: a bucket of tokens that fills by itself; each takes one.

    A table of its own: a row that every request writes must be none that a transaction of business refers to.
    """

    _name = "school.sync.rate.bucket"
    _description = "Rate Limit Bucket"
    _rec_name = "source_id"

    source_id = fields.Many2one("school.sync.source", required=True, readonly=True, ondelete="cascade")
    tokens = fields.Float(required=True, readonly=True)
    filled_at = fields.Datetime(required=True, readonly=True)
    refused = fields.Integer(readonly=True)
    refused_at = fields.Datetime(readonly=True)

    _source_unique = models.UniqueIndex("(source_id)")

    @api.model
    def _take(self, source) -> Allowance:
        """Take a token of ``source``, which has a limit.

        In one statement, and outside the transaction of the request: what others take is seen at once, in whichever
        process they are, nobody waits for a request that is at work, and one that is run again takes no second token.
        """
        per_second = source.rate_limit / 60
        with self.env.registry.cursor() as cr:
            cr.connection.autocommit = True
            cr.execute(
                _TAKE,
                {"source_id": source.id, "burst": source.rate_burst, "per_second": per_second, "uid": self.env.uid},
            )
            tokens, is_refused = cr.fetchone()
        remaining = int(tokens)
        is_full = remaining >= source.rate_burst
        return Allowance(
            is_refused,
            remaining,
            source.rate_burst,
            ceil(source.rate_burst / per_second),
            None if is_full else max(ceil((remaining + 1 - tokens) / per_second), 1),
        )
