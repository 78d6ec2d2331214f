"""What is older never overwrites what is newer; ``updatedAt`` says which is which."""

import pytest
from support import ok, parent, pointers, problem

OLD, NOW, NEW = "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z", "2025-03-01T00:00:00Z"


@pytest.fixture
def held(api):
    """A document that is held since NOW."""
    document = parent(updatedAt=NOW)
    ok(api.post("parents", document), 201)
    return document


def name(api, document):
    return api.read("parents", document["externalId"])["name"]


def test_older_is_refused_and_says_what_is_held(api, held):
    response = api.post("parents", {**held, "name": "Old", "updatedAt": OLD})
    body = problem(response, 409)

    assert pointers(body) == {"/updatedAt": "stale"}
    assert "2025-02-01" in body["detail"] and "2025-01-01" in body["detail"]
    assert name(api, held) == "Asha Rao"


def test_older_is_refused_even_if_it_says_the_same(api, held):
    problem(api.post("parents", {**held, "updatedAt": OLD}), 409)


def test_newer_is_taken(api, held):
    assert ok(api.post("parents", {**held, "name": "New", "updatedAt": NEW}))["status"] == "updated"
    assert api.read("parents", held["externalId"])["updatedAt"] == NEW
    problem(api.post("parents", {**held, "updatedAt": NOW}), 409)


def test_equal_is_not_older(api, held):
    assert ok(api.post("parents", {**held, "name": "Same Time"}))["status"] == "updated"
    assert ok(api.post("parents", {**held, "name": "Same Time"}))["status"] == "unchanged"


def test_equal_moment_in_another_zone_is_not_older(api, held):
    same = {**held, "name": "Same Time", "updatedAt": "2025-02-01T05:30:00+05:30"}

    assert ok(api.post("parents", same))["status"] == "updated"


def test_earlier_moment_in_a_zone_that_looks_later_is_older(api, held):
    problem(api.post("parents", {**held, "updatedAt": "2025-02-01T05:00:00+05:30"}), 409)


@pytest.mark.parametrize("absent", [True, False])
def test_without_a_time_the_order_of_arrival_counts(api, held, absent):
    document = {**held, "name": "No Time", "updatedAt": None}
    if absent:
        del document["updatedAt"]
    assert ok(api.post("parents", document))["status"] == "updated"

    # And what is held is still as new as it was.
    problem(api.post("parents", {**held, "updatedAt": OLD}), 409)
    assert name(api, held) == "No Time"


def test_first_time_after_none_is_taken(api):
    document = parent()
    ok(api.post("parents", document), 201)

    assert ok(api.post("parents", {**document, "name": "New", "updatedAt": OLD}))["status"] == "updated"


def test_newer_that_says_nothing_new_is_unchanged_and_newer_all_the_same(api, held):
    touched = ok(api.post("parents", {**held, "updatedAt": NEW}))

    assert (touched["status"], touched["version"]) == ("unchanged", 1)
    problem(api.post("parents", {**held, "name": "Between", "updatedAt": "2025-02-15T00:00:00Z"}), 409)
    assert name(api, held) == "Asha Rao"
    assert api.read("parents", held["externalId"])["updatedAt"] == NEW


def test_fractions_of_a_second_count(api):
    document = parent(updatedAt="2025-02-01T00:00:00.500Z")
    ok(api.post("parents", document), 201)
    problem(api.post("parents", {**document, "name": "Old", "updatedAt": "2025-02-01T00:00:00.499Z"}), 409)
    problem(api.post("parents", {**document, "name": "Old", "updatedAt": "2025-02-01T00:00:00Z"}), 409)

    assert ok(api.post("parents", {**document, "name": "New", "updatedAt": "2025-02-01T00:00:00.501Z"}))


def test_stale_document_in_a_batch_leaves_its_neighbours(api, held):
    body = ok(api.post("parents", [{**held, "name": "Old", "updatedAt": OLD}, parent()]), 207)

    assert [item["status"] for item in body["items"]] == ["stale", "created"]
    assert pointers(body["items"][0]) == {"/0/updatedAt": "stale"}
    assert body["summary"]["stale"] == 1
    assert name(api, held) == "Asha Rao"


def test_old_document_does_not_bring_back_what_was_deleted(api, held):
    ok(api.post("parents", {**held, "updatedAt": NEW}))
    ok(api.delete("parents", held["externalId"]))
    problem(api.post("parents", held), 409)

    assert ok(api.get("parents", held["externalId"]))["active"] is False


def test_a_history_in_any_order_ends_with_the_newest(api):
    times = [f"2025-02-{day:02d}T00:00:00Z" for day in (5, 2, 9, 1, 9, 3, 8)]
    document = parent()
    for time in times:
        api.post("parents", {**document, "name": f"As of {time}", "updatedAt": time})

    assert name(api, document) == "As of 2025-02-09T00:00:00Z"


@pytest.mark.parametrize("time", ["1900-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2038-01-19T03:14:08Z"])
def test_times_that_are_odd_but_times(api, time):
    document = parent(updatedAt=time)
    ok(api.post("parents", document), 201)

    assert ok(api.post("parents", {**document, "name": "Again"}))["status"] == "updated"
    assert api.read("parents", document["externalId"])["updatedAt"] == time
