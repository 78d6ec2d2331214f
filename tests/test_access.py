"""Who may do what: keys, groups, companies; and what a key does not open."""

import json
import re
import xmlrpc.client
from pathlib import Path

import pytest
import requests
from support import Api, Odoo, OdooRefuses, ok, parent, problem, student, unique

REPOSITORY = Path(__file__).parents[1]
SECURITY = (REPOSITORY / "docs" / "security.md").read_text()
SENSITIVE = {
    "religion": "Parsi",
    "casteCommunity": "Iyer",
    "health": {"bloodGroup": "A+", "allergies": ["Latex"]},
    "programs": [{"type": "sped", "status": "active"}],
}


class People:
    """One client for each kind of person at the door."""

    def __init__(self, admin, tables, api):
        url = admin.url
        self.writer = api
        self.no_key = Api(url)
        self.garbage = Api(url, "garbage")
        self.half_a_key = Api(url, api.key[:20])
        self.reader = admin.new_source(group="group_sync_reader").api
        self.manager = admin.new_source(group="group_sync_manager").api
        self.without_group = admin.new_source(group="base.group_user").api
        self.elsewhere = admin.new_source(company_id=admin.new_company()).api

        expired = admin.new_source()
        tables.rows(
            "UPDATE res_users_apikeys SET expiration_date = now() - interval '1 day' WHERE user_id = %s",
            expired.user_id,
        )
        self.expired = expired.api

        revoked = admin.new_source()
        admin.call("school.sync.source", "action_revoke_keys", [revoked.id])
        self.revoked = revoked.api

        archived_user = admin.new_source()
        admin.write("res.users", archived_user.user_id, active=False)
        self.archived_user = archived_user.api

        archived_source = admin.new_source()
        admin.write("school.sync.source", archived_source.id, active=False)
        self.archived_source = archived_source.api

        self.session_cookie = Api(url, Cookie=f"session_id={admin.session.cookies['session_id']}")


@pytest.fixture(scope="module")
def people(admin, tables, api):
    return People(admin, tables, api)


