"""The service as its operators run it: a process, a site file, meters that move, receivers."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from energymeter.store import SqliteStore, StoreError

__all__ = ["Meters", "Receiver", "Running", "acknowledged", "eventually", "meters", "receiver"]


class Meters:
    """Simulated meters in a process of their own, a port each."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports

    def entries(self, interval: str) -> str:
        """The part of a site file that reads them."""
        return "".join(
            f'[[meter]]\nname = "m{number}"\nurl = "tcp://127.0.0.1:{port}"\n'
            f'profile = "electric"\ninterval = "{interval}"\n'
            for number, port in enumerate(self.ports)
        )


@contextmanager
def meters(count: int) -> Iterator[Meters]:
    """So many simulated meters."""
    first = _free_row(count)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "energymeter", "simulate", "--seed", "1"),
            *("--port", str(first), "--count", str(count)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for port in range(first, first + count):
            eventually(partial(_accepts, port), f"port {port} accepts")
        yield Meters(list(range(first, first + count)))
    finally:
        process.kill()
        process.wait()


class Running:
    """`energymeter run` in a folder with a `site.toml`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "run.log"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, text: str) -> None:
        """Put the site file there; `{listen}` in it becomes a free address."""
        if not self.port:
            self.port = _free_row(1)
        (self.folder / "site.toml").write_text(
            text.replace("{listen}", f"127.0.0.1:{self.port}"), "utf-8"
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "energymeter", "run", "site.toml"],
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self, limit_s: float = 30.0) -> int:
        """End it in good order; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(limit_s)

    def hup(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def text(self) -> str:
        return self.log.read_text("utf-8")

    def get(self, path: str) -> Any:
        """What a route answers, whatever its code; None when nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return None

    @property
    def store(self) -> Path:
        return self.folder / "energymeter.db"

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A service that is ended with the test; its log is shown when the test fails."""
    service = Running(tmp_path)
    try:
        yield service
    finally:
        service.close()
        if service.log.exists():
            sys.stdout.write(service.text()[-6000:])


class Receiver:
    """Takes webhooks; may be taken away and come back on the same port."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        """Of all polls, in the order they came, repetitions too."""

        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            # Of version 1.0: no connection stays open after the receiver is gone.
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.ids += [poll["id"] for poll in body["polls"]]
                self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    found = Receiver()
    found.start()
    try:
        yield found
    finally:
        found.stop()


def acknowledged(path: Path, back: timedelta = timedelta(minutes=10)) -> set[str]:
    """The ids of all polls that a store holds, read beside whoever writes it."""
    now = datetime.now(UTC)
    found: set[str] = set()
    with SqliteStore(path, read_only=True) as store:
        for meter in store.meters():
            history = store.history(meter, "frequency", now - back, now + timedelta(seconds=5))
            if history is not None:
                found.update(f"{meter}-{time}" for time in history.times_us.tolist())
    return found


def stored_since(path: Path, moment: datetime) -> bool:
    """Whether the store has a poll newer than that."""
    try:
        with SqliteStore(path, read_only=True) as store:
            return any(latest.time > moment for latest in store.latest().values())
    except (StoreError, sqlite3.Error):
        return False


def eventually(holds: Callable[[], object], what: str, limit_s: float = 20.0) -> float:
    """Wait until it holds; returns the seconds it took."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > limit_s:
            pytest.fail(f"after {limit_s:g} s not yet: {what}")
        time.sleep(0.02)
    return time.monotonic() - begun


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_row(count: int) -> int:
    """The first of so many free ports in a row."""
    for _ in range(50):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first + count < 65536 and not any(_accepts(p) for p in range(first, first + count)):
            return first
    pytest.fail("no free ports in a row")
