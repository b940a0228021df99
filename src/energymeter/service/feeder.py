"""Brings what stands in the journal into a store on another machine.

For a store that may be away for hours, such as a database server: what it does not take waits in
the journal on disk, and is not lost when the service ends meanwhile. At least once: what was on
its way when the service was killed is brought again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from energymeter.client.backoff import Backoff
from energymeter.clock import Clock
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.journal import Batch, JournalReader
from energymeter.service.snapshot import StoreState
from energymeter.service.unbroken import unbroken
from energymeter.store import Store, StoreError

__all__ = ["StoreFeeder"]

_MOST_AT_ONCE: Final = 10_000
_BACKOFF: Final = Backoff(first_s=1.0, longest_s=30.0)
_TELL_AGAIN_S: Final = 60.0


class StoreFeeder:
    """Feeds one store from its place in the journal.

    Args:
        reader: The store's place.
        open_store: Opens the store that gets the polls; called again as long as it raises.
        state: What everybody sees of it.
        events: Told when the store cannot, and when it can again.
        clock: Times the pauses.
    """

    def __init__(
        self,
        reader: JournalReader,
        open_store: Callable[[], Store],
        *,
        state: StoreState,
        events: EventStream,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._open_store = open_store
        self.store: Store | None = None
        """The store, once it could be opened."""

        self._state = state
        self._events = events
        self._clock = clock
        self._came = asyncio.Event()
        self._failures = 0
        self._told_lost = 0
        self._told_lost_at: float | None = None
        state.waiting = reader.waiting  # since the service ran before

    def wake(self) -> None:
        """There is something new in the journal; to be called in the loop."""
        self._came.set()
        self._refresh()

    async def run(self) -> None:
        """Feed until cancelled."""
        while True:
            self._came.clear()
            try:
                is_more = await self.feed()
            except (StoreError, OSError) as error:
                self._failed(error)
                pause_s = _BACKOFF.pause_s(self._failures, 0.5)
                await self._clock.sleep_until(self._clock.monotonic() + pause_s)
                continue
            if not is_more:
                await self._came.wait()

    async def feed(self) -> bool:
        """Bring one batch; returns whether there was one. Cancelled, it ends what it has begun.

        Raises:
            StoreError: The store does not take it.
            OSError: The journal cannot be read now.
        """
        if self.store is None:
            await unbroken(self._open())
        batch = await asyncio.to_thread(self._reader.read, _MOST_AT_ONCE)
        if not batch.is_empty:
            await unbroken(self._bring(batch))
        if self._reader.is_save_due:
            await asyncio.to_thread(self._reader.save)
        self._refresh()
        return not batch.is_empty

    async def close(self, deadline_s: float) -> None:
        """Bring what waits, for so long; the rest stays in the journal."""
        try:
            async with asyncio.timeout(deadline_s):
                while await self.feed():
                    pass
        except (StoreError, OSError, TimeoutError):
            pass
        finally:
            await asyncio.to_thread(self._reader.save)
            if self.store is not None:
                await asyncio.to_thread(self.store.close)

    async def _open(self) -> None:
        self.store = await asyncio.to_thread(self._open_store)
        self._succeeded()

    async def _bring(self, batch: Batch) -> None:
        if batch.polls:
            assert self.store is not None  # noqa: S101 - it was opened before
            await asyncio.to_thread(self.store.append, batch.polls)
        self._reader.commit(batch)
        self._state.stored += len(batch.polls)
        self._succeeded()

    def _refresh(self) -> None:
        """Bring the state up to date, and tell what is lost: at once, then once a minute."""
        self._state.waiting = self._reader.waiting
        lost = self._state.dropped = self._reader.dropped + self._reader.damaged
        if lost <= self._told_lost:
            return
        now = self._clock.monotonic()
        if self._told_lost_at is None or now - self._told_lost_at >= _TELL_AGAIN_S:
            self._told_lost, self._told_lost_at = lost, now
            text = f"{lost} polls are lost so far: more wait for the store than it may buffer"
            self._events.tell(Level.ERROR, Topic.STORE, "", text)

    def _failed(self, error: StoreError | OSError) -> None:
        self._failures += 1
        if not self._state.fault:
            self._state.fault_since = self._clock.now()
            text = f"{error}; polls wait on the disk and go on"
            self._events.tell(Level.ERROR, Topic.STORE, "", text)
        self._state.fault = str(error)

    def _succeeded(self) -> None:
        since, self._failures = self._state.fault_since, 0
        if not self._state.fault or since is None:
            return
        gap_s = (self._clock.now() - since).total_seconds()
        self._state.fault, self._state.fault_since = "", None
        text = f"the store takes readings again after {gap_s:.0f} s"
        self._events.tell(Level.INFO, Topic.STORE, "", text)
