"""The benchmark at a small scale: it measures what it promises, and invoices are the same. How fast, no test asks."""

import json
import os
import subprocess

import pytest
from support import LONG

#: what is measured against one server, and the kinds of work that each row of the table compares
ROWS = {
    "parents": ["new parents, batch"],
    "students": ["new students with two parents each, batch"],
    "again": ["unchanged documents, batch", "changed documents (3 fields), batch"],
    "single": ["new document, one POST at a time", "unchanged document, one POST at a time"],
    "billings": ["billings, 4 lines, created and posted, batch of 200"],
    "refused": [f"batch of 1,000 billings, {share} % refused" for share in (1, 25, 100)],
    "bundle": ["mixed bundle of 500 families"],
    "memory": ["memory of a worker over 1,000 batches"],
}
#: what takes a database and a server each, and minutes: with --long
MORE_ROWS = {
    "employees": ["GET /api/employees, page of 500"],
    "growth": [f"growth: batch of {kind} parents at 1,000,000 bindings" for kind in ("new", "unchanged", "changed")],
    "workers": ["two workers, two clients"],
    "whole": ["20,000 students, the last batches of 1,000", "GET /api/students, page of 1,000, the last of 20"],
    "stream": [f"stream of families, {how}, four clients" for how in ("one by one", "in eights")],
    "load": ["30 clients, mixed work, a minute"],
    "imports": ["load() of 1,000 employees"],
}
if LONG:
    ROWS.update(MORE_ROWS)


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """What the benchmark writes."""
    path = tmp_path_factory.mktemp("bench") / "figures.json"
    options = ["--scale", "0.01", "--rounds", "1", "--json", path, "--only", *ROWS]
    command = [os.environ["SCHOOL_SYNC_DEV"], "bench", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return {**json.loads(path.read_text()), "printed": done.stdout}


def rows_of(figures):
    """What each kind of work is compared with."""
    result = {}
    for row in figures["rows"]:
        result.setdefault(row["work"], []).append(row)
    return result


def test_every_row_of_the_table_is_measured(figures):
    rows = rows_of(figures)
    assert list(rows) == [work for works in ROWS.values() for work in works]
    for work, checks in rows.items():
        assert any(check["target"] is not None for check in checks), work
        assert all(check["ours"] > 0 for check in checks), work
        assert work in figures["printed"]


def test_billings_make_the_same_journal_items_as_odoo(figures):
    (identical,) = (row for row in figures["rows"] if row["unit"] == "identical")
    assert identical["reached"] is True


def test_machine_and_versions_are_told(figures):
    assert all(figures[name] for name in ("machine", "python", "postgresql", "odoo", "addon", "date"))
