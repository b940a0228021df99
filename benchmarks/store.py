"""The stores beside their promises: in, small, and out again.

    python benchmarks/store.py --seconds 3
    python benchmarks/store.py --only postgres

Prints one line a figure. Needs about 1 GB below --folder and a quiet machine. PostgreSQL is
started for it, in the folder for temporary files, and writes to the disk as it does by default.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energymeter.profiles import Point, ProfileLibrary
from energymeter.reader import Quality
from energymeter.simulator.physics import Physics, create_physics
from energymeter.store import Every, Layout, SqliteStore, Store, StoredPoll, layout_of
from energymeter.store.postgres import PostgresStore
from energymeter.values import DataType, quantity_of, unit_factor

START = datetime(2026, 1, 5, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
METERS, VALUES = 10_000, 25
PARTS = ("in", "together", "small", "week", "postgres", "week-of-seconds", "postgres-seconds")
ROOT: Final = Path(__file__).resolve().parents[1]
BOTH = ("voltage_phase_a", "active_energy_import")
PROFILES = ("schneider-electric/pm8000", "eastron/sdm630", "energymeter/electric")


SAID: list[dict[str, str]] = []
"""Every figure so far, for who wants them all as data."""


def say(what: str, figure: str, promise: str = "") -> None:
    SAID.append({"what": what.strip(), "figure": figure, "promise": promise})
    print(f"{what:<64} {figure:>16}   {promise}", file=sys.stderr, flush=True)


def took_ms(work: Callable[[], Any], times: int = 7) -> float:
    """Median of some runs."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        spent.append((time.perf_counter() - start) * 1e3)
    return median(spent)


class Source:
    """Polls of electricity meters of one profile, as their registers give them.

    Times jitter by some milliseconds, as those of a real line.
    """

    def __init__(self, profile: str, meters: int) -> None:
        self.physics: Physics = create_physics("electricity", meters, 7)
        known = self.physics.quantities()
        # The physics names what the whole meter counts `_total`.
        self.names = {
            point: name
            for point in ProfileLibrary([]).load(profile).points
            for name in (point.name, f"{point.name}_total")
            if name in known and point.type.words
        }
        self.points = list(self.names)
        self.layout: Layout = layout_of(self.points)
        self.keys = [f"meter-{number}" for number in range(meters)]
        self.good = (Quality.GOOD,) * len(self.points)
        self.chance = np.random.default_rng(1)

    def polls(self, time_us: int, step_s: float) -> list[StoredPoll]:
        self.physics.step(step_s)
        known = self.physics.quantities()
        columns = [registers(point, known[self.names[point]]).tolist() for point in self.points]
        jitter = self.chance.integers(0, 5000, len(self.keys)).tolist()
        return [
            StoredPoll(key, self.layout, time_us + late, values, self.good)
            for key, late, values in zip(self.keys, jitter, zip(*columns, strict=True), strict=True)
        ]


def registers(point: Point, amounts: NDArray[Any]) -> NDArray[Any]:
    """What a reader makes of amounts in the unit of their quantity."""
    quantity = quantity_of(point.name)
    factor = None if quantity is None else unit_factor(point.unit, quantity.unit)
    multiplier, summand, divisor = point.exact_scale
    raw = (np.asarray(amounts, float) / (factor or 1.0) * divisor - summand) / multiplier
    if not point.type.is_float:
        whole = np.rint(raw).astype(np.int64) * multiplier + summand
        return whole if divisor == 1 else whole / divisor
    if point.type is DataType.FLOAT32:
        raw = raw.astype(np.float32).astype(np.float64)
    return (raw * multiplier + summand) / divisor


def compacted(store: Store, until: datetime) -> tuple[float, float]:
    """Seconds it took, and those of the longest slice."""
    start = time.perf_counter()
    longest, goes_on = 0.0, True
    while goes_on:
        began = time.perf_counter()
        goes_on = store.compact(until)
        longest = max(longest, time.perf_counter() - began)
    return time.perf_counter() - start, longest


def used_bytes(store: SqliteStore, folder: Path) -> int:
    """Of the file when free pages are left out."""
    copy = folder / "copy.db"
    store.backup(copy)
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("VACUUM")
    size = copy.stat().st_size
    copy.unlink()
    return size


