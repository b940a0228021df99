"""Poll two units behind one link on a fixed beat.

Run: python examples/02_poll_async.py HOST PORT [POLLS]
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial

from energymeter import Link, MeterReader, Poller, ProfileLibrary, TcpEndpoint
from energymeter.service import Poll

INTERVAL_S = 1.0


def show(unit: int, poll: Poll) -> None:
    report = poll.report
    if report.is_empty:
        print(f"unit {unit}: {report.failures[0].error}", file=sys.stderr)
        return
    power, voltage = report["active_power_total"], report["voltage_phase_a"]
    print(f"unit {unit}: {power.value} {power.unit} at {voltage.value} {voltage.unit}")


async def main(host: str, port: int, polls: int) -> None:
    profile = ProfileLibrary().load("electric")
    # One link: the units share the connection and are asked one after the other.
    async with Link(TcpEndpoint(host, port), timeout_s=2.0) as link, asyncio.TaskGroup() as group:
        for unit in (1, 2):
            reader = MeterReader(link.unit(unit), profile)
            poller = Poller(reader, INTERVAL_S, partial(show, unit))
            group.create_task(poller.run(polls))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 5))
