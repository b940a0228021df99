"""The log: lines for people, objects for programs, priorities for journald, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from energymeter.clock import ManualClock
from energymeter.daemon.logs import set_up
from energymeter.service.events import EventStream, Level, Topic

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


def say(level: Level = Level.WARNING, text: str = "connection refused") -> None:
    EventStream(ManualClock()).tell(level, Topic.LINK, "bus1", text)


def fail(cause: str = "the cause") -> None:
    try:
        float(cause)
    except ValueError:
        logging.getLogger("energymeter.test").exception("it failed")


def test_an_event_is_a_line_with_time_and_level() -> None:
    out = io.StringIO()
    set_up("info", "text", stream=out)
    say()
    time, _, rest = out.getvalue().partition(" ")
    assert rest == "warning link bus1: connection refused\n"
    assert len(time) == len("2026-11-21T15:00:00Z")
    assert time.endswith("Z")


def test_other_lines_say_who_speaks() -> None:
    out = io.StringIO()
    set_up("info", "text", stream=out)
    logging.getLogger("energymeter.service").info("hello")
    assert out.getvalue().endswith("Z info energymeter.service: hello\n")


def test_a_trace_is_indented_behind_its_line() -> None:
    out = io.StringIO()
    set_up("info", "text", stream=out)
    fail()
    first, *others = out.getvalue().splitlines()
    assert first.endswith("error energymeter.test: it failed")
    assert others[-1] == "    ValueError: could not convert string to float: 'the cause'"
    assert all(line.startswith("    ") for line in others)


def test_nothing_that_a_meter_says_begins_a_new_line() -> None:
    out = io.StringIO()
    set_up("info", "text", stream=out)
    say(text="it says\n2026-11-21T15:00:00Z error forged\x1b[2J\u2028x")
    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b" not in out.getvalue()


def test_json_lines_always_have_the_same_keys() -> None:
    out = io.StringIO()
    set_up("debug", "json", stream=out)
    say()
    logging.getLogger("energymeter.test").debug("two\nlines %s", "\xfc")
    fail()
    event, other, failure = map(json.loads, out.getvalue().splitlines())
    assert list(event) == ["time", "level", "topic", "subject", "logger", "text", "exception"]
    assert list(event) == list(other) == list(failure)
    del event["time"]
    assert event == {
        "level": "warning",
        "topic": "link",
        "subject": "bus1",
        "logger": "energymeter.events",
        "text": "connection refused",
        "exception": None,
    }
    assert (other["text"], other["topic"], other["subject"]) == ("two\nlines \xfc", "", "")
    assert "ValueError: could not convert" in failure["exception"]


def test_the_level_holds_and_can_be_changed() -> None:
    out = io.StringIO()
    set_up("warning", "text", stream=out)
    say(Level.INFO, "quiet")
    assert out.getvalue() == ""
    set_up("info", "text", stream=out)
    say(Level.INFO, "loud")
    assert out.getvalue().count("loud") == 1


@pytest.mark.parametrize(
    "name", ["uvicorn.error", "httpx", "httpcore.http11", "aiomqtt", "asyncio"]
)
def test_libraries_only_warn(name: str) -> None:
    out = io.StringIO()
    set_up("debug", "text", stream=out)
    logging.getLogger(name).info("request sent")
    assert out.getvalue() == ""
    logging.getLogger(name).warning("broken")
    assert "broken" in out.getvalue()


def test_warnings_of_python_are_lines_too() -> None:
    out = io.StringIO()
    set_up("info", "text", stream=out)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "warning py.warnings: " in out.getvalue()
    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_printed_whoever_says_it(form: str) -> None:
    out = io.StringIO()
    set_up("info", form, stream=out, secrets=["top-secret", 'qu"ote', "abc"])  # type: ignore[arg-type]
    log = logging.getLogger("energymeter.test")
    log.error("login top-secret failed, so did %s", 'qu"ote')
    log.error("cannot reach postgresql://me:hunter2@db/energy and abc")
    log.error("sent Authorization: Bearer abcdefghijklmnop0123456789==, password=hunter3")
    fail("top-secret")
    text = out.getvalue()
    for secret in ("top-secret", 'qu"ote', r"qu\"ote", "hunter2", "hunter3", "abcdefghij"):
        assert secret not in text
    assert "postgresql://me:***@db/energy and abc" in text  # too short to be told from words


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.TextIOWrapper]:
    """A file that is said to be journald's."""
    with (tmp_path / "journal").open("w+", encoding="utf-8") as file:
        found = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        yield file


def test_journald_gets_priorities_and_no_time(journal: io.TextIOWrapper) -> None:
    set_up("debug", "text", stream=journal)
    logging.getLogger("energymeter.test").debug("hush")
    for level in Level:
        say(level, level.value)
    fail()
    journal.seek(0)
    lines = journal.read().splitlines()
    assert lines[:5] == [
        "<7>energymeter.test: hush",
        "<6>link bus1: info",
        "<4>link bus1: warning",
        "<3>link bus1: error",
        "<3>energymeter.test: it failed",
    ]
    assert all(line.startswith("<3>") for line in lines[4:])


def test_journald_gets_json_as_it_is(journal: io.TextIOWrapper) -> None:
    set_up("info", "json", stream=journal)
    say()
    journal.seek(0)
    assert json.loads(journal.read())["text"] == "connection refused"


def test_a_file_that_is_not_the_journal_gets_times(
    journal: io.TextIOWrapper, tmp_path: Path
) -> None:
    del journal  # the variable is inherited, the stream is another
    with (tmp_path / "other").open("w+") as file:
        set_up("info", "text", stream=file)
        say()
        file.seek(0)
        assert not file.read().startswith("<")


PROGRAM = """
import logging, os, sys
from energymeter.daemon.logs import set_up
set_up("info", "text")
sys.stdin.readline()
for number in range(3):
    logging.getLogger("energymeter").error("line %s", number)
os.write(1, b"still alive")
"""


def test_a_reader_that_has_gone_stops_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    process.stderr.close()
    out, _ = process.communicate(b"\n", timeout=20)
    assert (out, process.returncode) == (b"still alive", 0)


def test_a_process_without_stderr_can_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    set_up("info", "text")
    say()
    assert logging.getLogger().handlers
