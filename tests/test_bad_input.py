"""What a clumsy and a hostile client send. Nothing of it is written, nothing of it stops the server.

Every test of this file also checks, by ``unharmed``, that the server is up, and that its log holds neither a traceback
nor what was sent.
"""

import contextlib
import gzip
import json
from datetime import date

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import ENTITIES, MEBIBYTE, ok, parent, pointers, problem, student, unique

# Stands in the documents of this file, and must not stand in the server's log.
SECRET = "Xerxes-Geheimnis"


@pytest.fixture(scope="module")
def api(admin):
    """A source of this file's own: what it leaves behind is in nobody's way."""
    return admin.new_source().api


@pytest.fixture(autouse=True)
def unharmed(nobody, server_log):
    yield
    ok(nobody.request("GET", "/api/health"))
    text = server_log.text()
    assert "Traceback" not in text
    assert SECRET not in text


# Bodies that are no JSON of ours

NO_JSON = {
    "empty": b"",
    "only spaces": b" \r\n\t",
    "only a byte order mark": b"\xef\xbb\xbf",
    "cut off": b'{"externalId": "A", "name": "A',
    "trailing comma": b'{"externalId": "A", "name": "A",}',
    "trailing text": b'{"externalId": "A", "name": "A"} and so on',
    "two documents": b'{"externalId": "A", "name": "A"}\n{"externalId": "B", "name": "B"}',
    "single quotes": b"{'externalId': 'A'}",
    "comment": b'{"externalId": "A" /* nobody */}',
    "a form": b"externalId=A&name=A",
    "XML": b"<parent><externalId>A</externalId></parent>",
    "NaN": b'{"externalId": "A", "name": "A", "phone": NaN}',
    "Infinity": b'{"externalId": "A", "name": "A", "phone": -Infinity}',
    "lone surrogate": b'{"externalId": "A", "name": "\\ud83d"}',
    "lone surrogate as a key": b'{"externalId": "A", "name": "A", "\\udc00": 1}',
    "a surrogate in UTF-8": b'{"externalId": "A", "name": "\xed\xa0\x80"}',
    "raw control character": b'{"externalId": "A", "name": "\x00"}',
    "invalid UTF-8": b'{"externalId": "A", "name": "\xff\xfe"}',
    "Latin-1": '{"externalId": "A", "name": "José"}'.encode("latin-1"),
    "UTF-16": '{"externalId": "A", "name": "A"}'.encode("utf-16"),
    "gzip without saying so": gzip.compress(b'{"externalId": "A", "name": "A"}'),
    "10,000 arrays deep": b"[" * 10_000 + b"]" * 10_000,
    "10,000 arrays never closed": b"[" * 10_000,
    "10,000 objects deep": b'{"externalId": "A", "name": "A", "x": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    "a number of 10,000 digits": b'{"externalId": "A", "name": "A", "phone": ' + b"9" * 10_000 + b"}",
    "a string": b'"externalId"',
    "a number": b"42",
    "null": b"null",
    "true": b"true",
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
def test_body_that_is_no_json_of_ours(api, nothing_written, body):
    found = problem(api.send("parents", body), 400)

    assert found["type"].endswith("malformed-json")


def test_byte_order_mark_before_json_is_forgiven(api):
    ok(api.send("parents", b"\xef\xbb\xbf" + json.dumps(parent()).encode()), 201)


def test_gzip_is_refused_and_says_so(api, nothing_written):
    body = gzip.compress(json.dumps(parent()).encode())

    assert "Content-Encoding" in problem(api.send("parents", body, headers={"Content-Encoding": "gzip"}), 415)["detail"]


def test_last_of_two_equal_keys_counts(api):
    external_id = unique()
    ok(api.send("parents", f'{{"externalId": "{external_id}", "name": "First", "name": "Last"}}'.encode()), 201)

    assert api.read("parents", external_id)["name"] == "Last"


# Bodies that are too large, or less than was said


def test_100_megabytes_are_refused_with_an_answer_that_arrives(api, nothing_written):
    body = problem(api.send("parents", b" " * 100_000_000), 413)

    assert "8 MiB" in body["detail"]


@pytest.mark.parametrize("key", [None, "wrong"])
def test_100_megabytes_without_a_key_are_not_taken(nobody, nothing_written, key):
    """The connection may be closed before all of it is sent, and with it the answer may be lost."""
    with contextlib.suppress(requests.ConnectionError):
        problem(nobody.send("parents", b" " * 100_000_000, headers={"X-API-Key": key}), 401)


@pytest.mark.parametrize("path", ["nothing", "students?atomc=true", "students/x"])
def test_large_bodies_to_wrong_addresses_get_an_answer_that_arrives(api, nothing_written, path):
    response = api.send(path, b" " * 20_000_000)

    assert response.status_code in (400, 404, 405, 413)


def test_8_mebibytes_are_taken_and_one_byte_more_is_not(api):
    document = json.dumps(parent()).encode()
    ok(api.send("parents", document.ljust(8 * MEBIBYTE)), 201)

    problem(api.send("parents", document.ljust(8 * MEBIBYTE + 1)), 413)


def chunks(head, size, tail):
    yield head
    for _ in range(size // 65536):
        yield b" " * 65536
    yield tail


def test_body_in_chunks_is_read(api):
    document = json.dumps(parent()).encode()

    ok(api.send("parents", chunks(document[:10], 0, document[10:])), 201)


@pytest.mark.parametrize("tail", [b"", b"{}", b"]"])
def test_chunks_without_end_are_refused(api, nothing_written, tail):
    """The first 8 MiB are a document of their own: what was sent must not be cut there and taken."""
    document = json.dumps(parent(name=SECRET)).encode()

    problem(api.send("parents", chunks(document, 20 * MEBIBYTE, tail)), 413)


@pytest.mark.parametrize(
    "headers",
    [{"Content_Length": 1000}, {"Transfer_Encoding": "chunked"}],
    ids=["length", "chunks"],
)
@pytest.mark.parametrize("half_close", [True, False], ids=["closed", "silent"])
def test_body_that_ends_early(hurried, nothing_written, headers, half_close):
    api = hurried.api
    document = json.dumps(parent(name=SECRET)).encode()
    body = b"%x\r\n%s" % (len(document) + 100, document) if "Transfer_Encoding" in headers else document
    head = api.raw_head("POST", "/api/parents", Content_Type="application/json", **headers)
    status, _text = api.raw(head + body, half_close=half_close)

    assert status == 408


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "99999999999999999999999999", ""])
def test_content_length_that_is_none(api, nothing_written, length):
    head = api.raw_head("POST", "/api/parents", Content_Type="application/json", Content_Length=length)
    status, _text = api.raw(head + b'{"externalId": "A", "name": "A"}')

    assert status in (400, 413)


@pytest.mark.parametrize(
    "key", [b"\x00" * 8, b"ab\x00cdefgh", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", b"'; --abcd", b"%s%s%s%s", b"a" * 60_000]
)
def test_key_that_is_garbage(api, nothing_written, key):
    for header in (b"Authorization: Bearer ", b"X-API-Key: "):
        status, _text = api.raw(b"GET /api/students HTTP/1.1\r\nHost: x\r\n" + header + key + b"\r\n\r\n")
        assert status in (400, 401)


# Documents with mistakes

WRONG = {
    "a name that is a number": ({"fullName": 5}, {"/fullName": "wrong_type"}),
    "a name that is an object": ({"fullName": {"first": "A"}}, {"/fullName": "wrong_type"}),
    "a name of 300 characters": ({"fullName": "x" * 300}, {"/fullName": "too_long"}),
    "a NUL in the name": ({"fullName": "a\0b"}, {"/fullName": "control_character"}),
    "an escape in the name": ({"fullName": "a\x1b[31m"}, {"/fullName": "control_character"}),
    "an impossible date": ({"dob": "2010-02-30"}, {"/dob": "invalid_date"}),
    "a month 13": ({"dob": "2010-13-01"}, {"/dob": "invalid_date"}),
    "a year 0": ({"dob": "0000-01-01"}, {"/dob": "invalid_date"}),
    "a date of another country": ({"dob": "15/03/2010"}, {"/dob": "invalid_date"}),
    "a date that is a number": ({"dob": 20100315}, {"/dob": "invalid_date"}),
    "a date with a time": ({"dob": "2010-03-15T00:00:00Z"}, {"/dob": "invalid_date"}),
    "a date in other digits": ({"dob": "٢٠١٠-٠٣-١٥"}, {"/dob": "invalid_date"}),
    "a birth in the future": ({"dob": "2999-01-01"}, {"/dob": "out_of_range"}),
    "a birth long ago": ({"dob": "1066-10-14"}, {"/dob": "out_of_range"}),
    "a country that is a number": ({"address": {"country": 91}}, {"/address/country": "wrong_type"}),
    "an address that is a text": ({"address": "123 Green Valley"}, {"/address": "wrong_type"}),
    "health that is an array": ({"health": []}, {"/health": "wrong_type"}),
    "languages that are a text": ({"languages": "English"}, {"/languages": "wrong_type"}),
    "a language that is none": ({"languages": ["Hindi", None]}, {"/languages/1": "wrong_type"}),
    "too many languages": ({"languages": [f"L{n}" for n in range(101)]}, {"/languages": "too_many"}),
    "a million languages": ({"languages": [1] * 1_000_000}, {"/languages": "too_many"}),
    "a year that is an array": (
        {"previousSchool": {"yearOfCompletion": [2010]}},
        {"/previousSchool/yearOfCompletion": "wrong_type"},
    ),
    "a year of 4,000 digits": (
        {"previousSchool": {"yearOfCompletion": 10**4000}},
        {"/previousSchool/yearOfCompletion": "out_of_range"},
    ),
    "a year below zero": (
        {"previousSchool": {"yearOfCompletion": -(2**63)}},
        {"/previousSchool/yearOfCompletion": "out_of_range"},
    ),
    "half a year": (
        {"previousSchool": {"yearOfCompletion": 2010.5}},
        {"/previousSchool/yearOfCompletion": "wrong_type"},
    ),
    "a photo that is an object": ({"photoUrl": {"href": "https://x.example"}}, {"/photoUrl": "wrong_type"}),
    "a photo of 3,000 characters": ({"photoUrl": "https://x.example/" + "x" * 3000}, {"/photoUrl": "too_long"}),
    "a time without a zone": ({"updatedAt": "2025-05-03T10:12:44"}, {"/updatedAt": "no_time_zone"}),
    "a time that is a number": ({"updatedAt": 1746267164}, {"/updatedAt": "invalid_datetime"}),
    "an hour 25": ({"updatedAt": "2025-05-03T25:00:00Z"}, {"/updatedAt": "invalid_datetime"}),
    "a time before time": ({"updatedAt": "0001-01-01T00:00:00+14:00"}, {"/updatedAt": None}),
    "a time after time": ({"updatedAt": "9999-12-31T23:59:59-14:00"}, {"/updatedAt": None}),
    "no externalId": ({"externalId": None}, {"/externalId": "wrong_type"}),
    "an empty externalId": ({"externalId": "  "}, {"/externalId": "required"}),
    "an externalId that is a number": ({"externalId": 123}, {"/externalId": "wrong_type"}),
    "an externalId of a megabyte": ({"externalId": "x" * MEBIBYTE}, {"/externalId": "too_long"}),
    "a NUL in the externalId": ({"externalId": "a\0b"}, {"/externalId": "control_character"}),
    "a tab in the externalId": ({"externalId": "a\tb"}, {"/externalId": "not_addressable"}),
    "a line break in the externalId": ({"externalId": "a\nb"}, {"/externalId": "not_addressable"}),
    "another line break in the externalId": ({"externalId": "a\u2028b"}, {"/externalId": "not_addressable"}),
    "a link that starts in the year 1": (
        {"parents": [{"externalId": "P", "start": "0001-01-01"}]},
        {"/parents/0/start": "out_of_range"},
    ),
    "a link that ends in the year 2200": (
        {"parents": [{"externalId": "P", "end": "2200-01-01"}]},
        {"/parents/0/end": "out_of_range"},
    ),
    "parents that are an object": ({"parents": {"externalId": "P"}}, {"/parents": "wrong_type"}),
    "a parent without an id": ({"parents": [{"relation": "Father"}]}, {"/parents/0/externalId": "required"}),
    "a parent that is a number": ({"parents": [7]}, {"/parents/0": "wrong_type"}),
    "a parent with an empty id": ({"parents": [""]}, {"/parents/0/externalId": "required"}),
    "a priority of zero": ({"parents": [{"externalId": "P", "priority": 0}]}, {"/parents/0/priority": "out_of_range"}),
    "a priority that is true": (
        {"parents": [{"externalId": "P", "priority": True}]},
        {"/parents/0/priority": "wrong_type"},
    ),
    "a priority in other digits": (
        {"parents": [{"externalId": "P", "priority": "١"}]},
        {"/parents/0/priority": "wrong_type"},
    ),
    "a flag that is a word": ({"parents": [{"externalId": "P", "pays": "perhaps"}]}, {"/parents/0/pays": "wrong_type"}),
}


@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
@pytest.mark.parametrize(("fields", "expected"), WRONG.values(), ids=WRONG)
def test_mistake_is_named_where_it_is(api, nothing_written, fields, expected, batch):
    """In an array the place of the document comes first; a good neighbour would be written, so this one is bad too."""
    document = student(**{"fullName": SECRET, **fields})
    if batch:
        body = problem(api.post("students", [student(fullName=None), document]), 422)
        found = {where[2:]: code for where, code in pointers(body).items() if where.startswith("/1/")}
        assert pointers(body["items"][1]) == {f"/1{where}": code for where, code in found.items()}
        assert pointers(body)["/0/fullName"] == "wrong_type"
    else:
        found = pointers(problem(api.post("students", document), 422))
    assert found.keys() == expected.keys()
    for where, code in expected.items():
        assert code in (None, found[where])


@pytest.mark.parametrize("email", [5, ["a@x.org"], {"address": "a@x.org"}, "a\0@x.org", "x" * 3000])
def test_email_that_nobody_can_have_written(api, nothing_written, email):
    assert pointers(problem(api.post("parents", parent(email=email)), 422)).keys() == {"/email"}


def test_each_of_many_mistakes_is_named(api, nothing_written):
    document = {
        "fullName": "x" * 300,
        "dob": "2010-02-30",
        "gender": 1,
        "languages": ["Hindi", 5],
        "health": {"allergies": [None], "bloodGroup": []},
        "address": {"country": "Narnia", "city": "y" * 300},
        "previousSchool": {"yearOfCompletion": False},
        "updatedAt": "yesterday",
    }

    assert set(pointers(problem(api.post("students", document), 422))) == {
        "/externalId",
        "/fullName",
        "/dob",
        "/gender",
        "/languages/1",
        "/health/allergies/0",
        "/health/bloodGroup",
        "/address/city",
        "/previousSchool/yearOfCompletion",
        "/updatedAt",
    }


def test_mistake_and_unknown_references_are_named_at_once(api, nothing_written):
    document = student(dob="soon", religion=5, parents=["PAR-nobody"])

    mistakes = {"/dob": "invalid_date", "/religion": "wrong_type"}
    assert pointers(problem(api.post("students", document), 422)) == mistakes
    assert pointers(problem(api.post("students", document, onMissing="error"), 422)) == {
        **mistakes,
        "/parents/0": "reference_missing",
    }


def test_detail_tells_a_person_what_is_wrong(api):
    """Not in the words of a library: no "Input should be", no regular expression, no Python."""
    documents = [
        student(photoUrl={"href": "ftp://x"}),
        student(previousSchool={"yearOfCompletion": "9" * 5000}),
        student(updatedAt="0000-00-00T00:00:00Z"),
        student(parents=[{"externalId": "P", "pays": "perhaps", "priority": "first", "start": "soon"}]),
        student(languages={"a": 1}),
        "a string",
    ]
    details = [error["detail"] for error in problem(api.post("students", documents), 422)["errors"]]

    for detail in details:
        for jargon in ("Input should", "pattern", "parse", "^http"):
            assert jargon not in detail, detail


@pytest.mark.parametrize("entry", [None, 1, "STU-1", True, [], [{}], 1.5], ids=json.dumps)
def test_array_of_things_that_are_no_documents(api, nothing_written, entry):
    body = problem(api.post("students", [entry]), 422)

    assert pointers(body) == {"/0": "wrong_type"}


def test_one_thing_that_is_no_document_leaves_its_neighbours(api):
    body = ok(api.post("parents", [parent(), None, parent(), []]), 207)

    assert [item["status"] for item in body["items"]] == ["created", "failed", "created", "failed"]


def test_1001_documents_are_too_many(api, nothing_written):
    assert "1000" in problem(api.post("parents", [parent() for _ in range(1001)]), 413)["detail"]


def test_externalid_that_stands_twice_is_refused_at_both_places(api, nothing_written):
    first, second = parent(), parent(name=None)
    body = problem(api.post("parents", [first, second, {**first, "name": "Somebody Else"}]), 422)

    assert pointers(body) == {
        "/0/externalId": "duplicate_external_id",
        "/1/name": "wrong_type",
        "/2/externalId": "duplicate_external_id",
    }


def test_externalid_that_stands_twice_but_for_spaces(api, nothing_written):
    first = parent()

    problem(api.post("parents", [first, {**first, "externalId": f" {first['externalId']} "}]), 422)


def test_answer_to_a_thousand_equal_ids_stays_small(api, nothing_written):
    response = api.post("parents", [parent(externalId="PAR-same")] * 1000)

    problem(response, 422)
    assert len(response.content) < MEBIBYTE


def test_mistakes_without_end_make_an_answer_with_an_end(api, nothing_written):
    document = {"externalId": "A", "fullName": "A", "languages": [1] * 100, "parents": [{"x": 1}] * 50}
    response = api.post("students", [{**document, "externalId": unique()} for _ in range(200)])

    problem(response, 422)
    assert len(response.content) < 8 * MEBIBYTE


def test_unknown_key_of_a_megabyte(api):
    response = api.post("parents", parent(**{"k" * MEBIBYTE: 1}))

    ok(response, 201)
    assert len(response.content) < 2000


def test_unknown_keys_without_end(api):
    response = api.post("parents", parent(**{f"key{n}": n for n in range(100_000)}))

    ok(response, 201)
    assert len(response.content) < 20_000


def test_unknown_field_may_hold_anything(api):
    deep = 1
    for _ in range(60):
        deep = {"a": [deep]}
    document = parent(**{"x\0y": "\0", "huge": 10**4000, "float": 1e300, "deep": deep})
    answer = ok(api.send("parents", json.dumps(document).encode()), 201)

    assert len(answer["warnings"]) == 4


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 4300, b"1e-999", b"-0.0"])
def test_numbers_that_no_field_can_hold(api, nothing_written, number):
    head = b'{"externalId": "A", "fullName": null, "x": ' + number + b', "previousSchool": {"yearOfCompletion": '
    body = problem(api.send("students", head + number + b"}}"), 422)

    assert "/previousSchool/yearOfCompletion" in pointers(body)


