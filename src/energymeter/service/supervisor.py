"""Keeps tasks alive: one that fails is told, and started again after a pause, alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from energymeter.client.backoff import Backoff
from energymeter.clock import Clock
from energymeter.service.events import EventStream, Level, Topic

__all__ = ["Supervisor", "sentence_of"]

_log = logging.getLogger(__name__)

_BACKOFF: Final = Backoff(first_s=1.0, longest_s=60.0)
_CALM_S: Final = 300.0
"""A task that ran for so long begins its pauses anew."""


class Supervisor:
    """Runs tasks that shall not end.

    Args:
        events: Told when one fails.
        clock: Times the pauses.
    """

    def __init__(self, events: EventStream, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self, topic: Topic, name: str, make: Callable[[], Coroutine[Any, Any, None]]
    ) -> asyncio.Task[None]:
        """Run what `make` makes, again and again if it fails; it ends when that returns.

        Returns:
            The task; cancel it to end it at once.
        """
        task = asyncio.create_task(self._run(topic, name, make), name=f"{topic} {name}".rstrip())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel everything that still runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(
        self, topic: Topic, name: str, make: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        failures = 0
        while True:
            started = self._clock.monotonic()
            try:
                await make()
            except Exception as error:  # whatever it is: it must not take the others with it
                _log.exception("%s", f"{topic} {name} failed")
                if self._clock.monotonic() - started >= _CALM_S:
                    failures = 0
                failures += 1
                pause_s = _BACKOFF.pause_s(failures, 0.5)
                self._events.tell(
                    Level.ERROR,
                    topic,
                    name,
                    f"a fault of the program ended its work ({sentence_of(error)}); "
                    f"it starts again in {pause_s:.0f} s; please report it",
                )
                await self._clock.sleep_until(self._clock.monotonic() + pause_s)
            else:
                return


def sentence_of(error: Exception) -> str:
    """A fault of the program in a few words; of several the first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
