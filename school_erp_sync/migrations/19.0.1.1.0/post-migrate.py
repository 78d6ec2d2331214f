"""Groups: Manager no longer includes Writer, and health, religion and caste have a group of their own.

Invoices of billings say whom they are for.
"""

import logging

from odoo import SUPERUSER_ID, api
from odoo.exceptions import ValidationError
from odoo.fields import Command

_logger = logging.getLogger(__name__)


def migrate(cr, version):
    """Leave API users what they had, and say which people have less now."""
    env = api.Environment(cr, SUPERUSER_ID, {"active_test": False})
    reader, writer, manager, sensitive = (
        env.ref(f"school_erp_sync.group_sync_{name}") for name in ("reader", "writer", "manager", "sensitive")
    )
    api_users = env["school.sync.source"].search([]).user_id
    # The key of a manager could write; health, religion and caste were stored for whoever could.
    (api_users & manager.all_user_ids).write({"group_ids": [Command.link(writer.id)]})
    (api_users & (reader.all_user_ids | manager.all_user_ids)).write({"group_ids": [Command.link(sensitive.id)]})
    people = manager.all_user_ids - api_users - sensitive.all_user_ids
    if people:
        _logger.warning(
            "These managers of School Sync no longer have Invoicing by it, nor see sensitive data and payloads: "
            "%s. Give them the rights Invoicing and Sensitive Data where they need them.",
            ", ".join(sorted(people.mapped("login"))),
        )
    for source in env["school.sync.source"].search([]):
        try:
            source._check_employee_domain()
        except ValidationError as exc:
            _logger.warning("Source %s keeps its filter of employees until it is edited: %s", source.name, exc)
    _say_whom_invoices_are_for(env)


def _say_whom_invoices_are_for(env):
    """Fill in student, class and fee heads on invoices of billings, and on their items."""
    env.cr.execute(
        """
        UPDATE account_move SET school_student_id = b.student_id
          FROM school_billing b WHERE b.id = school_billing_id;
        UPDATE account_move_line SET school_student_id = m.school_student_id
          FROM account_move m WHERE m.id = move_id AND m.school_billing_id IS NOT NULL;
        UPDATE account_move_line SET school_fee_head = p.default_code
          FROM account_move m, product_product p
         WHERE m.id = move_id AND m.school_billing_id IS NOT NULL AND p.id = product_id AND display_type = 'product';
        UPDATE account_move SET school_fee_heads = heads.names
          FROM (SELECT move_id, string_agg(DISTINCT school_fee_head, ', ' ORDER BY school_fee_head) AS names
                  FROM account_move_line WHERE school_fee_head IS NOT NULL GROUP BY move_id) heads
         WHERE account_move.id = heads.move_id
        """
    )
    env.invalidate_all()
    env["account.move"].search([("school_student_id", "!=", False)])._school_complete_places()
