"""Thousands of meters that are made up: a snapshot as a service has it, whose values move."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from energymeter.client import Link
from energymeter.clock import SystemClock
from energymeter.profiles import ProfileLibrary
from energymeter.reader.reading import Quality, ReadReport
from energymeter.service.archive import Archive
from energymeter.service.desk import Desk
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.frames import FrameStream
from energymeter.service.sink import MeterInfo
from energymeter.service.snapshot import LinkState, MeterState, Snapshot
from energymeter.store.base import layout_of

__all__ = ["Crowd"]

_EACH: Final = 100
_SITES: Final = ("north", "south", "east", "west")


class _Nobody:
    """Can be asked nothing."""

    async def read_now(self, meter: str) -> list[ReadReport]:
        raise KeyError(meter)

    def frames(self, link: str) -> FrameStream:
        raise KeyError(link)

    def reload(self) -> None:
        """There is no site file."""


class Crowd:
    """So many meters, a hundred on each link; each hundredth is silent."""

    def __init__(self, count: int) -> None:
        clock = SystemClock()
        profile = ProfileLibrary([]).load("energymeter/electric")
        self._points = [point for point in profile.points if point.type.words]
        series = layout_of(self._points).series
        self.snapshot = Snapshot("crowd", clock.now())
        for number in range(count):
            name = f"meter-{number:05d}"
            link = self._link(number // _EACH)
            link.meters.append(name)
            labels = {"site": _SITES[number % len(_SITES)], "floor": str(number % 7)}
            info = MeterInfo(
                name=name,
                link=link.url,
                unit=number % _EACH + 1,
                profile=profile,
                interval_s=5.0,
                series=series,
                labels=labels,
            )
            self.snapshot.meters[name] = MeterState(info, (5.0,), [None])
        events = EventStream(clock)
        events.tell(Level.INFO, Topic.SERVICE, "", f"{count} meters were made up")
        self.desk = Desk(self.snapshot, events, Archive(lambda: None), _Nobody(), clock)
        self.tick(0)

    async def run(self) -> None:
        """Move, once a second."""
        loop = asyncio.get_running_loop()
        begun, second = loop.time(), 0
        while True:
            second += 1
            await asyncio.sleep(max(0.0, begun + second - loop.time()))
            self.tick(second)

    def tick(self, second: int) -> None:
        """The first hundred meters are read, and a fifth of the others; at the start all."""
        now = datetime.now(UTC)
        qualities = [Quality.GOOD] * len(self._points)
        for number, state in enumerate(self.snapshot.meters.values()):
            if second and number >= _EACH and (number + second) % 5:
                continue
            state.polls += 1
            state.revision += 1
            if number % 100 == 99:
                state.fault, state.fault_since = "no answer", state.fault_since or now
                continue
            values = self._values(number, second)
            state.reports[0] = ReadReport(
                time=now, points=self._points, values=values, qualities=qualities
            )
            self.snapshot.lateness.add(0.0004)

    def _values(self, number: int, second: int) -> Sequence[float]:
        load = 1.0 + 0.5 * math.sin(number + second / 9.0)
        return [
            230.0 + load
            if point.unit == "V"
            else 1000.0 * number + second * 0.01
            if point.unit in ("kWh", "Wh")
            else round(800.0 * load + number, 1)
            for point in self._points
        ]

    def _link(self, number: int) -> LinkState:
        name = f"link-{number:03d}"
        if name not in self.snapshot.links:
            url = f"tcp://192.0.2.{number % 250 + 1}:502"
            self.snapshot.links[name] = LinkState(name, url, Link.to(url))
        return self.snapshot.links[name]
