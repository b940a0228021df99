"""Makes services that start at once: a process that has imported everything and copies itself.

Each line it reads is a folder; it answers with the number of the process that runs the service
there. To the service it makes no difference: whatever it opens, it opens by itself.
"""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

__all__ = ["QuickStart", "quick_start"]

_PATIENCE_S: Final = 20.0
_IMPORTED: Final = (
    "energymeter.daemon.daemon",
    "energymeter.sinks.json_lines",
    "energymeter.sinks.webhook",
    "energymeter.web.serve",
    "nicegui",
)
"""What a service imports by itself as it goes."""


class QuickStart:
    """Starts services; for any thread."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lock = threading.Lock()

    def start(self, folder: Path) -> int:
        """Run the service in this folder; returns the number of its process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(f"{folder}\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    @staticmethod
    def kill(pid: int) -> None:
        """Kill a service; returns once it is gone."""
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + _PATIENCE_S
        while Path(f"/proc/{pid}").exists():
            if time.monotonic() > end:
                pytest.fail(f"process {pid} does not go")
            time.sleep(0.001)


@contextmanager
def quick_start() -> Iterator[QuickStart]:
    """Somebody who starts services; whoever starts one has to end it."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        yield QuickStart(process)
    finally:
        process.kill()
        process.communicate()


def _serve() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the ended ones are gone at once
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become_service(Path(line.rstrip("\n")))
        print(pid, flush=True)


def _become_service(folder: Path) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(folder)
    log = os.open("run.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in ((0, nothing), (1, log), (2, log)):
        os.dup2(file, number)
    sys.argv = ["energymeter", "run", "site.toml"]
    runpy.run_module("energymeter", run_name="__main__")


if __name__ == "__main__":
    _serve()