ROUTES = {
    "list": lambda client, there: client.get("parents"),
    "read": lambda client, there: client.get("parents", there),
    "post": lambda client, there: client.post("parents", parent()),
    "batch": lambda client, there: client.post("parents", [parent(), parent()]),
    "keyed": lambda client, there: client.post("parents", parent(), headers={"Idempotency-Key": unique()}),
    "bundle": lambda client, there: client.post("sync", {"parents": [parent()]}),
    "delete": lambda client, there: client.delete("parents", there),
    "employees": lambda client, there: client.get("employees"),
    "employee": lambda client, there: client.get("employees", unique()),
    "status": lambda client, there: client.post(
        "teacher/status", {"externalId": unique(), "version": 1, "status": "success"}
    ),
    "parked": lambda client, there: client.get("sync/parked"),
    "nothing": lambda client, there: client.get("nothing"),
    "put": lambda client, there: client.request("PUT", "/api/parents", json={}),
}
REFUSED = dict.fromkeys(ROUTES, 401)
FORBIDDEN = dict.fromkeys(ROUTES, 403)
READS = {"list": 200, "parked": 200, "employees": 200, "employee": 404, "nothing": 404}
WRITES = {"post": 201, "batch": 200, "keyed": 201, "bundle": 200, "status": 200, "put": 405}
# What is there is the writer's; every other source knows nothing of it.
STRANGER = {**READS, **WRITES, "read": 404, "delete": 404}
EXPECTED = {
    "no_key": REFUSED,
    "garbage": REFUSED,
    "half_a_key": REFUSED,
    "expired": REFUSED,
    "revoked": REFUSED,
    "archived_user": REFUSED,
    "session_cookie": REFUSED,
    "without_group": FORBIDDEN,
    "archived_source": FORBIDDEN,
    "reader": {**READS, **dict.fromkeys(WRITES, 403), "read": 404, "delete": 403},
    "writer": {**STRANGER, "read": 200, "delete": 200},
    "manager": {**READS, **dict.fromkeys(WRITES, 403), "read": 404, "delete": 403},
    "elsewhere": STRANGER,
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("who", EXPECTED)
def test_who_may_do_what(people, admin, tables, who, route):
    document = parent()
    ok(people.writer.post("parents", document), 201)
    before = tables.counts()
    response = ROUTES[route](getattr(people, who), document["externalId"])

    assert response.status_code == EXPECTED[who][route]
    if response.status_code in (401, 403):
        assert tables.counts() == before
        assert admin.log_of(response) is None
    if response.status_code == 401:
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    if who != "writer":
        assert ok(people.writer.get("parents", document["externalId"]))["active"] is True


def test_health_is_for_everybody(people):
    for who in EXPECTED:
        client = getattr(people, who)
        ok(client.request("GET", "/api/health"))
        assert client.request("OPTIONS", "/api/parents", envelope=False).status_code == 204


def test_refusals_do_not_tell_what_exists(people, api):
    """Neither whether a key was once valid, nor whether a record is there."""
    document = parent()
    ok(api.post("parents", document), 201)
    for who in ("garbage", "expired", "revoked", "archived_user"):
        client = getattr(people, who)
        there, not_there = client.get("parents", document["externalId"]), client.get("parents", unique())
        assert there.json()["detail"] == not_there.json()["detail"] == people.garbage.get("parents").json()["detail"]


def test_forbidden_says_what_to_do(people):
    assert "write" in problem(people.reader.post("parents", parent()), 403)["detail"]
    assert "group" in problem(people.without_group.get("parents"), 403)["detail"].lower()


# Keys


def test_revoked_key_is_worthless_at_once(admin, fresh):
    ok(fresh.api.get("parents"))
    admin.call("school.sync.source", "action_revoke_keys", [fresh.id])
    for _ in range(10):
        problem(fresh.api.get("parents"), 401)
    new = Api(fresh.api.url, admin.new_key(fresh.id))
    ok(new.get("parents"))
    problem(fresh.api.get("parents"), 401)


def test_archiving_the_user_shuts_the_door_at_once(admin, fresh):
    ok(fresh.api.get("parents"))
    admin.write("res.users", fresh.user_id, active=False)
    for _ in range(10):
        problem(fresh.api.get("parents"), 401)


def test_taking_the_group_away_takes_effect_at_once(admin, fresh):
    ok(fresh.api.post("parents", parent()), 201)
    admin.write("res.users", fresh.user_id, group_ids=[(6, 0, [admin.group("group_sync_reader")])])
    for _ in range(10):
        problem(fresh.api.post("parents", parent()), 403)
        ok(fresh.api.get("parents"))


def test_second_key_does_not_end_the_first(admin, fresh):
    """So that a source can change its key without a gap."""
    second = Api(fresh.api.url, admin.new_key(fresh.id))

    ok(fresh.api.get("parents"))
    ok(second.get("parents"))


def test_key_stands_nowhere_in_the_database(tables, fresh):
    """Not even where a sender puts it in a place that is not meant for it."""
    api, document = fresh.api, parent()
    headers = {"Idempotency-Key": document["externalId"]}
    for _ in range(2):
        ok(api.post("parents", document, headers=headers), 201)
    for response in (
        api.post("parents", document, api_key=api.key),
        api.get("parents", **{api.key: "1"}),
        api.get("parents", api.key),
        api.delete("parents", api.key),
        api.post("parents", document, headers={"Idempotency-Key": f'"{api.key}"'}),
        api.post("parents", {**document, "name": api.key}),
        api.send("parents", b'{"key": "%b"' % api.key.encode()),
    ):
        assert problem(response, 400)["type"].endswith(":key-exposed")
    ok(api.post("parents", [document, parent(name=None)]), 207)

    columns = tables.rows(
        """
        SELECT table_name, column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND data_type IN ('text', 'character varying', 'jsonb')
           AND (table_name LIKE %s OR table_name IN ('res_users_apikeys', 'mail_message', 'ir_config_parameter',
                                                     'ir_logging', 'mail_mail', 'mail_activity'))
        """,
        "school_%",
    )
    assert ("school_sync_idempotency_key", "body") in columns and ("school_sync_log", "path") in columns
    for table, column in columns:
        found = tables.one(f'SELECT count(*) FROM "{table}" WHERE "{column}"::text LIKE %s', f"%{api.key[:16]}%")
        assert not found, (table, column)


def test_no_key_in_the_server_log(api, people, server_log):
    ok(api.get("parents"))
    problem(api.get("parents", unique()), 404)
    problem(api.send("parents", b"{"), 400)
    problem(api.post("parents", parent(name=None)), 422)
    ok(people.no_key.request("GET", "/api/parents", headers={"X-API-Key": api.key}))
    problem(people.revoked.get("parents"), 401)

    text = server_log.text()
    for key in (api.key, people.revoked.key, people.reader.key):
        assert key[:12] not in text
    assert "Traceback" not in text


def test_key_in_an_address_is_not_in_the_server_log(api, nobody, server_log):
    """It is refused; but the server notes the address of each request."""
    encoded = "".join(f"%{ord(character):02x}" for character in api.key)
    for place in (f"?api_key={api.key}", f"/{api.key}", f"/x{api.key}x", f"/{encoded}", f"?key={encoded}&a={api.key}"):
        problem(api.request("GET", f"/api/parents{place}"), 400)
        problem(nobody.request("GET", f"/api/parents{place}"), 401)
        nobody.request("GET", f"/web/nowhere{place}", envelope=False)
    api.raw(b"GET /api/parents?key=%b and more HTTP/1.1\r\n\r\n" % api.key.encode())

    text = server_log.text()
    assert "/api/parents" in text
    for form in (api.key, encoded):
        assert form[:36] not in text.lower()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key + "0" * 5000,
        lambda key: key + " " + key,
        lambda key: key + "\xff\xfe",
        lambda key: key + "\u00df",
        lambda key: key[:8] + "\xa0" * 32,
        lambda key: key[:8] + "'" * 5000,
        lambda key: key[:8] + "%s" * 16,
        lambda key: key[:8],
        lambda key: key[:39],
        lambda key: key.upper() + "Z",
        lambda key: f'"{key}"',
    ],
)
def test_key_with_something_wrong_is_unknown(api, nobody, nothing_written, spoil):
    """None of them is an error inside Odoo, not even where it begins as a key does."""
    for headers in ({"Authorization": f"Bearer {spoil(api.key)}"}, {"X-API-Key": spoil(api.key)}):
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        problem(nobody.request("GET", "/api/parents", headers=encoded), 401)


