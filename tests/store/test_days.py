"""Days from midnight to midnight of a zone, and a meter that is kept under several keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.support import FAR, START, START_US, after, plant_poll

from energymeter.reader import EventKind, Quality
from energymeter.store import Every, Form, Kind, Layout, Series, SqliteStore, StoredPoll
from energymeter.store.base import microseconds
from energymeter.store.courses import courses_of, history_of_meter, meters_in
from energymeter.store.days import day_begins, history_of_days, midnight

BERLIN = ZoneInfo("Europe/Berlin")
ENERGY = "active_energy_import"
LAYOUT = Layout(
    (
        Series(ENERGY, "kWh", kind=Kind.COUNTER, divisor=10),
        Series("voltage", "V", divisor=10),
    )
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "site.db", survives_power_loss=False) as store:
        yield store


def poll(moment: datetime, energy: float, voltage: float = 230.0, key: str = "main") -> StoredPoll:
    return StoredPoll(
        key, LAYOUT, microseconds(moment), [energy, voltage], [Quality.GOOD, Quality.GOOD]
    )


@pytest.mark.parametrize(
    ("first", "hours"),
    [(datetime(2026, 3, 29), [23, 24]), (datetime(2026, 10, 25), [25, 24])],
)
def test_a_day_on_which_the_clocks_change_has_23_or_25_hours(
    store: SqliteStore, first: datetime, hours: list[int]
) -> None:
    begin = first.replace(tzinfo=BERLIN).astimezone(UTC)
    store.append([poll(begin + timedelta(hours=n), n / 10) for n in range(sum(hours) + 1)])
    found = history_of_days(
        store, "main", ENERGY, begin, begin + timedelta(hours=sum(hours)), BERLIN
    )
    assert found is not None
    assert [each.astimezone(BERLIN).hour for each in found.times] == [0, 0]
    # The first poll of all is no difference; each later one adds a tenth to its day.
    assert found.values == [(hours[0] - 1) / 10, hours[1] / 10]


def test_a_day_is_weighed_by_its_polls_and_knows_its_extremes(store: SqliteStore) -> None:
    begin = midnight(datetime(2026, 7, 1).date(), BERLIN)
    moments = [*(timedelta(seconds=n) for n in range(30)), timedelta(hours=5), timedelta(hours=9)]
    store.append(
        [poll(begin + moment, 1.0, 231.0 if moment.seconds < 30 else 215.0) for moment in moments]
    )
    found = history_of_days(store, "main", "voltage", begin, begin + timedelta(hours=1), BERLIN)
    assert found is not None
    assert found.values == [230.0]
    columns = (found.counts, found.lows, found.highs)
    assert [column.tolist() for column in columns if column is not None] == [[32], [215], [231]]


def test_half_hour_zones_have_days_too(store: SqliteStore) -> None:
    kolkata = ZoneInfo("Asia/Kolkata")
    begin = midnight(datetime(2026, 7, 1).date(), kolkata)
    assert begin.minute == 30
    store.append([poll(begin + timedelta(minutes=30 * n), n / 10) for n in range(-1, 49)])
    found = history_of_days(store, "main", ENERGY, begin, begin + timedelta(days=1), kolkata)
    assert found is not None
    assert found.times == [begin]
    assert found.values == [4.8]


def test_a_day_without_a_good_value_is_null_and_says_why(store: SqliteStore) -> None:
    stale = [Quality.STALE] * 2
    store.append([poll(START, 1.0)._replace(qualities=stale), poll(after(90_000), 2.0)])
    found = history_of_days(store, "main", "voltage", START, after(90_001), UTC)
    assert found is not None
    assert found.values == [None, 230.0]
    assert list(found.qualities) == [Quality.STALE, Quality.GOOD]


def test_marks_stand_at_their_day(store: SqliteStore) -> None:
    store.append([plant_poll(0, 5), plant_poll(90_000, 1, mark=EventKind.COUNTER_REPLACED)])
    found = history_of_days(store, "main", ENERGY, START, after(100_000), UTC)
    assert found is not None
    assert found.marks == {1: EventKind.COUNTER_REPLACED}


@settings(max_examples=30, deadline=None)
@given(
    zone=st.sampled_from(("Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "UTC")),
    day=st.dates(datetime(2024, 1, 1).date(), datetime(2027, 1, 1).date()),
    days=st.integers(1, 40),
)
def test_days_follow_each_other_without_a_gap(zone: str, day: datetime, days: int) -> None:
    place = ZoneInfo(zone)
    start = midnight(day, place)
    begins = day_begins(start, start + timedelta(days=days), place)
    assert begins[0] == start
    assert begins[-1] >= start + timedelta(days=days)
    lengths = {later - begin for begin, later in pairwise(begins)}
    hours = {timedelta(hours=n) for n in (23, 23.5, 24, 24.5, 25)}
    assert lengths <= hours
    assert timedelta(days=len(begins) - 1) - (begins[-1] - begins[0]) in {
        timedelta(hours=n) for n in (-1, -0.5, 0, 0.5, 1)
    }


def test_the_zone_of_this_computer_is_used_when_none_is_named(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        begin = midnight(datetime(2026, 3, 29).date(), BERLIN)
        assert midnight(datetime(2026, 3, 29).date(), None) == begin
        assert day_begins(begin, begin + timedelta(hours=30), None) == day_begins(
            begin, begin + timedelta(hours=30), BERLIN
        )
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_meter_is_found_under_all_its_keys() -> None:
    keys = ["main@slow", "other", "main", "main-2", "main@once", "other@slow"]
    assert courses_of(keys, "main") == ["main", "main@once", "main@slow"]
    assert courses_of(keys, "main@slow") == ["main@slow"]
    assert courses_of(keys, "mai") == []
    assert meters_in(keys) == {
        "main": ["main", "main@once", "main@slow"],
        "main-2": ["main-2"],
        "other": ["other", "other@slow"],
    }


def test_a_value_is_found_under_whichever_key_has_it(store: SqliteStore) -> None:
    other = Layout((Series("serial_number", form=Form.TEXT),))
    store.append([StoredPoll("main", other, START_US, ["A 1"], [Quality.GOOD])])
    store.append([poll(after(n * 60), n / 10, key="main@slow") for n in range(3)])
    keys = courses_of(store.meters(), "main")
    found = history_of_meter(store, keys, ENERGY, START, FAR)
    assert found is not None
    assert found.values == [0.0, 0.1, 0.2]
    assert history_of_meter(store, keys, "nothing", START, FAR) is None


def test_a_value_that_moved_to_another_key_is_one_history(store: SqliteStore) -> None:
    store.append([poll(after(60 * n), n / 10, 200.0, "main@slow") for n in range(5)])
    store.append([poll(after(60 * n), n / 10, 260.0) for n in range(10, 12)])
    keys = courses_of(store.meters(), "main")
    raw = history_of_meter(store, keys, ENERGY, START, FAR)
    assert raw is not None
    assert raw.values == [0.0, 0.1, 0.2, 0.3, 0.4, 1.0, 1.1]
    for every in (Every.QUARTER, Every.DAY):
        energy = history_of_meter(store, keys, ENERGY, START, after(900), every, UTC)
        assert energy is not None
        assert energy.values == [1.1]
    voltage = history_of_meter(store, keys, "voltage", START, FAR, Every.QUARTER)
    assert voltage is not None
    assert voltage.values == [(5 * 200 + 2 * 260) / 7]


def test_energy_of_a_value_that_moved_there_and_back_is_counted_once(store: SqliteStore) -> None:
    for n in range(30):
        store.append([poll(after(60 * n), n / 10, key="main@slow" if 10 <= n < 20 else "main")])
    energy = history_of_meter(
        store, courses_of(store.meters(), "main"), ENERGY, START, after(1800), Every.QUARTER
    )
    assert energy is not None
    assert energy.values == [1.4, 1.5]


def test_keys_with_another_unit_are_told_in_the_newest_one(store: SqliteStore) -> None:
    watt_hours = Layout((Series(ENERGY, "Wh", kind=Kind.COUNTER),))
    store.append([poll(START, 1.5)])
    store.append([StoredPoll("main@slow", watt_hours, START_US + 9, [1700.0], [Quality.GOOD])])
    found = history_of_meter(store, courses_of(store.meters(), "main"), ENERGY, START, FAR)
    assert found is not None
    assert (found.values, found.series.unit) == ([1500.0, 1700.0], "Wh")
