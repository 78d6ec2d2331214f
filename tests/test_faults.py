"""Under fire: the server, PostgreSQL and the connections between them die while families are being sent.

The senders send again until they are answered. At the end, what was acknowledged is there exactly once: every record,
every invoice, every payment, every line of the log; and the books balance.
"""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg2
import psycopg2.errors
import pytest
from families import Audit, Book, Story
from faults import LONG, Sandbox, Sender, Tally, wait_until
from support import Admin, ok, parent, student, unique

SENDERS = 4


@pytest.fixture(scope="module")
def sandbox():
    box = Sandbox("faults")
    yield box
    box.close()


class Front:
    """Senders at work against the sandbox, until the fault has been injected often enough."""

    def __init__(self, sandbox, name, results, *, hasty=False, seed=1):
        self.sandbox, self.results, self.hasty = sandbox, results, hasty
        self.rng = random.Random(f"{name} {seed}")
        sandbox.wait_until_up()
        self.source = Admin(sandbox.url, sandbox.database).new_source()
        self.tally = Tally(name)
        self.book = Book(self.tally)
        self.audit = Audit(sandbox.tables(), self.source)
        self.failures = []
        self._enough = threading.Event()

    def __enter__(self):
        prefix = unique("F")
        self._threads = [threading.Thread(target=self._work, args=(f"{prefix}-{n}", n)) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, *_exc):
        self._enough.set()
        for thread in self._threads:
            thread.join()
        if kind:
            return
        tables = self.sandbox.tables()
        self.sandbox.wait_until_quiet(tables)
        assert not self.failures, self.failures
        self.audit.check(tables, self.book, self.tally)
        self.results.add(self.tally)
        self.tally.assert_clean()

    def _work(self, prefix, number):
        rng = random.Random(f"{prefix} {number}")
        sender = Sender(self.sandbox.url, self.source.api.key, self.tally, rng=rng, hasty=self.hasty)
        count = 0
        try:
            while not self._enough.is_set():
                count += 1
                for step in Story(f"{prefix}-{count}", rng).steps():
                    answer = self._take(sender, step)
                    if rng.random() < 0.1:
                        self._replay(sender, step, answer)
        except Exception as exc:  # a thread's exception is the test's
            self.failures.append(exc)

    def _take(self, sender, step):
        answer = sender.send(step.method, step.path, step.payload, key=step.key)
        self.book.settle(step, answer)
        return answer

    def _replay(self, sender, step, first):
        """The same once more, as a sender does that lost its own notes: nothing may come of it."""
        again = sender.send(step.method, step.path, step.payload, key=step.key)
        if step.stale != (again.status_code == 409) or again.status_code not in (200, 201, 409):
            self.tally.oddities.append(f"replay of {step.path} answered {again.status_code}: {again.text}")
        elif step.key and not step.stale and again.content != first.content:
            self.tally.oddities.append(f"replay of {step.path} answered {again.text} instead of {first.text}")

    def inject(self, what, action, *, times, pause):
        """Do ``action`` some times, ``pause`` seconds (from, to) apart, while the senders send."""
        while self.tally.injected[what] < times and not self.failures:
            time.sleep(self.rng.uniform(*pause))
            if action():
                self.tally.count("injected", what)


TAMPERINGS = {
    "DELETE FROM school_sync_log WHERE id = (SELECT max(id) FROM school_sync_log)": "losses",
    "DELETE FROM school_billing_payment WHERE id = (SELECT max(id) FROM school_billing_payment)": "losses",
    "INSERT INTO res_partner (name, autopost_bills) VALUES ('Nobody', 'ask')": "duplicates",
    "UPDATE school_sync_binding SET version = version + 1": "oddities",
    "UPDATE account_move SET amount_residual = 1 WHERE school_billing_id IS NOT NULL": "oddities",
}


