"""Bars on a terminal for whoever waits, and nothing in a pipe."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.cli.programs import run, silent_server
from tests.cli.terminal import energymeter_in_terminal, in_terminal

from energymeter.cli.progress import Progress, progress

_SLOW = """
import sys, time
from energymeter.cli.progress import progress
with progress("counting [red]sheep", 4) as bar:
    for number in range(4):
        time.sleep(float(sys.argv[1]))
        bar.step()
        bar.aside(lambda: print("sheep", number, flush=True))
print("awake")
"""


def test_a_bar_shows_itself_when_it_takes_long() -> None:
    with in_terminal([sys.executable, "-c", _SLOW, "0.4"]) as terminal:
        assert terminal.end() == 0
    assert "counting [red]sheep" in terminal.text
    assert "50 %" in terminal.text
    # What was written meanwhile stands in lines of its own, and the bar is gone at the end.
    lines = [line.strip() for line in terminal.text.replace("\r", "\n").split("\n")]
    assert [line for line in lines if line.startswith("sheep")] == [f"sheep {n}" for n in range(4)]
    assert terminal.text.rstrip().endswith("awake")
    assert terminal.raw.rstrip().endswith(b"awake")


def test_what_is_quick_has_no_bar() -> None:
    with in_terminal([sys.executable, "-c", _SLOW, "0"]) as terminal:
        assert terminal.end() == 0
    assert "counting" not in terminal.text
    assert "\x1b" not in terminal.raw.decode()


def test_a_terminal_that_cannot_draw_has_no_bar() -> None:
    command = [sys.executable, "-c", _SLOW, "0.2"]
    with in_terminal(command, environment={"TERM": "dumb"}) as terminal:
        assert terminal.end() == 0
    assert "counting" not in terminal.text


def test_a_pipe_has_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("counting", 2) as bar:
        assert type(bar) is Progress
        bar.step("sheep")
        bar.at(2, 2, "more sheep")
        bar.aside(lambda: print("one line"))
    assert capsys.readouterr() == ("one line\n", "")


def test_an_interrupt_takes_the_bar_away() -> None:
    with in_terminal([sys.executable, "-c", _SLOW, "3"]) as terminal:
        terminal.until("counting")
        terminal.press("\x03")
        assert terminal.end() != 0
    # The cursor is back.
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")


def shown(*arguments: str, code: int) -> str:
    """What a command writes to a terminal whose bars come at once."""
    with energymeter_in_terminal(*arguments, columns=150, is_impatient=True) as terminal:
        assert terminal.end() == code
    return terminal.text


def test_scan_shows_where_it_is() -> None:
    with silent_server() as port:
        where = f"127.0.0.1:{port}"
        text = shown("scan", where, "--units", "1-4", "--timeout", "0.2", code=1)
    assert f"{where} unit 2" in text
    assert "50 %" in text


def test_dump_shows_how_much_there_is(electric: str) -> None:
    text = shown("dump", electric, "--range", "0-101", "--pause", "0.3", code=0)
    assert "registers answered, " in text
    assert "energymeter dump 1" in text


def test_doctor_shows_what_it_tries(electric: str) -> None:
    text = shown("doctor", electric, "--profile", "electric", code=0)
    assert f"examining tcp://{electric}" in text
    assert "ok    unit" in text


def test_find_shows_its_reads() -> None:
    with silent_server() as port:
        where = f"127.0.0.1:{port}"
        text = shown("find", where, "--profile", "electric", "--timeout", "0.4", code=1)
        assert f"asking {where}" in text
        text = shown("find", where, "--range", "0-101", "--timeout", "0.4", code=1)
        assert f"asking {where}" in text
        assert "0 %" in text


def test_trace_and_a_bar_do_not_mix() -> None:
    with silent_server() as port:
        arguments = ("--profile", "electric", "--trace", "--timeout", "0.4")
        text = shown("find", f"127.0.0.1:{port}", *arguments, code=1)
    assert "asking" not in text


def test_profiles_are_read_with_a_bar() -> None:
    text = shown("profile", "list", code=0)
    assert "abb/" in text
    assert " %" in text


def test_a_large_site_is_checked_with_a_bar(tmp_path: Path) -> None:
    links = "".join(
        f'[[link]]\nname = "l{n}"\nurl = "tcp://192.0.2.{n % 250}:{1000 + n}"\n'
        f'[[meter]]\nname = "m{n}-{{unit}}"\nlink = "l{n}"\nunits = "1-100"\n'
        'profile = "electric"\n'
        for n in range(50)
    )
    path = tmp_path / "site.toml"
    path.write_text(links)
    text = shown("site", "check", str(path), code=0)
    assert f"reading {path}" in text or "planning the reads" in text
    assert "50 links, 5000 meters" in text
    done = run("site", "check", str(path))
    assert "\x1b" not in done.out + done.err
    assert "reading" not in done.out + done.err


def test_an_import_is_done_with_a_bar(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("nonsense")
    text = shown("profile", "import", str(path), code=2)
    assert "energymeter" in text
    assert "Traceback" not in text