# What a key of ours does not open


@pytest.fixture(params=["group_sync_reader", "group_sync_writer", "group_sync_manager"])
def holder(admin, request):
    """A source whose user has the rights of each group in turn."""
    return admin.new_source(group=request.param)


def test_key_opens_no_xmlrpc(admin, holder):
    login = admin.read_one("res.users", holder.user_id, "login")["login"]
    common = xmlrpc.client.ServerProxy(f"{admin.url}/xmlrpc/2/common")
    models = xmlrpc.client.ServerProxy(f"{admin.url}/xmlrpc/2/object")

    assert not common.authenticate(admin.database, login, holder.api.key, {})
    with pytest.raises(xmlrpc.client.Fault):
        models.execute_kw(admin.database, holder.user_id, holder.api.key, "school.student", "search", [[]])


def test_key_opens_no_json_2(admin, holder):
    for model, method in (
        ("school.student", "search_read"),
        ("res.users", "context_get"),
        ("school.sync.log", "search"),
    ):
        response = requests.post(
            f"{admin.url}/json/2/{model}/{method}",
            json={},
            headers={"Authorization": f"Bearer {holder.api.key}", "X-Odoo-Database": admin.database},
            timeout=60,
        )
        assert response.status_code == 401
        assert "externalId" not in response.text


def test_key_opens_no_web_client(admin, holder):
    login = admin.read_one("res.users", holder.user_id, "login")["login"]
    with pytest.raises(OdooRefuses):
        Odoo(admin.url, admin.database, login, holder.api.key)
    for path in ("/web", "/odoo", "/web/session/get_session_info"):
        response = requests.get(
            admin.url + path, headers={"Authorization": f"Bearer {holder.api.key}"}, timeout=60, allow_redirects=False
        )
        assert "uid" not in response.text or '"uid": null' in response.text


def test_password_of_a_person_is_no_key(admin):
    user = admin.new_user("group_sync_manager")
    api = Api(admin.url)

    problem(api.request("GET", "/api/parents", auth=(user.login, user.password)), 401)
    for password in (user.password, "admin"):
        problem(Api(admin.url, password).get("parents"), 401)


