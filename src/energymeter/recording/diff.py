"""What is different between two dumps, or two recordings: two meters, or one before and after.

Registers are compared where both files asked for them; of a recording, what they held last. Where
a file holds one unit, its number does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, Literal, NamedTuple, TypeVar

from energymeter.codec import ReadRequest, Table
from energymeter.codec.codes import READ_FUNCTIONS, exception_name
from energymeter.recording.exchanges import Exchange
from energymeter.recording.format import Noted, NotedValue
from energymeter.recording.mapdump import is_dump, parse_dump
from energymeter.recording.recall import read_items, understood
from energymeter.recording.traffic import Traffic, load_traffic, read_bytes

__all__ = ["Difference", "Subject", "differences", "load_subject"]

Kind = Literal["register", "answer", "latency", "silence", "value"]

_LATENCY_FACTOR: Final = 2.0
_LATENCY_S: Final = 0.005
"""Answers are later or sooner when the middle one is by this factor and by this much."""

_SILENCE: Final = 0.01
"""A unit is silent more or less often when the share of its questions changes by this much."""

_TABLES: Final[dict[int, Table]] = {function: table for table, function in READ_FUNCTIONS.items()}

Register = tuple[int | None, Table, int]
"""Unit (None: the only one), table, address."""

Span = tuple[int | None, Table, int, int]
"""Unit, table, first address, last address."""


class Subject(NamedTuple):
    """What a file says of one or more units."""

    title: str
    words: Mapping[Register, int]
    """What registers held last; bits are 0 or 1."""

    asked: frozenset[Register]
    """The registers that were asked for, answered or not."""

    outcomes: Mapping[Span, str] = {}
    """What came of each read last: `answered`, `silent`, or the refusal."""

    latencies_s: Mapping[int | None, float] = {}
    """The middle one of each unit that answered."""

    silences: Mapping[int | None, float] = {}
    """The share of questions without an answer, 0 to 1, of each unit."""

    values: Mapping[tuple[int | None, str], NotedValue] = {}
    """Decoded values by unit and name, the last ones."""

    remarks: tuple[str, ...] = ()


class Difference(NamedTuple):
    """One thing that is not the same."""

    kind: Kind
    unit: int | None
    """None: the only one."""

    name: str
    """The register (`holding 7`), the read (`holding 0-9`), or the value; empty: the unit."""

    before: str | int | float | bool | None
    """As the first file has it; None: it is not there."""

    after: str | int | float | bool | None


def load_subject(path: Path, place: str | None = None) -> Subject:
    """Load a dump, a recording or a capture.

    Args:
        path: The file.
        place: `HOST:PORT`, where a capture holds the traffic with several places.

    Raises:
        ConfigError: It cannot be read, or is none of these.
    """
    data = read_bytes(path)
    if not is_dump(data):
        return _recorded(load_traffic(path, place), path)
    dump = parse_dump(data, str(path))
    return Subject(
        f"{path}: {dump.wire} unit {dump.unit}, {dump.taken:%Y-%m-%d %H:%M:%S}",
        {
            (None, table, address): word
            for table, words in dump.words.items()
            for address, word in words.items()
        },
        frozenset((None, table, address) for table, span in dump.asked.items() for address in span),
    )


def _recorded(traffic: Traffic, path: Path) -> Subject:
    exchanges = traffic.exchanges()
    units = {exchange.question.unit for exchange in exchanges}

    def name(unit: int) -> int | None:
        return unit if len(units) > 1 else None

    words: dict[Register, int] = {}
    outcomes: dict[Span, str] = {}
    asked: set[Register] = set()
    for exchange in exchanges:
        request = understood(exchange.question.pdu)
        if isinstance(request, ReadRequest):
            unit, table = name(exchange.question.unit), _TABLES[request.function]
            last = request.address + request.count - 1
            outcomes[unit, table, request.address, last] = _outcome(exchange)
            asked.update((unit, table, n) for n in range(request.address, last + 1))
            found = read_items(exchange)
            if found is not None:
                words.update(((unit, table, n), item) for n, item in found[1].items())
    noted = [
        event
        for recording in traffic.recordings
        for event in recording.events
        if isinstance(event, Noted)
    ]
    many = len({event.unit for event in noted}) > 1
    started = traffic.recordings[0].header.started
    return Subject(
        f"{path}: {traffic.place}, {started:%Y-%m-%d %H:%M:%S}",
        words,
        frozenset(asked),
        outcomes,
        {name(unit): median(some) for unit, some in _by_unit(exchanges, _latencies_s).items()},
        {
            name(unit): sum(some) / len(some)
            for unit, some in _by_unit(exchanges, _silences).items()
        },
        {(event.unit if many else None, event.noted.name): event.noted for event in noted},
        traffic.remarks,
    )


def _outcome(exchange: Exchange) -> str:
    if exchange.answer is None:
        return "silent"
    if exchange.is_refused:
        code = exchange.answer[1] if len(exchange.answer) > 1 else 0
        return f"refused: {exception_name(code)} ({code})"
    return "answered"


Item = TypeVar("Item")


def _by_unit(
    exchanges: Sequence[Exchange], items: Callable[[Exchange], Iterable[Item]]
) -> dict[int, list[Item]]:
    found: dict[int, list[Item]] = {}
    for exchange in exchanges:
        for item in items(exchange):
            found.setdefault(exchange.question.unit, []).append(item)
    return found


def _latencies_s(exchange: Exchange) -> list[float]:
    return [] if exchange.latency_s is None else [exchange.latency_s]


def _silences(exchange: Exchange) -> list[bool]:
    return [exchange.answer is None]


def differences(before: Subject, after: Subject, *, map_only: bool = False) -> list[Difference]:
    """Everything that is not the same, registers first.

    Args:
        before: The first file.
        after: The second one.
        map_only: Whether only that counts which registers there are, not what is in them.
    """
    found = [
        *_registers(before, after, map_only=map_only),
        *_answers(before, after),
        *_values(before, after, map_only=map_only),
    ]
    return found if map_only else [*found, *_timings(before, after)]


def _registers(before: Subject, after: Subject, *, map_only: bool) -> Iterator[Difference]:
    for key in sorted(before.words.keys() | after.words.keys(), key=_place):
        if key not in before.asked or key not in after.asked:
            continue
        old, new = before.words.get(key), after.words.get(key)
        if old != new and not (map_only and old is not None and new is not None):
            unit, table, address = key
            yield Difference("register", unit, f"{table} {address}", old, new)


def _answers(before: Subject, after: Subject) -> Iterator[Difference]:
    for key in sorted(before.outcomes.keys() & after.outcomes.keys(), key=_place):
        old, new = before.outcomes[key], after.outcomes[key]
        if old != new:
            unit, table, first, last = key
            yield Difference("answer", unit, f"{table} {first}-{last}", old, new)


def _place(key: Register | Span) -> tuple[int, str, tuple[int, ...]]:
    unit, table, *addresses = key
    return (-1 if unit is None else unit, table, tuple(addresses))


def _values(before: Subject, after: Subject, *, map_only: bool) -> Iterator[Difference]:
    if not before.values or not after.values:  # nobody looked at what the registers mean
        return
    # In the order of the profile, what is new behind it.
    for key in (*before.values, *(key for key in after.values if key not in before.values)):
        old, new = before.values.get(key), after.values.get(key)
        if old is not None and new is not None and (map_only or old == new):
            continue
        yield Difference("value", *key, _value_text(old), _value_text(new))


def _value_text(noted: NotedValue | None) -> str | None:
    if noted is None:
        return None
    value = "no value" if noted.value is None else str(noted.value)
    quality = "" if noted.quality == "good" else f" ({noted.quality})"
    return f"{value} {noted.unit}".rstrip() + quality


def _timings(before: Subject, after: Subject) -> Iterator[Difference]:
    for unit in before.latencies_s.keys() & after.latencies_s.keys():
        old_s, new_s = before.latencies_s[unit], after.latencies_s[unit]
        low_s, high_s = sorted((old_s, new_s))
        if high_s >= _LATENCY_FACTOR * low_s and high_s - low_s >= _LATENCY_S:
            yield Difference("latency", unit, "", round(old_s, 6), round(new_s, 6))
    for unit in before.silences.keys() & after.silences.keys():
        old, new = before.silences[unit], after.silences[unit]
        if abs(old - new) >= _SILENCE:
            yield Difference("silence", unit, "", round(old, 4), round(new, 4))
