"""Publishes readings to an MQTT broker, in topics of our own or of the Homie convention.

The parts: `mqtt_session` speaks to the broker, `mqtt_plain` and `homie` arrange topics,
`home_assistant` announces meters, `mqtt_presence` knows who is online.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from energymeter.clock import Clock, SystemClock
from energymeter.errors import ConfigError, SinkUnavailableError
from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.sinks.home_assistant import Discovery
from energymeter.sinks.homie import HomieLayout
from energymeter.sinks.mqtt_driver import Broker, check_driver
from energymeter.sinks.mqtt_layout import Message, TopicLayout
from energymeter.sinks.mqtt_names import identifier, topic_prefix
from energymeter.sinks.mqtt_plain import PlainLayout
from energymeter.sinks.mqtt_presence import Presence
from energymeter.sinks.mqtt_session import Session
from energymeter.site.sinks import MqttEntry
from energymeter.transports import TlsFiles

__all__ = ["MqttSink"]

_PORT: Final = 1883
_TLS_PORT: Final = 8883
_COLLECT_S: Final = 3.0
"""How long to wait for what an earlier run left; brokers that let us read send it at once."""


class MqttSink:
    """Publishes to one broker; implements `service.sink.Sink`.

    Args:
        entry: What stands in the site file.
        site: What the site is called.
        clock: Says who has been silent for too long.
        patience_s: How long to wait for any answer of the broker.

    Raises:
        ConfigError: The entry cannot be, or aiomqtt is not installed.
    """

    def __init__(
        self,
        entry: MqttEntry,
        site: str,
        *,
        clock: Clock | None = None,
        patience_s: float = 10.0,
    ) -> None:
        check_driver()
        self._entry = entry
        self._site = site
        self._clock = clock if clock is not None else SystemClock()
        self._patience_s = patience_s
        _check_login(entry)
        self._layout = self._make_layout()
        self._discovery = self._make_discovery()
        self._birth_topic = self._discovery.birth_topic if self._discovery else None
        self._meters: dict[str, MeterInfo] = {}
        self._presence: dict[str, Presence] = {}
        self._session: Session | None = None
        self._is_open = False
        """Whether everything was said that comes before readings."""

        self._retained: dict[str, bytes] | None = None
        """What comes in while leftovers are collected; None: they no longer are."""

        self._is_collected = asyncio.Event()
        self._is_born = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, meters: Mapping[str, MeterInfo]) -> None:
        """See `Sink.open`."""
        await self.close()
        session = self._session = Session(self._broker(), self._layout.will, self._take)
        try:
            await session.open()
            retained = await self._leftovers(session)
            self._meters = dict(meters)
            now, every_s = self._clock.monotonic(), self._entry.every or 0.0
            self._presence = {
                name: Presence(max(info.interval_s, every_s), now) for name, info in meters.items()
            }
            await session.publish(self._opening(retained))
        except (SinkUnavailableError, ConfigError):
            await self._let_go()
            raise
        self._is_open = True
        self._tasks = [asyncio.create_task(self._watch(session))]
        if self._discovery is not None:
            self._tasks.append(asyncio.create_task(self._welcome(session, self._discovery)))

    async def send(self, polls: Sequence[SinkPoll]) -> None:
        """See `Sink.send`."""
        if self._session is None or not self._is_open:
            msg = f"there is no connection to the MQTT broker at {self._entry.host}"
            raise SinkUnavailableError(msg)
        await self._session.publish(self._messages(polls))

    async def close(self) -> None:
        """See `Sink.close`."""
        await self._let_go(self._layout.closing() if self._is_open else ())

    def _make_layout(self) -> TopicLayout:
        entry = self._entry
        if entry.layout == "plain":
            return PlainLayout(topic_prefix(entry.prefix, "prefix"), self._site)
        domain = entry.prefix if "prefix" in entry.model_fields_set else "homie"
        if "/" in topic_prefix(domain, "prefix"):
            msg = f"prefix {domain!r} has more than one level, the Homie convention wants one"
            raise ConfigError(msg)
        return HomieLayout(domain, self._site, lambda: self._clock.now().timestamp())

    def _make_discovery(self) -> Discovery | None:
        entry = self._entry
        if not entry.home_assistant:
            return None
        prefix = topic_prefix(entry.discovery_prefix, "discovery_prefix")
        return Discovery(prefix, self._site, self._layout, entry.points, entry.every)

    def _broker(self) -> Broker:
        entry = self._entry
        name = identifier(self._site, "-")
        own = f"energymeter-{name}" if entry.name in (None, entry.type) else None
        return Broker(
            host=entry.host,
            port=entry.port or (_TLS_PORT if entry.tls else _PORT),
            client_id=entry.client_id or own or f"energymeter-{name}-{entry.name}",
            qos=entry.qos,
            username=entry.username,
            password=None if entry.password is None else entry.password.reveal(),
            tls=_tls_context(entry),
            patience_s=self._patience_s,
        )

    async def _leftovers(self, session: Session) -> dict[str, bytes]:
        """What an earlier run left on the broker, as far as we are allowed to see it."""
        filters = list(self._layout.leftovers())
        if self._discovery is not None:
            filters += self._discovery.leftovers()
            await session.subscribe([self._discovery.birth_topic])
        filters.append(self._layout.will.topic)
        self._is_collected.clear()
        retained = self._retained = {}
        try:
            may_read = await session.subscribe(filters)
            # Retained messages come first: when our own word comes back, all of them are here.
            await session.publish([self._layout.hello])
            if may_read:
                with suppress(TimeoutError):
                    await asyncio.wait_for(
                        self._is_collected.wait(), min(_COLLECT_S, self._patience_s)
                    )
        finally:
            self._retained = None
        await session.unsubscribe(filters)
        return retained

    def _take(self, topic: str, payload: bytes, is_retained: bool) -> None:
        """Something came in."""
        if self._retained is not None and is_retained:
            self._retained[topic] = payload
        elif self._retained is not None and topic == self._layout.will.topic:
            self._is_collected.set()
        elif (topic, payload, is_retained) == (self._birth_topic, b"online", False):
            self._is_born.set()

    def _opening(self, retained: Mapping[str, bytes]) -> Iterator[Message]:
        yield from self._layout.opening(self._meters, retained)
        if self._discovery is not None:
            yield from self._discovery.forgetting(self._meters, retained)
            yield from self._discovery.announcements(self._meters)

    def _messages(self, polls: Sequence[SinkPoll]) -> Iterator[Message]:
        for poll in polls:
            yield from self._layout.of_poll(poll)
            presence = self._presence.get(poll.meter)
            if presence is None:
                continue
            age_s = (self._clock.now() - poll.time).total_seconds()
            if presence.feed(poll, age_s, self._clock.monotonic()):
                is_online = bool(presence.is_online)
                yield from self._layout.of_meter(poll.meter, is_online=is_online)

    async def _watch(self, session: Session) -> None:
        """Tells who has fallen silent, until the connection is lost."""
        while self._presence:
            now = self._clock.monotonic()
            silent = [name for name, presence in self._presence.items() if presence.look(now)]
            try:
                await session.publish(self._said(silent))
            except SinkUnavailableError:
                return  # the next `send` says so
            waking = [each.deadline for each in self._presence.values() if each.deadline > now]
            # One that is offline now may come back and fall silent before any other does.
            waking.append(now + min(each.allowance_s for each in self._presence.values()))
            await self._clock.sleep_until(min(waking))

    def _said(self, names: list[str]) -> Iterator[Message]:
        for name in names:
            is_online = bool(self._presence[name].is_online)
            yield from self._layout.of_meter(name, is_online=is_online)

    async def _welcome(self, session: Session, discovery: Discovery) -> None:
        """Announces everything again when Home Assistant has started."""
        while True:
            await self._is_born.wait()
            self._is_born.clear()
            try:
                await session.publish(discovery.announcements(self._meters))
            except SinkUnavailableError:
                return  # the next `send` says so

    async def _let_go(self, goodbye: Iterable[Message] = ()) -> None:
        self._is_open = False
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        session, self._session = self._session, None
        if session is not None:
            await session.close(goodbye)


def _check_login(entry: MqttEntry) -> None:
    if entry.password is not None and entry.username is None:
        msg = "a password for the MQTT broker needs a username, give both"
        raise ConfigError(msg)
    if not entry.tls and (entry.ca_file or entry.cert_file or entry.key_file):
        msg = "ca_file, cert_file and key_file have no effect without TLS, write tls = true"
        raise ConfigError(msg)


def _tls_context(entry: MqttEntry) -> ssl.SSLContext | None:
    if not entry.tls:
        return None
    return TlsFiles(
        ca=None if entry.ca_file is None else str(entry.ca_file),
        cert=None if entry.cert_file is None else str(entry.cert_file),
        key=None if entry.key_file is None else str(entry.key_file),
    ).client_context()
