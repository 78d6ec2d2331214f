#!/usr/bin/env python3
"""Takes the pictures of docs/: plays the demo against a fresh server, then looks at it as an administrator does.

Started by `./dev screenshots`, which sets SCHOOL_SYNC_URL, SCHOOL_SYNC_KEY and SCHOOL_SYNC_CHROMIUM;
`./dev screenshots term` takes those of a term at an accountant's only.
"""

import os
import subprocess
import sys
from pathlib import Path

import requests
from playwright.sync_api import Browser, Page
from web_client import SIZE, chromium, log_in

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "demo"))
import term  # noqa: E402
from hr import Hr, PowerSchool, refused, taken_over  # noqa: E402

DOCS = ROOT / "docs"
URL = os.environ["SCHOOL_SYNC_URL"]
KEY = os.environ["SCHOOL_SYNC_KEY"]
# What a browser shows for a moment and then no more.
READY = ".o_action_manager .o_view_controller, .o_action_manager .o_form_view"


def send_a_mixed_batch() -> None:
    """A batch as they come on the first day of school: some good, some not."""
    documents = [
        {"externalId": "PS-0001-F", "name": "Changed Name", "phone": "ask the mother"},
        {"externalId": "PS-9001-M", "name": "New Guardian", "email": "new@example.com"},
        {"externalId": "PS-9002-F", "name": "", "email": "nobody"},
    ]
    post("parents", documents)


def sync_employees() -> None:
    """A round between HR and PowerSchool: most are taken over, some refused, some edited since."""
    hr, power_school = Hr(URL, os.environ["SCHOOL_SYNC_DB"], "admin", "admin"), PowerSchool(URL, KEY)
    hired = hr.hire(12)
    odd, edited = hired[1:6:2], hired[2:9:3]
    for page in power_school.fetch():
        power_school.report([(refused if item["id"] in odd else taken_over)(item) for item in page])
    hr.call("hr.employee", "write", edited, {"mobile_phone": "+1 202-555-0199"})


def send_too_early_and_disagree() -> None:
    """Enrollments before their students; and a guardian whom both sides have changed, where the rule is to ask."""
    odoo = Hr(URL, os.environ["SCHOOL_SYNC_DB"], "admin", "admin")
    for number in range(1, 5):
        enrollment = {
            "externalId": f"ENR-90{number}",
            "studentExternalId": f"PS-90{number}-1",
            "academicYear": "2026-2027",
            "gradeLevel": str(number),
            "startDate": "2026-06-01",
            "status": "active",
        }
        post("enrollments", enrollment)
    guardian = {"externalId": "PS-9100-F", "name": "Meera Das", "phone": "+91 9876500001", "occupation": "Teacher"}
    record_id = post("parents", guardian).json()["id"]
    (binding,) = odoo.call("school.sync.binding", "search_read", [["external_id", "=", "PS-9100-F"]], ["source_id"])
    odoo.call(
        "school.sync.source",
        "write",
        [binding["source_id"][0]],
        {
            "policy_ids": [
                (0, 0, {"scope": "parents/phone", "policy": "ask"}),
                (0, 0, {"scope": "students", "policy": "newest"}),
            ]
        },
    )
    odoo.call("school.parent", "write", [record_id], {"phone": "+91 9876511111", "function": "Principal"})
    post("parents", {**guardian, "phone": "+91 9876522222", "occupation": "Head Teacher"})


def send_a_family_address() -> None:
    """A guardian with the e-mail address of a contact who has another name."""
    odoo = Hr(URL, os.environ["SCHOOL_SYNC_DB"], "admin", "admin")
    address = {"email": "das.family@example.com"}
    odoo.call("res.partner", "create", [{"name": "Meera Das", "phone": "+91 9876500001", **address}])
    (binding,) = odoo.call("school.sync.binding", "search_read", [["external_id", "=", "PS-9100-F"]], ["source_id"])
    odoo.call("school.sync.source", "write", [binding["source_id"][0]], {"match_rule": "email"})
    post("parents", {"externalId": "PS-9200-F", "name": "Mohan Das", "phone": "+91 9876500002", **address})
    odoo.call("school.sync.source", "write", [binding["source_id"][0]], {"match_rule": "never"})


def post(entity: str, document: dict | list) -> requests.Response:
    headers = {"Authorization": f"Bearer {KEY}"}
    return requests.post(f"{URL}/api/{entity}", json=document, headers=headers, timeout=60)


def post_well(entity: str, document: dict | list) -> None:
    response = post(entity, document)
    if response.status_code not in (200, 201):
        sys.exit(f"POST /api/{entity} was answered {response.status_code}: {response.text}")


def find(page: Page, model: str, domain: list) -> int:
    """:return: the id of the first record that ``domain`` finds, asked as the web client asks"""
    answer = page.request.post(
        f"{URL}/web/dataset/call_kw/{model}/search",
        data={
            "jsonrpc": "2.0",
            "method": "call",
            "params": {"model": model, "method": "search", "args": [domain], "kwargs": {"limit": 1}},
        },
    )
    return answer.json()["result"][0]


def take(page: Page, name: str, path: str, tab: str | None = None, filter_by: str | None = None) -> None:
    page.goto(f"{URL}/odoo/{path}")
    page.wait_for_selector(READY)
    if tab:
        page.get_by_role("tab", name=tab).click()
    if filter_by:
        choose_filter(page, filter_by)
    shoot(page, name)


def choose_filter(page: Page, name: str) -> None:
    page.locator(".o_searchview_dropdown_toggler").click()
    page.get_by_role("menuitemcheckbox", name=name, exact=True).click()
    page.keyboard.press("Escape")


