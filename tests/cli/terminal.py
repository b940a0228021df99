"""Programs behind a terminal of their own, of any size, whose keys somebody presses."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.cli.programs import ROOT

__all__ = ["Terminal", "energymeter_in_terminal", "in_terminal"]

_ESCAPES: Final = re.compile(
    rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>])"
)

_LEADER: Final = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
"""Makes the terminal its own, so that Ctrl-C is a signal, and becomes the program."""

_IMPATIENT: Final = (
    "import rich.progress; import energymeter.cli.progress as ours; ours._PATIENCE_S = 0.0; "
    "from energymeter.cli.app import main; main()"
)


class Terminal:
    """A program and the screen it writes to."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.raw = b""
        """Everything it wrote so far."""
        self._descriptor = descriptor

    @property
    def text(self) -> str:
        """What it wrote, without colours and places."""
        return _ESCAPES.sub(b"", self.raw).decode(errors="replace")

    def press(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        _size(self._descriptor, columns, lines)
        self.process.send_signal(signal.SIGWINCH)

    def until(self, words: str, limit_s: float = 15.0) -> str:
        """Wait until it has written this; returns everything written since the start."""
        deadline = time.monotonic() + limit_s
        while words not in self.text:
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"never written: {words!r}\n{self.text[-3000:]}"
            self._read(left_s)
        return self.text

    def writes(self, words: str, *, limit_s: float) -> bool:
        """Whether it writes this in time."""
        deadline = time.monotonic() + limit_s
        while words not in self.text:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            self._read(left_s)
        return True

    def forget(self) -> None:
        """Look only at what is written from now on."""
        self.raw = b""

    def end(self, limit_s: float = 15.0) -> int:
        """Wait for its end; returns the exit code."""
        deadline = time.monotonic() + limit_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it goes on\n{self.text[-3000:]}"
            self._read(0.05)
        self._read(0.05)
        return self.process.returncode

    def _read(self, limit_s: float) -> None:
        if select.select([self._descriptor], [], [], limit_s)[0]:
            try:
                self.raw += os.read(self._descriptor, 65536)
            except OSError:  # the program has gone, and Linux says so this way
                time.sleep(0.01)


@contextmanager
def in_terminal(
    command: Sequence[str],
    *,
    columns: int = 80,
    lines: int = 24,
    environment: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> Iterator[Terminal]:
    """Run a command in a terminal of its own; killed at the end."""
    ours, theirs = os.openpty()
    _size(theirs, columns, lines)
    # What the environment says of a size would count more than the terminal's own.
    inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    variables = {**inherited, "TERM": "xterm-256color", **(environment or {})}
    process = subprocess.Popen(
        [sys.executable, "-c", _LEADER, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env=variables,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)


@contextmanager
def energymeter_in_terminal(
    *arguments: str, columns: int = 80, is_impatient: bool = False
) -> Iterator[Terminal]:
    """Run `energymeter`; `is_impatient`: with bars from the first moment on."""
    start = ["-c", _IMPATIENT] if is_impatient else ["-m", "energymeter"]
    with in_terminal([sys.executable, *start, *arguments], columns=columns) as terminal:
        yield terminal


def _size(descriptor: int, columns: int, lines: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
