"""Meters of one profile: a row of them on consecutive ports, or units on the same wires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from energymeter.clock import Clock
from energymeter.codec.framing import Framing
from energymeter.errors import ConfigError
from energymeter.profiles import Profile
from energymeter.simulator.meter import SimulatedMeter
from energymeter.simulator.outlet import LAST_UNIT, Manners, make_outlet
from energymeter.simulator.population import Population
from energymeter.simulator.site import SimulatedPlace
from energymeter.transports import Way, Wire

__all__ = ["SimulatedFleet"]


class SimulatedFleet(SimulatedPlace):
    """One or many simulated meters of a profile.

    Args:
        profile: What they are.
        count: How many, 1 or more.
        seed: The same seed gives the same values, tick by tick.
        speed: Simulated seconds a real second, more than 0.
        host: Address to listen on.
        port: Port of the first meter, the others follow; 0: the system chooses each.
        listen: Wires or their URLs instead of host and port. One meter answers every unit number
            with Modbus TCP, and its own alone on serial lines; several are units one after the
            other on each wire.
        unit: Number of the first meter; None: the profile's if it is one meter, else 1.
        manners: How they behave on their wires.
        idle_timeout_s: Seconds without a request after which a client is dropped; None: never.
        state_path: Where the counters are kept over a restart; None: nowhere.
        clock: Moves the values.

    Raises:
        EndpointError: A URL is wrong, or one cannot listen there.
        ConfigError: The count or the speed cannot be, the ports would go beyond 65535 or the
            units beyond 247, or the state is of other meters.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only, each a decision of the user
        self,
        profile: Profile,
        *,
        count: int = 1,
        seed: int = 0,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 5020,
        listen: Sequence[str | Wire] = (),
        unit: int | None = None,
        manners: Manners | None = None,
        idle_timeout_s: float | None = None,
        state_path: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not listen and port + count - 1 > 65535:
            msg = f"{count} meters from port {port} need ports beyond 65535"
            raise ConfigError(msg)
        first = unit if unit is not None else profile.defaults.unit if count == 1 else 1
        if listen and count > 1 and first + count - 1 > LAST_UNIT:
            msg = f"{count} meters from unit {first} need units beyond {LAST_UNIT}"
            raise ConfigError(msg)
        population = Population(profile, count=count, seed=seed)
        super().__init__([population], speed=speed, state_path=state_path, clock=clock)
        self.profile = profile
        self._physics = population.physics
        self._manners = manners or Manners()
        self._idle_timeout_s = idle_timeout_s
        if listen:
            units = dict(enumerate(self.meters, start=first))
            for where in listen:
                self._put_on(where, units)
        else:
            # In a row each meter is alone on its port and answers every unit number.
            for place, meter in enumerate(self.meters):
                number = place + (1 if count > 1 else first)
                wire = _tcp(host, port + place if port else 0)
                self._put_on(wire, {number: meter})

    def _put_on(self, where: str | Wire, meters: Mapping[int, SimulatedMeter]) -> None:
        outlet = make_outlet(
            where,
            meters,
            answers_all=True,
            manners=self._manners,
            clock=self.clock,
            idle_timeout_s=self._idle_timeout_s,
        )
        self.outlets.append(outlet)


def _tcp(host: str, port: int) -> Wire:
    return Wire(framing=Framing.MBAP, way=Way.TCP, host=host, port=port)
