"""The reader against units made for the purpose: what is asked, and what becomes of faults."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.loops import run

from energymeter.clock import ManualClock
from energymeter.codec import ReadRequest
from energymeter.errors import (
    ConfigError,
    DecodeError,
    ExceptionReplyError,
    LinkClosedError,
    LinkLostError,
    LinkOpenError,
    MeterError,
    MismatchError,
    RequestTimeout,
)
from energymeter.profiles import Profile, parse_profile
from energymeter.reader import Failure, MeterReader, Quality, ReadReport

REFUSED = ExceptionReplyError("refused", function=3, code=2)


class FakeUnit:
    """Its word at an address is the address; `faults` says which reads fail, by address.

    Each of them does so `times` times; None: always.
    """

    def __init__(
        self, faults: dict[int, MeterError] | None = None, times: int | None = None
    ) -> None:
        self.faults = faults or {}
        self.times = times
        self.asked: list[ReadRequest] = []

    async def read(self, request: ReadRequest) -> bytes:
        self.asked.append(request)
        fault = self.faults.get(request.address)
        if fault is not None and self.times != 0:
            self.times = None if self.times is None else self.times - 1
            raise fault
        if request.function <= 2:
            return bytes((request.count + 7) // 8)
        return struct.pack(
            f">{request.count}H", *range(request.address, request.address + request.count)
        )


class Memory:
    """Registers with these bytes from address 0."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def read(self, request: ReadRequest) -> bytes:
        return self.data[2 * request.address : 2 * (request.address + request.count)]


def profile_of(points: Sequence[dict[str, Any]], **keys: Any) -> Profile:
    return parse_profile(
        {"name": "test/meter", "vendor": "test", "model": "meter", "points": points, **keys}, "test"
    )


def islands(count: int) -> Profile:
    """Points so far apart that each needs a read of its own."""
    addresses = range(0, 1000 * count, 1000)
    return profile_of(
        [{"name": f"at_{a}", "address": a, "type": "uint16"} for a in addresses],
        readable=[{"first": a, "last": a} for a in addresses],
    )


def report_of(reader: MeterReader) -> ReadReport:
    return run(reader.read())


def test_every_point_gets_the_word_of_its_own_address() -> None:
    report = report_of(MeterReader(FakeUnit(), islands(4)))

    assert report.as_dict() == {"at_0": 0, "at_1000": 1000, "at_2000": 2000, "at_3000": 3000}
    assert report.is_complete
    assert not report.is_empty


def test_points_that_lie_together_are_asked_for_together() -> None:
    unit = FakeUnit()
    points = [{"name": f"at_{a}", "address": a, "type": "uint16"} for a in range(10, 30)]
    run(MeterReader(unit, profile_of(points)).read())

    assert [(r.function, r.address, r.count) for r in unit.asked] == [(3, 10, 20)]


def test_each_table_is_asked_with_its_own_function() -> None:
    unit = FakeUnit()
    points = [
        {"name": "h", "address": 1, "type": "uint16", "tables": ["holding"]},
        {"name": "i", "address": 2, "type": "uint16", "tables": ["input"]},
        {"name": "c", "address": 3, "type": "bool", "tables": ["coil"]},
        {"name": "d", "address": 4, "type": "bool", "tables": ["discrete"]},
    ]
    run(MeterReader(unit, profile_of(points)).read())

    assert {(r.function, r.address) for r in unit.asked} == {(3, 1), (4, 2), (1, 3), (2, 4)}


def test_points_that_are_only_written_are_never_read() -> None:
    unit = FakeUnit()
    points = [
        {"name": "voltage", "address": 1, "type": "uint16"},
        {"name": "reset", "address": 900, "type": "uint16", "access": "w"},
    ]
    report = report_of(MeterReader(unit, profile_of(points)))

    assert [r.address for r in unit.asked] == [1]
    assert [reading.name for reading in report] == ["voltage"]


def test_only_the_points_wanted_are_read() -> None:
    unit = FakeUnit()
    profile = islands(4)
    report = report_of(MeterReader(unit, profile, points=profile.points[1:3]))

    assert report.as_dict() == {"at_1000": 1000, "at_2000": 2000}
    assert len(unit.asked) == 2


def test_a_longest_read_cuts_the_reads() -> None:
    unit = FakeUnit()
    points = [{"name": f"at_{a}", "address": a, "type": "uint16"} for a in range(10)]
    run(MeterReader(unit, profile_of(points), max_words=4).read())

    assert max(r.count for r in unit.asked) == 4
    assert sum(r.count for r in unit.asked) == 10


def test_a_point_longer_than_the_longest_read_is_refused_at_once() -> None:
    points = [{"name": "energy", "address": 0, "type": "uint64"}]
    with pytest.raises(ConfigError, match="energy takes 4 registers"):
        MeterReader(FakeUnit(), profile_of(points), max_words=2)


