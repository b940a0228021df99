"""What each kind of sink passes readings on to: real, on this machine, and gone when told so."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import TypeAdapter
from tests.sinks.http_double import HttpDouble, Reply, Request, serving
from tests.sinks.influx_double import InfluxDouble, parse_lines
from tests.sinks.mqtt_broker import Heard, Mosquitto, listening

from energymeter.service.sink import Sink
from energymeter.sinks.http import Patience
from energymeter.sinks.influx import InfluxSink
from energymeter.sinks.json_lines import JsonLinesSink
from energymeter.sinks.mqtt import MqttSink
from energymeter.sinks.registry import is_pushed, make_sink
from energymeter.sinks.webhook import WebhookSink
from energymeter.site.sinks import JsonLinesEntry, SinkEntry
from energymeter.store.base import microseconds

__all__ = ["KINDS", "Receiver", "receiver"]

Id = tuple[str, int]
"""A meter and a time in microseconds."""

_PATIENCE: Final = Patience(5.0, 5.0, 10.0)


class Receiver(Protocol):
    """What a sink sends to."""

    def make(self) -> Sink:
        """A new sink that sends here."""
        ...

    async def heard(self) -> list[Id]:
        """What has come in so far, in order."""
        ...

    async def go_away(self) -> None:
        """Be gone, as if it had been switched off."""
        ...

    async def come_back(self) -> None:
        """Be there again."""
        ...

    async def hang(self) -> None:
        """Be there, and do nothing until the end of the test."""
        ...


def _entry(**content: Any) -> SinkEntry:
    found: SinkEntry = TypeAdapter(SinkEntry).validate_python(content)
    return found


def _id_of(text: str) -> Id:
    meter, _, time = text.rpartition("-")
    return meter, int(time)


def _ids_in(lines: bytes | bytearray) -> list[Id]:
    return [_id_of(json.loads(line)["id"]) for line in lines.splitlines()]


class _Http:
    """A server of one's own; what is common to those who speak HTTP."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._server = AsyncExitStack()
        self.double = HttpDouble(self.answer)

    async def start(self) -> None:
        await self._server.enter_async_context(serving(self.double))
        self._stack.push_async_callback(self._server.aclose)

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError

    def _ids(self, request: Request) -> list[Id]:
        raise NotImplementedError

    async def heard(self) -> list[Id]:
        return [each for request in self.double.requests for each in self._ids(request)]

    async def go_away(self) -> None:
        await self._server.aclose()

    async def come_back(self) -> None:
        await self._server.enter_async_context(serving(self.double, port=self.double.port))

    async def hang(self) -> None:
        self.double.is_hanging = True


class _Influx(_Http):
    def __init__(self, stack: AsyncExitStack, version: int) -> None:
        super().__init__(stack)
        self._version = version
        logins = {1: "Token secret", 2: "Token secret", 3: "Bearer secret"}
        self._influx = InfluxDouble(version, logins[version])

    def answer(self, request: Request) -> Reply:
        return self._influx(request)

    def make(self) -> Sink:
        names = (
            {"org": "home", "bucket": "meters"} if self._version == 2 else {"database": "energy"}
        )
        url, version = self.double.url, self._version
        entry = _entry(type="influx", url=url, version=version, token="secret", **names)
        assert entry.type == "influx"
        return InfluxSink(entry, "plant", _PATIENCE)

    def _ids(self, request: Request) -> list[Id]:
        return [(line.tags["meter"], line.time) for line in parse_lines(request.content)]


class _Webhook(_Http):
    def answer(self, request: Request) -> Reply:
        return Reply(200, json.dumps({"taken": len(self._ids(request))}))

    def make(self) -> Sink:
        entry = _entry(type="webhook", url=f"{self.double.url}/hook", batch=100)
        assert entry.type == "webhook"
        return WebhookSink(entry, "plant", _PATIENCE)

    def _ids(self, request: Request) -> list[Id]:
        return [_id_of(poll["id"]) for poll in request.json["polls"]]


