"""REST: how often, and how soon, our HTTP side answers programs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from benchmarks.harness.model import Json, Promise, Report, Row
from benchmarks.harness.options import LOADING_CORE, SERVED_CORE, Options
from benchmarks.harness.process import Server, module, run_json, serving
from benchmarks.harness.rounds import Candidate, measure_in_rounds, missing_module

__all__ = ["run_rest"]

METERS = 10_000
VALUES = 25
CONNECTIONS = 16
WEEK = timedelta(days=7)

LATEST = "latest of one meter"
HISTORY = "a week of one register at 15 min"
PAGE = "100 of all meters"

RATE = "requests/s"
MIDDLE = "median ms"
LATE = "p99 ms"
SIZE = "bytes"


def run_rest(options: Options) -> Report:
    """Ask our service over loopback for one thing after the other, each on one core."""
    missing = missing_module("energymeter.web", "fastapi", "uvicorn")

    def asking(path: Callable[[], str], connections: int, *more: str) -> Callable[[Row], None]:
        def measure(row: Row) -> None:
            command = module("ours_rest", "--meters", str(METERS), "--values", str(VALUES), *more)
            with serving(command, core=SERVED_CORE) as server:
                _ask(row, server, path(), connections, options)

        return measure

    rows = measure_in_rounds(
        [
            Candidate(LATEST, asking(lambda: "/api/v1/meters/m7/latest", CONNECTIONS), missing),
            Candidate(HISTORY, asking(_week, 1, "--history"), missing),
            Candidate(PAGE, asking(lambda: "/api/v1/meters?limit=100", 1), missing),
        ],
        options,
    )
    latest, history, _ = rows
    promises = [
        Promise(f"REST, {LATEST}", 2000, latest.median(RATE), "at least", RATE),
        Promise(f"REST, {HISTORY}", 50, history.median(MIDDLE), "at most", "ms"),
    ]
    settings: Json = {
        "meters": METERS,
        "values": VALUES,
        "connections": CONNECTIONS,
        "seconds": options.seconds,
        "rounds": options.rounds,
    }
    return Report("rest", settings, rows, promises)


def _week() -> str:
    begin = (datetime.now(UTC) - WEEK).isoformat()
    return f"/api/v1/meters/m0/history?quantity=current_phase_a&every=15m&from={quote(begin)}"


def _ask(row: Row, server: Server, path: str, connections: int, options: Options) -> None:
    command = module(
        "http_load",
        *("--port", str(server.port)),
        *("--path", path),
        *("--connections", str(connections)),
        *("--seconds", str(options.seconds)),
    )

    def load() -> Json:
        return run_json(command, core=LOADING_CORE, timeout_s=options.seconds + 60)

    result = options.quiet.run(load, server)
    row.add(RATE, round(result["per_s"], 1))
    row.add(MIDDLE, round(result["median_ms"], 2))
    row.add(LATE, round(result["p99_ms"], 2))
    row.add(SIZE, result["bytes"])
    row.details.append(result)
