"""Whose turn it is on a link: the urgent first, else first come, first served."""

from __future__ import annotations

import asyncio
import heapq
from enum import IntEnum

__all__ = ["Priority", "Turns"]


class Priority(IntEnum):
    """How urgent a request is; what is lower goes first."""

    PERSON = 0
    """Somebody waits for the answer."""

    POLL = 1
    """The schedule's."""

    SURVEY = 2
    """May take all day: scans and dumps beside a running poll."""


_Waiting = tuple[int, int, asyncio.Future[None]]
"""Priority, ticket, and what is set when the turn has come."""


class Turns:
    """A number of places on a link, taken before a request and given back after it.

    A caller may decrement `free` itself while it is above 0, which is faster: nobody waits then.

    Args:
        places: Requests that may be under way at once, 1 or more.
    """

    __slots__ = ("_queue", "_ticket", "free")

    def __init__(self, places: int) -> None:
        self.free = places
        """Places nobody has; above 0 only while nobody waits."""
        self._queue: list[_Waiting] = []
        self._ticket = 0

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return len(self._queue)

    async def take(self, priority: int) -> None:
        """Wait for a place. Cancelled, the place goes to the next."""
        if self.free:
            self.free -= 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ticket += 1
        entry = (priority, self._ticket, future)
        heapq.heappush(self._queue, entry)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give_back()  # the place had been handed over in this very turn of the loop
            elif entry in self._queue:
                self._queue.remove(entry)
                heapq.heapify(self._queue)
            raise

    def give_back(self) -> None:
        """Give a place back, to whoever is next in the queue."""
        while self._queue:
            future = heapq.heappop(self._queue)[2]
            if not future.done():
                future.set_result(None)
                return
        self.free += 1
