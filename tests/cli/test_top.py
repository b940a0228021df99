"""`energymeter top` behind a real terminal, in front of a real service."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.programs import call, free_port, simulator
from tests.cli.terminal import Terminal, energymeter_in_terminal
from tests.cli.test_status import service
from tests.e2e.running import Running, eventually
from tests.transports.pki import Pki
from tests.web.site_of import meter_of, snapshot_of

from energymeter.cli import top
from energymeter.transports import TlsFiles

Capture = pytest.CaptureFixture[str]
TOKEN = "a-token-nobody-guesses"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`energymeter run` with two meters of which one is not there."""
    service_there = Running(tmp_path_factory.mktemp("top"))
    with simulator("--meter-type", "electric", "--seed", "1") as meter:
        service_there.write(
            'name = "works"\nstore = false\n[defaults]\ninterval = "500ms"\n[web]\n'
            'listen = "{listen}"\n'
            f'[[meter]]\nname = "main"\nurl = "tcp://127.0.0.1:{meter.port}"\n'
            'profile = "electric"\n'
            f'[[meter]]\nname = "gone"\nurl = "tcp://127.0.0.1:{free_port()}"\n'
            'profile = "electric"\n'
        )
        service_there.start()
        try:
            eventually(lambda: service_there.get("/health"), "the service answers")
            yield service_there
        finally:
            service_there.close()
            sys.stdout.write(service_there.text()[-3000:])


@pytest.fixture
def screen(running: Running) -> Iterator[Terminal]:
    """The screen of the service, in 80 columns and 24 lines."""
    with energymeter_in_terminal("top", f"127.0.0.1:{running.port}") as terminal:
        terminal.until("works")
        terminal.until("silent")
        yield terminal


def test_it_shows_a_running_service_and_ends_with_q(screen: Terminal) -> None:
    screen.until("2 meters: 1 alive, 1 silent")
    screen.until("1 of 2 meters does not answer")
    screen.until("kWh")
    screen.press("q")
    assert screen.end() == 0
    # The terminal is as it was: the usual screen, a cursor.
    assert screen.raw.rfind(b"\x1b[?1049l") > screen.raw.rfind(b"\x1b[?1049h")
    assert screen.raw.rfind(b"\x1b[?25h") > screen.raw.rfind(b"\x1b[?25l")
    # The mouse was left to the terminal.
    assert b"\x1b[?1000h" not in screen.raw


def test_ctrl_c_ends_it_too(screen: Terminal) -> None:
    screen.press("\x03")
    assert screen.end() == 0
    assert "Traceback" not in screen.text


def test_keys_lead_to_a_meter_its_frames_and_back(screen: Terminal) -> None:
    screen.press("/mai\r")
    screen.until("with 'mai'")
    screen.press("\r")
    screen.until("voltage_phase_a")
    screen.press("t")
    screen.until("frames")
    screen.until("Modbus TCP, unit 1")
    screen.forget()
    screen.press("\x1b")
    screen.until("counted")
    screen.press("\t")
    screen.until("wanted")
    screen.press("e")
    screen.until("about")
    screen.press("q")
    assert screen.end() == 0


def test_it_follows_a_change_of_size(screen: Terminal) -> None:
    for columns in (150, 151, 150):  # on a busy machine the first may come while it draws
        screen.forget()
        screen.resize(columns, 30)
        if screen.writes("profile, or what is wrong", limit_s=5.0):
            break
    else:
        pytest.fail("it did not follow")
    screen.press("q")
    assert screen.end() == 0


def test_the_site_file_says_where_and_with_which_token(tmp_path: Path) -> None:
    port = free_port()
    site = tmp_path / "site.toml"
    site.write_text(f'meter = "nonsense"\n[web]\nlisten = "0.0.0.0:{port}"\ntoken = "{TOKEN}"\n')
    with (
        service(snapshot_of(meter_of("m1")), token=TOKEN, port=port),
        energymeter_in_terminal("top", "--site", str(site)) as terminal,
    ):
        terminal.until("1 meter: 1 alive")
        terminal.press("q")
        assert terminal.end() == 0


def test_the_token_may_stand_in_any_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    with (
        service(snapshot_of(meter_of("m1")), token=TOKEN) as url,
        energymeter_in_terminal("top", url, "--token-env", "MY_TOKEN") as terminal,
    ):
        quits(terminal, "1 meter: 1 alive")


