"""A link at work: its meters' courses, the task that polls them, and how that is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from energymeter.client import Link
from energymeter.clock import Clock
from energymeter.service.course import Course
from energymeter.service.events import EventStream, Topic
from energymeter.service.frames import FrameStream
from energymeter.service.poller import Poll
from energymeter.service.snapshot import LinkState
from energymeter.service.supervisor import Supervisor
from energymeter.service.watch import LoadWatch
from energymeter.service.worker import LinkWorker
from energymeter.site import ResolvedLink

__all__ = ["RunningLink"]

_LAST_POLLS_S: Final = 5.0
"""How long polls that are under way may take when a link is halted."""

Take = Callable[["RunningLink", LoadWatch, Course, Poll, float], None]


class RunningLink:
    """One link of a site; it is made first, and begins later.

    Args:
        plan: What is wanted of it.
        before: The link of this name that it is to follow. Where it leads to the same place in
            the same way, the connection and what is known of it are taken over.
        clock: Times it all.

    Raises:
        ConfigError: A file that its URL names cannot be used.
    """

    def __init__(self, plan: ResolvedLink, before: RunningLink | None, clock: Clock) -> None:
        self.plan = plan
        self.courses: dict[str, list[Course]] = {}
        """By meter."""

        self.seats: dict[str, int] = {}
        """By meter."""

        self.load: LoadWatch | None = None
        """Watches it while it runs."""

        self._clock = clock
        self._worker: LinkWorker | None = None
        self._task: asyncio.Task[None] | None = None
        self.link: Link
        self.state: LinkState
        self.frames: FrameStream
        if before is not None and before.leads_as(plan):
            self.link, self.state, self.frames = before.link, before.state, before.frames
        else:
            self.link = Link.to(plan.wire, timeout_s=plan.entry.timeout, clock=clock)
            self.state = LinkState(plan.entry.name, str(plan.wire), self.link)
            self.frames = FrameStream(self.link, clock)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.plan.entry.name

    @property
    def lanes(self) -> int:
        """Polls that may be under way at a time."""
        return self.plan.wire.max_in_flight

    def leads_as(self, plan: ResolvedLink) -> bool:
        """Whether a plan has the same connection."""
        return self.plan.entry == plan.entry and self.plan.wire == plan.wire

    def begin(
        self,
        supervisor: Supervisor,
        events: EventStream,
        *,
        take: Take,
        failed: Callable[[Course, Exception], None],
    ) -> None:
        """Poll from now on.

        Args:
            supervisor: Keeps it running.
            events: Told when it cannot keep its schedule.
            take: Gets every poll.
            failed: Told of a poll that a fault of the program ended.
        """
        state = self.state
        state.meters = list(self.courses)
        courses = [course for each in self.courses.values() for course in each]
        if not courses:
            # Nobody will notice any more whether it is there.
            state.fault, state.fault_since = "", None
            state.utilisation, state.wanted, state.skipped = 0.0, 0.0, 0
            return
        load = self.load = LoadWatch(
            state, courses, lanes=self.lanes, events=events, clock=self._clock
        )

        def take_it(course: Course, poll: Poll, duration_s: float) -> None:
            take(self, load, course, poll, duration_s)

        async def work() -> None:
            worker = self._worker = LinkWorker(
                courses, lanes=self.lanes, take=take_it, failed=failed, clock=self._clock
            )
            try:
                await worker.run()
            finally:
                self._worker = None

        self._task = supervisor.start(Topic.LINK, state.name, work)

    def remember(self) -> None:
        """Have all that was learned of its meters written."""
        for courses in self.courses.values():
            for course in courses:
                course.reader.remember()

    async def halt(self) -> None:
        """End after the polls that are under way, unless they take too long."""
        task = self._task
        if task is None:
            return
        if self._worker is None:  # it did not even begin, or waits to begin again after a fault
            task.cancel()
        else:
            self._worker.stop()
        alarm = self._clock.call_at(self._clock.monotonic() + _LAST_POLLS_S, self.cut_short)
        try:
            await asyncio.wait([task])
        finally:
            alarm.cancel()
        self.load = None

    def cut_short(self) -> None:
        """End now; polls that are under way bring nothing."""
        if self._task is not None:
            self._task.cancel()
