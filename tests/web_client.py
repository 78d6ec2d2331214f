"""Odoo's web client in a real Chromium: for the tests in a browser, and for the pictures of docs/."""

import contextlib
import os
import resource
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, sync_playwright

SIZE = {"width": 1400, "height": 900}
FLAGS = [
    # Root has no sandbox, and an ordinary user has one only where the kernel allows it.
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium that ./dev found or fetched."""
    with unlimited_memory(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["SCHOOL_SYNC_CHROMIUM"], args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def unlimited_memory() -> Iterator[None]:
    """Programs started in this block may reserve as much address space as they like, as Chromium does: it traps else.

    Where tests of the addon run in the same process, Odoo has limited it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def log_in(page: Page, url: str, login: str = "admin", password: str = "admin") -> None:
    page.goto(f"{url}/web/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_selector(".o_main_navbar")
