"""`energymeter run`: what it ends with, and what it says when it cannot begin."""

from __future__ import annotations

import re
import signal
import socket
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.cli.programs import Program, call, line_of, start

from energymeter.daemon.lock import StateLock

pytestmark = pytest.mark.usefixtures("logging_as_it_was")

METER = """
[[meter]]
name = "m1"
url = "tcp://{address}"
profile = "electric"
interval = "100ms"
"""


@pytest.fixture
def site(tmp_path: Path, electric: str) -> Path:
    path = tmp_path / "site.toml"
    path.write_text("web = false\n" + METER.replace("{address}", electric), "utf-8")
    return path


def said(program: Program, pattern: str) -> str:
    """The next line of its log that has this."""
    assert program.process.stderr is not None
    while True:
        line = line_of(program.process.stderr)
        assert line, f"it ended without saying {pattern!r}"
        if re.search(pattern, line):
            return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_polls_until_it_is_told_to_stop(site: Path, number: signal.Signals) -> None:
    with start("run", str(site)) as program:
        line = said(program, "polls 1 meter on 1 link of ")
        assert str(site) in line
        outcome = program.end(number)
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.endswith("info service: stopped\n")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no such signal")
def test_it_reads_the_file_again_when_it_is_told_to(site: Path) -> None:
    with start("run", str(site)) as program:
        said(program, "polls 1 meter")
        program.process.send_signal(signal.SIGHUP)
        said(program, "reloaded, nothing changed")
        text = site.read_text("utf-8")
        site.write_text(text.replace("100ms", "200ms"), "utf-8")
        # By itself it looks every two seconds.
        said(program, "reloaded: meter m1 changed")
        assert program.end(signal.SIGTERM).code == 0


def test_listen_counts_whatever_the_file_says(site: Path) -> None:
    with start("run", str(site), "--listen", "127.0.0.1:0") as program:
        line = said(program, "polls 1 meter")
        address = re.search(r"http://\S+", line)
        assert address is not None
        with urllib.request.urlopen(address[0], timeout=5) as answer:
            assert answer.status == 200
        assert program.end(signal.SIGTERM).code == 0


def test_told_to_stop_while_it_begins_it_ends_at_once_and_leaves_a_sound_state(
    site: Path,
) -> None:
    pauses_s = (0.1, 0.4, 0.7, 1.0, 1.3)
    with ExitStack() as stack:
        began = time.monotonic()
        programs = []
        for number, pause_s in enumerate(pauses_s):
            own = site.with_name(f"site-{number}.toml")
            text = site.read_text("utf-8")
            own.write_text(f'state = "state-{number}"\nstore = false\n{text}', "utf-8")
            programs.append((pause_s, stack.enter_context(start("run", str(own)))))
        for pause_s, program in programs:
            time.sleep(max(0.0, began + pause_s - time.monotonic()))
            outcome = program.end(signal.SIGTERM)
            # Python itself is ended by the signal before it knows of the program.
            assert outcome.code in (0, -signal.SIGTERM)
            assert "Traceback" not in outcome.err


def test_a_wrong_site_file_is_refused_with_all_its_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        'nmae = "x"\n[[meter]]\nname = "m1"\nprofile = "electrik"\nlink = "bus"\n'
        '[[meter]]\nname = "m2"\nurl = "tcp://a:99999"\nprofile = "electric"\ninterval = "soon"\n',
        "utf-8",
    )
    outcome = call(capsys, "run", str(site))
    assert (outcome.code, outcome.out) == (2, "")
    lines = outcome.err.splitlines()
    assert len(lines) >= 3
    for word in ("nmae", "99999", "soon"):
        assert word in outcome.err
    site.write_text(
        '[[meter]]\nname = "m1"\nprofile = "electrik"\nurl = "tcp://a"\n'
        '[[meter]]\nname = "m2"\nprofile = "electric"\nlink = "bus"\n'
        '[[sink]]\ntype = "webhook"\nurl = "http://x"\ntoken = { env = "NOT_SET_AT_ALL" }\n',
        "utf-8",
    )
    outcome = call(capsys, "run", str(site))
    assert (outcome.code, outcome.out) == (2, "")
    for word in ("electrik", "bus", "NOT_SET_AT_ALL"):
        assert word in outcome.err
    assert list(tmp_path.iterdir()) == [site]


def test_no_site_file_is_refused_with_what_makes_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = call(capsys, "run")
    assert outcome.code == 2
    assert outcome.err == (
        "energymeter: site.toml: there is no such file, energymeter site new site.toml makes one\n"
    )


def test_a_second_service_of_one_state_folder_is_refused_in_one_sentence(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with StateLock(site.parent / "state"):
        outcome = call(capsys, "run", str(site))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"energymeter: {site.parent / 'state'}: another energymeter run keeps its state here; "
        "end it, or name another folder as state in the site file\n"
    )


@pytest.mark.parametrize(
    ("store", "reason"),
    [
        ('path = "site.toml"', "is damaged or no store"),
        ('path = "."', "unable to open database file"),
        ('path = "site.toml/energymeter.db"', "the folder of the store cannot be made"),
    ],
)
def test_a_store_that_cannot_be_opened_ends_it_with_1_and_a_sentence(
    store: str, reason: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text(f"{site.read_text('utf-8')}\n[store]\n{store}\n", "utf-8")
    outcome = call(capsys, "run", str(site))
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("energymeter: ")
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_port_that_is_taken_is_refused_in_one_sentence(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = call(capsys, "run", str(site), "--listen", listen)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("energymeter: the HTTP side cannot listen on 127.0.0.1 port ")
    assert outcome.err.count("\n") == 1


def test_a_listen_that_cannot_be_is_refused_in_one_sentence(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = call(capsys, "run", str(site), "--listen", "everywhere:http")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("energymeter: --listen everywhere:http: ")
    assert outcome.err.count("\n") == 1
