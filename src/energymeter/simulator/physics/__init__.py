"""The physics behind simulated meters: what flows, and what the counters make of it.

Pure code: no sockets, no wall clock, no random stream. A physics is a population of meters of
one kind that are stepped together; a meter's series depends on the seed and on its index alone.

    physics = create_physics("electricity", size=1000, seed=7)
    physics.step(1.0)
    physics.quantities()["voltage_phase_a"]   # 1000 numbers, in V

Base units throughout: V, A, W, var, VA, Hz, degrees, percent, Wh, varh, VAh; L/min, m3, degC,
K, bar, m/s, s for water, gas and heat. `noise` and `pulses` are functions of time, `load`, `grid`
and `flow` build what flows from them, `energy` and `demand` add up. `electricity`, `fluid` and
`heat` are the populations; what they publish is made when asked for, by `moment` and
`electricity_names`, and by `fluid_moment`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from energymeter.simulator.physics.electricity import ElectricityPhysics
from energymeter.simulator.physics.fluid import GasPhysics, WaterPhysics
from energymeter.simulator.physics.grid import Condition
from energymeter.simulator.physics.heat import HeatPhysics
from energymeter.simulator.physics.options import PhysicsOptions

__all__ = [
    "Condition",
    "ElectricityPhysics",
    "GasPhysics",
    "HeatPhysics",
    "Kind",
    "Physics",
    "PhysicsOptions",
    "WaterPhysics",
    "create_physics",
]

Kind = Literal["electricity", "water", "gas", "heat"]


class Physics(Protocol):
    """A population of meters of one kind."""

    size: int
    """Number of meters."""

    def step(self, dt_s: float) -> None:
        """Advance the simulated time by `dt_s` seconds; raises `ValueError` unless above 0."""
        ...

    def quantities(self) -> Mapping[str, NDArray[Any]]:
        """Return the state after the last step: canonical name -> array of shape (size,).

        Complete before the first step too. The arrays are read-only and later steps do not
        change them. An array is computed when it is first asked for: take what you need, and ask
        for it before the next steps, afterwards it costs more.
        """
        ...

    def reset_counters(self, index: int) -> None:
        """Set the cumulative counters of one meter to zero; raises `IndexError`."""
        ...

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on from here, ready for JSON."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; raises `ValueError` for one of another kind or size."""
        ...


_KINDS: Mapping[str, Callable[[int, int, PhysicsOptions | None], Physics]] = {
    "electricity": ElectricityPhysics,
    "water": WaterPhysics,
    "gas": GasPhysics,
    "heat": HeatPhysics,
}


def create_physics(
    kind: Kind, size: int, seed: int, options: PhysicsOptions | None = None
) -> Physics:
    """Make a population of one kind.

    Args:
        kind: What the meters measure.
        size: Number of meters, 1 or more.
        seed: Any integer; the same seed gives the same meters in every population.
        options: Settings; None for the defaults.

    Raises:
        ValueError: There is no such kind, or a setting cannot be.
    """
    if kind not in _KINDS:
        message = f"there is no physics of {kind!r}: use one of {', '.join(_KINDS)}"
        raise ValueError(message)
    return _KINDS[kind](size, seed, options)
