"""What water and gas meters show beside flow and volume."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.series import Series, record

from energymeter.simulator.physics import Kind, PhysicsOptions, create_physics

FLUIDS: tuple[Kind, ...] = ("water", "gas")
PIPE_M = {"water": 0.020, "gas": 0.025}

both_fluids = pytest.mark.parametrize("kind", FLUIDS)


@pytest.fixture(scope="module")
def days() -> dict[Kind, Series]:
    options = PhysicsOptions(start_s=0.0)
    return {kind: record(create_physics(kind, 20, 3, options), [30.0] * 2880) for kind in FLUIDS}


@both_fluids
def test_velocity_is_what_the_flow_needs_in_its_pipe(days: dict[Kind, Series], kind: Kind) -> None:
    day = days[kind]
    m3_per_s = day["flow_rate_volumetric"] / 60_000

    np.testing.assert_allclose(
        day["flow_velocity"], m3_per_s / (np.pi * PIPE_M[kind] ** 2 / 4), rtol=1e-12
    )
    assert day["flow_velocity"].max() < 3


def test_water_takes_the_same_room_everywhere(days: dict[Kind, Series]) -> None:
    np.testing.assert_array_equal(days["water"]["flow_rate_volumetric"], days["water"]["flow_rate"])


def test_gas_takes_the_room_its_temperature_and_pressure_give_it(days: dict[Kind, Series]) -> None:
    day = days["gas"]
    kelvin, bar = day["temperature"] + 273.15, day["pressure"] + 1.01325

    np.testing.assert_allclose(
        day["flow_rate_volumetric"], day["flow_rate"] * kelvin / 273.15 * 1.01325 / bar
    )


@both_fluids
def test_percent_is_the_share_of_sixty_litres_a_minute(
    days: dict[Kind, Series], kind: Kind
) -> None:
    np.testing.assert_allclose(days[kind]["flow_rate_percent"], days[kind]["flow_rate"] / 60 * 100)
    assert days[kind]["flow_rate_percent"].max() < 100


@pytest.mark.parametrize(("kind", "low", "high"), [("water", 2_300, 80_000), ("gas", 50, 5_000)])
def test_reynolds_number_tells_a_torrent_from_a_trickle(
    days: dict[Kind, Series], kind: Kind, low: float, high: float
) -> None:
    day = days[kind]
    flowing = day["flow_rate"] > 5

    assert low < day["reynolds_number"][flowing].min()
    assert day["reynolds_number"][flowing].max() < high
    assert not day["reynolds_number"][day["flow_rate"] == 0].any()


@both_fluids
def test_nothing_flows_backwards(days: dict[Kind, Series], kind: Kind) -> None:
    assert not days[kind]["volume_reverse"].any()
    np.testing.assert_array_equal(
        days[kind]["volume_net"], days[kind]["volume_total"] - days[kind]["volume_reverse"]
    )


@both_fluids
def test_temperature_difference_is_that_of_the_two_temperatures(
    days: dict[Kind, Series], kind: Kind
) -> None:
    day = days[kind]

    np.testing.assert_array_equal(
        day["temperature_difference"], day["temperature_1"] - day["temperature_2"]
    )
    np.testing.assert_array_equal(day["temperature_1"], day["temperature"])
    assert (day["temperature_difference"] >= 0).all()


@pytest.mark.parametrize(
    ("kind", "name", "low", "high"),
    [
        ("water", "sound_speed", 1430, 1500),
        ("gas", "sound_speed", 430, 450),
        ("water", "signal_quality", 70, 100),
        ("gas", "signal_quality", 70, 100),
        ("water", "signal_upstream", 1000, 1600),
        ("water", "signal_downstream", 1000, 1600),
    ],
)
def test_the_signals_of_the_transducers_stay_in_their_range(
    days: dict[Kind, Series], kind: Kind, name: str, low: float, high: float
) -> None:
    assert low <= days[kind][name].min()
    assert days[kind][name].max() <= high
    assert (np.ptp(days[kind][name], axis=0) > 0).all()


@both_fluids
def test_working_time_passes_like_time_and_is_not_reset(kind: Kind) -> None:
    physics = create_physics(kind, 2, 1)
    series = record(physics, [60.0, 1.0])
    physics.reset_counters(0)

    np.testing.assert_allclose(np.diff(series["working_time"], axis=0), [[60.0] * 2, [1.0] * 2])
    np.testing.assert_array_equal(physics.quantities()["working_time"], series["working_time"][-1])


@both_fluids
def test_a_new_meter_has_not_worked_yet(kind: Kind) -> None:
    physics = create_physics(kind, 2, 1, PhysicsOptions(zero_counters=True))

    assert not physics.quantities()["working_time"].any()
