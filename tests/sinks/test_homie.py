"""The Homie convention 5, as https://homieiot.github.io/specification/ has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

import pytest
from tests.sinks.mqtt_meters import PROFILES, info_of, poll_at

from energymeter.reader import Quality
from energymeter.service.sink import MeterInfo, SinkPoll, SinkValue
from energymeter.sinks.homie import HomieLayout
from energymeter.sinks.mqtt_layout import Message
from energymeter.store import Form, Series
from energymeter.values import DataType

ID: Final = re.compile(r"[a-z0-9-]+")
DATATYPES: Final = ("integer", "float", "boolean", "string")
FLOAT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE]-?[0-9]+)?")
STATES: Final = (b"init", b"ready", b"disconnected", b"sleeping", b"lost")

BASE = "homie/5/energymeter--site"


class Broker:
    """Keeps what is retained, and every message in order."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s
        self.kept: dict[str, bytes] = {}
        self.said: list[Message] = []

    def take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.said.append(message)
            assert message.retain
            if message.payload:
                self.kept[message.topic] = message.payload
            else:
                self.kept.pop(message.topic, None)

    def open(self, *infos: MeterInfo) -> HomieLayout:
        layout = HomieLayout("homie", "site", lambda: self.now_s)
        before = {
            topic: payload
            for topic, payload in self.kept.items()
            if topic.endswith(("/$state", "/$description"))
        }
        self.take([layout.hello])
        self.take(layout.opening({info.name: info for info in infos}, before))
        return layout

    def description(self, device: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kept[f"{BASE}{device}/$description"])
        return found


def check_description(description: dict[str, Any]) -> None:
    assert description["homie"] == "5.0"
    assert isinstance(description["version"], int)
    for node_id, node in description.get("nodes", {}).items():
        assert ID.fullmatch(node_id)
        assert set(node) <= {"name", "type", "properties"}
        for property_id, about in node["properties"].items():
            assert ID.fullmatch(property_id)
            assert set(about) <= {"name", "datatype", "format", "settable", "retained", "unit"}
            assert about["datatype"] in DATATYPES


@pytest.mark.parametrize("profile", PROFILES)
def test_meter_is_described_below_its_site(profile: str) -> None:
    broker = Broker()
    info = info_of("Main meter", profile)
    layout = broker.open(info)
    (child,) = broker.description("")["children"]
    assert ID.fullmatch(child)
    description = json.loads(broker.kept[f"homie/5/{child}/$description"])
    check_description(description)
    assert (description["name"], description["root"]) == ("Main meter", "energymeter--site")
    broker.take(layout.of_poll(poll_at(info, 1.0)))
    described = {
        f"homie/5/{child}/{node}/{name}": about["datatype"]
        for node, part in description["nodes"].items()
        for name, about in part["properties"].items()
    }
    values = {topic: payload for topic, payload in broker.kept.items() if "$" not in topic}
    assert set(values) == set(described)
    assert len(values) == len(info.series)


def test_states_follow_the_life_of_a_device() -> None:
    broker = Broker()
    layout = broker.open(info_of("m"))
    broker.take(layout.of_meter("m", is_online=True))
    broker.take(layout.of_meter("m", is_online=False))
    broker.take(layout.closing())
    states = [(each.topic, each.payload) for each in broker.said if each.topic.endswith("$state")]
    assert states == [
        (f"{BASE}/$state", b"init"),
        (f"{BASE}--m/$state", b"init"),
        (f"{BASE}/$state", b"ready"),
        (f"{BASE}--m/$state", b"ready"),
        (f"{BASE}--m/$state", b"lost"),
        (f"{BASE}/$state", b"disconnected"),
        (f"{BASE}--m/$state", b"disconnected"),
    ]
    assert layout.will == Message(f"{BASE}/$state", b"lost")


