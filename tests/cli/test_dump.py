"""`energymeter dump` as its users meet it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.cli.programs import call, free_port, line_of, silent_server, simulator, start

from energymeter.codec import Table
from energymeter.recording.mapdump import parse_dump

Capture = pytest.CaptureFixture[str]


def test_a_map_is_printed_a_register_a_line(electric: str, capsys: Capture) -> None:
    outcome = call(capsys, "dump", electric, "--range", "0-120", "--table", "both", "--pause", "0")

    assert (outcome.code, outcome.err) == (0, "")
    dump = parse_dump(outcome.out.encode())
    assert dump.wire == f"tcp://{electric}"
    assert dump.asked == {Table.HOLDING: range(121), Table.INPUT: range(121)}
    # The documented map ends at 101.
    assert [list(words) for words in dump.words.values()] == [list(range(102))] * 2
    assert 2070 < dump.words[Table.INPUT][10] < 2530
    assert dump.words[Table.HOLDING][100] == 1


def test_a_map_is_written_to_a_file(electric: str, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "meter.dump"
    outcome = call(capsys, "dump", electric, "--range", "10-17", "-o", str(path))
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == f"energymeter dump: wrote {path}, 8 registers\n"
    assert list(parse_dump(path.read_bytes()).words[Table.HOLDING]) == list(range(10, 18))


def test_progress_stays_out_of_a_pipe(electric: str, capsys: Capture) -> None:
    arguments = ("dump", electric, "--range", "0-101", "--table", "both", "--pause", "0.4")
    outcome = call(capsys, *arguments)
    assert (outcome.code, outcome.err) == (0, "")


def test_an_interrupt_keeps_what_was_read(electric: str, tmp_path: Path) -> None:
    path = tmp_path / "half.dump"
    arguments = ("dump", electric, "--range", "0-100", "--pause", "0.5", "--trace", "-o", str(path))
    with start(*arguments) as program:
        assert program.process.stderr is not None
        while "request to read holding registers 50.." not in line_of(program.process.stderr):
            pass
        outcome = program.end(signal.SIGINT)
    assert outcome.code == 130
    dump = parse_dump(path.read_bytes())
    asked = dump.asked[Table.HOLDING]
    assert asked[:50] == range(50)
    assert list(dump.words[Table.HOLDING]) == list(asked)


def test_a_table_without_registers_points_to_the_other_one(capsys: Capture) -> None:
    with simulator("--profile", "sdm630", "--seed", "1") as program:
        where = f"127.0.0.1:{program.port}"
        outcome = call(capsys, "dump", where, "--range", "0-9", "--pause", "0")
    assert (outcome.code, outcome.out) == (1, "")
    assert "none of the registers 0..9 answers" in outcome.err
    assert outcome.err.endswith("try --table input\n")


def test_any_wire_and_unit_will_do(tmp_path: Path, capsys: Capture) -> None:
    where = ("--listen", "rtu+tcp://127.0.0.1:0", "--unit", "7", "--profile", "eastron/sdm120")
    with start("simulate", *where) as program:
        url = line_of(program.stdout).split(" on ")[1].split(",")[0]
        outcome = call(capsys, "dump", url, "--range", "0-9", "--table", "input", "--unit", "7")
    assert outcome.code == 0
    assert parse_dump(outcome.out.encode()).unit == 7


def test_nothing_there_ends_with_1(capsys: Capture) -> None:
    with silent_server() as port:
        where = f"127.0.0.1:{port}"
        silent = call(capsys, "dump", where, "--range", "0-9", "--timeout", "0.1")
    absent = call(capsys, "dump", f"127.0.0.1:{free_port()}", "--range", "0-9")
    with simulator("--profile", "pm8000", "--seed", "1") as program:
        where = f"127.0.0.1:{program.port}"
        refused = call(capsys, "dump", where, "--range", "60000-60009")
    for outcome in (silent, absent, refused):
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "--range"),
        (("--range", "9-1"), "addresses"),
        (("--range", "0-65536"), "65536"),
        (("--range", "0-9", "--table", "coil"), "--table"),
        (("--range", "0-9", "--pause", "-1"), "--pause"),
        (("--range", "0-9", "-o", "/no/such/folder/x"), "cannot write"),
    ],
)
def test_wrong_usage_is_one_line(
    electric: str, options: tuple[str, ...], words: str, capsys: Capture
) -> None:
    outcome = call(capsys, "dump", electric, *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err
