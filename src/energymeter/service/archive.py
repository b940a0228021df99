"""The store as pages and routes ask it: without holding up the loop, by the meters' own names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Final, NamedTuple, TypeVar

from energymeter.store import Every, History, Latest, Layout, Store
from energymeter.store.courses import courses_of, history_of_meter, meters_in
from energymeter.store.errors import StoreUnavailableError

__all__ = ["Archive"]

_AT_ONCE: Final = 4
"""Questions that are answered at a time; more wait, so that polls have the processor too."""

_KEYS_S: Final = 10.0
"""Which rates a meter has is looked up again after so long: with ten thousand meters it takes as
long as the answer itself."""

_Answer = TypeVar("_Answer")


class _Keys(NamedTuple):
    """Under which keys each meter is kept."""

    at_s: float
    store: Store
    by_meter: dict[str, list[str]]


class Archive:
    """Reads one store.

    Args:
        store: Gives the store; None: it is not there yet, or there is none.
    """

    def __init__(self, store: Callable[[], Store | None]) -> None:
        self._store = store
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._known: _Keys | None = None

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
            keys = self._keys(store, meter)
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
            keys = self._keys(store, meter)
            return history_of_meter(store, keys, quantity, start, end, every, zone)

        return await self._ask(read)

    def _keys(self, store: Store, meter: str) -> Sequence[str]:
        """The keys of a meter; called from any thread."""
        now_s, known = time.monotonic(), self._known
        if known is None or known.store is not store or now_s - known.at_s > _KEYS_S:
            known = None
        if known is None or meter not in known.by_meter:
            keys = store.meters()
            self._known = known = _Keys(now_s, store, meters_in(keys))
            if meter not in known.by_meter:  # a key of its own, or nobody's
                return courses_of(keys, meter)
        return known.by_meter[meter]

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