class _Files:
    """A place on the disk that can be taken away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = folder / "place"
        self._aside = folder / "aside"

    async def go_away(self) -> None:
        self._place.rename(self._aside)
        self._block()

    async def come_back(self) -> None:
        if self._place.is_dir():
            self._place.rmdir()
        else:
            self._place.unlink()
        self._aside.rename(self._place)

    def _block(self) -> None:
        raise NotImplementedError


class _Csv(_Files):
    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        super().__init__(folder)
        self._stack = stack

    def make(self) -> Sink:
        entry = _entry(type="csv", folder=str(self._place))
        assert is_pushed(entry)
        return make_sink(entry, "plant")

    async def heard(self) -> list[Id]:
        found = []
        for path in sorted(self._place.rglob("*.csv")):
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file, strict=True))[1:]
            found += [(path.parent.name, _time_us(row[0])) for row in rows]
        return found

    async def hang(self) -> None:
        for path in self._place.rglob("*.csv"):
            path.unlink()
            _make_pipe(path, self._stack)

    def _block(self) -> None:
        self._place.write_text("")


def _time_us(text: str) -> int:
    return microseconds(datetime.fromisoformat(f"{text}+00:00"))


def _make_pipe(path: Path, stack: AsyncExitStack) -> None:
    """A pipe that somebody has opened and does not read."""
    os.mkfifo(path)
    stack.callback(os.close, os.open(path, os.O_RDONLY | os.O_NONBLOCK))


class _JsonFile(_Files):
    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        super().__init__(folder)
        self._stack = stack

    def make(self) -> Sink:
        entry = _entry(type="json", path=str(self._place))
        assert is_pushed(entry)
        return make_sink(entry, "plant")

    async def heard(self) -> list[Id]:
        return _ids_in(self._place.read_bytes())

    async def hang(self) -> None:
        self._place.unlink()
        _make_pipe(self._place, self._stack)

    def _block(self) -> None:
        self._place.mkdir()


class _Stdout:
    """A pipe, as the shell joins programs by."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._found = bytearray()
        self._reader, self._writer = os.pipe()
        self._listen()
        stack.callback(os.close, self._writer)
        stack.callback(self._stop)

    def make(self) -> Sink:
        return JsonLinesSink(JsonLinesEntry(type="json"), self._writer)

    async def heard(self) -> list[Id]:
        await asyncio.sleep(0.01)
        return _ids_in(self._found)

    async def go_away(self) -> None:
        self._stop()

    async def come_back(self) -> None:
        self._reader, writer = os.pipe()
        os.dup2(writer, self._writer)
        os.close(writer)
        self._listen()

    async def hang(self) -> None:
        asyncio.get_running_loop().remove_reader(self._reader)

    def _listen(self) -> None:
        take = asyncio.get_running_loop().add_reader
        take(self._reader, lambda: self._found.extend(os.read(self._reader, 65_536)))

    def _stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._reader)
        os.close(self._reader)


class _Mqtt:
    """mosquitto, and somebody who hears what it is sent."""

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._broker = Mosquitto(folder)
        self._listener = AsyncExitStack()
        self._heard: list[Heard] = []
        self._stack = stack

    async def start(self) -> None:
        self._stack.callback(lambda: self._broker.stop(signal.SIGKILL))
        self._stack.push_async_callback(self._listener.aclose)
        await self.come_back()

    def make(self) -> Sink:
        entry = _entry(type="mqtt", host="127.0.0.1", port=self._broker.port)
        assert entry.type == "mqtt"
        return MqttSink(entry, "plant", patience_s=2.0)

    async def heard(self) -> list[Id]:
        await self._catch_up()
        found = []
        for heard in self._heard:
            for topic, payload, is_retained in heard.messages:
                if re.fullmatch(r"energymeter/plant/[^/]+/state", topic) and not is_retained:
                    found.append(_id_of(json.loads(payload)["id"]))
        return found

    async def go_away(self) -> None:
        await self._catch_up()
        await self._listener.aclose()
        self._broker.stop(signal.SIGKILL)

    async def come_back(self) -> None:
        self._broker.start()
        listener = listening(self._broker.port)
        self._heard.append(await self._listener.enter_async_context(listener))

    async def _catch_up(self) -> None:
        """Whoever begins to listen publishes a mark; it comes behind all that was sent before."""
        heard = self._heard[-1]
        before = len(heard.payloads("test/marker"))
        async with listening(self._broker.port, "nothing"):
            await heard.until(lambda: len(heard.payloads("test/marker")) > before)

    async def hang(self) -> None:
        await self._listener.aclose()
        program = self._broker._program
        assert program is not None
        program._process.send_signal(signal.SIGSTOP)


async def _influx(stack: AsyncExitStack, version: int) -> Receiver:
    found = _Influx(stack, version)
    await found.start()
    return found


async def _webhook(stack: AsyncExitStack, _: Path) -> Receiver:
    found = _Webhook(stack)
    await found.start()
    return found


async def _mqtt(stack: AsyncExitStack, folder: Path) -> Receiver:
    found = _Mqtt(stack, folder)
    await found.start()
    return found


async def _csv(stack: AsyncExitStack, folder: Path) -> Receiver:
    return _Csv(stack, folder)


async def _json_file(stack: AsyncExitStack, folder: Path) -> Receiver:
    return _JsonFile(stack, folder)


async def _stdout(stack: AsyncExitStack, _: Path) -> Receiver:
    return _Stdout(stack)


KINDS: Final[dict[str, Callable[[AsyncExitStack, Path], Any]]] = {
    "influx1": lambda stack, _: _influx(stack, 1),
    "influx2": lambda stack, _: _influx(stack, 2),
    "influx3": lambda stack, _: _influx(stack, 3),
    "webhook": _webhook,
    "csv": _csv,
    "json": _json_file,
    "stdout": _stdout,
    "mqtt": _mqtt,
}


@asynccontextmanager
async def receiver(kind: str, folder: Path) -> AsyncIterator[Receiver]:
    """A receiver of this kind, there and listening."""
    async with AsyncExitStack() as stack:
        found: Receiver = await KINDS[kind](stack, folder)
        yield found
