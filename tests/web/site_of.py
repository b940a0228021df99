"""A snapshot as a running service has it, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from energymeter.client import Link
from energymeter.clock import Clock
from energymeter.profiles import Point, Profile, ProfileLibrary
from energymeter.reader.reading import Quality, ReadReport, Value
from energymeter.service.archive import Archive
from energymeter.service.desk import Desk
from energymeter.service.events import EventStream
from energymeter.service.frames import FrameStream
from energymeter.service.sink import MeterInfo
from energymeter.service.snapshot import LinkState, MeterState, SinkState, Snapshot
from energymeter.store import Store
from energymeter.store.base import layout_of
from energymeter.values import DataType

__all__ = ["NOW", "desk_of", "link_of", "meter_of", "point", "report_of", "sink_of", "snapshot_of"]

NOW: Final = datetime(2026, 11, 21, 15, 0, 0, tzinfo=UTC)

_VOLTAGE: Final = {"voltage_phase_a": (230.5, "V")}


def point(name: str, unit: str = "", kind: DataType = DataType.FLOAT32) -> Point:
    """A point; where it stands in a meter means nothing here."""
    length = 4 if kind is DataType.STRING else None
    return Point(name=name, address=0, type=kind, unit=unit, length=length)


def profile_of(name: str = "energymeter/electric") -> Profile:
    return ProfileLibrary([]).load(name)


def report_of(
    points: Sequence[Point],
    values: Sequence[Value],
    qualities: Sequence[Quality] | None = None,
    time: datetime = NOW,
) -> ReadReport:
    """A report; all values are good unless it is said otherwise."""
    if qualities is None:
        qualities = [Quality.GOOD] * len(values)
    return ReadReport(time=time, points=points, values=values, qualities=qualities)


def meter_of(  # one keyword for each thing tests vary
    name: str = "m1",
    values: Mapping[str, tuple[Value, str]] = _VOLTAGE,
    *,
    points: Sequence[Point] | None = None,
    qualities: Sequence[Quality] | None = None,
    labels: Mapping[str, str] | None = None,
    profile: Profile | None = None,
    time: datetime | None = NOW,
    interval_s: float = 10.0,
    link: str = "tcp://192.0.2.1:502",
) -> MeterState:
    """A meter that was read at `time`; None: not yet."""
    if points is None:
        points = tuple(point(each, unit) for each, (_, unit) in values.items())
    read = None
    if time is not None:
        read = report_of(points, [value for value, _ in values.values()], qualities, time)
    info = MeterInfo(
        name=name,
        link=link,
        unit=1,
        profile=profile if profile is not None else profile_of(),
        interval_s=interval_s,
        series=layout_of(points).series,
        labels=labels if labels is not None else {},
    )
    return MeterState(
        info=info, intervals_s=(interval_s,), reports=[read], polls=0 if read is None else 1
    )


def link_of(name: str, meters: Sequence[str], url: str = "tcp://192.0.2.1:502") -> LinkState:
    """A link nobody opens."""
    return LinkState(name=name, url=url, link=Link.to(url), meters=list(meters))


def sink_of(name: str, kind: str = "mqtt", fault: str = "") -> SinkState:
    return SinkState(name=name, type=kind, sent=7, waiting=2, dropped=1, fault=fault)


def snapshot_of(*meters: MeterState, link: str = "bus1") -> Snapshot:
    """A site whose meters are all on one link."""
    snapshot = Snapshot("plant", NOW)
    snapshot.meters = {meter.info.name: meter for meter in meters}
    snapshot.links = {link: link_of(link, list(snapshot.meters))}
    snapshot.store.place = "energymeter.db"
    return snapshot


class NoOperator:
    """Knows no meter and no link; counts how often it was asked to reload."""

    def __init__(self) -> None:
        self.reloads = 0

    async def read_now(self, meter: str) -> list[ReadReport]:
        raise KeyError(meter)

    def frames(self, link: str) -> FrameStream:
        raise KeyError(link)

    def reload(self) -> None:
        self.reloads += 1


def desk_of(
    snapshot: Snapshot, events: EventStream, clock: Clock, store: Store | None = None
) -> Desk:
    """A desk at which nobody can be asked, only looked."""
    return Desk(snapshot, events, Archive(lambda: store), NoOperator(), clock)
