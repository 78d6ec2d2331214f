"""The rate limit of a source: a bucket of tokens, shared by all processes of the server."""

import re
import time

from support import ok, parent, problem, unique
from test_concurrency import at_once


def limited(admin, rate_limit, rate_burst, **values):
    return admin.new_source(rate_limit=rate_limit, rate_burst=rate_burst, **values)


def remaining(response):
    return int(re.fullmatch(r'"requests";r=(\d+)(?:;t=\d+)?', response.headers["RateLimit"])[1])


def test_there_is_no_limit_unless_set(fresh, tables):
    response = fresh.api.get("parents")

    ok(response)
    assert "RateLimit" not in response.headers and "RateLimit-Policy" not in response.headers
    assert not tables.one("SELECT count(*) FROM school_sync_rate_bucket WHERE source_id = %s", fresh.id)


def test_burst_then_429_then_again(admin):
    api = limited(admin, 30, 3).api
    answers = [api.get("parents") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [remaining(answer) for answer in answers] == [2, 1, 0, 0]
    for answer in answers:
        assert answer.headers["RateLimit-Policy"] == '"requests";q=3;w=6'
    refused = answers[-1]
    body = problem(refused, 429)
    assert body["type"].endswith(":rate-limited")
    wait = int(refused.headers["Retry-After"])
    assert wait in (1, 2)
    assert refused.headers["RateLimit"] == f'"requests";r=0;t={wait}'
    time.sleep(wait)
    ok(api.get("parents"))


def test_full_bucket_holds_no_more_than_a_burst(admin):
    """A night's rest gives no right to a storm."""
    api = limited(admin, 6000, 2).api
    ok(api.get("parents"))
    time.sleep(1)

    assert remaining(api.get("parents")) == 1


def test_every_kind_of_request_counts_and_errors_too(admin):
    api = limited(admin, 1, 7).api
    document = parent()
    answers = [
        api.post("parents", document),
        api.get("parents", document["externalId"]),
        api.get("parents", document["externalId"], headers={"If-None-Match": '"1"'}),
        api.get("nothing"),
        api.post("parents", parent(name=5)),
        api.delete("parents", document["externalId"]),
        api.send("parents", b"{"),
        api.post("sync", {"parents": [parent()]}),
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 304, 404, 422, 200, 400, 429]
    assert [remaining(answer) for answer in answers] == [6, 5, 4, 3, 2, 1, 0, 0]


def test_replay_counts_and_tells_what_is_left_now(admin):
    api = limited(admin, 1, 5).api
    document, key = parent(), {"Idempotency-Key": "k"}
    first, again = (api.post("parents", document, headers=key) for _ in range(2))

    assert again.headers["Idempotent-Replayed"] == "true"
    assert (remaining(first), remaining(again)) == (4, 3)


def test_refused_request_does_nothing(admin, tables):
    source = limited(admin, 1, 1)
    ok(source.api.get("parents"))
    before = tables.counts()
    document = parent()
    response = source.api.post("parents", document, headers={"Idempotency-Key": document["externalId"]})

    problem(response, 429)
    assert tables.counts() == before
    assert admin.log_of(response) is None
    assert not admin.read("school.sync.incident", [("source_id", "=", source.id)], ["code"])
    # Nor is it kept under its key.
    admin.write("school.sync.source", source.id, rate_limit=0)
    ok(source.api.post("parents", document, headers={"Idempotency-Key": document["externalId"]}), 201)


def test_what_was_refused_is_shown_on_the_source(admin):
    source = limited(admin, 1, 1)
    for _ in range(4):
        source.api.get("parents")
    shown = admin.read_one("school.sync.source", source.id, "rate_refused", "rate_refused_at")

    assert shown["rate_refused"] == 3
    assert shown["rate_refused_at"]


def test_one_source_does_not_use_up_what_another_has(admin):
    first, second = limited(admin, 1, 1), limited(admin, 1, 1)
    ok(first.api.get("parents"))
    problem(first.api.get("parents"), 429)

    ok(second.api.get("parents"))


def test_bad_keys_take_no_tokens(admin, nobody):
    source = limited(admin, 1, 2)
    for _ in range(3):
        problem(nobody.get("parents"), 401)

    assert remaining(source.api.get("parents")) == 1


def test_many_at_once_get_just_what_there_is(admin, tables):
    """In all processes together; and those that are served do not lose races to those who count them."""
    source = limited(admin, 1, 12)
    document = parent()
    responses = at_once([lambda n=n: source.api.post("parents", {**document, "name": f"Of {n}"}) for n in range(30)])
    served = [response for response in responses if response.status_code != 429]

    assert len(served) == 12
    assert {response.status_code for response in served} == {200, 201}
    assert sorted(map(remaining, served)) == list(range(12))
    versions = tables.rows("SELECT version FROM school_sync_binding WHERE external_id = %s", document["externalId"])
    assert versions == [(12,)]


def test_request_that_is_run_again_counts_once(admin, tables):
    source = limited(admin, 1, 10)
    document = parent(name=unique("Asha"))
    ok(source.api.post("parents", document), 201)
    rival = tables.hold(
        "UPDATE school_sync_binding SET write_date = write_date WHERE external_id = %s", document["externalId"]
    )
    with tables.meanwhile(source.api.post, "parents", {**document, "name": "Changed"}) as waiting:
        tables.wait_for_a_lock()
        rival.commit()
    rival.close()

    assert ok(waiting.result())["version"] == 2
    assert remaining(waiting.result()) == 8