def batches(odd_every: int = 50) -> Iterator[list[StoredPoll]]:
    """One poll of every meter, second after second; one of so many with a null value."""
    source = Source(PROFILES[0], METERS)
    names = [point.name for point in source.points]
    layout = Layout(
        series._replace(name=f"{series.name}_{n}" if n >= len(names) else series.name)
        for n, series in enumerate((source.layout.series * 2)[:VALUES])
    )
    first = source.polls(0, 1.0)
    good = (Quality.GOOD,) * VALUES
    odd = (*good[:-1], Quality.NOT_AVAILABLE)
    second = 0
    while True:
        time_us = START_US + second * 1_000_000
        polls = []
        for number, poll in enumerate(first):
            values = [*poll.values, *poll.values][:VALUES]
            if number % odd_every:
                polls.append(StoredPoll(poll.meter, layout, time_us, values, good))
            else:
                polls.append(StoredPoll(poll.meter, layout, time_us, [*values[:-1], None], odd))
        yield polls
        second += 1


def written(store: Store, seconds: float, *, all_odd: bool = False) -> list[float]:
    """Seconds that each batch took; with a null in every poll, or in a few."""
    spent: list[float] = []
    source = batches(1 if all_odd else 50)
    while sum(spent) < seconds:
        polls = next(source)
        start = time.perf_counter()
        store.append(polls)
        spent.append(time.perf_counter() - start)
    return spent


def bench_in(folder: Path, seconds: float) -> None:
    for survives_power_loss in (True, False):
        path = folder / f"in-{survives_power_loss}.db"
        with SqliteStore(path, survives_power_loss=survives_power_loss) as store:
            spent = written(store, seconds)
            count = len(spent) * METERS * VALUES
            how = "on the disk" if survives_power_loss else "with the system"
            say(
                f"in, each batch of {METERS * VALUES:,} {how}, values/s",
                f"{count / sum(spent):,.0f}",
                "at least 2,000,000",
            )
            say("  longest batch", f"{max(spent) * 1e3:.0f} ms")
            if not survives_power_loss:
                say("  hot, bytes a value", f"{path.stat().st_size / count:.1f}")
                latest_ms = took_ms(store.latest)
                say(f"latest of {METERS:,} meters", f"{latest_ms:.1f} ms", "at most 50 ms")


def bench_together(folder: Path, rounds: int) -> None:
    """Batches once a second while an hour is compacted by another thread."""
    with SqliteStore(folder / "together.db") as store:
        source = batches()
        for _ in range(rounds):
            store.append(next(source))
        hour = START + timedelta(hours=1)
        results: list[tuple[float, float]] = []
        tidy = threading.Thread(target=lambda: results.append(compacted(store, hour)))
        tidy.start()
        spent: list[float] = []
        while tidy.is_alive():
            polls = [poll._replace(time_us=poll.time_us + 3_600_000_000) for poll in next(source)]
            start = time.perf_counter()
            store.append(polls)
            spent.append(time.perf_counter() - start)
            tidy.join(max(1.0 - spent[-1], 0.0))
        say(
            f"{rounds * METERS * VALUES:,} values compacted meanwhile, values/s",
            f"{rounds * METERS * VALUES / results[0][0]:,.0f}",
        )
        say("  batch of 250,000 once a second meanwhile, longest", f"{max(spent) * 1e3:.0f} ms")


def bench_small(folder: Path, meters: int) -> None:
    for number, profile in enumerate(PROFILES):
        source = Source(profile, meters)
        with SqliteStore(folder / f"small{number}.db", survives_power_loss=False) as store:
            for second in range(3600):
                store.append(source.polls(START_US + second * 1_000_000, 1.0))
            hour = START + timedelta(hours=1)
            spent_s, longest_s = compacted(store, hour)
            count = meters * 3600 * len(source.points)
            size = used_bytes(store, folder)
            say(
                f"an hour at 1 s, {meters} {profile}, {len(source.points)} values, bytes a value",
                f"{size / count:.2f}",
                "at most 2",
            )
            say("  compaction, values/s", f"{count / spent_s:,.0f}")
            say("  longest slice", f"{longest_s * 1e3:.0f} ms")


