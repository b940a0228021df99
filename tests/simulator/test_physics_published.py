"""What every physics publishes: names, laziness, and moments that do not change."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.series import record

from energymeter.simulator.physics import ElectricityPhysics, Kind, PhysicsOptions, create_physics
from energymeter.simulator.physics.published import Published
from energymeter.values import quantity_of

KINDS: tuple[Kind, ...] = ("electricity", "water", "gas", "heat")
FLAGS = {"power_outage", "over_voltage", "under_voltage", "no_alarms", "online"}

every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_every_name_has_one_finite_number_a_meter(kind: Kind) -> None:
    quantities = create_physics(kind, 3, 1, PhysicsOptions(solar_w=9000.0)).quantities()

    assert len(quantities) == len(list(quantities)) > 10
    for name, values in quantities.items():
        assert values.shape == (3,), name
        assert values.dtype == (np.bool_ if name in FLAGS else np.float64), name
        assert np.isfinite(values).all(), name
        assert not values.flags.writeable, name


@every_kind
def test_everything_measured_is_in_the_table_of_quantities(kind: Kind) -> None:
    names = set(create_physics(kind, 1, 1).quantities()) - FLAGS

    assert not [name for name in names if quantity_of(name) is None]


@every_kind
def test_every_value_is_one_the_table_of_quantities_can_believe(kind: Kind) -> None:
    series = record(create_physics(kind, 5, 1, PhysicsOptions(solar_w=9000.0)), [3607.0] * 30)

    for name in set(series) - FLAGS:
        quantity = quantity_of(name)
        assert quantity is not None
        assert (series[name] >= quantity.low).all(), name
        assert (series[name] <= quantity.high).all(), name
        if quantity.is_counter:
            assert (np.diff(series[name], axis=0) >= 0).all(), name


@every_kind
def test_a_moment_looks_the_same_when_it_is_looked_at_later(kind: Kind) -> None:
    late, early = create_physics(kind, 3, 5), create_physics(kind, 3, 5)
    late.step(10.0)
    early.step(10.0)
    moment = late.quantities()
    expected = dict(early.quantities())
    record(late, [3600.0] * 30)
    late.reset_counters(0)

    for name, values in expected.items():
        np.testing.assert_array_equal(moment[name], values, err_msg=name)


@every_kind
def test_looking_at_an_old_moment_does_not_change_what_comes(kind: Kind) -> None:
    watched, alone = create_physics(kind, 3, 5), create_physics(kind, 3, 5)
    first = watched.quantities()
    record(watched, [60.0] * 30)
    record(alone, [60.0] * 30)
    dict(first)
    watched.step(60.0)
    alone.step(60.0)

    for name, values in alone.quantities().items():
        np.testing.assert_array_equal(watched.quantities()[name], values, err_msg=name)


@every_kind
def test_every_quantity_is_the_same_after_a_restart(kind: Kind) -> None:
    first, second = create_physics(kind, 3, 9), create_physics(kind, 3, 9)
    first.step(700.0)
    first.reset_counters(1)
    record(first, [0.3, 17.0, 3600.0] * 10)
    second.restore(json.loads(json.dumps(first.state())))
    expected, actual = record(first, [11.0] * 100), record(second, [11.0] * 100)

    for name in expected:
        np.testing.assert_array_equal(expected[name], actual[name], err_msg=name)


@every_kind
def test_a_state_of_an_older_version_is_refused(kind: Kind) -> None:
    physics = create_physics(kind, 1, 1)

    with pytest.raises(ValueError, match="version"):
        physics.restore({**physics.state(), "version": 1})


def test_a_quantity_is_computed_when_asked_for_and_once_for_all_its_names() -> None:
    asked: list[int] = []

    def recipe(moment: int) -> NDArray[np.float64]:
        asked.append(moment)
        return np.zeros(1)

    published = Published({"one": recipe, "two": recipe}, 7)

    assert (list(published), "two" in published, asked) == (["one", "two"], True, [])
    assert published["one"] is published["two"]
    assert asked == [7]


def test_an_unknown_quantity_is_a_missing_key() -> None:
    quantities = create_physics("heat", 1, 1).quantities()

    assert "voltage_phase_a" not in quantities
    with pytest.raises(KeyError):
        quantities["voltage_phase_a"]


def test_kinds_are_made_by_name_and_unknown_ones_refused() -> None:
    unknown: Any = "steam"

    assert isinstance(create_physics("electricity", 2, 1), ElectricityPhysics)
    with pytest.raises(ValueError, match="steam"):
        create_physics(unknown, 1, 1)
    with pytest.raises(ValueError, match="1 meter or more"):
        create_physics("electricity", 0, 1)
