"""What is different between two files is found, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.recording.traffic import STARTED, answer, ask, exchange

from energymeter.codec import Framing, Table
from energymeter.recording.diff import Difference, Subject, differences, load_subject
from energymeter.recording.format import (
    Event,
    Header,
    Noted,
    NotedValue,
    TimedOut,
    render_event,
    render_header,
)
from energymeter.recording.mapdump import MapDump, render_dump

REFUSED = b"\x84\x02"


def dump(
    folder: Path,
    words: Mapping[int, int],
    asked: range = range(100),
    name: str = "x",
    unit: int = 1,
) -> Subject:
    path = folder / f"{name}.dump"
    made = MapDump("tcp://192.0.2.7:502", unit, STARTED, {Table.INPUT: asked}, {Table.INPUT: words})
    path.write_text(render_dump(made))
    return load_subject(path)


def record(folder: Path, events: Sequence[Event], name: str = "x") -> Subject:
    path = folder / f"{name}.rec"
    path.write_text(
        render_header(Header(Framing.MBAP, STARTED)) + "".join(map(render_event, events))
    )
    return load_subject(path)


def noted(
    value: float | None, name: str = "voltage", quality: str = "good", unit: int = 1
) -> Noted:
    return Noted(9.0, unit, NotedValue(name, value, "V", quality))


def test_registers_that_differ_appear_and_vanish(tmp_path: Path) -> None:
    before = dump(tmp_path, {0: 1, 1: 2, 2: 3})
    after = dump(tmp_path, {0: 1, 1: 7, 9: 4})
    assert differences(before, after) == [
        Difference("register", None, "input 1", 2, 7),
        Difference("register", None, "input 2", 3, None),
        Difference("register", None, "input 9", None, 4),
    ]
    assert differences(before, before) == []


def test_only_the_map_may_count(tmp_path: Path) -> None:
    before = dump(tmp_path, {0: 1, 1: 2, 2: 3})
    after = dump(tmp_path, {0: 1, 1: 7})
    assert differences(before, after, map_only=True) == [
        Difference("register", None, "input 2", 3, None)
    ]


def test_what_one_file_did_not_ask_for_is_no_difference(tmp_path: Path) -> None:
    before = dump(tmp_path, {0: 1, 60: 6}, range(100))
    after = dump(tmp_path, {0: 1}, range(50))
    assert differences(before, after) == []


def test_the_number_of_the_only_unit_does_not_matter(tmp_path: Path) -> None:
    assert differences(dump(tmp_path, {0: 1}, unit=1), dump(tmp_path, {0: 1}, unit=9)) == []
    one = record(tmp_path, exchange(0, ask(0), answer(1), unit=1))
    other = record(tmp_path, exchange(0, ask(0), answer(1), unit=5))
    assert differences(one, other) == []


def test_a_dump_can_be_compared_with_a_recording(tmp_path: Path) -> None:
    recorded = record(tmp_path, exchange(0, ask(0, 2), answer(1, 2)))
    assert differences(dump(tmp_path, {0: 1, 1: 3}), recorded) == [
        Difference("register", None, "input 1", 3, 2)
    ]


def test_of_a_recording_the_last_values_count(tmp_path: Path) -> None:
    before = record(tmp_path, exchange(0, ask(0), answer(5)))
    after = record(
        tmp_path,
        [
            *exchange(0, ask(0), answer(1), transaction=1),
            *exchange(1, ask(0), answer(5), transaction=2),
        ],
    )
    assert differences(before, after) == []


def test_several_units_are_told_apart(tmp_path: Path) -> None:
    def both(value: int) -> list[Event]:
        return [
            *exchange(0, ask(0), answer(1), unit=1, transaction=1),
            *exchange(1, ask(0), answer(value), unit=2, transaction=2),
        ]

    assert differences(record(tmp_path, both(1)), record(tmp_path, both(2))) == [
        Difference("register", 2, "input 0", 1, 2)
    ]


def test_a_read_that_is_refused_in_one_is_told(tmp_path: Path) -> None:
    before = record(tmp_path, exchange(0, ask(3, 2), answer(1, 2)))
    after = record(tmp_path, exchange(0, ask(3, 2), REFUSED))
    assert differences(before, after) == [
        Difference("register", None, "input 3", 1, None),
        Difference("register", None, "input 4", 2, None),
        Difference("answer", None, "input 3-4", "answered", "refused: illegal data address (2)"),
    ]


def test_values_are_compared_by_name(tmp_path: Path) -> None:
    before = record(tmp_path, [noted(230.1), noted(1.0, "old"), noted(None, "dead", "not_read")])
    after = record(tmp_path, [noted(230.1), noted(231.0), noted(2.0, "new"), noted(5.0, "dead")])
    assert differences(before, after) == [
        Difference("value", None, "voltage", "230.1 V", "231.0 V"),
        Difference("value", None, "old", "1.0 V", None),
        Difference("value", None, "dead", "no value V (not_read)", "5.0 V"),
        Difference("value", None, "new", None, "2.0 V"),
    ]
    assert [d.name for d in differences(before, after, map_only=True)] == ["old", "new"]


def test_a_file_without_values_says_nothing_about_values(tmp_path: Path) -> None:
    events = exchange(0, ask(0), answer(1))
    bare = record(tmp_path, events)
    assert differences(record(tmp_path, [*events, noted(1.0)]), bare) == []


def test_latency_and_silence_count_when_they_changed_much(tmp_path: Path) -> None:
    def after(latency_s: float, silent: int) -> Subject:
        events: list[Event] = []
        for number in range(10):
            reply = None if number < silent else answer(1)
            events += exchange(number, ask(0), reply, latency_s=latency_s, transaction=number + 1)
            events += [TimedOut(number + 0.9, 1)] if reply is None else []
        return record(tmp_path, events)

    calm = after(0.010, 0)
    assert differences(calm, after(0.014, 0)) == []
    assert differences(after(0.001, 0), after(0.004, 0)) == []
    assert differences(calm, after(0.025, 0)) == [Difference("latency", None, "", 0.01, 0.025)]
    assert differences(calm, after(0.010, 3)) == [Difference("silence", None, "", 0.0, 0.3)]
    assert differences(calm, after(0.100, 3), map_only=True) == []