def test_api_user_cannot_log_in_without_a_password(admin, fresh):
    login = admin.read_one("res.users", fresh.user_id, "login")["login"]
    for password in ("", login, "admin", False, None):
        with pytest.raises(OdooRefuses):
            Odoo(admin.url, admin.database, login, password)


# Companies and sources


def test_other_companies_see_nothing(people, api):
    document = parent(students=[])
    child = student()
    ok(api.post("parents", document), 201)
    ok(api.post("students", child), 201)
    other = people.elsewhere

    problem(other.get("parents", document["externalId"]), 404)
    problem(other.delete("parents", document["externalId"]), 404)
    assert document["externalId"] not in other.listed("parents", limit=1000, active="all")
    problem(other.post("students", student(parents=[document["externalId"]]), onMissing="error"), 409)
    problem(other.post("parents", parent(students=[child["externalId"]]), onMissing="error"), 409)


@pytest.mark.parametrize("same_company", [True, False])
def test_one_id_in_two_sources_is_two_records(admin, api, people, same_company):
    other = admin.new_source().api if same_company else people.elsewhere
    document = parent()
    ours = ok(api.post("parents", document), 201)
    theirs = ok(other.post("parents", {**document, "name": "Of Another School"}), 201)

    assert ours["id"] != theirs["id"]
    assert api.read("parents", document["externalId"])["name"] == "Asha Rao"
    assert other.read("parents", document["externalId"])["name"] == "Of Another School"
    contacts = [admin.read_one("school.parent", i, "partner_id")["partner_id"][0] for i in (ours["id"], theirs["id"])]
    companies = [admin.read_one("res.partner", contact, "company_id")["company_id"] for contact in contacts]
    assert (companies[0] == companies[1]) is same_company
    ok(other.delete("parents", document["externalId"]))
    assert ok(api.get("parents", document["externalId"]))["active"] is True


def test_people_of_one_company_do_not_see_those_of_another(admin, people):
    """In Odoo, too: the record rules hold there."""
    document = parent()
    answer = ok(people.elsewhere.post("parents", document), 201)
    person = admin.new_user("group_sync_reader")

    for model, domain in (
        ("school.parent", [("id", "=", answer["id"])]),
        ("school.sync.binding", [("external_id", "=", document["externalId"])]),
        ("school.sync.log.line", [("external_id", "=", document["externalId"])]),
        ("res.partner", [("name", "=", "Asha Rao"), ("company_id", "not in", [False, admin.company_id])]),
    ):
        assert person.call(model, "search", domain) == []
    with pytest.raises(OdooRefuses):
        person.read_one("school.parent", answer["id"], "name")


def test_writer_among_people_cannot_set_up_sources(admin):
    person = admin.new_user("group_sync_writer")
    (source_id,) = person.call("school.sync.source", "search", [], limit=1)
    attempts = [
        ("create", {"name": "Mine"}),
        ("write", [source_id], {"match_rule": "email"}),
        ("unlink", [source_id]),
        ("action_generate_key", [source_id]),
        ("action_revoke_keys", [source_id]),
    ]
    for method, *arguments in attempts:
        with pytest.raises(OdooRefuses):
            person.call("school.sync.source", method, *arguments)


def test_manager_cannot_make_a_key_of_the_administrator(admin):
    """A sync manager makes keys for the user of a source; that user must not become a way to more rights."""
    manager = admin.new_user("group_sync_manager")
    with pytest.raises(OdooRefuses):
        source_id = manager.create("school.sync.source", name=unique("Source"), user_id=admin.uid)
        try:
            manager.call("school.sync.source", "action_generate_key", [source_id])
        finally:
            admin.call("school.sync.source", "unlink", [source_id])


def test_manager_cannot_revoke_the_keys_of_the_administrator(admin):
    manager = admin.new_user("group_sync_manager")
    source = admin.new_source()
    with pytest.raises(OdooRefuses):
        manager.write("school.sync.source", source.id, user_id=admin.uid)
        try:
            manager.call("school.sync.source", "action_revoke_keys", [source.id])
        finally:
            admin.write("school.sync.source", source.id, user_id=source.user_id)


