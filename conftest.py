"""Tests that run in several processes at once: each process has databases and a server of its own."""

import json
import os

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config):
    """Take what ./dev made for this process of pytest-xdist, before pytest-odoo opens the database that it is told."""
    # Without this variable, pytest-odoo makes no copy of the database for the process.
    name = os.environ.pop("PYTEST_XDIST_WORKER", None)
    if name:
        own = json.loads(os.environ["SCHOOL_SYNC_PROCESSES"])[int(name.removeprefix("gw"))]
        os.environ.update(own)
        if "SCHOOL_SYNC_ADDON_DB" in own:
            config.option.odoo_database = own["SCHOOL_SYNC_ADDON_DB"]
    return (yield)
