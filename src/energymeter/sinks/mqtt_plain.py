"""Our own topics: one JSON for each poll, and who is online.

    PREFIX/SITE/METER/state          the poll, retained
    PREFIX/SITE/METER/availability   online or offline, retained
    PREFIX/SITE/status               of the service itself, likewise

docs/howto/mqtt.md describes the JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from energymeter.reader.reading import Quality, Value
from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.sinks.mqtt_layout import Message, Place, Switch
from energymeter.sinks.mqtt_names import topic_level
from energymeter.sinks.mqtt_values import json_text
from energymeter.sinks.poll_json import time_text
from energymeter.store.base import Series

__all__ = ["PlainLayout"]

_ONLINE: Final = b"online"
_OFFLINE: Final = b"offline"
_MS: Final = 1000
"""Microseconds in a millisecond."""


class _Known:
    """The newest of one value."""

    __slots__ = ("key", "member", "quality", "series", "time_ms", "value")

    def __init__(self, series: Series) -> None:
        self.series = series
        self.key = f"{json.dumps(series.name)}:"
        self.value: Value = None
        self.member = f"{self.key}null"
        """Name and value as JSON."""

        self.quality = Quality.NOT_READ
        self.time_ms = 0


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
        self._known = {
            name: {
                key: known
                for key, known in self._known.get(name, {}).items()
                if known.series in info.series
            }
            for name, info in meters.items()
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
            each = known.get(series.name)
            if each is None:
                each = known[series.name] = _Known(series)
            if value != each.value:  # most are what they were
                each.value = value
                each.member = each.key + json_text(series, value)
            each.quality = quality
            each.time_ms = time_ms
        all_known = known.values()
        parts = [
            f'{{"id":{json.dumps(poll.id)},"time":"{time_text(poll.time_us)}"',
            f'"time_ms":{time_ms}',
            f'"values":{{{",".join([each.member for each in all_known])}}}',
        ]
        doubts = [
            f'{each.key}"{_doubt(each)}"'
            for each in all_known
            if each.quality is not Quality.GOOD or each.member.endswith(":null")
        ]
        if doubts:
            parts.append(f'"quality":{{{",".join(doubts)}}}')
        if len(poll.values) < len(known):
            older = [f"{e.key}{e.time_ms}" for e in all_known if e.time_ms != time_ms]
            parts.append(f'"times_ms":{{{",".join(older)}}}')
        return f"{','.join(parts)}}}".encode()


def _doubt(known: _Known) -> str:
    is_missing = known.quality is Quality.GOOD  # a number that is none
    return (Quality.NOT_AVAILABLE if is_missing else known.quality).value
