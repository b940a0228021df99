"""When polls are due, over simulated months, with clocks that run fast and are set."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.service.benching import DayClock

from energymeter.service.timetable import Moments, Seats, WallClock

MONTH_S = 30 * 86_400.0


def second_of_day(moments: Moments, wall: WallClock) -> float:
    return moments.due + wall.offset_s


def is_at(moment_s: float, interval_s: float, phase: float, within_s: float = 1e-5) -> bool:
    off_s = (moment_s - phase * interval_s) % interval_s
    return min(off_s, interval_s - off_s) <= within_s


class Timed:
    """Moments on a clock that a test moves."""

    def __init__(self, interval_s: float, phase: float = 0.0, start_s: float = 0.0) -> None:
        self.clock = DayClock()
        self.clock._elapsed_s = start_s
        self.wall = WallClock(self.clock)
        self.moments = Moments(interval_s, phase, self.wall, start_s)

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def go_to(self, when: float) -> None:
        self.clock._elapsed_s = max(when, self.now)

    def poll(self, takes_s: float = 0.0) -> int:
        """Wait for the moment and let a poll take so long; returns what was passed over."""
        self.go_to(self.moments.due)
        self.go_to(self.now + takes_s)
        return self.moments.advance(self.now)


@pytest.mark.parametrize("interval_s", [0.1, 1.0, 2.5, 10.0, 60.0, 900.0, 86_400.0])
@pytest.mark.parametrize("phase", [0.0, 0.3, 0.999])
def test_moments_are_whole_multiples_of_the_interval_on_the_clock(
    interval_s: float, phase: float
) -> None:
    timed = Timed(interval_s, phase, start_s=12_345.678)
    timed.poll()  # the first may come sooner
    for _ in range(50):
        assert is_at(second_of_day(timed.moments, timed.wall), interval_s, phase)
        assert timed.poll() == 0


def test_a_hundred_meters_are_spread_over_the_interval() -> None:
    seats = Seats()
    phases = sorted(Seats.phase(seats.take()) for _ in range(100))

    gaps = [b - a for a, b in zip(phases, [*phases[1:], phases[0] + 1], strict=True)]
    assert max(gaps) < 2 / 100
    assert min(gaps) > 0.5 / 100


def test_a_seat_that_was_given_back_is_taken_again() -> None:
    seats = Seats()
    taken = [seats.take() for _ in range(5)]
    seats.give_back(taken[3])
    seats.give_back(taken[1])

    assert [seats.take(), seats.take(), seats.take()] == [taken[1], taken[3], 5]


@pytest.mark.parametrize("interval_s", [0.1, 1 / 3, 0.7])
def test_an_interval_that_is_no_whole_number_of_bits_does_not_drift(interval_s: float) -> None:
    timed = Timed(interval_s)
    first = timed.moments.due
    for _ in range(100_000):
        timed.moments.advance(timed.moments.due)

    assert timed.moments.due - first == pytest.approx(100_000 * interval_s, abs=1e-5)


@pytest.mark.parametrize("fast", [5e-4, -5e-4, 0.0])
def test_a_month_on_a_clock_that_runs_wrong_stays_on_the_time_of_day(fast: float) -> None:
    timed = Timed(300.0, 0.25)
    timed.poll()
    polls = skipped = 0
    while timed.now < MONTH_S:
        skipped += timed.poll(takes_s=0.4)
        polls += 1
        timed.clock.ahead_s = fast * timed.now
        assert timed.wall.look() == 0.0

    assert skipped == 0
    assert polls == pytest.approx(MONTH_S * (1 + fast) / 300, abs=3)
    # As exact as the look at the clock five minutes ago.
    assert is_at(second_of_day(timed.moments, timed.wall), 300.0, 0.25, within_s=0.151)


def test_polls_late_by_less_than_the_interval_pass_over_nothing() -> None:
    timed = Timed(1.0)
    dues = []
    for _ in range(100):
        dues.append(timed.moments.due)
        assert timed.poll(takes_s=0.95) == 0

    assert [b - a for a, b in pairwise(dues)] == pytest.approx([1.0] * 99)


def test_a_poll_that_takes_its_whole_interval_passes_over_nothing() -> None:
    timed = Timed(1.0, 0.37)
    assert [timed.poll(takes_s=1.0) for _ in range(1000)] == [0] * 1000


@pytest.mark.parametrize(
    ("takes_s", "skipped"), [(0.9, 0), (1.5, 1), (2.0, 1), (2.1, 2), (60.5, 60)]
)
def test_moments_that_pass_meanwhile_are_counted(takes_s: float, skipped: int) -> None:
    timed = Timed(1.0)
    due = timed.moments.due

    assert timed.poll(takes_s) == skipped
    assert timed.moments.due == pytest.approx(due + skipped + 1)


@given(
    st.sampled_from([0.1, 1.0, 10.0, 47.0, 3600.0]),
    st.floats(0, 0.999),
    st.lists(st.floats(0, 5), max_size=40),
)
def test_every_moment_is_either_polled_or_counted(
    interval_s: float, phase: float, delays: list[float]
) -> None:
    timed = Timed(interval_s, phase, start_s=1e6)
    timed.poll()
    first = timed.moments.due

    passed = sum(1 + timed.poll(takes_s=delay * interval_s) for delay in delays)

    assert timed.moments.due == pytest.approx(first + passed * interval_s, abs=1e-4)
    assert timed.moments.due >= timed.now - 0.002


Move = tuple[float, float, bool]


@given(
    st.sampled_from([0.2, 1.0, 10.0, 3600.0]),
    st.floats(0, 0.999),
    st.lists(st.tuples(st.floats(0, 3), st.floats(-1e5, 1e5), st.booleans()), max_size=30),
)
def test_due_never_goes_back_whatever_the_clock_does(
    interval_s: float, phase: float, moves: list[Move]
) -> None:
    timed = Timed(interval_s, phase, start_s=5e5)
    for takes, set_on_s, is_seen in moves:
        due = timed.moments.due
        timed.clock.ahead_s += set_on_s
        if is_seen:
            timed.wall.look()
        skipped = timed.poll(takes_s=takes * interval_s)

        assert timed.moments.due > due
        # Neither a pile of polls that are overdue, nor a long silence.
        assert timed.now - 0.002 <= timed.moments.due <= timed.now + 1.51 * interval_s
        assert skipped <= math.ceil(takes + 0.26)


@pytest.mark.parametrize("set_on_s", [3600.0, -3600.0, 86_400.5, -7.0, 3.0, 1.9, -1.9, 0.4])
@pytest.mark.parametrize("interval_s", [0.1, 1.0, 10.0, 600.0])
def test_a_clock_that_is_set_neither_skips_nor_piles_up(set_on_s: float, interval_s: float) -> None:
    timed = Timed(interval_s, 0.6)
    for _ in range(10):
        timed.poll()
    timed.clock.ahead_s += set_on_s
    moved_s = timed.wall.look()
    dues, skipped = [], 0
    for _ in range(20):
        dues.append(timed.moments.due)
        skipped += timed.poll(takes_s=interval_s / 10)

    assert moved_s == pytest.approx(set_on_s if abs(set_on_s) > 2 else 0.0, abs=1e-6)
    assert skipped == 0
    gaps = [b - a for a, b in pairwise(dues)]
    assert min(gaps) >= interval_s / 2
    assert max(gaps) <= 1.61 * interval_s
    assert is_at(second_of_day(timed.moments, timed.wall), interval_s, 0.6)


def test_a_step_between_two_looks_is_told_once() -> None:
    timed = Timed(10.0)
    timed.clock.ahead_s += 60

    assert timed.wall.look() == pytest.approx(60)
    assert timed.wall.look() == 0.0


def test_a_process_that_waits_between_its_looks_at_clocks_measures_well() -> None:
    class Interrupted(DayClock):
        """Loses the processor for 30 ms at its first look at the time of day."""

        is_slow = True

        def now(self) -> datetime:
            found = super().now()
            if self.is_slow:
                self.is_slow = False
                self._elapsed_s += 0.03
            return found

    clock = Interrupted()
    exact_s = DayClock().now().timestamp()

    assert WallClock(clock).offset_s == pytest.approx(exact_s, abs=1e-5)


@given(
    st.floats(5.01, 1e6),
    st.floats(0, 0.999),
    st.floats(0, 1e6),
)
def test_a_meter_of_a_long_interval_is_asked_soon_and_not_again_at_once(
    interval_s: float, phase: float, start_s: float
) -> None:
    timed = Timed(interval_s, phase, start_s)
    first = timed.moments.due

    assert start_s <= first <= start_s + 5
    assert timed.poll() == 0
    gap_s = timed.moments.due - first
    assert 0.499 * interval_s <= gap_s <= 1.501 * interval_s
    assert is_at(second_of_day(timed.moments, timed.wall), interval_s, phase, within_s=1e-3)


@pytest.mark.parametrize("interval_s", [0.5, 1.0, 5.0])
def test_a_meter_of_a_short_interval_waits_for_its_moment(interval_s: float) -> None:
    for seat in range(100):
        timed = Timed(interval_s, Seats.phase(seat), start_s=99.0)
        assert 99.0 <= timed.moments.due <= 99.0 + interval_s + 1e-6
        assert is_at(second_of_day(timed.moments, timed.wall), interval_s, Seats.phase(seat))


@pytest.mark.parametrize("interval_s", [1.0, 10.0, 3600.0])
def test_the_first_polls_of_ten_thousand_meters_do_not_come_at_once(interval_s: float) -> None:
    wall = WallClock(DayClock())
    dues = [Moments(interval_s, Seats.phase(seat), wall, 0.0).due for seat in range(10_000)]

    span_s = min(interval_s, 5.0)
    tenths = Counter(int(due * 10) for due in dues)
    assert max(dues) <= span_s
    assert max(tenths.values()) <= 1.1 * 10_000 / (10 * span_s)
