"""A large school, made in SQL: many copies of a record that Odoo made itself, each with what makes it another."""

import contextlib

from documents import EMPLOYEE_COLUMNS, employee_rows, parents
from timing import progress


def fill_parents(site, amount: int) -> None:
    """Fill up to ``amount`` parents: contact, parent and binding each."""
    (specimen,) = site.api.post("parents", parents(1))["items"]
    ((partner_id,),) = site.query("SELECT partner_id FROM school_parent WHERE id = %s", specimen["id"])
    ((binding_id,),) = site.query("SELECT id FROM school_sync_binding WHERE external_id = %s", specimen["externalId"])
    progress(f"filling in {amount} parents")
    partner = _multiply(
        site,
        "res_partner",
        partner_id,
        amount,
        name="'Parent ' || n",
        complete_name="'Parent ' || n",
        email="'parent.' || n || '@example.com'",
        email_normalized="'parent.' || n || '@example.com'",
        phone="'+91 97' || lpad(n::text, 8, '0')",
        phone_sanitized="'+9197' || lpad(n::text, 8, '0')",
        ref="'FILL-' || n",
        commercial_partner_id="base + n",
    )
    parent = _multiply(site, "school_parent", specimen["id"], amount, partner_id=f"{partner} + n")
    _multiply(
        site,
        "school_sync_binding",
        binding_id,
        amount,
        external_id="'FILL-' || n",
        res_id=f"{parent} + n",
        digest="encode(sha256(('FILL-' || n)::bytea), 'hex')",
        document="document || jsonb_build_object('externalId', 'FILL-' || n)",
    )


def fill_employees(site, amount: int) -> None:
    """Fill up to ``amount`` employees: contact, resource, version, employee, and its row for the source."""
    site.xmlrpc.call("hr.employee", "load", EMPLOYEE_COLUMNS, employee_rows(1))
    ((employee_id, contact_id, resource_id, version_id),) = site.query(
        "SELECT id, work_contact_id, resource_id, current_version_id FROM hr_employee ORDER BY id DESC LIMIT 1"
    )
    of_source = "FROM school_sync_employee WHERE source_id = (SELECT id FROM school_sync_source WHERE name = %s)"
    # Those that came with the demo data, and the specimen, count.
    ((row_id, already),) = site.query(f"SELECT max(id), count(*) {of_source}", site.source)
    amount -= already
    progress(f"filling in {amount} employees")
    contact = _multiply(
        site, "res_partner", contact_id, amount, name="'Employee ' || n", commercial_partner_id="base + n"
    )
    resource = _multiply(site, "resource_resource", resource_id, amount, name="'Employee ' || n")
    version = _multiply(site, "hr_version", version_id, amount, employee_id="NULL")
    employee = _multiply(
        site,
        "hr_employee",
        employee_id,
        amount,
        name="'Employee ' || n",
        work_contact_id=f"{contact} + n",
        resource_id=f"{resource} + n",
        current_version_id=f"{version} + n",
        school_sync_uid="md5('employee ' || n)",
    )
    site.query(
        "UPDATE hr_version SET employee_id = %s + id - %s WHERE id > %s AND id <= %s",
        employee,
        version,
        version,
        version + amount,
    )
    _multiply(
        site,
        "school_sync_employee",
        row_id,
        amount,
        employee_id=f"{employee} + n",
        res_id=f"{employee} + n",
        external_id="md5('employee ' || n)",
        name="'Employee ' || n",
    )
    site.query("ANALYZE")


def _multiply(site, table: str, specimen: int, amount: int, **changes: str) -> int:
    """Add ``amount`` copies of row ``specimen`` to ``table``.

    :param changes: SQL for the columns that are not copied; in it, ``n`` counts from 1 and ``base + n`` is the new id
    :return: the id before the first new one
    """
    columns = [
        name
        for (name,) in site.query(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            table,
        )
        if name != "id"
    ]
    ((base,),) = site.query(f"SELECT max(id) FROM {table}")
    with _bare(site, table):
        site.query(
            f"""
            INSERT INTO {table} (id, {", ".join(columns)})
            SELECT base + n, {", ".join(changes.get(name, name) for name in columns)}
              FROM (SELECT * FROM {table} WHERE id = {specimen}) AS specimen
             CROSS JOIN (SELECT {base} AS base) AS start
             CROSS JOIN generate_series(1, {amount}) AS n
            """
        )
    site.query("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", table, base + amount)
    return base


@contextlib.contextmanager
def _bare(site, table: str):
    """Take the indexes and the references of ``table`` away, and give them back when it is filled: that is faster."""
    constraints = site.query(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass"
        " AND contype IN ('f', 'u')",
        table,
    )
    for name, _definition in constraints:
        site.query(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    indexes = site.query(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = %s::regclass AND NOT indisprimary",
        table,
    )
    for name, _definition in indexes:
        site.query(f"DROP INDEX {name}")
    yield
    for _name, definition in indexes:
        site.query(definition)
    for name, definition in constraints:
        site.query(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
