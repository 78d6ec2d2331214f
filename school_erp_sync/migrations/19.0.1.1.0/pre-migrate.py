"""Courses and sections: a code is unique within a campus, and no longer within the company."""

from odoo.tools.sql import drop_constraint


def migrate(cr, version):
    """Drop the constraints whose names the new indexes have."""
    for table in ("school_course", "school_section"):
        drop_constraint(cr, table, f"{table}_code_unique")
