"""The frames on one link, for whoever watches just now; costs nothing while nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final, NamedTuple

from energymeter.client import Link
from energymeter.clock import Clock

__all__ = ["FrameEvent", "FrameKind", "FrameStream"]

_MOST_WAITING: Final = 2000


class FrameKind(StrEnum):
    """What happened on the wire."""

    OPENED = "opened"
    SENT = "sent"
    RECEIVED = "received"
    TIMED_OUT = "timed_out"
    LOST = "lost"


class FrameEvent(NamedTuple):
    """One thing that happened on a link."""

    time_s: float
    """Seconds since 1970."""

    kind: FrameKind
    data: bytes = b""
    """Of what was sent, a whole frame; of what came, bytes cut as they came."""

    text: str = ""
    """Of a time-out the unit, of a loss the reason."""


class FrameStream:
    """A `Tap` that hands on what it hears, put on its link only while somebody listens.

    Args:
        link: The link; whoever else wants to listen in has to ask here.
        clock: Has the link's monotonic clock and the time of day.
    """

    def __init__(self, link: Link, clock: Clock) -> None:
        self.link = link
        self._clock = clock
        self._listeners: set[asyncio.Queue[FrameEvent]] = set()
        self._offset_s = 0.0

    @contextmanager
    def listening(self) -> Iterator[asyncio.Queue[FrameEvent]]:
        """A queue of what happens from now on; who is slow misses the oldest."""
        queue: asyncio.Queue[FrameEvent] = asyncio.Queue(_MOST_WAITING)
        if not self._listeners:
            self._offset_s = self._clock.now().timestamp() - self._clock.monotonic()
            self.link.tap = self
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
            if not self._listeners:
                self.link.tap = None

    def opened(self, moment_s: float) -> None:
        """See `Tap.opened`."""
        self._tell(moment_s, FrameKind.OPENED)

    def sent(self, moment_s: float, data: bytes) -> None:
        """See `Tap.sent`."""
        self._tell(moment_s, FrameKind.SENT, data)

    def received(self, moment_s: float, data: bytes) -> None:
        """See `Tap.received`."""
        self._tell(moment_s, FrameKind.RECEIVED, data)

    def timed_out(self, moment_s: float, unit: int) -> None:
        """See `Tap.timed_out`."""
        self._tell(moment_s, FrameKind.TIMED_OUT, text=str(unit))

    def lost(self, moment_s: float, reason: str) -> None:
        """See `Tap.lost`."""
        self._tell(moment_s, FrameKind.LOST, text=reason)

    def _tell(self, moment_s: float, kind: FrameKind, data: bytes = b"", text: str = "") -> None:
        event = FrameEvent(moment_s + self._offset_s, kind, data, text)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)