@pytest.mark.parametrize(
    ("fault", "quality"),
    [
        (REFUSED, Quality.NOT_AVAILABLE),
        (MismatchError("another question"), Quality.NOT_READ),
        (RequestTimeout("silent"), Quality.NOT_READ),
    ],
)
def test_one_failing_read_loses_only_its_own_points(fault: MeterError, quality: Quality) -> None:
    report = report_of(MeterReader(FakeUnit({1000: fault}), islands(3)))

    assert report.as_dict() == {"at_0": 0, "at_1000": None, "at_2000": 2000}
    assert report["at_1000"].quality is quality
    assert not report.is_empty


@pytest.mark.parametrize("kind", [LinkOpenError, LinkClosedError])
def test_after_a_lost_link_the_rest_is_not_tried(kind: Callable[[str], MeterError]) -> None:
    unit = FakeUnit({1000: kind("gone")})
    report = report_of(MeterReader(unit, islands(5)))

    assert [r.address for r in unit.asked] == [0, 1000]
    assert [reading.value for reading in report] == [0, None, None, None, None]
    assert len(report.failures) == 4


def test_after_three_time_outs_in_a_row_the_rest_is_not_tried() -> None:
    silent: dict[int, MeterError] = {a: RequestTimeout("silent") for a in (1000, 2000, 3000)}
    unit = FakeUnit(silent)
    report = report_of(MeterReader(unit, islands(6)))

    assert [r.address for r in unit.asked] == [0, 1000, 2000, 3000]
    assert report["at_0"].value == 0


def test_after_six_time_outs_the_rest_is_not_tried() -> None:
    silent: dict[int, MeterError] = {a: RequestTimeout("silent") for a in range(0, 13000, 2000)}
    unit = FakeUnit(silent)
    report = report_of(MeterReader(unit, islands(13)))

    assert [r.address for r in unit.asked] == list(range(0, 11000, 1000))
    assert report["at_9000"].value == 9000


def test_an_answer_that_was_lost_is_asked_for_twice_more_in_the_same_poll() -> None:
    unit = FakeUnit({1000: RequestTimeout("silent")}, times=2)
    report = report_of(MeterReader(unit, islands(3)))

    assert [r.address for r in unit.asked] == [0, 1000, 2000, 1000, 1000]
    assert report.is_complete


def test_a_link_that_breaks_once_costs_no_value() -> None:
    unit = FakeUnit({1000: LinkLostError("gone")}, times=1)

    assert report_of(MeterReader(unit, islands(3))).is_complete


def test_what_was_lost_at_two_polls_is_asked_for_once_a_poll_from_then_on() -> None:
    unit = FakeUnit({1000: RequestTimeout("silent")})
    reader = MeterReader(unit, islands(3))
    report_of(reader)
    unit.asked.clear()
    report_of(reader)

    assert [r.address for r in unit.asked] == [0, 1000, 2000]


def test_the_next_reading_tries_everything_again() -> None:
    unit = FakeUnit({0: LinkOpenError("refused")})
    reader = MeterReader(unit, islands(3))
    assert report_of(reader).is_empty
    unit.faults.clear()

    assert report_of(reader).is_complete


def test_a_report_with_nothing_in_it_says_so_and_why() -> None:
    report = report_of(MeterReader(FakeUnit({0: LinkOpenError("refused")}), islands(2)))

    assert report.is_empty
    assert all(quality is Quality.NOT_READ for quality in report.qualities)
    assert {str(failure.error) for failure in report.failures} == {"refused"}


def test_too_few_bytes_are_a_failure_and_not_a_value() -> None:
    points = [{"name": f"at_{a}", "address": a, "type": "uint16"} for a in range(4)]
    report = report_of(MeterReader(Memory(b"\x00\x01\x00"), profile_of(points)))

    assert report.is_empty
    assert isinstance(report.failures[0].error, DecodeError)


def test_a_programming_error_is_not_taken_for_a_fault_of_the_meter() -> None:
    class Broken:
        async def read(self, request: ReadRequest) -> bytes:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        report_of(MeterReader(Broken(), islands(1)))


def test_a_float_that_is_no_number_is_not_available_and_no_failure() -> None:
    points = [
        {"name": "a", "address": 0, "type": "float32"},
        {"name": "b", "address": 2, "type": "float32"},
        {"name": "c", "address": 4, "type": "float32"},
    ]
    data = struct.pack(">fff", float("nan"), 230.5, float("inf"))
    report = report_of(MeterReader(Memory(data), profile_of(points)))

    assert report.as_dict() == {"a": None, "b": 230.5, "c": None}
    assert report["a"].quality is Quality.NOT_AVAILABLE
    assert report.is_complete
    assert not report.is_empty


