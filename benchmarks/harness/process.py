"""Starts the programs under test, each its own process on its own core, and stops them by id."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from benchmarks.harness.model import Json

__all__ = ["TICKS_PER_S", "RunError", "Server", "module", "run_json", "serving"]

ROOT = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class RunError(Exception):
    """A candidate did not start or did not finish; the text is fit for a report."""


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, and a way to its CPU time."""

    ports: list[int]
    """One, unless it is a fleet."""
    pid: int

    @property
    def port(self) -> int:
        """The first port."""
        return self.ports[0]

    def cpu_seconds(self) -> float:
        """User and system time used so far by the process and its threads."""
        # After the name in brackets, which may hold spaces: field 14 and 15 of proc(5).
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs `benchmarks.<name>` in the interpreter we run in."""
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments]


@contextmanager
def serving(
    command: Sequence[str], *, core: int | None, port_line: bytes = rb"^PORT ([\d ]+)\n"
) -> Iterator[Server]:
    """Run a server until the block ends.

    Args:
        command: Prints a line with its port when it listens.
        core: Which of our cores it is kept on, counted from 0; None leaves it free.
        port_line: What that line looks like; its first group is the port, or several.

    Raises:
        RunError: It ended, or said nothing, before it printed its port.
    """
    with tempfile.TemporaryFile() as errors:
        process = _start(command, core, errors.fileno())
        try:
            yield _wait_for_port(process, errors.fileno(), port_line)
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def run_json(command: Sequence[str], *, core: int | None, timeout_s: float) -> Json:
    """Run a load to its end and return the JSON object of its last line."""
    with tempfile.TemporaryFile() as errors:
        process = _start(command, core, errors.fileno())
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as stuck:
            process.kill()
            process.communicate()
            message = f"did not finish within {timeout_s:.0f} s"
            raise RunError(message) from stuck
        if process.returncode != 0:
            raise RunError(_last_words(errors.fileno()))
    return cast("Json", json.loads(output.splitlines()[-1]))


def _start(command: Sequence[str], core: int | None, errors: int) -> subprocess.Popen[bytes]:
    """Start on one core: a child inherits our affinity, so we lend it for that moment."""
    allowed = os.sched_getaffinity(0)
    if core is not None and len(allowed) > 1:
        os.sched_setaffinity(0, {sorted(allowed)[core % len(allowed)]})
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT)
    finally:
        os.sched_setaffinity(0, allowed)


def _wait_for_port(process: subprocess.Popen[bytes], errors: int, line: bytes) -> Server:
    stdout = process.stdout
    assert stdout is not None
    deadline = time.monotonic() + START_TIMEOUT_S
    seen = b""
    while time.monotonic() < deadline:
        if not select.select([stdout], [], [], 0.2)[0]:
            continue
        chunk = os.read(stdout.fileno(), 4096)
        if not chunk:
            raise RunError(_last_words(errors))
        seen += chunk
        found = re.search(line, seen, re.MULTILINE)
        if found:
            return Server([int(port) for port in found[1].split()], process.pid)
    message = f"printed no port within {START_TIMEOUT_S:.0f} s"
    raise RunError(message)


def _last_words(errors: int) -> str:
    """The last line of a failed program's error output, without folders of this machine."""
    size = os.fstat(errors).st_size
    text = os.pread(errors, 4096, max(0, size - 4096)).decode(errors="replace")
    lines = text.strip().splitlines() or ["it ended without a message"]
    return re.sub(r"(/[\w.+-]+)+/", "", lines[-1])