def test_audit_finds_what_is_not_as_promised(sandbox):
    """The eyes of the tests below: one wrong row does not escape them."""
    sandbox.wait_until_up()
    source = Admin(sandbox.url, sandbox.database).new_source()
    tables, tally = sandbox.tables(), Tally("nothing")
    audit, book = Audit(tables, source), Book(tally)
    sender = Sender(sandbox.url, source.api.key, tally)
    for step in Story(unique("F"), random.Random(1)).steps():
        book.settle(step, sender.send(step.method, step.path, step.payload, key=step.key))
    audit.check(tables, book, tally)
    tally.assert_clean()

    tables.connection.autocommit = False
    for tampering, kind in TAMPERINGS.items():
        tables.rows(tampering)
        tampered = Tally("tampered")
        audit.check(tables, book, tampered)
        tables.connection.rollback()
        assert getattr(tampered, kind), tampering


def test_batch_that_takes_longer_than_odoo_allows(sandbox):
    """The worker would be ended after 6 s of CPU, and every repetition with it."""
    child = student()
    billing = {
        "studentExternalId": child["externalId"],
        "issueDate": "2025-06-01",
        "dueDate": "2025-06-30",
        "currency": "USD",
        "status": "sent",
        # More than is applied before the pace is known.
        "notes": "x" * 1500,
    }
    lines = [{"code": f"FEE{number}", "amount": number} for number in range(1, 11)]
    documents = [{**billing, "externalId": unique("BIL"), "lines": lines} for _number in range(500)]
    with sandbox.started_with("--limit-time-cpu=6"):
        api = Admin(sandbox.url, sandbox.database).new_source().api
        ok(api.post("students", child), 201)
        created = Counter()
        for _time in range(20):
            response = api.post("billings", documents, headers={"Idempotency-Key": documents[0]["externalId"] + "K"})
            statuses = Counter(item["status"] for item in response.json()["items"])
            created["at once"] = max(created["at once"], statuses["created"])
            created["in all"] += statuses["created"]
            assert statuses["created"] + statuses["unchanged"] + statuses["notTried"] == len(documents), statuses
            if response.status_code == 200:
                break
            assert response.status_code == (207 if statuses["created"] else 503)
            assert statuses["notTried"] == response.json()["summary"]["notTried"]
        assert response.status_code == 200
    assert created["in all"] == len(documents)
    assert created["at once"] < len(documents)


def test_server_killed(sandbox, results):
    """Workers one by one, and now and then the whole server."""
    with Front(sandbox, "kill -9 of the server", results) as front:

        def kill():
            if front.rng.random() < 0.2:
                sandbox.wait_until_up()
                # At any moment of its work, not only when it has just come up.
                time.sleep(front.rng.uniform(0, 1.5))
                sandbox.kill_server()
                front.tally.count("injected", "of them of every process at once")
                return True
            return sandbox.kill_worker(front.rng)

        front.inject("kills", kill, times=110 if LONG else 5, pause=(0.1, 0.8))


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgres_restarted(sandbox, results, mode):
    with Front(sandbox, f"PostgreSQL restarted, {mode}", results) as front:

        def restart():
            sandbox.restart_postgres(mode)
            return True

        front.inject("restarts", restart, times=8 if LONG else 1, pause=(0.5, 1.5))


def test_backends_terminated(sandbox, results):
    """``pg_terminate_backend`` of what the server has open, at work or not."""
    tables = sandbox.tables()
    with Front(sandbox, "pg_terminate_backend", results) as front:

        def terminate():
            one = "ORDER BY random() LIMIT 1" if front.rng.random() < 0.7 else ""
            ended = tables.rows(
                "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                f" AND datname = current_database() AND backend_type = 'client backend' {one}) AS victim"
            )
            return bool(ended)

        front.inject("rounds", terminate, times=150 if LONG else 8, pause=(0.05, 0.3))


# Errors that PostgreSQL raises: forced in the middle of the work, or at its end, and made by a rival


RACED = ("school_tag", "school_parent_link", "school_parent", "school_student")
ANYWHERE = (
    "school_sync_binding",
    "school_sync_log",
    "school_parent",
    "school_student",
    "school_enrollment",
    "school_fee_installment",
    "school_billing",
    "school_billing_payment",
    "res_partner",
    "account_move",
    "account_move_line",
    "account_payment",
    "account_partial_reconcile",
)


