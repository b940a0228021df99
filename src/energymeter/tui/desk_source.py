"""The service of this very process as the screen asks it, at its desk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from energymeter.reader import Quality
from energymeter.reader.reading import Reading
from energymeter.service.desk import Desk
from energymeter.service.snapshot import LinkState, MeterState
from energymeter.store import Kind
from energymeter.store.base import Series
from energymeter.tui.figures import COUNTED, MEASURED, comparable, leading, worst_quality
from energymeter.tui.source import (
    EventRow,
    Figure,
    FrameRow,
    LinkRow,
    MeterRow,
    MeterView,
    Overview,
    ValueRow,
)
from energymeter.values.text import format_value

__all__ = ["DeskSource"]

_MOST_EVENTS: Final = 500


class DeskSource:
    """A `Source`.

    Args:
        desk: Where it asks.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def place(self) -> str:
        """See `Source.place`."""
        return "this process"

    async def overview(self) -> Overview:
        """See `Source.overview`; of what is wrong only silent meters are told."""
        snapshot = self._desk.snapshot
        states = [_state_of(meter) for meter in snapshot.meters.values()]
        silent = states.count("silent")
        verb = "does" if silent == 1 else "do"
        return Overview(
            site=snapshot.site,
            time=self._desk.clock.now(),
            state="degraded" if silent else "ok",
            reasons=(f"{silent} of {len(states)} meters {verb} not answer",) if silent else (),
        )

    async def meters(self) -> Sequence[MeterRow]:
        """See `Source.meters`."""
        now, links = self._desk.clock.now(), self._links()
        return [_meter_row(meter, links, now) for meter in self._desk.snapshot.meters.values()]

    async def meter(self, name: str) -> MeterView | None:
        """See `Source.meter`."""
        meter = self._desk.snapshot.meters.get(name)
        if meter is None:
            return None
        now = self._desk.clock.now()
        series = {each.name: each for each in meter.info.series}
        values = tuple(
            ValueRow(
                reading.name,
                _text(reading, series.get(reading.name)),
                reading.unit,
                reading.quality.value,
                (now - reading.time).total_seconds(),
                meter.reason(reading.name),
            )
            for reading in meter.readings(now)
        )
        return MeterView(_meter_row(meter, self._links(), now), values)

    async def links(self) -> Sequence[LinkRow]:
        """See `Source.links`."""
        return [_link_row(link) for link in self._desk.snapshot.links.values()]

    async def events(self) -> Sequence[EventRow]:
        """See `Source.events`."""
        return [
            EventRow(
                event.number,
                event.time,
                event.level.value,
                event.topic.value,
                event.name,
                event.text,
            )
            for event in self._desk.events.newest(_MOST_EVENTS)
        ]

    async def frames(self, link: str) -> AsyncGenerator[FrameRow]:
        """See `Source.frames`."""
        try:
            stream = self._desk.operator.frames(link)
        except KeyError:
            return
        with stream.listening() as queue:
            while True:
                event = await queue.get()
                time = datetime.fromtimestamp(event.time_s, UTC)
                yield FrameRow(time, event.kind.value, event.data.hex(), event.text)

    async def close(self) -> None:
        """See `Source.close`."""

    def _links(self) -> Mapping[str, str]:
        """The link of each meter."""
        links = self._desk.snapshot.links.values()
        return {meter: link.name for link in links for meter in link.meters}


def _state_of(meter: MeterState) -> str:
    if not meter.polls:
        return "waiting"
    return "silent" if meter.fault else "alive"


def _meter_row(meter: MeterState, links: Mapping[str, str], now: datetime) -> MeterRow:
    info = meter.info
    readings = {reading.name: reading for reading in meter.readings(now)}
    series = {each.name: each for each in info.series}
    figure = partial(_figure, readings=readings, series=series)
    shown = figure(wanted=MEASURED), figure(wanted=COUNTED)
    return MeterRow(
        name=info.name,
        link=links.get(info.name, info.link),
        unit=info.unit,
        profile=info.profile.name,
        labels=" ".join(info.labels.values()),
        state=_state_of(meter),
        quality=worst_quality(shown),
        age_s=None if meter.time is None else (now - meter.time).total_seconds(),
        now=shown[0],
        total=shown[1],
        polls=meter.polls,
        failed=meter.failed,
        lateness_s=meter.lateness_s,
        fault=meter.fault,
    )


def _figure(
    *, wanted: Sequence[str], readings: Mapping[str, Reading], series: Mapping[str, Series]
) -> Figure | None:
    name = leading(readings, wanted)
    if name is None:
        return None
    reading = readings[name]
    known = series.get(name)
    is_good = reading.quality in (Quality.GOOD, Quality.STALE)
    return Figure(
        name,
        _text(reading, known),
        reading.unit,
        reading.quality.value,
        comparable(reading.value, reading.unit) if is_good else None,
        known is not None and known.kind is Kind.COUNTER,
    )


def _text(reading: Reading, series: Series | None) -> str:
    if series is None:
        return "-" if reading.value is None else str(reading.value)
    return format_value(reading.value, series.type, series.divisor)


def _link_row(link: LinkState) -> LinkRow:
    units = list(link.link.health.units.values())
    answers = sum(unit.answers for unit in units)
    thought_s = sum(unit.latency_s * unit.answers for unit in units)
    return LinkRow(
        name=link.name,
        url=link.url,
        is_open=link.link.is_open,
        meters=len(link.meters),
        utilisation=link.utilisation,
        wanted=link.wanted,
        latency_s=thought_s / answers if answers else None,
        skipped=link.skipped,
        requests=sum(unit.requests for unit in units),
        timeouts=sum(unit.timeouts for unit in units),
        refusals=sum(unit.refusals for unit in units),
        faults=sum(unit.faults for unit in units),
        fault=link.fault,
    )
