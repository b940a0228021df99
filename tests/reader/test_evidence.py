"""The judge of plausibility: what values are worth, alone and together."""

from __future__ import annotations

from typing import Any

import pytest

from energymeter.profiles import Point, parse_profile
from energymeter.reader.evidence import Judge
from energymeter.reader.laws import laws_of


def points(**names: str) -> tuple[Point, ...]:
    """Float points with these names and units."""
    return typed("float32", **names)


def typed(data_type: str, **names: str) -> tuple[Point, ...]:
    entries: list[dict[str, Any]] = [
        {"name": name, "address": 4 * place, "type": data_type, "unit": unit}
        for place, (name, unit) in enumerate(names.items())
    ]
    data = {"name": "a/b", "vendor": "a", "model": "b", "points": entries}
    return parse_profile(data, "test").points


def score(of: tuple[Point, ...], *values: float | None) -> float:
    return Judge(of).judge(values).score


def test_a_frequency_out_of_many_bits_is_worth_more_than_out_of_few() -> None:
    assert score(points(frequency="Hz"), 50.02) > score(typed("uint16", frequency="Hz"), 50) > 1


@pytest.mark.parametrize("value", [1e-40, 4e20, 900.0])
def test_a_frequency_that_cannot_be_speaks_against(value: float) -> None:
    assert score(points(frequency="Hz"), value) <= -4


def test_a_zero_says_nothing_of_a_current_and_much_of_a_voltage() -> None:
    assert score(points(current_phase_a="A"), 0.0) == 0
    assert score(points(voltage_phase_a="V"), 0.0) < -2


def test_what_was_not_read_says_nothing() -> None:
    judge = Judge(points(voltage_phase_a="V", frequency="Hz"))

    assert judge.judge([1e-40, 50.0], {0}).score == judge.judge([230.0, 50.0], {0}).score


def test_voltages_alike_speak_for_and_voltages_apart_against() -> None:
    three = points(voltage_phase_a="V", voltage_phase_b="V", voltage_phase_c="V")

    assert score(three, 230.0, 229.0, 231.0) > score(three, 230.0, 229.0, 120.0) + 4


def test_a_sum_that_is_exact_is_worth_more_than_one_that_is_near() -> None:
    powers = points(
        active_power_phase_a="W",
        active_power_phase_b="W",
        active_power_phase_c="W",
        active_power_total="W",
    )

    exact, near, wrong = (score(powers, 100.0, 200.0, 300.0, t) for t in (600.0, 604.0, 900.0))
    assert exact > near + 2
    assert near > wrong + 2


def test_each_further_decade_on_a_counter_is_less_likely() -> None:
    energy = typed("uint32", active_energy_import="kWh")

    usual, large, huge = (score(energy, value) for value in (1e4, 1e6, 1e8))
    assert usual > large > huge


def test_laws_take_the_units_into_account() -> None:
    of = points(voltage_phase_a="V", current_phase_a="A", apparent_power_phase_a="kVA")

    law = next(law for law in laws_of(of) if law.what == "apparent_power_phase_a")
    result = law.compare([230.0, 10.0, 2.3])

    assert result is not None
    assert result.holds
    assert result.amount == pytest.approx(2300)


def test_a_law_with_a_value_missing_is_not_tried() -> None:
    of = points(voltage_phase_a="V", current_phase_a="A", apparent_power_phase_a="VA")

    assert [law.compare([230.0, None, 2300.0]) for law in laws_of(of)] == [None]


def test_the_second_copy_of_a_value_confirms_it() -> None:
    of = points(flow_rate="L/min", int_flow_rate="L/min")

    assert score(of, 8.1, 8.1) > score(of, 8.1, 4.1) + 3


def test_the_strongest_clues_come_first() -> None:
    of = points(voltage_phase_a="V", voltage_phase_b="V", frequency="Hz")
    clues = Judge(of).judge([230.0, 231.0, 1e-42]).clues

    assert clues[0].text.startswith("frequency would be 1")
    assert [abs(clue.weight) for clue in clues] == sorted(
        (abs(clue.weight) for clue in clues), reverse=True
    )