# Money


def billing(**fields):
    return {
        "externalId": unique("BIL"),
        "studentExternalId": unique("STU"),
        "issueDate": "2025-06-01",
        "dueDate": "2025-06-30",
        "currency": "USD",
        "status": "draft",
        "lines": [{"code": "FEE", "amount": 300}],
        **fields,
    }


def lines(**line):
    return {"lines": [{"code": "FEE", **line}]}


def paid(**payment):
    return {"status": "partial", "payments": [{"externalId": "PAY", "date": "2025-06-10", "amount": 1, **payment}]}


WRONG_MONEY = {
    "an exponent without end": (lines(amount="1e999999999"), {"/lines/0/amount": "out_of_range"}),
    "an exponent without end, below": (lines(amount="1e-999999999"), {"/lines/0/amount": "out_of_range"}),
    "an exponent longer than a number": (lines(amount="1e" + "9" * 5000), {"/lines/0/amount": "out_of_range"}),
    "16 digits": (lines(amount=1234567890123456), {"/lines/0/amount": "out_of_range"}),
    "13 digits before the point": (lines(amount=9999999999999), {"/lines/0/amount": "out_of_range"}),
    "4,000 digits": (lines(amount=10**4000), {"/lines/0/amount": "out_of_range"}),
    "a digit too small to be seen": (lines(amount="1." + "0" * 35 + "1"), {"/lines/0/amount": "out_of_range"}),
    "an amount with an underscore": (lines(amount="1_000"), {"/lines/0/amount": "wrong_type"}),
    "an amount with a comma": (lines(amount="1,000"), {"/lines/0/amount": "wrong_type"}),
    "an amount in other digits": (lines(amount="١٠"), {"/lines/0/amount": "wrong_type"}),
    "an amount that is true": (lines(amount=True), {"/lines/0/amount": "wrong_type"}),
    "an amount that is infinite": (lines(amount="Infinity"), {"/lines/0/amount": "out_of_range"}),
    "an amount that is no number": (lines(amount="NaN"), {"/lines/0/amount": "out_of_range"}),
    "next to nothing of something": (
        lines(quantity="0.00000000000001", amount=1),
        {"/lines/0/quantity": "out_of_range"},
    ),
    "more of it than there is": (lines(quantity=10**10, unitPrice=1), {"/lines/0/quantity": "out_of_range"}),
    "a product that overflows": (
        lines(quantity=999999999, unitPrice=99999999999),
        {"/lines/0/quantity": "out_of_range"},
    ),
    "a product that overflows, with its amount": (
        lines(quantity=999999999, unitPrice=99999999999, amount="1.00"),
        {"/lines/0/quantity": "out_of_range"},
    ),
    "a price that overflows": (
        lines(quantity="0.000001", amount=99999999999),
        {"/lines/0/quantity": "out_of_range"},
    ),
    "lines that overflow": ({"lines": [{"code": "FEE", "amount": 999999999999}] * 2}, {"/lines": "out_of_range"}),
    "1e3 that is not 1,234": (lines(quantity=1, unitPrice=1234, amount="1e3"), {"/lines/0/amount": "total_mismatch"}),
    "an invoice of the year 9999": (
        {"issueDate": "9999-12-31", "dueDate": "9999-12-31"},
        {"/issueDate": "out_of_range", "/dueDate": "out_of_range"},
    ),
    "an invoice of the year 1": ({"issueDate": "0001-01-01"}, {"/issueDate": "out_of_range"}),
    "an invoice of the year 1900": ({"issueDate": "1900-01-01"}, {"/issueDate": "out_of_range"}),
    "an invoice of the year 2199": (
        {"issueDate": "2199-12-31", "dueDate": "2199-12-31"},
        {"/issueDate": "out_of_range", "/dueDate": "out_of_range"},
    ),
    "a payment of the year 9999": (paid(date="9999-12-31"), {"/payments/0/date": "out_of_range"}),
    "a payment of the year 2199": (paid(date="2199-12-31"), {"/payments/0/date": "out_of_range"}),
    "a payment of nothing": (paid(amount=0), {"/payments/0/amount": "out_of_range"}),
}


