"""The work of one link: its meters' polls, each when it is due, one after the other.

A poll that takes too long makes the next ones late; moments that are past when a course's turn
comes are counted and passed over, never made up for. As many polls are under way at a time as
the link takes requests in flight.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from energymeter.clock import Clock
from energymeter.service.course import Course
from energymeter.service.poller import Poll

__all__ = ["LinkWorker", "PollTaker"]

_WEIGHT: Final = 0.1
"""What a poll counts in the mean duration."""


class PollTaker(Protocol):
    """Is given every poll, in the loop; must not wait."""

    def __call__(self, course: Course, poll: Poll, duration_s: float) -> None:
        """Take a poll that took so long."""
        ...


class LinkWorker:
    """Polls the meters of one link until it is told to stop.

    Args:
        courses: What to poll.
        lanes: Polls that may be under way at a time, 1 or more.
        take: Gets every poll.
        failed: Told of a poll that a fault of the program ended; the course's next one comes.
        clock: Times it all.
    """

    def __init__(
        self,
        courses: Iterable[Course],
        *,
        lanes: int,
        take: PollTaker,
        failed: Callable[[Course, Exception], None],
        clock: Clock,
    ) -> None:
        # Also after a fault: moments that passed meanwhile are due now, the others when they were.
        self._queue = [
            (course.moments.due, number, course) for number, course in enumerate(courses)
        ]
        heapq.heapify(self._queue)
        self._lanes = min(lanes, len(self._queue))
        self._take = take
        self._failed = failed
        self._clock = clock
        self._sleeping: set[asyncio.Future[None]] = set()
        self._is_stopping = False

    async def run(self) -> None:
        """Poll until `stop`; a fault of the program in what takes the polls ends it with that."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._lanes):
                group.create_task(self._lane())

    def stop(self) -> None:
        """End after the polls that are under way."""
        self._is_stopping = True
        for sleep in self._sleeping:
            _wake(sleep)

    async def _lane(self) -> None:
        # Flat: it runs ten thousand times a second.
        queue, monotonic, take = self._queue, self._clock.monotonic, self._take
        while True:
            due, number, course = heapq.heappop(queue)
            if due > monotonic():
                await self._sleep_until(due)
            if self._is_stopping:
                return
            started = monotonic()
            try:
                report = await course.reader.read()
            except Exception as error:  # it costs this meter a poll, not the link all the others
                course.moments.advance(monotonic())
                heapq.heappush(queue, (course.moments.due, number, course))
                self._failed(course, error)
                continue
            ended = monotonic()
            duration_s = ended - started
            if course.duration_s:
                course.duration_s += (duration_s - course.duration_s) * _WEIGHT
            else:
                course.duration_s = duration_s
            skipped = course.moments.advance(ended)
            heapq.heappush(queue, (course.moments.due, number, course))
            take(course, Poll(report, started - due, skipped), duration_s)

    async def _sleep_until(self, due: float) -> None:
        """As the clock's own, but `stop` ends it."""
        if self._is_stopping:
            return
        sleep: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        alarm = self._clock.call_at(due, lambda: _wake(sleep))
        self._sleeping.add(sleep)
        try:
            await sleep
        finally:
            self._sleeping.discard(sleep)
            alarm.cancel()


def _wake(sleep: asyncio.Future[None]) -> None:
    if not sleep.done():
        sleep.set_result(None)
