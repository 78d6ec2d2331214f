"""The addon is uninstalled as Odoo does it, and installed again: what stays, what is gone for good."""

import pytest
from faults import LONG, Sandbox
from support import Admin, ok, parent, student, unique

pytestmark = pytest.mark.skipif(not LONG, reason="a server of its own, and minutes of Odoo's own work: --long")
BILLING = {
    "issueDate": "2025-06-01",
    "dueDate": "2025-06-30",
    "currency": "USD",
    "status": "paid",
    "lines": [{"code": "SCHOOL_FEE", "label": "School Fee", "amount": 300}],
}
# Where Odoo keeps, by the name of a model, what would be about models that are gone.
ABOUT_MODELS = (
    ("ir_attachment", "res_model"),
    ("ir_exports", "resource"),
    ("ir_filters", "model_id"),
    ("ir_model", "model"),
    ("ir_model_data", "model"),
    ("ir_model_fields", "model"),
    ("ir_model_fields", "relation"),
    ("ir_act_window", "res_model"),
    ("ir_ui_view", "model"),
    ("mail_activity", "res_model"),
    ("mail_followers", "res_model"),
    ("mail_message", "model"),
    ("mail_template", "model"),
)


@pytest.fixture
def sandbox():
    box = Sandbox("uninstall")
    yield box
    box.close()


def press(admin, button):
    (module,) = admin.call("ir.module.module", "search", [("name", "=", "school_erp_sync")])
    admin.call("ir.module.module", button, [module])


def test_uninstalled_and_installed_again(sandbox):
    admin, tables = Admin(sandbox.url, sandbox.database), sandbox.tables()
    source, archived = admin.new_source(), admin.new_source()
    admin.write("school.sync.source", source.id, notify_user_ids=[(6, 0, [admin.uid])])
    admin.write("res.users", admin.uid, email="admin@example.com")
    guardian = parent(email=f"{unique('asha').lower()}@example.com", phone="+91 1111111111")
    child = student(parents=[{"externalId": guardian["externalId"], "pays": True}])
    billing = {**BILLING, "externalId": unique("BIL"), "studentExternalId": child["externalId"]}
    ok(source.api.post("sync", {"parents": [guardian], "students": [child], "billings": [billing]}))
    ok(archived.api.post("parents", parent()), 201)
    admin.write("school.sync.source", archived.id, active=False)
    # A problem with its activity and its mail.
    assert source.api.post("parents", {"externalId": unique()}).status_code == 422
    (contact,) = admin.read("res.partner", [("email", "=", guardian["email"])], ["name", "phone"])
    of_billing = [("ref", "=", billing["externalId"]), ("move_type", "=", "out_invoice")]
    invoices = admin.read("account.move", of_billing, ["name", "state", "payment_state"])
    assert [one["state"] for one in invoices] == ["posted"]
    # Contacts and invoices of the school; what the addon brought along as demo data is the addon's.
    of_school = """
        SELECT (SELECT count(*) FROM account_move), (SELECT count(*) FROM res_partner WHERE id NOT IN (
                    SELECT res_id FROM ir_model_data WHERE module = 'school_erp_sync' AND model = 'res.partner'))
    """
    before = tables.rows(of_school)

    press(admin, "button_immediate_uninstall")

    admin = Admin(sandbox.url, sandbox.database)
    assert admin.session.get(f"{sandbox.url}/odoo", timeout=60).status_code == 200
    assert source.api.request("GET", "/api/parents", envelope=False).status_code == 404
    assert tables.rows(of_school) == before
    assert admin.read("res.partner", [("email", "=", guardian["email"])], ["name", "phone"]) == [contact]
    assert admin.read("account.move", of_billing, ["name", "state", "payment_state"]) == invoices
    users = "SELECT count(*) FROM res_users WHERE id = ANY(%s) AND active"
    assert tables.one(users, [source.user_id, archived.user_id]) == 0
    assert tables.one("SELECT count(*) FROM res_users_apikeys WHERE scope = 'school_sync'") == 0
    for table, column in ABOUT_MODELS:
        left = tables.rows(f"SELECT {column} FROM {table} WHERE {column} LIKE 'school.%%' LIMIT 3")
        assert not left, f"{table} still knows {left}"
    assert tables.one("SELECT count(*) FROM ir_model_data WHERE module = 'school_erp_sync'") <= 1
    assert not tables.rows("SELECT cron_name FROM ir_cron WHERE cron_name ILIKE '%%school%%'")
    assert not tables.rows("SELECT key FROM ir_config_parameter WHERE key ILIKE '%%school%%'")
    assert not tables.rows("SELECT relname FROM pg_class WHERE relname LIKE 'school%%' AND relkind IN ('r', 'S')")
    assert not tables.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE column_name LIKE 'school%%'"
    )

    press(admin, "button_immediate_install")

    admin = Admin(sandbox.url, sandbox.database)
    again = admin.new_source(name=source.name, match_rule="email_name", conflict_policy="odoo")
    assert source.api.get("parents").status_code == 401
    answer = ok(again.api.post("parents", {**guardian, "phone": "+91 2222222222"}), 201)
    taken = admin.read_one("school.parent", answer["id"], "partner_id")["partner_id"][0]
    assert taken == contact["id"]
    assert admin.read("res.partner", [("email", "=", guardian["email"])], ["name", "phone"]) == [contact]
    assert admin.read("account.move", of_billing, ["name", "state", "payment_state"]) == invoices
