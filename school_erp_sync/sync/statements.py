"""What the books say of a guardian or a student, as a school system's own portal shows it."""

from typing import Any

from odoo import fields

from . import outbound
from .money import amount_to_json

ENTITIES = ("parents", "students")


def read(source, entity: str, external_id: str) -> dict[str, Any] | None:
    """Return the statement of the guardian or student whom ``source`` knows as ``external_id``, or None.

    Students of whom the source knows nothing stay unnamed.

    :raises odoo.exceptions.AccessError: if the user of the source may not read invoices
    """
    found = outbound.find(source, entity, external_id)
    if found is None:
        return None
    binding, person = found
    statement = source.env["school.statement"]
    parts = statement._read_person(person)
    names = source._external_ids("students", [part["student"].id for part in parts])
    billings = [invoice["move"].school_billing_id.id for part in parts for invoice in part["invoices"]]
    billing_names = source._external_ids("billings", list(filter(None, billings)))
    known = [part for part in parts if part["student"].id in names]
    others = [part for part in parts if part["student"].id not in names]
    students = [
        {
            "externalId": names[part["student"].id],
            "name": part["student"].name,
            **_part_to_json(statement, [part], billing_names),
        }
        for part in known
    ]
    if others:
        students.append({"externalId": None, "name": None, **_part_to_json(statement, others, billing_names)})
    return {
        "entity": entity,
        "externalId": binding.external_id,
        "id": person.id,
        "model": person._name,
        "name": person.name,
        "asOf": fields.Date.context_today(person).isoformat(),
        "totals": _totals_to_json(statement._add_up(parts)),
        "students": students,
    }


def _part_to_json(statement, parts: list[dict], billing_names: dict[int, str]) -> dict[str, Any]:
    invoices = [invoice for part in parts for invoice in part["invoices"]]
    return {
        "totals": _totals_to_json(statement._add_up(parts)),
        "openInvoices": [_invoice_to_json(invoice, billing_names) for invoice in invoices],
    }


def _totals_to_json(totals: dict) -> list[dict[str, Any]]:
    return [
        {
            "currency": currency.name,
            "billed": amount_to_json(currency, total["billed"]),
            "paid": amount_to_json(currency, total["paid"]),
            "credited": amount_to_json(currency, total["credited"]),
            "due": amount_to_json(currency, total["due"]),
            "overdue": amount_to_json(currency, total["overdue"]),
            "onAccount": amount_to_json(currency, total["on_account"]),
        }
        for currency, total in sorted(totals.items(), key=lambda item: item[0].name)
    ]


def _invoice_to_json(invoice: dict, billing_names: dict[int, str]) -> dict[str, Any]:
    # Only the token of the link is written, which changes nothing of the entry.
    move = invoice["move"].with_context(skip_invoice_sync=True, skip_is_manually_modified=True)
    return {
        "number": move.name,
        "billingExternalId": billing_names.get(move.school_billing_id.id),
        "issueDate": move.invoice_date.isoformat(),
        "dueDate": invoice["date"].isoformat() if invoice["date"] else None,
        "currency": move.currency_id.name,
        "total": amount_to_json(move.currency_id, move.amount_total),
        "due": amount_to_json(move.currency_id, invoice["due"]),
        "overdue": invoice["is_overdue"],
        "link": move.get_base_url() + move.get_portal_url(),
    }
