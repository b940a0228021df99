"""Our own topics: one JSON for each poll, and who is online.

    PREFIX/SITE/METER/state          the poll, retained
    PREFIX/SITE/METER/availability   online or offline, retained
    PREFIX/SITE/status               of the service itself, likewise

docs/howto/mqtt.md describes the JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from energymeter.reader.reading import Quality, Value
from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.sinks.mqtt_layout import Message, Place, Switch
from energymeter.sinks.mqtt_names import topic_level
from energymeter.sinks.numbers import number_text, plain_value
from energymeter.sinks.poll_json import time_text
from energymeter.store.base import Series

__all__ = ["PlainLayout"]

_ONLINE: Final = b"online"
_OFFLINE: Final = b"offline"
_MS: Final = 1000
"""Microseconds in a millisecond."""


class _Known(NamedTuple):
    """The newest of one value."""

    text: str
    """As JSON."""

    quality: Quality
    time_ms: int


class PlainLayout:
    """See the module; implements `TopicLayout`.

    A meter may be read at several rates, so that a poll brings only some of its values. The others
    are told again as they were, with their own times, or whoever comes later would miss them.

    Args:
        prefix: First levels of every topic.
        site: What the site is called.
    """

    def __init__(self, prefix: str, site: str) -> None:
        self._base = f"{prefix}/{topic_level(site)}"
        self._status = f"{self._base}/status"
        self._known: dict[str, dict[str, _Known]] = {}
        self._keys: dict[str, str] = {}
        self.hello = Message(self._status, _ONLINE)
        self.will = Message(self._status, _OFFLINE)

    def leftovers(self) -> tuple[str, ...]:
        """See `TopicLayout.leftovers`."""
        return (f"{self._base}/+/availability",)

    def opening(
        self, meters: Mapping[str, MeterInfo], retained: Mapping[str, bytes]
    ) -> Iterable[Message]:
        """See `TopicLayout.opening`."""
        wanted = {name: {each.name for each in info.series} for name, info in meters.items()}
        self._known = {
            name: {key: known for key, known in self._known.get(name, {}).items() if key in keys}
            for name, keys in wanted.items()
        }
        here = {self._topic(name, "availability") for name in meters}
        for topic in retained:
            base, _, last = topic.rpartition("/")
            if base.startswith(f"{self._base}/") and last == "availability" and topic not in here:
                yield Message(topic, b"")
                yield Message(f"{base}/state", b"")

    def of_poll(self, poll: SinkPoll) -> Iterable[Message]:
        """See `TopicLayout.of_poll`."""
        topic = self._topic(poll.meter, "state")
        known = self._known.get(poll.meter)
        if known is None:  # removed since: who listens gets it, nobody finds it later
            return [Message(topic, self._state(poll, {}), retain=False)]
        return [Message(topic, self._state(poll, known))]

    def of_meter(self, meter: str, *, is_online: bool) -> Iterable[Message]:
        """See `TopicLayout.of_meter`."""
        return [Message(self._topic(meter, "availability"), _ONLINE if is_online else _OFFLINE)]

    def closing(self) -> Iterable[Message]:
        """See `TopicLayout.closing`."""
        return [self.will]

    def place(self, meter: str, series: Series) -> Place:
        """See `TopicLayout.place`."""
        return Place(self._topic(meter, "state"), series.name, is_repeated=True)

    def switches(self, meter: str) -> tuple[Switch, ...]:
        """See `TopicLayout.switches`."""
        there = _ONLINE.decode()
        return Switch(self._status, there), Switch(self._topic(meter, "availability"), there)

    def _topic(self, meter: str, what: str) -> str:
        return f"{self._base}/{topic_level(meter)}/{what}"

    def _state(self, poll: SinkPoll, known: dict[str, _Known]) -> bytes:
        time_ms = poll.time_us // _MS
        for series, value, quality in poll.values:
            text = _json_value(series, value)
            is_missing = text == "null" and quality is Quality.GOOD
            doubt = Quality.NOT_AVAILABLE if is_missing else quality
            known[series.name] = _Known(text, doubt, time_ms)
        keys = self._keys
        for name in known:
            if name not in keys:
                keys[name] = f"{json.dumps(name)}:"
        values = [keys[name] + each.text for name, each in known.items()]
        parts = [
            f'{{"id":{json.dumps(poll.id)},"time":"{time_text(poll.time_us)}"',
            f'"time_ms":{time_ms}',
            f'"values":{{{",".join(values)}}}',
        ]
        doubts = [
            f'{keys[name]}"{each.quality.value}"'
            for name, each in known.items()
            if each.quality is not Quality.GOOD
        ]
        if doubts:
            parts.append(f'"quality":{{{",".join(doubts)}}}')
        older = [
            f"{keys[name]}{each.time_ms}" for name, each in known.items() if each.time_ms != time_ms
        ]
        if older:
            parts.append(f'"times_ms":{{{",".join(older)}}}')
        return f"{','.join(parts)}}}".encode()


def _json_value(series: Series, value: Value) -> str:
    plain = plain_value(series, value)
    if plain is None:
        return "null"
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, str):
        return json.dumps(plain)
    return number_text(plain)
