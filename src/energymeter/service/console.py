"""Tell a person what the polls bring: values, faults and recoveries, as plain lines."""

from __future__ import annotations

from datetime import datetime
from typing import TextIO

from energymeter.reader import OrderFinding, Quality, ReadReport
from energymeter.service.poller import Poll
from energymeter.values.text import format_value

__all__ = ["ConsoleReporter", "failure_lines", "rejected", "value_lines"]


def value_lines(report: ReadReport) -> list[str]:
    """Name, value and unit of every value, one a line, in columns."""
    width = max(len(point.name) for point in report.points)
    lines = []
    for point, value, quality in zip(report.points, report.values, report.qualities, strict=True):
        text = format_value(value, point.type, point.exact_scale.divisor)
        remark = point.unit if value is not None else quality.replace("_", " ")
        lines.append(f"  {point.name:<{width}}  {text:>14} {remark}".rstrip())
    return lines


def failure_lines(report: ReadReport) -> list[str]:
    """What could not be read and why; reads that failed for one reason share a line."""
    reasons: dict[str, list[str]] = {}
    for block, error in report.failures:
        place = f"{block.table} {block.address}..{block.end - 1}"
        reasons.setdefault(str(error), []).append(place)
    return [f"{', '.join(places)}: {reason}" for reason, places in reasons.items()]


def rejected(report: ReadReport) -> dict[str, str]:
    """Name and reason of the values that were read and not believed."""
    if Quality.WITHHELD not in report.qualities and Quality.OUT_OF_RANGE not in report.qualities:
        return {}
    return {
        point.name: report.reason(point.name)
        for point, quality in zip(report.points, report.qualities, strict=True)
        if quality in (Quality.WITHHELD, Quality.OUT_OF_RANGE)
    }


class ConsoleReporter:
    """Writes polls as lines of text.

    Args:
        title: What the meter is called.
        interval_s: Seconds until the next poll, for messages.
        out: Where values go.
        err: Where faults and recoveries go.
    """

    def __init__(self, title: str, interval_s: float, out: TextIO, err: TextIO) -> None:
        self._title = title
        self._interval_s = interval_s
        self._out = out
        self._err = err
        self._failed_since: datetime | None = None
        self._failed_polls = 0
        self._finding: OrderFinding | None = None
        self._rejected: set[str] = set()
        self._warned: set[str] = set()

    def show(self, poll: Poll) -> None:
        """Write one poll; see `Poller.on_poll`."""
        report = poll.report
        when = report.time.astimezone().strftime("%H:%M:%S")
        if poll.skipped:
            self._say(when, f"{poll.skipped} polls skipped, reading took longer than the interval")
        if report.is_empty:
            self._failed_since = self._failed_since or report.time
            self._failed_polls += 1
            reason = str(report.failures[0].error) if report.failures else "nothing to read"
            self._say(when, f"{reason}; next poll in {self._interval_s:g} s")
            return
        if self._failed_since is not None:
            gap_s = (report.time - self._failed_since).total_seconds()
            plural = "s" if self._failed_polls > 1 else ""
            self._say(
                when, f"answers again, {self._failed_polls} poll{plural} missed in {gap_s:.0f} s"
            )
            self._failed_since, self._failed_polls = None, 0
        for line in failure_lines(report):
            self._say(when, f"not read: {line}")
        self._tell_doubts(when, report)
        self._out.write("\n".join([f"{when} {self._title}", *value_lines(report), ""]))
        self._out.flush()

    def tell_order(self, finding: OrderFinding | None) -> None:
        """Write what was found out about the order, once for each finding."""
        if finding is not None and finding != self._finding:
            self._finding = finding
            self._err.write(f"AUTO: {finding.reason}\n")
            self._err.flush()

    def _tell_doubts(self, when: str, report: ReadReport) -> None:
        """Events always; values not believed and warnings when they are new."""
        for event in report.events:
            self._say(when, event.text)
        reasons = rejected(report)
        for name, reason in reasons.items():
            if name not in self._rejected:
                self._say(when, f"not believed: {name}: {reason}")
        self._rejected = set(reasons)
        for warning in report.warnings:
            subject = warning.partition(":")[0]
            if subject not in self._warned:
                self._warned.add(subject)
                self._say(when, f"does not go together: {warning}")

    def _say(self, when: str, text: str) -> None:
        self._err.write(f"{when} {self._title}: {text}\n")
        self._err.flush()
