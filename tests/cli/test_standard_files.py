"""What becomes of the output: nobody reads it, its disk is full, or it was never opened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.programs import ROOT, Outcome

FULL = Path("/dev/full")


def written_to(stdout: int, *arguments: str) -> Outcome:
    """Run the program, or a script, with its output going there."""
    program = arguments if arguments[0].endswith(".py") else ("-m", "energymeter", *arguments)
    done = subprocess.run(
        [sys.executable, *program],
        stdout=stdout,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=30,
        cwd=ROOT,
    )
    return Outcome(done.returncode, "", done.stderr)


def commands(electric: str, pm8000: str) -> list[tuple[str, ...]]:
    meter = (electric, "--profile", "electric")
    host, _, port = pm8000.partition(":")
    return [
        ("--help",),
        ("read", "--help"),
        ("frame", "01 03 00 00 00 02 C4 0B"),
        ("profile", "show", "sdm120"),
        ("read", *meter),
        ("read", *meter, "--json"),
        ("poll", *meter, "--interval", "0.1", "--no-memory"),
        ("main.py", "--host", host, "--port", port, "--interval", "0.1"),
    ]


def test_a_reader_who_goes_away_is_no_fault_of_ours(electric: str, pm8000: str) -> None:
    for arguments in commands(electric, pm8000):
        unread, stdout = os.pipe()
        os.close(unread)
        outcome = written_to(stdout, *arguments)
        os.close(stdout)
        assert (outcome.code, outcome.err) == (0, ""), arguments


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")
def test_an_output_that_takes_no_more_is_told_in_one_line(electric: str, pm8000: str) -> None:
    for arguments in commands(electric, pm8000):
        with FULL.open("wb") as stdout:
            outcome = written_to(stdout.fileno(), *arguments)
        assert outcome.code == 1, arguments
        assert outcome.err.count("\n") == 1, outcome.err
        assert "the output cannot be written: No space left" in outcome.err


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes files")
def test_closed_standard_files_do_not_stop_a_reading(electric: str) -> None:
    command = f"{sys.executable} -m energymeter read {electric} --profile electric --json"
    for closing in (">&-", "2>&- >/dev/null", "<&- >/dev/null", "<&- >&- 2>&-"):
        done = subprocess.run(f"{command} {closing}", shell=True, check=False, cwd=ROOT, timeout=30)
        assert done.returncode == 0, closing


def test_letters_that_the_output_has_not_are_written_as_escapes(tmp_path: Path) -> None:
    file = tmp_path / "meter.py"
    file.write_text(
        "from energymeter import ModbusDevice, Register\n"
        "Meter = ModbusDevice('Z\u00e4hler', [Register('v', 0, 1, 'uint16')])\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "energymeter", "plan", "--device", str(file)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
        timeout=30,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(rb"Z\xe4hler at 9600 8N1")
