"""The service as its operators run it: a process, a site file, meters that move, receivers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from tests.cli.programs import free_row

from energymeter.store import SqliteStore, Store, StoreError

__all__ = [
    "Meters",
    "Metrics",
    "Receiver",
    "Running",
    "acknowledged",
    "eventually",
    "ids_in",
    "is_undisturbed",
    "meters",
    "receiver",
    "stored_since",
]


PROMISED_LATE_S: Final = 0.1
"""DESIGN 11: how late 99 of 100 polls are at most."""

_SAMPLE: Final = re.compile(r"^(\w+)(?:{(.*)})? (\S+)$", re.MULTILINE)


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
    first = free_row(count)
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
            self.port = free_row(1)
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

    def status(self) -> dict[str, Any]:
        """What it says of itself; it has to answer."""
        found: dict[str, Any] | None = self.get("/api/status")
        assert found is not None, "nobody answers"
        return found

    def sink(self, name: str) -> dict[str, Any]:
        """What it says of a sink."""
        found: dict[str, Any] = next(s for s in self.status()["sinks"] if s["name"] == name)
        return found

    def has_stored(self) -> bool:
        """Whether it says that its store has a poll of it."""
        found = self.get("/api/status")
        return found is not None and found["store"]["stored"] > 0

    def metrics(self) -> Metrics:
        """What it tells Prometheus of itself."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            return Metrics(answer.read().decode())

    @property
    def store(self) -> Path:
        return self.folder / "energymeter.db"

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


class Metrics:
    """The metrics of a service, as they were at one moment."""

    def __init__(self, text: str) -> None:
        self._samples: dict[str, dict[str, float]] = {}
        for name, labels, number in _SAMPLE.findall(text):
            self._samples.setdefault(name, {})[labels] = float(number)

    def of_meters(self, name: str) -> dict[str, float]:
        """A number of each meter, by name."""
        found = self._samples[f"energymeter_meter_{name}"]
        return {labels.partition('meter="')[2].partition('"')[0]: n for labels, n in found.items()}

    def late_s(self, share: float) -> float:
        """So long at most was this share of all polls late, by the histogram's classes."""
        buckets = self._samples["energymeter_poll_lateness_seconds_bucket"]
        count = self._samples["energymeter_poll_lateness_seconds_count"][""]
        limits = {float(labels.split('"')[1]): number for labels, number in buckets.items()}
        return min(limit for limit, number in limits.items() if number >= share * count)


def is_undisturbed(service: Running) -> None:
    """Fail unless every poll came, and nearly all in time."""
    metrics = service.metrics()
    for name in ("skipped_polls_total", "failed_polls_total"):
        found = metrics.of_meters(name)
        assert set(found.values()) == {0}, f"{name}: {found}"
    polls = metrics.of_meters("polls_total")
    assert min(polls.values()) > 5, f"hardly any polls: {polls}"
    late_s = metrics.late_s(0.99)
    assert late_s <= PROMISED_LATE_S, f"1 of 100 polls is later than {late_s:g} s"


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
    with SqliteStore(path, read_only=True) as store:
        return set(ids_in(store, back))


def ids_in(store: Store, back: timedelta = timedelta(minutes=10)) -> list[str]:
    """The ids of all polls that a store holds, each as often as it does."""
    now = datetime.now(UTC)
    found: list[str] = []
    for meter in store.meters():
        history = store.history(meter, "frequency", now - back, now + timedelta(seconds=5))
        if history is not None:
            found += [f"{meter}-{time}" for time in history.times_us.tolist()]
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