def bench_week(store: Store, step_s: int, names: Sequence[str], promise: str) -> None:
    source = Source(PROFILES[0], 1 if step_s == 1 else 10)
    week = timedelta(days=7)
    waiting: list[StoredPoll] = []
    # One hour of the physics again and again: how long a week takes to read is the same.
    hour = [source.polls(START_US + s * 1_000_000, step_s) for s in range(0, 3600, step_s)]
    for number in range(7 * 24 * len(hour)):
        hours, place = divmod(number, len(hour))
        waiting += [
            poll._replace(time_us=poll.time_us + hours * 3_600_000_000) for poll in hour[place]
        ]
        if len(waiting) >= 5000:
            store.append(waiting)
            waiting = []
    store.append(waiting)
    compacted(store, START + week)
    for name in names:
        for every in (None, Every.MINUTE, Every.HOUR):
            spent = took_ms(lambda: store.history("meter-0", name, START, START + week, every))  # noqa: B023
            found = store.history("meter-0", name, START, START + week, every)
            rows = 0 if found is None else len(found)
            what = "each poll" if every is None else f"{every // 60} min"
            say(
                f"a week of {name}, polls every {step_s} s, as {what}, {rows:,} rows",
                f"{spent:.1f} ms",
                promise if every is Every.MINUTE else "",
            )


def bench_sqlite_week(folder: Path, step_s: int, names: Sequence[str]) -> None:
    with SqliteStore(folder / f"week{step_s}.db", survives_power_loss=False) as store:
        bench_week(store, step_s, names, "at most 20 ms")


def bench_postgres(seconds: float) -> None:
    with postgres() as server:
        for number, (how, options) in enumerate(
            (("on the disk", ""), ("with the system", "?options=-c%20synchronous_commit%3Doff"))
        ):
            with PostgresStore(server.url + options, schema=f"in{number}") as store:
                spent = written(store, seconds)
                count = len(spent) * METERS * VALUES
                say(
                    f"PostgreSQL: in, each batch of {METERS * VALUES:,} {how}, values/s",
                    f"{count / sum(spent):,.0f}",
                    "at least 1,000,000",
                )
                say("  longest batch", f"{max(spent) * 1e3:.0f} ms")
                odd = written(store, seconds, all_odd=True)
                rate = len(odd) * METERS * VALUES / sum(odd)
                say("  with a null in every poll, values/s", f"{rate:,.0f}")
        size = server.sql(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c "
            "WHERE relnamespace = 'in0'::regnamespace AND relname LIKE 'poll_2%'"
        )
        polls = server.sql("SELECT count(*) FROM in0.poll")
        say("  bytes a value", f"{float(size[0][0]) / polls[0][0] / VALUES:.1f}")
        with PostgresStore(server.url, schema="in0") as store:
            say(f"PostgreSQL: latest of {METERS:,} meters", f"{took_ms(store.latest):.1f} ms")
            poll = next(batches())[:1]
            alone_ms = took_ms(lambda: store.append(poll), 200)
            say("PostgreSQL: a call with one poll, on the disk", f"{alone_ms:.1f} ms")
            hour = START, START + timedelta(hours=1)
            hour_ms = took_ms(lambda: store.history("meter-7", BOTH[0], *hour))
            say("PostgreSQL: newest hour of one register", f"{hour_ms:.1f} ms")
    bench_postgres_week(60, BOTH)


def bench_postgres_week(step_s: int, names: Sequence[str]) -> None:
    with postgres() as server, PostgresStore(server.url) as store:
        bench_week(store, step_s, names, "")


@contextmanager
def postgres() -> Iterator[Any]:
    """A server as Debian sets it up, but for its memory; the fixture of the tests starts it."""
    sys.path.insert(0, str(ROOT))
    from tests.postgres import start_postgres  # noqa: PLC0415 - found only now

    server = start_postgres(fsync="on", autovacuum="on", shared_buffers="512MB", max_wal_size="4GB")
    try:
        yield server
    finally:
        server.remove()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of writing")
    parser.add_argument("--meters", type=int, default=10, help="in the hour that is compacted")
    parser.add_argument(
        "--folder", type=Path, help="where the files go; by default with the system's"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS[:-2])
    parser.add_argument("--json", action="store_true", help="print all figures as JSON at the end")
    asked = parser.parse_args()
    parts: dict[str, Callable[[Path], None]] = {
        "in": lambda folder: bench_in(folder, asked.seconds),
        "together": lambda folder: bench_together(folder, 20),
        "small": lambda folder: bench_small(folder, asked.meters),
        "week": lambda folder: bench_sqlite_week(folder, 60, BOTH),
        "week-of-seconds": lambda folder: bench_sqlite_week(folder, 1, BOTH[:1]),
        "postgres": lambda _: bench_postgres(asked.seconds),
        "postgres-seconds": lambda _: bench_postgres_week(1, BOTH[:1]),
    }
    for name, part in parts.items():
        if name in asked.only:
            with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
                part(Path(folder))
    if asked.json:
        print(json.dumps({"lines": SAID}))


if __name__ == "__main__":
    main()