def test_manager_can_do_their_work(admin):
    manager = admin.new_user("group_sync_manager")
    source_id = manager.create("school.sync.source", name=unique("Source"))
    key = manager.call("school.sync.source", "action_generate_key", [source_id])["context"]["default_key"]
    api = Api(admin.url, key)
    ok(api.post("parents", parent()), 201)
    manager.call("school.sync.source", "action_revoke_keys", [source_id])

    problem(api.get("parents"), 401)
    of_source = [("source_id", "=", source_id)]
    assert manager.read("school.sync.log", of_source, ["state"])[0]["state"] == "success"
    trusted = admin.new_user("group_sync_manager", "group_sync_sensitive")
    assert trusted.read("school.sync.log", of_source, ["request", "response"])[0]["request"]


def test_bodies_are_never_mistaken_for_a_session(admin, people):
    """A page in the administrator's browser that posts to us has the cookie, and no key."""
    response = people.session_cookie.send(
        "parents", json.dumps(parent()).encode(), headers={"Origin": "https://evil.example"}
    )

    problem(response, 401)
    assert "Access-Control-Allow-Origin" not in response.headers


# The access table of docs/security.md

GROUPS = {
    "Portal": ["base.group_portal"],
    "Colleague": ["base.group_user"],
    "HR": ["hr.group_hr_user"],
    "Invoicing": ["account.group_account_invoice"],
    "Reader": ["group_sync_reader"],
    "Reader+S": ["group_sync_reader", "group_sync_sensitive"],
    "Writer": ["group_sync_writer"],
    "Writer+S": ["group_sync_writer", "group_sync_sensitive"],
    "Manager": ["group_sync_manager"],
    "Manager+S": ["group_sync_manager", "group_sync_sensitive"],
}
OPERATIONS = {"c": "create", "r": "read", "u": "write", "d": "unlink"}


def read_access_table():
    """The rows of the table: model, fields (none for the model itself), and what each role may do."""
    text = SECURITY.partition("<!-- access table -->")[2].partition("<!-- end of access table -->")[0]
    lines = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in text.splitlines() if line.strip()]
    (_model, _fields, *roles), _rule, *rows = lines
    assert roles == list(GROUPS)
    for model, fields, *cells in rows:
        assert len(cells) == len(roles), model
        may = {role: set(cell.rstrip("*")) & set(OPERATIONS) for role, cell in zip(roles, cells, strict=True)}
        yield model.strip("`"), fields, re.findall(r"`(\w+)`", fields), may


ROWS = list(read_access_table())


class Person:
    """Somebody with the groups of a role, and the ways in which such a person reaches Odoo."""

    def __init__(self, admin, role):
        groups = [admin.group(group) for group in GROUPS[role]]
        if role != "Portal":
            groups.append(admin.group("base.group_allow_export"))
        self.web = admin.new_user()
        admin.write("res.users", self.web.uid, group_ids=[(6, 0, groups)])
        self.odoo = xmlrpc.client.ServerProxy(f"{admin.url}/xmlrpc/2/object", allow_none=True)
        # Odoo makes API keys for internal users only.
        self.key = None if role == "Portal" else self._make_key()
        self.database = admin.database

    def _make_key(self):
        wizard = self.web.create("res.users.apikeys.description", name="test", duration="1")
        check = self.web.call("res.users.apikeys.description", "make_key", [wizard])["res_id"]
        shown = self.web.call("res.users.identitycheck", "run_check", [check], context={"password": self.web.password})
        return shown["context"]["default_key"]

    def ways_to_read(self, model, domain, names):
        """By which ways this person reads fields ``names`` of the records that ``domain`` selects."""
        found = set()
        # What Odoo does not find true of every record without looking.
        condition = (names[0], "!=", False) if names[0].endswith("_ids") else (names[0], "not in", ["?"])
        ways = {
            "web": lambda: self.web.call(model, "web_search_read", domain, {name: {} for name in names}, limit=1),
            "search_read": lambda: self.web.read(model, domain, names, limit=1),
            "search": lambda: self.web.call(model, "search_count", [*domain, condition]),
            "group": lambda: self.web.call(model, "formatted_read_group", domain, [], ["__count"]),
            "name": lambda: self.web.call(model, "name_search", "", domain, limit=1),
            "export": lambda: self._export(model, domain, names),
            "XML-RPC": lambda: self._xmlrpc(model, domain, names),
            "JSON-2": lambda: self._json_2(model, domain, names),
        }
        if names != ["display_name"]:
            # Those two are about records, whatever is read of them.
            del ways["group"], ways["name"]
        if not self.key:
            del ways["JSON-2"]
        for way, attempt in ways.items():
            try:
                attempt()
            except (OdooRefuses, xmlrpc.client.Fault):
                continue
            found.add(way)
        return found, set(ways)

    def _export(self, model, domain, names):
        ids = self.web.call(model, "search", domain, limit=1)
        # Of no records, Odoo exports no fields, and does not look whether it may.
        return self.web.call(model, "export_data", ids, names) if ids else self.web.read(model, domain, names)

    def _xmlrpc(self, model, domain, names):
        # Odoo sends no None over XML-RPC: what it cannot send, it has read.
        try:
            return self.odoo.execute_kw(
                self.database, self.web.uid, self.web.password, model, "search_read", [domain, names], {"limit": 1}
            )
        except xmlrpc.client.Fault as fault:
            if "cannot marshal None" not in fault.faultString:
                raise
        return []

    def _json_2(self, model, domain, names):
        response = requests.post(
            f"{self.web.url}/json/2/{model}/search_read",
            json={"domain": domain, "fields": names, "limit": 1},
            headers={"Authorization": f"Bearer {self.key}", "X-Odoo-Database": self.database},
            timeout=60,
        )
        if response.status_code != 200:
            raise OdooRefuses({"data": {"message": response.text[:200], "name": str(response.status_code)}})
        return response.json()


