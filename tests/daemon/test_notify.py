"""What systemd is told, over a real datagram socket as systemd's own is one."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.loops import run, turns

from energymeter.clock import ManualClock
from energymeter.daemon.notify import Notifier

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no systemd")


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(5)
        yield receiver


def notifier(systemd: socket.socket, **more: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": systemd.getsockname(), **more})


def test_ready_reloading_and_stopping_are_told(systemd: socket.socket) -> None:
    told = notifier(systemd)
    told.ready("polls 3 meters\nREADY=0")
    told.reloading()
    told.ready()
    told.stopping()
    assert systemd.recv(1000) == b"READY=1\nSTATUS=polls 3 meters READY=0"
    name, _, time = systemd.recv(1000).decode().partition("\nMONOTONIC_USEC=")
    assert name == "RELOADING=1"
    assert int(time) > 0
    assert systemd.recv(1000) == b"READY=1"
    assert systemd.recv(1000) == b"STOPPING=1"


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are of Linux")
def test_an_abstract_socket_is_found() -> None:
    name = f"energymeter-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert receiver.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@nobody-listens-there", "x" * 200])
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    Notifier({"NOTIFY_SOCKET": address}).ready()
    Notifier({}).stopping()


def test_signs_of_life_come_three_times_as_often_as_needed_and_only_when_all_is_well(
    systemd: socket.socket,
) -> None:
    systemd.setblocking(False)

    def heard() -> int:
        count = 0
        try:
            while systemd.recv(100) == b"WATCHDOG=1":
                count += 1
        except BlockingIOError:
            pass
        return count

    async def scenario() -> None:
        clock, is_well = ManualClock(), True
        told = notifier(systemd, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid()))
        task = asyncio.create_task(told.keep_alive(clock, lambda: is_well))
        await turns(3)
        assert heard() == 1
        for _ in range(3):
            await clock.advance(10)
        assert heard() == 3
        is_well = False
        await clock.advance(60)
        assert heard() == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())


@pytest.mark.parametrize(
    "more",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}],
)
def test_without_a_watchdog_there_are_no_signs_of_life(
    systemd: socket.socket, more: dict[str, str]
) -> None:
    systemd.setblocking(False)
    run(notifier(systemd, **more).keep_alive(ManualClock(), lambda: True))
    with pytest.raises(BlockingIOError):
        systemd.recv(100)
