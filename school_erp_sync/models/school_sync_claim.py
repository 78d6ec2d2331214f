import hashlib
from collections.abc import Iterable

from odoo import api, fields, models
from odoo.tools import SQL

from ..sync.sql import query


class SchoolSyncClaim(models.Model):
    """Something by which new persons are matched, such as an e-mail address, while their contacts are made.

    Of two transactions that make a contact with the same address, neither sees the contact of the other. The one that
    comes second fails to serialize here, and is run again on a snapshot that sees what the first one did.
    """

    _name = "school.sync.claim"
    _description = "Claimed Match Key"
    _rec_name = "key"

    company_id = fields.Many2one("res.company", string="School", required=True, readonly=True, ondelete="cascade")
    key = fields.Char(required=True, readonly=True, help="A fingerprint: what is claimed is personal data.")

    _identity = models.UniqueIndex("(company_id, key)")
    _expiry_index = models.Index("(write_date)")

    @api.model
    def _take(self, company, keys: Iterable[str]) -> None:
        """Let only one transaction at a time match persons of ``company`` by ``keys``."""
        if not keys:
            return
        # Raw SQL: a batch in one statement. In order: two batches that overlap wait for each other, and never in a
        # circle.
        query(
            self.env,
            SQL(
                """
                INSERT INTO school_sync_claim (company_id, key, create_uid, create_date, write_uid, write_date)
                SELECT %(company_id)s, key, %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
                  FROM unnest(%(keys)s::varchar[]) AS asked(key)
                    ON CONFLICT (company_id, key) DO UPDATE SET write_date = EXCLUDED.write_date
             RETURNING id
                """,
                company_id=company.id,
                uid=self.env.uid,
                keys=sorted(hashlib.sha256(key.encode()).hexdigest() for key in keys),
            ),
        )

    @api.autovacuum
    def _gc_old(self):
        """A claim serves only as long as its transaction."""
        self.env.cr.execute(
            "DELETE FROM school_sync_claim WHERE write_date < now() AT TIME ZONE 'UTC' - interval '1 day'"
        )
