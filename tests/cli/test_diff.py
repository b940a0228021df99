"""`energymeter diff` as its users meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.programs import call
from tests.recording.traffic import STARTED, answer, ask, exchange

from energymeter.codec import Framing, Table
from energymeter.recording.format import (
    Event,
    Header,
    Noted,
    NotedValue,
    render_event,
    render_header,
)
from energymeter.recording.mapdump import MapDump, render_dump

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def dumps(tmp_path: Path) -> tuple[str, str]:
    """Two dumps: 11 differs, 12 vanishes, 90 was asked for in one only."""
    paths = []
    for name, asked, words in (
        ("a", range(100), {10: 1, 11: 2, 12: 3, 90: 4}),
        ("b", range(50), {10: 1, 11: 300}),
    ):
        path = tmp_path / name
        made = MapDump(
            "tcp://192.0.2.7:502", 1, STARTED, {Table.INPUT: asked}, {Table.INPUT: words}
        )
        path.write_text(render_dump(made))
        paths.append(str(path))
    return paths[0], paths[1]


def recording(path: Path, *events: Event) -> str:
    head = render_header(Header(Framing.MBAP, STARTED, "tcp://192.0.2.7:502"))
    path.write_text(head + "".join(map(render_event, events)))
    return str(path)


def test_files_without_a_difference_end_with_0(dumps: tuple[str, str], capsys: Capture) -> None:
    outcome = call(capsys, "diff", dumps[0], dumps[0])
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == "no difference, 100 registers asked for in both"


def test_files_with_nothing_in_common_are_not_called_the_same(
    dumps: tuple[str, str], tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "other"
    made = MapDump(
        "tcp://192.0.2.7:502", 1, STARTED, {Table.HOLDING: range(9)}, {Table.HOLDING: {}}
    )
    path.write_text(render_dump(made))
    for arguments in ((dumps[0], str(path)), (dumps[0], str(path), "--json")):
        outcome = call(capsys, "diff", *arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert "no register in common, there is nothing to compare" in outcome.err


def test_differences_are_lines_and_end_with_1(dumps: tuple[str, str], capsys: Capture) -> None:
    outcome = call(capsys, "diff", *dumps)
    assert (outcome.code, outcome.err) == (1, "")
    assert "2 differences, 50 registers asked for in both; 50 asked for in one" in outcome.out
    assert outcome.out.splitlines()[:-1] == [
        f"A {dumps[0]}: tcp://192.0.2.7:502 unit 1, 2026-01-31 12:00:00",
        f"B {dumps[1]}: tcp://192.0.2.7:502 unit 1, 2026-01-31 12:00:00",
        "input 11: 0x0002 2 -> 0x012C 300",
        "input 12: 0x0003 3 -> not there",
    ]


def test_only_the_map_may_count(dumps: tuple[str, str], capsys: Capture) -> None:
    outcome = call(capsys, "diff", "--map-only", *dumps)
    assert outcome.code == 1
    assert "input 11" not in outcome.out
    assert "1 difference, " in outcome.out


def test_recordings_are_compared_in_all_they_hold(tmp_path: Path, capsys: Capture) -> None:
    voltage = [Noted(9.0, 1, NotedValue("voltage", value, "V", "good")) for value in (230.1, 231.0)]
    before = recording(
        tmp_path / "a",
        *exchange(0, ask(0), answer(1), latency_s=0.01, transaction=1),
        *exchange(1, ask(7), answer(5), latency_s=0.01, transaction=2),
        voltage[0],
    )
    after = recording(
        tmp_path / "b",
        *exchange(0, ask(0), answer(1), latency_s=0.05, transaction=1),
        *exchange(1, ask(7), b"\x84\x02", latency_s=0.05, transaction=2),
        voltage[1],
    )

    outcome = call(capsys, "diff", before, after)

    assert outcome.code == 1
    assert outcome.out.splitlines()[2:] == [
        "input 7: 0x0005 5 -> not there",
        "read of input 7-7: answered -> refused: illegal data address (2)",
        "voltage: 230.1 V -> 231.0 V",
        "answers after 10.0 ms -> 50.0 ms",
        "4 differences, 2 registers asked for in both",
    ]


def test_json_is_one_object(dumps: tuple[str, str], capsys: Capture) -> None:
    outcome = call(capsys, "diff", "--json", *dumps)
    data = json.loads(outcome.out)
    assert outcome.code == 1
    assert data["registers_compared"] == 50
    assert data["differences"] == [
        {"kind": "register", "unit": None, "name": "input 11", "a": 2, "b": 300},
        {"kind": "register", "unit": None, "name": "input 12", "a": 3, "b": None},
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot read"), ("hello", "neither"), ("energymeter dump 1\nunit\n", "line 2")],
)
def test_wrong_usage_is_one_line_and_2(
    content: str | None, words: str, dumps: tuple[str, str], tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "x"
    if content is not None:
        path.write_text(content)
    outcome = call(capsys, "diff", dumps[0], str(path))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err
