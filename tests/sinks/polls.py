"""Meters and polls to pass on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from energymeter.profiles import Profile, ProfileLibrary
from energymeter.reader import Quality
from energymeter.reader.reading import Value
from energymeter.service.sink import MeterInfo, SinkPoll, SinkValue
from energymeter.store import Form, Series
from energymeter.store.base import microseconds
from energymeter.values import DataType

__all__ = [
    "ENERGY",
    "MODEL",
    "ONLINE",
    "POWER",
    "SERIES",
    "START",
    "START_US",
    "VOLTAGE",
    "batch",
    "meter_info",
    "poll_of",
    "polls_by_id",
]

START: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
START_US: Final = microseconds(START)

VOLTAGE: Final = Series("voltage_phase_a", "V", DataType.UINT16, divisor=10)
POWER: Final = Series("active_power_total", "kW", DataType.FLOAT32)
ENERGY: Final = Series("active_energy_import", "Wh", DataType.UINT32, form=Form.INTEGER)
ONLINE: Final = Series("online", type=DataType.BOOL, form=Form.BOOLEAN)
MODEL: Final = Series("model", type=DataType.STRING, form=Form.TEXT)
SERIES: Final = (VOLTAGE, POWER, ENERGY, ONLINE, MODEL)

_VALUES: Final[Mapping[Series, Value]] = {
    VOLTAGE: 230.1,
    POWER: 1.5,
    ENERGY: 12_345,
    ONLINE: True,
    MODEL: "PM8000",
}

_PROFILE: Final[Profile] = ProfileLibrary().load("pm8000")


def meter_info(
    name: str = "main", series: Sequence[Series] = SERIES, labels: Mapping[str, str] | None = None
) -> MeterInfo:
    return MeterInfo(
        name=name,
        link="tcp://127.0.0.1:502",
        unit=7,
        profile=_PROFILE,
        interval_s=1.0,
        series=tuple(series),
        labels=labels or {},
    )


def poll_of(
    second: float = 0.0,
    *values: SinkValue,
    meter: str = "main",
    series: Sequence[Series] = SERIES,
    quality: Quality = Quality.GOOD,
) -> SinkPoll:
    """A poll so many seconds after START; by default with one value of every kind."""
    found = values or tuple(
        SinkValue(each, _VALUES[each] if quality is Quality.GOOD else None, quality)
        for each in series
    )
    return SinkPoll(meter, START_US + round(second * 1e6), found)


def batch(count: int, first: int = 0, meter: str = "main") -> list[SinkPoll]:
    """Polls of consecutive seconds."""
    return [poll_of(first + second, meter=meter) for second in range(count)]


def polls_by_id(polls: Sequence[SinkPoll]) -> list[str]:
    return [poll.id for poll in polls]
