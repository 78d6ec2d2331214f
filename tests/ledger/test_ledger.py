"""Billings sent in one batch make the ledger that Odoo's own form makes, under the charts of many countries.

Every stored field of invoices and journal items is compared, but for what differs between any two invoices.
"""

import time

import pytest
from books import School, Sent, Typed
from charts import FIRST, LAST, MORE_FIRST, MORE_LAST
from faults import LONG, Sandbox
from support import Admin, OdooRefuses, ok, unique

CODES = ("TUITION", "BUS", "TAXED", "GROSS")


@pytest.fixture(scope="module")
def office():
    """A server of its own, whose addons are installed one after the other."""
    box = Sandbox("ledger")
    # Odoo makes demo companies with an addon's chart of accounts, where its dependencies have demo data.
    box.tables().rows("UPDATE ir_module_module SET demo = false")
    yield box
    box.close()


def install(office, *addons):
    admin = Admin(office.url, office.database)
    ids = admin.call("ir.module.module", "search", [("name", "in", addons), ("state", "!=", "installed")])
    while ids:
        try:
            admin.call("ir.module.module", "button_immediate_install", ids)
            break
        except OdooRefuses as refusal:
            # Odoo installs nothing while a job runs.
            assert "scheduled action" in str(refusal)
            time.sleep(1)
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
ANALYTIC = {"analytic plans": lambda number: [line("TAXED", 100 + number % 2), line("TUITION", 50), line("BUS", 7)]}
#: billed without number and due date
TERMS = {
    "terms of the customer": lambda _number: [line("TUITION", "100.01"), line("BUS", 50)],
    "terms and amounts of their own": lambda number: [line("TUITION", 100 + number), line("TAXED", 50)],
}


TWICE = {
    "name": "Twice",
    "line_ids": [(0, 0, {"value": "percent", "value_amount": 50, "nb_days": days}) for days in (0, 60)],
}
EARLY = {
    "name": "Early",
    "early_discount": True,
    "discount_days": 10,
    "discount_percentage": 2,
    "line_ids": [(0, 0, {"value": "percent", "value_amount": 100, "nb_days": 30})],
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
            "lines": (SCENARIOS | ANALYTIC | TERMS)[scenario](number),
        }
        for number in range(families)
    ]


def bare(billing):
    return {name: value for name, value in billing.items() if name not in ("invoiceNumber", "dueDate")}


def compare(sent, typed, scenario, currency, day):
    made = billings(scenario, currency, day, len(sent.customers))
    if scenario in TERMS:
        made = [bare(billing) for billing in made]
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
    admin.write("res.users", admin.uid, group_ids=[(4, admin.group("analytic.group_analytic_accounting"))])
    plans = [admin.create("account.analytic.plan", name=unique(name)) for name in ("Grade", "Fee Head")]
    for school in both:
        school.share_out(plans, {f"S{number:02}": str(number % 3 + 1) for number in range(families)})
    for scenario in ANALYTIC:
        compare(*both, scenario, currency, "2026-09-03")
    admin.call("ir.config_parameter", "set_param", "account.use_invoice_terms", "True")
    terms = [False, *(admin.create("account.payment.term", **values) for values in (TWICE, EARLY))]
    for school in both:
        school.agree(terms)
    for scenario in TERMS:
        compare(*both, scenario, currency, "2026-09-04")
    # What the source sends goes before the terms of the customer, and the reference of the journal before its number.
    compare(*both, "taxes", currency, "2026-09-05")


@pytest.mark.parametrize("chart", [*FIRST, *(MORE_FIRST if LONG else ())], ids=lambda chart: chart.name)
def test_same_ledger(office, chart):
    check(office, chart)


def test_address_and_tax_number_of_a_guardian_decide_the_taxes(office):
    """What a document says of the guardian is on the contact before the invoice is made, as e-invoicing needs it."""
    chart = FIRST[-1]
    school = School(install(office, chart.addon), office.tables(), chart)
    api, admin = school.admin.new_source(company_id=school.id).api, school.admin
    good, bad = "29AAGCB7383J1Z4", "29AAGCB7383J1Z9X"
    guardians = [
        {
            "externalId": number,
            "name": f"Guardian {number}",
            "taxNumber": number,
            "address": {"state": state, "country": "IN"},
        }
        for number, state in ((good, "Karnataka"), (bad, "MH"))
    ]
    children = [
        {"externalId": f"S-{number}", "fullName": "Child", "parents": [{"externalId": number, "pays": True}]}
        for number in (good, bad)
    ]
    bills = [
        {
            "externalId": f"B-{number}",
            "studentExternalId": f"S-{number}",
            "issueDate": "2026-09-01",
            "dueDate": "2026-12-01",
            "currency": "INR",
            "status": "sent",
            "lines": [line("TUITION", 100)],
        }
        for number in (good, bad)
    ]
    answer = ok(api.post("sync", {"billings": bills, "students": children, "parents": guardians}))
    assert [len(item.get("warnings", ())) for item in answer["parents"]["items"]] == [0, 1]
    ids = [item["id"] for item in answer["billings"]["items"]]
    moves = [one["move_id"][0] for one in school.call("school.billing", "read", ids, ["move_id"])]
    names = ["partner_id", "l10n_in_state_id", "fiscal_position_id", "state"]
    for move, number, state, is_abroad in zip(
        school.call("account.move", "read", moves, names),
        (good, bad),
        ("Karnataka (IN)", "Maharashtra (IN)"),
        (True, False),
        strict=True,
    ):
        (partner,) = admin.read("res.partner", [("id", "=", move["partner_id"][0])], ["vat"])
        assert (partner["vat"], move["state"], move["l10n_in_state_id"][1]) == (number, "posted", state)
        assert ("Inter" in move["fiscal_position_id"][1]) == is_abroad, move
    # Sent again, as Odoo writes it, it is nothing new.
    spelled = {**guardians[0], "taxNumber": "29 aagcb7383j1z4"}
    assert ok(api.post("parents", spelled))["status"] == "unchanged"


@pytest.mark.parametrize("chart", [*LAST, *(MORE_LAST if LONG else ())], ids=lambda chart: chart.name)
def test_same_ledger_in_odoos_own_way(office, chart):
    check(office, chart)
