"""`energymeter status` asks a service over real HTTP and says how it is doing."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.programs import Outcome, call, free_port, line_of, silent_server, start
from tests.web.site_of import NOW, desk_of, meter_of, sink_of, snapshot_of

from energymeter.blocking import LoopThread
from energymeter.clock import ManualClock
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.snapshot import Snapshot
from energymeter.site.model import WebEntry
from energymeter.web.serve import web_server

TOKEN = "a-token-nobody-guesses"


@contextmanager
def service(snapshot: Snapshot, *, token: str | None = None, port: int = 0) -> Iterator[str]:
    """URL of a service in a thread of its own."""
    clock = ManualClock(NOW)
    events = EventStream(clock)
    events.tell(Level.INFO, Topic.SERVICE, "", "started")
    events.tell(Level.WARNING, Topic.METER, "m2", "no answer within 1 s")
    entry = WebEntry.model_validate({"listen": f"127.0.0.1:{port}", "token": token})
    server = web_server(entry, desk_of(snapshot, events, clock), prometheus=None)
    thread = LoopThread()
    thread.run(server.start())
    try:
        yield str(server)
    finally:
        thread.run(server.close())
        thread.close()


def silent_meter() -> Snapshot:
    silent = meter_of("m2")
    silent.fault, silent.fault_since = "no answer within 1 s", NOW - timedelta(minutes=5)
    snapshot = snapshot_of(meter_of("m1"), silent)
    snapshot.sinks["mqtt"] = sink_of("mqtt")
    snapshot.links["bus1"].utilisation = 0.42
    return snapshot


def told(outcome: Outcome) -> str:
    return " ".join(outcome.out.split())


def test_a_service_that_is_well_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with service(snapshot_of(meter_of("m1"))) as url:
        outcome = call(capsys, "status", url)
    assert (outcome.code, outcome.err) == (0, "")
    assert "plant: all is well" in outcome.out
    assert "1 of 1 meters answer" in outcome.out
    assert "started" in outcome.out


def test_what_is_wrong_is_shown_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    with service(silent_meter()) as url:
        outcome = call(capsys, "status", url)
    assert outcome.code == 1
    text = told(outcome)
    assert "1 of 2 meters does not answer" in text
    for word in ("m2", "bus1", "no answer", "42%", "sink mqtt", "energymeter.db"):
        assert word in text


def test_no_terminal_is_moved_by_what_a_name_holds(capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = silent_meter()
    snapshot.meters["m2"].fault = "\x1b[2Jno [bold]answer[/bold]\r\n"
    with service(snapshot) as url:
        outcome = call(capsys, "status", url)
    assert "\x1b" not in outcome.out
    assert "[bold]" in outcome.out


def test_json_holds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with service(silent_meter()) as url:
        outcome = call(capsys, "status", url, "--json")
    assert outcome.code == 1
    answer = json.loads(outcome.out)
    assert answer["silent"][0]["reason"] == "no answer within 1 s"
    assert answer["state"] == "degraded"


def test_health_is_one_line_and_a_silent_meter_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    snapshot = silent_meter()
    with service(snapshot) as url:
        outcome = call(capsys, "status", url, "--health")
        assert outcome == Outcome(0, "plant: degraded, 1 of 2 meters does not answer\n", "")
        snapshot.store.fault = "disk full"
        assert call(capsys, "status", url, "--health").code == 0
        snapshot.store.dropped = 2
        outcome = call(capsys, "status", url, "--health")
        assert outcome.code == 1
        assert outcome.out.startswith("plant: failing, the store takes nothing: disk full; 2 polls")


def test_the_site_file_says_where_and_with_which_token(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    site = tmp_path / "site.toml"
    # The rest of the file does not matter here: it may be wrong just now.
    site.write_text(
        f'meter = "nonsense"\n[web]\nlisten = "0.0.0.0:{port}"\ntoken = {{ file = "token" }}\n'
    )
    with service(snapshot_of(meter_of("m1")), token=TOKEN, port=port):
        outcome = call(capsys, "status", "--site", str(site))
    assert (outcome.code, outcome.err) == (0, "")


def test_the_token_may_stand_in_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with service(snapshot_of(meter_of("m1")), token=TOKEN) as url:
        asked = call(capsys, "status", url)
        assert asked.code == 2
        assert "requires its token" in asked.err
        monkeypatch.setenv("ENERGYMETER_TOKEN", "wrong-token")
        assert "does not take this token" in call(capsys, "status", url).err
        monkeypatch.setenv("ENERGYMETER_TOKEN", TOKEN)
        assert call(capsys, "status", url).code == 0


def test_a_proxy_of_the_environment_is_not_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with service(snapshot_of(meter_of("m1"))) as url:
        assert call(capsys, "status", url.removeprefix("http://")).code == 0


def test_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    outcome = call(capsys, "status", url)
    words = f"energymeter status: nothing listens at {url}, is the service running?\n"
    assert outcome == Outcome(3, "", words)
    assert call(capsys, "status", url, "--health").code == 3


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with silent_server() as port:
        outcome = call(capsys, "status", f"127.0.0.1:{port}", "--timeout", "0.1")
    assert outcome.code == 3
    assert "within 0.1 s" in outcome.err


@contextmanager
def stranger(answer: bytes) -> Iterator[str]:
    """URL of something that answers this to whatever it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_once() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)

        thread = threading.Thread(target=answer_once)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\x01\x00\x00\x00\x03\x01\x83\x02",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>hi</html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1, 2, 3]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\ncut",
        b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_something_else_listens(capsys: pytest.CaptureFixture[str], answer: bytes) -> None:
    with stranger(answer) as url:
        outcome = call(capsys, "status", url)
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.startswith("energymeter status: ")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ftp://127.0.0.1"], "write http://HOST:PORT"),
        (["http://a", "--site", "site.toml"], "not both"),
        (["--json", "--watch"], "do not go together"),
        (["--site", "nowhere.toml"], "there is no such file"),
    ],
)
def test_wrong_usage_is_told(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    outcome = call(capsys, "status", *arguments)
    assert outcome.code == 2
    assert words in outcome.err


@pytest.mark.parametrize(
    ("web", "words"),
    [
        ("web = false", "cannot be asked"),
        ('[web]\nlisten = "127.0.0.1:0"', "give the URL"),
        ('[web]\nlisten = "nonsense:"', "listen"),
        ("[web", "is not TOML"),
    ],
)
def test_a_site_file_that_does_not_lead_there_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, web: str, words: str
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(web)
    outcome = call(capsys, "status", "--site", str(site))
    assert outcome.code == 2
    assert words in outcome.err


def test_watching_goes_on_until_ctrl_c() -> None:
    with service(silent_meter()) as url, start("status", url, "--watch") as program:
        assert "works, but a meter, link or sink does not" in line_of(program.stdout)
        outcome = program.end(signal.SIGINT)
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
