"""What is around the service goes away and comes back: nothing is lost, no poll is disturbed."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import psycopg
import pytest
from tests.e2e.running import (
    Running,
    acknowledged,
    eventually,
    ids_in,
    is_undisturbed,
    meters,
    receiver,
    stored_since,
)
from tests.postgres import PASSWORD, Postgres, start_postgres
from tests.sinks.mqtt_broker import Mosquitto, broker

from energymeter.store.postgres import PostgresStore

LISTENER = "listener"
"""Whose messages the broker keeps while nobody takes them."""


def _site(simulated_entries: str, port: int, *more: str) -> str:
    return "\n".join(
        [
            'name = "plant"\n[web]\nlisten = "{listen}"',
            f'[[sink]]\ntype = "webhook"\nurl = "http://127.0.0.1:{port}/"',
            *more,
            simulated_entries,
        ]
    )


def test_a_receiver_that_was_away_gets_everything_and_polls_go_on(running: Running) -> None:
    with meters(3) as simulated, receiver() as hook:
        running.write(_site(simulated.entries("200ms"), hook.port))
        running.start()
        eventually(lambda: hook.ids, "readings arrive")
        hook.stop()
        eventually(lambda: running.sink("webhook")["fault"], "the sink is missed")
        eventually(lambda: running.sink("webhook")["waiting"] > 30, "readings wait")
        is_undisturbed(running)
        hook.start()
        eventually(lambda: not running.sink("webhook")["fault"], "it is back", 70.0)
        assert running.sink("webhook")["dropped"] == 0
        is_undisturbed(running)
        assert running.stop() == 0
        assert acknowledged(running.store) <= set(hook.ids)
    assert "sink webhook: works again after" in running.text()


def test_a_disk_that_takes_nothing_is_told_and_recovers(running: Running) -> None:
    with meters(2) as simulated, receiver() as hook:
        running.write(_site(simulated.entries("200ms"), hook.port))
        running.start()
        eventually(lambda: stored_since(running.store, datetime.min.replace(tzinfo=UTC)), "stored")
        no_more = 4096
        unlimited = resource.RLIM_INFINITY
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (no_more, unlimited))
        eventually(lambda: running.status()["store"]["fault"], "the fault is told")
        had = len(hook.ids)
        eventually(lambda: len(hook.ids) > had + 20, "it goes on passing on")
        assert running.status()["store"]["waiting"] > 0
        is_undisturbed(running)
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        eventually(lambda: not running.status()["store"]["fault"], "it recovers", 60.0)
        assert running.stop() == 0
        passed_on = set(hook.ids)
    assert passed_on <= acknowledged(running.store)
    assert "takes readings again" in running.text()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    found = start_postgres()
    try:
        yield found
    finally:
        found.remove()


@pytest.fixture
def database(server: Postgres, request: pytest.FixtureRequest) -> str:
    """The address of a database of the test's own."""
    name = f"t{abs(hash(request.node.nodeid))}"
    try:
        server.sql(f"CREATE DATABASE {name}")
    except psycopg.OperationalError:  # the test before did not come to its end
        server.start()
        server.sql(f"CREATE DATABASE {name}")
    return server.url.removesuffix("postgres") + name


def _stored(database: str) -> list[str]:
    with PostgresStore(database) as store:
        return ids_in(store)


def _postgres(database: str) -> str:
    return f'[store]\ntype = "postgres"\nurl = "{database}"'


