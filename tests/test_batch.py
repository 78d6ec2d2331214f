"""Arrays of documents: up to a thousand, each on its own, or all or none."""

from support import ok, parent, pointers, problem, student, unique


def bound(tables, documents):
    ids = [document["externalId"] for document in documents]
    return tables.one("SELECT count(*) FROM school_sync_binding WHERE external_id = ANY(%s)", ids)


def test_a_thousand_documents(api, tables):
    documents = [parent(name=f"Parent {n}") for n in range(1000)]
    created = ok(api.post("parents", documents))
    again = ok(api.post("parents", documents))

    assert created["summary"]["created"] == again["summary"]["unchanged"] == 1000
    assert [item["externalId"] for item in created["items"]] == [document["externalId"] for document in documents]
    assert [item["id"] for item in created["items"]] == [item["id"] for item in again["items"]]
    assert len({item["id"] for item in created["items"]}) == 1000
    assert bound(tables, documents) == 1000
    assert api.read("parents", documents[617]["externalId"])["name"] == "Parent 617"


def test_one_bad_document_leaves_999(api, tables):
    documents = [student(fullName=f"Student {n}", languages=["English", "Hindi"]) for n in range(1000)]
    documents[500]["dob"] = "2010-02-30"
    body = ok(api.post("students", documents), 207)

    assert (body["summary"]["received"], body["summary"]["created"], body["summary"]["failed"]) == (1000, 999, 1)
    assert pointers(body["items"][500]) == {"/500/dob": "invalid_date"}
    assert (body["items"][500]["status"], body["items"][500]["id"]) == ("failed", None)
    assert {item["status"] for item in body["items"] if item is not body["items"][500]} == {"created"}
    assert bound(tables, documents) == 999
    problem(api.get("students", documents[500]["externalId"]), 404)


def test_documents_that_odoo_itself_refuses_are_isolated(api, tables):
    """A link that ends before the start that is held breaks a rule of the database, not of the contract."""
    guardian = parent()
    ok(api.post("parents", guardian), 201)
    children = [student(parents=[{"externalId": guardian["externalId"], "start": "2025-02-01"}]) for _ in range(40)]
    ok(api.post("students", children))
    for n, child in enumerate(children):
        end = "2025-01-01" if n in (3, 4, 39) else "2026-01-01"
        child["parents"] = [{"externalId": guardian["externalId"], "end": end}]
        child["religion"] = "Jain"
    body = ok(api.post("students", children), 207)

    assert [n for n, item in enumerate(body["items"]) if item["status"] == "failed"] == [3, 4, 39]
    assert body["summary"]["updated"] == 37
    assert "religion" not in api.read("students", children[3]["externalId"])
    assert api.read("students", children[5]["externalId"])["religion"] == "Jain"


def test_atomic_batch_with_one_bad_document_writes_none(api, nothing_written):
    documents = [parent() for _ in range(20)]
    documents[7]["name"] = ""
    body = problem(api.post("parents", documents, atomic="true"), 422)

    assert body["summary"]["created"] == 0
    assert [item["status"] for item in body["items"]] == ["rolledBack"] * 7 + ["failed"] + ["rolledBack"] * 12
    assert {item["id"] for item in body["items"]} == {None}
    assert pointers(body) == {"/7/name": "required"}


def test_atomic_batch_changes_none_when_odoo_refuses_one(api):
    guardian = parent()
    ok(api.post("parents", guardian), 201)
    link = {"externalId": guardian["externalId"], "start": "2025-02-01"}
    children = [student(parents=[link]) for _ in range(3)]
    ok(api.post("students", children))
    for child in children:
        child["religion"] = "Jain"
    children[2]["parents"] = [{"externalId": guardian["externalId"], "end": "2025-01-01"}]
    body = problem(api.post("students", children, atomic="true"), 422)

    assert [item["status"] for item in body["items"]] == ["rolledBack", "rolledBack", "failed"]
    for child in children:
        assert "religion" not in api.read("students", child["externalId"])
        assert ok(api.get("students", child["externalId"]))["version"] == 1


def test_atomic_batch_of_good_documents_is_applied(api):
    body = ok(api.post("parents", [parent(), parent()], atomic="true"))

    assert [item["status"] for item in body["items"]] == ["created", "created"]


def test_atomic_batch_with_a_stale_document_writes_none(api):
    held = parent(updatedAt="2025-02-01T00:00:00Z")
    ok(api.post("parents", held), 201)
    new = parent()
    body = problem(api.post("parents", [new, {**held, "updatedAt": "2025-01-01T00:00:00Z"}], atomic="true"), 422)

    assert [item["status"] for item in body["items"]] == ["rolledBack", "stale"]
    problem(api.get("parents", new["externalId"]), 404)


def test_atomic_document_on_its_own(api):
    ok(api.post("parents", parent(), atomic="true"), 201)
    problem(api.post("parents", parent(name=None), atomic="true"), 422)


