"""The service: links polled on time, what they bring kept and passed on, and changes while it runs.

    service = Service("site", store=store, state_folder=Path("state"))
    await service.start()
    await service.apply(links)      # and again whenever the site file changes
    ...
    await service.stop()

Knows no site file and no sink: `daemon` takes the one apart and makes the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from energymeter.client import Link
from energymeter.clock import Clock, SystemClock
from energymeter.reader import Memory
from energymeter.service.course import Course, CourseMaker
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.keeper import Journalist, Keeper
from energymeter.service.poller import Poll
from energymeter.service.shelf import Shelf
from energymeter.service.snapshot import LinkState, Snapshot
from energymeter.service.supervisor import Supervisor
from energymeter.service.timetable import Moments, Seats, WallClock
from energymeter.service.watch import FAILED_AFTER, LoadWatch, MeterWatch
from energymeter.service.worker import LinkWorker
from energymeter.site import ResolvedLink, ResolvedMeter
from energymeter.store import Store, StoredPoll

__all__ = ["Service"]

_LOOK_S: Final = 10.0
"""Seconds between two looks at the load of the links and at the clock."""

_LAST_POLLS_S: Final = 5.0
"""How long polls that are under way may take when the service stops."""


class _Running:
    """A link at work."""

    __slots__ = ("courses", "link", "load", "plan", "seats", "state", "task", "worker")

    def __init__(self, plan: ResolvedLink, clock: Clock) -> None:
        self.plan = plan
        self.link = Link.to(plan.wire, timeout_s=plan.entry.timeout, clock=clock)
        self.state = LinkState(plan.entry.name, str(plan.wire), self.link)
        self.courses: dict[str, list[Course]] = {}
        """By meter."""

        self.seats: dict[str, int] = {}
        self.worker: LinkWorker | None = None
        self.task: asyncio.Task[None] | None = None
        self.load: LoadWatch | None = None

    @property
    def lanes(self) -> int:
        """Polls that may be under way at a time."""
        return self.plan.wire.max_in_flight


class Service:
    """Polls, keeps, passes on.

    Args:
        site: What the site is called.
        store: Keeps what is read; None: nothing does.
        journal: Gets what is read before the store does, for the sinks; None: there are none.
        state_folder: Where what is learned of the meters is kept; None: nowhere.
        snapshot: What everybody sees; None: a new one.
        events: Told what happens; None: a new stream.
        clock: Times it all.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only but the name
        self,
        site: str,
        *,
        store: Store | None = None,
        journal: Journalist | None = None,
        state_folder: Path | None = None,
        snapshot: Snapshot | None = None,
        events: EventStream | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self.snapshot = snapshot or Snapshot(site, self._clock.now())
        self.events = events or EventStream(self._clock)
        self.on_journal = asyncio.Event()
        """Set whenever the journal got something."""

        self._keeper = Keeper(
            store=store,
            journal=journal,
            state=self.snapshot.store,
            events=self.events,
            on_journal=self.on_journal.set,
            clock=self._clock,
        )
        self._is_kept = store is not None or journal is not None
        self._shelf = None if state_folder is None else Shelf(state_folder / "meters", self._clock)
        self._supervisor = Supervisor(self.events, self._clock)
        self._maker = CourseMaker(self._clock)
        self._watch = MeterWatch(self.events)
        self._wall = WallClock(self._clock)
        self._seats = Seats()
        self._links: dict[str, _Running] = {}
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Get ready to keep what comes; nothing is polled yet."""
        self._keeping = self._supervisor.start(Topic.STORE, "", self._keeper.run)
        self._supervisor.start(Topic.SERVICE, "load", self._look)
        if self._shelf is not None:
            self._supervisor.start(Topic.SERVICE, "memory", self._shelf.run)

    async def apply(self, links: Sequence[ResolvedLink]) -> None:
        """Poll these links from now on; what is not changed is not disturbed.

        Raises:
            ConfigError: A meter cannot be read as planned; nothing is changed then.
        """
        wanted = {plan.entry.name: plan for plan in links}
        # Everything that can fail comes first, on links that nobody uses yet.
        fresh = {
            name: self._prepared(plan, self._links.get(name))
            for name, plan in wanted.items()
            if name not in self._links or self._links[name].plan != plan
        }
        gone = [
            running for name, running in self._links.items() if name in fresh or name not in wanted
        ]
        await asyncio.gather(*(self._halt(running) for running in gone))
        closed = [r.link for r in gone if not self._is_kept_open(r, fresh)]
        await asyncio.gather(*(link.close() for link in closed))
        for running in gone:
            del self._links[running.plan.entry.name]
            after = fresh.get(running.plan.entry.name)
            for meter, seat in running.seats.items():
                if after is None or after.seats.get(meter) != seat:
                    self._seats.give_back(seat)
        self._links.update(fresh)
        self._links = {name: self._links[name] for name in wanted}
        for running in fresh.values():
            self._begin(running)
        self._show()

    async def stop(self) -> None:
        """End the polls that are under way, keep what they brought, let go of everything."""
        await asyncio.gather(*(self._halt(running) for running in self._links.values()))
        await asyncio.gather(*(running.link.close() for running in self._links.values()))
        for running in self._links.values():
            for courses in running.courses.values():
                for course in courses:
                    course.reader.remember()
        await self._keeper.close()
        if self._shelf is not None:
            await self._shelf.flush()
        await self._supervisor.close()

    def link(self, meter: str) -> Link | None:
        """The link a meter is on, for whoever wants to ask it something; None: no such meter."""
        for running in self._links.values():
            if meter in running.courses:
                return running.link
        return None

    def _prepared(self, plan: ResolvedLink, before: _Running | None) -> _Running:
        """A link with its courses, those that stay as they are taken over; nothing runs yet."""
        running = _Running(plan, self._clock)
        is_same_link = before is not None and before.plan.entry == plan.entry
        known: dict[str, ResolvedMeter] = {}
        if before is not None and is_same_link:
            known = {meter.name: meter for meter in before.plan.meters}
            running.link, running.state = before.link, before.state
        for meter in plan.meters:
            if before is not None and known.get(meter.name) == meter:
                running.courses[meter.name] = before.courses[meter.name]
                running.seats[meter.name] = before.seats[meter.name]
            else:
                self._add(running, meter)
        return running

    def _add(self, running: _Running, meter: ResolvedMeter) -> None:
        seat = self._seats.take()
        phase, wall, now = Seats.phase(seat), self._wall, self._clock.monotonic()
        shelf, endpoint = self._shelf, str(running.link)

        def memory(name: str) -> Memory | None:
            return None if shelf is None else shelf.memory(endpoint, meter.unit, name)

        running.seats[meter.name] = seat
        running.courses[meter.name] = self._maker.make(
            meter,
            running.link.unit(meter.unit),
            running.plan.wire,
            moments=lambda interval_s: Moments(interval_s, phase, wall, now),
            memory=memory,
        )

    @staticmethod
    def _is_kept_open(running: _Running, fresh: dict[str, _Running]) -> bool:
        after = fresh.get(running.plan.entry.name)
        return after is not None and after.link is running.link

    def _begin(self, running: _Running) -> None:
        courses = [course for each in running.courses.values() for course in each]
        if not courses:
            return
        running.state.meters = list(running.courses)
        load = running.load = LoadWatch(
            running.state, courses, lanes=running.lanes, events=self.events, clock=self._clock
        )

        def take(course: Course, poll: Poll, duration_s: float) -> None:
            self._take(running, load, course, poll, duration_s)

        async def work() -> None:
            running.worker = LinkWorker(courses, lanes=running.lanes, take=take, clock=self._clock)
            await running.worker.run()

        running.task = self._supervisor.start(Topic.LINK, running.state.name, work)

    async def _halt(self, running: _Running) -> None:
        """End a link's work after the polls that are under way."""
        if running.task is None:
            return
        if running.worker is None:  # it did not even begin
            running.task.cancel()
        else:
            running.worker.stop()
        _, late = await asyncio.wait([running.task], timeout=_LAST_POLLS_S)
        for task in late:
            task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)

    def _take(
        self, running: _Running, load: LoadWatch, course: Course, poll: Poll, duration_s: float
    ) -> None:
        # Once for each poll: flat.
        state, report = course.state, poll.report
        state.revision += 1
        state.polls += 1
        state.lateness_s = late_s = max(poll.lateness_s, 0.0)
        state.duration_s = duration_s
        self.snapshot.lateness.add(late_s)
        if poll.skipped:
            state.skipped += poll.skipped
            load.skipped(poll.skipped)
        self._watch.look(course, running.state, poll)
        if not course.empty_in_row:
            state.reports[course.place] = report
        elif course.empty_in_row > FAILED_AFTER:
            return  # that there is nothing is known by now
        if self._is_kept:
            self._keeper.put(StoredPoll.of(course.key, course.layout, report))

    async def _look(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.monotonic() + _LOOK_S)
            moved_s = self._wall.look()
            if moved_s:
                text = f"the computer's clock was set {'on' if moved_s > 0 else 'back'} by "
                self.events.tell(
                    Level.WARNING, Topic.SERVICE, "", f"{text}{abs(moved_s):.0f} s; polls follow it"
                )
            for running in self._links.values():
                if running.load is not None:
                    running.load.look()

    def _show(self) -> None:
        """Have the snapshot show the links and meters that there are."""
        self.snapshot.links = {name: running.state for name, running in self._links.items()}
        self.snapshot.meters = {
            meter: courses[0].state
            for running in self._links.values()
            for meter, courses in running.courses.items()
        }
