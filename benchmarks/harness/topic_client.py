"""Clients: how many reads of 100 registers a second each asks on 50 links, one in flight each.

All ask the same bare C server, which costs so little that the client is what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.harness.compile import compile_program
from benchmarks.harness.model import Json, Promise, Report, Row, paired_ratio
from benchmarks.harness.options import LOADING_CORE, SERVED_CORE, Options
from benchmarks.harness.process import RunError, module, run_json, serving
from benchmarks.harness.rounds import Candidate, measure_in_rounds, missing_module

__all__ = ["run_client"]

LINKS = 50
REGISTERS = 100
RATE = "requests/s"

OURS = "energymeter"
OURS_CALL = "energymeter, read_holding_registers()"
PYMODBUS = "pymodbus, asyncio"
PYMODBUS_UVLOOP = "pymodbus, uvloop"
LIMIT = "epoll (C), the limit"


def run_client(options: Options) -> Report:
    """Measure all clients against the bare C server."""
    server = compile_program("bare_server", options.build_folder)
    limit = compile_program("load_client", options.build_folder)
    served = [str(server.path), str(REGISTERS)]

    def candidate(name: str, command: Callable[[int], list[str]], missing: str | None) -> Candidate:
        return Candidate(name, _measure(served, command, options), server.missing or missing)

    def python(name: str, *extra: str) -> Callable[[int], list[str]]:
        seconds = str(options.seconds)
        links, count = str(LINKS), str(REGISTERS)
        options_of = ["--connections", links, "--seconds", seconds, "--count", count, *extra]
        return lambda port: module(name, "--port", str(port), *options_of)

    def native(port: int) -> list[str]:
        words = [limit.path, "127.0.0.1", port, LINKS, 1, options.seconds, 0, REGISTERS]
        return [str(word) for word in words]

    ours_missing = missing_module("energymeter.client")
    pymodbus = "peers.pymodbus_client"
    measured = measure_in_rounds(
        [
            candidate(LIMIT, native, limit.missing),
            candidate(OURS, python("ours_client"), ours_missing),
            candidate(OURS_CALL, python("ours_client", "--call"), ours_missing),
            candidate(
                "energymeter, asyncio", python("ours_client", "--loop", "asyncio"), ours_missing
            ),
            candidate(PYMODBUS, python(pymodbus), missing_module("pymodbus")),
            candidate(
                PYMODBUS_UVLOOP,
                python(pymodbus, "--loop", "uvloop"),
                missing_module("pymodbus", "uvloop"),
            ),
        ],
        options,
    )
    rows = {row.name: row for row in measured}

    def against(peer: str) -> float | None:
        return paired_ratio(rows[OURS], rows[peer], RATE)

    settings: Json = {
        "links": LINKS,
        "registers": REGISTERS,
        "seconds": options.seconds,
        "rounds": options.rounds,
    }
    promises = [
        Promise("client against pymodbus on asyncio", 5.0, against(PYMODBUS), "at least", "x"),
        Promise(
            "client against pymodbus on uvloop", 2.5, against(PYMODBUS_UVLOOP), "at least", "x"
        ),
    ]
    share = against(LIMIT)
    remarks = [] if share is None else [f"Ours reaches {share:.0%} of a C epoll client's rate."]
    return Report("client", settings, measured, promises, remarks)


def _measure(
    server: Sequence[str], command: Callable[[int], list[str]], options: Options
) -> Callable[[Row], None]:
    """One round of one client: a fresh server, the client, both stopped."""

    def measure(row: Row) -> None:
        with serving(server, core=SERVED_CORE) as running:

            def ask() -> Json:
                words = command(running.port)
                return run_json(words, core=LOADING_CORE, timeout_s=options.seconds + 30)

            result = options.quiet.run(ask, running)
        if result.get("errors"):
            message = f"{result['errors']} wrong answers"
            raise RunError(message)
        row.add(RATE, result["requests_per_s"])
        row.add("p99 us", result["p99_us"])
        row.details.append(result)

    return measure
