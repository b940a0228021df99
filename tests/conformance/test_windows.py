"""Windows against a reference in plain Python, and the cases a person would look up."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.support import (
    FAR,
    GOOD,
    START,
    START_US,
    MakeStore,
    after,
    compact_all,
    is_close,
    plant_poll,
)

from energymeter.reader import EventKind, Quality
from energymeter.store import Every, Kind, Layout, Series, Store, StoredPoll

ENERGY = "active_energy_import"


def _values(store: Store, every: Every, name: str = ENERGY, first: float = 0) -> list[object]:
    found = store.history("main", name, after(first), FAR, every)
    assert found is not None
    return list(found.values)


def test_windows_of_a_counter_add_up_to_the_whole(store: Store) -> None:
    store.append([plant_poll(20 * n, 100 + 7 * n) for n in range(10)])
    assert _values(store, Every.MINUTE) == [14, 21, 21, 7]
    assert _values(store, Every.HOUR) == [63]


def test_a_window_begins_with_the_good_value_before_it(store: Store) -> None:
    store.append([plant_poll(0, 100), plant_poll(30, None, quality=Quality.NOT_READ)])
    store.append([plant_poll(7200, 150), plant_poll(7230, 160)])
    assert _values(store, Every.MINUTE, first=7200) == [60]
    compact_all(store)
    assert _values(store, Every.MINUTE, first=7230) == [60]


def test_the_first_value_of_all_is_no_difference(store: Store) -> None:
    store.append([plant_poll(0, 100), plant_poll(60, 110)])
    found = store.history("main", ENERGY, START, FAR, Every.MINUTE)
    assert found is not None
    assert list(found.rows()) == [
        (START, None, Quality.NOT_AVAILABLE),
        (after(60), 10, Quality.GOOD),
    ]


def test_a_rollover_is_counted_through_its_top(store: Store) -> None:
    store.append([plant_poll(0, 999_990)])
    store.append([plant_poll(10, 5, mark=EventKind.COUNTER_ROLLED_OVER), plant_poll(20, 7)])
    found = store.history("main", ENERGY, START, FAR, Every.MINUTE)
    assert found is not None
    assert found.values == [17]
    assert found.marks == {0: EventKind.COUNTER_ROLLED_OVER}


def test_a_rollover_whose_top_is_not_known_counts_nothing(store: Store) -> None:
    store.append([plant_poll(0, 500_000)])
    store.append([plant_poll(10, 5, mark=EventKind.COUNTER_ROLLED_OVER), plant_poll(20, 7)])
    assert _values(store, Every.MINUTE) == [2]


@pytest.mark.parametrize("new", [3, 5000])
def test_another_meter_begins_anew(store: Store, new: int) -> None:
    store.append([plant_poll(0, 1000), plant_poll(10, 1010)])
    store.append([plant_poll(20, None, quality=Quality.WITHHELD)])
    store.append([plant_poll(30, new, mark=EventKind.COUNTER_REPLACED), plant_poll(40, new + 2)])
    compact_all(store)
    assert _values(store, Every.MINUTE) == [12]


def test_a_fall_without_a_word_counts_nothing(store: Store) -> None:
    store.append([plant_poll(10 * n, amount) for n, amount in enumerate((1000, 1010, 3, 5))])
    assert _values(store, Every.MINUTE) == [12]


def test_energy_of_polls_out_of_order_is_counted_once(store: Store) -> None:
    # The clock was an hour ahead for the first minute, as after a start without time from a net.
    early = [plant_poll(3600 + second, 100_000 + second // 2) for second in range(0, 60, 10)]
    late = [plant_poll(second, 100_000 + second // 2) for second in range(60, 7200, 10)]
    store.append(early + late)
    compact_all(store)
    assert _values(store, Every.HOUR) == [1795 - 30, 1800]
    minutes = store.history("main", ENERGY, START, FAR, Every.MINUTE)
    assert minutes is not None
    assert minutes.numbers.sum() == 1795 - 30 + 1800


def test_decimals_of_a_counter_stay_decimals(store: Store) -> None:
    layout = Layout((Series("energy", "kWh", kind=Kind.COUNTER, divisor=100),))
    store.append(
        [
            StoredPoll("main", layout, START_US + 1_000_000 * n, [value], [Quality.GOOD])
            for n, value in enumerate((12345678.91, 12345678.92, 12345679.01))
        ]
    )
    assert _values(store, Every.DAY, "energy") == [0.1]


def test_a_counter_that_runs_downwards(store: Store) -> None:
    layout = Layout((Series("energy", "Wh", kind=Kind.COUNTER, counts_down=True, tops=(1000.0,)),))
    marks = {0: EventKind.COUNTER_ROLLED_OVER}
    values = [(-990.0, {}), (-999.5, {}), (-2.0, marks), (-4.0, {}), (-1.0, {})]
    store.append(
        [
            StoredPoll("main", layout, START_US + n, [value], [Quality.GOOD], mark)
            for n, (value, mark) in enumerate(values)
        ]
    )
    assert _values(store, Every.DAY, "energy") == [-9.5 - 2.5 - 2.0]


def test_means_leave_out_what_is_not_good(store: Store) -> None:
    good, stale = GOOD, (Quality.STALE, *GOOD[1:])
    store.append(
        [
            plant_poll(0, voltage=230.0),
            plant_poll(1, voltage=900.0)._replace(qualities=stale),
            plant_poll(2, voltage=232.0)._replace(qualities=good),
            plant_poll(61)._replace(
                values=[None, 1, True, 1.0], qualities=(Quality.NOT_READ, *GOOD[1:])
            ),
        ]
    )
    found = store.history("main", "voltage", START, FAR, Every.MINUTE)
    assert found is not None
    assert found.values == [231.0, None]
    assert list(found.qualities) == [Quality.GOOD, Quality.NOT_READ]


def test_the_windows_that_are_cut_are_told_whole(store: Store) -> None:
    store.append([plant_poll(n, voltage=float(n)) for n in range(0, 180, 10)])
    found = store.history("main", "voltage", after(70), after(80), Every.MINUTE)
    assert found is not None
    assert found.times == [after(60)]
    assert found.values == [85.0]


_ROWS = st.lists(
    st.tuples(
        st.integers(0, 8000),
        st.integers(0, 3000) | st.integers(995_000, 1_000_000),
        st.sampled_from(
            (Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.STALE, Quality.WITHHELD)
        ),
        st.sampled_from(
            (None, None, None, None, EventKind.COUNTER_REPLACED, EventKind.COUNTER_ROLLED_OVER)
        ),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda row: row[0],
)


def _reference(polls: Sequence[StoredPoll], place: int, every: int) -> dict[int, Fraction | None]:
    """Windows and their values, slowly."""
    counts: dict[int, list[Fraction]] = {}
    last: Fraction | None = None
    for poll in polls:
        window = poll.time_us // 1_000_000 // every * every
        amounts = counts.setdefault(window, [])
        value = poll.values[place]
        if poll.qualities[place] is not Quality.GOOD or value is None:
            continue
        assert not isinstance(value, str)
        amount = Fraction(value)
        if place == 0:
            amounts.append(amount)
            continue
        mark = poll.marks.get(place)
        if last is not None:
            if mark is EventKind.COUNTER_ROLLED_OVER and 999_000 <= last <= 1_000_000:
                amounts.append(1_000_000 - last + amount)
            elif mark is not None or 10 * amount < 9 * last:
                amounts.append(Fraction(0))
            else:
                amounts.append(amount - last)
        last = amount
    return {
        window: None
        if not amounts
        else sum(amounts, Fraction(0)) / (len(amounts) if place == 0 else 1)
        for window, amounts in counts.items()
    }


@settings(max_examples=40, deadline=None)
@given(
    rows=_ROWS, every=st.sampled_from(Every), first=st.integers(0, 8000), split=st.integers(0, 8000)
)
def test_windows_are_those_of_the_reference(
    make: MakeStore,
    rows: list[tuple[int, int, Quality, EventKind | None]],
    every: Every,
    first: int,
    split: int,
) -> None:
    polls = [
        plant_poll(
            second,
            None if quality is Quality.WITHHELD else amount,
            quality=quality,
            mark=mark if quality is Quality.GOOD else None,
            voltage=amount / 10,
        )
        for second, amount, quality, mark in sorted(rows)
    ]
    with TemporaryDirectory() as folder, closing(make(Path(folder))) as store:
        store.append(polls)
        compact_all(store, after(split))
        begin = int(after(first).timestamp()) // every * every
        for place, name in enumerate(("voltage", ENERGY)):
            # Read in two steps: a day ends at second 7200.
            found = store.history("main", name, after(first), after(86_400), every)
            assert found is not None
            expected = {
                window: value
                for window, value in _reference(polls, place, every).items()
                if window >= begin
            }
            assert [time // 1_000_000 for time in found.times_us.tolist()] == list(expected)
            assert all(map(is_close, found.values, expected.values()))
