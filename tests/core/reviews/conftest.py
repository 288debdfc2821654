"""The review store on SQLite and on PostgreSQL: the same tests run on both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.reviews.store.database import URL_VARIABLE
from core.reviews.store.store import ReviewStore
from tests.core.reviews.postgres import NO_SERVER, empty_database, find_server, running_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server, without a database."""
    if find_server() is None:
        pytest.skip(NO_SERVER)
    with running_server() as address:
        yield address


@pytest.fixture
def postgres(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty PostgreSQL database that `ReviewStore.open` uses from now on."""
    url = empty_database(request.getfixturevalue("postgres_server"))
    monkeypatch.setenv(URL_VARIABLE, url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a workspace has its reviews, on each kind of database."""
    if request.param == "postgresql":
        request.getfixturevalue("postgres")
    return tmp_path / "new" / "reviews.db"


@pytest.fixture
def store(path: Path) -> Iterator[ReviewStore]:
    """An empty store on each kind of database."""
    store = ReviewStore.open(path)
    yield store
    store.close()