def test_a_database_that_crashed_gets_everything_once_it_is_back(
    running: Running, server: Postgres, database: str
) -> None:
    with meters(3) as simulated, receiver() as hook:
        running.write(_site(simulated.entries("200ms"), hook.port, _postgres(database)))
        running.start()
        eventually(running.has_stored, "stored")
        server.stop(at_once=True)
        eventually(lambda: running.status()["store"]["fault"], "the fault is told")
        assert running.get("/health")["state"] == "degraded"
        had = len(hook.ids)
        eventually(lambda: len(hook.ids) > had + 40, "it goes on passing on")
        store = running.status()["store"]
        assert store["waiting"] >= 30
        assert store["dropped"] == 0
        assert store["fault_since"] is not None
        assert "cannot be reached" in store["fault"]
        is_undisturbed(running)
        server.start()
        eventually(lambda: not running.status()["store"]["fault"], "it is back", 40.0)
        eventually(lambda: running.status()["store"]["waiting"] < 10, "it has caught up")
        assert running.get("/health")["state"] == "ok"
        is_undisturbed(running)
        assert running.stop() == 0
        passed_on = set(hook.ids)
    stored = _stored(database)
    assert set(stored) == passed_on
    # The one that was on its way when the server crashed may have come twice.
    assert len(stored) - len(passed_on) <= 30
    assert running.text().count("polls wait on the disk and go on") == 1
    assert running.text().count("the store takes readings again") == 1
    assert PASSWORD not in running.text()


def test_a_service_that_is_restarted_while_its_database_is_away_loses_nothing(
    running: Running, server: Postgres, database: str
) -> None:
    with meters(2) as simulated, receiver() as hook:
        running.write(_site(simulated.entries("200ms"), hook.port, _postgres(database)))
        running.start()
        eventually(running.has_stored, "stored")
        server.stop(at_once=True)
        eventually(lambda: running.status()["store"]["waiting"] > 10, "polls wait")
        begun = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - begun < 15
        had = len(hook.ids)
        # The next one never sees the database, and does not end in good order.
        running.start()
        eventually(lambda: len(hook.ids) > had + 10, "it polls again")
        eventually(lambda: running.status()["store"]["waiting"] > 20, "more polls wait")
        running.kill()
        running.start()
        eventually(lambda: running.get("/health"), "it is there again")
        is_there = running.status()["store"]
        assert is_there["waiting"] > 20
        server.start()
        eventually(lambda: running.status()["store"]["stored"] > 30, "they are brought", 40.0)
        assert running.stop() == 0
        passed_on = set(hook.ids)
    stored = _stored(database)
    assert passed_on - set(stored) == set()
    assert set(stored) - passed_on == set()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    lines = (
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder}/",
        "max_queued_messages 0",
    )
    with broker(folder, lines) as found:
        yield found


async def _taken(port: int, wanted: set[str]) -> list[str]:
    """What the broker has kept for the listener, in order, until all that is wanted is there."""
    found: list[str] = []
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier=LISTENER, clean_session=False
    ) as client:
        await client.subscribe("energymeter/plant/+/state", qos=1)
        if not wanted:
            return found
        async with asyncio.timeout(10):
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                found.append(json.loads(message.payload)["id"])
                if wanted <= set(found):
                    break
    return found


def test_a_broker_that_was_away_gets_everything_once_it_is_back(
    running: Running, mosquitto: Mosquitto
) -> None:
    asyncio.run(_taken(mosquitto.port, set()))
    sink = f'[[sink]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {mosquitto.port}'
    with meters(3) as simulated, receiver() as hook:
        running.write(_site(simulated.entries("200ms"), hook.port, sink))
        running.start()
        eventually(running.has_stored, "stored")
        eventually(lambda: running.sink("mqtt")["sent"] > 10, "readings arrive")
        mosquitto.stop(signal.SIGTERM)
        eventually(lambda: running.sink("mqtt")["fault"], "the broker is missed")
        eventually(lambda: running.sink("mqtt")["waiting"] > 40, "readings wait")
        assert running.sink("mqtt")["dropped"] == 0
        is_undisturbed(running)
        mosquitto.start()
        eventually(lambda: not running.sink("mqtt")["fault"], "it is back", 40.0)
        eventually(lambda: running.sink("mqtt")["waiting"] < 10, "it has caught up")
        is_undisturbed(running)
        assert running.stop() == 0
        made = acknowledged(running.store)
    arrived = asyncio.run(_taken(mosquitto.port, made))
    assert set(arrived) == made == set(hook.ids)
    for number in range(3):
        times = [int(each.partition("-")[2]) for each in arrived if each.startswith(f"m{number}-")]
        first = list(dict.fromkeys(times))
        assert first == sorted(first)
    assert "sink mqtt: works again after" in running.text()
