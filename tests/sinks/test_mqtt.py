"""The MQTT sink as a whole: with a real broker, and with some that are none."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from tests.sinks.mqtt_broker import Heard, Mosquitto, broker, listening
from tests.sinks.mqtt_meters import entry_of, info_of, poll_at
from tests.support.cancelling import cancel_at, leaves_no_socket
from tests.support.loops import on_each_loop, run

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError, SinkUnavailableError
from energymeter.reader import Quality
from energymeter.service.sink import MeterInfo
from energymeter.sinks.mqtt import MqttSink
from energymeter.sinks.registry import make_sink

CONNACK = b"\x20\x02\x00\x00"
START_S = ManualClock().now().timestamp()

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with broker(tmp_path) as program:
        yield program


class Bench:
    """A sink with a clock of its own."""

    def __init__(self, port: int, site: str = "site", **entry: Any) -> None:
        self.clock = ManualClock()
        self.sink = MqttSink(entry_of(port, **entry), site, clock=self.clock)

    async def send(self, info: MeterInfo, quality: Quality = Quality.GOOD) -> None:
        await self.sink.send([poll_at(info, self.clock.now().timestamp(), quality)])

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)


@asynccontextmanager
async def pretender(talk: Talk) -> AsyncIterator[int]:
    """Something that listens where a broker should be."""
    tasks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:  # the end of the test, which the server would complain of
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(65_536):
        pass


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the login and reads nothing any more."""
    await reader.read(100)
    writer.write(CONNACK)
    await asyncio.Event().wait()


