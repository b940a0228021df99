"""What every store does, the one in a file and the one in a server alike."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from tests.store.support import (
    FAR,
    GOOD,
    PLANT,
    START,
    START_US,
    MakeStore,
    after,
    compact_all,
    exact,
    histories,
    in_any_order,
    plant_poll,
    polls,
    rows_given,
    rows_kept,
)

from energymeter.profiles import ProfileLibrary
from energymeter.reader import Event, EventKind, Quality, ReadReport
from energymeter.store import (
    Every,
    Form,
    Kind,
    Layout,
    Series,
    Store,
    StoredPoll,
    StoreError,
    layout_of,
)

DAY = timedelta(days=1)


@settings(max_examples=40, deadline=None)
@given(given_polls=polls())
def test_what_goes_in_comes_out_before_and_after_compaction(
    make: MakeStore, given_polls: list[StoredPoll]
) -> None:
    with TemporaryDirectory() as folder, closing(make(Path(folder))) as store:
        half = len(given_polls) // 2
        store.append(given_polls[:half])
        for step in range(4):
            if step == 1:
                compact_all(store)
            if step == 2:
                store.append(given_polls[half:])
            if step == 3:
                compact_all(store)
            so_far = given_polls[:half] if step < 2 else given_polls
            for meter, value in histories(store, so_far):
                expected = rows_given(so_far, meter, value)
                assert in_any_order(rows_kept(store, meter, value)) == in_any_order(expected)
        assert store.check() == []


@settings(max_examples=20, deadline=None)
@given(given_polls=polls())
def test_latest_is_the_newest_of_each_meter(make: MakeStore, given_polls: list[StoredPoll]) -> None:
    with TemporaryDirectory() as folder, closing(make(Path(folder))) as store:
        newest: dict[str, StoredPoll] = {}
        for poll in given_polls:
            store.append([poll])
            if poll.meter not in newest or poll.time_us >= newest[poll.meter].time_us:
                newest[poll.meter] = poll
        latest = store.latest()
        assert latest.keys() == newest.keys()
        for meter, poll in newest.items():
            found = latest[meter]
            assert (found.layout, found.time_us) == (poll.layout, poll.time_us)
            assert list(map(exact, found.values)) == list(map(exact, poll.values))
            assert list(found.qualities) == list(poll.qualities)


def test_an_empty_store_knows_nothing(store: Store) -> None:
    store.append([])
    assert store.latest() == {}
    assert store.meters() == {}
    assert store.history("main", "voltage", START, FAR) is None
    assert not store.compact(FAR)
    assert not store.expire(FAR)
    assert store.check() == []


def test_latest_of_some_meters(store: Store) -> None:
    store.append([plant_poll(0, meter=key) for key in ("a", "b", "c")])
    assert store.latest(["c", "a", "nobody"]).keys() == {"a", "c"}
    assert store.latest(["a"])["a"].time == START
    assert store.latest([]) == {}


def test_first_is_the_oldest_of_a_meter(store: Store) -> None:
    store.append([plant_poll(5, meter="a"), plant_poll(2, meter="a"), plant_poll(0, meter="b")])
    assert store.first("a") == after(2)
    assert store.first("nobody") is None


def test_meters_have_the_layout_of_their_newest_poll(store: Store) -> None:
    other = Layout((Series("voltage", "V"),))
    store.append([plant_poll(0, meter="a"), plant_poll(0, meter="b")])
    store.append([StoredPoll("b", other, START_US + 1, [1.5], [Quality.GOOD])])
    assert store.meters() == {"a": PLANT, "b": other}


def test_end_is_not_asked_for_and_start_is(store: Store) -> None:
    store.append([plant_poll(second) for second in range(5)])
    found = store.history("main", "power", after(1), after(3))
    assert found is not None
    assert found.times == [after(1), after(2)]
    assert found.values == [1.1, 2.1]
    assert next(iter(found.rows())) == (after(1), 1.1, Quality.GOOD)
    assert len(found) == 2


def test_a_value_that_was_never_kept_has_no_history(store: Store) -> None:
    store.append([plant_poll(0)])
    assert store.history("main", "nothing", START, FAR) is None
    assert store.history("nobody", "voltage", START, FAR) is None
    none = store.history("main", "voltage", FAR, FAR + DAY)
    assert none is not None
    assert (none.values, none.times, len(none)) == ([], [], 0)
    for every in Every:
        nothing = store.history("main", "active_energy_import", FAR, FAR + DAY, every)
        assert nothing is not None
        assert nothing.values == []


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="time zone"):
        store.history("main", "voltage", datetime(2026, 1, 1), FAR)


@pytest.mark.parametrize("values", [[1.0], [1.0, 2, True, 3.0, 4.0]])
def test_a_poll_of_another_length_is_refused_and_nothing_is_kept(
    store: Store, values: list[float]
) -> None:
    wrong = StoredPoll("main", PLANT, START_US, values, (Quality.GOOD,) * len(values))
    with pytest.raises(ValueError, match="layout"):
        store.append([plant_poll(0), wrong])
    with pytest.raises(ValueError, match="layout"):
        store.append([StoredPoll("main", PLANT, START_US, values, GOOD)])
    assert store.latest() == {}


def test_null_is_never_a_number(store: Store) -> None:
    store.append(
        [
            plant_poll(0, 10),
            plant_poll(1, None, quality=Quality.WITHHELD),
            plant_poll(2, None, quality=Quality.NOT_AVAILABLE),
            plant_poll(3, 12),
        ]
    )
    for _ in range(2):
        found = store.history("main", "active_energy_import", START, FAR)
        assert found is not None
        assert found.values == [10, None, None, 12]
        assert found.qualities[1:3] == [Quality.WITHHELD, Quality.NOT_AVAILABLE]
        compact_all(store)


def test_counters_keep_every_digit(store: Store) -> None:
    large = 2**62 + 1
    store.append([plant_poll(n, large + n) for n in range(100)])
    compact_all(store)
    found = store.history("main", "active_energy_import", START, FAR)
    assert found is not None
    assert found.values == [large + n for n in range(100)]
    hour = store.history("main", "active_energy_import", START, FAR, Every.HOUR)
    assert hour is not None
    assert hour.values == [99]


def test_everything_is_there_after_opening_again(reopened: Callable[[], Store]) -> None:
    first = reopened()
    first.append([plant_poll(n, n) for n in range(10)])
    compact_all(first, START + timedelta(hours=1))
    first.append([plant_poll(n, n) for n in range(10, 20)])
    first.close()
    first.close()
    second = reopened()
    second.append([plant_poll(n, n) for n in range(20, 30)])
    found = second.history("main", "active_energy_import", START, FAR)
    assert found is not None
    assert found.values == list(range(30))
    with pytest.raises(StoreError):
        first.append([plant_poll(0)])
    with pytest.raises(StoreError):
        first.latest()


def test_points_added_later_and_renamed_units_join(store: Store) -> None:
    old = Layout((Series("energy", "kWh", kind=Kind.COUNTER), Series("state")))
    new = Layout(
        (
            Series("voltage", "V"),
            Series("energy", "Wh", kind=Kind.COUNTER),
            Series("active_energy_import", "Wh", kind=Kind.COUNTER),
            Series("state", "bar"),
        )
    )
    older = Layout((Series("active_energy_import", "kWh", kind=Kind.COUNTER),))
    good = Quality.GOOD
    store.append([StoredPoll("m", older, START_US, [1.5], [good])])
    store.append([StoredPoll("m", old, START_US + 1_000_000, [2.0, 1.0], [good] * 2)])
    store.append(
        [StoredPoll("m", new, START_US + 2_000_000, [230.0, 3.0, 1750.0, 7.0], [good] * 4)]
    )
    for _ in range(2):
        found = store.history("m", "active_energy_import", START, FAR)
        assert found is not None
        assert (found.values, found.series.unit) == ([1500.0, 1750.0], "Wh")
        # Two units that have nothing in common are not mixed.
        state = store.history("m", "state", START, FAR)
        assert state is not None
        assert state.values == [None, 7.0]
        added = store.history("m", "voltage", START, FAR)
        assert added is not None
        assert added.values == [230.0]
        compact_all(store)


def test_a_value_the_newest_poll_lacks_still_has_a_history(store: Store) -> None:
    store.append([plant_poll(0)])
    store.append([StoredPoll("main", Layout((Series("x"),)), START_US + 9, [1.0], [Quality.GOOD])])
    for _ in range(2):
        found = store.history("main", "voltage", START, FAR)
        assert found is not None
        assert found.values == [230.1]
        compact_all(store)


def test_compaction_keeps_to_whole_hours_that_are_over(store: Store) -> None:
    store.append([plant_poll(1800 * n, n) for n in range(6)])
    compact_all(store, after(7199))
    store.append([plant_poll(7 + 1800 * n, n) for n in range(6)])
    assert not store.compact(START)
    compact_all(store, after(3600))
    found = store.history("main", "active_energy_import", START, FAR)
    assert found is not None
    assert found.values == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_a_backup_to_nowhere_fails_clearly(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        store.backup(tmp_path / "missing" / "copy.db")


def test_polls_come_in_any_order_and_more_than_once(store: Store) -> None:
    store.append([plant_poll(second, second) for second in (30, 10, 10, 20)])
    store.append([plant_poll(5, 5), plant_poll(30, 30)])
    assert store.latest()["main"].time == after(30)
    found = store.history("main", "active_energy_import", START, FAR)
    assert found is not None
    assert found.values == [5, 10, 10, 20, 30, 30]
    hour = store.history("main", "active_energy_import", START, FAR, Every.HOUR)
    assert hour is not None
    assert hour.values == [25]


def test_of_two_polls_of_one_time_the_later_one_is_the_newest(store: Store) -> None:
    store.append([plant_poll(1, 1), plant_poll(1, 2)])
    assert store.latest()["main"].values[1] == 2
    store.append([plant_poll(1, 3)])
    assert store.latest()["main"].values[1] == 3
    store.append([plant_poll(0.5, 4)])
    assert store.latest()["main"].values[1] == 3


def test_days_join(store: Store) -> None:
    store.append([plant_poll(3600 * n, n, voltage=float(n)) for n in range(60)])
    found = store.history("main", "voltage", START, FAR)
    assert found is not None
    assert found.values == list(range(60))
    for name, expected in (("active_energy_import", [1, 24, 24, 10]), ("voltage", [0.5, 13.5])):
        days = store.history("main", name, START - DAY, FAR, Every.DAY)
        assert days is not None
        assert days.values[: len(expected)] == expected


@pytest.mark.parametrize("every", [None, *Every])
def test_all_lengths_of_windows_begin_at_their_multiples(store: Store, every: Every | None) -> None:
    store.append([plant_poll(7 + 600 * n, n) for n in range(200)])
    found = store.history("main", "power", after(7), after(7 + 600 * 199), every)
    assert found is not None
    if every is None:
        assert found.times == [after(7 + 600 * n) for n in range(199)]
    else:
        assert all(time % (every * 1_000_000) == 0 for time in found.times_us.tolist())
        assert len(found) == {60: 200, 900: 133, 3600: 34, 86_400: 3}[every]


def test_every_bit_of_a_float_comes_back(store: Store) -> None:
    layout = Layout((Series("x"),))
    floats = (-0.0, 5e-324, 1.7976931348623157e308, float("inf"), -float("inf"), float("nan"), 0.1)
    store.append(
        [
            StoredPoll("main", layout, START_US + n, [value], [Quality.GOOD])
            for n, value in enumerate(floats)
        ]
    )
    for _ in range(2):
        found = store.history("main", "x", START, FAR)
        assert found is not None
        assert [struct.pack("<d", value) for value in found.values] == [
            struct.pack("<d", value) for value in floats
        ]
        compact_all(store)


def test_texts_and_large_whole_numbers_come_back(store: Store) -> None:
    layout = Layout(
        (Series("serial", form=Form.TEXT), Series("n", form=Form.INTEGER), Series("x", "V"))
    )
    texts = ("", "A\0B", "Zähler 7 \U0001f50c", '{"json": "no"}', "12", None, "\\u0000")
    numbers = (2**63 - 1, -(2**63), 2**64 - 1, 2**53 + 1, 0, 3 * 10**40, None)
    store.append(
        [
            StoredPoll("main", layout, START_US + n, [text, number, 1.5], GOOD[:3])
            for n, (text, number) in enumerate(zip(texts, numbers, strict=True))
        ]
    )
    assert list(store.latest()["main"].values) == [texts[-1], numbers[-1], 1.5]
    for _ in range(2):
        for name, expected in (("serial", texts), ("n", numbers)):
            found = store.history("main", name, START, FAR)
            assert found is not None
            assert found.values == list(expected)
        compact_all(store)


def test_values_come_back_in_the_form_of_their_series(store: Store) -> None:
    store.append([plant_poll(0, 7)])
    values = store.latest()["main"].values
    assert [type(value) for value in values] == [float, int, bool, float]
    forms = {"voltage": "float64", "active_energy_import": "int64", "online": "bool"}
    for name, form in forms.items():
        found = store.history("main", name, START, FAR)
        assert found is not None
        assert found.numbers.dtype == form


def test_a_poll_from_before_1970_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="1970"):
        store.append([plant_poll(0), plant_poll(0)._replace(time_us=-1)])
    assert store.latest() == {}


def test_whole_days_that_are_too_old_go_and_the_newest_poll_stays(store: Store) -> None:
    # From 22 o'clock on: two hours of the first day.
    store.append([plant_poll(3600 * n, n, meter) for n in range(60) for meter in ("a", "b")])
    store.append([plant_poll(0, 1, "dead")])
    midnight = START + timedelta(hours=2)
    while store.expire(midnight + DAY):
        pass
    assert not store.expire(midnight + DAY)
    for meter in ("a", "b"):
        found = store.history(meter, "active_energy_import", START - DAY, FAR)
        assert found is not None
        assert found.values == list(range(26, 60))
    assert store.latest(["dead"])["dead"].values[1] == 1
    assert store.check() == []
    store.append([plant_poll(1, 1, "late")])
    assert len(rows_kept(store, "late", "voltage")) == 1


def test_what_one_has_written_another_reads_at_once(reopened: Callable[[], Store]) -> None:
    first, second = reopened(), reopened()
    for n in range(5):
        first.append([plant_poll(2 * n, 2 * n)])
        second.append([plant_poll(2 * n + 1, 2 * n + 1)])
        for store in (first, second):
            assert store.latest()["main"].values[1] == 2 * n + 1
            assert len(rows_kept(store, "main", "voltage")) == 2 * n + 2


def test_two_that_write_the_same_meters_do_not_harm_each_other(
    reopened: Callable[[], Store],
) -> None:
    failures: list[BaseException] = []

    def write(store: Store, own: str) -> None:
        try:
            for n in range(20):
                polls = [
                    plant_poll(7200 * n + m, n, f"{whose}-{n % 7}-{m}")
                    for m in range(10)
                    for whose in (own, "all")
                ]
                store.append(polls if own == "one" else polls[::-1])
        except BaseException as error:
            failures.append(error)

    stores = {"one": reopened(), "two": reopened()}
    threads = [threading.Thread(target=write, args=(store, own)) for own, store in stores.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for store in stores.values():
        assert len(store.meters()) == 210
        assert (
            sum(len(rows_kept(store, f"all-{n}-{m}", "power")) for n in range(7) for m in range(10))
            == 400
        )
        assert store.check() == []


def test_threads_write_read_and_compact_at_once(store: Store) -> None:
    failures: list[BaseException] = []
    done = threading.Event()

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def write() -> None:
        for n in range(300):
            store.append([plant_poll(60 * n, n, meter) for meter in ("a", "b")])
        done.set()

    def read() -> None:
        seen = 0
        while not done.is_set():
            found = store.history("a", "active_energy_import", START, FAR)
            if found is not None:
                assert found.values == list(range(len(found)))
                assert len(found) >= seen
                seen = len(found)

    def compact() -> None:
        while not done.wait(0.001):
            store.compact(FAR)

    for thread in [guarded(work) for work in (write, read, compact)]:
        thread.join()
    assert failures == []
    found = store.history("b", "active_energy_import", START, FAR)
    assert found is not None
    assert found.values == list(range(300))


def test_a_report_becomes_a_poll_with_its_marks(store: Store) -> None:
    points = ProfileLibrary([]).load("schneider-electric/pm8000").points
    place = [point.name for point in points].index("active_energy_import")
    layout = layout_of(points, {"active_energy_import": (1e6, 1e5)})
    series = layout.series[place]
    assert (series.kind, series.form, series.tops) == (Kind.COUNTER, Form.INTEGER, (1e5, 1e6))
    report = ReadReport(
        time=START,
        points=points,
        values=[1] * len(points),
        qualities=[Quality.GOOD] * len(points),
        events=(
            Event(EventKind.COUNTER_REPLACED, "active_energy_import", "exchanged"),
            Event(EventKind.LEARNED, "", "a hole"),
        ),
    )
    store.append([StoredPoll.of("main", layout, report)])
    found = store.history("main", "active_energy_import", START, FAR)
    assert found is not None
    assert found.marks == {0: EventKind.COUNTER_REPLACED}
    assert store.meters() == {"main": layout}
