"""What the service tells Prometheus of itself: meters, links, units, sinks, store, process.

One table; docs/reference/metrics.md is made of it.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

from energymeter._version import __version__
from energymeter.client import UnitHealth
from energymeter.service.snapshot import (
    Lateness,
    LinkState,
    MeterState,
    SinkState,
    Snapshot,
    StoreState,
)
from energymeter.web.meter_labels import MeterLabels
from energymeter.web.text_format import Dialect, Family, Kind, finite, head, label_block

__all__ = ["GROUPS", "RESERVED", "OwnMetrics"]

_PIECE: Final = 500
"""Samples in one piece of the text."""

Number = int | float | None
Subject = TypeVar("Subject")


class _Metric(NamedTuple, Generic[Subject]):
    """One metric and how its number is found; None: there is none."""

    family: Family
    number: Callable[[Subject, datetime], Number]


def _gauge(name: str, text: str, number: Callable[[Subject, datetime], Number]) -> _Metric[Subject]:
    return _Metric(Family(f"energymeter_{name}", Kind.GAUGE, text), number)


def _counter(
    name: str, text: str, number: Callable[[Subject, datetime], Number]
) -> _Metric[Subject]:
    return _Metric(Family(f"energymeter_{name}_total", Kind.COUNTER, text), number)


def _age_s(state: MeterState, now: datetime) -> float | None:
    # A report that brought nothing does not take the place of one that brought something.
    return None if state.time is None else max(0.0, (now - state.time).total_seconds())


_METER: Final[tuple[_Metric[MeterState], ...]] = (
    _gauge("meter_up", "1: the meter answered its newest poll", lambda m, _: int(m.is_alive)),
    _gauge("meter_last_reading_age_seconds", "since the meter was read with success", _age_s),
    _counter("meter_polls", "polls of the meter", lambda m, _: m.polls),
    _counter("meter_failed_polls", "polls that brought nothing at all", lambda m, _: m.failed),
    _counter("meter_skipped_polls", "moments passed over, out of time", lambda m, _: m.skipped),
    _gauge(
        "meter_poll_lateness_seconds", "how late the newest poll began", lambda m, _: m.lateness_s
    ),
    _gauge(
        "meter_poll_duration_seconds", "how long the newest poll took", lambda m, _: m.duration_s
    ),
)

_LINK: Final[tuple[_Metric[LinkState], ...]] = (
    _gauge("link_open", "1: there is a connection", lambda k, _: int(k.link.is_open)),
    _gauge(
        "link_utilisation_ratio",
        "fraction of recent time the link was busy",
        lambda k, _: k.utilisation,
    ),
    _gauge(
        "link_wanted_ratio",
        "part of the time its schedule needs; above 1 it cannot be kept",
        lambda k, _: k.wanted,
    ),
    _counter("link_busy_seconds", "time with requests in progress", lambda k, _: k.link.busy_s),
    _gauge("link_skipped_polls", "polls passed over in the last period", lambda k, _: k.skipped),
)

_UNIT: Final[tuple[_Metric[UnitHealth], ...]] = (
    _counter("unit_requests", "questions sent to the unit", lambda u, _: u.requests),
    _counter("unit_refusals", "answers that said no (exception replies)", lambda u, _: u.refusals),
    _counter("unit_timeouts", "requests that timed out", lambda u, _: u.timeouts),
    _counter("unit_faults", "wrong answers, and losses of the connection", lambda u, _: u.faults),
    _gauge(
        "unit_latency_seconds",
        "how long the unit thinks on average",
        lambda u, _: u.latency_s if u.answers else None,
    ),
)

_SINK: Final[tuple[_Metric[SinkState], ...]] = (
    _gauge("sink_up", "1: the sink can send", lambda s, _: int(not s.fault)),
    _counter("sink_sent_polls", "polls the receiver has", lambda s, _: s.sent),
    _gauge("sink_waiting_polls", "polls that are to be sent still", lambda s, _: s.waiting),
    _counter(
        "sink_dropped_polls", "polls lost: beyond the bound, or rejected", lambda s, _: s.dropped
    ),
)

_STORE: Final[tuple[_Metric[StoreState], ...]] = (
    _gauge("store_up", "1: the store takes what is read", lambda s, _: int(not s.fault)),
    _counter("store_stored_polls", "polls kept", lambda s, _: s.stored),
    _gauge("store_waiting_polls", "polls that are in memory only", lambda s, _: s.waiting),
    _counter("store_dropped_polls", "polls lost: not taken for too long", lambda s, _: s.dropped),
)


class _Process(NamedTuple):
    """The process as it is at one moment."""

    snapshot: Snapshot
    memory_bytes: int | None
    files: int | None


def _process_metric(
    name: str, kind: Kind, text: str, number: Callable[[_Process, datetime], Number]
) -> _Metric[_Process]:
    return _Metric(Family(name, kind, text), number)


_SERVICE: Final[tuple[_Metric[_Process], ...]] = (
    _gauge(
        "start_time_seconds",
        "when the service started, since 1970",
        lambda p, _: p.snapshot.started.timestamp(),
    ),
    _gauge("meters", "meters of the site", lambda p, _: len(p.snapshot.meters)),
    _process_metric(
        "process_cpu_seconds_total",
        Kind.COUNTER,
        "time of a processor used",
        lambda *_: time.process_time(),
    ),
    _process_metric(
        "process_resident_memory_bytes", Kind.GAUGE, "memory in use", lambda p, _: p.memory_bytes
    ),
    _process_metric("process_open_fds", Kind.GAUGE, "open files and sockets", lambda p, _: p.files),
)

_LATENESS: Final = Family(
    "energymeter_poll_lateness_seconds", Kind.HISTOGRAM, "how late polls began, of all meters"
)
_BUILD: Final = Family("energymeter_build_info", Kind.GAUGE, "always 1; the labels say what runs")

_METER_LABELS: Final = ("meter", "profile", "link")

GROUPS: Final[dict[str, tuple[tuple[str, ...], tuple[Family, ...]]]] = {
    "The service": ((), tuple(metric.family for metric in _SERVICE)),
    "What runs": (("version", "python", "site"), (_BUILD,)),
    "All polls": ((), (_LATENESS,)),
    "Meters": (_METER_LABELS, tuple(metric.family for metric in _METER)),
    "Links": (("link",), tuple(metric.family for metric in _LINK)),
    "Units of a link": (("link", "unit"), tuple(metric.family for metric in _UNIT)),
    "Sinks": (("sink", "type"), tuple(metric.family for metric in _SINK)),
    "The store": ((), tuple(metric.family for metric in _STORE)),
}
"""Title -> labels and metrics: everything there is."""

_NAMES: Final = {family.name for _, families in GROUPS.values() for family in families}
_ENDINGS: Final = ("", "_total", "_bucket", "_sum", "_count")
RESERVED: Final = frozenset(
    name.removesuffix("_total") + ending for name in _NAMES for ending in _ENDINGS
)
"""Names that no value of a meter may have."""


class OwnMetrics:
    """Writes the metrics of the service itself.

    Args:
        snapshot: Where everything stands.
        labels: Writes the labels of meters.
    """

    def __init__(self, snapshot: Snapshot, labels: MeterLabels) -> None:
        self._snapshot = snapshot
        self._labels = labels

    def pieces(self, now: datetime, dialect: Dialect) -> Iterator[str]:
        """The text, in pieces; an empty one lets others have their turn."""
        snapshot = self._snapshot
        process = [("", _Process(snapshot, _memory_bytes(), _open_files()))]
        yield head(_BUILD, dialect) + f"{_BUILD.name}{self._build()} 1\n"
        yield from _samples(_SERVICE, process, now, dialect)
        yield _histogram(_LATENESS, snapshot.lateness, dialect)
        links = list(snapshot.links.values())
        meters: list[tuple[str, MeterState]] = []
        yield from self._gather(meters)
        yield from _samples(_METER, meters, now, dialect)
        yield from _samples(
            _LINK, [(label_block({"link": k.name}), k) for k in links], now, dialect
        )
        units: list[tuple[str, UnitHealth]] = []
        for count, link in enumerate(links):
            if count % 100 == 99:
                yield ""
            for number, health in list(link.link.health.units.items()):
                units.append((label_block({"link": link.name, "unit": str(number)}), health))
        yield from _samples(_UNIT, units, now, dialect)
        sinks = [
            (label_block({"sink": sink.name, "type": sink.type}), sink)
            for sink in list(snapshot.sinks.values())
        ]
        yield from _samples(_SINK, sinks, now, dialect)
        if snapshot.store.place:
            yield from _samples(_STORE, [("", snapshot.store)], now, dialect)

    def _build(self) -> str:
        python = platform.python_version()
        return label_block({"version": __version__, "python": python, "site": self._snapshot.site})

    def _gather(self, meters: list[tuple[str, MeterState]]) -> Iterator[str]:
        links = self._labels.links()
        for count, (name, state) in enumerate(list(self._snapshot.meters.items())):
            if count % 100 == 99:
                yield ""
            block = self._labels.block(state.info, links.get(name, state.info.link))
            meters.append((block, state))


def _samples(
    metrics: Iterable[_Metric[Subject]],
    subjects: list[tuple[str, Subject]],
    now: datetime,
    dialect: Dialect,
) -> Iterator[str]:
    for family, number in metrics:
        start, name = head(family, dialect), family.name
        for first in range(0, len(subjects), _PIECE):
            piece = "".join(
                f"{name}{block} {found!r}\n"
                for block, subject in subjects[first : first + _PIECE]
                if (found := number(subject, now)) is not None
            )
            yield start + finite(piece) if piece else ""
            start = "" if piece else start


def _histogram(family: Family, lateness: Lateness, dialect: Dialect) -> str:
    lines, name, count = [head(family, dialect)], family.name, 0
    limits = (*(repr(limit) for limit in lateness.LIMITS_S), "+Inf")
    for limit, more in zip(limits, lateness.counts, strict=True):
        count += more
        lines.append(f'{name}_bucket{{le="{limit}"}} {count}\n')
    lines += (f"{name}_sum {lateness.total_s!r}\n", f"{name}_count {count}\n")
    return "".join(lines)


def _memory_bytes() -> int | None:
    """Memory in use, where the system tells it the way Linux does."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _open_files() -> int | None:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - ten thousand sockets: no objects
    except OSError:
        return None