@pytest.fixture(scope="module", params=GROUPS)
def role(request, admin):
    return request.param, Person(admin, request.param)


@pytest.fixture(scope="module")
def child(api, admin):
    """A student with a photo, and what there is of it in Odoo."""
    document = student(**SENSITIVE, address={"permanent": unique("Street")})
    answer = ok(api.post("students", document), 201)
    student_id = answer["id"]
    (contact_id, _name) = admin.read_one("school.student", student_id, "partner_id")["partner_id"]
    return {"document": document, "id": student_id, "contact": contact_id}


def test_access_table(role, child):
    """Each role does what the table says, and nothing else."""
    name, person = role
    wrong = []
    for model, group, fields, may in ROWS:
        if model.startswith("/"):
            continue
        domain = [("id", "=", child["contact"])] if "only students" in group else []
        found, ways = person.ways_to_read(model, domain, fields or ["display_name"])
        if domain:
            # It is the record that is hidden, and not the model.
            found = ways if person.web.call(model, "search", domain) else set()
        allowed = may[name]
        if "only students" in group and name == "Invoicing":
            # Not billed yet.
            allowed = allowed - {"r"}
        # Some fields are neither columns nor searched.
        if found - {"search"} != (ways - {"search"} if "r" in allowed else set()) or (
            "search" in found and "r" not in allowed
        ):
            wrong.append((model, fields, sorted(found)))
        if not fields and not domain:
            able = {letter for letter, what in OPERATIONS.items() if person.web.call(model, "has_access", [], what)}
            if able != allowed:
                wrong.append((model, sorted(able)))
    assert not wrong


def test_access_table_is_complete(admin):
    """Each model of the addon, and each of its fields that is for some groups only, has its row."""
    rows = {(model, field) for model, _group, fields, _may in ROWS for field in fields or [""]}
    models = admin.read("ir.model", [("model", "=like", "school.%"), ("abstract", "=", False)], ["model", "modules"])
    ours = {one["model"] for one in models if "school_erp_sync" in one["modules"].split(", ")}
    assert ours == {model for model, field in rows if not field and model.startswith("school.")}
    restricted = {
        (model, name)
        for model in {model for model, _field in rows if not model.startswith("/")}
        for name, field in admin.call(model, "fields_get", attributes=["groups", "related"]).items()
        if "school_erp_sync." in (field.get("groups") or "") or (field.get("groups") and name.startswith("school_"))
        # The fields of its contact are rows of the contact.
        if not (field.get("related") or "").startswith("partner_id.")
    }
    assert restricted == {(model, field) for model, field in rows if field and not model.startswith("/")}


