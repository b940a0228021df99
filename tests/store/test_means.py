"""Means outlive the polls they come from, and tell the same as those did."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.support import (
    FAR,
    START,
    START_US,
    after,
    compact_all,
    is_close,
    plant_poll,
)

from energymeter.reader import EventKind, Quality
from energymeter.store import (
    Every,
    Form,
    History,
    Kind,
    Layout,
    Series,
    SqliteStore,
    StoredPoll,
    StoreError,
)
from energymeter.values import DataType

ENERGY = "active_energy_import"
DAY = timedelta(days=1)
LONG = (Every.QUARTER, Every.HOUR, Every.DAY)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "site.db", survives_power_loss=False) as store:
        yield store


def expire_all(store: SqliteStore, before: datetime, *, keep_means: bool = True) -> None:
    for _ in range(10_000):
        if not store.expire(before, keep_means=keep_means):
            return
    pytest.fail("expiry never ends")


def told(store: SqliteStore, name: str, every: Every, first: float = -86_400) -> History:
    found = store.history("main", name, after(first), FAR, every)
    assert found is not None
    return found


def rows_of(found: History) -> list[tuple[object, ...]]:
    marks = [found.marks.get(row) for row in range(len(found))]
    return [(*row, mark) for row, mark in zip(found.rows(), marks, strict=True)]


def same_rows(one: History, other: History) -> bool:
    return (
        one.times == other.times
        and list(one.qualities) == list(other.qualities)
        and dict(one.marks) == dict(other.marks)
        and all(map(is_close, one.values, other.values))
    )


_ROWS = st.lists(
    st.tuples(
        st.integers(0, 30_000),
        st.integers(0, 3000) | st.integers(995_000, 1_000_000),
        st.sampled_from(
            (Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.STALE, Quality.WITHHELD)
        ),
        st.sampled_from(
            (None, None, None, None, EventKind.COUNTER_REPLACED, EventKind.COUNTER_ROLLED_OVER)
        ),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row[0],
)


@contextmanager
def _two(folder: Path) -> Iterator[tuple[SqliteStore, SqliteStore]]:
    """A store that keeps all polls, and one that does not."""
    with (
        SqliteStore(folder / "whole.db", survives_power_loss=False) as whole,
        SqliteStore(folder / "thin.db", survives_power_loss=False) as thin,
    ):
        yield whole, thin


def _poll(row: tuple[int, int, Quality, EventKind | None]) -> StoredPoll:
    second, amount, quality, mark = row
    is_good = quality is Quality.GOOD
    poll = plant_poll(
        second,
        None if quality is Quality.WITHHELD else amount,
        quality=quality,
        mark=mark if is_good else None,
        voltage=amount / 10,
    )
    return poll if is_good else poll._replace(qualities=(quality,) * 4)


@settings(max_examples=40, deadline=None)
@given(
    rows=_ROWS,
    borders=st.lists(st.integers(0, 9 * 3600), min_size=1, max_size=3),
)
def test_windows_are_the_same_before_and_after_their_polls_go(
    rows: list[tuple[int, int, Quality, EventKind | None]], borders: list[int]
) -> None:
    polls = [_poll(row) for row in rows]
    with TemporaryDirectory() as folder, _two(Path(folder)) as (whole, thin):
        whole.append(polls)
        thin.append(polls)
        for border in sorted(borders):
            expire_all(thin, after(border))
        for name in ("voltage", ENERGY, "power", "online"):
            for every in LONG:
                assert same_rows(told(thin, name, every), told(whole, name, every))
        assert thin.check() == []


@settings(max_examples=40, deadline=None)
@given(
    seconds=st.lists(st.integers(0, 30_000), min_size=1, max_size=40, unique=True),
    is_late=st.lists(st.booleans(), min_size=40, max_size=40),
    border=st.integers(0, 9 * 3600),
)
def test_polls_that_come_late_for_hours_that_are_gone_are_counted_too(
    seconds: list[int], is_late: list[bool], border: int
) -> None:
    polls = [plant_poll(s, s // 7, voltage=(s % 100) / 10) for s in sorted(seconds)]
    late = [poll for poll, comes_late in zip(polls, is_late, strict=False) if comes_late]
    with TemporaryDirectory() as folder, _two(Path(folder)) as (whole, thin):
        whole.append(polls)
        thin.append([poll for poll in polls if poll not in late])
        expire_all(thin, after(border))
        thin.append(late)
        expire_all(thin, after(border))
        for name in ("voltage", ENERGY):
            for every in LONG:
                assert same_rows(told(thin, name, every), told(whole, name, every))


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.integers(0, 10**9), min_size=2, max_size=60),
    gap_s=st.sampled_from((20, 333, 900, 4000)),
    border=st.integers(0, 60),
    divisor=st.sampled_from((1, 10, 1000)),
)
def test_energy_adds_up_to_last_less_first_across_the_border(
    steps: list[int], gap_s: int, border: int, divisor: int
) -> None:
    form = Form.INTEGER if divisor == 1 else Form.FLOAT
    layout = Layout((Series(ENERGY, "Wh", kind=Kind.COUNTER, form=form, divisor=divisor),))
    amounts = [sum(steps[: n + 1]) for n in range(len(steps))]
    with (
        TemporaryDirectory() as folder,
        SqliteStore(Path(folder) / "x.db", survives_power_loss=False) as store,
    ):
        store.append(
            [
                StoredPoll(
                    "main",
                    layout,
                    START_US + n * gap_s * 1_000_000,
                    [amount if divisor == 1 else amount / divisor],
                    [Quality.GOOD],
                )
                for n, amount in enumerate(amounts)
            ]
        )
        expire_all(store, after(border * gap_s))
        for every in LONG:
            values = [value for value in told(store, ENERGY, every).values if value is not None]
            total = sum(round(float(value) * divisor) for value in values)
            assert total == amounts[-1] - amounts[0]


def test_polls_are_gone_and_their_quarters_stay(store: SqliteStore) -> None:
    store.append([plant_poll(60 * n, 100 + n, voltage=230.0 + n % 3) for n in range(180)])
    compact_all(store, after(7200))
    expire_all(store, after(7200))
    raw = store.history("main", ENERGY, START - DAY, FAR)
    assert raw is not None
    assert raw.values == list(range(220, 280))
    energy = told(store, ENERGY, Every.QUARTER)
    assert energy.times == [after(900 * n) for n in range(12)]
    assert energy.values == [14] + [15] * 11
    voltage = told(store, "voltage", Every.QUARTER)
    assert voltage.values == [231.0] * 12
    assert voltage.counts is not None
    assert voltage.lows is not None
    assert voltage.highs is not None
    assert voltage.counts.tolist() == [15] * 12
    assert voltage.lows.tolist() == [230.0] * 12
    assert voltage.highs.tolist() == [232.0] * 12


def test_minutes_go_with_their_polls_and_the_first_one_after_has_a_beginning(
    store: SqliteStore,
) -> None:
    store.append([plant_poll(60 * n, 10 * n) for n in range(120)])
    expire_all(store, after(3600))
    found = told(store, ENERGY, Every.MINUTE)
    assert found.times[0] == after(3600)
    assert found.values == [10] * 60


def test_an_hour_is_weighed_by_its_polls(store: SqliteStore) -> None:
    # Fifteen polls in the first quarter, one in each of the others.
    seconds = [*range(0, 900, 60), 900, 1800, 2700]
    store.append([plant_poll(second, voltage=1.0 if second < 900 else 10.0) for second in seconds])
    expire_all(store, after(3600))
    assert told(store, "voltage", Every.HOUR).values == [45 / 18]


def test_means_may_be_left_out_and_dropped(store: SqliteStore) -> None:
    store.append([plant_poll(3600 * n, n) for n in range(60)])
    expire_all(store, after(3600 * 5), keep_means=False)
    assert len(told(store, ENERGY, Every.HOUR)) == 55
    expire_all(store, after(3600 * 40))
    assert len(told(store, ENERGY, Every.HOUR)) == 55
    # START is 22:00: the second whole day begins after 26 hours.
    while store.expire_means(after(3600 * 30)):
        pass
    found = told(store, ENERGY, Every.HOUR)
    assert found.times[0] == after(3600 * 26)
    assert found.values == [None, *[1] * 33]
    assert not store.expire_means(after(3600 * 30))


def test_floats_of_32_bits_keep_the_digits_their_registers_had(store: SqliteStore) -> None:
    layout = Layout((Series("power", "W", type=DataType.FLOAT32),))
    values = [float.fromhex("0x1.cc8f5cp+7") + n / 7 for n in range(900)]
    store.append(
        [
            StoredPoll("main", layout, START_US + n * 1_000_000, [value], [Quality.GOOD])
            for n, value in enumerate(values)
        ]
    )
    expire_all(store, after(3600))
    (mean,) = told(store, "power", Every.QUARTER).values
    assert mean == pytest.approx(sum(values) / 900, rel=1e-7)


def test_another_layout_and_unit_of_a_day_join_in_the_means(store: SqliteStore) -> None:
    old = Layout(
        (Series(ENERGY, "kWh", kind=Kind.COUNTER, divisor=10), Series("active_power_total", "kW"))
    )
    new = Layout((Series("active_power_total", "W"), Series(ENERGY, "Wh", kind=Kind.COUNTER)))
    good = [Quality.GOOD] * 2
    store.append([StoredPoll("main", old, START_US, [1.5, 2.0], good)])
    store.append([StoredPoll("main", new, START_US + 60_000_000, [3000.0, 1750.0], good)])
    store.append([StoredPoll("main", new, START_US + 7200_000_000, [1000.0, 1800.0], good)])
    for _ in range(2):
        assert told(store, ENERGY, Every.HOUR).values == [250.0, 50.0]
        assert told(store, "active_power_total", Every.HOUR).values == [2500.0, 1000.0]
        expire_all(store, after(3600))


def test_a_value_that_is_only_in_means_is_still_known(store: SqliteStore) -> None:
    store.append([plant_poll(0, voltage=5.0)])
    store.append([StoredPoll("main", Layout((Series("x"),)), START_US + 9, [1.0], [Quality.GOOD])])
    expire_all(store, FAR)
    assert told(store, "voltage", Every.DAY).values == [5.0]


def test_the_first_time_is_that_of_the_oldest_that_is_left(store: SqliteStore) -> None:
    assert store.first("main") is None
    store.append([plant_poll(30 + 3600 * n, n) for n in range(5)])
    assert store.first("main") == after(30)
    compact_all(store)
    assert store.first("main") == after(30)
    expire_all(store, after(7200), keep_means=False)
    assert store.first("main") == after(7230)
    expire_all(store, FAR)
    assert store.first("main") is not None
    assert store.first("nobody") is None


def test_a_file_of_the_first_version_is_read_as_it_is_and_renewed_by_who_writes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "old.db"
    with SqliteStore(path) as store:
        store.append([plant_poll(60 * n, n) for n in range(90)])
        compact_all(store, after(3600))
    with closing(sqlite3.connect(path)) as connection:
        for statement in ("DROP TABLE mean", "DROP TABLE tally", "PRAGMA user_version = 1"):
            connection.execute(statement)
        connection.commit()
    with SqliteStore(path, read_only=True) as old:
        assert told(old, ENERGY, Every.HOUR).values == [59, 30]
        assert old.first("main") == START
        assert old.check() == []
    with SqliteStore(path) as renewed:
        expire_all(renewed, after(3600))
        assert told(renewed, ENERGY, Every.HOUR).values == [59, 30]


def test_a_damaged_mean_is_found(store: SqliteStore) -> None:
    store.append([plant_poll(60 * n, n) for n in range(90)])
    expire_all(store, FAR)
    for table in ("tally", "mean"):
        with store._pool.writing() as connection:
            connection.execute(
                f"UPDATE {table} SET body = CAST(substr(body, 1, 40) || x'ff' AS BLOB)"
            )
    assert len(store.check()) == 2
    with pytest.raises(StoreError):
        told(store, ENERGY, Every.DAY)


def test_a_full_disk_gives_up_means_before_it_gives_up_room(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "small.db", survives_power_loss=False) as store:
        meters = [f"meter-{n}" for n in range(60)]
        batch = [plant_poll(60 * n, n, meter) for n in range(60) for meter in meters]
        store.append(batch)
        with store._pool.writing() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
        expire_all(store, FAR)
        assert store.hours_without_means > 0
        store.append([poll._replace(time_us=poll.time_us + 10**12) for poll in batch])


def test_two_that_expire_at_once_count_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with SqliteStore(path, survives_power_loss=False) as store:
        store.append([plant_poll(120 * n, n, meter) for n in range(600) for meter in ("main", "b")])
        compact_all(store)
    failures: list[BaseException] = []

    def expire() -> None:
        try:
            with SqliteStore(path, survives_power_loss=False) as store:
                expire_all(store, FAR)
        except BaseException as error:
            failures.append(error)

    _together([threading.Thread(target=expire) for _ in range(3)])
    assert failures == []
    with SqliteStore(path, read_only=True) as store:
        values = told(store, ENERGY, Every.HOUR).values
        assert values == [29, *[30] * 19]
        counts = told(store, "voltage", Every.HOUR).counts
        assert counts is not None
        assert counts.tolist() == [30] * 20


def _together(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
