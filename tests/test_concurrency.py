"""Many clients at once: one record, one binding, and no client that is told to give up."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from graphlib import TopologicalSorter

import pytest
import requests
from families import NOT_YET_DUE
from support import LONG, ok, parent, student, unique


@pytest.fixture(autouse=True)
def no_errors(server_log):
    """A race that somebody wins in the end is no error, and is none in the server's log."""
    yield
    assert " ERROR " not in server_log.text()


def at_once(tasks):
    """Run ``tasks`` as nearly at the same moment as can be; their results."""
    barrier = threading.Barrier(len(tasks))

    def start(task):
        barrier.wait()
        for patience in (0.1, 0.2, 0.5, 1, 2, 4):
            try:
                return task()
            except requests.ConnectionError:
                # The server's queue of connections is short; who does not get in knocks again.
                time.sleep(patience)
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(start, tasks))


def statuses(responses):
    return sorted({response.status_code for response in responses})


@pytest.mark.parametrize("keyed", [False, True], ids=["without key", "with key"])
@pytest.mark.parametrize("entity", ["parents", "students"])
def test_fifty_equal_posts_of_a_new_document_make_one_record(api, tables, entity, keyed):
    for _ in range(20 if LONG else 2):
        name = unique("Only")
        document = parent(name=name) if entity == "parents" else student(fullName=name)
        headers = {"Idempotency-Key": document["externalId"]} if keyed else None
        send = partial(api.until_answered, partial(api.post, entity, document, headers=headers))
        responses = at_once([send] * 50)

        if keyed:
            assert statuses(responses) == [201]
            assert len({response.content for response in responses}) == 1
            assert sorted(response.headers.get("Idempotent-Replayed", "") for response in responses) == (
                [""] + ["true"] * 49
            )
        else:
            assert sorted(response.status_code for response in responses) == [200] * 49 + [201]
        assert len({response.json()["id"] for response in responses}) == 1
        assert {response.json()["version"] for response in responses} == {1}
        rows = tables.rows(
            "SELECT res_id, version FROM school_sync_binding WHERE external_id = %s", document["externalId"]
        )
        assert rows == [(responses[0].json()["id"], 1)]
        assert tables.one("SELECT count(*) FROM res_partner WHERE name = %s", name) == 1


def test_fifty_equal_batches_under_one_key_are_one(fresh, tables):
    """A key of an attempt, not of a record: many documents, some of them bad."""
    for _ in range(20 if LONG else 1):
        documents = [parent() for _ in range(5)] + [parent(name=None)]
        key = {"Idempotency-Key": unique("KEY")}
        send = partial(fresh.api.until_answered, partial(fresh.api.post, "parents", documents, headers=key))
        responses = at_once([send] * 50)

        assert statuses(responses) == [207]
        assert len({response.content for response in responses}) == 1
        ids = [document["externalId"] for document in documents]
        count = "SELECT count(*) FROM school_sync_binding WHERE external_id = ANY(%s)"
        assert tables.one(count, ids) == 5


def assert_serial(final, writers):
    """``final`` is what is left if ``writers`` write one after another, in some order.

    Who wrote a document last came after all others who wrote it: that must not go round in a circle.

    :param final: the writer whose value is left, by document
    :param writers: the documents of each writer
    """
    order = TopologicalSorter()
    for document, last in final.items():
        order.add(last, *(writer for writer, mine in writers.items() if document in mine and writer != last))
    order.prepare()


def test_writers_of_overlapping_batches_are_as_good_as_one_after_another(admin):
    """In random order, so that they would meet in a circle if they took the documents as they come."""
    for turn in range(5 if LONG else 1):
        api = admin.new_source().api
        size, of = (200, 300) if LONG else (60, 90)
        ids = [f"PAR-{number}" for number in range(of)]
        writers = {writer: random.Random(turn * 8 + writer).sample(ids, size) for writer in range(8)}

        def write(writer, writers=writers, api=api):
            return api.post("parents", [parent(externalId=i, name=f"Of writer {writer}") for i in writers[writer]])

        responses = at_once([partial(write, writer) for writer in writers])

        assert statuses(responses) == [200]
        records = {}
        for response in responses:
            for item in response.json()["items"]:
                assert item["status"] in ("created", "updated")
                records.setdefault(item["externalId"], set()).add(item["id"])
        assert all(len(found) == 1 for found in records.values())
        held = {item["externalId"]: item for page in api.pages("parents", limit=1000) for item in page}
        assert held.keys() == records.keys()
        assert_serial({i: int(item["name"].removeprefix("Of writer ")) for i, item in held.items()}, writers)
        for external_id, item in held.items():
            assert item["version"] == sum(external_id in mine for mine in writers.values())


