"""Clients that send slowly, or stop: they get an answer and lose the connection, and hold up nobody.

Each of them sends a byte now and then, for as long as the server listens. A server with two processes that waited for
two of them would answer nobody else.
"""

import json
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from support import ok, parent, problem

# More than the processes of the server.
CLIENTS = 4
# No answer until then is none. It stands for "for ever", and no test that passes waits for it.
PATIENCE = 30


@pytest.fixture(autouse=True)
def quiet(server_log):
    """No client of this file is worth an error in the server's log."""
    yield
    text = server_log.text()
    assert "Traceback" not in text
    assert " ERROR " not in text


class Trickle:
    """A connection on which ``start`` is sent, and then ``more``, again and again, until the server closes it."""

    def __init__(self, url, start, more=b" ", pause=0.05):
        url = urlsplit(url)
        with socket.create_connection((url.hostname, url.port), timeout=PATIENCE) as connection:
            connection.sendall(start)
            self.answer = self._trickle(connection, more, pause)
        head, _blank, self.body = self.answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = dict(line.split(": ", 1) for line in lines[1:])

    @staticmethod
    def _trickle(connection, more, pause):
        answer, deadline = b"", time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            readable, _writable, _failed = select.select([connection], [], [], pause)
            try:
                if readable:
                    chunk = connection.recv(65536)
                    if not chunk:
                        return answer
                    answer += chunk
                connection.sendall(more)
            except ConnectionError:
                return answer
        raise AssertionError(f"the server still listens, and has answered {answer[:100]!r}")


def head(method, path, **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: school.example"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


LONG_BODY = {"Content_Type": "application/json", "Content_Length": 1_000_000}
CHUNKED = {"Content_Type": "application/json", "Transfer_Encoding": "chunked"}
STRANGERS = {
    "a wrong key": (head("POST", "/api/parents", Authorization="Bearer wrong", **LONG_BODY) + b"[", 401),
    "no key": (head("POST", "/api/parents", **LONG_BODY) + b"[", 401),
    "no key, and nothing after the head": (head("POST", "/api/parents", **LONG_BODY), 401),
    "no key, in chunks": (head("POST", "/api/parents", **CHUNKED) + b"ffff\r\n[", 401),
    "no key, to no path": (head("POST", "/api/nothing", **LONG_BODY) + b"[", 401),
    "no key, DELETE": (head("DELETE", "/api/parents/x", **LONG_BODY) + b"[", 401),
    "no key, another method": (head("BREW", "/api/parents", **LONG_BODY) + b"[", 401),
    "OPTIONS": (head("OPTIONS", "/api/parents", **LONG_BODY) + b"[", 204),
    "health": (head("GET", "/api/health", **LONG_BODY) + b"[", 200),
    "health, in chunks": (head("GET", "/api/health", **CHUNKED) + b"ffff\r\n[", 200),
}


@pytest.mark.parametrize(("start", "status"), STRANGERS.values(), ids=STRANGERS)
def test_clients_without_a_key_hold_up_nobody(nobody, nothing_written, start, status):
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(Trickle, nobody.url, start) for _ in range(CLIENTS)]
        ok(nobody.request("GET", "/api/health", timeout=PATIENCE))
        clients = [client.result() for client in clients]

    assert [client.status for client in clients] == [status] * CLIENTS
    assert {client.headers["Connection"] for client in clients} == {"close"}


READERS = {
    "a list": (b"GET", b"/api/parents", 200),
    "a wrong path": (b"POST", b"/api/nothing", 404),
    "a wrong method": (b"PUT", b"/api/parents", 405),
    "a wrong option": (b"POST", b"/api/parents?atomc=true", 400),
}


@pytest.mark.parametrize(("method", "path", "status"), READERS.values(), ids=READERS)
def test_body_that_nobody_needs_is_not_waited_for(hurried, nothing_written, method, path, status):
    start = hurried.api.raw_head(method.decode(), path.decode(), **LONG_BODY)

    assert Trickle(hurried.api.url, start).status == status


SLOW = {
    "a byte now and then": (LONG_BODY, b'[{"externalId": "A"', b" "),
    "nothing more": (LONG_BODY, b'[{"externalId": "A"', b""),
    "nothing at all": (LONG_BODY, b"", b""),
    "chunks of one byte": (CHUNKED, b"1\r\n[\r\n", b"1\r\n \r\n"),
    "a byte of a chunk now and then": (CHUNKED, b"ffffff\r\n[", b" "),
    "the length of a chunk, digit by digit": (CHUNKED, b"", b"0"),
    "nothing of the first chunk": (CHUNKED, b"ffff\r\n", b""),
}


@pytest.mark.parametrize(("headers", "start", "more"), SLOW.values(), ids=SLOW)
def test_upload_that_takes_too_long_is_to_be_sent_again(admin, hurried, nothing_written, headers, start, more):
    client = Trickle(hurried.api.url, hurried.api.raw_head("POST", "/api/parents", **headers) + start, more)
    body = json.loads(client.body)

    assert client.status == body["status"] == 408
    assert body["type"].endswith(":upload-incomplete")
    assert "again" in body["detail"]
    assert int(client.headers["Retry-After"]) > 0
    # The sender repeats it; nobody need look.
    assert not admin.read("school.sync.incident", [("source_id", "=", hurried.id)], ["message"])


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_upload_that_pauses_is_taken(api, chunked):
    """For longer than the two seconds after which a process of Odoo's gives up a connection."""
    document = json.dumps(parent()).encode()
    half = len(document) // 2
    parts = [document[:half], document[half:]]
    if chunked:
        parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]
    headers = CHUNKED if chunked else {**LONG_BODY, "Content_Length": len(document)}
    url = urlsplit(api.url)
    with socket.create_connection((url.hostname, url.port), timeout=PATIENCE) as connection:
        connection.sendall(api.raw_head("POST", "/api/parents", **headers) + parts[0])
        time.sleep(2.2)
        connection.sendall(b"".join(parts[1:]))
        answer = connection.recv(65536)

    assert answer.split()[1] == b"201"


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("key", [None, "wrong"])
def test_honest_client_without_a_key_gets_its_answer(nobody, nothing_written, key, size):
    problem(nobody.send("parents", b" " * size, headers={"X-API-Key": key}), 401)


def test_upload_that_is_cut_off_is_to_be_sent_again(api, nothing_written):
    """What arrived may be good JSON; that the rest is missing is not the sender's mistake."""
    document = json.dumps([parent()]).encode()
    start = api.raw_head("POST", "/api/parents", Content_Type="application/json", Content_Length=len(document) + 100)
    status, text = api.raw(start + document)

    assert status == 408
    assert json.loads(text)["type"].endswith(":upload-incomplete")
