"""Three water meters in this process, a morning at a minute a second, and a client for one.

Run: python examples/04_simulate_in_process.py [HOST [PORT]]
Port 0, the default, lets the system choose one for each meter.
"""

from __future__ import annotations

import asyncio
import sys

from energymeter import Link, MeterReader, ProfileLibrary, SimulatedFleet, TcpEndpoint


async def main(host: str, port: int) -> None:
    profile = ProfileLibrary().load("water")
    async with SimulatedFleet(profile, count=3, seed=7, speed=60.0, host=host, port=port) as fleet:
        print(f"simulating {profile.name} on {host}, ports {fleet.ports}")
        async with Link(TcpEndpoint(host, fleet.ports[0])) as link:
            reader = MeterReader(link.unit(1), profile)
            before = (await reader.read())["volume_total"].value
            await fleet.tick(3600.0)  # an hour at once, on top of the running time
            after = (await reader.read())["volume_total"].value
            print(f"volume_total: {before} m3, an hour later {after} m3")

            await link.unit(1).write_coil(10, True)  # reset_counters
            reader.accept_counters()  # a counter that falls is not believed otherwise
            print("after a reset:", (await reader.read())["volume_total"].value, "m3")


if __name__ == "__main__":
    host = sys.argv[1] if sys.argv[1:] else "127.0.0.1"
    asyncio.run(main(host, int(sys.argv[2]) if sys.argv[2:] else 0))