async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def rude(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(100)


@pytest.mark.parametrize("talk", [silent, deaf, chatty, rude])
@on_each_loop
def test_what_is_no_broker_is_told_in_one_sentence(talk: Talk, loop: str) -> None:
    async def main() -> None:
        async with pretender(talk) as port:
            sink = MqttSink(entry_of(port), "site", patience_s=0.2)
            with pytest.raises(SinkUnavailableError) as caught:
                await sink.open({})
            assert f"127.0.0.1:{port}" in str(caught.value)
            assert "\n" not in str(caught.value)
            await sink.close()

    run(main(), loop)


def acknowledging(until: int) -> Talk:
    """A broker that answers so many packets and then falls silent with the line open."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(until):
            kind, length, shift = (await reader.readexactly(1))[0], 0, 0
            while True:
                digit = (await reader.readexactly(1))[0]
                length |= (digit & 0x7F) << shift
                shift += 7
                if digit < 0x80:
                    break
            body = await reader.readexactly(length)
            match kind >> 4:
                case 1:
                    writer.write(CONNACK)
                case 3:
                    topic_end = 2 + int.from_bytes(body[:2], "big")
                    writer.write(b"\x40\x02" + body[topic_end : topic_end + 2])
                case 8:  # nothing may be read here
                    writer.write(b"\x90\x04" + body[:2] + b"\x80\x80")
                case 10:
                    writer.write(b"\xb0\x02" + body[:2])
        await asyncio.Event().wait()

    return talk


@on_each_loop
def test_broker_that_hangs_is_given_up_after_the_patience(loop: str) -> None:
    async def main() -> None:
        async with pretender(acknowledging(40)) as port:
            info = info_of()
            sink = MqttSink(entry_of(port), "site", patience_s=0.3)
            await sink.open({info.name: info})
            with pytest.raises(SinkUnavailableError, match=r"acknowledges nothing within 0\.3 s"):
                await sink.send([poll_at(info, second) for second in range(100)])
            with pytest.raises(SinkUnavailableError):
                await sink.send([poll_at(info, 1)])
            async with asyncio.timeout(1):
                await sink.close()

    run(main(), loop)


def test_broker_that_reads_nothing_any_more_does_not_hold_up_our_end() -> None:
    async def main() -> None:
        async with pretender(acknowledging(6)) as port:
            info = info_of()
            sink = MqttSink(entry_of(port, qos=0), "site", patience_s=0.3)
            await sink.open({info.name: info})
            with pytest.raises(SinkUnavailableError, match="acknowledges nothing"):
                await sink.send([poll_at(info, 0)] * 20_000)
            async with asyncio.timeout(1):
                await sink.close()

    run(main())


@pytest.mark.parametrize("step", [1, 2, 5, 10, 20, 40])
def test_cancelled_opening_leaves_nothing_open(mosquitto: Mosquitto, step: int) -> None:
    async def main() -> None:
        sink = MqttSink(entry_of(mosquitto.port), "site", patience_s=2)
        await cancel_at(step, sink.open({}))
        await sink.close()
        await sink.open({})
        await sink.close()

    leaves_no_socket(lambda: run(main()))


@pytest.mark.parametrize("step", [1, 2, 3, 5, 10, 20, 40])
def test_cancelled_sending_leaves_the_sink_usable(mosquitto: Mosquitto, step: int) -> None:
    async def main() -> None:
        bench = Bench(mosquitto.port)
        info = info_of()
        await bench.sink.open({info.name: info})
        await cancel_at(step, bench.sink.send([poll_at(info, START_S)] * 200))
        await bench.send(info)
        await bench.sink.close()

    leaves_no_socket(lambda: run(main()))


def test_opening_and_closing_may_come_in_any_order(mosquitto: Mosquitto) -> None:
    async def main() -> None:
        sink = MqttSink(entry_of(mosquitto.port), "site")
        await sink.close()
        with pytest.raises(SinkUnavailableError, match="no connection"):
            await sink.send([poll_at(info_of(), 1)])
        await sink.open({})
        await sink.open({})
        await sink.close()
        await sink.close()

    run(main())


def test_meter_that_falls_silent_is_offline_until_it_answers(mosquitto: Mosquitto) -> None:
    async def main() -> None:
        bench, info = Bench(mosquitto.port), info_of(interval_s=10)
        topic = "energymeter/site/main/availability"
        async with listening(mosquitto.port, topic) as heard:
            await bench.sink.open({info.name: info})
            await bench.send(info)
            await bench.pass_time(29)
            assert heard.payloads(topic) == [b"online"]
            await bench.pass_time(1)
            await heard.until(lambda: heard.payloads(topic) == [b"online", b"offline"])
            await bench.send(info)
            await heard.until(lambda: heard.last(topic) == b"online")
            for _ in range(3):
                await bench.pass_time(1)
                await bench.send(info, Quality.NOT_READ)
            await heard.until(lambda: heard.last(topic) == b"offline")
        await bench.sink.close()

    run(main())


def test_meter_that_never_answers_is_offline(mosquitto: Mosquitto) -> None:
    async def main() -> None:
        bench, info = Bench(mosquitto.port), info_of(interval_s=10)
        async with listening(mosquitto.port, "energymeter/+/+/availability") as heard:
            await bench.sink.open({info.name: info})
            await bench.pass_time(31)
            await heard.until(lambda: heard.messages)
            assert heard.payloads("energymeter/site/main/availability") == [b"offline"]
        await bench.sink.close()

    run(main())


def test_polls_that_waited_for_hours_are_passed_on_and_make_nobody_online(
    mosquitto: Mosquitto,
) -> None:
    async def main() -> None:
        bench, info = Bench(mosquitto.port), info_of()
        async with listening(mosquitto.port, "energymeter/site/main/#") as heard:
            await bench.sink.open({info.name: info})
            old = (bench.clock.now() - timedelta(hours=5)).timestamp()
            await bench.sink.send([poll_at(info, old + second) for second in range(10)])
            state = "energymeter/site/main/state"
            await heard.until(lambda: len(heard.payloads(state)) == 10)
            assert heard.payloads("energymeter/site/main/availability") == []
        await bench.sink.close()

    run(main())


CONFIG = "homeassistant/device/energymeter-site-main/config"


async def _is_announced(heard: Heard, times: int) -> None:
    await heard.until(lambda: len(heard.payloads(CONFIG)) == times)


def test_meter_is_announced_at_the_start_and_when_home_assistant_starts(
    mosquitto: Mosquitto,
) -> None:
    async def main() -> None:
        bench, info = Bench(mosquitto.port, home_assistant=True), info_of()
        async with (
            listening(mosquitto.port, "homeassistant/#") as heard,
            aiomqtt.Client("127.0.0.1", mosquitto.port) as home_assistant,
        ):
            await home_assistant.publish("homeassistant/status", b"online", 1, retain=True)
            await bench.sink.open({info.name: info})
            await _is_announced(heard, 1)
            await home_assistant.publish("homeassistant/status", b"offline", 1)
            await home_assistant.publish("homeassistant/status", b"online", 1)
            await _is_announced(heard, 2)
            await bench.sink.open({info.name: info})
            await _is_announced(heard, 3)
        async with listening(mosquitto.port, CONFIG) as late:
            assert json.loads(late.retained()[CONFIG])["dev"]["name"] == "main"
        await bench.sink.close()

    run(main())


@pytest.mark.parametrize("layout", ["plain", "homie"])
def test_what_was_published_of_a_removed_meter_is_taken_back(
    mosquitto: Mosquitto, layout: str
) -> None:
    async def main() -> None:
        infos = {name: info_of(name, most=4) for name in ("Stays", "Goes")}
        bench = Bench(mosquitto.port, home_assistant=True, layout=layout)
        await bench.sink.open(infos)
        for info in infos.values():
            await bench.send(info)
        await bench.sink.close()
        async with listening(mosquitto.port) as heard:
            full = heard.retained()
        # Another process, that has never heard of the second meter.
        fresh = Bench(mosquitto.port, home_assistant=True, layout=layout)
        await fresh.sink.open({"Stays": infos["Stays"]})
        await fresh.send(infos["Stays"])
        await fresh.sink.close()
        async with listening(mosquitto.port) as heard:
            left = heard.retained()
        gone = {topic for topic in full if "goes" in topic.lower()}
        assert len(gone) == (3 if layout == "plain" else 7)
        assert set(left) == set(full) - gone

    run(main())


def test_leftovers_of_a_thousand_meters_are_all_seen(mosquitto: Mosquitto) -> None:
    async def main() -> None:
        infos = {f"m{number}": info_of(f"m{number}", most=1) for number in range(1200)}
        bench = Bench(mosquitto.port)
        await bench.sink.open(infos)
        await bench.sink.send([poll_at(info, START_S) for info in infos.values()])
        await bench.sink.close()
        await bench.sink.open({})
        await bench.sink.close()
        async with listening(mosquitto.port) as heard:
            assert set(heard.retained()) == {"energymeter/site/status"}

    run(main())


def test_homie_devices_go_through_their_states(mosquitto: Mosquitto) -> None:
    async def main() -> None:
        bench, info = Bench(mosquitto.port, layout="homie"), info_of(most=3)
        state = "homie/5/energymeter--site--main/$state"
        async with listening(mosquitto.port, "homie/#") as heard:
            await bench.sink.open({info.name: info})
            await bench.send(info)
            await bench.pass_time(31)
            await heard.until(lambda: len(heard.payloads(state)) == 3)
            await bench.sink.close()
            await heard.until(lambda: len(heard.payloads(state)) == 4)
            assert heard.payloads(state) == [b"init", b"ready", b"lost", b"disconnected"]
            values = [topic for topic, _, _ in heard.messages if "/measured/" in topic]
            assert len(values) == 3

    run(main())


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"prefix": "a/+/b"}, "cannot begin a topic"),
        ({"discovery_prefix": "#", "home_assistant": True}, "discovery_prefix '#'"),
        ({"layout": "homie", "prefix": "a/b"}, "wants one"),
        ({"password": "x"}, "needs a username"),
        ({"ca_file": "ca.pem"}, "write tls = true"),
    ],
)
def test_entry_that_cannot_be_is_refused_before_anything_is_sent(
    entry: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make_sink(entry_of(1883, **entry), "site")


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"tls": True, "ca_file": "/nowhere/ca.pem"}, "cannot be read"),
        ({"username": "u", "password": {"env": "NO_SUCH_SECRET"}}, "is not set"),
    ],
)
def test_file_or_secret_that_is_missing_is_named_when_opening(
    entry: dict[str, Any], sentence: str
) -> None:
    async def main() -> None:
        sink = MqttSink(entry_of(1, **entry), "site")
        with pytest.raises(ConfigError, match=sentence):
            await sink.open({})
        await sink.close()

    run(main())


def test_missing_driver_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    with pytest.raises(ConfigError, match=r"pip install 'energymeter\[mqtt\]'"):
        make_sink(entry_of(1883), "site")


def test_password_is_in_no_message() -> None:
    async def main() -> None:
        sink = MqttSink(entry_of(1, username="u", password="top-secret"), "site")
        with pytest.raises(SinkUnavailableError) as caught:
            await sink.open({})
        assert "top-secret" not in f"{caught.value!r} {caught.value.__context__!r}"

    run(main())


@on_each_loop
def test_host_that_is_unknown_is_named(loop: str) -> None:
    async def main() -> None:
        sink = MqttSink(entry_of(1, host="no-such-host.invalid"), "site")
        with pytest.raises(SinkUnavailableError, match=r"no-such-host\.invalid:1 is not known"):
            await sink.open({})

    run(main(), loop)
