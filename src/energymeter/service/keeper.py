"""Keeps what the polls bring: collects it in the loop, writes it in a thread of its own.

What comes goes to the journal first, from which sinks are served, then to the store. So a reading
that the store has can always be passed on, whenever the process ends. Neither ever holds up a poll.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, Protocol

from energymeter.client.backoff import Backoff
from energymeter.clock import Clock
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.snapshot import StoreState
from energymeter.service.unbroken import unbroken
from energymeter.store import Store, StoredPoll, StoreError

__all__ = ["Journalist", "Keeper"]

_log = logging.getLogger(__name__)

_FLUSH_S: Final = 0.5
"""Seconds that polls are collected for."""

_MANY: Final = 250
_QUICK_FLUSH_S: Final = 0.05
"""The same once more than `_MANY` came together: the thread that writes them shares the interpreter
with the polls, which feel ten short pieces of work less than one long one."""

_MOST_WAITING: Final = 200_000
"""Polls in memory that the store has not, and as many that the journal has not either; beyond, the
oldest are lost."""

_LOST_AT_ONCE: Final = 1000
"""Polls that are dropped together where nothing is written at all."""

_MOST_AT_ONCE: Final = 20_000
"""Polls of one transaction."""

_BACKOFF: Final = Backoff(first_s=1.0, longest_s=30.0)
_TELL_AGAIN_S: Final = 60.0


class Journalist(Protocol):
    """Takes polls before the store does; see `journal.Journal`."""

    def append(self, polls: Sequence[StoredPoll]) -> None:
        """Keep them for the sinks; blocks, never loses any."""
        ...


class Keeper:
    """Takes polls and keeps them.

    Args:
        store: Gets them; None: they only go to the journal.
        journal: Gets them before; None: nobody is to be served from it.
        state: What everybody sees of it; without a store it is somebody else's.
        events: Told when the store cannot, and when it can again.
        on_journal: Called in the loop after the journal got some.
        clock: Times it.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only, each a neighbour
        self,
        *,
        store: Store | None,
        journal: Journalist | None,
        state: StoreState,
        events: EventStream,
        on_journal: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._journal = journal
        self._state = state
        self._events = events
        self._on_journal = on_journal
        self._clock = clock
        self._fresh: list[StoredPoll] = []
        """Not in the journal yet."""

        self._waiting: deque[StoredPoll] = deque()
        """In the journal, not in the store yet."""

        self._thread = ThreadPoolExecutor(1, "keeper")
        self._came = asyncio.Event()
        self._writing = asyncio.Lock()
        self._is_closing = self._is_closed = False
        self._failures = 0
        self._retry_at = 0.0
        self._together = 0
        """Polls that came together at the newest flush."""

        self._told_lost_at: float | None = None

    def put(self, poll: StoredPoll) -> None:
        """Keep a poll, soon."""
        fresh = self._fresh
        if not fresh:
            self._came.set()
        elif len(fresh) >= _MOST_WAITING:  # what is to write them does not come back
            del fresh[:_LOST_AT_ONCE]
            self._tell_lost(_LOST_AT_ONCE)
        fresh.append(poll)

    async def run(self) -> None:
        """Write what comes, until `close`."""
        while not self._is_closing:
            if not self._waiting:
                await self._came.wait()
            # Polls that come close together share a transaction.
            if not self._is_closing:
                pause_s = _QUICK_FLUSH_S if self._together > _MANY else _FLUSH_S
                await self._clock.sleep_until(self._clock.monotonic() + pause_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what is there, to a store that failed only when it is time to try it again.

        Cancelled, it ends after what it has begun, so that nothing is written twice.
        """
        async with self._writing:
            if not self._is_closed:
                await unbroken(self._flush())

    async def close(self) -> None:
        """Write what is there and end; call it when nothing comes any more."""
        self._is_closing = True
        self._came.set()
        async with self._writing:
            if not self._is_closed:
                await unbroken(self._end())

    async def _end(self) -> None:
        self._retry_at = 0.0
        try:
            await self._flush()
        except Exception as error:
            # Whoever ends the service has more to end than this.
            _log.exception("what is left could not be kept")
            self._state.fault = f"a fault of the program ({error})"
        self._is_closed = True
        self._thread.shutdown(wait=False)
        left = len(self._waiting) + len(self._fresh)
        if left:
            text = f"{left} polls could not be kept: {self._state.fault}"
            self._events.tell(Level.ERROR, Topic.STORE, "", text)

    async def _flush(self) -> None:
        self._came.clear()
        fresh, self._fresh = self._fresh, []
        self._together = len(fresh)
        if fresh and self._journal is not None:
            try:
                await self._in_thread(self._journal.append, fresh)
            except BaseException:
                self._fresh[:0] = fresh
                raise
            self._on_journal()
        if self._store is None:
            return
        self._waiting.extend(fresh)
        self._limit()
        if self._clock.monotonic() >= self._retry_at:
            await self._bring(self._store)
        self._state.waiting = len(self._waiting)

    async def _bring(self, store: Store) -> None:
        """Empty what waits into the store, as long as it takes it."""
        while self._waiting:
            batch = list(islice(self._waiting, _MOST_AT_ONCE))
            try:
                await self._in_thread(store.append, batch)
            except StoreError as error:
                self._failed(error)
                return
            for _ in batch:
                self._waiting.popleft()
            self._state.stored += len(batch)
            self._succeeded()

    async def _in_thread(
        self, call: Callable[[Sequence[StoredPoll]], None], polls: Sequence[StoredPoll]
    ) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, call, polls)

    def _limit(self) -> None:
        lost = len(self._waiting) - _MOST_WAITING
        if lost <= 0:
            return
        for _ in range(lost):
            self._waiting.popleft()
        self._tell_lost(lost)

    def _tell_lost(self, lost: int) -> None:
        self._state.dropped += lost
        now = self._clock.monotonic()
        if self._told_lost_at is None or now - self._told_lost_at >= _TELL_AGAIN_S:
            self._told_lost_at = now
            self._events.tell(
                Level.ERROR,
                Topic.STORE,
                "",
                f"{self._state.dropped} polls are lost so far: the store takes none "
                f"({self._state.fault or 'it does not come back'})",
            )

    def _failed(self, error: StoreError) -> None:
        self._failures += 1
        self._retry_at = self._clock.monotonic() + _BACKOFF.pause_s(self._failures, 0.5)
        if not self._state.fault:
            self._state.fault_since = self._clock.now()
            text = f"{error}; polls wait in memory and go on"
            self._events.tell(Level.ERROR, Topic.STORE, "", text)
        self._state.fault = str(error)

    def _succeeded(self) -> None:
        since = self._state.fault_since
        self._failures = 0
        if not self._state.fault or since is None:
            return
        gap_s = (self._clock.now() - since).total_seconds()
        self._state.fault, self._state.fault_since = "", None
        self._told_lost_at = None
        text = f"the store takes readings again after {gap_s:.0f} s"
        self._events.tell(Level.INFO, Topic.STORE, "", text)
