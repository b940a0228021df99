"""The stores that are put through the same tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.postgres import Postgres, schema_of, start_postgres
from tests.store.support import MakeStore

from energymeter.store import SqliteStore, Store
from energymeter.store.postgres import PostgresStore


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = start_postgres()
    yield server
    server.remove()


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def make(request: pytest.FixtureRequest) -> MakeStore:
    """Makes, or opens again, the store of a folder."""
    if request.param == "sqlite":
        return lambda folder: SqliteStore(folder / "site.db", survives_power_loss=False)
    server: Postgres = request.getfixturevalue("postgres")
    return lambda folder: PostgresStore(server.url, schema=schema_of(folder))


@pytest.fixture
def reopened(make: MakeStore, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the store of this test, as often as asked."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(make(tmp_path)))


@pytest.fixture
def store(reopened: Callable[[], Store]) -> Store:
    return reopened()
