"""Start: how long a person waits for the command, from the key press to its end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.harness.model import Json, Promise, Report, Row
from benchmarks.harness.options import Options
from benchmarks.harness.process import ROOT, RunError, serving
from benchmarks.harness.rounds import Candidate, measure_in_rounds, missing_module

__all__ = ["run_start"]

WALL = "wall ms"
STARTS_A_ROUND = 10
SIMULATED = rb"127\.0\.0\.1:(\d+)\D"
"""Where the simulator's greeting says that it listens."""
BARE = "python -c pass, the floor"
HELP = "energymeter --help"
READ = "energymeter read HOST:PORT --profile electric"

Measure = Callable[[Row], None]


def run_start(options: Options) -> Report:
    """Start each command several times a round; the middle one is the round's figure."""
    command = _command()
    missing = missing_module("energymeter.cli.app")

    def read(row: Row) -> None:
        simulator = [*command, "simulate", "--port", "0"]
        with serving(simulator, core=None, port_line=SIMULATED) as meter:
            where = f"127.0.0.1:{meter.port}"
            _time([*command, "read", where, "--profile", "electric"], options)(row)

    rows = measure_in_rounds(
        [
            Candidate(BARE, _time([sys.executable, "-c", "pass"], options)),
            Candidate(HELP, _time([*command, "--help"], options), missing),
            Candidate(READ, read, missing),
        ],
        options,
    )
    found = {row.name: row.median(WALL) for row in rows}
    promises = [
        Promise("`energymeter --help`", 150, found[HELP], "at most", "ms"),
        Promise("one-shot `energymeter read` of a simulator", 400, found[READ], "at most", "ms"),
    ]
    settings: Json = {"starts a round": STARTS_A_ROUND, "rounds": options.rounds}
    return Report("start", settings, rows, promises)


def _command() -> list[str]:
    """The installed command, or the same entry point when only the source is on the path."""
    script = Path(sys.executable).with_name("energymeter")
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "from energymeter.cli.app import main; main()"]


def _time(command: Sequence[str], options: Options) -> Measure:
    """Start a command once to warm the file cache, then time it."""

    def start() -> float:
        begin = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        took = time.perf_counter() - begin
        if done.returncode != 0:
            words = done.stderr.strip().splitlines() or ["it ended without a message"]
            message = f"ended with {done.returncode}: {words[-1]}"
            raise RunError(message)
        return took * 1000

    def measure(row: Row) -> None:
        start()

        def several() -> Json:
            took = sorted(start() for _ in range(STARTS_A_ROUND))
            return {"median": median(took), "fastest": took[0], "slowest": took[-1]}

        result = options.quiet.run(several, None)
        row.add(WALL, round(result["median"], 1))
        row.details.append({name: round(value, 2) for name, value in result.items()})

    return measure
