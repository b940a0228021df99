"""A server that is away, comes back, crashes, or does not let us in."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres import PASSWORD, Postgres, schema_of, start_postgres
from tests.store.support import FAR, START, plant_poll, rows_kept

from energymeter.store import StoreError
from energymeter.store.errors import StoreUnavailableError
from energymeter.store.postgres import PostgresStore

QUOTED = "watt%2Fhour%207"


@pytest.fixture(scope="module")
def fragile() -> Iterator[Postgres]:
    """A server that the tests of this file stop."""
    server = start_postgres()
    yield server
    server.remove()


@pytest.fixture
def server(fragile: Postgres) -> Iterator[Postgres]:
    yield fragile
    fragile.stop()
    fragile.start()


@pytest.fixture
def schema(tmp_path: Path) -> str:
    return schema_of(tmp_path)


def test_a_server_that_was_stopped_and_started_is_found_again(
    server: Postgres, schema: str
) -> None:
    with PostgresStore(server.url, schema=schema) as store:
        store.append([plant_poll(0, 0)])
        assert len(store.latest()) == 1
        server.stop()
        for _ in range(2):
            with pytest.raises(StoreUnavailableError) as caught:
                store.append([plant_poll(1, 1)])
            assert caught.value.retryable
            with pytest.raises(StoreUnavailableError):
                store.latest()
            with pytest.raises(StoreUnavailableError):
                store.check()
        server.start()
        store.append([plant_poll(1, 1), plant_poll(1, 1, "new")])
        found = store.history("main", "active_energy_import", START, FAR)
        assert found is not None
        assert found.values == [0, 1]


def test_a_restart_between_two_calls_is_not_noticed(server: Postgres, schema: str) -> None:
    with PostgresStore(server.url, schema=schema) as store:
        for n in range(3):
            store.append([plant_poll(n, n)])
            assert len(rows_kept(store, "main", "voltage")) == n + 1
            server.stop(at_once=bool(n % 2))
            server.start()
        assert store.latest()["main"].values[1] == 2


def test_connections_that_an_operator_ended_are_made_again(server: Postgres, schema: str) -> None:
    with PostgresStore(server.url, schema=schema) as store:
        store.append([plant_poll(0)])
        assert len(store.latest()) == 1
        server.sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'energymeter'"
        )
        store.append([plant_poll(1)])
        assert len(rows_kept(store, "main", "voltage")) == 2


def test_nothing_acknowledged_is_lost_when_the_server_crashes(
    server: Postgres, schema: str
) -> None:
    acknowledged: list[int] = []
    failures: list[BaseException] = []
    goes_on = threading.Event()

    def write(store: PostgresStore) -> None:
        number = 0
        try:
            while True:
                batch = range(number, number + 50)
                store.append([plant_poll(n, n, meter) for n in batch for meter in ("a", "b")])
                number = batch.stop
                acknowledged.append(number)
                goes_on.set()
        except BaseException as error:
            failures.append(error)

    with PostgresStore(server.url, schema=schema) as store:
        writer = threading.Thread(target=write, args=(store,))
        writer.start()
        assert goes_on.wait(10)
        time.sleep(0.1)
        server.stop(at_once=True)
        writer.join(10)
        assert [type(error) for error in failures] == [StoreUnavailableError]
        server.start()
        for meter in ("a", "b"):
            found = store.history(meter, "active_energy_import", START, FAR)
            assert found is not None
            kept = len(found)
            # Whole batches; the one under way when it crashed may be there.
            assert found.values == list(range(kept))
            assert kept in {acknowledged[-1], acknowledged[-1] + 50}
            assert store.latest()[meter].values[1] == kept - 1
        store.append([plant_poll(10**6, 0, "a")])
        assert store.check() == []


def test_a_server_that_is_not_there_is_told_at_once(server: Postgres, schema: str) -> None:
    server.stop()
    with pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{server.port}"):
        PostgresStore(server.url, schema=schema)


def test_a_standby_that_only_reads_is_asked_again_later(server: Postgres, schema: str) -> None:
    with PostgresStore(server.url, schema=schema) as store:
        store.append([plant_poll(0)])
    url = f"{server.url}?options=-c%20default_transaction_read_only%3Don"
    with pytest.raises(StoreUnavailableError):
        PostgresStore(url, schema=f"{schema}x")


def test_a_closed_store_takes_and_gives_nothing(fragile: Postgres, schema: str) -> None:
    store = PostgresStore(fragile.url, schema=schema)
    store.close()
    store.close()
    for call in (lambda: store.append([plant_poll(0)]), store.latest, store.check):
        with pytest.raises(StoreError, match="closed"):
            call()


def _wrong(url: str) -> list[str]:
    """Addresses that lead nowhere, with a password that is not to be seen."""
    secret = "hunter2%2F"
    return [
        url.replace(QUOTED, secret),
        url.replace(QUOTED, secret).replace("/postgres?", "/nowhere?") + "x",
        url.replace(QUOTED, secret).replace("127.0.0.1", "127.0.0.1:99999"),
        url.replace(QUOTED, f"{secret}@{secret}"),
        f"postgresql://keeper:{secret}@[::1/postgres",
        f"postgresql://keeper:{secret}@127.0.0.1/postgres?nonsense=1",
        f"host=127.0.0.1 password = hunter2/ {secret}",
        f"hunter2/ {secret}",
        f"{url}@hunter2",
        url.replace(QUOTED, "hunter2/more"),
        url.replace(QUOTED, "12/hunter2"),
        url.replace(QUOTED, "hunter2@more"),
        url.replace(QUOTED, "a?hunter2=b"),
        url.replace(QUOTED, "%hunter2"),
    ]


@pytest.mark.parametrize("which", range(14))
def test_no_message_no_traceback_and_no_log_has_the_password(
    fragile: Postgres, schema: str, which: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(StoreError) as caught:
        PostgresStore(_wrong(fragile.url)[which], schema=schema)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert "hunter2" not in told
    assert PASSWORD not in told
    assert "\n" not in caught.value.message


def test_the_password_is_taken_out_of_what_the_server_says(fragile: Postgres, schema: str) -> None:
    with PostgresStore(fragile.url, schema=schema) as store:
        store.append([plant_poll(0)])
        fragile.sql(
            f"CREATE FUNCTION {schema}.tell() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$BEGIN RAISE 'the password is {PASSWORD} or {QUOTED}%', ''; END$$".replace(
                "%20", "%%20"
            ).replace("%2F", "%%2F")
        )
        fragile.sql(
            f"CREATE TRIGGER tell BEFORE UPDATE ON {schema}.latest "
            f"FOR EACH ROW EXECUTE FUNCTION {schema}.tell()"
        )
        with pytest.raises(StoreError, match=r"the password is \*\*\* or \*\*\*") as caught:
            store.append([plant_poll(1)])
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))
