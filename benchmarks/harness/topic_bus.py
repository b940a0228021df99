"""Serial lines: how near a poll comes to what the line allows, and what dead units cost the living.

The line is a pair of ptys joined by socat, its speed and its meters are modelled by our simulator
in another process. RTU over TCP is measured beside Modbus TCP, both ends ours.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.model import Json, Promise, Report, Row, paired_ratio
from benchmarks.harness.options import LOADING_CORE, SERVED_CORE, Options
from benchmarks.harness.process import RunError, module, run_json, serving
from benchmarks.harness.rounds import Candidate, measure_in_rounds, missing_module

__all__ = ["run_bus"]

POLLS = "polls/s"
USED = "% of what the line allows"
RATE = "requests/s"

SLOW, FAST = "energymeter, 9600 baud", "energymeter, 115200 baud"
ALONE, WITH_DEAD = "energymeter, 5 units", "energymeter, 5 units and 5 dead"
PEER_ALONE, PEER_DEAD = "pymodbus, 5 units", "pymodbus, 5 units and 5 dead"
TCP, RTU_TCP = "energymeter, Modbus TCP", "energymeter, RTU over TCP"

SETTLE_S = 12.0
"""Not counted: the first attempts at units that never answered, once each."""

LEAST_S = 30.0
"""A poll of five units takes 2.6 s: a shorter load would count single polls."""

LINK_WAIT_S = 5.0


def run_bus(options: Options) -> Report:
    """Measure serial lines and RTU over TCP."""
    socat = None if shutil.which("socat") else "not installed: socat"
    peer = missing_module("pymodbus", "serial")
    candidates = [
        Candidate(SLOW, _line(options, 9600, 1, 1), socat),
        Candidate(FAST, _line(options, 115200, 1, 1), socat),
        Candidate(ALONE, _line(options, 9600, 5, 5), socat),
        Candidate(WITH_DEAD, _line(options, 9600, 5, 10), socat),
        Candidate(PEER_ALONE, _line(options, 9600, 5, 5, "peers.pymodbus_bus"), socat or peer),
        Candidate(PEER_DEAD, _line(options, 9600, 5, 10, "peers.pymodbus_bus"), socat or peer),
        Candidate(TCP, _network(options, "mbap")),
        Candidate(RTU_TCP, _network(options, "rtu")),
    ]
    rows = {row.name: row for row in measure_in_rounds(candidates, options)}
    share = paired_ratio(rows[RTU_TCP], rows[TCP], RATE)
    promises = [
        Promise("use of the line at 9600 baud", 95, rows[SLOW].median(USED), "at least", "%"),
        Promise("use of the line at 115200 baud", 95, rows[FAST].median(USED), "at least", "%"),
        Promise(
            "rate of 5 units beside 5 dead ones",
            97,
            _percent(paired_ratio(rows[WITH_DEAD], rows[ALONE], POLLS)),
            "at least",
            "% of theirs alone",
        ),
        Promise("RTU over TCP", 80, _percent(share), "at least", "% of Modbus TCP"),
    ]
    peers = _percent(paired_ratio(rows[PEER_DEAD], rows[PEER_ALONE], POLLS))
    remarks = (
        [] if peers is None else [f"A plain pymodbus loop keeps {peers:.0f} % beside the dead."]
    )
    settings: Json = {
        "meter": "SDM630, 62 values",
        "latency ms": 20,
        "seconds": max(options.seconds, LEAST_S),
        "rounds": options.rounds,
    }
    return Report("bus", settings, list(rows.values()), promises, remarks)


def _line(
    options: Options, baud: int, alive: int, units: int, poller: str = "ours_bus"
) -> Callable[[Row], None]:
    """One round on one line: its meters in one process, who polls them in another."""
    seconds = max(options.seconds, LEAST_S)
    is_ours = poller == "ours_bus"
    settle = ["--settle", str(SETTLE_S)] if is_ours else []

    def measure(row: Row) -> None:
        with _ptys(options.build_folder) as (far, near):
            words = ["--baud", str(baud)]
            served = module("ours_bus", "serve", far, *words, "--alive", str(alive))
            with serving(served, core=SERVED_CORE) as server:

                def poll() -> Json:
                    words_of = [near, *words, "--units", str(units), "--seconds", str(seconds)]
                    role = ["poll"] if is_ours else []
                    command = module(poller, *role, *words_of, *settle)
                    return run_json(command, core=LOADING_CORE, timeout_s=seconds * 2 + 60)

                result = options.quiet.run(poll, server)
        row.add(POLLS, result["polls_per_s"])
        if "possible_ms" in result:
            row.add(USED, 100 * result["polls_per_s"] * result["possible_ms"] / 1000)
        row.details.append(result)

    return measure


def _network(options: Options, framing: str) -> Callable[[Row], None]:
    """One round of 50 links, both ends ours."""
    seconds = str(options.seconds)

    def measure(row: Row) -> None:
        served = module("ours_server", "--framing", framing)
        with serving(served, core=SERVED_CORE) as server:

            def ask() -> Json:
                words = ["--port", str(server.port), "--framing", framing, "--seconds", seconds]
                command = module("ours_client", *words)
                return run_json(command, core=LOADING_CORE, timeout_s=options.seconds + 30)

            result = options.quiet.run(ask, server)
        row.add(RATE, result["requests_per_s"])
        row.details.append(result)

    return measure


@contextmanager
def _ptys(folder: Path) -> Iterator[tuple[str, str]]:
    """The names of two serial ports that are joined."""
    ends = [folder / "far", folder / "near"]
    links = [f"pty,raw,echo=0,link={end}" for end in ends]
    joiner = subprocess.Popen(["socat", *links], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + LINK_WAIT_S
        while not all(end.exists() for end in ends):
            if time.monotonic() > deadline or joiner.poll() is not None:
                message = "socat made no ptys"
                raise RunError(message)
            time.sleep(0.02)
        yield str(ends[0]), str(ends[1])
    finally:
        joiner.terminate()
        joiner.wait()


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
