"""Noise and pulses: functions of (seed, meter, channel, time)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energymeter.simulator.physics.noise import Noise, SmoothNoise, hash_normal, hash_unit
from energymeter.simulator.physics.pulses import Pulse, PulseTrain

TICKS = np.arange(-5000, 5000, dtype=np.int64)


@given(seed=st.integers(), small=st.integers(1, 5), more=st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_a_meter_has_the_same_keys_in_every_population(seed: int, small: int, more: int) -> None:
    few = Noise(seed, small).keys("channel", 3)
    many = Noise(seed, small + more).keys("channel", 3)

    np.testing.assert_array_equal(few, many[:, :small])


def test_seeds_channels_rows_and_meters_all_give_different_keys() -> None:
    keys = [
        Noise(seed, 50).keys(name, 4).ravel() for seed in (-1, 0, 1, 2**63) for name in ("a", "b")
    ]

    assert np.unique(np.concatenate(keys)).size == 4 * 2 * 4 * 50


def test_hashed_units_fill_the_range_evenly_and_exclude_one() -> None:
    values = hash_unit(Noise(1, 1).keys("x", 1), TICKS)

    assert values.min() >= 0.0
    assert values.max() < 1.0
    assert values.mean() == pytest.approx(0.5, abs=0.01)
    assert values.std() == pytest.approx(12**-0.5, abs=0.01)


def test_hashed_normals_have_unit_deviation_and_a_hard_bound() -> None:
    values = hash_normal(Noise(1, 1).keys("x", 1), TICKS)

    assert np.abs(values).max() <= 3.47
    assert values.mean() == pytest.approx(0.0, abs=0.04)
    assert values.std() == pytest.approx(1.0, abs=0.03)


def test_neighbouring_ticks_and_meters_are_not_correlated() -> None:
    values = hash_normal(Noise(1, 2).keys("x", 1).T, TICKS)

    assert abs(np.corrcoef(values[0, 1:], values[0, :-1])[0, 1]) < 0.04
    assert abs(np.corrcoef(values[0], values[1])[0, 1]) < 0.04


def test_hashing_wraps_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = Noise(2**64 - 1, 1).uniform("x", 1, 2.0, 3.0)

    assert 2.0 <= values[0, 0] < 3.0


def test_smooth_noise_is_the_same_whatever_times_were_asked_before() -> None:
    asked_often = SmoothNoise(Noise(4, 3), "x", [10.0, 300.0])
    asked_once = SmoothNoise(Noise(4, 3), "x", [10.0, 300.0])
    for time_s in np.arange(0.0, 777.0, 0.7):
        asked_often.at(float(time_s))

    np.testing.assert_array_equal(asked_often.at(777.0), asked_once.at(777.0))


def test_smooth_noise_moves_little_in_a_small_part_of_its_period() -> None:
    noise = SmoothNoise(Noise(4, 20), "x", [100.0])
    series = np.array([noise.at(float(time_s)) for time_s in range(2000)])

    assert np.abs(np.diff(series, axis=0)).max() < 0.11
    assert np.abs(series).max() <= 3.47


def test_smooth_noise_works_before_time_zero() -> None:
    noise = SmoothNoise(Noise(4, 1), "x", [100.0])

    assert np.abs(noise.at(-1e-6) - noise.at(1e-6)).max() < 1e-6


def test_a_pulse_stays_within_its_times_and_levels() -> None:
    train = PulseTrain(Noise(9, 1), "x", [Pulse(slot_s=100, duration_s=(10, 20), level=(5, 6))])
    series = np.array([train.at(float(time_s))[0, 0] for time_s in range(20_000)])
    edges = np.flatnonzero(np.diff((series > 0).astype(int)))
    lengths = np.diff(edges)[::2] if series[0] == 0 else np.diff(edges)[1::2]

    assert series[series > 0].min() >= 5
    assert series.max() <= 6
    assert 170 <= lengths.size <= 240
    # A pulse that touches the next one looks like one pulse of twice the length.
    assert lengths.min() >= 9
    assert np.median(lengths) == pytest.approx(15, abs=2)


def test_a_pulse_never_happens_in_hours_without_a_chance() -> None:
    mornings = tuple(1.0 if hour == 7 else 0.0 for hour in range(24))
    pulse = Pulse(slot_s=600, duration_s=(30, 60), level=(1, 1), chance=mornings)
    train = PulseTrain(Noise(9, 10), "x", [pulse])
    hours = [t // 3600 % 24 for t in range(0, 86_400 * 2, 20) if train.at(float(t)).any()]

    # One that begins at the end of the hour ends in the next.
    assert set(hours) <= {7, 8}
    assert hours.count(7) > 100


def test_a_ramp_rises_and_falls_instead_of_switching() -> None:
    pulse = Pulse(slot_s=100, duration_s=(40, 50), level=(8, 8), ramp_s=4)
    train = PulseTrain(Noise(9, 1), "x", [pulse])
    series = np.array([train.at(time_s / 10)[0, 0] for time_s in range(10_000)])

    assert series.max() == 8
    assert np.abs(np.diff(series)).max() <= 8 / 4 * 0.1 + 1e-9


def test_a_pulse_longer_than_its_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Pulse(slot_s=30, duration_s=(5, 30), level=(1, 1))
