"""Tells what the polls say about meters and links, once each: faults, recoveries, overload."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from energymeter.clock import Clock
from energymeter.errors import LinkError
from energymeter.reader import ReadReport
from energymeter.service.course import Course
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.poller import Poll
from energymeter.service.snapshot import LinkState, MeterState

__all__ = ["FAILED_AFTER", "LoadWatch", "MeterWatch"]

FAILED_AFTER: Final = 3
"""Polls in a row that bring nothing before somebody is told."""

_TELL_AGAIN_S: Final = 600.0
_KEPT_UP: Final = 3
"""Periods without a skipped poll after which a link keeps its schedule again."""


class MeterWatch:
    """Looks at every poll.

    Args:
        events: Told what is new.
    """

    def __init__(self, events: EventStream) -> None:
        self._events = events

    def look(self, course: Course, link: LinkState, poll: Poll) -> None:
        """Note what a poll says about its meter and its link."""
        report, state = poll.report, course.state
        if report.is_empty:
            self._missed(course, link, report)
        elif course.empty_in_row or state.fault or link.fault:
            self._answered(course, link, report.time)
        if report.events:
            for event in report.events:
                self._events.tell(Level.INFO, Topic.METER, state.info.name, event.text)
        if report.warnings:
            subjects = frozenset(warning.partition(":")[0] for warning in report.warnings)
            for warning in report.warnings:
                if warning.partition(":")[0] not in course.warned:
                    text = f"values do not go together: {warning}"
                    self._events.tell(Level.WARNING, Topic.METER, state.info.name, text)
            course.warned = subjects

    def _missed(self, course: Course, link: LinkState, report: ReadReport) -> None:
        state = course.state
        course.empty_in_row += 1
        state.failed += 1
        error = report.failures[0].error if report.failures else None
        state.fault = str(error) if error is not None else "nothing to read"
        if state.fault_since is None:
            state.fault_since = report.time
        if isinstance(error, LinkError):
            # All meters of the link share it: it is told once.
            if not link.fault:
                link.fault_since = report.time
                self._events.tell(Level.WARNING, Topic.LINK, link.name, str(error))
            link.fault = str(error)
        elif course.empty_in_row == FAILED_AFTER:
            self._events.tell(Level.WARNING, Topic.METER, state.info.name, state.fault)

    def _answered(self, course: Course, link: LinkState, now: datetime) -> None:
        state = course.state
        if link.fault:
            text = f"is there again after {_gap_s(link, now):.0f} s"
            link.fault, link.fault_since = "", None
            self._events.tell(Level.INFO, Topic.LINK, link.name, text)
        elif course.empty_in_row >= FAILED_AFTER:
            text = (
                f"answers again, {course.empty_in_row} polls missed in {_gap_s(state, now):.0f} s"
            )
            self._events.tell(Level.INFO, Topic.METER, state.info.name, text)
        course.empty_in_row = 0
        state.fault, state.fault_since = "", None


class LoadWatch:
    """Tells whether a link can keep its schedule.

    Args:
        state: The link; kept up to date.
        courses: What is polled there.
        lanes: Polls that may be under way at a time.
        events: Told when it cannot, and when it can again.
        clock: Times it.
    """

    def __init__(
        self,
        state: LinkState,
        courses: list[Course],
        *,
        lanes: int,
        events: EventStream,
        clock: Clock,
    ) -> None:
        self._state = state
        self._courses = courses
        self._lanes = lanes
        self._events = events
        self._clock = clock
        self._busy_s = state.link.busy_s
        self._looked_at = clock.monotonic()
        self._skipped = self._polls = 0
        self._told_at: float | None = None
        self._kept_up = 0

    def skipped(self, polls: int) -> None:
        """So many polls were passed over."""
        self._skipped += polls

    def look(self) -> None:
        """Compare what the link did since the last look with what it should have done."""
        state, now = self._state, self._clock.monotonic()
        elapsed_s = now - self._looked_at
        if elapsed_s <= 0:
            return
        state.utilisation = (state.link.busy_s - self._busy_s) / elapsed_s / self._lanes
        state.wanted = (
            sum(course.duration_s / course.moments.interval_s for course in self._courses)
            / self._lanes
        )
        state.skipped, self._skipped = self._skipped, 0
        self._busy_s, self._looked_at = state.link.busy_s, now
        if not state.skipped:
            self._kept_up += 1
            if self._told_at is not None and self._kept_up >= _KEPT_UP:
                self._told_at = None
                self._events.tell(Level.INFO, Topic.LINK, state.name, "keeps its schedule again")
            return
        self._kept_up = 0
        if self._told_at is None or now - self._told_at >= _TELL_AGAIN_S:
            self._told_at = now
            due = sum(elapsed_s / course.moments.interval_s for course in self._courses)
            self._events.tell(
                Level.WARNING,
                Topic.LINK,
                state.name,
                f"cannot keep its schedule: {state.skipped} of {due:.0f} polls in "
                f"{elapsed_s:.0f} s were passed over, for its meters need {state.wanted:.0%} of "
                "the time there is; poll less often, or move meters to another link",
            )


def _gap_s(state: MeterState | LinkState, now: datetime) -> float:
    return 0.0 if state.fault_since is None else (now - state.fault_since).total_seconds()
