"""The beat: it does not drift, and what is late is skipped, not piled up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.errors import ConfigError
from energymeter.service import Beat


def test_a_day_of_beats_ends_where_it_should() -> None:
    beat = Beat(0.1, start=1000.0)
    for count in range(864_000):
        beat.advance(beat.due + 0.01 * (count % 7))

    assert beat.due == pytest.approx(1000.0 + 86_400, abs=1e-5)
    assert beat.missed == 0


def test_lateness_is_not_carried_over_to_the_next_beat() -> None:
    beat = Beat(10.0, start=0.0)
    beat.advance(9.9)

    assert beat.due == 10.0


def test_a_poll_that_ends_exactly_at_the_next_beat_skips_nothing() -> None:
    beat = Beat(10.0, start=0.0)

    assert beat.advance(10.0) == 0
    assert beat.due == 10.0


@pytest.mark.parametrize(("now", "skipped", "due"), [(10.5, 1, 20), (29.0, 2, 30), (30.5, 3, 40)])
def test_beats_that_passed_meanwhile_are_skipped(now: float, skipped: int, due: float) -> None:
    beat = Beat(10.0, start=0.0)

    assert beat.advance(now) == skipped
    assert beat.due == due


def test_skipped_beats_are_counted_in_all() -> None:
    beat = Beat(1.0, start=0.0)
    beat.advance(2.5)
    beat.advance(7.5)

    assert beat.missed == 2 + 4


@given(
    interval_s=st.floats(0.01, 3600),
    polls=st.lists(st.floats(0, 20_000), min_size=1, max_size=30),
)
def test_the_next_beat_is_never_past_and_never_off_the_grid(
    interval_s: float, polls: list[float]
) -> None:
    beat = Beat(interval_s, start=0.0)
    now = 0.0
    for took_s in polls:
        now = max(now, beat.due) + took_s
        beat.advance(now)
        assert beat.due >= now - 1e-6
        assert beat.due - now <= interval_s * (1 + 1e-9) + 1e-6 or took_s < interval_s
        steps = beat.due / interval_s
        assert math.isclose(steps, round(steps), abs_tol=1e-5)


@pytest.mark.parametrize("interval_s", [0.0, -1.0, math.nan, math.inf])
def test_an_interval_that_is_no_positive_number_is_refused(interval_s: float) -> None:
    with pytest.raises(ConfigError, match="use more than 0"):
        Beat(interval_s, start=0.0)
