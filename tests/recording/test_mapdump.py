"""A dump finds every register that answers, politely, and is a text that can be read again."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.loops import run

from energymeter.clock import SystemClock
from energymeter.codec import ReadRequest, Table
from energymeter.errors import (
    ConfigError,
    ExceptionReplyError,
    LinkLostError,
    MeterError,
    RequestTimeout,
)
from energymeter.recording.mapdump import DumpReader, MapDump, parse_dump, render_dump

TAKEN = datetime(2026, 1, 31, 12, tzinfo=UTC)

REGISTERS = (Table.HOLDING, Table.INPUT)


class LeapingClock(SystemClock):
    """Time passes only while somebody sleeps, and then at once."""

    def __init__(self) -> None:
        self.time_s = 100.0
        self.monotonic = lambda: self.time_s

    def now(self) -> datetime:
        return TAKEN

    async def sleep_until(self, when: float) -> None:
        self.time_s = max(self.time_s, when)


class Meter:
    """A unit with some registers; everything else is refused."""

    def __init__(self, words: Mapping[int, int], *, even_only: bool = False) -> None:
        self.words = words
        self.clock = LeapingClock()
        self.asked: list[tuple[float, int, int]] = []
        """Moment, address and count of each read."""
        self.even_only = even_only
        self.trouble: Callable[[ReadRequest], MeterError | None] = lambda _: None

    async def read(self, request: ReadRequest) -> bytes:
        self.asked.append((self.clock.time_s, request.address, request.count))
        self.clock.time_s += 0.01
        error = self.trouble(request)
        if error is not None:
            raise error
        span = range(request.address, request.address + request.count)
        is_odd = request.address % 2 or request.count % 2
        if (self.even_only and is_odd) or not all(address in self.words for address in span):
            raise refusal(2)
        return struct.pack(f">{request.count}H", *(self.words[address] for address in span))

    def dump(self, first: int, last: int, **options: bool) -> DumpReader:
        reader = DumpReader(self, wire="tcp://192.0.2.7:502", number=1, clock=self.clock, **options)
        run(reader.read([Table.INPUT], first, last))
        return reader

    def found(self, first: int, last: int, **options: bool) -> dict[int, int]:
        return dict(self.dump(first, last, **options).dump.words[Table.INPUT])


def refusal(code: int) -> ExceptionReplyError:
    return ExceptionReplyError("refused", function=4, code=code)


def some(*spans: range) -> dict[int, int]:
    return {address: 7 * address % 65536 for span in spans for address in span}


@given(
    st.lists(st.tuples(st.integers(0, 260), st.integers(2, 40)), max_size=6),
    st.integers(0, 200),
    st.integers(0, 120),
)
@settings(max_examples=150, deadline=None)
def test_every_register_with_a_neighbour_is_found(
    spans: list[tuple[int, int]], first: int, more: int
) -> None:
    meter = Meter(some(*(range(start, start + count) for start, count in spans)))
    found = meter.found(first, first + more)
    assert found == {n: w for n, w in meter.words.items() if first <= n <= first + more}
    assert list(found) == sorted(found)


def test_no_register_is_asked_for_alone_unless_wanted() -> None:
    meter = Meter(some(range(3, 4), range(10, 17), range(99, 101)))
    assert meter.found(0, 100) == some(range(10, 17), range(99, 101))
    assert min(count for _, _, count in meter.asked) == 2

    assert meter.found(0, 100, asks_alone=True) == meter.words


def test_a_meter_that_answers_even_reads_only_is_read() -> None:
    meter = Meter(some(range(62), range(70, 90)), even_only=True)
    assert meter.found(0, 99) == meter.words


def test_the_end_of_the_map_is_reached() -> None:
    meter = Meter(some(range(0xFFF0, 0x10000)))
    assert meter.found(0xFFFA, 0xFFFF) == some(range(0xFFFA, 0x10000))


def test_reads_are_short_and_apart() -> None:
    meter = Meter(some(range(300)))
    meter.dump(0, 299)
    assert max(count for _, _, count in meter.asked) <= 50
    moments = [moment for moment, _, _ in meter.asked]
    assert min(b - a for a, b in itertools.pairwise(moments)) == pytest.approx(0.03)


def test_a_busy_meter_is_waited_for() -> None:
    meter = Meter(some(range(10)))
    answers = iter([refusal(6), refusal(5), refusal(6)])
    meter.trouble = lambda _: next(answers, None)
    assert meter.found(0, 9) == meter.words
    moments = [moment for moment, _, _ in meter.asked]
    assert [round(b - a, 2) for a, b in itertools.pairwise(moments)] == [
        0.11,
        0.21,
        0.41,
    ]


def test_a_lost_answer_is_asked_for_again() -> None:
    meter = Meter(some(range(100)))
    lost = iter([None, RequestTimeout("lost")])
    meter.trouble = lambda _: next(lost, None)
    assert meter.found(0, 99) == meter.words


def test_silence_of_a_meter_that_answers_otherwise_is_a_refusal() -> None:
    meter = Meter(some(range(70)))

    def silent(request: ReadRequest) -> MeterError | None:
        return RequestTimeout("silent") if request.address + request.count > 70 else None

    meter.trouble = silent
    assert meter.found(0, 99) == meter.words


def test_a_meter_that_never_answers_is_not_there() -> None:
    meter = Meter({})
    meter.trouble = lambda _: RequestTimeout("silent")
    with pytest.raises(RequestTimeout):
        meter.dump(0, 99)
    assert len(meter.asked) == 1


def test_what_was_read_before_the_meter_was_lost_is_kept() -> None:
    meter = Meter(some(range(200)))
    meter.trouble = lambda request: LinkLostError("gone") if request.address >= 100 else None
    reader = DumpReader(meter, wire="x", number=1, clock=meter.clock)

    with pytest.raises(LinkLostError):
        run(reader.read(REGISTERS, 0, 199))

    assert reader.dump.words == {Table.HOLDING: some(range(100))}
    assert reader.dump.asked == {Table.HOLDING: range(100)}


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    meter = Meter(some(range(120)))
    reader = DumpReader(meter, wire="x", number=1, clock=meter.clock)
    run(reader.read(REGISTERS, 0, 119, lambda done, all_: told.append((done, all_))))
    assert told == [(50, 240), (100, 240), (120, 240), (170, 240), (220, 240), (240, 240)]


WORDS = st.dictionaries(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), max_size=20)


@given(WORDS, WORDS, st.integers(0, 255))
def test_what_is_written_is_read_again(
    holding: dict[int, int], inputs: dict[int, int], unit: int
) -> None:
    dump = MapDump(
        "tcp://192.0.2.7:502",
        unit,
        TAKEN,
        {Table.HOLDING: range(5, 100), Table.INPUT: range(0x10000)},
        {Table.HOLDING: dict(sorted(holding.items())), Table.INPUT: dict(sorted(inputs.items()))},
    )
    assert parse_dump(render_dump(dump).encode()) == dump


def test_a_dump_reads_well() -> None:
    words = {Table.HOLDING: {0: 0x4366, 100: 0x0100}, Table.INPUT: {7: 0x2041}}
    asked = {Table.HOLDING: range(501), Table.INPUT: range(7, 8)}
    lines = render_dump(MapDump("tcp://192.0.2.7:502", 3, TAKEN, asked, words)).splitlines()
    assert lines[0] == "energymeter dump 1"
    assert lines[2:] == [
        "wire: tcp://192.0.2.7:502",
        "unit: 3",
        "taken: 2026-01-31T12:00:00Z",
        "asked: holding 0-500, input 7-7",
        "",
        "holding     0  0x4366 17254  Cf",
        "holding   100  0x0100   256  ..",
        "input       7  0x2041  8257   A",
    ]


HEAD = "energymeter dump 1\nwire: x\nunit: 1\ntaken: 2026-01-31T12:00:00Z\nasked: holding 0-9\n\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1"),
        ("energymeter dump 2\n", "line 1"),
        ("energymeter dump 1\nunit 1\n", "line 2"),
        ("energymeter dump 1\nunit: 1\n\n", "wire, taken, asked"),
        (HEAD.replace("unit: 1", "unit: x"), "header"),
        (HEAD + "holding 1 17\n", "line 7"),
        (HEAD + "coil 1 0x0001\n", "line 7"),
    ],
)
def test_a_broken_dump_says_where(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_dump(text.encode(), "a.dump")
    assert words in caught.value.message
    assert caught.value.message.startswith("a.dump")


def test_remarks_in_a_dump_do_no_harm() -> None:
    dump = parse_dump(f"{HEAD}# the voltage\n\nholding 7 0x00ff  what it is\n".encode())
    assert dump.words == {Table.HOLDING: {7: 255}}
