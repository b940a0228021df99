"""A population of heat meters, stepped together.

Flow and temperatures are functions of time; energy and volume are integrals (a straight line
between two instants). No sockets, no wall clock.

Conventions: temperature 1 is the forward, 2 the return, 3 the room, 4 the room of the meter; the
difference is 1 less 2. Heat power is that of water: flow, 1 kg a litre, 4.18 kJ a kg and kelvin.
Flow 2 is a second sensor in the return, which is off by some thousandths. In W, Wh, L/min, m3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energymeter.simulator.physics.flow import HeatingCircuit, HeatingFlow
from energymeter.simulator.physics.noise import Floats, Noise, SmoothNoise
from energymeter.simulator.physics.options import PhysicsOptions
from energymeter.simulator.physics.published import Published, Recipe, frozen
from energymeter.simulator.physics.state import (
    check_header,
    check_index,
    check_size,
    check_step,
    header,
    read_array,
    read_clock,
)
from energymeter.simulator.physics.still import CALM, WorkingTime

__all__ = ["HeatPhysics"]

KIND = "heat"
_J_PER_LITRE_K = 4180.0
_MINUTE_S = 60.0
_HOUR_S = 3600.0
_LITRES_PER_M3 = 1000.0

# A meter some years old: Wh, and m3 for a Wh at a difference of some 13 K.
_AGED_WH = (5.0e6, 6.0e7)
_AGED_M3_PER_WH = 6.6e-5
_SECOND_SENSOR = (0.994, 1.003)
_ROOM_C, _CELLAR_C = (19.5, 22.5), (11.0, 16.0)


class _Site:
    """The rooms and sensors of the meters; functions of time and seed."""

    def __init__(self, noise: Noise, options: PhysicsOptions) -> None:
        self.second_sensor = noise.uniform("heat/second", 1, *_SECOND_SENSOR)[0]
        self.working_time = WorkingTime(noise, options)
        self._room_c = noise.uniform("heat/room", 1, *_ROOM_C)[0]
        self._cellar_c = noise.uniform("heat/cellar", 1, *_CELLAR_C)[0]
        self._wander = SmoothNoise(noise, "heat/rooms", [5400.0, 14_400.0])

    def room(self, clock_s: float) -> Floats:
        room_c: Floats = self._room_c + 0.35 * self._wander.at(clock_s)[0]
        return room_c

    def cellar(self, clock_s: float) -> Floats:
        cellar_c: Floats = self._cellar_c + 0.2 * self._wander.at(clock_s)[1]
        return cellar_c


@dataclass(frozen=True)
class _Moment:
    """Everything known of a population at one time; arrays of shape (size,), read-only."""

    clock_s: float
    circuit: HeatingFlow
    power_w: Floats
    energy_wh: Floats
    volume_m3: Floats
    site: _Site

    @property
    def size(self) -> int:
        return int(self.power_w.size)

    @cached_property
    def difference(self) -> Floats:
        return _difference(self.circuit)


_RECIPES: Mapping[str, Recipe[_Moment]] = {
    **CALM,
    "flow_rate": lambda moment: moment.circuit.flow,
    "flow_rate_2": lambda moment: moment.circuit.flow * moment.site.second_sensor,
    "volume_total": lambda moment: moment.volume_m3,
    "heat_power": lambda moment: moment.power_w,
    "heat_energy_total": lambda moment: moment.energy_wh,
    "temperature_1": lambda moment: moment.circuit.forward_c,
    "temperature_2": lambda moment: moment.circuit.return_c,
    "temperature_3": lambda moment: moment.site.room(moment.clock_s),
    "temperature_4": lambda moment: moment.site.cellar(moment.clock_s),
    "temperature_difference": lambda moment: moment.difference,
    "working_time": lambda moment: moment.site.working_time.at(moment.clock_s),
}


class HeatPhysics:
    """Heat meters of heated buildings; see `Physics` for the contract."""

    def __init__(self, size: int, seed: int, options: PhysicsOptions | None = None) -> None:
        """Make `size` meters; raises `ValueError` for less than 1."""
        check_size(size)
        options = options or PhysicsOptions()
        noise = Noise(seed, size)
        self.size = size
        self._clock_s = options.start_s
        self._published: Published[_Moment] | None = None
        self._model = HeatingCircuit(noise)
        self._site = _Site(noise, options)
        aged_wh = noise.uniform("heat/aged", 1, *_AGED_WH)[0]
        self._energy_wh = frozen(np.zeros(size) if options.zero_counters else aged_wh)
        self._volume_m3 = frozen(self._energy_wh * _AGED_M3_PER_WH)
        self._evaluate()

    def step(self, dt_s: float) -> None:
        """Advance the simulated time by `dt_s` seconds, above 0."""
        check_step(dt_s)
        flow, power_w = self._circuit.flow, self._power_w
        self._clock_s += dt_s
        self._evaluate()
        litres = 0.5 * (flow + self._circuit.flow) * (dt_s / _MINUTE_S)
        self._volume_m3 = frozen(self._volume_m3 + litres / _LITRES_PER_M3)
        added_wh = 0.5 * (power_w + self._power_w) * (dt_s / _HOUR_S)
        self._energy_wh = frozen(self._energy_wh + added_wh)

    def quantities(self) -> Mapping[str, NDArray[Any]]:
        """Return the state after the last step: read-only arrays that later steps do not change."""
        if self._published is None:
            moment = _Moment(
                clock_s=self._clock_s,
                circuit=self._circuit,
                power_w=self._power_w,
                energy_wh=self._energy_wh,
                volume_m3=self._volume_m3,
                site=self._site,
            )
            self._published = Published(_RECIPES, moment)
        return self._published

    def reset_counters(self, index: int) -> None:
        """Set energy and volume of one meter to zero; its working time stays."""
        check_index(index, self.size)
        energy_wh, volume_m3 = self._energy_wh.copy(), self._volume_m3.copy()
        energy_wh[index] = volume_m3[index] = 0.0
        self._energy_wh, self._volume_m3 = frozen(energy_wh), frozen(volume_m3)
        self._published = None

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as plain numbers, lists and texts."""
        return {
            **header(KIND, self.size, self._clock_s),
            "energy_wh": self._energy_wh.tolist(),
            "volume_m3": self._volume_m3.tolist(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; seed and options are those of this population.

        Raises:
            ValueError: The state is of another kind or size, or damaged; nothing has changed.
        """
        check_header(state, KIND, self.size)
        clock_s = read_clock(state)
        energy_wh = read_array(state, "energy_wh", (self.size,), lowest=0.0)
        volume_m3 = read_array(state, "volume_m3", (self.size,), lowest=0.0)
        self._clock_s = clock_s
        self._energy_wh, self._volume_m3 = frozen(energy_wh), frozen(volume_m3)
        self._evaluate()

    def _evaluate(self) -> None:
        circuit = self._circuit = self._model.at(self._clock_s)
        kg_per_s = circuit.flow / _MINUTE_S
        self._power_w = frozen(kg_per_s * _J_PER_LITRE_K * _difference(circuit))
        self._published = None


def _difference(circuit: HeatingFlow) -> Floats:
    difference: Floats = circuit.forward_c - circuit.return_c
    return difference
