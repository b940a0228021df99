"""Meters, links and clocks for tests of the service, with time that is moved by hand.

A `Town` has links that lead to memory lines instead of sockets, by their host's name: what stands
on the other end is a real server of ours, asked by real links.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, cast

import pytest
from tests.support.peculiar import profile_of

from energymeter.client import Link
from energymeter.clock import Clock, ManualClock
from energymeter.errors import ConfigError, MeterError
from energymeter.planner import Block
from energymeter.profiles import Profile
from energymeter.reader import MeterReader, Quality, ReadReport
from energymeter.reader.reading import Failure
from energymeter.server import ModbusServer, RegisterImage, Tables
from energymeter.service.course import Course
from energymeter.service.events import EventStream
from energymeter.service.service import Service
from energymeter.service.sink import MeterInfo
from energymeter.service.snapshot import LinkState, MeterState
from energymeter.service.timetable import Moments, WallClock
from energymeter.site import LinkEntry, MeterEntry, ResolvedLink, ResolvedMeter
from energymeter.store import Store, StoredPoll, layout_of
from energymeter.transports import MemoryLine, TcpEndpoint, Wire, parse_wire
from energymeter.transports.memory import MemoryEndpoint

__all__ = [
    "PLAIN",
    "DayClock",
    "FakeReader",
    "ListStore",
    "Town",
    "Units",
    "course_of",
    "link_of",
    "link_state",
    "meter_of",
    "report_of",
    "texts",
    "with_profile",
]

PLAIN: Final = profile_of(
    {"name": "word_0", "address": 0, "type": "uint16"},
    {"name": "word_1", "address": 1, "type": "uint16"},
)
"""Two bare words: no quantity, so nothing is checked."""

_TURNS: Final = 60
"""Turns of the loop in which a poll comes to its end, first contact included."""


class DayClock(ManualClock):
    """A clock whose time of day can be set, and that lets whole polls happen at one moment."""

    ahead_s = 0.0
    """How far its time of day was set on."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return super().now() + timedelta(seconds=self.ahead_s)

    @staticmethod
    async def _settle() -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)


def report_of(
    time: datetime,
    *,
    error: MeterError | None = None,
    warnings: Sequence[str] = (),
    profile: Profile = PLAIN,
) -> ReadReport:
    """What a poll gave: values, or nothing at all because of an error."""
    points = profile.readable_points
    block = Block(points[0].tables[0], points[0].address, 2, points)
    return ReadReport(
        time=time,
        points=points,
        values=[None if error else 7] * len(points),
        qualities=[Quality.NOT_READ if error else Quality.GOOD] * len(points),
        failures=[Failure(block, error)] if error else (),
        warnings=warnings,
    )


class FakeReader:
    """Reads what it is told to, after so long on the clock."""

    def __init__(self, clock: Clock, takes_s: Callable[[float], float] = lambda _: 0.0) -> None:
        self.asked_at: list[float] = []
        self.under_way = 0
        self.error: Exception | None = None
        """Raised by every reading while it is set."""
        self._clock = clock
        self._takes_s = takes_s

    async def read(self) -> ReadReport:
        """See `MeterReader.read`."""
        now = self._clock.monotonic()
        self.asked_at.append(now)
        if self.error is not None:
            raise self.error
        report = report_of(self._clock.now())
        self.under_way += 1
        try:
            if took_s := self._takes_s(now):
                await self._clock.sleep_until(now + took_s)
        finally:
            self.under_way -= 1
        return report

    def remember(self) -> None:
        """See `MeterReader.remember`; it learns nothing."""


def course_of(
    clock: Clock,
    reader: FakeReader | None = None,
    *,
    name: str = "m1",
    interval_s: float = 1.0,
    phase: float = 0.0,
    state: MeterState | None = None,
    place: int = 0,
) -> Course:
    """A course of a meter that is not there."""
    layout = layout_of(PLAIN.readable_points)
    if state is None:
        info = MeterInfo(
            name=name,
            link="tcp://x",
            unit=1,
            profile=PLAIN,
            interval_s=interval_s,
            series=layout.series,
        )
        state = MeterState(info, (interval_s,), [None])
    moments = Moments(interval_s, phase, WallClock(clock), clock.monotonic())
    fake = cast(MeterReader, FakeReader(clock) if reader is None else reader)
    return Course(name, place, fake, layout, moments, state)


def link_state(clock: Clock, name: str = "bus1") -> LinkState:
    """A link that nobody uses."""
    return LinkState(name, "tcp://x", Link(TcpEndpoint("127.0.0.1", 1), clock=clock))