@pytest.mark.parametrize(("fields", "expected"), WRONG_MONEY.values(), ids=WRONG_MONEY)
def test_wrong_money_is_refused_and_its_neighbours_are_not(api, fields, expected):
    child = student()
    ok(api.post("students", child), 201)
    good, bad = (billing(studentExternalId=child["externalId"], **values) for values in ({}, fields))
    body = ok(api.post("billings", [good, bad]), 207)
    created, refused = body["items"]

    assert created["status"] == "created"
    assert {error["pointer"]: error["code"] for error in refused["errors"]} == {
        f"/1{where}": code for where, code in expected.items()
    }
    assert all(len(error["detail"]) < 300 for error in refused["errors"])
    problem(api.get("billings", bad["externalId"]), 404)


ODD_DATES = ["9999-12-31", "0001-01-01", "2199-12-31", "1900-01-01"]


@pytest.mark.parametrize("day", ODD_DATES)
def test_refused_date_changes_no_number_of_an_invoice(api, admin, day):
    """Odoo continues the numbers of the oddest year that it has seen, in each year without an invoice of its own."""
    child = student()
    ok(api.post("students", child), 201)
    named = {"studentExternalId": child["externalId"], "status": "sent"}
    problem(api.post("billings", billing(**named, issueDate=day, dueDate=max(day, "2025-06-30"))), 422)
    problem(api.post("billings", {**billing(**named), **paid(date=day)}), 422)
    # A year that has no invoice yet, where there still is one.
    year = min(set(range(date.today().year - 9, date.today().year)) - years_of_invoices(admin), default=2025)
    answer = ok(api.post("billings", billing(**named, issueDate=f"{year}-03-01")), 201)

    move_id = admin.read_one("school.billing", answer["id"], "move_id")["move_id"][0]
    assert admin.read_one("account.move", move_id, "name")["name"].startswith(f"INV/{year}/")


