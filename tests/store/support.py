"""Polls to put into stores, and what they ought to give back."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from energymeter.reader import EventKind, Quality
from energymeter.store import Form, Kind, Layout, Series, Store, StoredPoll
from energymeter.store.base import microseconds

START: Final = datetime(2026, 3, 1, 22, tzinfo=UTC)
START_US: Final = microseconds(START)
FAR: Final = START + timedelta(days=3000)

MakeStore = Callable[[Path], Store]
"""Makes, or opens again, the store of a folder."""

PLANT: Final = Layout(
    (
        Series("voltage", "V", divisor=10),
        Series("active_energy_import", "Wh", kind=Kind.COUNTER, form=Form.INTEGER, tops=(1e6, 2e9)),
        Series("online", form=Form.BOOLEAN),
        Series("power", "W"),
    )
)

GOOD: Final = (Quality.GOOD,) * 4


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def plant_poll(
    second: float,
    energy: int | None = 0,
    meter: str = "main",
    *,
    quality: Quality = Quality.GOOD,
    mark: EventKind | None = None,
    voltage: float = 230.1,
) -> StoredPoll:
    return StoredPoll(
        meter,
        PLANT,
        START_US + round(second * 1e6),
        [voltage, energy, True, 0.1 + second],
        (Quality.GOOD, quality, Quality.GOOD, Quality.GOOD),
        {1: mark} if mark is not None else {},
    )


def compact_all(store: Store, before: datetime = FAR) -> int:
    slices = 1
    while store.compact(before):
        slices += 1
    return slices


def exact(value: Any) -> Any:
    """Equal only when the bits are; a whole number is the float that is just as large."""
    if isinstance(value, (bool, int, float)) and float(value) == value:
        return struct.pack("<d", value)
    return value


_VALUES: Final = {
    Form.FLOAT: st.floats(allow_nan=False) | st.integers(-9999, 9999).map(lambda n: n / 10),
    Form.INTEGER: st.integers(-(2**63), 2**63 - 1) | st.integers(0, 50),
    Form.BOOLEAN: st.booleans(),
    Form.TEXT: st.text(max_size=8),
}


def _values_of(series: Series) -> st.SearchStrategy[Any]:
    usual = st.none() | _VALUES[series.form]
    # Now and then one that its form does not hold.
    return st.integers(0, 19).flatmap(
        lambda chance: usual if chance else st.integers(-(2**70), 2**70) | st.text(max_size=3)
    )


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    forms = draw(st.lists(st.sampled_from(Form), min_size=1, max_size=5))
    divisors = draw(st.lists(st.sampled_from((1, 10, 1000)), min_size=5, max_size=5))
    return Layout(
        Series(f"value_{place}", "V", form=form, divisor=divisors[place])
        for place, form in enumerate(forms)
    )


@st.composite
def polls(draw: st.DrawFn) -> list[StoredPoll]:
    """Of few meters and layouts, within three hours, in any order."""
    known = draw(st.lists(layouts(), min_size=1, max_size=2))
    found = []
    for _ in range(draw(st.integers(1, 25))):
        layout = draw(st.sampled_from(known))
        values = [draw(_values_of(series)) for series in layout.series]
        qualities = [
            draw(st.sampled_from(Quality))
            if value is None or not draw(st.integers(0, 9))
            else Quality.GOOD
            for value in values
        ]
        marks = (
            {draw(st.integers(0, len(layout) - 1)): EventKind.COUNTER_REPLACED}
            if not draw(st.integers(0, 9))
            else {}
        )
        found.append(
            StoredPoll(
                draw(st.sampled_from(("a", "b", "c"))),
                layout,
                START_US + draw(st.integers(0, 3 * 3_600_000_000)),
                values,
                qualities,
                marks,
            )
        )
    return found


def histories(store: Store, given: Sequence[StoredPoll]) -> Iterator[tuple[str, str]]:
    """Meters and names of values that were given."""
    yield from sorted({(p.meter, s.name) for p in given for s in p.layout.series})


Row = tuple[int, Any, Quality, EventKind | None]


def rows_given(given: Sequence[StoredPoll], meter: str, name: str) -> list[Row]:
    """The rows of a history of all these polls."""
    found: list[Row] = []
    for poll in sorted((p for p in given if p.meter == meter), key=lambda p: p.time_us):
        place = poll.layout.place(name)
        if place is not None:
            value, quality = poll.values[place], poll.qualities[place]
            found.append((poll.time_us, exact(value), quality, poll.marks.get(place)))
    return found


def rows_kept(store: Store, meter: str, name: str) -> list[Row]:
    found = store.history(meter, name, START - timedelta(days=1), FAR)
    assert found is not None
    return [
        (time_us, exact(value), quality, found.marks.get(row))
        for row, (time_us, value, quality) in enumerate(
            zip(found.times_us.tolist(), found.values, found.qualities, strict=True)
        )
    ]


def in_any_order(rows: Sequence[Row]) -> list[str]:
    """Polls of one time have no order among layouts."""
    return sorted(map(repr, rows))


def is_close(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
