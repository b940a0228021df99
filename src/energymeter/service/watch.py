"""Tells what the polls say about meters and links, once each: faults, recoveries, overload."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from energymeter.clock import Clock
from energymeter.errors import ExceptionReplyError, LinkError
from energymeter.reader import ReadReport
from energymeter.service.course import Course
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.poller import Poll
from energymeter.service.snapshot import LinkState
from energymeter.service.supervisor import sentence_of

__all__ = ["FAILED_AFTER", "LoadWatch", "MeterWatch"]

_log = logging.getLogger(__name__)

FAILED_AFTER: Final = 3
"""Polls in a row that bring nothing before somebody is told."""

_TELL_AGAIN_S: Final = 600.0
_TOLD: Final = timedelta(seconds=_TELL_AGAIN_S)
_FORGOTTEN: Final = timedelta(hours=1)
"""Values that went together for so long are told again when they do not."""

_KEPT_UP: Final = 3
"""Periods without a skipped poll after which a link keeps its schedule again."""

_BEGIN_S: Final = 15.0
"""A link that has just begun is let be: it is opened, and its meters are looked over."""

_BUSY: Final = 0.9
"""Part of the time that a schedule needs above which it is the reason that it is not kept."""


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
            self._warned(course, report)

    def broke(self, course: Course, error: Exception, now: datetime) -> None:
        """A fault of the program ended a poll."""
        state = course.state
        state.failed += 1
        state.fault = f"a fault of the program ended its poll ({sentence_of(error)})"
        if state.fault_since is None:
            state.fault_since = now
        told = course.told_broken_at
        if told is None or not timedelta(0) <= now - told < _TOLD:
            course.told_broken_at = now
            _log.error("a poll of %s failed", state.info.name, exc_info=error)
            text = f"{state.fault}; please report it"
            self._events.tell(Level.ERROR, Topic.METER, state.info.name, text)

    def _missed(self, course: Course, link: LinkState, report: ReadReport) -> None:
        state = course.state
        course.empty_in_row += 1
        if course.empty_since is None:
            course.empty_since = report.time
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
            return
        if isinstance(error, ExceptionReplyError):
            self._is_there(link, report.time)
        course.silent_in_row += 1
        # All courses of a meter share it likewise.
        if course.silent_in_row >= FAILED_AFTER and not state.courses_told:
            course.is_told = True
            state.courses_told += 1
            self._events.tell(Level.WARNING, Topic.METER, state.info.name, state.fault)

    def _answered(self, course: Course, link: LinkState, now: datetime) -> None:
        state = course.state
        self._is_there(link, now)
        if course.is_told:
            course.is_told = False
            state.courses_told -= 1
            gap_s = _gap_s(course.empty_since, now)
            text = f"answers again, {course.empty_in_row} polls missed in {gap_s:.0f} s"
            self._events.tell(Level.INFO, Topic.METER, state.info.name, text)
        course.empty_in_row = course.silent_in_row = 0
        course.empty_since = None
        state.fault, state.fault_since = "", None

    def _is_there(self, link: LinkState, now: datetime) -> None:
        if link.fault:
            text = f"is there again after {_gap_s(link.fault_since, now):.0f} s"
            link.fault, link.fault_since = "", None
            self._events.tell(Level.INFO, Topic.LINK, link.name, text)

    def _warned(self, course: Course, report: ReadReport) -> None:
        warned, name = course.warned, course.state.info.name
        news = [
            (subject, warning)
            for warning in report.warnings
            if (subject := warning.partition(":")[0]) not in warned
            or report.time - warned[subject] > _FORGOTTEN
        ]
        for _, warning in news:
            text = f"values do not go together: {warning}"
            self._events.tell(Level.WARNING, Topic.METER, name, text)
        for warning in report.warnings:
            warned[warning.partition(":")[0]] = report.time


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
        self._began_at = self._looked_at = clock.monotonic()
        self._skipped = 0
        self._told_at: float | None = None
        self._kept_up = 0

    def skipped(self, polls: int) -> None:
        """So many polls were passed over."""
        self._skipped += polls

    def look(self, *, is_excused: bool = False) -> None:
        """Compare what the link did since the last look with what it should have done.

        Args:
            is_excused: What was passed over is not the link's fault, and not told.
        """
        state, now = self._state, self._clock.monotonic()
        elapsed_s = now - self._looked_at
        if elapsed_s <= 0:
            return
        state.utilisation = (state.link.busy_s - self._busy_s) / elapsed_s / self._lanes
        state.wanted = (
            sum(course.duration_s / course.moments.interval_s for course in self._courses)
            / self._lanes
        )
        state.skipped, self._skipped = 0 if is_excused else self._skipped, 0
        self._busy_s, self._looked_at = state.link.busy_s, now
        if not state.skipped:
            self._kept_up += 1
            if self._told_at is not None and self._kept_up >= _KEPT_UP:
                self._told_at = None
                self._events.tell(Level.INFO, Topic.LINK, state.name, "keeps its schedule again")
            return
        self._kept_up = 0
        if now - self._began_at < _BEGIN_S:
            return
        if self._told_at is None or now - self._told_at >= _TELL_AGAIN_S:
            self._told_at = now
            text = self._sentence(elapsed_s)
            self._events.tell(Level.WARNING, Topic.LINK, state.name, text)

    def _sentence(self, elapsed_s: float) -> str:
        state = self._state
        due = sum(elapsed_s / course.moments.interval_s for course in self._courses)
        most = max(self._courses, key=lambda c: c.duration_s / c.moments.interval_s)
        said = (
            f"cannot keep its schedule: {state.skipped} of {due:.0f} polls in {elapsed_s:.0f} s "
            "were passed over"
        )
        longest = f"{most.state.info.name} takes {most.duration_s:.2g} s a poll"
        if state.wanted < _BUSY:
            return (
                f"{said}, though its meters need only {state.wanted:.0%} of the time there is: "
                f"{longest}; does a meter answer late at times, or has the computer too much to do?"
            )
        return (
            f"{said}, for its meters need {state.wanted:.0%} of the time there is, {longest}; "
            "poll less often, or move meters to another link"
        )


def _gap_s(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else (now - since).total_seconds()