def years_of_invoices(admin):
    moves = admin.read("account.move", [("move_type", "=", "out_invoice"), ("state", "=", "posted")], ["date"])
    return {int(move["date"][:4]) for move in moves}


@pytest.mark.parametrize("day", ODD_DATES)
def test_installment_of_an_odd_year_is_refused(api, nothing_written, day):
    document = {
        "externalId": unique("FEE"),
        "studentExternalId": unique("STU"),
        "heads": [{"code": "FEE", "amount": 300}],
        "total": 300,
        "installmentPlan": {"schedule": [{"due": day, "amount": 300}]},
    }

    assert pointers(problem(api.post("fee-schedules", document), 422)) == {
        "/installmentPlan/schedule/0/due": "out_of_range"
    }


def test_amounts_are_told_with_the_decimals_of_their_currency(api):
    child = student()
    ok(api.post("students", child), 201)

    def details(**fields):
        response = api.post("billings", billing(studentExternalId=child["externalId"], **fields))
        return [error["detail"] for error in problem(response, 422)["errors"]]

    assert details(total=310) == ["The total is 310.00, but the lines add up to 300.00."]
    assert details(**lines(quantity=3, unitPrice=100, amount="310.0")) == [
        "The amount is 310.00, but 3 × 100.00 is 300.00."
    ]
    assert details(currency="JPY", **lines(quantity=3, unitPrice=100, amount=310))[0] == (
        "The amount is 310, but 3 × 100 is 300."
    )
    payments = [{"externalId": unique("PAY"), "date": "2025-06-10", "amount": 100.5}]
    assert details(status="paid", payments=payments) == [
        "The status is paid, but the payments leave 199.50 of 300.00 open. Send every payment, or the status partial."
    ]


