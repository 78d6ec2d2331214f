"""Billings sent in one batch make the ledger that Odoo's own form makes, under the charts of many countries.

Every stored field of invoices and journal items is compared, but for what differs between any two invoices.
"""

import os

import pytest
from books import Sent, Typed
from charts import FIRST, LAST, MORE_FIRST, MORE_LAST
from faults import LONG, Sandbox
from support import Admin

CODES = ("TUITION", "BUS", "TAXED", "GROSS")


@pytest.fixture(scope="module")
def office():
    """A server of its own, whose addons are installed one after the other."""
    box = Sandbox(os.environ["SCHOOL_SYNC_DEV"])
    yield box
    box.close()


def install(office, *addons):
    admin = Admin(office.url, office.database)
    ids = admin.call("ir.module.module", "search", [("name", "in", addons), ("state", "!=", "installed")])
    if ids:
        admin.call("ir.module.module", "button_immediate_install", ids)
    return Admin(office.url, office.database)


def line(code, price, **fields):
    return {"code": code, "label": code.title(), "unitPrice": str(price), **fields}


#: what is billed to each family, by its number
SCENARIOS = {
    "equal amounts": lambda _number: [line("TUITION", 100), line("BUS", 50)],
    "amounts of their own": lambda number: [line("TUITION", 100 + number), line("BUS", 50)],
    "discounts": lambda _number: [line("TUITION", "33.33", discount=10), line("BUS", "33.33", discount=10)],
    "quantities": lambda number: [line("TUITION", "33.33", quantity=3, discount="7.5"), line("BUS", number + 1)],
    "taxes": lambda number: [line("TAXED", 100 + number % 3), line("TUITION", 50)],
    "taxes included": lambda _number: [line("GROSS", "99.99"), line("TAXED", "10.01", discount=5)],
}


def billings(scenario, currency, day, families):
    return [
        {
            "externalId": f"{scenario}-{day}-{number:02}",
            "studentExternalId": f"S{number:02}",
            "invoiceNumber": f"{scenario} {day} {number:02}",
            "issueDate": day,
            "dueDate": "2026-12-01",
            "currency": currency,
            "status": "sent",
            "lines": SCENARIOS[scenario](number),
        }
        for number in range(families)
    ]


def compare(sent, typed, scenario, currency, day):
    made = billings(scenario, currency, day, len(sent.customers))
    ours, theirs = sent.bill(made), typed.bill(made)
    expected, found = typed.ledger(theirs), sent.ledger(ours)
    assert found.keys() == expected.keys()
    for ref, invoice in expected.items():
        assert found[ref].pop("items") == invoice.pop("items"), (scenario, ref)
        assert found[ref] == invoice, (scenario, ref)
    assert sent.numbers(ours) == typed.numbers(theirs), scenario


def check(office, chart):
    tables, admin = office.tables(), install(office, chart.addon)
    # Some of each kind, and some alike.
    families = max(6, len(chart.states) * len(chart.kinds) + 2)
    both = [school(admin, tables, chart, families) for school in (Sent, Typed)]
    for school in both:
        tax = school.sales_tax()
        gross = school.sales_tax(name="Gross", price_include_override="tax_included")
        taxes = dict.fromkeys(CODES, tax) if chart.always_taxed else {"TAXED": tax}
        school.stock(CODES, {**taxes, "GROSS": gross})
    (company,) = admin.read("res.company", [("id", "=", both[0].id)], ["currency_id"])
    currency = company["currency_id"][1]
    for method, day, scenarios in (
        ("round_globally", "2026-09-01", SCENARIOS),
        ("round_per_line", "2026-09-02", SCENARIOS if LONG else ("discounts", "taxes included")),
    ):
        for school in both:
            admin.write("res.company", school.id, tax_calculation_rounding_method=method)
        for scenario in scenarios:
            compare(*both, scenario, currency, day)


@pytest.mark.parametrize("chart", [*FIRST, *(MORE_FIRST if LONG else ())], ids=lambda chart: chart.name)
def test_same_ledger(office, chart):
    check(office, chart)


@pytest.mark.parametrize("chart", [*LAST, *(MORE_LAST if LONG else ())], ids=lambda chart: chart.name)
def test_same_ledger_in_odoos_own_way(office, chart):
    check(office, chart)
