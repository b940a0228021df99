"""Populations of water and gas meters, stepped together.

The flow is a function of time; the volume is its integral (a straight line between two
instants), and the temperature follows the flow. No sockets, no wall clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energymeter.simulator.physics.flow import FlowModel, GasFlow, WaterFlow
from energymeter.simulator.physics.fluid_moment import (
    GAS,
    LITRES_PER_M3,
    MINUTE_S,
    RECIPES,
    WATER,
    FluidMoment,
    FluidSite,
    Traits,
)
from energymeter.simulator.physics.noise import Floats, Noise
from energymeter.simulator.physics.options import PhysicsOptions
from energymeter.simulator.physics.published import Published, frozen
from energymeter.simulator.physics.state import (
    check_header,
    check_index,
    check_size,
    check_step,
    header,
    read_array,
    read_clock,
)

__all__ = ["FluidPhysics", "GasPhysics", "WaterPhysics"]


class FluidPhysics:
    """Meters of one fluid; see `Physics` for the contract."""

    def __init__(
        self, kind: str, traits: Traits, flow: FlowModel, noise: Noise, options: PhysicsOptions
    ) -> None:
        """Put a flow behind meters; `WaterPhysics` and `GasPhysics` do it for you."""
        self.size = noise.size
        self._kind, self._traits, self._flow_model = kind, traits, flow
        self._clock_s = options.start_s
        self._published: Published[FluidMoment] | None = None
        self._site = FluidSite(kind, traits, noise, options)
        aged_m3 = noise.uniform(f"{kind}/aged", 1, *traits.aged_m3)[0]
        self._volume_m3 = frozen(np.zeros(self.size) if options.zero_counters else aged_m3)
        # At the start the fluid has stood in the meter for a while.
        warmth = noise.uniform(f"{kind}/warmth", 1, 0.4, 0.9)[0]
        main_c, ambient_c = self._site.main_c, self._site.ambient_c
        self._temperature_c = frozen(main_c + (ambient_c - main_c) * warmth)
        self._evaluate()

    def step(self, dt_s: float) -> None:
        """Advance the simulated time by `dt_s` seconds, above 0."""
        check_step(dt_s)
        before = self._flow
        self._clock_s += dt_s
        self._evaluate()
        litres = 0.5 * (before + self._flow) * (dt_s / MINUTE_S)
        self._volume_m3 = frozen(self._volume_m3 + litres / LITRES_PER_M3)
        self._temperature_c = frozen(self._mixed_temperature(litres, dt_s))

    def quantities(self) -> Mapping[str, NDArray[Any]]:
        """Return the state after the last step: read-only arrays that later steps do not change."""
        if self._published is None:
            moment = FluidMoment(
                clock_s=self._clock_s,
                flow=self._flow,
                volume_m3=self._volume_m3,
                temperature_c=self._temperature_c,
                site=self._site,
            )
            self._published = Published(RECIPES, moment)
        return self._published

    def reset_counters(self, index: int) -> None:
        """Set the volumes of one meter to zero; its working time stays."""
        check_index(index, self.size)
        volume_m3 = self._volume_m3.copy()
        volume_m3[index] = 0.0
        self._volume_m3 = frozen(volume_m3)
        self._published = None

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as plain numbers, lists and texts."""
        return {
            **header(self._kind, self.size, self._clock_s),
            "volume_m3": self._volume_m3.tolist(),
            "temperature_c": self._temperature_c.tolist(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; seed and options are those of this population.

        Raises:
            ValueError: The state is of another kind or size, or damaged; nothing has changed.
        """
        check_header(state, self._kind, self.size)
        clock_s = read_clock(state)
        volume_m3 = read_array(state, "volume_m3", (self.size,), lowest=0.0)
        temperature_c = read_array(state, "temperature_c", (self.size,))
        self._clock_s = clock_s
        self._volume_m3, self._temperature_c = frozen(volume_m3), frozen(temperature_c)
        self._evaluate()

    def _evaluate(self) -> None:
        self._flow = frozen(self._flow_model.at(self._clock_s))
        self._published = None

    def _mixed_temperature(self, litres: Floats, dt_s: float) -> Floats:
        """Pull the temperature to that of the main by flow and to ambient by time.

        The exact answer for a steady flow, so a long step cannot overshoot.
        """
        by_flow = litres / self._traits.litres_in_meter
        by_time = dt_s / self._traits.still_s
        pull = by_flow + by_time
        goal_c = (by_flow * self._site.main_c + by_time * self._site.ambient_c) / pull
        mixed_c: Floats = goal_c + (self._temperature_c - goal_c) * np.exp(-pull)
        return mixed_c


class WaterPhysics(FluidPhysics):
    """Water meters: taps, showers, toilets, machines."""

    def __init__(self, size: int, seed: int, options: PhysicsOptions | None = None) -> None:
        """Make `size` meters; raises `ValueError` for less than 1."""
        check_size(size)
        noise = Noise(seed, size)
        super().__init__("water", WATER, WaterFlow(noise), noise, options or PhysicsOptions())


class GasPhysics(FluidPhysics):
    """Gas meters: a burner that modulates, hot water, cooking."""

    def __init__(self, size: int, seed: int, options: PhysicsOptions | None = None) -> None:
        """Make `size` meters; raises `ValueError` for less than 1."""
        check_size(size)
        noise = Noise(seed, size)
        super().__init__("gas", GAS, GasFlow(noise), noise, options or PhysicsOptions())
