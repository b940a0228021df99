"""Frames of a link as lines that say what they mean, the newest first."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Final, NamedTuple

from energymeter.codec.explain import explain_frame
from energymeter.codec.framing import Framing, Side
from energymeter.errors import ConfigError
from energymeter.recording.cutter import Cutter, Piece
from energymeter.transports import Way, parse_wire
from energymeter.tui.source import FrameRow, Source, SourceLostError

__all__ = ["Listener", "Trace", "TraceRow"]

_MOST_KEPT: Final = 500


class TraceRow(NamedTuple):
    """A line of the trace."""

    number: int
    time: datetime
    kind: str
    """As of `FrameRow`."""

    words: str
    """What it says."""

    data: str
    """Hexadecimal."""


class Trace:
    """What was heard on a link.

    Args:
        url: Of the link: says what is spoken there.
    """

    def __init__(self, url: str) -> None:
        self.rows: deque[TraceRow] = deque(maxlen=_MOST_KEPT)
        self._framing, is_datagram = _speech_of(url)
        self._cutter = Cutter(self._framing, is_datagram=is_datagram)
        self._count = 0

    def add(self, event: FrameRow) -> None:
        """Something happened; answers that came in parts are one line."""
        moment_s, data = event.time.timestamp(), _bytes(event.data)
        match event.kind:
            case "sent":
                self._cut(self._cutter.sent(moment_s, data))
            case "received":
                self._cut(self._cutter.received(moment_s, data))
            case "timed_out":
                self._cut(self._cutter.timed_out())
                self._say(event, f"no answer from unit {event.text} in time")
            case "lost":
                self._cut(self._cutter.lost())
                self._say(event, f"the connection is lost: {event.text}")
            case _:
                self._cut(self._cutter.opened())
                self._say(event, "the connection is open")

    def _cut(self, pieces: list[Piece]) -> None:
        for moment_s, side, data, frame in pieces:
            words = explain_frame(data, framing=self._framing, side=side).summary
            words = words if frame is not None else f"noise, {words}"
            kind = "sent" if side is Side.SERVER else "received"
            time = datetime.fromtimestamp(moment_s, UTC)
            self._add(time, kind, words, data.hex(" ").upper())

    def _say(self, event: FrameRow, words: str) -> None:
        self._add(event.time, event.kind, words, "")

    def _add(self, time: datetime, kind: str, words: str, data: str) -> None:
        self._count += 1
        self.rows.appendleft(TraceRow(self._count, time, kind, words, data))


class Listener:
    """Listens in on one link at a time, as long as somebody wants it to.

    Args:
        source: Where the frames come from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._trace: Trace | None = None
        self._link = ""
        self._task: asyncio.Task[None] | None = None

    def heard(self, link: str) -> list[TraceRow]:
        """What was heard on this link since it is listened to, the newest first."""
        return list(self._trace.rows) if self._trace is not None and link == self._link else []

    async def listen(self, link: str, url: str) -> None:
        """Listen on this link from now on, if that is not so already; empty: on none.

        What was lost with the connection is listened to again at the next call.
        """
        is_over = self._task is None or self._task.done()
        if link == self._link and (not link or not is_over):
            return
        await self.close()
        if link:
            self._link, self._trace = link, Trace(url)
            self._task = asyncio.create_task(self._hear(link, self._trace))

    async def close(self) -> None:
        """Listen no more."""
        task, self._task, self._link, self._trace = self._task, None, "", None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _hear(self, link: str, trace: Trace) -> None:
        with suppress(SourceLostError):  # the screen says so already
            async with aclosing(self._source.frames(link)) as frames:
                async for frame in frames:
                    trace.add(frame)


def _speech_of(url: str) -> tuple[Framing, bool]:
    try:
        wire = parse_wire(url)
    except ConfigError:  # told by a newer program
        return Framing.MBAP, False
    return wire.framing, wire.way is Way.UDP


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
