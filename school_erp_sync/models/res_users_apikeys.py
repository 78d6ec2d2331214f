import hmac
import os
import re

from odoo import models
from odoo.tools import SQL
from odoo.tools.lru import LRU

from odoo.addons.base.models.res_users import API_KEY_SIZE

from .school_sync_source import KEY_SCOPE

# What this process remembers of the keys that it has verified: {hash that Odoo stores: fingerprint of the key}. The
# fingerprint is worthless without this secret, which never leaves the process.
_SECRET = os.urandom(32)
_VERIFIED = LRU(256)
# As Odoo makes keys. The slow hash is not computed for anything else, and fails on very long texts.
_KEY = re.compile(r"[0-9a-f]{%d}" % (2 * API_KEY_SIZE))


class ResUsersApikeys(models.Model):
    _inherit = "res.users.apikeys"

    def _check_credentials(self, *, scope, key):
        """Verify a key of a source, with the slow hash that is meant for guessable passwords only the first time.

        That the key is still there, has not expired and belongs to an active user is asked of the database each time:
        revoked, it ends at once.
        """
        if scope != KEY_SCOPE:
            return super()._check_credentials(scope=scope, key=key)
        if not _KEY.fullmatch(key):
            return None
        rows = self.env.execute_query(
            SQL(
                """
                SELECT k.user_id, k.key
                  FROM res_users_apikeys k JOIN res_users u ON u.id = k.user_id
                 WHERE u.active AND k.index = %(index)s AND (k.scope IS NULL OR k.scope = %(scope)s)
                   AND (k.expiration_date IS NULL OR k.expiration_date >= now() AT TIME ZONE 'UTC')
                """,
                index=key[:8],
                scope=scope,
            )
        )
        fingerprint = hmac.digest(_SECRET, key.encode(), "sha256")
        for user_id, stored in rows:
            if hmac.compare_digest(_VERIFIED.get(stored, b""), fingerprint):
                return user_id
        user_id = super()._check_credentials(scope=scope, key=key)
        # Two keys that begin alike are told apart by the slow hash only.
        if user_id and len(rows) == 1:
            _VERIFIED[rows[0][1]] = fingerprint
        return user_id
