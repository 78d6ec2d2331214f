"""Employees on their way out: one, or a page of them in a stable order."""

from datetime import datetime, timezone
from typing import Any

from odoo.fields import Domain

from .outbound import make_cursor, read_cursor

ENTITY = "employees"


def read_one(source, external_id: str) -> dict[str, Any] | None:
    """The employee whom ``source`` was given as ``external_id``, archived ones and tombstones included, or None."""
    rows = _rows(source, Domain("external_id", "=", external_id), limit=1)
    return rows._read_documents()[0] if rows else None


def read_page(
    source,
    *,
    limit: int,
    cursor: str | None = None,
    state: str | None = "pending",
    updated_since: datetime | None = None,
    department: str | None = None,
    job_title: str | None = None,
    active: bool | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the employees that ``source`` is given, in the order in which they were first meant for it.

    The order never changes, and the next page starts where this one ended: nothing is skipped or told twice, however
    many are reported as synced, or edited, between two pages. Who is edited behind the cursor is pending, and so in
    the next round.

    :param cursor: what the page before gave; None for the first page
    :param state: pending, synced or error; None for all
    :param updated_since: only whose version came to be at or after this moment (with a zone)
    :param active: True or False for employees who are not, or are, archived or tombstones; None for both
    :return: the documents, and the cursor of the next page or None
    :raises BadCursor: for a cursor of another list, or of nobody's making
    """
    domain = Domain("id", ">", read_cursor(cursor, ENTITY)) if cursor is not None else Domain.TRUE
    if state:
        domain &= Domain("state", "=", state)
    if updated_since:
        domain &= Domain("changed_at", ">=", updated_since.astimezone(timezone.utc).replace(tzinfo=None))
    if department is not None:
        domain &= Domain("employee_id.department_id.name", "=", department) & Domain("removed", "=", False)
    if job_title is not None:
        domain &= Domain("employee_id.job_title", "=", job_title) & Domain("removed", "=", False)
    if active is not None:
        is_active = Domain("employee_id.active", "=", True) & Domain("removed", "=", False)
        domain &= is_active if active else ~is_active
    rows = _rows(source, domain, limit=limit + 1)
    page = rows[:limit]
    return page._read_documents(), make_cursor(ENTITY, page[-1].id) if len(rows) > limit else None


def _rows(source, domain: Domain, limit: int):
    # sudo: a source is told what is meant for it without being a user of HR; only its own rows are looked at.
    model = source.env["school.sync.employee"].sudo()
    # Departments are compared as they are told: in the language of the school.
    model = model.with_context(active_test=False, lang=source.sudo().company_id.partner_id.lang or None)
    return model.search_fetch(model._given_to(source) & domain, order="id", limit=limit)
