import os
from pathlib import Path

import pytest
from faults import Results
from support import Admin, Api, ServerLog, Tables


def setting(name):
    value = os.environ.get(name)
    if not value:
        pytest.exit(f"{name} is not set: these tests need a running server; ./dev test starts one", returncode=4)
    return value


@pytest.fixture(scope="session")
def url():
    return setting("SCHOOL_SYNC_URL")


@pytest.fixture(scope="session")
def database():
    return setting("SCHOOL_SYNC_DB")


@pytest.fixture(scope="session")
def api(url):
    """PowerSchool, which may write."""
    return Api(url, setting("SCHOOL_SYNC_KEY"))


@pytest.fixture(scope="session")
def nobody(url):
    """A client without a key."""
    return Api(url)


@pytest.fixture(scope="session")
def admin(url, database):
    return Admin(url, database)


@pytest.fixture
def fresh(admin):
    """A source that has sent nothing yet."""
    return admin.new_source()


@pytest.fixture
def hurried(admin):
    """A source whose uploads must arrive within a second."""
    return admin.new_source(upload_seconds=1)


@pytest.fixture(scope="session")
def tables():
    return Tables(setting("SCHOOL_SYNC_DSN"))


@pytest.fixture
def server_log():
    return ServerLog()


@pytest.fixture
def nothing_written(tables):
    """The test ends with as many rows as it began with."""
    before = tables.counts()
    yield
    assert tables.counts() == before


@pytest.fixture(scope="session")
def results():
    """The table of what the long tests came to."""
    return Results(Path(setting("SCHOOL_SYNC_DEV")).parent / ".dev" / "log")
