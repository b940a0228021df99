"""Values that do not go together are warned of, and stay good."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.peculiar import MemoryUnit, Peculiar, profile_of

from energymeter.clock import ManualClock
from energymeter.reader import MeterReader, Quality
from energymeter.reader.crosscheck import CrossChecks

UNITS = {
    "voltage": ("V", "0.1"),
    "current": ("A", "0.01"),
    "active_power": ("kW", "0.001"),
    "reactive_power": ("var", "1"),
    "apparent_power": ("VA", "1"),
    "power_factor": ("", "0.001"),
}
NAMES = [f"{q}_phase_{p}" for q in UNITS for p in "abc"]
NAMES += ["active_power_total", "reactive_power_total", "apparent_power_total"]
POINTS: list[dict[str, Any]] = [
    {
        "name": name,
        "address": 2 * place,
        "type": "int32",
        "unit": UNITS[name.rpartition("_phase_")[0] or name.removesuffix("_total")][0],
        "scale": UNITS[name.rpartition("_phase_")[0] or name.removesuffix("_total")][1],
    }
    for place, name in enumerate(NAMES)
]
# 230 V, 10 A, pf 0.8: 1.84 kW, 1380 var, 2300 VA a phase
GOOD: dict[str, float | None] = {
    **{f"voltage_phase_{p}": 230.0 for p in "abc"},
    **{f"current_phase_{p}": 10.0 for p in "abc"},
    **{f"active_power_phase_{p}": 1.84 for p in "abc"},
    **{f"reactive_power_phase_{p}": 1380 for p in "abc"},
    **{f"apparent_power_phase_{p}": 2300 for p in "abc"},
    **{f"power_factor_phase_{p}": 0.8 for p in "abc"},
    "active_power_total": 5.52,
    "reactive_power_total": 4140,
    "apparent_power_total": 6900,
}


def warnings(**changes: float | None) -> list[str]:
    values = {**GOOD, **changes}
    return CrossChecks(profile_of(*POINTS).points).find([values[name] for name in NAMES])


def test_values_that_go_together_bring_no_warning() -> None:
    assert warnings() == []


@pytest.mark.parametrize("missing", NAMES)
def test_missing_values_are_not_compared(missing: str) -> None:
    assert warnings(**{missing: None}) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"active_power_total": 5.0}, ["active_power: the total is 5000, the phases make 5520",
                                       "total: S is 6900 VA"][:1]),
        ({"reactive_power_total": -4140}, ["reactive_power: the total is -4140"]),
        ({"power_factor_phase_b": 0.5}, ["phase b: P is 1840 W, U*I*pf makes 1150 W"]),
        ({"apparent_power_phase_c": 1500}, ["phase c: S is 1500 VA, P and Q make 2300 VA"]),
        ({"apparent_power_total": 69_000}, ["total: S is 69000 VA, P and Q make 6900 VA"]),
    ],
)  # fmt: skip
def test_disagreement_is_told_with_its_numbers(
    changes: dict[str, float], expected: list[str]
) -> None:
    found = warnings(**changes)

    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


def test_phase_without_voltage_is_told() -> None:
    found = warnings(
        voltage_phase_c=0, current_phase_c=0, active_power_phase_c=0, reactive_power_phase_c=0,
        apparent_power_phase_c=0, active_power_total=3.68, reactive_power_total=2760,
        apparent_power_total=4600,
    )  # fmt: skip

    assert found == ["the three voltages are far apart: 230, 230, 0"]


@pytest.mark.parametrize(
    "changes",
    [
        {"active_power_total": 5.6, "apparent_power_total": 6950},
        {"power_factor_phase_a": 0.81},
        {"power_factor_phase_a": -0.8},
        {"power_factor_phase_a": 1.2},
        {"apparent_power_phase_a": 2900},
        {"voltage_phase_a": 226.0},
    ],
)
def test_small_deviations_signs_and_harmonics_are_no_reason(changes: dict[str, float]) -> None:
    assert warnings(**changes) == []


def test_idle_meter_is_not_warned_of() -> None:
    idle = dict.fromkeys(NAMES, 0.0) | {f"voltage_phase_{p}": 230.0 for p in "abc"}

    assert warnings(**idle) == []


def test_meter_with_nothing_to_compare_is_idle() -> None:
    assert CrossChecks(profile_of(POINTS[0]).points).is_idle


@pytest.mark.parametrize(
    ("cross_check_s", "expected"), [(60.0, [1, 0, 1, 0]), (0.0, [1] * 4), (None, [0] * 4)]
)
def test_looks_are_as_far_apart_as_wanted_and_values_stay_good(
    cross_check_s: float | None, expected: list[int]
) -> None:
    points = [
        {"name": f"voltage_phase_{p}", "address": place, "type": "uint16", "unit": "V"}
        for place, p in enumerate("abc")
    ]
    clock = ManualClock()

    async def counts() -> list[int]:
        unit = MemoryUnit(Peculiar({0: 230, 1: 230, 2: 120}))
        reader = MeterReader(
            unit, profile_of(*points), clock=clock, cross_check_s=cross_check_s, self_check=False
        )
        found = []
        for _ in range(4):
            report = await reader.read()
            assert set(report.qualities) == {Quality.GOOD}
            found.append(len(report.warnings))
            await clock.advance(30)
        return found

    assert asyncio.run(counts()) == expected
