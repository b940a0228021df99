"""What the screen is told by a service over real sockets is what a desk in its process tells."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from tests.cli.programs import free_port, silent_server
from tests.tui.sites import meter, plant, read_again, showing, silent
from tests.web.serving import bench
from tests.web.site_of import NOW, meter_of, point, report_of, snapshot_of

from energymeter.errors import ConfigError
from energymeter.reader import Quality
from energymeter.service.events import Level, Topic
from energymeter.service.snapshot import Snapshot
from energymeter.tui.desk_source import DeskSource
from energymeter.tui.http_client import HttpClient, NotThereError
from energymeter.tui.http_source import HttpSource
from energymeter.tui.source import MeterRow, Overview, SourceLostError
from energymeter.values import DataType

TOKEN = "a-token-nobody-guesses"


@asynccontextmanager
async def served(snapshot: Snapshot) -> AsyncGenerator[HttpSource]:
    async with bench(snapshot) as running:
        source = HttpSource(HttpClient(str(running.server)))
        try:
            yield source
        finally:
            await source.close()


async def ask(
    url: str, path: str = "/health", *, token: str | None = None, timeout_s: float = 5
) -> Any:
    client = HttpClient(url, token=token, timeout_s=timeout_s)
    try:
        return await client.get(path)
    finally:
        await client.close()


def lost(url: str, timeout_s: float = 5) -> str:
    with pytest.raises(SourceLostError) as caught:
        asyncio.run(ask(url, timeout_s=timeout_s))
    return caught.value.message


def test_a_site_is_told_as_its_own_process_tells_it() -> None:
    desk = plant(12)
    silent(desk.snapshot.meters["m03"])
    desk.snapshot.meters["m05"].fault = ""

    async def run() -> None:
        ours = DeskSource(desk)
        async with served(desk.snapshot) as source:
            overview = await source.overview()
            assert overview == Overview("plant", NOW, "degraded", (overview.reasons[0],))
            assert overview.reasons == ("1 of 12 meters does not answer",)
            # The served clock stands two seconds before that of the desk.
            told = [row._replace(age_s=(row.age_s or 0) + 2) for row in await source.meters()]
            assert [_without_counts(row) for row in told] == [
                _without_counts(row) for row in await ours.meters()
            ]
            assert await source.links() == await ours.links()
            there, here = await source.meter("m05"), await ours.meter("m05")
            assert there is not None
            assert here is not None
            assert [value[:4] for value in there.values] == [value[:4] for value in here.values]
            assert await source.meter("nobody") is None

    asyncio.run(run())


def _without_counts(row: MeterRow) -> MeterRow:
    """The number of a poll is that of its revision, which nobody counts here."""
    return row._replace(polls=0, failed=0, lateness_s=0.0)


def test_events_are_told() -> None:
    async def run() -> None:
        async with bench(snapshot_of(meter_of("m1"))) as running:
            running.events.tell(Level.WARNING, Topic.METER, "m1", "first")
            source = HttpSource(HttpClient(str(running.server)))
            (event,) = await source.events()
            await source.close()
        assert (event.level, event.topic, event.name, event.text) == (
            "warning",
            "meter",
            "m1",
            "first",
        )
        assert event.time == NOW

    asyncio.run(run())


def test_more_meters_than_a_page_holds_all_come() -> None:
    snapshot = plant(10).snapshot
    snapshot.meters = {f"m{n:04d}": meter(f"m{n:04d}", 1.0, 1.0) for n in range(403)}

    async def run() -> None:
        async with served(snapshot) as source:
            rows = await source.meters()
        assert [row.name for row in rows] == sorted(snapshot.meters)
        assert {row.profile for row in rows} == {"energymeter/electric"}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "kind", "value", "shown"),
    [
        ("active_power_total", DataType.FLOAT32, 230.10000610351562, "230.1"),
        ("active_power_total", DataType.FLOAT32, 1234.5677490234375, "1234.57"),
        ("active_power_total", DataType.INT32, 983.77, "983.77"),
        ("active_power_total", DataType.FLOAT64, 872.4270463, "872.427"),
        ("active_energy_import_total", DataType.INT64, 12345678.25, "12345678.25"),
        ("active_energy_import_total", DataType.FLOAT32, 18966.640625, "18966.64"),
        ("serial_number", DataType.UINT32, 123456789, "123456789"),
        ("active_power_total", DataType.FLOAT64, 1e39, "1e+39"),
    ],
)
def test_numbers_have_no_more_digits_than_mean_something(
    name: str, kind: DataType, value: float, shown: str
) -> None:
    where = point(name, "W", kind)
    state = meter_of("m1", {name: (value, "W")}, points=[where])

    async def run() -> None:
        async with served(snapshot_of(state)) as source:
            view = await source.meter("m1")
        assert view is not None
        assert [row.text for row in view.values] == [shown]

    asyncio.run(run())


def test_a_value_that_is_not_there_says_why() -> None:
    state = meter_of("m1")
    where = point("voltage_phase_a", "V")
    state.reports = [report_of([where], [None], [Quality.NOT_AVAILABLE])]

    async def run() -> None:
        async with served(snapshot_of(state)) as source:
            view = await source.meter("m1")
        assert view is not None
        (value,) = view.values
        assert (value.text, value.quality) == ("-", "not_available")
        assert value.reason == "the meter has no value here"

    asyncio.run(run())


def test_the_screen_follows_a_service_and_comes_back_to_it() -> None:
    snapshot, listen = plant(12).snapshot, f"127.0.0.1:{free_port()}"

    async def run() -> None:
        source = HttpSource(HttpClient(f"http://{listen}"))
        async with AsyncExitStack() as first:
            await first.enter_async_context(bench(snapshot, listen=listen))
            async with showing(source) as screen:
                assert screen.column(2)[3] == "300 W"
                read_again(snapshot.meters["m03"], 77.0)
                await screen.until(lambda: screen.column(2)[3] == "77 W", "the new value")
                await first.aclose()
                await screen.until(lambda: "connection lost" in screen.head, "that it is lost")
                async with bench(snapshot, listen=listen):
                    await screen.until(lambda: "all is well" in screen.head, "that it is back")
        await source.close()

    asyncio.run(run())


def test_the_token_is_sent_and_its_want_is_told() -> None:
    async def run() -> None:
        async with bench(snapshot_of(meter_of("m1")), token=TOKEN) as running:
            url = str(running.server)
            assert (await ask(url, token=TOKEN))["site"] == "plant"
            with pytest.raises(ConfigError, match="requires a token"):
                await ask(url)
            with pytest.raises(ConfigError, match="does not take this token"):
                await ask(url, token="another")

    asyncio.run(run())


def test_a_connection_that_was_closed_meanwhile_is_made_again() -> None:
    snapshot, port = snapshot_of(meter_of("m1")), free_port()

    async def run() -> None:
        client = HttpClient(f"http://127.0.0.1:{port}")
        for _ in range(2):
            async with bench(snapshot, listen=f"127.0.0.1:{port}"):
                assert (await client.get("/health"))["site"] == "plant"
        await client.close()

    asyncio.run(run())


def test_nothing_under_an_address_is_told_apart_from_no_answer() -> None:
    async def run() -> None:
        async with bench(snapshot_of(meter_of("m1"))) as running:
            with pytest.raises(NotThereError):
                await ask(str(running.server), "/api/v1/nothing")

    asyncio.run(run())


def test_nobody_there_and_nobody_answering_are_told() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert lost(url) == f"nothing listens at {url}, is the service running?"
    with silent_server() as port:
        assert "no answer" in lost(f"http://127.0.0.1:{port}", 0.2)


@contextmanager
def stranger(answer: bytes) -> Iterator[str]:
    """URL of something that answers this to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_once() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)

        thread = threading.Thread(target=answer_once)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\x01\x00\x00\x00\x03\x01\x83\x02",
        b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>hi</html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\ncut",
        b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 500 No\r\nContent-Length: 17\r\n\r\n{"detail": "\x1b[2J"',
    ],
)
def test_something_else_that_answers_is_told_in_a_sentence(answer: bytes) -> None:
    with stranger(answer) as url:
        sentence = lost(url)
    assert sentence.isprintable()
    assert "127.0.0.1" in sentence


