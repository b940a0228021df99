"""Topics of the Homie convention 5: a device for the site, and one below it for each meter.

    homie/5/energymeter--SITE/$state                        init, ready, disconnected or lost
    homie/5/energymeter--SITE--METER/$state                 ready while the meter answers
    homie/5/energymeter--SITE--METER/$description           its nodes and properties, JSON
    homie/5/energymeter--SITE--METER/NODE/PROPERTY          a value

https://homieiot.github.io/specification/ has the convention. A last will belongs to a connection,
and the convention gives it to the root of a tree of devices: that is the site.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from energymeter.reader.reading import Value
from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.sinks.mqtt_layout import Message, Place, Switch
from energymeter.sinks.mqtt_names import identifier, spoken
from energymeter.sinks.mqtt_values import meant_value
from energymeter.store.base import Form, Series
from energymeter.store.numbers import number_text
from energymeter.values import quantity_of
from energymeter.values.home_assistant import home_assistant_unit

__all__ = ["HomieLayout"]

_VERSION: Final = "5.0"
_DATATYPES: Final = {
    Form.FLOAT: "float",
    Form.INTEGER: "integer",
    Form.BOOLEAN: "boolean",
    Form.TEXT: "string",
}
_NODES: Final = {"measured": "Measured", "counted": "Counted", "settings": "Settings"}
_INTEGERS: Final = range(-(2**63), 2**63)
_EMPTY_TEXT: Final = b"\x00"
"""An empty payload would delete the topic; the convention writes an empty text like this."""


class HomieLayout:
    """See the module; implements `TopicLayout`.

    Args:
        domain: First level of every topic, `homie` by convention.
        site: What the site is called.
        now_s: Says the seconds since 1970: the version of a description that is new.
    """

    def __init__(self, domain: str, site: str, now_s: Callable[[], float]) -> None:
        self._base = f"{domain}/5"
        self._site = site
        self._now_s = now_s
        self._root = f"energymeter--{identifier(site, '-')}"
        self._meters: dict[str, dict[str, str]] = {}
        """By meter: the topic of each value by its name."""

        self.hello = self._state(self._root, "init")
        self.will = self._state(self._root, "lost")

    def leftovers(self) -> tuple[str, ...]:
        """See `TopicLayout.leftovers`."""
        return f"{self._base}/+/$state", f"{self._base}/+/$description"

    def opening(
        self, meters: Mapping[str, MeterInfo], retained: Mapping[str, bytes]
    ) -> Iterable[Message]:
        """See `TopicLayout.opening`."""
        self._meters = {
            name: {each.name: self._value_topic(name, each) for each in info.series}
            for name, info in meters.items()
        }
        devices = {self._device(name): name for name in meters}
        yield from self._forget(devices, retained)
        root = {"name": self._site, "children": sorted(devices)}
        yield self._described(self._root, root, retained)
        for device, name in devices.items():
            yield self._state(device, "init")
            description = {**_description(meters[name]), "root": self._root}
            yield from self._forget_properties(device, description, retained)
            yield self._described(device, description, retained)
        yield self._state(self._root, "ready")

    def of_poll(self, poll: SinkPoll) -> Iterable[Message]:
        """See `TopicLayout.of_poll`."""
        topics = self._meters.get(poll.meter, {})
        for series, value, _ in poll.values:
            topic = topics.get(series.name)
            if topic is not None:
                yield Message(topic, _payload(series, value))

    def of_meter(self, meter: str, *, is_online: bool) -> Iterable[Message]:
        """See `TopicLayout.of_meter`."""
        return [self._state(self._device(meter), "ready" if is_online else "lost")]

    def closing(self) -> Iterable[Message]:
        """See `TopicLayout.closing`."""
        yield self._state(self._root, "disconnected")
        for name in self._meters:
            yield self._state(self._device(name), "disconnected")

    def place(self, meter: str, series: Series) -> Place:
        """See `TopicLayout.place`."""
        return Place(self._value_topic(meter, series), None, is_repeated=False)

    def switches(self, meter: str) -> tuple[Switch, ...]:
        """See `TopicLayout.switches`."""
        devices = self._root, self._device(meter)
        return tuple(Switch(f"{self._base}/{device}/$state", "ready") for device in devices)

    def _device(self, meter: str) -> str:
        return f"{self._root}--{identifier(meter, '-')}"

    def _value_topic(self, meter: str, series: Series) -> str:
        node, name = _node(series.name), _property(series.name)
        return f"{self._base}/{self._device(meter)}/{node}/{name}"

    def _state(self, device: str, state: str) -> Message:
        return Message(f"{self._base}/{device}/$state", state.encode())

    def _described(
        self, device: str, description: dict[str, Any], retained: Mapping[str, bytes]
    ) -> Message:
        """The description with a version that is higher than before only if it differs."""
        topic = f"{self._base}/{device}/$description"
        full = {"homie": _VERSION, "version": int(self._now_s()), **description}
        before = _parsed(retained.get(topic, b""))
        version = before.get("version")
        if isinstance(version, int):
            is_same = {**before, "version": 0} == {**full, "version": 0}
            full["version"] = version if is_same else max(version + 1, full["version"])
        return Message(topic, json.dumps(full, ensure_ascii=False).encode())

    def _forget(
        self, devices: Mapping[str, str], retained: Mapping[str, bytes]
    ) -> Iterator[Message]:
        """Devices below our root that are no more: the state first, as the convention asks."""
        for topic in retained:
            device = topic.removeprefix(f"{self._base}/").partition("/")[0]
            is_ours = device.startswith(f"{self._root}--")
            if is_ours and device not in devices and topic.endswith("/$state"):
                yield Message(topic, b"")
                yield from self._forget_properties(device, {}, retained)
                yield Message(f"{self._base}/{device}/$description", b"")

    def _forget_properties(
        self, device: str, description: Mapping[str, Any], retained: Mapping[str, bytes]
    ) -> Iterator[Message]:
        """Values that the description had and no longer has."""
        before = _parsed(retained.get(f"{self._base}/{device}/$description", b""))
        for path in sorted(_paths(before) - _paths(description)):
            yield Message(f"{self._base}/{device}/{path}", b"")


def _description(info: MeterInfo) -> dict[str, Any]:
    nodes: dict[str, Any] = {}
    for series in info.series:
        node = _node(series.name)
        properties = nodes.setdefault(node, {"name": _NODES[node], "properties": {}})["properties"]
        about = {"name": spoken(series.name), "datatype": _DATATYPES[series.form]}
        if series.unit:
            about["unit"] = home_assistant_unit(series.unit)
        properties[_property(series.name)] = about
    return {"name": info.name, "nodes": nodes}


def _node(name: str) -> str:
    quantity = quantity_of(name)
    if quantity is None:
        return "measured"
    return "settings" if quantity.is_setting else "counted" if quantity.is_counter else "measured"


def _property(name: str) -> str:
    # Identifiers have no hyphen, so no two become one.
    return identifier(name).replace("_", "-")


def _payload(series: Series, value: Value) -> bytes:
    """A value as its datatype is written; empty, which deletes the topic, where there is none."""
    plain = meant_value(series, value)
    if plain is None:
        return b""
    if isinstance(plain, bool):
        return b"true" if plain else b"false"
    if isinstance(plain, str):
        return plain.encode("utf-8", "replace") or _EMPTY_TEXT
    if series.form is Form.INTEGER and not (isinstance(plain, int) and plain in _INTEGERS):
        return b""
    return number_text(plain).replace("e+", "e").encode()


def _parsed(payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _paths(description: Mapping[str, Any]) -> set[str]:
    """`node/property` of everything a description has; foreign ones may be anything."""
    nodes = description.get("nodes")
    return {
        f"{node}/{name}"
        for node, about in (nodes.items() if isinstance(nodes, dict) else ())
        if isinstance(about, dict) and isinstance(about.get("properties"), dict)
        for name in about["properties"]
        if "+" not in name and "#" not in name
    }
