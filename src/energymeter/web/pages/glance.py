"""What a meter shows at a glance: the one value that matters, and the counter behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from energymeter.reader.reading import Quality
from energymeter.service.sink import MeterInfo
from energymeter.service.snapshot import MeterState
from energymeter.store.base import Series
from energymeter.values import quantity_of
from energymeter.values.quantities import base_of

__all__ = ["Glance", "Glances", "Now", "Standing", "newest", "standing_of", "sum_of"]

Standing = Literal["ok", "stale", "silent", "waiting"]

_MAIN: Final = {
    "electricity": ("active_power", "active_power_import", "apparent_power", "current"),
    "heat": ("heat_power", "flow_rate", "temperature"),
    "water": ("flow_rate", "flow_rate_volumetric", "volume"),
    "gas": ("flow_rate", "flow_rate_volumetric", "gas_volume", "volume"),
}
"""Quantities by kind of meter, the best first."""

_COUNTER: Final = {
    "electricity": (
        *("active_energy_import", "active_energy_delivered", "active_energy"),
        *("active_energy_import_nonresettable", "apparent_energy"),
    ),
    "heat": ("heat_energy", "volume"),
    "water": ("volume",),
    "gas": ("gas_volume", "volume"),
}

_COUNTED: Final = ("Wh", "VAh", "m3")
_PHASES: Final = ("_phase_a", "_phase_b", "_phase_c")
_STALE_INTERVALS: Final = 3.0
"""As `MeterState.readings` has it."""


class Glance(NamedTuple):
    """Which of a meter's values stand for it."""

    main: tuple[Series, ...]
    """Added up; more than one where there are phases and no total. Empty: it has no number."""

    counters: tuple[Series, ...]
    """What it counts, added up; more than one where there are tariffs and no total."""

    @property
    def is_power(self) -> bool:
        """Whether what it shows is electrical power."""
        if not self.main:
            return False
        quantity = quantity_of(self.main[0].name)
        return quantity is not None and quantity.name.startswith("active_power")


class Now(NamedTuple):
    """A value as it is at this moment."""

    value: float | None
    """In the unit of its series; None: there is none that can be trusted."""

    is_stale: bool = False
    """It was good, and was not renewed since."""


class Glances:
    """Remembers the choice for each meter until something about it changes."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[MeterInfo, Glance]] = {}
        self._by_series: dict[tuple[str, tuple[Series, ...]], Glance] = {}

    def of(self, info: MeterInfo) -> Glance:
        """What stands for this meter."""
        known = self._known.get(info.name)
        if known is not None and known[0] is info:
            return known[1]
        kind = info.profile.kind
        # Thousands of meters have few kinds of series.
        found = self._by_series.get((kind, info.series))
        if found is None:
            found = self._by_series[kind, info.series] = _choose(kind, info.series)
        self._known[info.name] = info, found
        return found

    def keep_only(self, names: Iterable[str]) -> None:
        """Forget the meters that are no more."""
        kept = set(names)
        self._known = {name: each for name, each in self._known.items() if name in kept}


def newest(state: MeterState, series: Series, now: datetime) -> Now:
    """The newest value of a meter that can be trusted, without a look at all the others."""
    for report, interval_s in zip(state.reports, state.intervals_s, strict=True):
        if report is None:
            continue
        for place, point in enumerate(report.points):
            if point.name != series.name:
                continue
            value, quality = report.values[place], report.qualities[place]
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or quality not in (Quality.GOOD, Quality.STALE):
                return Now(None)
            oldest = now - timedelta(seconds=_STALE_INTERVALS * interval_s)
            is_stale = quality is Quality.STALE or report.time_at(place) < oldest
            return Now(float(value), is_stale)  # type: ignore[arg-type]
    return Now(None)


def sum_of(state: MeterState, series: Sequence[Series], now: datetime) -> Now:
    """What several values are together; nothing where one of them is missing."""
    total, is_stale = 0.0, False
    for each in series:
        value, was_stale = newest(state, each, now)
        if value is None:
            return Now(None)
        total, is_stale = total + value, is_stale or was_stale
    return Now(total if series else None, is_stale)


def standing_of(state: MeterState, now: datetime) -> Standing:
    """How a meter is doing."""
    if not state.polls:
        return "waiting"
    if state.fault:
        return "silent"
    time = state.time
    limit_s = _STALE_INTERVALS * state.info.interval_s
    if time is None or (now - time).total_seconds() > limit_s:
        return "stale"
    return "ok"


def _choose(kind: str, series: tuple[Series, ...]) -> Glance:
    numbers = [each for each in series if each.type.words]
    return Glance(_main(numbers, _MAIN.get(kind, ())), _counters(numbers, _COUNTER.get(kind, ())))


def _main(series: list[Series], names: tuple[str, ...]) -> tuple[Series, ...]:
    by_name = {each.name: each for each in series}
    for name in names:
        whole = _whole(by_name, name)
        if whole is not None:
            return (whole,)
        phases = [by_name[name + end] for end in _PHASES if name + end in by_name]
        if phases and len({each.unit for each in phases}) == 1 and name != "current":
            return tuple(phases)
    for each in series:
        quantity = quantity_of(each.name)
        if quantity is not None and not quantity.is_setting and not quantity.is_counter:
            return (each,)
    return tuple(series[:1])


def _counters(series: list[Series], names: tuple[str, ...]) -> tuple[Series, ...]:
    by_name = {each.name: each for each in series if base_of(each.unit)[0] in _COUNTED}
    for name in names:
        whole = _whole(by_name, name)
        if whole is not None:
            return (whole,)
        parts = [each for key, each in by_name.items() if key.startswith(f"{name}_tariff_")]
        if parts and len({each.unit for each in parts}) == 1:
            return tuple(parts)
    return ()


def _whole(by_name: dict[str, Series], name: str) -> Series | None:
    """The value itself or its total, and no part of it."""
    for end in ("_total", ""):
        found = by_name.get(name + end)
        if found is not None:
            return found
    return None
