"""What the black-box tests share: a client of the API, an administrator of Odoo, a look at the tables and the log.

Everything goes over HTTP, as a user would have it; only what HTTP cannot show is read from the database.
"""

import contextlib
import functools
import json
import os
import random
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg2
import requests

PAYLOADS = Path(__file__).parent / "payloads"
ENTITIES = ("parents", "students")
MEBIBYTE = 1024 * 1024
# The long form of the tests, ./dev test --long: more rounds, more rivals, larger batches.
LONG = bool(os.environ.get("SCHOOL_SYNC_LONG"))
PROBLEM = "application/problem+json"
# What no answer may hold: the inside of the server.
INSIDES = ("Traceback", "psycopg2", 'File "', "SELECT ", "INSERT ", "odoo/addons")


def printed(name):
    """The payload of the data contract, byte for byte."""
    return (PAYLOADS / f"{name}.json").read_bytes()


def unique(prefix="X"):
    """An externalId that no other test, and no earlier run on the same database, has used."""
    return f"{prefix}-{uuid.uuid4().hex[:16]}"


def parent(**fields):
    return {"externalId": unique("PAR"), "name": "Asha Rao", **fields}


def student(**fields):
    return {"externalId": unique("STU"), "fullName": "Ravi Rao", **fields}


def enrollment(student_id, **fields):
    return {
        "externalId": unique("ENR"),
        "studentExternalId": student_id,
        "academicYear": "2025-2026",
        "gradeLevel": "8",
        "startDate": "2025-06-01",
        "status": "active",
        **fields,
    }


def without(document, *names):
    return {name: value for name, value in document.items() if name not in names}


def pointers(body):
    """Where a problem, or an item of a batch, says that something is wrong, and what."""
    return {error["pointer"]: error["code"] for error in body["errors"]}


def problem(response, status):
    """The problem document of ``response``, which must have ``status``."""
    assert response.status_code == status, f"{response.status_code} instead of {status}: {response.text[:500]}"
    return response.json()


def ok(response, status=200):
    """The body of ``response``, which must have ``status``."""
    assert response.status_code == status, f"{response.status_code} instead of {status}: {response.text[:500]}"
    return response.json()


def check_envelope(response):
    """What holds for every answer below /api, whatever was asked."""
    assert "Set-Cookie" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"
    request_id = response.headers["X-Request-Id"]
    assert request_id
    if response.status_code in (204, 304) or response.request.method == "HEAD":
        assert not response.content
        return
    for inside in INSIDES:
        assert inside not in response.text
    body = response.json()
    if response.status_code < 400:
        assert response.headers["Content-Type"].split(";")[0] == "application/json"
        return
    assert response.headers["Content-Type"].split(";")[0] == PROBLEM
    assert body.keys() >= {"type", "title", "status", "detail", "instance", "requestId", "errors"}
    assert body["status"] == response.status_code
    assert body["requestId"] == request_id
    assert body["detail"] and body["title"]
    for error in body["errors"]:
        assert error.keys() == {"pointer", "code", "detail"}
        assert error["detail"]