def test_who_brings_no_token_is_asked_for_the_password() -> None:
    with service(snapshot_of(meter_of("m1")), token=TOKEN) as url:
        with energymeter_in_terminal("top", url, columns=200) as terminal:
            terminal.until(f"password or token of {url}: ")
            terminal.press(f"{TOKEN}\r")
            quits(terminal, "1 meter: 1 alive")
        assert TOKEN not in terminal.text
        with energymeter_in_terminal("top", url, columns=200) as terminal:
            terminal.until("password or token")
            terminal.press("a guess\r")
            assert terminal.end() == 2
    assert f"{url} denies access: this is not the password" in terminal.text
    assert "Traceback" not in terminal.text


def test_nobody_there_is_a_sentence_and_no_screen() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with energymeter_in_terminal("top", url, columns=200) as terminal:
        assert terminal.end() == 3
    assert terminal.text.strip() == (
        f"energymeter top: nothing listens at {url}, is the service running?"
    )


def quits(terminal: Terminal, words: str) -> None:
    terminal.until(words)
    terminal.press("q")
    assert terminal.end() == 0


@contextmanager
def encrypted(folder: Path, files: TlsFiles) -> Iterator[str]:
    """The URL of a service that shows this certificate; its site file is in the folder."""
    running = Running(folder)
    running.write(
        'name = "works"\nstore = false\n[web]\nlisten = "{listen}"\n'
        f'cert = "{files.cert}"\nkey = "{files.key}"\n'
    )
    running.start()
    try:
        eventually(lambda: "/health" in running.text(), "the service listens")
        yield f"https://127.0.0.1:{running.port}"
    finally:
        running.close()


def test_encryption_is_checked(tmp_path: Path) -> None:
    files = Pki(tmp_path).sign("here")
    with encrypted(tmp_path, files) as url:
        site = tmp_path / "site.toml"
        with energymeter_in_terminal("top", "--site", str(site)) as terminal:
            quits(terminal, "works")
        with energymeter_in_terminal("top", url, "--ca", str(files.ca)) as terminal:
            quits(terminal, "works")
        with energymeter_in_terminal("top", url, columns=200) as terminal:
            assert terminal.end() == 3
        assert f"the certificate of {url} is not trusted" in terminal.text


def test_of_a_site_that_very_certificate_counts(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    files = pki.sign("elsewhere", hosts=("meters.example",))
    with encrypted(tmp_path, files) as url:
        site = tmp_path / "site.toml"
        with energymeter_in_terminal("top", "--site", str(site)) as terminal:
            quits(terminal, "works")
        # Of a URL the name counts.
        with energymeter_in_terminal("top", url, "--ca", str(files.ca), columns=200) as terminal:
            assert terminal.end() == 3
        assert "not trusted" in terminal.text
        other = pki.sign("other", hosts=("meters.example",))
        text = site.read_text().replace(str(files.cert), str(other.cert))
        wrong = tmp_path / "wrong.toml"
        wrong.write_text(text.replace(str(files.key), str(other.key)))
        with energymeter_in_terminal("top", "--site", str(wrong), columns=200) as terminal:
            assert terminal.end() == 3
        assert "not trusted" in terminal.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["http://a", "--site", "site.toml"], "not both"),
        (["ftp://a"], "needs a terminal"),
        ([], "needs a terminal; energymeter status prints instead"),
    ],
)
def test_wrong_usage_is_told(capsys: Capture, arguments: list[str], words: str) -> None:
    outcome = call(capsys, "top", *arguments)
    assert outcome.code == 2
    assert words in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ftp://127.0.0.1"], "write http://HOST:PORT"),
        (["--site", "nowhere.toml"], "there is no such file"),
        (["https://127.0.0.1", "--ca", "nowhere.pem"], "cannot be used as --ca"),
    ],
)
def test_wrong_places_are_told_before_there_is_a_screen(arguments: list[str], words: str) -> None:
    with energymeter_in_terminal("top", *arguments, columns=200) as terminal:
        assert terminal.end() == 2
    assert words in terminal.text
    assert terminal.text.count("\n") == 1


def test_the_missing_package_is_named(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "find_spec", lambda _name: None)
    outcome = call(capsys, "top")
    assert outcome.code == 2
    assert outcome.err == (
        "energymeter: energymeter top needs textual: pip install 'energymeter[tui]'\n"
    )
