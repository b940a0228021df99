"""Serial ports: what is said when one cannot be opened, and what happens when one goes away."""

from __future__ import annotations

import asyncio
import errno
import grp
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import serialx
from tests.support.loops import on_each_loop, run, turns, until
from tests.transports.ears import Ear, Ears
from tests.transports.pairs import HastyClock
from tests.transports.ptys import NullModem, Pty

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError, EndpointError, LinkOpenError
from energymeter.transports import SerialEndpoint, SerialListener, SerialSettings, serial

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs ptys")


@asynccontextmanager
async def plugged() -> AsyncIterator[Pty]:
    port = Pty()
    yield port
    port.unplug()


async def opened(endpoint: SerialEndpoint) -> Ear:
    ear = Ear()
    await endpoint.connect(ear.itself)
    return ear


async def closed(*ears: Ear) -> None:
    for ear in ears:
        ear.transport.abort()
    await until(lambda: all(ear.is_lost for ear in ears))


async def why_not(path: str, **settings: Any) -> str:
    with pytest.raises(LinkOpenError) as caught:
        await SerialEndpoint(path, **settings).connect(Ear)
    assert caught.value.endpoint == path
    assert "\n" not in caught.value.message
    return caught.value.message


# Settings


@pytest.mark.parametrize(
    ("settings", "bits", "silence_ms"),
    [
        (SerialSettings(), 10, 3.6458),
        (SerialSettings(9600, "E"), 11, 4.0104),
        (SerialSettings(9600, "N", 2), 11, 4.0104),
        (SerialSettings(9600, "O", 2), 12, 4.375),
        (SerialSettings(1200, "E", 1, 7), 10, 29.1667),
        (SerialSettings(19200, "E"), 11, 2.0052),
        (SerialSettings(38400, "E"), 11, 1.75),
        (SerialSettings(115200), 10, 1.75),
    ],
)
def test_characters_and_silences_take_their_time(
    settings: SerialSettings, bits: int, silence_ms: float
) -> None:
    assert settings.bits_per_character == bits
    assert settings.character_s == pytest.approx(bits / settings.baudrate)
    assert settings.silence_s * 1000 == pytest.approx(silence_ms, rel=1e-4)


@pytest.mark.parametrize(
    "settings", [(0,), (-9600,), (9600, "X"), (9600, "e"), (9600, "N", 3), (9600, "N", 1, 6)]
)
def test_impossible_settings_are_refused(settings: tuple[Any, ...]) -> None:
    for kind in (SerialEndpoint, SerialListener):
        with pytest.raises(EndpointError):
            kind("/dev/ttyUSB0", *settings)


def test_a_port_needs_a_name() -> None:
    with pytest.raises(EndpointError, match="no name"):
        SerialEndpoint("")


# Opening


@on_each_loop
def test_a_pty_can_be_opened_with_any_settings(loop: str) -> None:
    async def scenario() -> None:
        async with plugged() as port:
            for settings in ((115200, "E", 2), (9600, "O", 1, 7), (12345, "N")):
                ear = await opened(SerialEndpoint(port.path, *settings))
                os.write(port.far, b"\x00\x03\x11\x13\x1a\xff\r\n")
                await until(lambda ear=ear: len(ear.data) == 8)  # type: ignore[misc]
                assert ear.data == b"\x00\x03\x11\x13\x1a\xff\r\n"
                await closed(ear)

    run(scenario(), loop)