class Api:
    """A client with a key. Every answer is checked for the envelope, so that every test checks it."""

    def __init__(self, url, key=None, **headers):
        self.url = url
        self.key = key
        self.headers = {"Authorization": f"Bearer {key}" if key else None, **headers}

    def request(self, method, path, *, headers=None, envelope=True, **options):
        headers = {**self.headers, **(headers or {})}
        options.setdefault("timeout", 120)
        options.setdefault("allow_redirects", False)
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(method, self.url + path, headers=headers, **options)
        # As JSON is; it would be guessed, at length, each time that the text is read.
        response.encoding = response.encoding or "utf-8"
        if envelope:
            check_envelope(response)
        if self.key:
            assert self.key not in response.text + str(response.headers)
        return response

    def send(self, entity, body, *, content_type="application/json", headers=None, **options):
        """POST ``body``, bytes or an iterator of bytes, as it is."""
        headers = {"Content-Type": content_type, **(headers or {})}
        return self.request("POST", f"/api/{entity}", data=body, headers=headers, **options)

    def post(self, entity, documents, *, headers=None, **params):
        return self.send(entity, json.dumps(documents).encode(), headers=headers, params=params)

    def get(self, entity, external_id=None, *, headers=None, **params):
        path = f"/api/{entity}" + (f"/{quote(external_id, safe='')}" if external_id is not None else "")
        return self.request("GET", path, params=params, headers=headers)

    def until_answered(self, send):
        """What ``send`` answers in the end, as a sender has it who heeds ``Retry-After``; a 5xx is an answer."""
        while "Retry-After" in (response := send()).headers and response.status_code in (409, 429):
            time.sleep(int(response.headers["Retry-After"]) * random.uniform(0.2, 1))
        return response

    def delete(self, entity, external_id, *, headers=None):
        return self.request("DELETE", f"/api/{entity}/{quote(external_id, safe='')}", headers=headers)

    def read(self, entity, external_id):
        """One document as GET gives it, without what the API adds to it."""
        return without(ok(self.get(entity, external_id)), "id", "model", "version", "active")

    def pages(self, entity, **params):
        """All pages of a list, one by one."""
        while True:
            page = ok(self.get(entity, **params))
            yield page["items"]
            if page["nextCursor"] is None:
                return
            params["cursor"] = page["nextCursor"]

    def listed(self, entity, **params):
        return [item["externalId"] for page in self.pages(entity, **params) for item in page]

    def raw(self, data, *, half_close=True, timeout=20):
        """Send ``data`` past every HTTP library; the answer, status and text, or (None, "") for a closed connection."""
        url = urlsplit(self.url)
        with socket.create_connection((url.hostname, url.port), timeout=timeout) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while chunk := connection.recv(65536):
                    answer += chunk
        if not answer:
            return None, ""
        head, _blank, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode(errors="replace")

    def raw_head(self, method, target, **headers):
        """The first lines of a request as :meth:`raw` sends it."""
        lines = [f"{method} {target} HTTP/1.1", "Host: school.example", f"Authorization: Bearer {self.key}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"


@dataclass
class Source:
    """A source of Odoo, with its API user and a client that has its key."""

    id: int
    name: str
    user_id: int
    company_id: int
    api: Api


class OdooRefuses(Exception):
    """Odoo answers a call with an error; ``name`` is the class of its exception."""

    def __init__(self, error):
        super().__init__(error["data"]["message"])
        self.name = error["data"]["name"]


class Odoo:
    """Somebody who is logged in to Odoo itself, and calls it as the web client does."""

    def __init__(self, url, database, login, password):
        self.url = url
        self.database = database
        self.login = login
        self.password = password
        self.session = requests.Session()
        self.session.trust_env = False
        self.uid = self._ask("/web/session/authenticate", db=database, login=login, password=password)["uid"]

    def _ask(self, path, **params):
        body = {"jsonrpc": "2.0", "method": "call", "params": params}
        answer = self.session.post(self.url + path, json=body, timeout=120).json()
        if "error" in answer:
            raise OdooRefuses(answer["error"])
        return answer.get("result")

    def call(self, model, method, *args, **kwargs):
        return self._ask("/web/dataset/call_kw", model=model, method=method, args=args, kwargs=kwargs)

    def read(self, model, domain, fields, **kwargs):
        return self.call(model, "search_read", domain, fields, **kwargs)

    def read_one(self, model, record_id, *fields):
        return self.call(model, "read", [record_id], list(fields))[0]

    def create(self, model, **values):
        return self.call(model, "create", values)

    def write(self, model, record_id, **values):
        return self.call(model, "write", [record_id], values)


class Admin(Odoo):
    """The administrator, who sets up sources, users and companies."""

    def __init__(self, url, database):
        super().__init__(url, database, "admin", "admin")
        self.company_id = self.read_one("res.users", self.uid, "company_id")["company_id"][0]

    def group(self, name):
        module, _dot, name = name.rpartition(".")
        found = self.read(
            "ir.model.data", [("module", "=", module or "school_erp_sync"), ("name", "=", name)], ["res_id"]
        )
        return found[0]["res_id"]

    def new_company(self):
        name = unique("School")
        return self.create("res.company", name=name)

    def new_source(self, *, group=None, **values):
        """A source with a user and a key. ``group`` replaces the groups of its user."""
        values.setdefault("name", unique("Source"))
        source_id = self.create("school.sync.source", **values)
        source = self.read_one("school.sync.source", source_id, "name", "user_id", "company_id")
        user_id = source["user_id"][0]
        if group:
            self.write("res.users", user_id, group_ids=[(6, 0, [self.group(group)])])
        return Source(
            source_id, source["name"], user_id, source["company_id"][0], Api(self.url, self.new_key(source_id))
        )

    def new_key(self, source_id):
        return self.call("school.sync.source", "action_generate_key", [source_id])["context"]["default_key"]

    def new_user(self, *groups, **values):
        """Somebody of flesh and blood, with a password."""
        login, password = unique("user"), unique("secret")
        group_ids = [(6, 0, [self.group(group) for group in groups])]
        self.create("res.users", name=login, login=login, password=password, group_ids=group_ids, **values)
        return Odoo(self.url, self.database, login, password)

    def log_of(self, response, *fields):
        """The log entry of the exchange that ``response`` ended, or None."""
        entries = self.read(
            "school.sync.log", [("request_id", "=", response.headers["X-Request-Id"])], list(fields) or ["state"]
        )
        assert len(entries) < 2
        return entries[0] if entries else None

    def lines_of(self, response):
        return self.read(
            "school.sync.log.line",
            [("log_id.request_id", "=", response.headers["X-Request-Id"])],
            ["position", "external_id", "status", "res_model", "res_id", "message", "document"],
            order="position",
        )


class Tables:
    """The tables behind Odoo, to look at."""

    # What requests leave behind besides what is in their documents: the log, problems and who is told, kept answers.
    BOOKS = (
        "mail_message",
        "mail_tracking_value",
        "school_sync_failure",
        "school_sync_idempotency_key",
        "school_sync_incident",
        "school_sync_log",
        "school_sync_log_line",
        "school_sync_rate_bucket",
        "school_sync_source",
    )

    def __init__(self, dsn):
        self.dsn = dsn
        # The tables are small: to start processes that help to count their rows takes longer than to count them.
        self.connection = psycopg2.connect(dsn, options="-c max_parallel_workers_per_gather=0")
        self.connection.autocommit = True

    def rows(self, query, *values):
        with self.connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def one(self, query, *values):
        ((value,),) = self.rows(query, *values)
        return value

    @functools.cached_property
    def written(self):
        """Every table that a document can write, and whether its rows say when they were written."""
        return dict(
            self.rows(
                r"""
                SELECT c.relname, EXISTS (SELECT FROM pg_attribute a
                                           WHERE a.attrelid = c.oid AND a.attname = 'write_date')
                  FROM pg_class c
                 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
                   AND c.relname ~ '^(res_partner|school_|account_|product_)' AND c.relname <> ALL(%s)
                """,
                list(self.BOOKS),
            )
        )

    def counts(self):
        """How many rows there are of everything that a document can write, and when the last was written."""
        queries = [
            f"SELECT '{table}', count(*), {'max(write_date)' if is_dated else 'NULL::timestamp'} FROM {table}"
            for table, is_dated in self.written.items()
        ]
        return {table: found for table, *found in self.rows(" UNION ALL ".join(queries))}

    def sizes(self):
        """How many rows there are of everything."""
        names = self.rows("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        return dict(self.rows(" UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for (name,) in names)))

    def hold(self, query, *values):
        """A transaction of somebody else's that has run ``query``, and ends when it is closed."""
        connection = psycopg2.connect(self.dsn)
        with connection.cursor() as cursor:
            cursor.execute(query, values)
        return connection

    @staticmethod
    @contextlib.contextmanager
    def meanwhile(function, *arguments, **options):
        """Run ``function`` while the block runs; its result is there after it."""
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(function, *arguments, **options)

    def wait_for_a_lock(self, waiting=1, *, or_else=lambda: False, seconds=20):
        """Until as many transactions as are to be ``waiting`` wait for another one, or ``or_else`` is true."""
        query = """
            SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
             WHERE NOT granted AND datname = current_database()
        """
        for _ in range(seconds * 20):
            if or_else() or self.one(query) >= waiting:
                return
            time.sleep(0.05)
        raise AssertionError("nobody waits for a lock")


class ServerLog:
    """What the server has written to its log since this was made."""

    def __init__(self):
        self.path = os.environ.get("SCHOOL_SYNC_SERVER_LOG")
        self.start = os.path.getsize(self.path) if self.path else 0

    def text(self):
        if not self.path:
            return ""
        with open(self.path, "rb") as log:
            log.seek(self.start)
            return log.read().decode(errors="replace")
