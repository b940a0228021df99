"""The program as its users meet it: run in a process of its own, or called with arguments."""

from __future__ import annotations

import random
import re
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import pytest

from energymeter.cli import app

__all__ = [
    "ROOT",
    "Outcome",
    "Program",
    "call",
    "free_port",
    "free_row",
    "line_of",
    "run",
    "silent_server",
    "simulator",
    "start",
]

ROOT: Final = Path(__file__).parents[2]

_LISTENING: Final = re.compile(r" on (\S+):(\d+)(?: to \d+)?, seed \d+")

_FRESH: Final = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__') "
    "if sys.argv[0].endswith('.py') else runpy.run_module('energymeter', run_name='__main__')"
)
"""Starts a program that Ctrl-C reaches even where the tests themselves run in the background."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Program:
    """A program that is running."""

    process: subprocess.Popen[bytes]
    port: int = 0
    greeting: str = ""

    def end(self, signal_number: int, *, limit_s: float = 10) -> Outcome:
        self.process.send_signal(signal_number)
        out, err = self.process.communicate(timeout=limit_s)
        return Outcome(self.process.returncode, out.decode(), err.decode())

    @property
    def stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Outcome:
    """Call the command line in this process: quick, for what ends by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["energymeter", *arguments])
        with pytest.raises(SystemExit) as exit_info:
            app.main()
    out, err = capsys.readouterr()
    code = exit_info.value.code
    assert isinstance(code, int)
    return Outcome(code, out, err)


def run(*arguments: str, limit_s: float = 20, cwd: Path = ROOT) -> Outcome:
    """Run `python -m energymeter` to its end."""
    command = [sys.executable, "-m", "energymeter", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=limit_s, check=False, cwd=cwd
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@contextmanager
def start(*arguments: str) -> Iterator[Program]:
    """Start the program, or a script when the first argument ends in `.py`; killed at the end."""
    command = [sys.executable, "-c", _FRESH]
    if not arguments[0].endswith(".py"):
        command.append("energymeter")
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # what `line_of` does not take is left for `end`
        cwd=ROOT,
    )
    try:
        yield Program(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def line_of(stream: IO[bytes], *, limit_s: float = 15) -> str:
    """The next line of a program's output; fails when none comes in time."""
    ready, _, _ = select.select([stream], [], [], limit_s)
    assert ready, "the program says nothing"
    return stream.readline().decode()


@contextmanager
def simulator(*arguments: str, port: int = 0) -> Iterator[Program]:
    """Run `energymeter simulate`; `port` of what is given says where it listens."""
    with start("simulate", *arguments, "--port", str(port)) as program:
        program.greeting = line_of(program.stdout)
        found = _LISTENING.search(program.greeting)
        assert found is not None, program.greeting
        program.port = int(found.group(2))
        yield program


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def free_row(count: int) -> int:
    """The first of `count` adjacent ports that were all free a moment ago.

    Below the range the system hands out, where others' finished connections linger.
    """
    starts = range(10_000, 30_000, count)
    for first in random.sample(starts, 200):
        with ExitStack() as stack, suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    pytest.fail(f"no {count} free ports in a row")


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])
