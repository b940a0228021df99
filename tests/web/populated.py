"""A desk of a site with something of everything: odd names, faults, events, a real store."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

from tests.web.site_of import NOW, link_of, meter_of, point, report_of, sink_of, snapshot_of

from energymeter.clock import Clock
from energymeter.errors import RequestTimeout
from energymeter.reader import ReadReport
from energymeter.reader.reading import Quality, Value
from energymeter.service.archive import Archive
from energymeter.service.desk import Desk
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.frames import FrameStream
from energymeter.service.snapshot import Snapshot
from energymeter.store import Store, StoredPoll
from energymeter.store.base import layout_of
from energymeter.values import DataType

__all__ = ["NAMES", "WEEK", "Reader", "busy_desk", "busy_snapshot", "fill"]

NAMES: Final = ("main", "hall 2: Süd", "Zähler 水", "a%2Fb?c&d", "silent", "waiting")
"""Of the meters; whatever people write into names."""

WEEK: Final = timedelta(days=7)

POINTS: Final = (
    point("voltage_phase_a", "V"),
    point("active_energy_import", "kWh", DataType.UINT64),
    point("serial_number", "", DataType.STRING),
    point("frequency", "Hz"),
)
HELD: Final = 230.10000610351562
"""What registers of a float32 give back that were to say 230.1."""

_VALUES: Final[dict[str, tuple[Value, str]]] = {
    "voltage_phase_a": (HELD, "V"),
    "active_energy_import": (2**63, "kWh"),
    "serial_number": ("A\n\u2028\0\"'<b>", ""),
    "frequency": (math.nan, "Hz"),
}
_QUALITIES: Final = (Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.OUT_OF_RANGE)


def busy_snapshot() -> Snapshot:
    """Six meters on two links, one silent, one not asked yet."""
    meters = [
        meter_of(
            name,
            _VALUES,
            points=POINTS,
            qualities=_QUALITIES,
            labels={"building": "north" if number % 2 else "south", "größe": "1"},
            time=None if name == "waiting" else NOW - timedelta(seconds=number * 20),
        )
        for number, name in enumerate(NAMES)
    ]
    for meter in meters:
        meter.revision = meter.polls
    snapshot = snapshot_of(*meters)
    silent = snapshot.meters["silent"]
    silent.fault, silent.fault_since = "no answer within 1 s", NOW - timedelta(minutes=5)
    bus = snapshot.links["bus1"]
    bus.meters.remove("main")
    unit = bus.link.health.of(7)
    unit.requests, unit.answers, unit.timeouts, unit.latency_s = 10, 8, 2, 0.02
    bus.link.health.of(3).requests = 1
    url = "tcp://192.0.2.2:502"
    snapshot.links[url] = link_of(url, ["main"], url)
    snapshot.links[url].fault = "connection refused"
    snapshot.sinks["mqtt"] = sink_of("mqtt", fault="connection refused")
    return snapshot


class Reader:
    """Reads each meter at once as the snapshot has it; `silent` answers nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.reloads = 0

    async def read_now(self, meter: str) -> list[ReadReport]:
        self.asked.append(meter)
        if meter == "waiting":
            raise KeyError(meter)
        if meter == "silent":
            msg = "unit 1 on tcp://192.0.2.1:502 did not answer within 1 s"
            raise RequestTimeout(msg)
        return [report_of(POINTS, [value for value, _ in _VALUES.values()], _QUALITIES)]

    def frames(self, link: str) -> FrameStream:
        raise KeyError(link)

    def reload(self) -> None:
        self.reloads += 1


def busy_desk(clock: Clock, store: Store | None, snapshot: Snapshot | None = None) -> Desk:
    """At which everything can be asked."""
    events = EventStream(clock)
    for number in range(30):
        level = (Level.INFO, Level.WARNING, Level.ERROR)[number % 3]
        events.tell(level, Topic.METER, NAMES[number % len(NAMES)], f"event {number}")
    if snapshot is None:
        snapshot = busy_snapshot()
    return Desk(snapshot, events, Archive(lambda: store), Reader(), clock)


def fill(store: Store, every: timedelta = timedelta(minutes=15)) -> int:
    """Keep a week of two meters that ends now, hours compressed; returns how many polls of each."""
    layout = layout_of(POINTS)
    polls = []
    rows = int(WEEK / every)
    for row in range(rows):
        moment = NOW - WEEK + row * every
        values: list[Value] = [HELD + row % 2, 1000 + row, "A1", None]
        qualities = [Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.NOT_AVAILABLE]
        report = ReadReport(time=moment, points=POINTS, values=values, qualities=qualities)
        polls += [StoredPoll.of(name, layout, report) for name in NAMES[:2]]
    store.append(polls)
    while store.compact(NOW - timedelta(hours=1)):
        pass
    return rows
