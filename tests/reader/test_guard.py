"""Counters: what falls or jumps is withheld until it is explained. Pure, time by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.peculiar import profile_of

from energymeter.reader.counters import Counter, counters_of
from energymeter.reader.guard import CounterGuard, GuardRules, Verdict
from energymeter.reader.quality import Rating
from energymeter.reader.reading import Event, EventKind, Value

KWH = {"unit": "kWh", "scale": "0.01", "type": "uint32"}


def counters(*points: dict[str, Any], rating: Rating | None = None) -> tuple[Counter, ...]:
    return counters_of(profile_of(*points).points, rating)


def energy(name: str = "active_energy_import", address: int = 0, **keys: Any) -> dict[str, Any]:
    return {"name": name, "address": address, **KWH, **keys}


HOUSE = Rating(40)


class Meter:
    """One counter behind a guard; what is read a second time is the same unless told."""

    def __init__(self, *points: dict[str, Any], rating: Rating | None = HOUSE) -> None:
        self.guard = CounterGuard(counters(*(points or (energy(),)), rating=rating))
        self.now = 0.0
        self.events: list[Event] = []
        self.rereads = 0

    def read(
        self, *values: float | None, again: Any = "same", after_s: float = 10
    ) -> list[Verdict]:
        self.now += after_s
        given: list[Value] = list(values)
        verdicts = [Verdict(value) for value in given]
        for index in self.guard.screen(given, self.now):
            value = given[self.guard.counters[index].place]
            assert isinstance(value, (int, float))
            verdict = self.guard.judge(index, value, self.now)
            if verdict is None:
                self.rereads += 1
                second = value if again == "same" else again
                verdict = self.guard.confirm(index, value, second, self.now)
            verdicts[index] = verdict
            if verdict.event is not None:
                self.events.append(verdict.event)
        return verdicts

    def published(self, *values: float) -> list[Value]:
        return [self.read(value)[0].value for value in values]


def test_growth_passes_without_a_second_reading() -> None:
    meter = Meter()

    assert meter.published(100.0, 100.0, 100.01, 100.2) == [100.0, 100.0, 100.01, 100.2]
    assert (meter.rereads, meter.events) == (0, [])


@pytest.mark.parametrize("first", [0.0, 12.5, 40_000_000.0])
def test_first_reading_is_accepted(first: float) -> None:
    assert Meter().published(first) == [first]


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (0.0, "zero after 100 kWh"),
        (99.99, "99.99 kWh after 100 kWh, a step back"),
        (9213.0, "9213 kWh after 100 kWh, more than can have been counted in the time between"),
    ],
)
def test_odd_value_read_twice_is_withheld_with_a_reason(odd: float, reason: str) -> None:
    meter = Meter()
    meter.read(100.0)

    [verdict] = meter.read(odd)

    assert verdict.value is None
    assert verdict.reason.startswith(reason)
    assert meter.rereads == 1


def test_odd_value_that_the_second_reading_does_not_confirm_is_replaced_by_it() -> None:
    meter = Meter()
    meter.read(100.0)

    [verdict] = meter.read(0.0, again=100.01)

    assert verdict == Verdict(100.01)
    assert meter.published(100.02) == [100.02]


def test_odd_value_that_cannot_be_read_again_is_withheld() -> None:
    meter = Meter()
    meter.read(100.0)

    assert meter.read(0.0, again=None)[0].value is None


def test_counter_goes_on_after_a_glitch_of_any_length_without_an_event() -> None:
    meter = Meter()

    assert meter.published(100.0, 0.0, 0.0, 9999.0, 0.0, 100.03) == [100.0, *[None] * 4, 100.03]
    assert meter.events == []


def test_withheld_value_that_stays_is_not_read_twice_again() -> None:
    meter = Meter()

    meter.published(100.0, *[0.0] * 50)

    assert meter.rereads == 1


def test_jump_does_not_become_true_because_time_passes() -> None:
    meter = Meter()
    meter.read(100.0)
    meter.read(200.0)

    assert [meter.read(200.0, after_s=3600)[0].value for _ in range(50)] == [None] * 50


def test_zero_that_never_grows_is_never_believed() -> None:
    meter = Meter()

    assert meter.published(100.0, *[0.0] * 1000)[1:] == [None] * 1000
    assert meter.events == []


@pytest.mark.parametrize("base", [0.0, 3.0, 5000.0])
def test_meter_exchange_is_recognised_and_the_series_goes_on(base: float) -> None:
    meter = Meter()
    meter.read(100.0)

    series = meter.published(*(base + n / 100 for n in range(12)))

    first = next(n for n, value in enumerate(series) if value is not None)
    assert first == 6  # five plausible readings after the odd one, and 60 s
    assert series[first:] == [base + n / 100 for n in range(first, 12)]
    [event] = meter.events
    assert event.kind is EventKind.COUNTER_REPLACED
    assert "went from 100 kWh" in event.text


def test_new_base_needs_time_as_well_as_readings() -> None:
    meter = Meter()
    meter.read(100.0)

    values = [meter.read(n / 100, after_s=1)[0].value for n in range(59)]

    assert values == [None] * 59


def test_counters_at_rest_follow_one_that_was_replaced() -> None:
    meter = Meter(energy(), energy("active_energy_export", 2))
    meter.read(100.0, 7.0)

    last = [meter.read(n / 100, 0.0) for n in range(8)][-1]

    assert [verdict.value for verdict in last] == [0.07, 0.0]
    assert [event.name for event in meter.events] == [
        "active_energy_import",
        "active_energy_export",
    ]


@pytest.mark.parametrize(
    ("point", "before", "after"),
    [
        (energy(), 42_949_672.9, 0.05),
        (energy(), 9_999_999.95, 0.02),
        (energy(type="uint16", scale="1"), 65_530, 3),
        (energy(type="float32", scale="1"), 999_999.9, 0.1),
        (energy(type="uint32", encoding="bcd"), 999_999.95, 0.01),
    ],
)
def test_rollover_is_recognised_at_once(point: dict[str, Any], before: float, after: float) -> None:
    meter = Meter(point, rating=Rating(400))
    meter.read(before)

    [verdict] = meter.read(after, after_s=120)

    assert verdict.value == after
    assert [event.kind for event in meter.events] == [EventKind.COUNTER_ROLLED_OVER]


def test_rollover_to_zero_is_believed_when_it_grows() -> None:
    meter = Meter(rating=Rating(400))
    meter.read(9_999_999.95)

    assert meter.published(0.0, 0.0, 0.01) == [None, None, 0.01]
    assert [event.kind for event in meter.events] == [EventKind.COUNTER_ROLLED_OVER]


def test_counter_far_from_the_top_does_not_roll_over() -> None:
    meter = Meter(rating=Rating(400))
    meter.read(9_950_000.0)

    assert meter.read(0.05)[0].value is None


def test_counter_that_runs_downwards_is_guarded_the_other_way_round() -> None:
    meter = Meter(energy(type="int32", counts_down=True))

    assert meter.published(-100.0, -100.02, -100.01, -100.05) == [-100.0, -100.02, None, -100.05]


def test_rating_decides_what_is_a_jump() -> None:
    small, large = Meter(rating=Rating(40)), Meter(rating=Rating(4000))

    assert small.published(100.0, 120.0) == [100.0, None]
    assert large.published(100.0, 120.0) == [100.0, 120.0]


def test_without_a_rating_twenty_megawatts_are_believed() -> None:
    meter = Meter(rating=None)

    assert meter.published(100.0, 400.0, 9500.0) == [100.0, 400.0, None]


def test_largest_current_of_the_profile_is_a_rating() -> None:
    current = {"name": "current_phase_a", "address": 9, "type": "uint16", "unit": "A"}

    [tight] = counters(energy(), {**current, "maximum": 40})
    [wide] = counters(energy(), current)

    assert tight.growth_per_s == pytest.approx(1.5 * 3 * 480 * 40 / 3_600_000)
    assert wide.growth_per_s == pytest.approx(20_000 / 3600)


def test_long_silence_allows_for_what_was_counted_in_it() -> None:
    meter = Meter()
    meter.read(100.0)

    assert meter.read(900.0, after_s=86_400)[0].value == 900.0


def test_counter_of_unknown_unit_is_not_guarded() -> None:
    assert counters(energy(unit="")) == ()
    assert counters({**energy("active_energy_net")}) == ()


def test_state_goes_on_in_another_guard() -> None:
    meter = Meter()
    meter.published(100.0, 0.0)
    other = Meter()

    other.guard.restore(meter.guard.state(meter.now), other.now)

    assert other.read(0.0)[0].value is None
    assert other.published(100.05) == [100.05]


RAW = st.one_of(
    st.integers(0, 2**32 - 1),
    st.integers(0, 50),
    st.integers(2**32 - 50, 2**32 - 1),
    st.sampled_from([0, 0, 1_000_000]),
)
STEP = st.tuples(RAW | st.none(), st.integers(0, 20), RAW | st.none(), st.floats(0, 7200))


@given(
    st.lists(STEP, max_size=60),
    st.booleans(),
    st.sampled_from([None, Rating(1), Rating(40), Rating(1e5)]),
    st.sampled_from([GuardRules(), GuardRules(readings=1, settle_s=0), GuardRules(2, 5, 0)]),
)
@settings(max_examples=600, deadline=None)
def test_any_sequence_gives_a_monotone_series_between_events(
    steps: list[tuple[int | None, int, int | None, float]],
    counts_down: bool,
    rating: Rating | None,
    rules: GuardRules,
) -> None:
    point = energy(type="int64", scale="1", counts_down=counts_down)
    guard = CounterGuard(counters(point, rating=rating), rules)
    sign = -1 if counts_down else 1
    now, last, raw = 0.0, None, 1_000_000
    for jump, growth, again, after_s in steps:
        now += after_s
        raw = raw + growth if jump is None else jump
        verdict: Verdict | None = Verdict(sign * raw)
        for index in guard.screen([sign * raw], now):
            verdict = guard.judge(index, sign * raw, now)
            if verdict is None:
                second = None if again is None else sign * again
                verdict = guard.confirm(index, sign * raw, second, now)
        assert verdict is not None
        if verdict.value is None:
            assert verdict.reason
            continue
        assert not verdict.reason
        assert isinstance(verdict.value, int)
        assert verdict.value in (sign * raw, None if again is None else sign * again)
        assert last is None or verdict.event is not None or verdict.value * sign >= last * sign
        last = verdict.value
