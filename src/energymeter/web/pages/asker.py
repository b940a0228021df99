"""Asks the store one question after the other, as long as somebody still wants to know.

Thousands of meters could be asked for at once, and polls have the processor first: so a pause
follows each answer, longer than that took.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["Asker"]

_WANTED_S: Final = 5.0
"""What nobody asked for again within this time is not wanted any more."""

_SHORTEST_PAUSE_S: Final = 0.002
_PAUSES: Final = 6.0
"""The pause after an answer, in multiples of what it took."""

Question = Callable[[], Awaitable[None]]


class Asker:
    """A queue of questions, at work while there are any. For one loop."""

    def __init__(self) -> None:
        self._wanted: OrderedDict[object, tuple[float, Question]] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._wanted)

    def want(self, key: object, question: Question, *, is_urgent: bool = True) -> None:
        """Ask, unless that is being done.

        Args:
            key: What is asked for; asking again keeps it wanted.
            question: Gets the answer and puts it where it belongs. Should not fail.
            is_urgent: Whether somebody looks at the place where the answer goes.
        """
        loop = asyncio.get_running_loop()
        is_new = key not in self._wanted
        self._wanted[key] = loop.time(), question
        if is_new and is_urgent:
            self._wanted.move_to_end(key, last=False)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())

    async def close(self) -> None:
        """Ask nothing any more."""
        self._wanted.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._wanted:
            key, (wanted_at, question) = next(iter(self._wanted.items()))
            begun = loop.time()
            try:
                if begun - wanted_at <= _WANTED_S:
                    await question()
            finally:
                self._wanted.pop(key, None)
            await asyncio.sleep(max(_PAUSES * (loop.time() - begun), _SHORTEST_PAUSE_S))
