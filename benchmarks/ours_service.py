"""Our service on a large site: read, checked and stored by this process, as `energymeter run` does.

Counted after a warm-up, in which every meter is met for the first time; prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.loops import LOOPS, run_on

from energymeter.clock import SystemClock
from energymeter.daemon.installation import Installation
from energymeter.eventloop import spare_collector
from energymeter.service.events import EventStream, Level
from energymeter.service.snapshot import Lateness, Snapshot
from energymeter.site import ProfileShelf, load_site, resolved


def site_text(ports: Sequence[int], each: int, profile: str) -> str:
    """A site file with so many meters on each link."""
    lines = ['name = "bench"', "web = false", "[defaults]", 'interval = "1s"']
    for number, port in enumerate(ports):
        lines += [
            f'[[link]]\nname = "link-{number}"\nurl = "tcp://127.0.0.1:{port}"',
            f'[[meter]]\nname = "m{number}-{{unit}}"\nlink = "link-{number}"',
            f'units = "1-{each}"\nprofile = "{profile}"',
        ]
    return "\n".join(lines) + "\n"


class Mark:
    """Counters of a snapshot at one moment."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.at = time.monotonic()
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.cpu_s = used.ru_utime + used.ru_stime
        self.late = list(snapshot.lateness.counts)
        self.polls = sum(meter.polls for meter in snapshot.meters.values())
        self.skipped = sum(meter.skipped for meter in snapshot.meters.values())
        self.failed = sum(meter.failed for meter in snapshot.meters.values())
        self.stored = snapshot.store.stored
        self.memory_mib = _memory_mib()


async def serve(folder: Path, warm_up_s: float, seconds: float) -> None:
    """Run the site until the time is over, then print what was counted."""
    shelf = ProfileShelf()
    view = resolved(load_site(folder / "site.toml", shelf), shelf)
    clock = SystemClock()
    events = EventStream(clock)
    installation = Installation(view, events=events, reload=lambda: None, clock=clock)
    begun = time.monotonic()
    await installation.start()
    started_s = time.monotonic() - begun
    spare_collector()
    await asyncio.sleep(warm_up_s)
    snapshot = installation.snapshot
    snapshot.lateness.longest_s = 0.0
    before = Mark(snapshot)
    await asyncio.sleep(seconds)
    after = Mark(snapshot)
    meters = len(snapshot.meters)
    print_result(before, after, snapshot, meters, started_s)
    for event in events.newest():
        if event.level is not Level.INFO:
            sys.stderr.write(f"{event.topic} {event.name}: {event.text}\n")
    await installation.stop()


def print_result(
    before: Mark, after: Mark, snapshot: Snapshot, meters: int, started_s: float
) -> None:
    """One JSON line, which is what the runner reads."""
    elapsed = after.at - before.at
    late = [now - then for now, then in zip(after.late, before.late, strict=True)]
    polls = after.polls - before.polls
    result = {
        "meters": meters,
        "seconds": round(elapsed, 2),
        "start_s": round(started_s, 2),
        "polls": polls,
        # Polls of the first and the last moment may fall out at the edges.
        "missed": after.skipped - before.skipped + after.failed - before.failed,
        "polls_per_s": round(polls / elapsed),
        "stored_per_s": round((after.stored - before.stored) / elapsed),
        "waiting": snapshot.store.waiting,
        "p50_late_ms": quantile_ms(late, 0.5),
        "p99_late_ms": quantile_ms(late, 0.99),
        "max_late_ms": round(snapshot.lateness.longest_s * 1000, 1),
        "cpu_share": round((after.cpu_s - before.cpu_s) / elapsed, 3),
        "memory_before_mib": before.memory_mib,
        "memory_mib": after.memory_mib,
    }
    sys.stdout.write(json.dumps(result) + "\n")


def quantile_ms(counts: Sequence[int], share: float) -> float:
    """The limit of the class this share of the polls is not beyond, interpolated within it."""
    wanted = share * sum(counts)
    reached, low = 0.0, 0.0
    for count, high in zip(counts, (*Lateness.LIMITS_S, 60.0), strict=True):
        if count and reached + count >= wanted:
            return round(1000 * (low + (high - low) * (wanted - reached) / count), 2)
        reached, low = reached + count, high
    return 60_000.0


def _memory_mib() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return round(pages * resource.getpagesize() / 2**20)


def main() -> None:
    """Allow a socket for each link, write the site file, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", required=True, help="one a link, separated by commas")
    parser.add_argument("--each", type=int, default=20, help="meters on each link")
    parser.add_argument("--profile", default="schneider-electric/pm8000")
    parser.add_argument("--warm-up", type=float, default=40.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ports = [int(port) for port in asked.ports.split(",")]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:  # on a real disk
        folder = Path(made)
        (folder / "site.toml").write_text(site_text(ports, asked.each, asked.profile), "utf-8")
        run_on(asked.loop, serve(folder, asked.warm_up, asked.seconds))


if __name__ == "__main__":
    main()