def show_columns(page: Page, *names: str) -> None:
    """Turn optional columns of the list on."""
    page.locator(".o_optional_columns_dropdown_toggle").first.click()
    for name in names:
        page.locator(".o-dropdown--menu").get_by_text(name, exact=True).click()
    page.keyboard.press("Escape")


def shoot(page: Page, name: str) -> None:
    # The web client keeps a connection open for news, so that the network is never idle.
    page.wait_for_timeout(2000)
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=DOCS / f"{name}.png")
    print(f"docs/{name}.png")


def take_invoices_by_class(page: Page) -> None:
    page.goto(f"{URL}/odoo/customer-invoices")
    page.wait_for_selector(READY)
    page.locator(".o_searchview_input").fill(term.YEAR["academicYear"])
    page.locator(".o_searchview_autocomplete").get_by_text("School Year").click()
    choose_filter(page, "Class")
    for group in ("Grade 7 A", "Grade 4 B"):
        page.locator(".o_group_header", has_text=group).click()
    show_columns(page, "Student", "Fee Heads")
    shoot(page, "term_classes")


def take_term(browser: Browser) -> None:
    """A term as the accountant sees it."""
    term.play(Hr(URL, os.environ["SCHOOL_SYNC_DB"], "admin", "admin"), post_well)
    page = browser.new_page(viewport=SIZE)
    log_in(page, URL, term.ACCOUNTANT, term.ACCOUNTANT)

    def find_sent(model: str, external_id: str) -> int:
        return find(page, model, [["sync_binding_ids.external_id", "=", external_id]])

    def find_move(kind: str, external_id: str) -> int:
        return find(page, "account.move", [["school_billing_id.name", "=", external_id], ["move_type", "=", kind]])

    page.goto(f"{URL}/odoo/customer-invoices/{find_move('out_invoice', 'BIL-SHA-2')}")
    page.wait_for_selector(READY)
    show_columns(page, "Fee Head")
    shoot(page, "term_invoice")
    take_invoices_by_class(page)
    schedule = find_sent("school.fee.schedule", "FEE-CHE-1")
    take(page, "fee_schedule_form", f"action-school_erp_sync.school_fee_schedule_action/{schedule}")
    receipt = find_sent("school.payment", "RCT-2041")
    take(page, "term_receipt", f"action-school_erp_sync.school_payment_action/{receipt}")
    page.get_by_role("button", name="Billing").first.click()
    page.get_by_role("heading", name="BIL-SHA-1").wait_for()
    withdrawn = find_sent("school.billing", "BIL-GAR-1")
    tab = "Invoices and Credit Notes"
    take(page, "term_withdrawal", f"action-school_erp_sync.school_billing_action/{withdrawn}", tab)
    take(page, "term_refund", "action-school_erp_sync.school_payment_action")
    take(page, "term_fee_heads", "action-school_erp_sync.school_fee_head_action")
    page.goto(f"{URL}/report/html/school_erp_sync.report_statement/{find_sent('school.parent', 'CHE')}")
    shoot(page, "term_statement")


def main() -> int:
    DOCS.mkdir(exist_ok=True)
    if sys.argv[1:] == ["term"]:
        with chromium() as browser:
            take_term(browser)
        return 0
    play = [sys.executable, str(ROOT / "demo" / "play.py"), "--url", URL, "--families", "12"]
    subprocess.run(play, check=True, stdout=subprocess.DEVNULL)
    send_a_mixed_batch()
    sync_employees()
    send_too_early_and_disagree()
    send_a_family_address()
    with chromium() as browser:
        page = browser.new_page(viewport=SIZE)
        log_in(page, URL)
        student = find(page, "school.student", [["sync_binding_ids.external_id", "=", "PS-0001-1"]])
        billing = find(page, "school.billing", [["state", "=", "paid"]])
        log = find(page, "school.sync.log", [["state", "=", "partial"]])
        employee = find(page, "hr.employee", [["school_sync_state", "=", "error"]])
        incident = find(page, "school.sync.incident", [["entity", "=", "employees"]])
        take(page, "student_form", f"action-school_erp_sync.school_student_action/{student}", "Guardians")
        take(page, "sync_log", "action-school_erp_sync.school_sync_log_action")
        take(page, "sync_log_form", f"action-school_erp_sync.school_sync_log_action/{log}")
        take(page, "billing_form", f"action-school_erp_sync.school_billing_action/{billing}")
        take(page, "employee_form", f"employees/{employee}", "School Sync")
        take(page, "employee_list", "employees?view_type=list")
        take(page, "employee_list_failed", "employees-to-sync", filter_by="Sync Failed")
        take(page, "employee_kanban", "employees?view_type=kanban")
        conflict = find(page, "school.sync.conflict", [["state", "=", "open"]])
        parked = find(page, "school.sync.parked", [])
        source = find(page, "school.sync.source", [["policy_ids", "!=", False]])
        take(page, "parked_list", "action-school_erp_sync.school_sync_parked_action")
        take(page, "parked_form", f"action-school_erp_sync.school_sync_parked_action/{parked}")
        take(page, "conflict_form", f"action-school_erp_sync.school_sync_conflict_action/{conflict}")
        duplicate = find(page, "school.sync.duplicate", [])
        take(page, "duplicate_list", "action-school_erp_sync.school_sync_duplicate_action")
        take(page, "duplicate_form", f"action-school_erp_sync.school_sync_duplicate_action/{duplicate}")
        take(page, "source_form", f"action-school_erp_sync.school_sync_source_action/{source}")
        take(page, "problem_form", f"action-school_erp_sync.school_sync_incident_action/{incident}")
        take_term(browser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