def meter_of(
    name: str = "m1", unit: int = 1, *, profile: Profile = PLAIN, **keys: Any
) -> ResolvedMeter:
    """A meter of a site; an interval of 10 s unless it says otherwise."""
    if "rates" not in keys:
        keys.setdefault("interval", 10.0)
    entry = MeterEntry(name=name, link="bus", unit=unit, profile=profile.name, **keys)
    points = profile.readable_points
    if entry.points is not None:
        points = tuple(point for point in points if point.name in entry.points)
    return ResolvedMeter(entry, profile, points)


def link_of(
    *meters: ResolvedMeter, name: str = "bus", url: str | None = None, timeout: float = 1.0
) -> ResolvedLink:
    """A link of a site; it leads to the host of its name."""
    entry = LinkEntry(name=name, url=url or f"tcp://{name}", timeout=timeout)
    return ResolvedLink(entry, parse_wire(entry.url), meters)


class Units:
    """Units that have `unit * 100 + address` in their registers, and remember who was asked."""

    def __init__(self, clock: Clock) -> None:
        self.asked: list[tuple[float, int]] = []
        """When, and which unit."""
        self.silent: set[int] = set()
        self.raises: set[int] = set()
        """Refuse everything."""
        self._clock = clock

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        """See `Handler.answer`."""
        self.asked.append((self._clock.monotonic(), unit))
        if unit in self.silent:
            return None
        if unit in self.raises:
            return bytes((pdu[0] | 0x80, 4))
        words = struct.pack(">8H", *(unit * 100 + address for address in range(8)))
        return Tables(holding=RegisterImage([(0, words)])).answer(unit, pdu)

    def times(self, unit: int) -> list[float]:
        """When a unit was asked, without repetitions."""
        return sorted({at for at, asked in self.asked if asked == unit})


class Town:
    """A service on a clock of its own, and lines with units that it polls."""

    def __init__(self, clock: DayClock, stack: AsyncExitStack) -> None:
        self.clock = clock
        self.lines: dict[str, MemoryLine] = {}
        self.units: dict[str, Units] = {}
        self.service = Service("town", clock=clock)
        self._stack = stack

    @classmethod
    @asynccontextmanager
    async def of(
        cls, monkeypatch: pytest.MonkeyPatch, *hosts: str, **keys: Any
    ) -> AsyncIterator[Town]:
        """A town with units at these hosts; `keys` are those of its service, which is started."""
        clock = DayClock()
        async with AsyncExitStack() as stack:
            town = cls(clock, stack)
            for host in hosts:
                await town.build(host)

            def endpoint(wire: Wire) -> MemoryEndpoint:
                return town.endpoint(wire)

            monkeypatch.setattr(Wire, "endpoint", endpoint)
            town.service = Service("town", clock=clock, **keys)
            await town.service.start()
            try:
                yield town
            finally:
                await town.stop()

    async def build(self, host: str) -> Units:
        """Put units at the end of a line."""
        line = self._line(host)
        units = self.units[host] = Units(self.clock)
        server = ModbusServer(units, listener=line.listener(), clock=self.clock)
        await self._stack.enter_async_context(server)
        return units

    async def stop(self) -> None:
        """Stop the service, with time for the polls that are under way."""
        stopping = asyncio.create_task(self.service.stop())
        while not stopping.done():
            await self.clock.advance(1.0)
            await asyncio.sleep(0.001)
        await stopping

    def courses(self, link: str = "bus") -> Mapping[str, list[Course]]:
        """What the service polls on a link."""
        return self.service._links[link].courses

    def endpoint(self, wire: Wire) -> MemoryEndpoint:
        """Where a link leads."""
        if wire.host == "nowhere":
            msg = "a file cannot be used"
            raise ConfigError(msg)
        return self._line(wire.host or "").endpoint()

    def _line(self, host: str) -> MemoryLine:
        return self.lines.setdefault(host, MemoryLine(name=host, clock=self.clock))


class ListStore:
    """A store that only remembers; `before` is called in the thread that writes."""

    def __init__(self) -> None:
        self.polls: list[StoredPoll] = []
        self.calls = 0
        self.before: Callable[[], None] = lambda: None

    def append(self, polls: Iterable[StoredPoll]) -> None:
        """See `Store.append`."""
        self.calls += 1
        self.before()
        self.polls += polls

    def as_store(self) -> Store:
        """It has no more than the service needs of one."""
        return cast(Store, self)


def texts(events: EventStream, name: str | None = None) -> list[str]:
    """What was told, of this link or meter."""
    return [event.text for event in events.newest() if name is None or event.name == name]


def with_profile(meter: ResolvedMeter, profile: Profile) -> ResolvedMeter:
    """The same meter with another object for its profile."""
    return replace(meter, profile=profile, points=profile.readable_points)
