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
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from energymeter.client import Priority
from energymeter.clock import Clock, SystemClock
from energymeter.reader import Memory, ReadReport
from energymeter.service.course import Course, CourseMaker
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.frames import FrameStream
from energymeter.service.keeper import Journalist, Keeper
from energymeter.service.poller import Poll
from energymeter.service.running import RunningLink
from energymeter.service.shelf import Shelf
from energymeter.service.snapshot import Snapshot
from energymeter.service.supervisor import Supervisor
from energymeter.service.timetable import Moments, Seats, WallClock
from energymeter.service.unbroken import unbroken
from energymeter.service.watch import FAILED_AFTER, LoadWatch, MeterWatch
from energymeter.site import ResolvedLink, ResolvedMeter, SameMeter
from energymeter.store import Store, StoredPoll

__all__ = ["Service"]

_LOOK_S: Final = 10.0
"""Seconds between two looks at the load of the links and at the clock."""

_BEATS: Final = 10
"""Parts of that time in which it is seen whether the process goes on."""

_STOOD_S: Final = 2.0
"""Who wakes up so much late has stood still, and with him every link."""


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
        self._links: dict[str, RunningLink] = {}
        self._changing = asyncio.Lock()
        self._is_stopped = False

    async def start(self) -> None:
        """Get ready to keep what comes; nothing is polled yet."""
        self._supervisor.start(Topic.STORE, "", self._keeper.run)
        self._supervisor.start(Topic.SERVICE, "load", self._look)
        if self._shelf is not None:
            self._supervisor.start(Topic.SERVICE, "memory", self._shelf.run)

    async def apply(self, links: Sequence[ResolvedLink]) -> None:
        """Poll these links from now on; what is not changed is not disturbed.

        Changes come one after the other, and none after `stop`. Cancelled, it does not wait for
        polls that are under way, but the change is made.

        Raises:
            ConfigError: A meter cannot be read as planned; nothing is changed then.
        """
        async with self._changing:
            if self._is_stopped:
                return
            # Everything that can fail comes first, on links that nobody uses yet.
            await asyncio.to_thread(self._maker.prepare, links)
            fresh = self._prepared(links)
            wanted = {plan.entry.name for plan in links}
            gone = [
                running
                for name, running in self._links.items()
                if name in fresh or name not in wanted
            ]
            await unbroken(self._exchange(gone, fresh, links), lambda: _cut_short(gone))

    async def flush(self) -> None:
        """Have what the polls brought so far kept, and written to the journal."""
        await self._keeper.flush()

    async def stop(self) -> None:
        """End the polls that are under way, keep what they brought, let go of everything.

        Cancelled, it does not wait for polls that are under way, but what came is kept.
        """
        async with self._changing:
            if not self._is_stopped:
                self._is_stopped = True
                running = list(self._links.values())
                await unbroken(self._end_all(running), lambda: _cut_short(running))

    async def read_now(self, meter: str) -> list[ReadReport]:
        """See `Operator.read_now`."""
        plan, running = self._plan_of(meter)
        shelf, endpoint = self._shelf, str(running.link)
        courses = self._maker.make(
            plan,
            running.link.unit(plan.unit, priority=Priority.PERSON),
            running.plan.wire,
            moments=lambda interval_s: Moments(interval_s, 0.0, self._wall, 0.0),
            memory=lambda name: (
                None if shelf is None else shelf.glance(endpoint, plan.unit, name, meter=meter)
            ),
        )
        return [await course.reader.read() for course in courses]

    def frames(self, link: str) -> FrameStream:
        """See `Operator.frames`."""
        return self._links[link].frames

    def _plan_of(self, meter: str) -> tuple[ResolvedMeter, RunningLink]:
        for running in self._links.values():
            for plan in running.plan.meters:
                if plan.name == meter:
                    return plan, running
        raise KeyError(meter)

    def _prepared(self, links: Sequence[ResolvedLink]) -> dict[str, RunningLink]:
        """The links that are new or change; nothing of them runs yet."""
        is_same = SameMeter()
        fresh: dict[str, RunningLink] = {}
        plans = {plan.entry.name: plan for plan in links}
        for name, running in self._links.items():
            # A meter may be on another link now, where its counters are looked for.
            if name not in plans or not _is_same_link(running, plans[name], is_same):
                running.remember()
        try:
            for plan in links:
                before = self._links.get(plan.entry.name)
                if before is not None and _is_same_link(before, plan, is_same):
                    continue
                running = fresh[plan.entry.name] = RunningLink(plan, before, self._clock)
                self._fill(running, before, is_same)
        except BaseException:
            for name, running in fresh.items():
                self._free_seats(running, self._links.get(name))
            raise
        return fresh

    def _fill(self, running: RunningLink, before: RunningLink | None, is_same: SameMeter) -> None:
        """Give a link its courses; those that stay as they are it takes over."""
        known: dict[str, ResolvedMeter] = {}
        if before is not None and before.link is running.link:
            known = {meter.name: meter for meter in before.plan.meters}
        for meter in running.plan.meters:
            name = meter.name
            if before is None or name not in before.courses:
                running.seats[name] = self._seats.take()
            else:
                running.seats[name] = before.seats[name]
                if name in known and is_same(known[name], meter):
                    running.courses[name] = before.courses[name]
                    continue
            running.courses[name] = self._new_courses(running, meter)

    def _new_courses(self, running: RunningLink, meter: ResolvedMeter) -> list[Course]:
        phase, wall = Seats.phase(running.seats[meter.name]), self._wall
        shelf, endpoint, now = self._shelf, str(running.link), self._clock.monotonic()

        def memory(name: str) -> Memory | None:
            if shelf is None:
                return None
            return shelf.memory(endpoint, meter.unit, name, meter=meter.name)

        return self._maker.make(
            meter,
            running.link.unit(meter.unit),
            running.plan.wire,
            moments=lambda interval_s: Moments(interval_s, phase, wall, now),
            memory=memory,
        )

    async def _exchange(
        self,
        gone: Sequence[RunningLink],
        fresh: Mapping[str, RunningLink],
        links: Sequence[ResolvedLink],
    ) -> None:
        """End what is gone and begin what is fresh, each link as soon as its place is free."""
        ends = {old.name: asyncio.create_task(self._end(old, fresh.get(old.name))) for old in gone}
        places = {str(old.link): ends[old.name] for old in gone}

        async def begin_after(new: RunningLink, *others: asyncio.Task[None]) -> None:
            await asyncio.wait(others)
            self._begin(new)

        begins = []
        for name, new in fresh.items():
            others = [
                task for task in (ends.get(name), places.get(str(new.link))) if task is not None
            ]
            if others:
                begins.append(begin_after(new, *others))
            else:
                self._begin(new)
        await asyncio.gather(*ends.values(), *begins)
        self._links = {plan.entry.name: self._links[plan.entry.name] for plan in links}
        self._maker.forget_others(meter.profile for plan in links for meter in plan.meters)
        self._show()

    def _begin(self, running: RunningLink) -> None:
        self._links[running.name] = running
        running.begin(self._supervisor, self.events, take=self._take, failed=self._broke)

    async def _end(self, running: RunningLink, after: RunningLink | None) -> None:
        """End a link's work; what `after` took over of it stays as it is."""
        await running.halt()
        if after is None or after.link is not running.link:
            await running.link.close()
        for meter, courses in running.courses.items():
            if after is None or after.courses.get(meter) is not courses:
                for course in courses:
                    course.reader.remember()
        self._free_seats(running, after)
        if after is None:
            del self._links[running.name]

    async def _end_all(self, links: Sequence[RunningLink]) -> None:
        async with AsyncExitStack() as rest:  # whatever goes wrong, the rest is ended too
            rest.push_async_callback(self._supervisor.close)
            if self._shelf is not None:
                rest.push_async_callback(self._shelf.flush)
            rest.push_async_callback(self._keeper.close)
            await asyncio.gather(*(self._end(running, None) for running in links))

    def _free_seats(self, running: RunningLink, other: RunningLink | None) -> None:
        """Give back the seats of a link that the other one has not."""
        for meter, seat in running.seats.items():
            if other is None or other.seats.get(meter) != seat:
                self._seats.give_back(seat)

    def _take(
        self, running: RunningLink, load: LoadWatch, course: Course, poll: Poll, duration_s: float
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

    def _broke(self, course: Course, error: Exception) -> None:
        course.state.revision += 1
        course.state.polls += 1
        self._watch.broke(course, error, self._clock.now())

    async def _look(self) -> None:
        while True:
            stood_s = 0.0
            for _ in range(_BEATS):
                due = self._clock.monotonic() + _LOOK_S / _BEATS
                await self._clock.sleep_until(due)
                stood_s = max(stood_s, self._clock.monotonic() - due)
            has_stood = stood_s > _STOOD_S
            if has_stood:
                text = (
                    f"stood still for {stood_s:.0f} s: it was stopped, or had no processor; polls "
                    "of that time were passed over"
                )
                self.events.tell(Level.WARNING, Topic.SERVICE, "", text)
            moved_s = self._wall.look()
            if moved_s:
                text = (
                    f"the computer's clock went {'on' if moved_s > 0 else 'back'} by "
                    f"{abs(moved_s):.0f} s at once; polls follow it"
                )
                self.events.tell(Level.WARNING, Topic.SERVICE, "", text)
            for running in self._links.values():
                if running.load is not None:
                    running.load.look(is_excused=has_stood)

    def _show(self) -> None:
        """Have the snapshot show the links and meters that there are."""
        self.snapshot.links = {name: running.state for name, running in self._links.items()}
        self.snapshot.meters = {
            meter: courses[0].state
            for running in self._links.values()
            for meter, courses in running.courses.items()
        }


def _is_same_link(before: RunningLink, plan: ResolvedLink, is_same: SameMeter) -> bool:
    known = before.plan.meters
    return (
        before.leads_as(plan)
        and len(known) == len(plan.meters)
        and all(map(is_same, known, plan.meters))
    )


def _cut_short(links: Sequence[RunningLink]) -> None:
    for running in links:
        running.cut_short()
