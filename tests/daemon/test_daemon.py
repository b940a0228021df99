"""A whole service from its site file: how it begins, what systemd hears of it, how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.daemon.housing import House, eventually, link, living, meter, sink, site, stored
from tests.service.journaling import polls
from tests.support.loops import on_each_loop, run

from energymeter.daemon.daemon import Daemon, follow_signals
from energymeter.daemon.installation import Installation
from energymeter.errors import ConfigError
from energymeter.service.events import Level, Topic
from energymeter.store import StoreError

PLAIN = site(link("left", "a"), meter("l1", "left", 1))
WITH_SINK = site(link("left", "a"), meter("l1", "left", 1), sink("out"))


@on_each_loop
def test_it_polls_keeps_and_passes_on_until_it_is_stopped(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, WITH_SINK) as house:
            await house.polled("l1", times=2)
        assert house.told(Topic.SERVICE) == [
            f"energymeter 0.1.0 polls 1 meter on 1 link of {tmp_path / 'site.toml'}",
            "stopped",
        ]
        assert house.open_files() == []

    run(scenario(), loop)
    assert stored(tmp_path / "energymeter.db") == {"l1"}
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) >= 2


def test_what_is_polled_before_a_sink_is_ready_is_passed_on_too(tmp_path: Path) -> None:
    start = Installation.start

    async def started_late(installation: Installation) -> None:
        installation._journal.append(polls([1, 2, 3], "l1"))
        await start(installation)

    async def scenario(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Installation, "start", started_late)
        async with living(tmp_path, WITH_SINK) as house:
            await eventually(lambda: house.installation.snapshot.sinks["out"].sent >= 3)

    with pytest.MonkeyPatch.context() as patch:
        run(scenario(patch))
    assert '"n"' in (tmp_path / "out.jsonl").read_text("utf-8")


async def health(house: House, **headers: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{house.installation.address}/health", headers=headers)).status_code


def test_listen_counts_whatever_the_file_says_and_says_later(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, PLAIN, listen="127.0.0.1:0") as house:
            await house.polled("l1")
            address = house.installation.address
            assert await health(house) == 200
            assert house.told(Topic.SERVICE)[0].endswith(f", {address}/health")
            more = site(link("left", "a"), meter("l1", "left", 1), meter("l2", "left", 2))
            assert await house.change(more) == "reloaded: meter l2 added"
            assert house.installation.address == address
            # The token of the file holds there too.
            token = more.replace("web = false", '[web]\nlisten = "127.0.0.1:1"\ntoken = "sesame"')
            assert await house.change(token) == ("reloaded: web changed")
            assert not house.installation.address.endswith(":1")
            assert await health(house) == 401
            assert await health(house, Authorization="Bearer sesame") == 200

    run(scenario())


@pytest.mark.parametrize(
    ("listen", "reason"),
    [
        ("0.0.0.0:0", "listen = '0.0.0.0:0' can be reached from elsewhere, that needs a token"),
        ("127.0.0.1:99999", "99999"),
        ("127.0.0.1:x", "listen: "),
    ],
)
def test_a_wrong_listen_is_refused_in_a_sentence(listen: str, reason: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, PLAIN, listen=listen):
            pass

    with pytest.raises(ConfigError) as refused:
        run(scenario())
    text = str(refused.value)
    assert text.startswith(f"--listen {listen}: ")
    assert reason in text
    assert "Value error" not in text


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield receiver


def heard(systemd: socket.socket) -> list[str]:
    """What systemd was told; the changing part of a reload is left out."""
    found = []
    while True:
        try:
            found.append(systemd.recv(1000).decode().partition("\nMONOTONIC")[0])
        except BlockingIOError:
            return found


@pytest.mark.skipif(sys.platform == "win32", reason="there is no systemd")
def test_systemd_hears_of_start_reload_and_end(tmp_path: Path, systemd: socket.socket) -> None:
    async def scenario() -> None:
        async with living(tmp_path, PLAIN) as house:
            assert heard(systemd) == ["READY=1\nSTATUS=polls 1 meter"]
            more = site(link("left", "a"), meter("l1", "left", 1), meter("l2", "left", 2))
            await house.change(more)
            await house.change("broken")
            # It is not told twice.
            await asyncio.sleep(0.2)
            assert heard(systemd) == [
                *("RELOADING=1", "READY=1\nSTATUS=polls 2 meters"),
                *("RELOADING=1", "READY=1\nSTATUS=polls 2 meters"),
            ]
        assert heard(systemd) == ["STOPPING=1"]

    run(scenario())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no systemd")
def test_systemd_hears_signs_of_life_also_while_everything_begins_anew(
    tmp_path: Path, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "150000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))

    async def scenario() -> None:
        async with living(tmp_path, PLAIN) as house:
            await house.polled("l1", times=2)
            # The socket holds ten messages at most.
            assert heard(systemd).count("WATCHDOG=1") >= 2
            await house.change(PLAIN.replace("plant", "works"))
            await house.polled("l1", times=2)
            told = heard(systemd)
            assert "RELOADING=1" in told
            assert told.count("WATCHDOG=1") >= 2
        assert heard(systemd)[-1] == "STOPPING=1"

    run(scenario())


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such lock")
def test_a_second_service_in_one_state_folder_is_refused_and_disturbs_nothing(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with living(tmp_path, WITH_SINK) as house:
            await house.polled("l1")
            second = tmp_path / "second"
            second.mkdir()
            text = site(
                meter("l9", "left", 1), link("left", "a"), head='web = false\nstate = "../state"'
            )
            with pytest.raises(ConfigError, match="another energymeter run keeps its state here"):
                async with living(second, text):
                    pass
            assert not (second / "energymeter.db").exists()
            await house.polled("l1")
            assert not house.told(Topic.SERVICE, Level.ERROR)
        # It was let go of.
        async with living(second, text) as other:
            await other.polled("l9")

    run(scenario())


@pytest.mark.parametrize(
    ("head", "error", "reason"),
    [
        ('web = false\n[store]\npath = "folder"', StoreError, "folder: cannot be opened"),
        ('web = false\n[store]\npath = "plain.toml/x/a.db"', StoreError, "cannot be made"),
        ('web = false\n[store]\npath = "plain.toml"', StoreError, "is damaged or no store"),
        ('[web]\nlisten = "{taken}"', ConfigError, "the HTTP side cannot listen on 127.0.0.1"),
        ('web = false\nstate = "plain.toml/x"', ConfigError, "cannot be used for the state"),
    ],
    ids=["a folder for a store", "a file for a folder", "no store", "no port", "no state"],
)
def test_what_cannot_be_opened_ends_it_with_a_sentence_and_nothing_left_open(
    head: str, error: type[Exception], reason: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()

    async def scenario(head: str) -> None:
        async with living(tmp_path, site(link("left", "a"), meter("l1", "left", 1), head=head)):
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken:
        head = head.replace("{taken}", f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(error) as refused:
            run(scenario(head))
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert House(tmp_path, {}, None).open_files() == []


@on_each_loop
def test_told_to_stop_while_it_starts_it_ends_in_good_order(loop: str, tmp_path: Path) -> None:
    start = Installation.start

    async def slow_start(installation: Installation) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.1)
        await start(installation)

    async def scenario(patch: pytest.MonkeyPatch) -> None:
        house = House(tmp_path, {}, None)
        house.write(site())
        daemon = Daemon(house.path)
        follow_signals(daemon)
        patch.setattr(Installation, "start", slow_start)
        await daemon.run()
        assert [event.text for event in daemon._events.newest()][-1] == "stopped"
        assert house.open_files() == []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)

    with pytest.MonkeyPatch.context() as patch:
        run(scenario(patch), loop)


@on_each_loop
def test_cancelled_at_any_moment_it_leaves_nothing_open(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        house = House(tmp_path, {}, None)
        house.write(site(sink("out"), head='[web]\nlisten = "127.0.0.1:0"'))
        for pause_s in (0.0, 0.003, 0.006, 0.01, 0.02, 0.04):
            daemon = Daemon(house.path)
            running = asyncio.create_task(daemon.run())
            await asyncio.sleep(pause_s)
            running.cancel()
            await asyncio.wait([running])
            assert running.cancelled()
            await eventually(lambda: house.open_files() == [])

    run(scenario(), loop)


def test_a_site_without_meters_is_told_and_waits_for_some(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, site()) as house:
            assert house.told(Topic.SITE) == ["there are no meters, add a [[meter]]"]
            await house.change(PLAIN)
            await house.polled("l1")

    run(scenario())
