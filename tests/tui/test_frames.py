"""Frames of a link: told over HTTP while somebody listens, and shown as lines that say what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import httpx
from fastapi import FastAPI
from tests.tui.sites import plant, showing
from tests.web.site_of import NoOperator

from energymeter.httpserver import HttpServer
from energymeter.service.desk import Desk
from energymeter.service.frames import FrameStream
from energymeter.tui.desk_source import DeskSource
from energymeter.tui.http_client import HttpClient
from energymeter.tui.http_source import HttpSource
from energymeter.tui.source import FrameRow
from energymeter.tui.trace import Trace
from energymeter.web.api.frames import frames_router
from energymeter.web.api.listeners import Listeners

QUESTION = bytes.fromhex("000100000006010300000002")
ANSWER = bytes.fromhex("00010000000701030400010002")


class Operator(NoOperator):
    """Lets the links of a desk be listened to."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.streams = {
            name: FrameStream(link.link, desk.clock) for name, link in desk.snapshot.links.items()
        }

    def frames(self, link: str) -> FrameStream:
        return self.streams[link]


def open_plant() -> tuple[Desk, Operator]:
    desk = plant()
    operator = Operator(desk)
    return replace(desk, operator=operator), operator


@asynccontextmanager
async def served(desk: Desk) -> AsyncGenerator[HttpSource]:
    listeners = Listeners()
    app = FastAPI()
    app.include_router(frames_router(desk, listeners))
    async with HttpServer(app, on_close=listeners.close) as server:
        source = HttpSource(HttpClient(str(server)))
        try:
            yield source
        finally:
            await source.close()


async def heard(operator: Operator, link: str, *, by_nobody: bool = False) -> None:
    """Wait until somebody listens, or nobody any more."""
    for _ in range(1000):
        if (operator.streams[link].link.tap is None) == by_nobody:
            return
        await asyncio.sleep(0.01)
    msg = f"{link} is not listened to" if not by_nobody else f"{link} is listened to still"
    raise AssertionError(msg)


def test_frames_are_told_while_somebody_listens_and_no_longer() -> None:
    desk, operator = open_plant()
    stream = operator.streams["north"]

    async def run() -> list[FrameRow]:
        rows = []
        async with served(desk) as source:
            async with aclosing(source.frames("north")) as frames:
                first = asyncio.ensure_future(anext(frames))
                await heard(operator, "north")
                stream.sent(1.0, QUESTION)
                stream.timed_out(2.0, 7)
                rows.append(await first)
                rows.append(await anext(frames))
            await heard(operator, "north", by_nobody=True)
        return rows

    rows = asyncio.run(asyncio.wait_for(run(), 10))
    assert [(row.kind, row.data, row.text) for row in rows] == [
        ("sent", QUESTION.hex(), ""),
        ("timed_out", "", "7"),
    ]
    assert (rows[1].time - rows[0].time).total_seconds() == 1.0


def test_a_link_that_is_not_there_has_no_frames() -> None:
    desk, _ = open_plant()

    async def run() -> list[FrameRow]:
        async with served(desk) as source:
            return [row async for row in source.frames("nowhere")]

    assert asyncio.run(run()) == []


def test_frames_end_when_the_link_is_replaced() -> None:
    desk, operator = open_plant()

    async def run() -> list[FrameRow]:
        async with served(desk) as source, aclosing(source.frames("north")) as frames:
            collecting = asyncio.ensure_future(_all(frames))
            await heard(operator, "north")
            before = operator.streams.pop("north")
            before.lost(1.0, "the site file has changed")
            return await collecting

    (row,) = asyncio.run(asyncio.wait_for(run(), 10))
    assert (row.kind, row.text) == ("lost", "the site file has changed")


async def _all(frames: AsyncGenerator[FrameRow]) -> list[FrameRow]:
    return [row async for row in frames]


