"""Our simulated site: thousands of meters behind hundreds of links, values moving at 1 Hz.

Prints `PORT n n n ...`, one port a link, when all listen on loopback; runs until terminated.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys

from benchmarks.harness.loops import LOOPS, run_on

from energymeter.profiles import ProfileLibrary
from energymeter.simulator import Manners
from energymeter.simulator.outlet import make_outlet
from energymeter.simulator.population import Population
from energymeter.simulator.site import SimulatedPlace


class LinkedMeters(SimulatedPlace):
    """Meters of one profile, so many on each of so many links."""

    def __init__(self, profile: str, links: int, each: int) -> None:
        population = Population(ProfileLibrary([]).load(profile), count=links * each, seed=1)
        super().__init__([population])
        self.outlets = [
            make_outlet(
                "tcp://127.0.0.1:0",
                {unit + 1: population.meters[link * each + unit] for unit in range(each)},
                answers_all=False,
                manners=Manners(),
                clock=self.clock,
            )
            for link in range(links)
        ]


async def simulate(profile: str, links: int, each: int) -> None:
    """Serve until cancelled."""
    place = LinkedMeters(profile, links, each)
    await place.start()
    sys.stdout.write(f"PORT {' '.join(map(str, place.ports))}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Allow a socket for each link and client, then simulate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--links", type=int, default=500)
    parser.add_argument("--each", type=int, default=20, help="meters on each link")
    parser.add_argument("--profile", default="schneider-electric/pm8000")
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    run_on(asked.loop, simulate(asked.profile, asked.links, asked.each))


if __name__ == "__main__":
    main()