@pytest.mark.parametrize("answer", ['{"items": 7, "next": null}', '{"items": [{}], "next": null}'])
def test_answers_of_another_form_are_a_sentence(answer: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n"
    with stranger((head + answer).encode()) as url:

        async def run() -> None:
            source = HttpSource(HttpClient(url))
            try:
                await source.links()
            finally:
                await source.close()

        with pytest.raises(SourceLostError, match="in another way"):
            asyncio.run(run())


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://a:b", "nonsense", "http://a:99999"])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="write http://HOST:PORT"):
        HttpClient(url)


def test_a_new_meter_is_told_before_it_is_known_what_it_is() -> None:
    snapshot = plant(2).snapshot

    async def run() -> None:
        async with served(snapshot) as source:
            await source.meters()
            snapshot.meters["new"] = meter("new", 5.0, 5.0)
            rows = await source.meters()
            assert [row.name for row in rows] == ["m00", "m01", "new"]
            assert rows[-1].profile == ""
            rows = await source.meters()
            assert rows[-1].profile == "energymeter/electric"

    asyncio.run(run())


def test_old_values_are_old() -> None:
    snapshot = snapshot_of(meter("m1", 5.0, 5.0, time=NOW - timedelta(minutes=5)))

    async def run() -> None:
        async with served(snapshot) as source:
            (row,) = await source.meters()
        assert row.age_s == 300
        assert row.quality == "stale"

    asyncio.run(run())
