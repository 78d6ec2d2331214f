"""The benchmark at a small scale: that it measures everything it promises. How fast, no test asks."""

import json
import os
import subprocess

import pytest

ROWS = "parents students again single billings refused bundle employees growth workers whole stream load memory imports"


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """What the benchmark writes."""
    path = tmp_path_factory.mktemp("bench") / "figures.json"
    options = ["--scale", "0.01", "--rounds", "1", "--json", path, "--only", *ROWS.split()]
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
    assert list(rows) == [
        "new parents, batch",
        "new students with two parents each, batch",
        "unchanged documents, batch",
        "changed documents (3 fields), batch",
        "new document, one POST at a time",
        "unchanged document, one POST at a time",
        "billings, 4 lines, created and posted, batch of 200",
        "batch of 1,000 billings, 1 % refused",
        "batch of 1,000 billings, 25 % refused",
        "batch of 1,000 billings, 100 % refused",
        "mixed bundle of 500 families",
        "GET /api/employees, page of 500",
        "growth: batch of new parents at 1,000,000 bindings",
        "growth: batch of unchanged parents at 1,000,000 bindings",
        "growth: batch of changed parents at 1,000,000 bindings",
        "two workers, two clients",
        "20,000 students, the last batches of 1,000",
        "GET /api/students, page of 1,000, the last of 20",
        "stream of families, one by one, four clients",
        "stream of families, in eights, four clients",
        "30 clients, mixed work, a minute",
        "memory of a worker over 1,000 batches",
        "load() of 1,000 employees",
    ]
    for work, checks in rows.items():
        assert any(check["target"] is not None for check in checks), work
        assert all(check["ours"] > 0 for check in checks), work
        assert work in figures["printed"]


def test_billings_make_the_same_journal_items_as_odoo(figures):
    (identical,) = (row for row in figures["rows"] if row["unit"] == "identical")
    assert identical["reached"] is True


def test_machine_and_versions_are_told(figures):
    assert all(figures[name] for name in ("machine", "python", "postgresql", "odoo", "addon", "date"))
