"""Under fire: the server, PostgreSQL and the connections between them die while families are being sent.

The senders send again until they are answered. At the end, what was acknowledged is there exactly once: every record,
every invoice, every payment, every line of the log; and the books balance.
"""

import contextlib
import os
import random
import threading
import time

import psycopg2
import pytest
from families import Audit, Book, Step, Story
from faults import LONG, Results, Sandbox, Sender, Tally, wait_until
from support import Admin, ok, parent, student, unique

SENDERS = 4


@pytest.fixture(scope="session")
def results():
    return Results()


@pytest.fixture(scope="module")
def sandbox():
    box = Sandbox(os.environ["SCHOOL_SYNC_DEV"])
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

    def __exit__(self, *exc):
        self._enough.set()
        for thread in self._threads:
            thread.join()
        tables = self.sandbox.tables()
        self.sandbox.wait_until_quiet(tables)
        assert not self.failures, self.failures
        self.audit.check(tables, self.book, self.tally)
        self.results.add(self.tally)
        print(self.tally.row())
        self.tally.assert_clean()

    def _work(self, prefix, number):
        rng = random.Random(f"{prefix} {number}")
        sender = Sender(self.sandbox.url, self.source.api.key, self.tally, rng=rng, hasty=self.hasty)
        count = 0
        try:
            while not self._enough.is_set():
                count += 1
                for step in Story(f"{prefix}-{count}", rng).steps():
                    self._take(sender, step)
                    if rng.random() < 0.1:
                        self._replay(sender, step)
        except Exception as exc:  # a thread's exception is the test's
            self.failures.append(exc)

    def _take(self, sender, step):
        self.book.settle(step, sender.send(step.method, step.path, step.payload, key=step.key))

    def _replay(self, sender, step):
        """The same once more, as a sender does that lost its own notes: nothing may come of it."""
        again = sender.send(step.method, step.path, step.payload, key=step.key)
        if step.stale != (again.status_code == 409) or again.status_code not in (200, 201, 409):
            self.tally.oddities.append(f"replay of {step.path} answered {again.status_code}: {again.text}")

    def inject(self, what, action, *, times, pause):
        """Do ``action`` some times, ``pause`` seconds (from, to) apart, while the senders send."""
        while self.tally.injected[what] < times and not self.failures:
            time.sleep(self.rng.uniform(*pause))
            if action():
                self.tally.count("injected", what)


def test_server_killed(sandbox, results):
    """Workers one by one, and now and then the whole server."""
    with Front(sandbox, "kill -9 of the server", results) as front:

        def kill():
            if front.rng.random() < 0.3:
                sandbox.wait_until_up()
                # At any moment of its work, not only when it has just come up.
                time.sleep(front.rng.uniform(0, 1.5))
                sandbox.kill_server()
                front.tally.count("injected", "of them of every process at once")
                return True
            return sandbox.kill_worker(front.rng)

        front.inject("kills", kill, times=120 if LONG else 6, pause=(0.1, 1.2))


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgres_restarted(sandbox, results, mode):
    with Front(sandbox, f"PostgreSQL restarted, {mode}", results) as front:

        def restart():
            sandbox.restart_postgres(mode)
            return True

        front.inject("restarts", restart, times=25 if LONG else 2, pause=(0.5, 1.5))


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

        front.inject("rounds", terminate, times=200 if LONG else 12, pause=(0.05, 0.3))
