"""A day that meters could have had, made up from what they tell now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from energymeter.reader.reading import ReadReport, Value
from energymeter.service.snapshot import MeterState
from energymeter.store import Store, StoredPoll, layout_of
from energymeter.values import quantity_of
from energymeter.values.quantities import base_of

__all__ = ["fill"]

_STEP: Final = timedelta(minutes=5)
_BACK: Final = timedelta(hours=26)


def fill(store: Store, states: Sequence[MeterState]) -> None:
    """Put a day into a store, up to a few minutes ago; the one called grid has the sum of all."""
    polls = []
    powers = {
        place: _power_of(state.reports[0])
        for place, state in enumerate(states)
        if state.info.name != "grid" and state.reports[0] and _is_electric(state)
    }
    for place, state in enumerate(states):
        report = state.reports[0]
        if report is None:
            continue
        behind = powers if state.info.name == "grid" else {place: 1.0}
        layout = layout_of(report.points)
        power_w, hours = _power_of(report), 0.0
        time = report.time - _STEP
        while time > report.time - _BACK:
            load = sum(w * _load_at(time, of) for of, w in behind.items()) / sum(behind.values())
            hours += load * (_STEP / timedelta(hours=1))
            past = ReadReport(
                time=time,
                points=report.points,
                values=_values(report, load, power_w * hours, hours),
                qualities=report.qualities,
            )
            polls.append(StoredPoll.of(state.info.name, layout, past))
            time -= _STEP
    store.append(polls)


def _is_electric(state: MeterState) -> bool:
    return state.info.profile.kind == "electricity"


def _load_at(time: datetime, place: int) -> float:
    """What part of what it takes now a meter took then: little at night, with some unrest."""
    hour = time.hour + time.minute / 60
    day = 0.6 + 0.35 * math.sin((hour - 9 + place % 3) / 24 * 2 * math.pi)
    unrest = 0.12 * math.sin(hour * (3.1 + place)) + 0.08 * math.sin(hour * (11.7 + 2 * place))
    return max(0.02, day + unrest)


def _power_of(report: ReadReport) -> float:
    watts = {
        reading.name: float(reading.value * base_of(reading.unit)[1])
        for reading in report
        if reading.name.startswith("active_power") and isinstance(reading.value, (int, float))
    }
    phases = [value for name, value in watts.items() if "_phase_" in name]
    return watts.get("active_power_total", watts.get("active_power", sum(phases) or 1000.0))


def _values(report: ReadReport, load: float, watt_hours: float, hours: float) -> list[Value]:
    values: list[Value] = []
    for reading in report:
        quantity, value = quantity_of(reading.name), reading.value
        if quantity is None or not isinstance(value, (int, float)) or isinstance(value, bool):
            values.append(value)
            continue
        past: float = value
        base, factor = base_of(reading.unit)
        if quantity.is_counter:
            past = value - (watt_hours if base == "Wh" else 0.3 * hours) / factor
        elif quantity.unit in ("W", "var", "VA", "L/min"):
            past = value * load
        values.append(round(past) if isinstance(value, int) else past)
    return values
