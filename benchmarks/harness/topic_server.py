"""Servers: how many reads of 100 registers a second each answers on 50 connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.harness.compile import Program, compile_program
from benchmarks.harness.model import Json, Promise, Report, Row, paired_ratio
from benchmarks.harness.options import LOADING_CORE, SERVED_CORE, Options
from benchmarks.harness.process import RunError, module, run_json, serving
from benchmarks.harness.rounds import Candidate, measure_in_rounds, missing_module

__all__ = ["run_server"]

CONNECTIONS = 50
REGISTERS = 100
DEPTHS = (1, 8)
"""Requests in flight on each connection."""

OURS = "energymeter"
PYMODBUS = "pymodbus, asyncio"
LIBMODBUS = "libmodbus, select (C)"
BARE = "bare epoll (C), the generator's limit"

LOSES_BATCHES = (
    "answers only the first of the requests that arrive together; the others stay unanswered, so "
    "with eight in flight it works as with one"
)


def figure(depth: int) -> str:
    """Name of the rate with this many requests in flight."""
    return f"requests/s, {depth} in flight"


def run_server(options: Options) -> Report:
    """Measure all servers with the same C load generator."""
    load = compile_program("load_client", options.build_folder)
    measured = measure_in_rounds(_candidates(load, options), options)
    rows = {row.name: row for row in measured}
    one, eight = figure(1), figure(8)

    def ratio(peer: str, of: str) -> float | None:
        return paired_ratio(rows[OURS], rows[peer], of)

    promises = [
        Promise(
            "server, 1 in flight, against pymodbus", 4.0, ratio(PYMODBUS, one), "at least", "x"
        ),
        Promise(
            "server, 8 in flight, against pymodbus", 4.0, ratio(PYMODBUS, eight), "at least", "x"
        ),
        Promise(
            "server, 1 in flight, against libmodbus", 0.8, ratio(LIBMODBUS, one), "at least", "x"
        ),
        Promise(
            "server, 8 in flight, against libmodbus", 2.0, ratio(LIBMODBUS, eight), "at least", "x"
        ),
    ]
    settings: Json = {
        "connections": CONNECTIONS,
        "registers": REGISTERS,
        "seconds": options.seconds,
        "rounds": options.rounds,
    }
    return Report("server", settings, measured, promises, _remarks(rows))


def _candidates(load: Program, options: Options) -> list[Candidate]:
    python = "peers.pymodbus_server"
    ours_missing = missing_module("energymeter.server")
    return [
        _native(BARE, compile_program("bare_server", options.build_folder), load, options),
        _native(
            LIBMODBUS,
            compile_program("libmodbus_server", options.build_folder, library="libmodbus"),
            load,
            options,
        ),
        Candidate(
            OURS,
            _measure(module("ours_server"), load.path, options),
            load.missing or ours_missing,
        ),
        Candidate(
            "energymeter, asyncio",
            _measure(module("ours_server", "--loop", "asyncio"), load.path, options),
            load.missing or ours_missing,
        ),
        Candidate(
            PYMODBUS,
            _measure(module(python), load.path, options),
            load.missing or missing_module("pymodbus"),
            LOSES_BATCHES,
        ),
        Candidate(
            "pymodbus, uvloop",
            _measure(module(python, "--loop", "uvloop"), load.path, options),
            load.missing or missing_module("pymodbus", "uvloop"),
            LOSES_BATCHES,
        ),
        Candidate(
            "pyModbusTCP, threads",
            _measure(module("peers.pymodbustcp_server"), load.path, options),
            load.missing or missing_module("pyModbusTCP"),
        ),
    ]


def _native(name: str, server: Program, load: Program, options: Options) -> Candidate:
    return Candidate(
        name,
        _measure([str(server.path)], load.path, options),
        load.missing or server.missing,
    )


def _measure(server: Sequence[str], load: Path | None, options: Options) -> Callable[[Row], None]:
    """One round of one server: started, loaded at each depth, stopped."""

    def measure(row: Row) -> None:
        with serving(server, core=SERVED_CORE) as running:
            for depth in DEPTHS:
                words = [load, "127.0.0.1", running.port, CONNECTIONS, depth, options.seconds]
                command = [str(word) for word in [*words, 0, REGISTERS]]

                def generate(command: Sequence[str] = command) -> Json:
                    return run_json(command, core=LOADING_CORE, timeout_s=options.seconds + 30)

                result = options.quiet.run(generate, running)
                if result["errors"]:
                    message = f"{result['errors']} wrong answers with {depth} in flight"
                    raise RunError(message)
                row.add(figure(depth), result["requests_per_s"])
                row.add(f"p99 us, {depth} in flight", result["p99_us"])
                row.details.append({"in_flight": depth, **result})

    return measure


def _remarks(rows: dict[str, Row]) -> list[str]:
    limits = [rows[BARE].median(figure(depth)) for depth in DEPTHS]
    if None in limits:
        return []
    return [
        (
            f"The load generator drives a bare C epoll server at {limits[0]:,.0f} requests/s with "
            f"one in flight and {limits[1]:,.0f} with eight: no server's figure can be higher, and "
            "one that comes near is held back by the generator."
        )
    ]