def test_scale_offset_and_unit_come_from_the_profile() -> None:
    points = [
        {"name": "voltage", "address": 0, "type": "uint16", "unit": "V", "scale": "0.1"},
        {
            "name": "t",
            "address": 1,
            "type": "uint16",
            "unit": "degC",
            "scale": "0.1",
            "offset": -50,
        },
    ]
    report = report_of(MeterReader(Memory(struct.pack(">HH", 2307, 715)), profile_of(points)))

    assert report.as_dict() == {"voltage": 230.7, "t": 21.5}
    assert report["t"].unit == "degC"


@pytest.mark.parametrize(
    ("byte_order", "word_order", "data"),
    [
        ("big", "big", "4366 8000"),
        ("big", "little", "8000 4366"),
        ("little", "big", "6643 0080"),
        ("little", "little", "0080 6643"),
    ],
)
def test_the_order_of_the_profile_is_obeyed(byte_order: str, word_order: str, data: str) -> None:
    profile = profile_of(
        [{"name": "voltage", "address": 0, "type": "float32"}],
        byte_order=byte_order,
        word_order=word_order,
    )

    report = report_of(MeterReader(Memory(bytes.fromhex(data)), profile))

    assert report.as_dict() == {"voltage": 230.5}


@pytest.mark.parametrize("word_order", [">", "<"])
def test_an_order_to_be_found_is_found_at_the_first_reading_and_kept(word_order: str) -> None:
    names = ("voltage_phase_a", "voltage_phase_b", "voltage_phase_c", "frequency")
    points = [
        {"name": name, "address": 2 * n, "type": "float32", "unit": "Hz" if n == 3 else "V"}
        for n, name in enumerate(names)
    ]

    def encode(*values: float) -> bytes:
        words = [struct.unpack(">HH", struct.pack(">f", value)) for value in values]
        return b"".join(struct.pack(">HH", *(w if word_order == ">" else w[::-1])) for w in words)

    unit = Memory(encode(230.5, 231.25, 229.75, 50.0))
    reader = MeterReader(unit, profile_of(points), find_word_order=True)
    first = report_of(reader)
    finding = reader.order_finding
    unit.data = encode(0.0, 0.0, 0.0, 49.75)  # would not decide anything by itself
    second = report_of(reader)

    assert list(first.as_dict().values()) == [230.5, 231.25, 229.75, 50.0]
    assert finding is not None
    assert finding.is_decided
    assert second.as_dict()["frequency"] == 49.75
    assert reader.order_finding is finding


def test_an_order_cannot_be_found_while_nothing_is_read() -> None:
    unit = FakeUnit({0: LinkOpenError("refused")})
    reader = MeterReader(unit, islands(1), find_word_order=True)
    run(reader.read())

    assert reader.order_finding is None


def test_a_report_carries_the_time_of_its_question() -> None:
    start = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    report = report_of(MeterReader(FakeUnit(), islands(1), clock=ManualClock(start)))

    assert report.time == start
    assert report["at_0"].time == start


def test_a_name_that_is_not_in_the_report_is_a_key_error() -> None:
    report = report_of(MeterReader(FakeUnit(), islands(1)))
    with pytest.raises(KeyError):
        report["nothing"]


def test_a_report_lists_its_points_in_the_order_of_their_addresses() -> None:
    points = [{"name": f"at_{a}", "address": a, "type": "uint16"} for a in (7, 3, 5)]
    report = report_of(MeterReader(FakeUnit(), profile_of(points)))

    assert len(report) == 3
    assert [(r.name, r.value) for r in report] == [("at_3", 3), ("at_5", 5), ("at_7", 7)]


def test_a_printed_report_says_how_the_reading_went() -> None:
    clock = ManualClock(datetime(2026, 3, 29, 1, 0, tzinfo=UTC))
    unit = FakeUnit({0: REFUSED})
    report = report_of(MeterReader(unit, islands(3), clock=clock, learn=False))

    assert report.failures == [Failure(report.failures[0].block, REFUSED)]
    assert repr(report) == "<ReadReport 2026-03-29 01:00:00 UTC: 2 of 3 values good, 1 read failed>"
    assert repr(report_of(MeterReader(FakeUnit(), islands(1), clock=clock))) == (
        "<ReadReport 2026-03-29 01:00:00 UTC: 1 of 1 values good>"
    )


@pytest.mark.parametrize("ratio", [0, -20, float("nan"), float("inf")])
def test_a_transformer_ratio_that_cannot_be_is_refused(ratio: float) -> None:
    points = [{"name": "current", "address": 0, "type": "uint16", "ratio": ["ct"]}]

    with pytest.raises(ConfigError, match="ratio of the ct"):
        MeterReader(FakeUnit(), profile_of(points), ratios={"ct": ratio})
