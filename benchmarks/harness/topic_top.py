"""Top: what the terminal screen of a running service costs, itself and the service it asks."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.harness.model import Json, Promise, Report, Row
from benchmarks.harness.options import LOADING_CORE, SERVED_CORE, Options
from benchmarks.harness.process import ROOT, TICKS_PER_S, RunError, module, serving
from benchmarks.harness.rounds import Candidate, measure_in_rounds, missing_module

__all__ = ["run_top"]

METERS = 200
EACH = 20
"""Meters on each link."""
INTERVAL_S = 0.5
"""Each meter is polled twice a second, and the screen asks twice a second."""
COLUMNS, LINES = 160, 50
WARM_UP_S = 8.0
SECONDS = 20.0
END_S = 5.0
PORT_LINE = rb"127\.0\.0\.1:(\d+)/health"

ALL = "energymeter top, all meters, 160 x 50"
SMALL = "energymeter top, all meters, 80 x 24"
SORTED = "energymeter top, sorted by power, 160 x 50"
CPU = "% of a core"
SERVICE = "service, % of a core more"
BYTES = "bytes to the terminal/s"
DRAWN = "looks with something new, %"


def run_top(options: Options) -> Report:
    """Show a service of 200 simulated meters in a terminal of its own, and count its time."""
    missing = missing_module("textual", "energymeter.tui", "energymeter.simulator", "fastapi")
    candidates = [
        Candidate(ALL, _measure(options, COLUMNS, LINES, ""), missing),
        Candidate(SMALL, _measure(options, 80, 24, ""), missing),
        # By what is measured now: the order changes with every poll.
        Candidate(SORTED, _measure(options, COLUMNS, LINES, "sss"), missing),
    ]
    rows = measure_in_rounds(candidates, options)
    promises = [
        Promise(f"{name}: its process", 10, row.median(CPU), "at most", "% of a core")
        for name, row in zip((ALL, SMALL, SORTED), rows, strict=True)
    ]
    settings: Json = {
        "meters": METERS,
        "polls a meter/s": 1 / INTERVAL_S,
        "looks/s": 1 / INTERVAL_S,
        "seconds": SECONDS,
        "rounds": options.rounds,
    }
    return Report("top", settings, rows, promises)


def _measure(options: Options, columns: int, lines: int, keys: str) -> Callable[[Row], None]:
    def measure(row: Row) -> None:
        links = str(METERS // EACH)
        simulator = module("ours_links", "--links", links, "--each", str(EACH))
        with serving(simulator, core=SERVED_CORE) as site, _service(site.ports) as (port, pid):
            result = options.quiet.run(lambda: _watch(port, pid, columns, lines, keys), site)
        row.add(CPU, result["cpu_percent"])
        row.add(SERVICE, result["service_more_percent"])
        row.add(BYTES, result["bytes_per_s"])
        row.add(DRAWN, result["drawn_percent"])
        row.details.append(result)

    return measure


@contextmanager
def _service(ports: Sequence[int]) -> Iterator[tuple[int, int]]:
    """`energymeter run`, reading all of them; its port and its process."""
    text = f'store = false\n[defaults]\ninterval = "{INTERVAL_S}s"\n[web]\nlisten = "{{listen}}"\n'
    for number, port in enumerate(ports):
        text += (
            f'[[link]]\nname = "link-{number}"\nurl = "tcp://127.0.0.1:{port}"\n'
            f'[[meter]]\nname = "m{number}-{{unit}}"\nlink = "link-{number}"\n'
            f'units = "1-{EACH}"\nprofile = "schneider-electric/pm8000"\n'
        )
    with tempfile.TemporaryDirectory(prefix="energymeter-top-") as made:
        path = Path(made) / "site.toml"
        path.write_text(text.replace("{listen}", "127.0.0.1:0"), "utf-8")
        command = ["sh", "-c", 'exec "$@" 2>&1', "sh", *_ours("run", str(path))]
        with serving(command, core=SERVED_CORE, port_line=PORT_LINE) as running:
            yield running.port, running.pid


def _ours(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "energymeter", *arguments]


def _watch(port: int, service: int, columns: int, lines: int, keys: str) -> Json:
    """Show the screen for a while; what it and the service used meanwhile."""
    time.sleep(WARM_UP_S / 2)
    alone_s = _seconds_of(service)
    time.sleep(WARM_UP_S / 2)
    alone_share = (_seconds_of(service) - alone_s) / (WARM_UP_S / 2)
    with _screen(port, columns, lines) as (process, terminal):
        _drain(terminal, WARM_UP_S)
        if keys:
            os.write(terminal, keys.encode())
            _drain(terminal, 1.0)
        if process.poll() is not None:
            message = f"the screen ended with {process.returncode}"
            raise RunError(message)
        used_s, service_s, begun = _seconds_of(process.pid), _seconds_of(service), time.monotonic()
        sizes = [_drain(terminal, INTERVAL_S) for _ in range(round(SECONDS / INTERVAL_S))]
        elapsed = time.monotonic() - begun
        used_s, service_s = _seconds_of(process.pid) - used_s, _seconds_of(service) - service_s
        os.write(terminal, b"q")
        _drain(terminal, END_S, process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        if process.returncode != 0:
            message = f"the screen did not end with q: {process.returncode}"
            raise RunError(message)
    return {
        "cpu_percent": round(100 * used_s / elapsed, 2),
        "service_percent": round(100 * service_s / elapsed, 2),
        "service_more_percent": round(100 * (service_s / elapsed - alone_share), 2),
        "bytes_per_s": round(sum(sizes) / elapsed),
        "drawn_percent": round(100 * sum(size > 0 for size in sizes) / len(sizes)),
    }


@contextmanager
def _screen(port: int, columns: int, lines: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`energymeter top` in a terminal of this size; the process, and our end of the terminal."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[LOADING_CORE % len(allowed)]})
    try:
        process = subprocess.Popen(
            _ours("top", f"http://127.0.0.1:{port}", "--interval", str(INTERVAL_S)),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
    finally:
        os.sched_setaffinity(0, allowed)
        os.close(theirs)
    try:
        yield process, ours
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)


def _drain(terminal: int, seconds: float, process: subprocess.Popen[bytes] | None = None) -> int:
    """Read what is written within so long, or until the process ends; how many bytes that was."""
    end, size = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0 and (process is None or process.poll() is None):
        if select.select([terminal], [], [], min(left, 0.2))[0]:
            try:
                size += len(os.read(terminal, 65536))
            except OSError:  # the other end is closed
                break
    return size


def _seconds_of(pid: int) -> float:
    """User and system time used so far by a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
