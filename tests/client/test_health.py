"""How units are doing: who is silent, how long each is waited for, who may be asked when.

Numbers only: the time is handed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from energymeter.client import Backoff, LinkHealth, UnitHealth

LONGEST_S = 1.0


def make_health(seed: int = 1, *, is_numbered: bool = True) -> LinkHealth:
    return LinkHealth(chance=random.Random(seed).random, is_numbered=is_numbered)


def heard(health: LinkHealth, unit: int, now: float, latency_s: float = 0.02) -> UnitHealth:
    one = health.of(unit)
    one.answered(now, latency_s)
    return one


def silenced(health: LinkHealth, unit: int, now: float, times: int = 1) -> UnitHealth:
    one = health.of(unit)
    for _ in range(times):
        health.timed_out(one, now, 0.5)
    return one


# Time-outs


def test_a_unit_alone_gets_all_the_time_the_user_allows() -> None:
    health = make_health()
    one = heard(health, 1, 0.0)

    assert health.patience_s(one, 5.0, 1.0) == 5.0


def test_among_living_neighbours_it_gets_a_few_times_what_it_needed() -> None:
    health = make_health()
    heard(health, 2, 0.0)
    one = heard(health, 1, 0.0, 0.1)

    assert health.patience_s(one, 5.0, 1.0) == pytest.approx(0.4)


@pytest.mark.parametrize("latency_s", [0.0, 0.001, 0.05])
def test_it_never_gets_less_than_a_fifth_of_a_second(latency_s: float) -> None:
    health = make_health()
    heard(health, 2, 0.0)
    one = heard(health, 1, 0.0, latency_s)

    assert health.patience_s(one, 5.0, 1.0) == 0.2


@pytest.mark.parametrize("latency_s", [0.001, 0.3, 0.9, 20.0])
@pytest.mark.parametrize("longest_s", [0.05, 0.2, 1.0])
def test_it_never_gets_more_than_the_user_allows(latency_s: float, longest_s: float) -> None:
    health = make_health()
    heard(health, 2, 0.0)
    one = heard(health, 1, 0.0, latency_s)
    for _ in range(10):
        assert health.patience_s(one, longest_s, 1.0) <= longest_s
        health.timed_out(one, 1.0, longest_s)


def test_a_unit_that_never_answered_gets_all_the_time_at_first() -> None:
    health = make_health()
    heard(health, 2, 0.0)

    assert health.patience_s(health.of(1), 5.0, 1.0) == 5.0


def test_after_a_time_out_that_was_learned_it_gets_all_the_time() -> None:
    health = make_health()
    heard(health, 2, 0.0)
    one = heard(health, 1, 0.0)
    health.timed_out(one, 1.0, 0.2)

    assert health.patience_s(one, 5.0, 1.0) == 5.0


def test_a_silent_unit_gets_what_its_neighbours_need_and_each_fourth_time_all() -> None:
    health = make_health()
    heard(health, 2, 0.0, 0.1)
    one = silenced(health, 1, 0.0)
    given = []
    for _ in range(8):
        given.append(health.patience_s(one, 5.0, 1.0))
        health.timed_out(one, 1.0, 0.5)

    assert given == pytest.approx([0.4, 0.4, 0.4, 5.0, 0.4, 0.4, 0.4, 5.0])


def test_what_was_learned_sinks_slowly() -> None:
    health = make_health()
    heard(health, 2, 0.0)
    one = heard(health, 1, 0.0, 0.8)
    for _ in range(20):
        one.answered(1.0, 0.02)
    assert health.patience_s(one, 5.0, 1.0) > 2.0
    for _ in range(500):
        one.answered(1.0, 0.02)

    assert health.patience_s(one, 5.0, 1.0) == 0.2


def test_a_learned_time_out_that_was_too_short_is_not_repeated_soon() -> None:
    health = make_health()
    heard(health, 2, 0.0)
    one = heard(health, 1, 0.0)
    short_s = health.patience_s(one, 5.0, 1.0)
    health.timed_out(one, 1.0, short_s)
    one.answered(1.0, 0.02)

    assert health.patience_s(one, 5.0, 1.0) > 3 * short_s
    assert health.patience_s(one, 0.3, 1.0) == 0.3


def test_what_a_silent_unit_needed_once_does_not_count_for_it_now() -> None:
    health = make_health()
    heard(health, 2, 0.0, 0.1)
    one = heard(health, 1, 0.0, 3.0)
    for _ in range(7):
        health.timed_out(one, 1.0, 3.0)

    assert health.patience_s(one, 5.0, 1.0) == pytest.approx(0.4)


def test_on_a_serial_line_a_silent_unit_is_waited_for_until_its_neighbours_can_hear_again() -> None:
    health = make_health(is_numbered=False)
    heard(health, 2, 0.0, 0.1)
    one = heard(health, 1, 0.0, 0.1)
    assert health.patience_s(one, 5.0, 1.0) == pytest.approx(0.4)
    for _ in range(7):
        health.timed_out(one, 1.0, 0.4)

    assert health.patience_s(one, 5.0, 1.0) == pytest.approx(0.6)


def test_without_a_sign_of_life_of_others_nobody_is_in_a_hurry() -> None:
    health = make_health()
    heard(health, 2, 0.0)
    one = heard(health, 1, 500.0)

    assert health.patience_s(one, 5.0, 500.0) == 5.0


# Who is silent


def test_a_unit_that_answered_once_is_silent_after_two_polls_in_vain() -> None:
    health = make_health()
    one = heard(health, 1, 0.0)
    silent = []
    for _ in range(6):
        health.timed_out(one, 1.0, 0.5)
        silent.append(one.is_silent)

    assert silent == [False, False, False, False, False, True]


def test_a_unit_that_never_answered_is_silent_at_once() -> None:
    assert silenced(make_health(), 1, 0.0).is_silent


def test_one_answer_makes_it_alive_again_and_forgives_all() -> None:
    health = make_health()
    heard(health, 2, 0.0)
    one = silenced(health, 1, 0.0, times=9)
    assert health.wait_s(one, 1.0) > 0
    one.answered(1.0, 0.02)

    assert not one.is_silent
    assert (one.silent_since, one.timeouts_in_row) == (None, 0)
    assert health.wait_s(one, 1.0) == 0.0


def test_a_silent_unit_is_left_alone_while_a_neighbour_lives_and_longer_each_time() -> None:
    health = LinkHealth(backoff=Backoff(first_s=1.0, longest_s=60.0), chance=lambda: 0.0)
    heard(health, 2, 0.0)
    waits = []
    for _ in range(9):
        health.timed_out(health.of(1), 1.0, 0.001)
        waits.append(health.wait_s(health.of(1), 1.0))

    assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60])


def test_jitter_shortens_the_pause() -> None:
    pauses = set()
    for seed in range(20):
        health = make_health(seed)
        heard(health, 2, 0.0)
        for _ in range(7):
            health.timed_out(health.of(1), 0.0, 0.001)
        pauses.add(health.wait_s(health.of(1), 0.0))

    assert len(pauses) > 10


def test_with_nobody_alive_everybody_may_be_asked() -> None:
    health = make_health()
    units = [silenced(health, unit, 0.0, times=5) for unit in (1, 2, 3)]

    assert [health.wait_s(one, 0.1) for one in units] == [0.0, 0.0, 0.0]
    assert [health.patience_s(one, 5.0, 0.1) for one in units] == [5.0, 5.0, 5.0]


def test_a_neighbour_not_heard_of_for_minutes_is_nobody_to_protect() -> None:
    health = make_health()
    heard(health, 2, 0.0)
    one = silenced(health, 1, 119.0)

    assert health.wait_s(one, 119.1) > 0.0
    assert health.wait_s(one, 120.1) == 0.0


def test_the_moment_zero_is_a_moment_like_any_other() -> None:
    health = make_health()
    one = health.of(1)
    health.timed_out(one, 0.0, 0.0)

    assert one.silent_since == 0.0
    heard(health, 2, 0.0)
    assert health.has_neighbour(one, 0.0)


# A day


class Day:
    """A bus whose units are asked one after the other without a pause, in numbers only."""

    def __init__(self, dies: Callable[[int, float], bool], *, units: int, seed: int = 1) -> None:
        self.health = make_health(seed)
        self.dies = dies
        self.now = 0.0
        self.silent_s = 0.0
        self.answers = dict.fromkeys(range(units), 0)
        self.tries: dict[int, list[float]] = {unit: [] for unit in range(units)}

    def run(self, until: float, *, latency_s: float = 0.4, longest_s: float = LONGEST_S) -> Day:
        while self.now < until:
            before = self.now
            for unit in self.answers:
                self.ask(unit, latency_s, longest_s)
            self.now = max(self.now, before + 0.1)
        return self

    def ask(self, unit: int, latency_s: float, longest_s: float) -> None:
        one = self.health.of(unit)
        if self.health.wait_s(one, self.now):
            return
        patience_s = self.health.patience_s(one, longest_s, self.now)
        if self.dies(unit, self.now):
            self.tries[unit].append(self.now)
            self.now += patience_s
            self.silent_s += patience_s
            self.health.timed_out(one, self.now, patience_s)
        else:
            self.now += latency_s
            self.answers[unit] += 1
            one.answered(self.now, latency_s)


@pytest.mark.parametrize("longest_s", [0.5, 1.0, 5.0])
@pytest.mark.parametrize(
    ("units", "dead", "hours"), [(10, 5, 24), (10, 9, 6), (2, 1, 6), (32, 31, 1)]
)
def test_the_dead_get_two_percent_of_the_time_at_most(
    units: int, dead: int, hours: int, longest_s: float
) -> None:
    day = Day(lambda unit, _: unit < dead, units=units)
    day.run(hours * 3600.0, longest_s=longest_s)

    # Each is asked twice before: when nobody is known to be alive yet, and once after that.
    begin_s = 2 * dead * longest_s
    assert day.silent_s - begin_s <= 0.02 * day.now
    living = [day.answers[unit] for unit in range(dead, units)]
    assert min(living) >= 0.97 * (day.now - begin_s) / 0.4 / len(living)


def test_every_dead_unit_is_tried_about_as_often_as_the_others() -> None:
    day = Day(lambda unit, _: unit < 5, units=10).run(86_400.0)
    tries = [len(day.tries[unit]) for unit in range(5)]

    assert min(tries) > 0.7 * max(tries)
    assert min(tries) > 200


def test_a_unit_that_comes_back_is_found_within_minutes() -> None:
    day = Day(lambda unit, now: unit < 5 and (unit > 0 or now < 40_000), units=10)
    day.run(40_000.0)
    assert day.answers[0] == 0
    day.run(40_400.0)

    assert day.answers[0] > 0


def test_what_others_owed_is_forgotten_when_they_come_back() -> None:
    day = Day(lambda unit, now: unit < 9 and (unit == 0 or now < 40_000), units=10)
    day.run(41_000.0)
    day.tries[0].clear()
    day.run(43_000.0)

    assert len(day.tries[0]) > 20  # 60 s each, with jitter


def test_a_slow_unit_among_fast_ones_is_not_declared_dead() -> None:
    health = make_health()
    rng = random.Random(7)
    slow, timeouts = health.of(1), 0
    heard(health, 2, 0.0, 0.01)
    for second in range(1, 86_400, 10):
        heard(health, 2, second, 0.01)
        needed_s = 0.9 if rng.random() < 0.1 else 0.3
        patience_s = health.patience_s(slow, LONGEST_S, second)
        assert not health.wait_s(slow, second)
        if needed_s <= patience_s:
            slow.answered(second, needed_s)
        else:
            timeouts += 1
            health.timed_out(slow, second, patience_s)

    assert timeouts == 0


def test_a_slow_unit_met_while_it_was_silent_is_found_all_the_same() -> None:
    health = make_health()
    slow, now = silenced(health, 1, 0.0), 0.0
    while slow.is_silent:
        now += 1.0
        heard(health, 2, now, 0.01)
        if health.wait_s(slow, now):
            continue
        patience_s = health.patience_s(slow, LONGEST_S, now)
        if patience_s >= 0.9:
            slow.answered(now, 0.9)
        else:
            health.timed_out(slow, now, patience_s)

    assert now < 300


# Figures


def test_the_mean_latency_follows_and_the_slowest_stays_a_while() -> None:
    one = UnitHealth()
    one.answered(0.0, 0.1)
    assert (one.latency_s, one.slowest_s) == (0.1, 0.1)
    for _ in range(100):
        one.answered(1.0, 0.02)

    assert one.latency_s == pytest.approx(0.02, abs=0.001)
    assert one.slowest_s > 0.03


def test_utilisation_is_the_part_of_the_time_that_was_busy() -> None:
    health = LinkHealth(100.0)
    assert health.utilisation(100.0) == 0.0
    health.busy_s = 5.0

    assert health.utilisation(120.0) == 0.25
