"""Our MQTT sink and Debian's mosquitto: what arrives, what stays, and what happens in between."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.programs import Program
from tests.sinks.mqtt_broker import Mosquitto, broker, listening, password_file
from tests.sinks.mqtt_meters import entry_of, info_of, poll_at
from tests.support.loops import on_each_loop, run
from tests.transports.pki import Pki

from energymeter.clock import ManualClock
from energymeter.errors import SinkUnavailableError
from energymeter.sinks.mqtt import MqttSink

NOW = ManualClock().now().timestamp()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with broker(tmp_path) as program:
        yield program


@on_each_loop
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_readings_arrive_and_stay(mosquitto: Mosquitto, qos: int, loop: str) -> None:
    async def main() -> None:
        clock = ManualClock()
        info = info_of("Main meter")
        sink = MqttSink(entry_of(mosquitto.port, qos=qos), "Häuschen", clock=clock)
        async with listening(mosquitto.port) as heard:
            await sink.open({info.name: info})
            await sink.send([poll_at(info, NOW + second) for second in range(100)])
            state = "energymeter/Häuschen/Main meter/state"
            await heard.until(lambda: len(heard.payloads(state)) == 100)
            times = [json.loads(payload)["time_ms"] for payload in heard.payloads(state)]
            assert times == [int((NOW + second) * 1000) for second in range(100)]
        async with listening(mosquitto.port) as late:
            retained = late.retained()
            assert json.loads(retained[state])["id"] == f"Main meter-{int((NOW + 99) * 1e6)}"
            assert retained["energymeter/Häuschen/status"] == b"online"
            assert retained["energymeter/Häuschen/Main meter/availability"] == b"online"
        await sink.close()

    run(main(), loop)


def test_good_bye_says_offline(mosquitto: Mosquitto) -> None:
    async def main() -> None:
        info = info_of()
        sink = MqttSink(entry_of(mosquitto.port), "site", clock=ManualClock())
        async with listening(mosquitto.port) as heard:
            await sink.open({info.name: info})
            await sink.close()
            status = "energymeter/site/status"
            await heard.until(lambda: len(heard.payloads(status)) == 2)
            assert heard.payloads(status) == [b"online", b"offline"]

    run(main())


def test_broker_that_comes_back_is_published_to_again(mosquitto: Mosquitto) -> None:
    async def main() -> None:
        info = info_of()
        sink = MqttSink(entry_of(mosquitto.port), "site", clock=ManualClock())
        await sink.open({info.name: info})
        mosquitto.stop()
        with pytest.raises(SinkUnavailableError):
            await sink.send([poll_at(info, NOW)])
        await sink.close()
        with pytest.raises(SinkUnavailableError, match="cannot be reached"):
            await sink.open({info.name: info})
        with pytest.raises(SinkUnavailableError, match="no connection"):
            await sink.send([poll_at(info, NOW)])
        mosquitto.start()
        await sink.open({info.name: info})
        await sink.send([poll_at(info, NOW)])
        async with listening(mosquitto.port) as heard:
            assert json.loads(heard.last("energymeter/site/main/state"))["values"]
        await sink.close()

    run(main())


def test_broker_that_is_killed_while_we_send_is_noticed_at_once(mosquitto: Mosquitto) -> None:
    async def main() -> None:
        info = info_of()
        sink = MqttSink(entry_of(mosquitto.port), "site", clock=ManualClock())
        await sink.open({info.name: info})
        sending = asyncio.create_task(sink.send([poll_at(info, NOW)] * 50_000))
        async with listening(mosquitto.port, "energymeter/site/main/state") as heard:
            await heard.until(lambda: len(heard.messages) > 20)
            mosquitto.stop(signal.SIGKILL)
            async with asyncio.timeout(3):
                with pytest.raises(SinkUnavailableError, match="was lost"):
                    await sending
            # The listener's own connection broke, too.
            mosquitto.start()
        await sink.close()

    run(main())


def test_wrong_password_is_refused_in_words(tmp_path: Path) -> None:
    passwords = password_file(tmp_path, "meters", "right")

    async def main(port: int) -> None:
        wrong = entry_of(port, username="meters", password="wrong")
        with pytest.raises(SinkUnavailableError, match="does not accept username and password"):
            await MqttSink(wrong, "site").open({})
        with pytest.raises(SinkUnavailableError, match="a client without username"):
            await MqttSink(entry_of(port), "site").open({})
        sink = MqttSink(entry_of(port, username="meters", password="right"), "site")
        await sink.open({})
        await sink.close()

    with broker(tmp_path, ["allow_anonymous false", f"password_file {passwords}"]) as program:
        run(main(program.port))


def _tls(pki: Pki, *more: str) -> list[str]:
    files = pki.sign("broker")
    own = [f"cafile {pki.ca}", f"certfile {files.cert}", f"keyfile {files.key}"]
    return ["allow_anonymous true", *own, *more]


def test_broker_of_another_issuer_is_refused_in_words(pki: Pki, tmp_path: Path) -> None:
    other = Pki(tmp_path, "other")

    async def main(port: int) -> None:
        sink = MqttSink(entry_of(port, tls=True, ca_file=other.ca), "site")
        with pytest.raises(SinkUnavailableError, match="is not trusted"):
            await sink.open({})
        sink = MqttSink(entry_of(port, tls=True, ca_file=pki.ca), "site")
        await sink.open({})
        await sink.close()

    with broker(tmp_path, _tls(pki)) as program:
        run(main(program.port))


def test_certificate_for_another_host_is_refused(pki: Pki, tmp_path: Path) -> None:
    files = pki.sign("elsewhere", hosts=("broker.example",))
    lines = ["allow_anonymous true", f"certfile {files.cert}", f"keyfile {files.key}"]

    async def main(port: int) -> None:
        sink = MqttSink(entry_of(port, tls=True, ca_file=pki.ca), "site")
        with pytest.raises(SinkUnavailableError, match="is not trusted"):
            await sink.open({})

    with broker(tmp_path, lines) as program:
        run(main(program.port))


def test_broker_that_wants_a_certificate_gets_ours(pki: Pki, tmp_path: Path) -> None:
    ours = pki.sign("collector")

    async def main(port: int) -> None:
        entry = entry_of(port, tls=True, ca_file=pki.ca, cert_file=ours.cert, key_file=ours.key)
        info = info_of()
        sink = MqttSink(entry, "site", clock=ManualClock())
        await sink.open({info.name: info})
        await sink.send([poll_at(info, NOW + second) for second in range(200)])
        await sink.close()
        without = MqttSink(entry_of(port, tls=True, ca_file=pki.ca), "site", patience_s=1)
        with pytest.raises(SinkUnavailableError):
            await without.open({})

    with broker(tmp_path, _tls(pki, "require_certificate true")) as program:
        run(main(program.port))


def test_tls_to_a_port_without_it_is_refused_in_words(mosquitto: Mosquitto, pki: Pki) -> None:
    async def main() -> None:
        sink = MqttSink(entry_of(mosquitto.port, tls=True, ca_file=pki.ca), "site", patience_s=2)
        with pytest.raises(SinkUnavailableError, match="TLS"):
            await sink.open({})

    run(main())


_KILLED = """
import asyncio, sys
from energymeter.sinks.mqtt import MqttSink
from energymeter.site.sinks import MqttEntry