def test_mixed_batch_is_answered_in_the_order_received(api):
    known, changed, stale = (
        parent(updatedAt="2025-02-01T00:00:00Z"),
        parent(updatedAt="2025-02-01T00:00:00Z"),
        parent(updatedAt="2025-02-01T00:00:00Z"),
    )
    before = ok(api.post("parents", [known, changed, stale]))["items"]
    new = parent(externalId=unique("AAA"))
    batch = [
        {**changed, "name": "Changed"},
        new,
        parent(name=""),
        known,
        {**stale, "updatedAt": "2025-01-01T00:00:00Z"},
        parent(externalId=unique("000")),
    ]
    body = ok(api.post("parents", batch), 207)

    statuses = [item["status"] for item in body["items"]]
    assert statuses == ["updated", "created", "failed", "unchanged", "stale", "created"]
    assert [item["externalId"] for item in body["items"]] == [document["externalId"] for document in batch]
    assert body["summary"] == {
        "received": 6,
        "created": 2,
        "updated": 1,
        "unchanged": 1,
        "parked": 0,
        "stale": 1,
        "conflict": 0,
        "failed": 1,
    }
    assert (body["items"][0]["id"], body["items"][0]["version"]) == (before[1]["id"], 2)
    assert (body["items"][3]["id"], body["items"][3]["version"]) == (before[0]["id"], 1)


def test_document_that_stands_twice_leaves_its_neighbours(api):
    twice, once = parent(), parent()
    body = ok(api.post("parents", [twice, once, {**twice, "name": "Somebody Else"}]), 207)

    assert [item["status"] for item in body["items"]] == ["failed", "created", "failed"]
    assert pointers(body["items"][2]) == {"/2/externalId": "duplicate_external_id"}
    problem(api.get("parents", twice["externalId"]), 404)


def test_ids_that_differ_by_case_are_two(api):
    external_id = unique("case")
    body = ok(api.post("parents", [parent(externalId=external_id), parent(externalId=external_id.upper())]))

    assert len({item["id"] for item in body["items"]}) == 2


def test_all_that_documents_write_is_looked_at(fresh, tables):
    """The look at the tables of which other tests say that nothing was written leaves none out."""
    guardian, child = parent(), student()
    child["parents"] = [guardian["externalId"]]
    of_child = {"studentExternalId": child["externalId"], "academicYear": unique("Y"), "section": unique("A")}
    money = {"issueDate": "2025-06-01", "dueDate": "2025-06-30", "currency": "USD", "status": "paid"}
    lines = [{"code": unique("FEE"), "amount": 10}]
    schedule = {"count": 1, "schedule": [{"due": "2025-06-30", "amount": 10}]}
    bundle = {
        "parents": [guardian],
        "students": [{**child, "languages": [unique("Language")], "health": {"allergies": [unique("Nuts")]}}],
        "applications": [{**of_child, "externalId": unique("APP"), "status": "approved", "gradeApplied": unique("G")}],
        "enrollments": [
            {**of_child, "externalId": unique("ENR"), "gradeLevel": 5, "startDate": "2025-06-01", "status": 0}
        ],
        "fee-schedules": [
            {**of_child, "externalId": unique("FEE"), "heads": lines, "total": 10, "installmentPlan": schedule}
        ],
        "billings": [{**of_child, **money, "externalId": unique("BIL"), "lines": lines}],
    }
    looked_at, before = tables.counts(), tables.sizes()
    body = ok(fresh.api.post("sync", bundle))
    ok(fresh.api.post("parents", parent(students=["STU-nobody"])), 202)
    after = tables.sizes()

    # Odoo tells its processes with rows of their own that a cache is out of date.
    grown = {table for table in after if after[table] != before[table] and not table.startswith("orm_signaling_")}
    assert body["summary"]["created"] == len(bundle)
    assert {"res_partner", "school_student", "account_move_line", "account_payment", "product_product"} <= grown
    assert grown - looked_at.keys() - set(tables.BOOKS) == set()


def test_empty_array_does_nothing(api, nothing_written):
    body = ok(api.post("parents", []))

    assert (body["summary"]["received"], body["items"]) == (0, [])


def test_failed_reference_leaves_its_neighbours(api):
    good, bad = student(), student(parents=["PAR-nobody"])
    body = ok(api.post("students", [bad, good], onMissing="error"), 207)

    assert pointers(body["items"][0]) == {"/0/parents/0": "reference_missing"}
    assert body["items"][1]["status"] == "created"


def test_batch_of_students_of_one_parent(api):
    guardian = parent()
    ok(api.post("parents", guardian), 201)
    children = [student(parents=[guardian["externalId"]]) for _ in range(50)]
    ok(api.post("students", children))

    links = api.read("parents", guardian["externalId"])["students"]
    assert {link["externalId"] for link in links} == {child["externalId"] for child in children}
