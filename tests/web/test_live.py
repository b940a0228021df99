"""The live stream: server-sent events and web sockets over real connections, slow ones too."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
import websockets
from tests.support.loops import on_each_loop, run, until
from tests.web.serving import Bench, bench
from tests.web.site_of import NOW, link_of, meter_of, report_of, snapshot_of

from energymeter.service.events import Level, Topic
from energymeter.service.snapshot import MeterState
from energymeter.web.api.listeners import Listeners

PASSWORD_TOKEN = "a-token-nobody-guesses"


def read_again(meter: MeterState, value: float, after_s: float = 1) -> None:
    """The next poll of a meter."""
    before = meter.reports[0]
    assert before is not None
    meter.reports[0] = report_of(
        before.points, [value], before.qualities, NOW + timedelta(seconds=after_s)
    )
    meter.revision += 1
    meter.polls += 1


def listeners_of(bed: Bench) -> Listeners:
    found = bed.server._app.state.listeners  # type: ignore[attr-defined]
    assert isinstance(found, Listeners)
    return found


class Stream:
    """Reads server-sent events as a browser does."""

    def __init__(self, answer: httpx.Response) -> None:
        self.lines = cast("AsyncGenerator[str, None]", answer.aiter_lines())

    async def next(self) -> tuple[str, str, Any]:
        """Kind, id and data of the next event."""
        kind, number, data = "message", "", []
        async for line in self.lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "id":
                number = value
            elif name == "data":
                data.append(value)
            elif not line and data:
                return kind, number, json.loads("\n".join(data))
        raise EOFError


@asynccontextmanager
async def stream(bed: Bench, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    path = f"/api/v1/stream?{query}"
    async with bed.http.stream("GET", path, headers=headers, timeout=10) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        told = Stream(answer)
        try:
            yield told
        finally:
            await told.lines.aclose()


@asynccontextmanager
async def live(bed: Bench, **headers: str) -> AsyncIterator[websockets.ClientConnection]:
    url = str(bed.server).replace("http", "ws", 1) + "/api/v1/live"
    async with websockets.connect(url, additional_headers=headers, proxy=None) as socket_:
        yield socket_


async def tell(socket_: websockets.ClientConnection, **wanted: Any) -> None:
    await socket_.send(json.dumps(wanted))


async def hear(socket_: websockets.ClientConnection) -> Any:
    return json.loads(await socket_.recv())


@on_each_loop
def test_a_stream_begins_with_what_there_is_and_goes_on_with_what_is_new(loop: str) -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(meter_of("m1"), meter_of("hall 2"))
        async with bench(snapshot) as bed, stream(bed) as told:
            first = [await told.next(), await told.next()]
            assert [(kind, data["meter"]) for kind, _, data in first] == [
                ("reading", "m1"),
                ("reading", "hall 2"),
            ]
            read_again(snapshot.meters["hall 2"], 231.5)
            bed.events.tell(Level.WARNING, Topic.METER, "m1", "it is tired")
            await bed.clock.advance(1)
            kind, _, data = await told.next()
            assert (kind, data["meter"], data["values"][0]["value"]) == ("reading", "hall 2", 231.5)
            kind, number, data = await told.next()
            assert (kind, data["text"]) == ("event", "it is tired")
            assert number == f"{bed.events.run}-1"
            del snapshot.meters["m1"]
            await bed.clock.advance(1)
            assert await told.next() == ("gone", "", "m1")
            await bed.clock.advance(15)
            assert await anext(told.lines) == ": still here"

    run(scenario(), loop)


def test_a_stream_is_of_the_meters_asked_for() -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(*(meter_of(f"m{number}") for number in range(5)))
        async with bench(snapshot) as bed:
            async with stream(bed, "meter=m3&meter=nobody&meter=m1&events=false") as told:
                assert [(await told.next())[2]["meter"] for _ in range(2)] == ["m3", "m1"]
                bed.events.tell(Level.INFO, Topic.SERVICE, "", "not wanted")
                for name in ("m0", "m1"):
                    read_again(snapshot.meters[name], 1.0)
                await bed.clock.advance(1)
                assert (await told.next())[2]["meter"] == "m1"
            async with stream(bed, "name=M4") as told:
                assert (await told.next())[2]["meter"] == "m4"

    run(scenario())


def test_a_browser_that_comes_back_is_told_what_it_missed() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of()) as bed:
            for number in range(2005):
                bed.events.tell(Level.INFO, Topic.SERVICE, "", f"event {number + 1}")
            run_ = bed.events.run
            async with stream(bed, **{"Last-Event-ID": f"{run_}-2003"}) as told:
                marks = [(await told.next())[1] for _ in range(2)]
                assert marks == [f"{run_}-2004", f"{run_}-2005"]
            async with stream(bed, "after=2") as told:
                assert await told.next() == ("missed", "", 3)
                assert (await told.next())[1] == f"{run_}-6"
            for before in ("0-2003", f"{run_}-9999", "nonsense", f"{run_}-{'9' * 5000}"):
                async with stream(bed, **{"Last-Event-ID": before}) as told:
                    assert await told.next() == ("missed", "", 5)  # of the service before

    run(scenario())


def test_listeners_are_limited_and_let_go() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of("m1"))) as bed:
            listeners = listeners_of(bed)
            task = asyncio.create_task(asyncio.sleep(60))
            held = [listeners.one(None, task) for _ in range(100)]
            for each in held:
                each.__enter__()
            refused = await bed.http.get("/api/v1/stream")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
            async with live(bed) as socket_:
                with pytest.raises(websockets.ConnectionClosedError, match="too many"):
                    await socket_.recv()
            for each in held:
                each.__exit__(None, None, None)
            task.cancel()
            async with stream(bed) as told:
                await told.next()
                assert len(listeners) == 1
            await until(lambda: len(listeners) == 0)

    run(scenario())


def test_the_end_of_the_service_ends_the_streams() -> None:
    async def scenario() -> None:
        async with (
            bench(snapshot_of(meter_of("m1"))) as bed,
            stream(bed) as told,
            live(bed) as socket_,
        ):
            await tell(socket_)
            await told.next()
            await hear(socket_)
            await bed.server.close()
            with pytest.raises(EOFError):
                await told.next()
            with pytest.raises(websockets.ConnectionClosed):
                await hear(socket_)

    run(scenario())


def test_a_logout_ends_what_is_open() -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(meter_of("m1"))
        async with bench(snapshot, token=PASSWORD_TOKEN) as bed:
            await bed.http.post("/login", data={"password": PASSWORD_TOKEN})
            own = {"Origin": str(bed.server)}
            cookie = "; ".join(f"{name}={value}" for name, value in bed.http.cookies.items())
            async with stream(bed) as told, live(bed, Cookie=cookie, **own) as socket_:
                await tell(socket_)
                await told.next()
                await hear(socket_)
                assert (await bed.http.post("/logout", headers=own)).status_code == 303
                with pytest.raises(EOFError):
                    await told.next()
                with pytest.raises(websockets.ConnectionClosedError) as closed:
                    await hear(socket_)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1008

    run(scenario())


@on_each_loop
def test_a_web_socket_tells_what_is_asked_for_and_what_is_new(loop: str) -> None:
    async def scenario() -> None:
        snapshot = snapshot_of(meter_of("m1"), meter_of("hall 2: Süd"))
        async with bench(snapshot) as bed, live(bed) as socket_:
            await tell(socket_, meters=["hall 2: Süd", "nobody"])
            told = await hear(socket_)
            assert told["type"] == "readings"
            assert [item["meter"] for item in told["items"]] == ["hall 2: Süd"]
            read_again(snapshot.meters["hall 2: Süd"], 99.5)
            read_again(snapshot.meters["m1"], 1.0)
            bed.events.tell(Level.ERROR, Topic.LINK, "bus1", "it is gone")
            await bed.clock.advance(1)
            told = await hear(socket_)
            assert [item["values"][0]["value"] for item in told["items"]] == [99.5]
            told = await hear(socket_)
            assert (told["type"], told["missed"]) == ("events", 0)
            assert [item["text"] for item in told["items"]] == ["it is gone"]
            await tell(socket_, events=False)
            assert len((await hear(socket_))["items"]) == 2
            snapshot.meters = {}
            snapshot.links = {"bus1": link_of("bus1", [])}
            await bed.clock.advance(1)
            assert await hear(socket_) == {"type": "gone", "meters": ["m1", "hall 2: Süd"]}

    run(scenario(), loop)


def test_what_cannot_be_understood_is_told_and_the_socket_stays() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of("m1"))) as bed, live(bed) as socket_:
            for nonsense, words in (
                ("", "invalid JSON"),
                ("[]", "input should be an object"),
                ('{"meters": 5}', "meters: input should be"),
                ('{"every_s": 0}', "every_s: input should be greater"),
                ('{"meter": ["m1"]}', "meter: extra inputs"),
                (b"\xff\xfe", "invalid JSON"),
                ("x" * 300_000, "too long"),
            ):
                await socket_.send(nonsense)
                told = await hear(socket_)
                assert told["type"] == "fault"
                assert words in told["detail"]
            await tell(socket_, meters=["m1"])
            assert (await hear(socket_))["type"] == "readings"

    run(scenario())


def test_a_web_socket_of_a_foreign_page_is_refused() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of()) as bed:
            for origin in ("http://evil.example", "null", f"{bed.server}0"):
                with pytest.raises(websockets.InvalidStatus) as refused:
                    async with live(bed, Origin=origin):
                        pass
                assert refused.value.response.status_code == 403
            async with live(bed, Origin=str(bed.server)):
                pass

    run(scenario())


def big_snapshot() -> Any:
    """So many meters that they do not fit into what the system keeps of a connection."""
    text = {f"t{number}": ("x" * 1000, "") for number in range(10)}
    return snapshot_of(*(meter_of(f"m{number}", text) for number in range(600)))


def dial(bed: Bench, request: str) -> socket.socket:
    """A connection whose other end takes little and whose owner reads nothing."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", bed.server.port))
    made.sendall(request.replace("\n", "\r\n").encode())
    return made