async def main():
    entry = {"type": "mqtt", "host": "127.0.0.1", "port": sys.argv[1], "layout": sys.argv[2]}
    await MqttSink(MqttEntry.model_validate(entry), "site").open({})
    print("open", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("layout", "topic", "said"),
    [
        ("plain", "energymeter/site/status", [b"online", b"offline"]),
        ("homie", "homie/5/energymeter--site/$state", [b"init", b"ready", b"lost"]),
    ],
)
def test_death_of_our_process_is_told_by_the_broker(
    mosquitto: Mosquitto, layout: str, topic: str, said: list[bytes]
) -> None:
    async def main() -> None:
        async with listening(mosquitto.port) as heard:
            with Program([sys.executable, "-c", _KILLED, str(mosquitto.port), layout]) as program:
                program.wait_for("open")
                program.stop(signal.SIGKILL)
            await heard.until(lambda: len(heard.payloads(topic)) == len(said))
            assert heard.payloads(topic) == said

    run(main())


def test_second_client_of_our_name_is_not_mistaken_for_our_end(mosquitto: Mosquitto) -> None:
    async def main() -> None:
        sink = MqttSink(entry_of(mosquitto.port), "site")
        async with listening(mosquitto.port) as heard:
            await sink.open({})
            # As after a broken line: the broker throws the first one out and tells its will.
            double = MqttSink(entry_of(mosquitto.port), "site")
            await double.open({})
            status = "energymeter/site/status"
            await heard.until(lambda: len(heard.payloads(status)) == 3)
            assert heard.payloads(status) == [b"online", b"offline", b"online"]
            with pytest.raises(SinkUnavailableError, match="was lost"):
                await sink.send([poll_at(info_of(), NOW)])
            await sink.close()
            await double.close()

    run(main())


def test_sink_without_permission_to_listen_can_still_publish(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic write energymeter/#\n", "utf-8")

    async def main(port: int) -> None:
        info = info_of()
        sink = MqttSink(entry_of(port), "site", clock=ManualClock(), patience_s=0.2)
        await sink.open({info.name: info})
        await sink.send([poll_at(info, NOW)])
        await sink.close()

    with broker(tmp_path, ["allow_anonymous true", f"acl_file {rights}"]) as program:
        run(main(program.port))
