"""Our simulated fleet: meters of one profile, each on a port of its own, values moving at 1 Hz.

Prints `PORT n n n ...`, one port a meter, when all listen on loopback; runs until terminated.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys

from benchmarks.harness.loops import LOOPS, run_on

from energymeter.profiles import ProfileLibrary
from energymeter.simulator import SimulatedFleet


async def simulate(profile: str, meters: int) -> None:
    """Serve until cancelled."""
    fleet = SimulatedFleet(ProfileLibrary([]).load(profile), count=meters, port=0)
    await fleet.start()
    sys.stdout.write(f"PORT {' '.join(map(str, fleet.ports))}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Allow a socket for each meter and client, then simulate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=1)
    parser.add_argument("--profile", default="schneider-electric/pm8000")
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    run_on(asked.loop, simulate(asked.profile, asked.meters))


if __name__ == "__main__":
    main()
