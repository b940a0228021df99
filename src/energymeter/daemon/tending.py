"""Has the store compress and forget old readings: the embedded one in a process of its own.

Compressing takes the interpreter for tenths of a second, which polls would feel.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from energymeter.clock import Clock
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.feeder import StoreFeeder
from energymeter.site.model import SqliteStoreEntry
from energymeter.store import StoreError

__all__ = ["ServerTender", "StoreTender"]

_log = logging.getLogger(__name__)

_FIRST_S: Final = 120.0
_EVERY_S: Final = 3600.0
_LATE_POLLS: Final = timedelta(minutes=10)
"""So long after its end an hour may still get polls."""

_PATIENCE_S: Final = 10.0


class StoreTender:
    """Looks after the file of a site.

    Args:
        entry: Which file, and how long it keeps what.
        events: Told when it could not.
        clock: Says when it is time.
    """

    def __init__(self, entry: SqliteStoreEntry, *, events: EventStream, clock: Clock) -> None:
        self._entry = entry
        self._events = events
        self._clock = clock

    async def run(self) -> None:
        """Tend every hour, until cancelled; a process that is at it is ended then."""
        await _each_hour(self._clock, self.tend)

    async def tend(self) -> None:
        """Tend once."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "energymeter.store.tending",
                *self._arguments(self._clock.now()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # Ctrl-C is for the service, which ends it.
                start_new_session=True,
            )
        except OSError as error:
            self._failed(error.strerror or str(error))
            return
        try:
            out, err = await process.communicate()
        except asyncio.CancelledError:
            await _ended(process)
            raise
        if process.returncode:
            reason = err.decode(errors="replace").strip().rpartition("\n")[2]
            self._failed(reason or f"the process ended with {process.returncode}")
        else:
            _log.info("tended: %s", out.decode(errors="replace").strip())

    def _failed(self, reason: str) -> None:
        text = f"old readings could not be compressed: {reason}"
        self._events.tell(Level.ERROR, Topic.STORE, "", text)

    def _arguments(self, now: datetime) -> Sequence[str]:
        entry = self._entry
        words = [str(entry.path), "--compact-before", _iso(now - _LATE_POLLS)]
        if entry.keep is not None:
            words += ["--expire-before", _iso(now - timedelta(seconds=entry.keep))]
        if entry.keep_means is not None:
            words += ["--expire-means-before", _iso(now - timedelta(seconds=entry.keep_means))]
        return words


class ServerTender:
    """Has a store on another machine forget what is too old, once an hour.

    Args:
        feeder: Has the store, once it is there.
        keep_s: How old a reading may become.
        clock: Says when it is time.
    """

    def __init__(self, feeder: StoreFeeder, keep_s: float, *, clock: Clock) -> None:
        self._feeder = feeder
        self._keep_s = keep_s
        self._clock = clock

    async def run(self) -> None:
        """Tend every hour, until cancelled."""
        await _each_hour(self._clock, self.tend)

    async def tend(self) -> None:
        """Tend once, if the store is there."""
        store = self._feeder.store
        if store is None:
            return
        before = self._clock.now() - timedelta(seconds=self._keep_s)
        try:
            while await asyncio.to_thread(store.expire, before):
                pass
        except StoreError as error:  # the feeder tells what is wrong; this comes again
            _log.warning("old readings could not be dropped: %s", error)


async def _each_hour(clock: Clock, tend: Callable[[], Awaitable[None]]) -> None:
    due = clock.monotonic() + _FIRST_S
    while True:
        await clock.sleep_until(due)
        due += _EVERY_S
        await tend()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End a process; it may be killed at any moment without harm."""
    process.terminate()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")
