"""Our reader and poller on a fleet: every meter read and decoded once a second by this process.

Nothing here is special: one `Link`, `MeterReader` and `Poller` a meter, as the product uses them,
with starts spread over the second. Counted after a warm-up; prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time

from benchmarks.harness.loops import LOOPS, run_on

from energymeter.client import Link
from energymeter.eventloop import spare_collector
from energymeter.profiles import Profile, ProfileLibrary
from energymeter.reader import MeterReader
from energymeter.service import Poll, Poller
from energymeter.transports import TcpEndpoint

INTERVAL_S = 1.0


class Tally:
    """What the polls of all meters added up to since the last `reset`."""

    def __init__(self) -> None:
        self.lateness_s: list[float] = []
        self.skipped = 0
        self.incomplete = 0
        self.values = 0

    def reset(self) -> None:
        """Forget everything: the warm-up is over."""
        self.__init__()  # type: ignore[misc]

    def take(self, poll: Poll) -> None:
        """Count one poll; called by every poller."""
        self.lateness_s.append(poll.lateness_s)
        self.skipped += poll.skipped
        if poll.report.is_complete:
            self.values += len(poll.report.values)
        else:
            self.incomplete += 1


async def poll_fleet(profile: Profile, ports: list[int], warm_up_s: float, seconds: float) -> None:
    """Poll until the time is over, then print what was counted."""
    tally = Tally()
    links = [Link(TcpEndpoint("127.0.0.1", port)) for port in ports]
    for link in links:
        await link.open()
    pollers = [
        Poller(
            MeterReader(link.unit(1), profile),
            INTERVAL_S,
            tally.take,
            delay_s=INTERVAL_S * number / len(links),
        )
        for number, link in enumerate(links)
    ]
    tasks = [asyncio.create_task(poller.run()) for poller in pollers]
    await asyncio.sleep(warm_up_s)
    spare_collector()
    tally.reset()
    cpu_before, begin = _cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu_s, elapsed = _cpu_seconds() - cpu_before, time.monotonic() - begin
    print_tally(tally, meters=len(links), cpu_s=cpu_s, elapsed=elapsed)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*(link.close() for link in links))


def print_tally(tally: Tally, *, meters: int, cpu_s: float, elapsed: float) -> None:
    """One JSON line, which is what the runner reads."""
    late = sorted(max(0.0, lateness) for lateness in tally.lateness_s)
    # A meter polled a moment before the window opened is due again a moment before it closes,
    # so one poll a meter may fall out at the edge; what is skipped or incomplete is counted.
    expected = int(meters * (elapsed / INTERVAL_S - 1))
    result = {
        "meters": meters,
        "seconds": round(elapsed, 2),
        "polls": len(late),
        "missed": tally.skipped + tally.incomplete + max(0, expected - len(late)),
        "incomplete": tally.incomplete,
        "values_per_s": round(tally.values / elapsed),
        "p50_late_ms": round(late[len(late) // 2] * 1000, 2),
        "p99_late_ms": round(late[len(late) * 99 // 100] * 1000, 2),
        "max_late_ms": round(late[-1] * 1000, 2),
        "cpu_share": round(cpu_s / elapsed, 3),
        "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Allow a socket for each meter, then poll."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", required=True, help="one a meter, separated by commas")
    parser.add_argument("--profile", default="schneider-electric/pm8000")
    parser.add_argument("--warm-up", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    profile = ProfileLibrary([]).load(asked.profile)
    ports = [int(port) for port in asked.ports.split(",")]
    run_on(asked.loop, poll_fleet(profile, ports, asked.warm_up, asked.seconds))


if __name__ == "__main__":
    main()