def test_versions_count_each_change_once(api):
    document = parent()
    ok(api.post("parents", document), 201)
    responses = at_once([lambda n=n: api.post("parents", {**document, "name": f"Name {n}"}) for n in range(60)])

    assert statuses(responses) == [200]
    assert sorted(response.json()["version"] for response in responses) == list(range(2, 62))
    assert ok(api.get("parents", document["externalId"]))["version"] == 61


def test_lost_race_is_run_again_and_logged_once(api, admin, tables):
    """Somebody else changes the binding each time that the request waits for it, and more often than Odoo runs it."""
    document = parent()
    ok(api.post("parents", document), 201)
    touch = "UPDATE school_sync_binding SET write_date = write_date WHERE external_id = %s"
    rivals = [tables.hold(touch, document["externalId"])]
    with tables.meanwhile(api.post, "parents", {**document, "name": "Changed"}) as waiting:
        for _ in range(8):
            tables.wait_for_a_lock(or_else=waiting.done)
            with tables.meanwhile(tables.hold, touch, document["externalId"]) as next_in_line:
                rivals[-1].commit()
            rivals.append(next_in_line.result())
            if waiting.done():
                break
        rivals[-1].commit()
    for rival in rivals:
        rival.close()

    assert ok(waiting.result())["version"] == 2
    assert admin.log_of(waiting.result(), "updated")["updated"] == 1


def test_newest_wins_whatever_the_order_of_arrival(api):
    document = parent()
    documents = [{**document, "name": f"Of {n:02d}", "updatedAt": f"2025-01-{n:02d}T00:00:00Z"} for n in range(1, 21)]
    random.Random(1).shuffle(documents)
    responses = at_once([lambda d=d: api.post("parents", d) for d in documents])

    assert set(statuses(responses)) <= {200, 201, 409}
    assert api.read("parents", document["externalId"])["name"] == "Of 20"


def test_new_words_that_many_students_share_are_no_reason_to_refuse(api, tables):
    """Languages and allergies are shared; who meets a new one at the same moment as another must not pay for it."""
    for _ in range(3):
        word = unique("Language")
        responses = at_once([lambda word=word: api.post("students", student(languages=[word]))] * 8)

        assert statuses(responses) == [201], [r.text for r in responses if r.status_code != 201][:1]
        assert tables.one("SELECT count(*) FROM school_tag WHERE name = %s", word) == 1


def test_one_family_from_both_ends_is_one_link(api, tables):
    for _ in range(3):
        guardian, child = parent(), student()
        ok(api.post("parents", guardian), 201)
        ok(api.post("students", child), 201)
        from_child = partial(api.post, "students", {**child, "parents": [guardian["externalId"]]})
        from_guardian = partial(api.post, "parents", {**guardian, "students": [child["externalId"]]})
        responses = at_once([from_child, from_guardian] * 4)

        assert statuses(responses) == [200], [r.text for r in responses if r.status_code != 200][:1]
        assert len(api.read("students", child["externalId"])["parents"]) == 1


def test_students_of_one_parent_at_once(api):
    guardian = parent()
    ok(api.post("parents", guardian), 201)
    children = [student(parents=[guardian["externalId"]]) for _ in range(12)]
    responses = at_once([lambda c=c: api.post("students", c) for c in children])

    assert statuses(responses) == [201]
    assert len(api.read("parents", guardian["externalId"])["students"]) == 12


def test_post_and_delete_at_once_end_in_one_of_both(api):
    document = parent()
    ok(api.post("parents", document), 201)
    responses = at_once(
        [
            lambda: api.post("parents", {**document, "name": "Still Here"}),
            lambda: api.delete("parents", document["externalId"]),
        ]
        * 6
    )

    assert statuses(responses) == [200]
    read = ok(api.get("parents", document["externalId"]))
    assert read["name"] == "Still Here"
    restored = ok(api.post("parents", {**document, "name": "Still Here"}))
    assert restored["status"] == ("unchanged" if read["active"] else "updated")


def test_failing_documents_at_once_leave_no_binding(api, tables):
    document = student(parents=["PAR-nobody"])
    responses = at_once([lambda: api.post("students", document, onMissing="error")] * 10)

    assert statuses(responses) == [409]
    assert not tables.one("SELECT count(*) FROM school_sync_binding WHERE external_id = %s", document["externalId"])