class Saboteur:
    """Triggers that raise an error now and then, so many times: a sequence counts, whatever is rolled back."""

    def __init__(self, tables, sqlstate, *, on, at_commit, times):
        self.tables, self.on, self.times = tables, on, times
        self._change("CREATE SEQUENCE sabotage")
        self._change(
            f"""
            CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF random() < 0.08 AND nextval('sabotage') <= {times} THEN
                    RAISE EXCEPTION 'sabotage' USING ERRCODE = '{sqlstate}', TABLE = TG_TABLE_NAME;
                END IF;
                RETURN NULL;
            END $$
            """
        )
        kind, when = ("CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED") if at_commit else ("TRIGGER", "")
        # What is raced for is made, not changed.
        events = "INSERT" if sqlstate == "23505" else "INSERT OR UPDATE"
        for table in on:
            self._change(
                f"CREATE {kind} sabotage AFTER {events} ON {table} {when} FOR EACH ROW EXECUTE FUNCTION sabotage()"
            )

    def _change(self, statement):
        """Change the tables under a server at work, which may be in the way for a moment."""
        wait_until(lambda: self._can(statement), patience=60, pause=0.1)

    def _can(self, statement):
        try:
            self.tables.rows(statement)
        except psycopg2.errors.DeadlockDetected:
            return False
        return True

    def done(self):
        last, called = self.tables.rows("SELECT last_value, is_called FROM sabotage")[0]
        return min(last if called else 0, self.times)

    def remove(self):
        for table in self.on:
            self._change(f"DROP TRIGGER IF EXISTS sabotage ON {table}")
        self._change("DROP FUNCTION IF EXISTS sabotage()")
        self._change("DROP SEQUENCE IF EXISTS sabotage")


@pytest.mark.parametrize(
    ("sqlstate", "on", "at_commit"),
    [
        pytest.param("40001", ANYWHERE, False, id="serialization failure"),
        pytest.param("40001", ANYWHERE, True, id="serialization failure at commit"),
        pytest.param("40P01", ANYWHERE, False, id="deadlock"),
        pytest.param("55P03", ANYWHERE, False, id="lock not available"),
        pytest.param("23505", RACED, False, id="unique violation"),
    ],
)
def test_postgres_raises(sandbox, results, request, sqlstate, on, at_commit):
    name = f"forced {sqlstate}, {request.node.callspec.id}"
    times = 15 if LONG else 2
    tables = sandbox.tables()
    front = Front(sandbox, name, results)
    saboteur = Saboteur(tables, sqlstate, on=on, at_commit=at_commit, times=times)
    try:
        with front:
            wait_until(lambda: saboteur.done() == times or front.failures, patience=900, pause=0.2)
            front.tally.injected["errors"] = saboteur.done()
    finally:
        sandbox.wait_until_quiet(tables)
        saboteur.remove()


class Rival:
    """A second connection that holds what the server needs."""

    def __init__(self, sandbox):
        self.connection = psycopg2.connect(sandbox.dsn)
        self.cursor = self.connection.cursor()
        self.tables = sandbox.tables()

    def execute(self, query, *values):
        self.cursor.execute(query, values)

    def wait_until_it_waits(self):
        wait_until(
            lambda: self.tables.one(
                "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))",
                self.connection.get_backend_pid(),
            )
        )


@pytest.fixture
def rival(sandbox):
    sandbox.wait_until_up()
    one = Rival(sandbox)
    yield one
    one.connection.close()


@pytest.fixture
def sent(sandbox):
    """A source in the sandbox, and a way to send while something else is going on."""
    sandbox.wait_until_up()
    source = Admin(sandbox.url, sandbox.database).new_source()
    with ThreadPoolExecutor(4) as pool:
        yield source, lambda *args: pool.submit(source.api.post, *args)