@on_each_loop
def test_a_link_to_a_pty_is_followed(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with plugged() as port:
            name = tmp_path / "meter"
            name.symlink_to(port.path)
            await closed(await opened(SerialEndpoint(str(name), parity="E")))

    run(scenario(), loop)


@on_each_loop
def test_a_port_is_for_one_program_at_a_time(loop: str) -> None:
    async def scenario() -> None:
        async with plugged() as port:
            ear = await opened(SerialEndpoint(port.path))
            assert "is used by another program" in await why_not(port.path)
            await closed(ear)
            await closed(await opened(SerialEndpoint(port.path)))

    run(scenario(), loop)


@on_each_loop
def test_what_is_no_port_is_said_in_words(loop: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    async def scenario() -> None:
        missing = await why_not("/dev/ttyNOWHERE7")
        assert missing.startswith("there is no serial port /dev/ttyNOWHERE7; ")
        assert "/dev/tty" in missing.partition(";")[2] or "is the adapter plugged in?" in missing
        assert "is no serial port" in await why_not(str(file))
        assert "is no serial port" in await why_not(str(tmp_path))

    run(scenario(), loop)


@on_each_loop
def test_ports_there_are_are_listed(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def two() -> list[serialx.SerialPortInfo]:
        nothing = dict.fromkeys(
            (
                "vid", "pid", "serial_number", "manufacturer", "product", "bcd_device",
                "interface_description", "interface_num",
            )
        )  # fmt: skip
        names = ("/dev/ttyUSB1", "/dev/ttyACM0")
        return [
            serialx.SerialPortInfo(device=name, resolved_device=name, **nothing) for name in names
        ]

    monkeypatch.setattr(serialx, "async_list_serial_ports", two)
    said = run(why_not("/dev/ttyUSB0"), loop)
    assert said == "there is no serial port /dev/ttyUSB0; there is /dev/ttyACM0, /dev/ttyUSB1"


@on_each_loop
def test_looking_for_ports_takes_no_longer_than_it_may(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> list[serialx.SerialPortInfo]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(serialx, "async_list_serial_ports", never)
    monkeypatch.setattr(serial, "_LISTING_S", 0.01)
    assert "is the adapter plugged in?" in run(why_not("/dev/ttyNOWHERE7"), loop)


@on_each_loop
@pytest.mark.parametrize(
    ("number", "fragment"),
    [
        (errno.EACCES, "permission denied for"),
        (errno.EPERM, "permission denied for"),
        (errno.EBUSY, "is used by another program"),
        (errno.ENXIO, "no hardware behind"),
        (errno.EIO, "no hardware behind"),
        (errno.EINVAL, "cannot be set to 9600 8E1"),
        (errno.EMFILE, "cannot be opened (Too many open files)"),
    ],
)
def test_what_the_system_says_is_said_in_words(
    number: int, fragment: str, loop: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = tmp_path / "port"
    port.touch()
    system = os.open

    def refuse(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if path == str(port):
            raise OSError(number, os.strerror(number))
        return system(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    assert fragment in run(why_not(str(port), parity="E"), loop)


def test_the_group_that_may_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    group = next(entry for entry in grp.getgrall() if entry.gr_name != "root")
    port = tmp_path / "port"
    port.touch()
    try:
        os.chown(port, -1, group.gr_gid)
    except PermissionError:
        pytest.skip("needs a second group")

    def refuse(path: Any, *_: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    said = run(why_not(str(port)))
    assert f"group {group.gr_name}: sudo usermod -aG {group.gr_name} $USER" in said


# Losing


@on_each_loop
def test_the_loss_of_a_port_is_told_in_words(loop: str) -> None:
    async def scenario() -> None:
        async with plugged() as port:
            ear = await opened(SerialEndpoint(port.path))
            port.unplug()
            await until(lambda: ear.is_lost)
            ear.transport.write(b"too late")
            ear.transport.close()
            ear.transport.abort()

            assert "was the adapter unplugged?" in str(ear.losses[0])
            await turns(10)
            assert len(ear.losses) == 1

    run(scenario(), loop)


@on_each_loop
def test_writing_to_a_port_that_has_just_gone_raises_nothing(loop: str) -> None:
    async def scenario() -> None:
        async with plugged() as port:
            ear = await opened(SerialEndpoint(port.path))
            port.unplug()
            while not ear.is_lost:
                ear.transport.write(b"x")
                await asyncio.sleep(0)

    run(scenario(), loop)


@on_each_loop
def test_a_listener_that_loses_its_port_opens_it_again(loop: str, tmp_path: Path) -> None:
    name = tmp_path / "port"

    async def scenario() -> None:
        ears = Ears()
        listener = SerialListener(str(name), clock=HastyClock())
        for round_ in range(3):
            port = Pty()
            name.symlink_to(port.path)
            if round_ == 0:
                await listener.start(ears)
            await until(lambda count=round_ + 1: len(ears.connected) == count)  # type: ignore[misc]
            os.write(port.far, b"who?")
            await until(lambda: ears.open[-1].data == b"who?")
            name.unlink()
            port.unplug()
            await until(lambda: not ears.open)
        listener.close()
        await listener.wait_closed()
        assert len(ears.connected) == 3

    run(scenario(), loop)


@on_each_loop
def test_a_lost_port_is_tried_once_a_second(loop: str, tmp_path: Path) -> None:
    name = tmp_path / "port"

    async def scenario() -> None:
        ears, clock, port = Ears(), ManualClock(), Pty()
        name.symlink_to(port.path)
        listener = SerialListener(str(name), clock=clock)
        await listener.start(ears)
        name.unlink()
        port.unplug()
        await until(lambda: not ears.open)
        port = Pty()
        name.symlink_to(port.path)
        await clock.advance(0.9)
        await asyncio.sleep(0.03)
        assert ears.open == []
        await clock.advance(0.2)
        await until(lambda: len(ears.open) == 1)

        listener.close()
        await closed(*ears.open)
        await listener.wait_closed()
        port.unplug()

    run(scenario(), loop)


@on_each_loop
def test_a_closed_listener_opens_nothing_any_more(loop: str) -> None:
    async def scenario() -> None:
        ears, clock, port = Ears(), ManualClock(), Pty()
        listener = SerialListener(port.path, clock=clock)
        await listener.start(ears)
        await closed(*ears.open)  # it waits now
        await turns(5)
        listener.close()
        await clock.advance(5)
        await listener.wait_closed()
        assert len(ears.connected) == 1
        port.unplug()

    run(scenario(), loop)


@on_each_loop
def test_a_listener_without_its_port_does_not_start(loop: str) -> None:
    async def scenario() -> None:
        listener = SerialListener("/dev/ttyNOWHERE7")
        with pytest.raises(ConfigError, match="there is no serial port /dev/ttyNOWHERE7"):
            await listener.start(Ear)
        listener.close()
        await listener.wait_closed()

    run(scenario(), loop)


@on_each_loop
def test_much_that_nobody_reads_pauses_the_writer(loop: str) -> None:
    class Writer(Ear):
        is_paused = False

        def pause_writing(self) -> None:
            self.is_paused = True

        def resume_writing(self) -> None:
            self.is_paused = False

    async def scenario() -> None:
        async with NullModem() as modem:
            writer, reader = Writer(), Ear()
            await SerialEndpoint(modem.one.path).connect(writer.itself)
            await SerialEndpoint(modem.other.path).connect(reader.itself)
            writer.transport.set_write_buffer_limits(64)
            writer.transport.write(bytes(20000))
            assert writer.is_paused
            assert writer.transport.get_write_buffer_size() > 0
            await until(lambda: len(reader.data) == 20000)
            assert not writer.is_paused
            await closed(writer, reader)

    run(scenario(), loop)