def test_each_of_many_requests_is_logged_once(api, admin):
    """A request that Odoo runs again, having lost a race, is one exchange."""
    document = parent()
    responses = at_once([lambda n=n: api.post("parents", {**document, "name": f"Name {n % 3}"}) for n in range(20)])

    for response in responses:
        assert admin.log_of(response, "http_status")["http_status"] == response.status_code


def test_matching_contact_is_taken_over_once(admin, tables):
    """Two documents with one e-mail at the same moment: at most one of them gets the contact."""
    source = admin.new_source(match_rule="email")
    email = f"{unique('asha').lower()}@example.com"
    contact_id = admin.create("res.partner", name="Asha Rao", email=email)
    responses = at_once([lambda: source.api.post("parents", parent(email=email))] * 6)

    assert statuses(responses) == [201]
    assert tables.one("SELECT count(*) FROM school_parent WHERE partner_id = %s", contact_id) == 1


def test_bundles_about_the_same_families_take_turns(fresh, tables):
    """Many clients send the documents of the same families in pieces; all of it arrives, and no lock remains."""
    families = []
    for _ in range(12):
        guardian, child = parent(), student()
        child["parents"] = [{"externalId": guardian["externalId"]}]
        families.append((guardian, child))
    pieces = [{"students": [child for _guardian, child in families[place:]]} for place in range(12)]
    pieces += [{"parents": [guardian for guardian, _child in families[: place + 1]]} for place in range(12)]
    random.Random(1).shuffle(pieces)
    send = [partial(fresh.api.until_answered, partial(fresh.api.post, "sync", piece)) for piece in pieces]
    responses = at_once(send)

    # Right away: later requests would clear the connections that they use.
    assert tables.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    assert statuses(responses) == [200]
    for guardian, child in families:
        assert (
            ok(fresh.api.get(f"students/{child['externalId']}"))["parents"][0]["externalId"] == guardian["externalId"]
        )
        bound = "SELECT count(*) FROM school_sync_binding WHERE external_id = %s AND version > 0"
        assert tables.one(bound, child["externalId"]) == tables.one(bound, guardian["externalId"]) == 1


def billing(student_id, **fields):
    return {
        "externalId": unique("BIL"),
        "studentExternalId": student_id,
        "issueDate": "2025-06-01",
        "dueDate": NOT_YET_DUE,
        "currency": "USD",
        "status": "sent",
        "lines": [{"code": "FEE", "amount": 100}],
        **fields,
    }


@pytest.mark.parametrize("allocates", [False, True], ids=["on account", "allocated"])
def test_one_receipt_by_several_ways_at_once_is_one_payment(api, tables, allocates):
    """As a document of its own, and named by two billings, each from a client of its own."""
    guardian = parent()
    child = student(parents=[{"externalId": guardian["externalId"], "pays": True}])
    ok(api.post("parents", guardian), 201)
    ok(api.post("students", child), 201)
    for _ in range(20 if LONG else 4):
        bills = [billing(child["externalId"]) for _ in range(2)]
        ok(api.post("billings", bills), 200)
        receipt = {
            "externalId": unique("RCT"),
            "payerExternalId": guardian["externalId"],
            "date": "2025-06-10",
            "amount": 150,
            "currency": "USD",
        }
        if allocates:
            receipt["allocations"] = [
                {"billingExternalId": bill["externalId"], "amount": amount}
                for bill, amount in zip(bills, (60, 70), strict=True)
            ]
        paid = {"externalId": receipt["externalId"], "date": "2025-06-10"}
        named = [
            {**bill, "status": "partial", "payments": [{**paid, "amount": amount}]}
            for bill, amount in zip(bills, (60, 70), strict=True)
        ]
        documents = [("payments", receipt), ("billings", named[0]), ("billings", named[1])]
        responses = at_once([partial(api.until_answered, partial(api.post, *document)) for document in documents])
        assert set(statuses(responses)) <= {200, 201}
        booked = tables.rows(
            "SELECT p.amount FROM account_payment p WHERE p.state NOT IN ('draft', 'canceled') AND p.memo LIKE ANY(%s)",
            [f"%{document['externalId']}%" for document in (receipt, *bills)],
        )
        assert [float(amount) for (amount,) in booked] == [150]
        assert [api.read("billings", bill["externalId"])["amountDue"] for bill in bills] == [40, 30]
