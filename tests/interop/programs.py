"""Programs run as processes of their own: ours, mbpoll and those made from c/."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

__all__ = [
    "ROOT",
    "Program",
    "compile_c",
    "libmodbus",
    "mbpoll",
    "run_mbpoll",
    "simulate",
    "socat_line",
    "values_of",
]

ROOT = Path(__file__).resolve().parents[2]

_PATIENCE_S = 20.0
"""How long a program may take to say something; only ever waited for when something is wrong."""

_VALUE = re.compile(r"^\[(\d+)\]:\s+(\S+)", re.MULTILINE)
"""A line of mbpoll's, such as `[1]: 45427 (-20109)`."""


class Program:
    """A process whose lines, standard error included, can be waited for.

    Args:
        command: The program and its arguments; it runs in the repository's root.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._fresh: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.lines: list[str] = []
        """What was waited for and seen so far."""
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line not yet seen in which the pattern is found."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                line = self._fresh.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                pytest.fail(f"{pattern!r} was not said, but:\n" + "\n".join(self.lines))
            self.lines.append(line)
            match = re.search(pattern, line)
            if match is not None:
                return match

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code; again: the code only."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            code = self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._listener.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def rest(self) -> list[str]:
        """After `stop`: the lines nobody waited for."""
        return [line for line in iter(self._fresh.get, None) if line is not None]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._fresh.put(line.rstrip("\n"))
        self._fresh.put(None)


def simulate(*options: str) -> tuple[Program, int]:
    """Start `energymeter simulate` on a port of the system's choice; the port comes with it."""
    program = Program([sys.executable, "-m", "energymeter", "simulate", "-p", "0", *options])
    try:
        return program, int(program.wait_for(r"^simulating .* on 127\.0\.0\.1:(\d+)")[1])
    except BaseException:
        program.stop()
        raise


def run_mbpoll(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run mbpoll with exactly these arguments; skips where there is none."""
    path = shutil.which("mbpoll")
    if path is None:
        pytest.skip("mbpoll is not installed: apt-get install mbpoll")
    return subprocess.run(
        [path, *arguments],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )


def mbpoll(options: str, port: int, *values: str) -> dict[int, str]:
    """Read once, or write values, on this machine; gives reference -> value as printed."""
    there = ["-p", str(port), "-o", "5", "-1", "127.0.0.1"]
    done = run_mbpoll(*options.split(), *there, *values)
    assert done.returncode == 0, done.stdout + done.stderr
    return values_of(done.stdout)


def values_of(printed: str) -> dict[int, str]:
    """What mbpoll has read: reference -> value as printed."""
    return {int(reference): value for reference, value in _VALUE.findall(printed)}


@contextmanager
def socat_line() -> Iterator[tuple[str, str]]:
    """Two serial ports that socat joins; skips where there is none."""
    path = shutil.which("socat")
    if path is None:
        pytest.skip("socat is not installed: apt-get install socat")
    # It stays when one of the two is closed: the next client may be on its way.
    ends = ["pty,raw,echo=0,ignoreeof"] * 2
    with Program([path, "-d", "-d", *ends]) as program:
        near, far = (program.wait_for(r"PTY is (\S+)")[1] for _ in ends)
        yield near, far


def compile_c(name: str, folder: Path) -> Path:
    """Compile `c/NAME.c` with libmodbus into a folder; skips where compiler or library miss."""
    compiler, pkg_config = shutil.which("cc"), shutil.which("pkg-config")
    if compiler is None or pkg_config is None:
        pytest.skip("cc or pkg-config is not installed: apt-get install gcc libc6-dev pkg-config")
    flags = subprocess.run(
        [pkg_config, "--cflags", "--libs", "libmodbus"],
        capture_output=True,
        text=True,
        check=False,
    )
    if flags.returncode != 0:
        pytest.skip("libmodbus is not installed: apt-get install libmodbus-dev")
    source = Path(__file__).parent / "c" / f"{name}.c"
    strict = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror"]
    done = subprocess.run(
        [compiler, *strict, str(source), "-o", str(folder / name), *flags.stdout.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / name


def libmodbus(client: Path, place: int | str, *operations: str) -> list[Any]:
    """What libmodbus_client says to each operation: a list of numbers, or {"error": text}.

    The place is a TCP port of this machine, or the path of a serial port.
    """
    done = subprocess.run(
        [str(client), str(place)],
        input="\n".join(operations),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
