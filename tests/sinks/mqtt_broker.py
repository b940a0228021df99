"""Debian's mosquitto as a process of its own, and somebody who listens to it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiomqtt
import pytest
from tests.interop.programs import Program

from energymeter.sinks.mqtt_driver import watch_sockets

__all__ = ["Heard", "Mosquitto", "broker", "listening", "password_file"]


def _program(name: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/bin")
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install mosquitto")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def password_file(folder: Path, user: str, password: str) -> Path:
    """A file of passwords as mosquitto wants it."""
    path = folder / "passwords"
    command = [_program("mosquitto_passwd"), "-c", "-b", str(path), user, password]
    subprocess.run(command, check=True, capture_output=True)
    return path


class Mosquitto:
    """A broker that can be stopped and started; nothing outlives it.

    Args:
        folder: For its configuration.
        lines: What the configuration holds besides the listener.
    """

    def __init__(self, folder: Path, lines: Sequence[str] = ("allow_anonymous true",)) -> None:
        self.port = _free_port()
        self._command = [_program("mosquitto"), "-c", str(folder / "mosquitto.conf")]
        config = [
            "user root",  # or it could not read what a test run by root has written
            f"listener {self.port} 127.0.0.1",
            "persistence false",
            *lines,
        ]
        (folder / "mosquitto.conf").write_text("\n".join(config) + "\n", "utf-8")
        self._program: Program | None = None

    def start(self) -> None:
        self._program = Program(self._command)
        self._program.wait_for(r"mosquitto version \S+ running")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        program, self._program = self._program, None
        if program is not None:
            program.stop(number)

    def wait_for(self, pattern: str) -> None:
        assert self._program is not None
        self._program.wait_for(pattern)


@contextmanager
def broker(folder: Path, lines: Sequence[str] = ("allow_anonymous true",)) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(folder, lines)
    mosquitto.start()
    try:
        yield mosquitto
    finally:
        mosquitto.stop(signal.SIGKILL)


class Heard:
    """What somebody has heard of a broker, in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._news = asyncio.Event()

    def add(self, message: aiomqtt.Message) -> None:
        assert isinstance(message.payload, bytes)
        self.messages.append((str(message.topic), message.payload, bool(message.retain)))
        self._news.set()

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for name, payload, _ in self.messages if name == topic]

    def last(self, topic: str) -> bytes:
        return self.payloads(topic)[-1]

    def retained(self) -> dict[str, bytes]:
        """What was there before we came."""
        return {topic: payload for topic, payload, is_retained in self.messages if is_retained}

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def listening(port: int, topics: str = "#") -> AsyncIterator[Heard]:
    """Somebody who hears everything; what is retained is heard before the body begins."""
    heard = Heard()
    client = aiomqtt.Client("127.0.0.1", port)
    watch_sockets(client, on_open=lambda: None)  # else a broker that is killed is a fault of ours
    async with client:
        await client.subscribe(topics)
        await client.subscribe("test/marker")

        async def hear() -> None:
            async for message in client.messages:
                heard.add(message)

        listener = asyncio.create_task(hear())
        await client.publish("test/marker", b"here", qos=1)
        await heard.until(lambda: heard.payloads("test/marker"))
        heard.messages = [each for each in heard.messages if each[0] != "test/marker"]
        try:
            yield heard
        finally:
            listener.cancel()
            await asyncio.wait((listener,))
