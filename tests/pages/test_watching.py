"""What runs only while somebody looks: seen from the server, with a socket, without a browser."""

from __future__ import annotations

import ast
import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import socketio
from tests.pages.crowd import Crowd

from energymeter.client import Link
from energymeter.clock import ManualClock
from energymeter.service.desk import Desk
from energymeter.service.frames import FrameStream
from energymeter.site.model import WebEntry
from energymeter.web.pages.markup import Markup
from energymeter.web.pages.trace import Trace
from energymeter.web.serve import web_server

ASKED = bytes.fromhex("000100000006010300000002")
ANSWERED = bytes.fromhex("0001000000070103040001 0002".replace(" ", ""))


class Listening:
    """An operator at whose desk one link can be listened to."""

    def __init__(self, stream: FrameStream) -> None:
        self._stream = stream

    async def read_now(self, meter: str) -> Any:
        raise KeyError(meter)

    def frames(self, link: str) -> FrameStream:
        if link != "link-000":
            raise KeyError(link)
        return self._stream

    def reload(self) -> None:
        """There is no site file."""


@asynccontextmanager
async def looking(address: str, path: str) -> AsyncIterator[list[str]]:
    """Somebody who opens a page and its socket; yields what comes."""
    async with httpx.AsyncClient(base_url=address, trust_env=False) as http:
        text = (await http.get(path)).text
    found = re.search(r"query: (\{.*?\}),\n", text)
    assert found is not None
    query = ast.literal_eval(found[1])
    query |= {"document_id": str(uuid.uuid4()), "tab_id": str(uuid.uuid4())}
    heard: list[str] = []

    async def hear(_event: str, data: object = None) -> None:
        heard.append(str(data))

    socket = socketio.AsyncClient(reconnection=False)
    socket.on("*", hear)
    words = "&".join(f"{key}={value}" for key, value in query.items())
    words = words.replace("implicit_handshake=True", "implicit_handshake=true")
    await socket.connect(
        f"{address}?{words}",
        socketio_path="/_nicegui_ws/socket.io",
        transports=["websocket"],
    )
    try:
        yield heard
    finally:
        await socket.disconnect()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)


def test_a_link_is_listened_to_only_while_its_page_is_open() -> None:
    async def look() -> None:
        made = Crowd(3)
        link = Link.to("tcp://192.0.2.1:502")
        stream = FrameStream(link, made.desk.clock)
        desk = Desk(
            made.snapshot, made.desk.events, made.desk.archive, Listening(stream), made.desk.clock
        )
        entry = WebEntry.model_validate({"listen": "127.0.0.1:0"})
        async with web_server(entry, desk, prometheus=None) as server:
            assert link.tap is None
            async with looking(str(server), "/link/link-000") as heard:
                await until(lambda: link.tap is not None)
                stream.sent(0.0, ASKED)
                await until(lambda: any("request to read holding" in each for each in heard))
            await until(lambda: link.tap is None)
            async with looking(str(server), "/links"):
                assert link.tap is None

    asyncio.run(look())


def test_nothing_is_sent_after_somebody_left() -> None:
    async def look() -> None:
        entry = WebEntry.model_validate({"listen": "127.0.0.1:0"})
        made = Crowd(60)
        async with web_server(entry, made.desk, prometheus=None) as server:
            async with looking(str(server), "/") as heard:
                await until(lambda: any("meter-00049" in each for each in heard))
                assert not any("meter-00050" in each for each in heard)
            count = len(heard)
            await asyncio.sleep(1.2)
            assert len(heard) == count

    asyncio.run(look())


def test_frames_are_told_in_words_the_newest_first() -> None:
    stream = FrameStream(Link.to("tcp://192.0.2.1:502"), ManualClock())
    trace = Trace(stream, is_datagram=False)
    trace.start()
    stream.opened(0.0)
    stream.sent(0.1, ASKED)
    stream.received(0.2, ANSWERED)
    stream.timed_out(0.3, 7)
    stream.lost(0.4, "<gone>")
    lines = trace.lines()
    assert isinstance(lines, Markup)
    words = [
        "lost: &lt;gone&gt;",
        "no answer in time from unit 7",
        "answer with 2 registers",
        "request to read",
        "opened",
    ]
    places = [lines.index(each) for each in words]
    assert places == sorted(places)
    trace.stop()
    assert stream.link.tap is None


def test_of_many_frames_the_newest_are_told() -> None:
    async def hear() -> Markup:
        stream = FrameStream(Link.to("tcp://192.0.2.1:502"), ManualClock())
        trace = Trace(stream, is_datagram=False)
        trace.start()
        for number in range(300):
            stream.sent(number / 1000, ASKED)
        lines = trace.lines()
        trace.stop()
        return lines

    lines = asyncio.run(hear())
    assert lines.count("<li") == 41
    assert "260 frames more within this second" in lines
