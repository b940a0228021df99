"""The store as pages and routes ask it: without holding up the loop, by the meters' own names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Final, TypeVar

from energymeter.store import Every, History, Latest, Layout, Store
from energymeter.store.courses import courses_of, history_of_meter
from energymeter.store.errors import StoreUnavailableError

__all__ = ["Archive"]

_AT_ONCE: Final = 4
"""Questions that are answered at a time; more wait, so that polls have the processor too."""

_Answer = TypeVar("_Answer")


class Archive:
    """Reads one store.

    Args:
        store: Gives the store; None: it is not there yet, or there is none.
    """

    def __init__(self, store: Callable[[], Store | None]) -> None:
        self._store = store
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def layouts(self) -> dict[str, Layout]:
        """The keys of all that is kept, each with what its newest poll holds.

        Raises:
            StoreError: It cannot be read now.
        """
        return await self._ask(lambda store: store.meters())

    async def latest(self, meter: str) -> list[Latest]:
        """The newest polls of a meter, one for each of its rates; none: nothing is kept of it.

        Raises:
            StoreError: It cannot be read now.
        """

        def read(store: Store) -> list[Latest]:
            keys = courses_of(store.meters(), meter)
            found = store.latest(keys)
            return [found[key] for key in keys if key in found]

        return await self._ask(read)

    async def history(  # noqa: PLR0913 - those of `Store.history`
        self,
        meter: str,
        quantity: str,
        start: datetime,
        end: datetime,
        *,
        every: Every | None = None,
        zone: tzinfo | None = None,
    ) -> History | None:
        """One value of a meter over time; see `Store.history`. None: nothing is kept of it.

        Args:
            meter: The meter's name.
            quantity: The value's name.
            start: The first moment.
            end: The first moment that is not asked for.
            every: Windows to tell it in; None: each poll.
            zone: Where days begin; None: where this computer is.

        Raises:
            StoreError: It cannot be read now.
        """

        def read(store: Store) -> History | None:
            keys = courses_of(store.meters(), meter)
            return history_of_meter(store, keys, quantity, start, end, every, zone)

        return await self._ask(read)

    async def _ask(self, read: Callable[[Store], _Answer]) -> _Answer:
        store = self._store()
        if store is None:
            msg = "there is no history: the site has no store, or it cannot be reached"
            raise StoreUnavailableError(msg)
        await self._turns.acquire()
        work = asyncio.get_running_loop().run_in_executor(None, read, store)
        # Who goes away does not wait, but the turn is over only when the thread is free.
        work.add_done_callback(lambda _: self._turns.release())
        return await asyncio.shield(work)