def test_largest_amounts_are_taken(api):
    child = student()
    ok(api.post("students", child), 201)
    for line in (
        {"amount": 999999999999},
        {"amount": "999999999999.99"},
        {"quantity": "0.000001", "amount": 1},
        {"quantity": 10**9, "unitPrice": 1},
    ):
        ok(api.post("billings", billing(studentExternalId=child["externalId"], **lines(**line))), 201)


# Text that looks dangerous and is only text

DANGEROUS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'); DROP TABLE school_student; --",
    "%s %(name)s {0} {name} ${jndi:ldap://x} {{7*7}}",
    '=HYPERLINK("https://x.example")',
    "../../../../etc/passwd",
    "O'Brien \"Bob\" \\ O\\'Neil & Söhne",
    "👩‍👩‍👧‍👦 🇮🇳 e\u0301 한국어 ﷽",
    "\u202eevil\u202c שלום مرحبا",
    "Zalgo Z̴̡̧͉͕̘̲̗͓͎̺̓̂̿̋͐̑͜͝ͅ",
    "zero\u200bwidth\ufeff",
    "null",
    "0",
    "True",
    "𝕄𝕒𝕥𝕙 𠜎",
    "line\nbreak\tand tab",
    "\ufffd\uffff",
]


@pytest.mark.parametrize("text", DANGEROUS)
def test_text_is_stored_and_given_back_as_it_is(api, admin, text):
    child = student(
        fullName=text, religion=text, languages=[text], address={"permanent": text}, emergency={"name": text}
    )
    created = ok(api.post("students", child), 201)
    ok(api.post("students", child))
    guardian = parent(name=text, occupation=text, relation=text, portalUserId=text, students=[child["externalId"]])
    ok(api.post("parents", guardian), 201)

    read = api.read("students", child["externalId"])
    assert {name: read[name] for name in child} == child
    assert api.read("parents", guardian["externalId"])["relation"] == text
    assert admin.read_one("school.student", created["id"], "name")["name"] == text
    odd = student(address={"country": text}, photoUrl=text)
    assert len(ok(api.post("students", odd), 201)["warnings"]) == 2
    assert {name: value for name, value in api.read("students", odd["externalId"]).items() if name in odd} == odd


@pytest.mark.parametrize("text", DANGEROUS)
def test_text_as_an_id_and_as_a_reference(api, text):
    text = f"{text} {unique()}".replace("\n", " ").replace("\t", " ")
    ok(api.post("parents", parent(externalId=text)), 201)
    child = student(parents=[text])
    ok(api.post("students", child), 201)

    assert ok(api.get("parents", text))["externalId"] == text
    assert api.read("students", child["externalId"])["parents"][0]["externalId"] == text


# Anything else: see test_fuzz.py


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(body=st.binary(max_size=200))
def test_no_bytes_make_the_server_fail(api, nothing_written, body):
    problem(api.send("parents", body), 400)


def test_list_still_works_after_all_this(api):
    for entity in ENTITIES:
        for active in ("all", "true", "false"):
            assert len(api.listed(entity, limit=1000, active=active)) >= 0
