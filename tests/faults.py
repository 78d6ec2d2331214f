"""What the tests under fire share: a server and a PostgreSQL of their own to kill, and a sender that never gives up."""

import contextlib
import ctypes
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import psutil
import psycopg2
import requests
from support import Api, Tables, check_envelope

LONG = bool(os.environ.get("SCHOOL_SYNC_LONG"))
PATIENCE = 240


def die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def wait_until(condition, *, patience=60, pause=0.05):
    """:return: the first true value of ``condition()``; a PostgreSQL that is away counts as not yet"""
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(psycopg2.OperationalError, psycopg2.InterfaceError):
            if value := condition():
                return value
        assert time.monotonic() < deadline, f"waited {patience} s in vain"
        time.sleep(pause)


class Sandbox:
    """An Odoo server with its own PostgreSQL, to be killed; the server is started again as a supervisor would."""

    def __init__(self, name):
        """:param name: tells it from those of other tests, which may run at the same time"""
        made = subprocess.run(
            [os.environ["SCHOOL_SYNC_DEV"], "sandbox", name], stdout=subprocess.PIPE, check=True, timeout=600
        )
        self._how = json.loads(made.stdout)
        self.url, self.database, self.dsn = self._how["url"], self._how["database"], self._how["dsn"]
        self._server = None
        self._options = ()
        self._closing = threading.Event()
        self._lock = threading.RLock()
        self._log = open(self._how["log"], "wb")
        self.start_server()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()
        self.wait_until_up()

    def close(self):
        self._closing.set()
        self._supervisor.join()
        self.kill_server()
        self._log.close()
        self._pg(self._how["stop"]["immediate"])

    def start_server(self):
        with self._lock:
            self._server = subprocess.Popen(
                [*self._how["server"], *self._options],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def _supervise(self):
        while not self._closing.wait(0.1):
            with self._lock:
                if self._server.poll() is not None:
                    self.start_server()

    def is_up(self):
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/api/health", timeout=5).status_code == 200
        return False

    def wait_until_up(self):
        wait_until(self.is_up, patience=180)

    def kill_server(self):
        """``kill -9`` of every process of the server at once."""
        with self._lock:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()

    @contextlib.contextmanager
    def started_with(self, *options):
        """The server runs with further ``options`` meanwhile."""
        self._options = options
        self.kill_server()
        self.wait_until_up()
        yield
        self._options = ()
        self.kill_server()
        self.wait_until_up()

    def kill_worker(self, rng):
        """``kill -9`` of one process that serves, which the master replaces.

        :return: whether there was one
        """
        with self._lock, contextlib.suppress(psutil.NoSuchProcess):
            workers = [
                child
                for child in psutil.Process(self._server.pid).children()
                if "gevent" not in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE
            ]
            if workers:
                rng.choice(workers).kill()
                return True
        return False

    def restart_postgres(self, mode):
        """:param mode: ``fast`` ends every session, ``immediate`` is as a crash of the machine"""
        self._pg(self._how["stop"][mode])
        self._pg(self._how["start"])

    def _pg(self, command):
        done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def tables(self):
        return wait_until(lambda: Tables(self.dsn))

    def wait_until_quiet(self, tables):
        """Wait until what was given up by its sender has ended as well."""
        busy = """
            SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND backend_type = 'client backend' AND state <> 'idle'
        """
        quiet = 0
        while quiet < 5:
            quiet = 0 if tables.one(busy) else quiet + 1
            time.sleep(0.1)


@dataclass
class Tally:
    """What one run under fire came to; senders on several threads count into it."""

    name: str
    injected: Counter = field(default_factory=Counter)
    counts: Counter = field(default_factory=Counter)
    retries: Counter = field(default_factory=Counter)
    duplicates: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    oddities: list = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, counter, key):
        with self._lock:
            getattr(self, counter)[key] += 1

    def row(self):
        return {
            "fault": self.name,
            "injected": dict(self.injected),
            "requests sent": self.counts["sent"],
            "retries": self.retries.total(),
            "retried because": dict(self.retries),
            "acknowledged": self.counts["acknowledged"],
            "documents": self.counts["documents"],
            "duplicates": len(self.duplicates),
            "losses": len(self.losses),
            "seconds": round(self.seconds),
        }

    def assert_clean(self):
        assert not self.duplicates, self.duplicates[:10]
        assert not self.losses, self.losses[:10]
        assert not self.oddities, self.oddities[:10]


