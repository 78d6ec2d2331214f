"""What HR sees and does, in a real browser."""

import pytest
from playwright.sync_api import expect
from support import ok
from test_employees import School
from web_client import SIZE, chromium, log_in

WHY = "The e-mail address belongs to another teacher."


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport=SIZE)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def school(admin):
    return School(admin)


@pytest.fixture
def hr(admin, school):
    """Somebody of HR, who has no other rights in Odoo."""
    return admin.new_user("hr.group_hr_user", company_id=school.company_id, company_ids=[(6, 0, [school.company_id])])


def only(page, name):
    """The list shows ``name`` and nobody else."""
    rows = page.locator(".o_list_view .o_data_row")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(name)
    return rows


def filter_by(page, *names):
    for facet in page.locator(".o_searchview .o_facet_remove").all():
        facet.click()
    page.locator(".o_searchview_dropdown_toggler").click()
    for name in names:
        page.locator(".o_filter_menu").get_by_role("menuitemcheckbox", name=name, exact=True).click()
    page.keyboard.press("Escape")


def test_hr_finds_who_was_refused_reads_why_and_sends_again(page, hr, school):
    refused, taken_over = school.hire(name="Asha Rao"), school.hire(name="Ravi Rao")
    ok(school.say([school.error(refused, message=WHY), school.success(taken_over)]))

    log_in(page, hr.url, hr.login, hr.password)
    page.goto(f"{hr.url}/odoo/employees?view_type=list")
    expect(page.locator(".o_data_row", has_text="Ravi Rao").locator(".badge")).to_have_text("Synced")
    filter_by(page, "Sync Failed")
    row = only(page, "Asha Rao")
    expect(row.locator(".badge")).to_have_text("Failed")
    row.locator("td[name=name]").click()

    page.get_by_role("tab", name="School Sync").click()
    expect(page.locator(".o_notebook .alert-danger")).to_contain_text(WHY)
    expect(page.locator("[name=school_sync_line_ids] .o_data_row").first).to_contain_text(WHY)
    page.get_by_role("button", name="Send Again").click()

    badge = page.locator(".o_form_sheet .o_field_badge[name=school_sync_state]")
    expect(badge).to_have_text("To Sync")
    expect(page.locator(".o_notebook .alert-danger")).to_have_count(0)
    assert school.state(refused) == "pending"
    assert refused in school.pending()
    page.locator(".breadcrumb-item, .o_back_button").first.click()
    filter_by(page, "To Sync")
    only(page, "Asha Rao")


def test_hr_follows_the_counter_and_sends_several_again(page, hr, school):
    ids = [school.hire(name=name) for name in ("Asha Rao", "Meera Iyer")]
    ok(school.say([school.error(employee_id, message=WHY) for employee_id in ids]))

    log_in(page, hr.url, hr.login, hr.password)
    counter = page.locator(".o_school_employees_to_sync")
    expect(counter).to_have_text("2")
    counter.click()
    rows = page.locator(".o_list_view .o_data_row")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text(WHY)
    page.locator("thead .o_list_record_selector input").check()
    page.get_by_role("button", name="Send Again").click()

    for row in rows.all():
        expect(row.locator(".badge")).to_have_text("To Sync")
    assert school.pending() == set(ids)


def test_hr_follows_the_mail_to_what_failed_and_closes_it(page, admin, hr, school):
    admin.write("school.sync.source", school.source.id, notify_user_ids=[(6, 0, [hr.uid])])
    refused = school.hire(name="Asha Rao")
    ok(school.say(school.error(refused, message=WHY)))
    (problem,) = admin.read("school.sync.incident", [("source_id", "=", school.source.id)], ["id"])

    log_in(page, hr.url, hr.login, hr.password)
    mailed = f"{hr.url}/mail/view?model=school.sync.incident&res_id={problem['id']}"
    page.goto(mailed)
    expect(page.locator(".o_form_sheet .alert-danger")).to_contain_text(WHY)
    expect(page.locator("[name=failure_ids] .o_data_row")).to_contain_text("Asha Rao")
    page.get_by_role("button", name="Failing").click()
    only(page, "Asha Rao")

    page.goto(mailed)
    page.get_by_role("button", name="Close", exact=True).click()
    page.locator(".modal").get_by_role("button", name="Ok").click()
    expect(page.locator(".o_form_sheet .o_field_badge[name=state]")).to_have_text("Resolved")
    assert admin.read_one("school.sync.incident", problem["id"], "state", "activity_ids")["activity_ids"] == []