def test_description_changes_only_while_the_device_is_not_ready() -> None:
    broker = Broker()
    broker.open(info_of("m"))
    order = [each.topic.removeprefix(BASE) for each in broker.said]
    assert order == ["/$state", "/$description", "--m/$state", "--m/$description", "/$state"]


def test_version_rises_when_the_description_changes_and_only_then() -> None:
    broker = Broker(now_s=1000.0)
    broker.open(info_of("m"))
    broker.now_s = 2000.0
    broker.open(info_of("m"))
    assert broker.description("--m")["version"] == 1000
    broker.open(info_of("m", most=5))
    assert broker.description("--m")["version"] == 2000
    broker.now_s = 10.0  # the clock was set back
    broker.open(info_of("m", most=4))
    assert broker.description("--m")["version"] == 2001


def test_meter_and_values_that_are_gone_leave_nothing_behind() -> None:
    broker = Broker()
    infos = info_of("stays", most=3), info_of("goes", most=3)
    layout = broker.open(*infos)
    for info in infos:
        broker.take(layout.of_poll(poll_at(info, 1.0)))
    broker.kept["homie/5/energymeter--site2--goes/$state"] = b"ready"
    broker.open(info_of("stays", most=2))
    left = {topic for topic in broker.kept if "--stays" not in topic}
    assert left == {
        f"{BASE}/$state",
        f"{BASE}/$description",
        "homie/5/energymeter--site2--goes/$state",
    }
    assert sum("$" not in topic for topic in broker.kept) == 2


@pytest.mark.parametrize(
    ("series", "value", "payload"),
    [
        (Series("a", divisor=10, type=DataType.UINT16), 230.1, b"230.1"),
        (Series("a", type=DataType.FLOAT32), 230.10000610351562, b"230.1"),
        (Series("a"), 1e22, b"1e22"),
        (Series("a"), -2.5e-7, b"-2.5e-07"),
        (Series("a"), float("nan"), b""),
        (Series("a", form=Form.INTEGER, type=DataType.UINT64), 2**63 - 1, b"9223372036854775807"),
        (Series("a", form=Form.INTEGER, type=DataType.UINT64), 2**63, b""),
        (Series("a", form=Form.BOOLEAN, type=DataType.BOOL), True, b"true"),
        (Series("a", form=Form.TEXT, type=DataType.STRING), "", b"\x00"),
        (Series("a", form=Form.TEXT, type=DataType.STRING), "Zähler", "Zähler".encode()),
        (Series("a"), None, b""),
    ],
)
def test_value_is_written_as_its_datatype_wants(series: Series, value: Any, payload: bytes) -> None:
    info = info_of("m")
    layout = HomieLayout("homie", "site", lambda: 0.0)
    one = MeterInfo(
        name="m", link="", unit=1, profile=info.profile, interval_s=1.0, series=(series,)
    )
    list(layout.opening({"m": one}, {}))
    poll = SinkPoll("m", 0, [SinkValue(series, value, Quality.GOOD)])
    (message,) = layout.of_poll(poll)
    assert message.payload == payload
    if series.form is Form.FLOAT and payload:
        assert FLOAT.fullmatch(payload.decode())


def test_names_become_ids_and_never_the_same_one() -> None:
    names = ["Main", "main", "ma in", "ma-in", "-main-", "mäin", "電力", "a--b", "a-b"]
    broker = Broker()
    broker.open(*(info_of(name, most=1) for name in names))
    children = broker.description("")["children"]
    assert len(set(children)) == len(names)
    assert all(ID.fullmatch(child) and not child.endswith("-") for child in children)


@pytest.mark.parametrize("rubbish", [b"", b"\xff", b"[1]", b'{"nodes": [1], "version": "x"}'])
def test_description_that_is_none_is_written_anew(rubbish: bytes) -> None:
    broker = Broker()
    broker.kept[f"{BASE}--m/$description"] = rubbish
    broker.open(info_of("m"))
    check_description(broker.description("--m"))