class Results:
    """The table of the long form. A later run of a part of it replaces the rows of that part."""

    COLUMNS = (
        "fault",
        "injected",
        "requests sent",
        "retries",
        "acknowledged",
        "documents",
        "duplicates",
        "losses",
        "seconds",
    )

    def __init__(self, folder):
        self.file = folder / "reliability.json"
        self.rows = json.loads(self.file.read_text()) if self.file.exists() else {}

    def add(self, tally):
        tally.seconds = time.monotonic() - tally.started
        if LONG:
            self.rows[tally.name] = tally.row()
            self.file.write_text(json.dumps(self.rows, indent=2) + "\n")
            self.file.with_suffix(".md").write_text(self.as_markdown())

    def as_markdown(self):
        lines = [self.COLUMNS, ["---"] * len(self.COLUMNS)]
        for row in self.rows.values():
            injected = ", ".join(f"{count:,} {what}" for what, count in row["injected"].items())
            lines.append([injected if name == "injected" else row[name] for name in self.COLUMNS])
        cells = ([f"{cell:,}" if isinstance(cell, int) else cell for cell in line] for line in lines)
        return "".join(f"| {' | '.join(line)} |\n" for line in cells)


class CountedApi(Api):
    """A client whose requests are counted."""

    def __init__(self, api, tally):
        super().__init__(api.url, api.key)
        self.tally = tally

    def request(self, *args, **options):
        response = super().request(*args, **options)
        self.tally.count("counts", "sent")
        if response.status_code < 400 and response.request.method in ("POST", "DELETE"):
            self.tally.count("counts", "acknowledged")
        return response


class Sender:
    """A client as docs/api.md asks for: it sends the same again, with growing pauses, until it is answered."""

    def __init__(self, url, key, tally, *, rng=None, hasty=False):
        """:param hasty: gives up on its first attempts long before the server can answer"""
        self.api = Api(url, key)
        self.tally = tally
        self.rng = rng or random.Random(0)
        self.hasty = hasty

    def send(self, method, path, payload=None, *, key=None):
        """:return: the answer that settles the request, which is neither busy nor an error of the server"""
        headers = {"Content-Type": "application/json"} if payload is not None else {}
        if key:
            headers["Idempotency-Key"] = key
        body = json.dumps(payload).encode() if payload is not None else None
        deadline = time.monotonic() + PATIENCE
        attempt = 0
        while True:
            attempt += 1
            response, reason = self._try(method, path, headers, body, attempt)
            if reason is None:
                self.tally.count("counts", "acknowledged" if response.status_code < 400 else "refused")
                return response
            self.tally.count("retries", reason)
            last = f"{reason}: {response.text[:300]}" if response is not None else reason
            assert time.monotonic() < deadline, f"{method} {path} had no answer in {PATIENCE} s; the last was {last}"
            time.sleep(self._pause(response, attempt))

    def _try(self, method, path, headers, body, attempt):
        """:return: the response, if any, and why to send again, or None"""
        self.tally.count("counts", "sent")
        timeout = self.rng.uniform(0.005, 0.25) if self.hasty and attempt < 4 else 60
        try:
            response = self.api.request(method, path, headers=headers, data=body, timeout=(10, timeout), envelope=False)
        except requests.Timeout:
            return None, "timed out"
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            return None, "connection broken"
        if len(response.content) != int(response.headers.get("Content-Length", -1)):
            # The server died between the head of its answer and the body; requests does not mind.
            return None, "connection broken"
        try:
            check_envelope(response)
        except (AssertionError, KeyError, ValueError) as exc:
            answer = f"{response.status_code} {dict(response.headers)} {response.text[:1000]}"
            raise AssertionError(f"{method} {path} was answered outside the contract: {answer}") from exc
        if response.status_code >= 500 or response.status_code in (408, 429):
            return response, f"answered {response.status_code}"
        if response.status_code == 409 and "Retry-After" in response.headers:
            return response, "still running"
        return response, None

    def _pause(self, response, attempt):
        if response is not None and "Retry-After" in response.headers:
            return float(response.headers["Retry-After"])
        return min(2, 0.05 * 2**attempt) * self.rng.uniform(0.5, 1)