def test_rival_changes_what_is_being_changed(rival, sent):
    """A real 40001: the binding that the server waits for is another one when it gets it."""
    source, send = sent
    document = parent()
    ok(source.api.post("parents", document), 201)
    rival.execute("UPDATE school_sync_binding SET version = 7 WHERE external_id = %s", document["externalId"])
    answer = send("parents", {**document, "name": "Changed"})
    rival.wait_until_it_waits()
    rival.connection.commit()

    assert ok(answer.result())["version"] == 8


def test_rival_makes_what_is_being_made(rival, sent):
    """A real 23505: the tag that the server makes is there when it gets on."""
    source, send = sent
    word = unique("Word")
    rival.execute("INSERT INTO school_tag (kind, name) VALUES ('language', %s)", word)
    answer = send("students", student(languages=[word]))
    rival.wait_until_it_waits()
    rival.connection.commit()

    assert ok(answer.result(), 201)["version"] == 1
    assert rival.tables.one("SELECT count(*) FROM school_tag WHERE name = %s", word) == 1


@pytest.mark.parametrize("commit", [True, False])
def test_rival_claims_the_same_identity(rival, sent, commit):
    """The same document in another transaction, which comes to something or not."""
    source, send = sent
    document = parent()
    rival.execute(
        "INSERT INTO school_sync_binding (source_id, company_id, entity, external_id, res_model, version)"
        " VALUES (%s, %s, 'parents', %s, 'school.parent', 0)",
        source.id,
        source.company_id,
        document["externalId"],
    )
    answer = send("parents", document)
    rival.wait_until_it_waits()
    rival.connection.commit() if commit else rival.connection.rollback()

    assert ok(answer.result(), 201)["version"] == 1
    assert ok(source.api.post("parents", document))["status"] == "unchanged"
    rows = rival.tables.rows("SELECT version FROM school_sync_binding WHERE external_id = %s", document["externalId"])
    assert rows == [(1,)]


def test_rival_locks_the_other_way_round(rival, sent):
    """A real 40P01: each holds what the other wants, and PostgreSQL ends one of them."""
    source, send = sent
    first, last = parent(externalId=unique("A")), parent(externalId=unique("Z"))
    ok(source.api.post("parents", [first, last]))
    lock = "SELECT id FROM school_sync_binding WHERE external_id = %s FOR UPDATE"
    rival.execute(lock, last["externalId"])
    answer = send("parents", [{**first, "name": "Changed"}, {**last, "name": "Changed"}])
    rival.wait_until_it_waits()
    with suppress(psycopg2.errors.DeadlockDetected):
        rival.execute(lock, first["externalId"])
    rival.connection.rollback()

    assert [item["version"] for item in ok(answer.result())["items"]] == [2, 2]


def test_rival_holds_the_table(rival, sandbox, sent):
    """A real 55P03: the server may not wait as long as the table is locked."""
    source, send = sent
    document = parent()
    rival.execute(f"ALTER DATABASE {sandbox.database} SET lock_timeout = '200ms'")
    rival.connection.commit()
    try:
        sandbox.kill_server()
        sandbox.wait_until_up()
        rival.execute("LOCK TABLE school_parent IN ACCESS EXCLUSIVE MODE")
        sender = Sender(sandbox.url, source.api.key, Tally("lock"))
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(sender.send, "POST", "/api/parents", document)
            rival.wait_until_it_waits()
            time.sleep(0.5)
            rival.connection.rollback()
            assert ok(answer.result(), 201)["version"] == 1
    finally:
        rival.connection.rollback()
        rival.execute(f"ALTER DATABASE {sandbox.database} RESET lock_timeout")
        rival.connection.commit()
        sandbox.kill_server()


# Senders that give up waiting, and send again while the first request is still at work


def test_sender_gives_up_too_early(sandbox, results):
    with Front(sandbox, "time-outs of the sender", results, hasty=True) as front:
        times = 250 if LONG else 40
        wait_until(lambda: front.tally.retries["timed out"] >= times or front.failures, patience=900, pause=0.1)
        front.tally.injected["time-outs"] = front.tally.retries["timed out"]
