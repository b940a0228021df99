"""`energymeter replay` as its users meet it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.programs import Program, call, line_of, start
from tests.recording.packets import CLIENT, Connection, pcap
from tests.recording.traffic import answer, ask, frame

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def recorded(electric: str, tmp_path: Path, capsys: Capture) -> Path:
    """A recording of a reading of an electricity meter."""
    path = tmp_path / "meter.rec"
    outcome = call(capsys, "read", electric, "--profile", "electric", "--record", str(path))
    assert outcome.code == 0
    return path


@contextmanager
def replaying(*arguments: str) -> Iterator[Program]:
    with start("replay", *arguments, "--port", "0") as program:
        program.greeting = line_of(program.stdout)
        program.port = int(program.greeting.rpartition(":")[2])
        yield program


def values_of(path: Path) -> list[str]:
    return [line.partition(" # ")[2] for line in path.read_text().splitlines() if " # " in line]


def test_a_recording_is_a_meter_with_the_values_that_were_read(
    recorded: Path, tmp_path: Path, capsys: Capture
) -> None:
    again = tmp_path / "again.rec"
    with replaying(str(recorded)) as program:
        assert program.greeting == f"replaying {recorded} on 127.0.0.1:{program.port}\n"
        where = f"127.0.0.1:{program.port}"
        outcome = call(capsys, "read", where, "--profile", "electric", "--record", str(again))
        end = program.end(signal.SIGTERM)

    assert outcome.code == 0
    assert values_of(again) == values_of(recorded)
    assert len(values_of(again)) > 5
    assert end.code == 0
    assert ", 0 put together, 0 not in the recording" in end.err


def test_what_was_not_recorded_so_is_told(recorded: Path, capsys: Capture) -> None:
    with replaying(str(recorded), "--speed", "0") as program:
        where = f"127.0.0.1:{program.port}"
        outcome = call(capsys, "dump", where, "--range", "10-13", "--table", "holding")
        assert outcome.code == 0
        end = program.end(signal.SIGINT)

    assert outcome.out.count("\nholding") == 4
    assert "read holding registers 10 to 13: never read so, put together" in end.err
    assert ", 1 put together" in end.err


def test_it_is_served_on_any_wire(recorded: Path) -> None:
    listen = ("--listen", "rtu+tcp://127.0.0.1:0", "--listen", "udp://127.0.0.1:0")
    with start("replay", str(recorded), *listen) as program:
        lines = [line_of(program.stdout) for _ in range(3)]
        assert program.end(signal.SIGTERM).code == 0
    assert [line.startswith(f"replaying {recorded} on ") for line in lines] == [True, True, False]


def test_every_frame_is_explained(recorded: Path, capsys: Capture) -> None:
    outcome = call(capsys, "replay", str(recorded), "--explain")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].endswith(" * open")
    assert "request to read" in lines[1]
    assert "answer with" in lines[2]


def test_a_capture_is_explained_and_served(tmp_path: Path, capsys: Capture) -> None:
    connection = Connection()
    connection.open()
    connection.ask(frame(ask(0, 2)))
    connection.reply(frame(answer(17, 4)))
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(connection.packets))

    explained = call(capsys, "replay", str(path), "--explain")
    with replaying(str(path), "--speed", "0") as program:
        where = f"127.0.0.1:{program.port}"
        dumped = call(capsys, "dump", where, "--range", "0-1", "--table", "input")

    assert "answer with" in explained.out
    assert "input       0  0x0011    17" in dumped.out


def test_a_recording_becomes_a_capture(recorded: Path, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "meter.pcap"
    outcome = call(capsys, "replay", str(recorded), "--pcap", str(path))
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == f"energymeter replay: wrote {path}\n"
    said = [call(capsys, "replay", str(file), "--explain").out for file in (recorded, path)]
    frames = [
        [line.partition(" ")[2] for line in text.splitlines() if line.split()[1] in "<>"]
        for text in said
    ]
    assert frames[0] == frames[1]
    assert len(frames[0]) >= 2


def test_of_several_meters_in_a_capture_one_is_chosen(tmp_path: Path, capsys: Capture) -> None:
    packets = []
    for number in (2, 3):
        connection = Connection(CLIENT, (f"10.0.0.{number}", 502))
        connection.open()
        connection.ask(frame(ask(number)))
        connection.reply(frame(answer(number)))
        packets += connection.packets
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(packets))

    undecided = call(capsys, "replay", str(path), "--explain")
    chosen = call(capsys, "replay", str(path), "--explain", "--server", "10.0.0.3:502")
    other = call(capsys, "replay", str(path), "--explain", "--server", "10.0.0.4:502")

    assert (undecided.code, chosen.code, other.code) == (2, 0, 2)
    assert "10.0.0.2:502, 10.0.0.3:502" in undecided.err
    assert "input registers 3" in chosen.out
    assert "input registers 2" not in chosen.out


def test_a_recording_that_was_cut_off_is_replayed_and_that_is_told(
    recorded: Path, capsys: Capture
) -> None:
    recorded.write_bytes(recorded.read_bytes()[:-20])
    outcome = call(capsys, "replay", str(recorded), "--explain")
    assert outcome.code == 0
    assert "cut off" in outcome.err


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (None, (), "cannot read"),
        ("hello", (), "neither a recording"),
        ("energymeter recording 9\n", (), "line 1: version 9"),
        (
            "energymeter recording 1\nframing: rtu\nstarted: 2026-01-01T00:00:00Z\n\n",
            (),
            "contains no requests",
        ),
        ("", ("--speed", "-1"), "--speed"),
        ("", ("--speed", "nan"), "--speed"),
        ("", ("--listen", "tcp://:1", "--port", "1"), "not both"),
    ],
)
def test_wrong_usage_is_one_line(
    content: str | None, options: tuple[str, ...], words: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "x.rec"
    if content is not None:
        path.write_text(content)
    outcome = call(capsys, "replay", str(path), *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err
