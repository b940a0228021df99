"""`energymeter site password`: a hash for the site file, from a terminal and from a pipe."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

from energymeter.site.model import WebEntry
from energymeter.site.password import PasswordHash

PASSWORD = "correct horse Ärger"
COMMAND = [sys.executable, "-m", "energymeter", "site", "password"]


def piped(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(COMMAND, input=text, capture_output=True, text=True, check=False)


def test_a_hash_of_the_first_line_of_stdin_is_printed() -> None:
    done = piped(f"{PASSWORD}\nnot this\n")
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    assert PasswordHash.parse(line).fits(PASSWORD)
    assert WebEntry.model_validate({"listen": "0.0.0.0:1", "password": line})
    assert PASSWORD not in done.stderr


def test_a_short_password_is_refused_in_one_sentence() -> None:
    for text, words in (("short\n", "has 5 characters"), ("", "has 0 characters")):
        done = piped(text)
        assert done.returncode == 2
        assert done.stdout == ""
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_at_a_terminal_it_is_asked_for_twice_and_never_shown(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with (tmp_path / "hash").open("w+") as out:
        with subprocess.Popen(COMMAND, stdin=theirs, stdout=out, stderr=theirs) as process:
            os.close(theirs)
            shown = until(ours, b"Password: ")
            os.write(ours, PASSWORD.encode() + b"\n")
            shown += until(ours, b"confirmation: ")
            os.write(ours, PASSWORD.encode() + b"\n")
            shown += until(ours, b"site file")
            assert process.wait(20) == 0
        os.close(ours)
        out.seek(0)
        assert PasswordHash.parse(out.read()).fits(PASSWORD)
    assert PASSWORD.encode() not in shown


def until(terminal: int, mark: bytes) -> bytes:
    """What a terminal shows until this comes."""
    seen = b""
    while mark not in seen:
        assert select.select([terminal], [], [], 20)[0], seen
        seen += os.read(terminal, 1024)
    return seen
