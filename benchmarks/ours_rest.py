"""Our HTTP side over a site of many meters and a week of history; nothing is polled meanwhile.

Prints `PORT n` once it listens, and runs until it is ended.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from benchmarks.harness.loops import LOOPS, run_on

from energymeter.client import Link
from energymeter.clock import SystemClock
from energymeter.eventloop import spare_collector
from energymeter.profiles import Point, Profile, ProfileLibrary
from energymeter.reader import ReadReport
from energymeter.reader.reading import Quality
from energymeter.service.archive import Archive
from energymeter.service.desk import Desk
from energymeter.service.events import EventStream
from energymeter.service.frames import FrameStream
from energymeter.service.sink import MeterInfo
from energymeter.service.snapshot import LinkState, MeterState, Snapshot
from energymeter.site.model import WebEntry
from energymeter.store import SqliteStore, StoredPoll, layout_of
from energymeter.web.serve import web_server

INTERVAL_S = 10
WEEK = timedelta(days=7)
URL = "tcp://192.0.2.1:502"
SLICE = 5000
"""Polls that are kept at once."""


class NobodyAsks:
    """No meter is there."""

    async def read_now(self, meter: str) -> list[ReadReport]:
        raise KeyError(meter)

    def frames(self, link: str) -> FrameStream:
        raise KeyError(link)

    def reload(self) -> None:
        pass


def report(points: Sequence[Point], moment: datetime, step: int) -> ReadReport:
    """One reading: what swings, as measured values do."""
    swing = 5 * math.sin(step / 300)
    numbers = [round(230 + place + swing, 2) for place in range(len(points))]
    qualities = [Quality.GOOD] * len(points)
    return ReadReport(time=moment, points=points, values=numbers, qualities=qualities)


def site(profile: Profile, meters: int, values: int, now: datetime) -> Snapshot:
    """All meters as if they were read just now."""
    snapshot = Snapshot("bench", now)
    points = [point for point in profile.points if point.type.words][:values]
    series = layout_of(points).series
    for number in range(meters):
        read = report(points, now, number)
        info = MeterInfo(
            name=f"m{number}",
            link=URL,
            unit=1,
            profile=profile,
            interval_s=INTERVAL_S,
            series=series,
            labels={"building": f"b{number % 20}"},
        )
        state = MeterState(info, (86_400.0,), [read], revision=1, polls=1)
        snapshot.meters[info.name] = state
    link = LinkState("bus", URL, Link.to(URL), list(snapshot.meters))
    snapshot.links = {link.name: link}
    return snapshot


def polls(snapshot: Snapshot, now: datetime) -> Iterator[StoredPoll]:
    """A week of the first meter, and one poll of each other."""
    reads = [state.reports[0] for state in snapshot.meters.values()]
    points = reads[0].points if reads[0] is not None else ()
    layout = layout_of(points)
    for step in range(int(WEEK.total_seconds()) // INTERVAL_S):
        moment = now - WEEK + timedelta(seconds=INTERVAL_S * step)
        yield StoredPoll.of("m0", layout, report(points, moment, step))
    for number, read in enumerate(reads):
        if read is not None:
            yield StoredPoll.of(f"m{number}", layout, read)


def fill(store: SqliteStore, snapshot: Snapshot, now: datetime) -> None:
    """Keep it all, and compress what is older than an hour, as the service does."""
    kept = polls(snapshot, now)
    while some := list(islice(kept, SLICE)):
        store.append(some)
    while store.compact(now - timedelta(hours=1)):
        pass


async def serve(folder: Path, meters: int, values: int, *, with_history: bool) -> None:
    """Serve until somebody ends the process."""
    clock, now = SystemClock(), datetime.now(UTC)
    profile = ProfileLibrary([]).load("pm8000")
    snapshot = site(profile, meters, values, now)
    with SqliteStore(folder / "site.db", survives_power_loss=False) as store:
        if with_history:
            fill(store, snapshot, now)
        desk = Desk(snapshot, EventStream(clock), Archive(lambda: store), NobodyAsks(), clock)
        entry = WebEntry(listen="127.0.0.1:0")
        async with web_server(entry, desk, prometheus=None, pages=False) as server:
            spare_collector()
            print(f"PORT {server.port}", flush=True)
            await asyncio.Event().wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--values", type=int, default=25)
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    parser.add_argument("--history", action="store_true", help="keep a week of the first meter")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="energymeter-bench-") as folder:
        work = serve(Path(folder), asked.meters, asked.values, with_history=asked.history)
        run_on(asked.loop, work)


if __name__ == "__main__":
    main()