def test_the_route_refuses_in_a_sentence() -> None:
    desk, _ = open_plant()

    async def run() -> httpx.Response:
        listeners = Listeners()
        app = FastAPI()
        app.include_router(frames_router(desk, listeners))
        async with HttpServer(app) as server, httpx.AsyncClient(trust_env=False) as http:
            return await http.get(f"{server}/api/v1/frames", params={"link": "nowhere"})

    answer = asyncio.run(run())
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is no link called nowhere, see /api/v1/links"


def test_enter_on_a_link_shows_its_frames() -> None:
    desk, operator = open_plant()

    async def run() -> None:
        async with served(desk) as http:
            source = WithFrames(desk, http)
            async with showing(source) as screen:
                await screen.press("tab")
                await screen.until(lambda: len(screen.column()) == 2, "two links")
                await screen.press("down", "enter")
                await heard(operator, "south")
                # rtu+tcp: unit 1, holding registers from 0, two of them
                operator.streams["south"].sent(1.0, bytes.fromhex("010300000002c40b"))
                await screen.until(lambda: screen.lower.shown, "a frame")
                (cells,) = screen.lower.shown
                assert cells[1] == ">"
                assert "unit 1" in cells[2]
                assert cells[3] == "01 03 00 00 00 02 C4 0B"
                await screen.press("escape")
                await heard(operator, "south", by_nobody=True)

    asyncio.run(run())


def test_t_shows_the_frames_of_a_meters_link() -> None:
    desk, operator = open_plant()

    async def run() -> None:
        async with showing(DeskSource(desk)) as screen:
            await screen.press("enter", "t")
            await heard(operator, "north")
            operator.streams["north"].timed_out(1.0, 3)
            await screen.until(lambda: screen.lower.shown, "a line")
            assert screen.lower.shown[0][2] == "no answer from unit 3 in time"
            await screen.press("t")
            await heard(operator, "north", by_nobody=True)

    asyncio.run(run())


class WithFrames(DeskSource):
    """Everything of a desk, its frames by way of HTTP."""

    def __init__(self, desk: Desk, http: HttpSource) -> None:
        super().__init__(desk)
        self._http = http

    def frames(self, link: str) -> AsyncGenerator[FrameRow]:
        return self._http.frames(link)


def row(kind: str, data: bytes = b"", text: str = "", at_s: float = 0.0) -> FrameRow:
    return FrameRow(datetime.fromtimestamp(at_s, UTC), kind, data.hex(), text)


def test_an_answer_in_pieces_is_one_line_and_the_newest_stands_first() -> None:
    trace = Trace("tcp://192.0.2.1:502")
    trace.add(row("opened"))
    trace.add(row("sent", QUESTION, at_s=1))
    trace.add(row("received", ANSWER[:5], at_s=2))
    trace.add(row("received", ANSWER[5:], at_s=3))
    trace.add(row("lost", text="the peer hung up", at_s=4))
    kinds = [(line.kind, line.time.timestamp()) for line in trace.rows]
    assert kinds == [("lost", 4), ("received", 3), ("sent", 1), ("opened", 0)]
    assert trace.rows[0].words == "the connection is lost: the peer hung up"
    assert "unit 1" in trace.rows[1].words
    assert trace.rows[1].data == ANSWER.hex(" ").upper()


def test_noise_is_shown_as_such() -> None:
    trace = Trace("rtu:///dev/ttyUSB0")
    trace.add(row("received", b"\xff\x00\xff"))
    trace.add(row("timed_out", text="9"))
    assert trace.rows[0].words == "no answer from unit 9 in time"
    assert trace.rows[1].words.startswith("noise, ")


def test_a_trace_has_an_end() -> None:
    trace = Trace("no url at all")
    for _ in range(2000):
        trace.add(row("sent", QUESTION))
    assert len(trace.rows) == 500


def test_a_line_that_cannot_be_understood_is_passed_over() -> None:
    trace = Trace("tcp://192.0.2.1:502")
    trace.add(FrameRow(datetime.fromtimestamp(0, UTC), "sent", "not hexadecimal", ""))
    assert list(trace.rows) == []
