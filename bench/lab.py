"""Where measurements are made: databases, servers and shells, started by `./dev`'s own means when first asked for."""

import contextlib
import os
import subprocess
import sys
import tempfile
from functools import cached_property
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from multiprocessing.connection import Listener
from pathlib import Path

import psycopg2
from clients import Api, Json2, XmlRpc

HERE = Path(__file__).resolve().parent
_IN_SHELL = "import sys; sys.path.insert(0, {folder!r}); import baselines; baselines.serve(env, {address!r})\n"


def _load_dev():
    loader = SourceFileLoader("dev", str(HERE.parent / "dev"))
    module = module_from_spec(spec_from_loader("dev", loader))
    sys.modules["dev"] = module
    loader.exec_module(module)
    return module


dev = _load_dev()


class Site:
    """A database, the server that serves it, and a shell on it."""

    def __init__(self, shop, stack: contextlib.ExitStack, database: str, workers: int):
        self._shop, self._stack, self._workers = shop, stack, workers
        self.database = database

    #: the source that the clients speak for
    source = dev.SOURCE

    @cached_property
    def _server(self):
        return self._stack.enter_context(self._shop.server(self.database, self._workers, "--max-cron-threads=0"))

    @cached_property
    def _settings(self) -> dict[str, str]:
        return self._shop.client_environ(self._server)

    @cached_property
    def api(self) -> Api:
        return self.new_client()

    def new_client(self) -> Api:
        return Api(self._server.url, self._settings["SCHOOL_SYNC_KEY"])

    @cached_property
    def json2(self) -> Json2:
        return Json2(self._server.url, self._admin[0])

    @cached_property
    def xmlrpc(self) -> XmlRpc:
        return XmlRpc(self._server.url, self.database)

    @property
    def currency(self) -> str:
        return self._admin[1]

    @cached_property
    def _admin(self):
        return self.shell("make_key")

    @cached_property
    def connection(self):
        """A connection to the database, which commits by itself."""
        connection = psycopg2.connect(self._settings["SCHOOL_SYNC_DSN"])
        connection.autocommit = True
        self._stack.callback(connection.close)
        return connection

    def query(self, query: str, *values) -> list[tuple]:
        with self.connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def shell(self, name: str, *arguments):
        """What function ``name`` of :mod:`baselines` returns in `odoo shell`."""
        self._shell.send((name, arguments))
        result, failure = self._shell.recv()
        if failure:
            raise RuntimeError(f"{name} failed in the shell on {self.database}:\n{failure}")
        return result

    @cached_property
    def _shell(self):
        address = os.path.join(self._stack.enter_context(tempfile.TemporaryDirectory()), "shell")
        listener = self._stack.enter_context(Listener(address, "AF_UNIX"))
        child = subprocess.Popen(
            self._shop.odoo_command("shell", "-d", self.database, "--no-http", "--log-level=warn"),
            env=self._shop.environ,
            stdin=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=dev.die_with_parent,
        )
        self._stack.enter_context(dev.ending(child))
        # It ends by itself when the connection, which is closed before this is called, does.
        self._stack.callback(child.wait, 20)
        child.stdin.write(_IN_SHELL.format(folder=str(HERE), address=address).encode())
        child.stdin.close()
        return self._stack.enter_context(listener.accept())

    def worker_memory(self) -> float:
        """The private memory of the server's one HTTP worker, in MiB."""
        pid = self._server.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        # The other child, started by the command `gevent`, serves web sockets.
        (worker,) = (child for child in children if "\0gevent\0" not in Path(f"/proc/{child}/cmdline").read_text())
        rollup = Path(f"/proc/{worker}/smaps_rollup").read_text()
        return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")) / 1024


class Lab:
    """Every site of a run. ``scale`` is how much of the usual amounts is measured, ``rounds`` how often."""

    def __init__(self, stack: contextlib.ExitStack, scale: float, rounds: int, workers: int):
        self._stack, self._workers, self.scale, self.rounds = stack, workers, scale, rounds
        self._sites: dict[str, Site] = {}
        self.shop = dev.Workshop()

    def amount(self, usual: int, least: int = 1) -> int:
        return max(least, round(usual * self.scale))

    def site(self, name: str, workers: int | None = None) -> Site:
        """The site ``name``, on a fresh database."""
        if name not in self._sites:
            database = self.shop.fresh_database(f"bench_{name}")
            self._stack.callback(self.shop.drop, database)
            self._sites[name] = Site(self.shop, self._stack, database, workers or self._workers)
        return self._sites[name]

    def site_without_addon(self) -> Site:
        """A site with the addons of Odoo that ours depends on, and without ours. It has a shell, and no server."""
        if "without" not in self._sites:
            database = f"bench_without{self.shop.suffix}"
            self.shop.drop(database)
            base, _depends = self.shop.base()
            self.shop.finish(self.shop.create(database, base), database)
            self._stack.callback(self.shop.drop, database)
            self._sites["without"] = Site(self.shop, self._stack, database, 0)
        return self._sites["without"]