SSE = "GET /api/v1/stream HTTP/1.1\nHost: localhost\n\n"
SOCKET = """\
GET /api/v1/live HTTP/1.1
Host: localhost
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13

"""
SUBSCRIBE = b"\x81\x82\x00\x00\x00\x00{}"
"""The text {} as a masked frame: everything."""


@pytest.mark.parametrize("request_", [SSE, SOCKET], ids=["events", "socket"])
def test_who_does_not_read_costs_no_memory_and_is_told_the_newest(request_: str) -> None:
    async def scenario() -> None:
        snapshot = big_snapshot()
        async with bench(snapshot) as bed:
            tracemalloc.start()
            listeners = listeners_of(bed)

            async def polls(count: int) -> None:
                for _ in range(count):
                    for meter in snapshot.meters.values():
                        meter.revision += 1
                    for _ in range(100):
                        bed.events.tell(Level.INFO, Topic.SERVICE, "", "something " * 20)
                    await bed.clock.advance(1)
                    await asyncio.sleep(0.001)

            with dial(bed, request_) as made:
                if request_ is SOCKET:
                    made.sendall(SUBSCRIBE)
                await until(lambda: len(listeners) == 1)
                await polls(25)
                gc.collect()
                before = tracemalloc.get_traced_memory()[0]
                await polls(40)
                gc.collect()
                grown = tracemalloc.get_traced_memory()[0] - before
                tracemalloc.stop()
            assert grown < 200_000  # one round of all meters alone is 6,000,000
            await until(lambda: len(listeners) == 0)

    run(scenario())


def test_a_thousand_streams_that_are_left_at_once_leave_nothing() -> None:
    async def scenario() -> None:
        async with bench(snapshot_of(meter_of("m1"))) as bed:
            listeners = listeners_of(bed)

            async def come_and_go(count: int) -> None:
                for number in range(count):
                    path = ("/api/v1/stream", "/api/v1/meters/m1/latest")[number % 2]
                    reader, writer = await asyncio.open_connection("127.0.0.1", bed.server.port)
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    await reader.readuntil(b"\r\n\r\n")
                    writer.close()
                    await writer.wait_closed()
                await until(lambda: len(listeners) == 0)

            await come_and_go(100)
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            await come_and_go(1000)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            assert grown < 300_000

    run(scenario())