@pytest.mark.parametrize("groups", [groups for groups in GROUPS if not {"Portal", "HR", "Invoicing"} & {groups}])
def test_access_table_of_the_api(admin, groups):
    """What a key may do, whose user has the groups of each role in turn."""
    rows = {bool(fields): (fields, may[groups]) for model, _group, fields, may in ROWS if model == "/api/students"}
    (_none, may), (members, may_members) = rows[False], rows[True]
    source = admin.new_source()
    document = student(**SENSITIVE)
    ok(source.api.post("students", document), 201)
    admin.write("res.users", source.user_id, group_ids=[(6, 0, [admin.group(group) for group in GROUPS[groups]])])

    answer = source.api.get("students", document["externalId"])
    assert answer.status_code == (200 if "r" in may else 403)
    if "r" in may:
        for told in (answer.json(), ok(source.api.get("students"))["items"][0]):
            assert told["fullName"] == document["fullName"]
            assert {name: told[name] for name in members if name in told} == (SENSITIVE if "r" in may_members else {})
    changed = {**document, "fullName": "Other Name", "religion": "Other"}
    answer = source.api.post("students", changed)
    assert answer.status_code == (200 if "u" in may else 403)
    if "u" in may:
        assert admin.read_one("school.student", answer.json()["id"], "name", "religion") == {
            "id": answer.json()["id"],
            "name": "Other Name",
            "religion": "Other" if "u" in may_members else "Parsi",
        }
        assert ("religion" in json.dumps(answer.json().get("warnings", []))) is ("u" not in may_members)
    assert source.api.post("students", student()).status_code == (201 if "c" in may else 403)
    assert source.api.delete("students", document["externalId"]).status_code == (200 if "d" in may else 403)


def test_visitors_reach_nothing(admin, child):
    """Without a login: neither records, nor photos."""
    for model, _group, fields, _may in ROWS:
        if model.startswith("/") or fields:
            continue
        response = requests.post(
            f"{admin.url}/web/dataset/call_kw",
            json={"params": {"model": model, "method": "search_read", "args": [[]], "kwargs": {}}},
            timeout=60,
        )
        assert "result" not in response.json(), model


def test_photo_of_a_student_is_for_readers(admin, child):
    """Photos, and what is attached to a student."""
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    admin.write("res.partner", child["contact"], image_1920=pixel)
    of_contact = {"res_model": "res.partner", "res_id": child["contact"]}
    of_student = {"res_model": "school.student", "res_id": child["id"]}
    files = [admin.create("ir.attachment", name="file", datas=pixel, **of) for of in (of_contact, of_student)]
    reader, colleague = admin.new_user("group_sync_reader"), admin.new_user("base.group_user")
    paths = [
        f"/web/image/res.partner/{child['contact']}/image_1920",
        f"/web/image/school.student/{child['id']}/image_1920",
    ]
    paths += [f"/web/content/{file}" for file in files]
    shown = [reader.session.get(admin.url + path, timeout=60) for path in paths]
    assert all(response.status_code == 200 for response in shown)
    for session in (colleague.session, requests.Session()):
        for path, theirs in zip(paths, shown, strict=True):
            response = session.get(admin.url + path, timeout=60)
            # Odoo answers for an image that is not yours with a picture of nobody.
            assert response.status_code in (403, 404) or response.content != theirs.content, path
    assert colleague.call("ir.attachment", "search", [("id", "in", files)]) == []


def test_no_personal_data_in_the_server_log(api, server_log):
    """Neither of a document that is applied nor of one that fails."""
    secret = unique("Secret")
    document = student(fullName=secret, religion=secret, address={"permanent": secret}, health={"allergies": [secret]})
    ok(api.post("students", document), 201)
    ok(api.get("students", document["externalId"]))
    problem(api.post("students", {**document, "dob": secret}), 422)
    ok(api.post("parents", [parent(name=secret, email=secret, students=secret), parent(name=secret)]), 207)
    assert secret not in server_log.text()


def test_threats_name_tests_that_there_are(admin):
    """What the threat model says is shown by a test, is shown by a test."""
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", SECURITY)
    assert len(named) > 20
    for file, test in named:
        paths = [REPOSITORY / folder / file for folder in ("tests", "school_erp_sync/tests")]
        assert any(f"def {test}(" in path.read_text() for path in paths if path.exists()), (file, test)
