"""One connection to an MQTT broker, from hello to good-bye.

This and `mqtt_driver` are all that knows aiomqtt. What goes wrong becomes a
`SinkUnavailableError` with one sentence. A session is used once: when it is lost or closed, the
next connection is a new one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from energymeter.errors import SinkUnavailableError
from energymeter.sinks.mqtt_driver import (
    Broker,
    TlsSocket,
    driver_log,
    hang_up,
    watch_sockets,
    why_not,
)
from energymeter.sinks.mqtt_layout import Message

if TYPE_CHECKING:
    import aiomqtt

__all__ = ["Session"]

_IN_FLIGHT: Final = 20
"""Messages sent and not yet acknowledged. Brokers allow 20 of QoS 2 by default (mosquitto hangs up
beyond); more than 20 are no faster (docs/howto/mqtt.md)."""

_KEEPALIVE_S: Final = 30
"""Two thirds of the time after which the broker tells our last will when we are silent."""

_GOODBYE_S: Final = 1.0
"""How long a good-bye may take."""

_REFUSED: Final = 128
"""The first code that says no to a subscription (MQTT 3.1.1, 3.9.3)."""

Result = TypeVar("Result")


class Session:
    """See the module.

    Args:
        broker: Where to connect.
        will: What the broker says when the connection breaks.
        on_message: Called with topic, payload and whether it was retained, for what comes in.
    """

    def __init__(
        self, broker: Broker, will: Message, on_message: Callable[[str, bytes, bool], None]
    ) -> None:
        self._broker = broker
        self._will = will
        self._on_message = on_message
        self._client: aiomqtt.Client | None = None
        self._entering: asyncio.Future[aiomqtt.Client] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._has_socket = False
        self._is_lost = False
        self._acknowledged = 0
        """Messages in all."""

    async def open(self) -> None:
        """Connect and log in.

        Raises:
            SinkUnavailableError: It did not work.
        """
        import aiomqtt  # noqa: PLC0415 - an extra

        client = self._client = self._make_client()
        self._entering = asyncio.ensure_future(client.__aenter__())
        try:
            await asyncio.shield(self._entering)
        except asyncio.CancelledError:
            # The thread that connects cannot be stopped; what it opens is closed when it is done.
            self._entering.add_done_callback(lambda done: _drop(client, done))
            client.timeout = 0.0
            if self._has_socket:
                hang_up(client)
                self._entering.cancel()
            raise
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            hang_up(client)
            raise SinkUnavailableError(why_not(error, self._broker)) from error
        self._listening = asyncio.create_task(self._listen(client))

    async def subscribe(self, filters: Iterable[str]) -> bool:
        """Ask for messages; returns whether the broker allows all of them.

        Raises:
            SinkUnavailableError: The connection is gone or the broker silent.
        """
        client = self._live_client()
        codes = await self._raced(client.subscribe([(each, 0) for each in filters]))
        return all((code if isinstance(code, int) else code.value) < _REFUSED for code in codes)

    async def unsubscribe(self, filters: Iterable[str]) -> None:
        """Ask for these messages no longer.

        Raises:
            SinkUnavailableError: The connection is gone or the broker silent.
        """
        await self._raced(self._live_client().unsubscribe(list(filters)))

    async def publish(self, messages: Iterable[Message]) -> None:
        """Send messages in this order; returns when the broker has acknowledged all of them.

        Raises:
            SinkUnavailableError: The connection is gone or the broker silent; some may have
                arrived.
        """
        client = self._live_client()
        rest = iter(messages)
        first = list(islice(rest, _IN_FLIGHT))
        if first:
            await self._raced(self._send_all(client, chain(first, rest), len(first)))

    async def _raced(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of `work`, unless the connection breaks: then its answer will not come."""
        listening = self._listening
        assert listening is not None  # noqa: S101 - it is as long as there is a live client
        task = asyncio.create_task(work)
        try:
            is_stuck = await self._is_stuck((task, listening))
        except asyncio.CancelledError:
            await _cancelled(task)
            raise
        if not task.done():
            await _cancelled(task)
            raise self._lost(TimeoutError("timed out") if is_stuck else None)
        error = task.exception()
        if error is not None:
            raise self._lost(error) from error
        return task.result()

    async def _is_stuck(self, tasks: Iterable[asyncio.Task[Any]]) -> bool:
        """Wait until one of them is done; returns whether nothing has moved for too long."""
        while True:
            before = self._acknowledged
            done, _ = await asyncio.wait(
                tasks, timeout=self._broker.patience_s, return_when=asyncio.FIRST_COMPLETED
            )
            if done:
                return False
            if self._acknowledged == before:
                return True

    async def close(self, goodbye: Iterable[Message] = ()) -> None:
        """Say good-bye if anybody listens, and let go; never raises."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._listening is None:
            if self._entering is not None:
                await asyncio.wait((self._entering,), timeout=self._broker.patience_s)
            hang_up(client)
            return
        try:
            if not (self._is_lost or self._listening.done()):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._part(client, goodbye), 2 * _GOODBYE_S)
        finally:
            # What has not gone by now never will; the listener ends when the socket is closed.
            hang_up(client, has_listener=True)
            await asyncio.wait((self._listening,), timeout=_GOODBYE_S)
            self._listening.cancel()
            await asyncio.wait((self._listening,))

    def _make_client(self) -> aiomqtt.Client:
        import aiomqtt  # noqa: PLC0415 - an extra

        broker = self._broker
        if broker.tls is not None:
            broker.tls.sslsocket_class = TlsSocket
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=broker.client_id,
            will=aiomqtt.Will(self._will.topic, self._will.payload, broker.qos, self._will.retain),
            timeout=broker.patience_s,
            keepalive=_KEEPALIVE_S,
            max_inflight_messages=_IN_FLIGHT,
            tls_context=broker.tls,
            logger=driver_log,
        )
        client.pending_calls_threshold = _IN_FLIGHT + 10
        watch_sockets(client, self._have_socket)
        return client

    def _have_socket(self) -> None:
        self._has_socket = True

    def _live_client(self) -> aiomqtt.Client:
        if self._client is None or self._listening is None:
            msg = f"there is no connection to {self._broker.name}"
            raise SinkUnavailableError(msg)
        if self._is_lost or self._listening.done():
            raise self._lost(None)
        return self._client

    def _lost(self, error: BaseException | None) -> SinkUnavailableError:
        self._is_lost = True
        name = self._broker.name
        if error is None or (self._listening is not None and self._listening.done()):
            return SinkUnavailableError(f"the connection to {name} was lost")
        if "timed out" in str(error):
            patience = f"within {self._broker.patience_s:g} s"
            return SinkUnavailableError(f"{name} acknowledges nothing {patience}")
        return SinkUnavailableError(f"{name} took no message: {error}")

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Ends when the connection is gone."""
        import aiomqtt  # noqa: PLC0415 - an extra

        with suppress(aiomqtt.MqttError):
            async for message in client.messages:
                payload = message.payload
                if isinstance(payload, (bytes, bytearray)):
                    self._on_message(str(message.topic), bytes(payload), bool(message.retain))

    async def _send_all(
        self, client: aiomqtt.Client, messages: Iterator[Message], at_once: int = _IN_FLIGHT
    ) -> None:
        """Workers take turns at the messages, so that many are under way in their order."""
        workers = [asyncio.create_task(self._send_some(client, messages)) for _ in range(at_once)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _send_some(self, client: aiomqtt.Client, messages: Iterator[Message]) -> None:
        qos = self._broker.qos
        for topic, payload, retain in messages:
            # One timer for all, in `_is_stuck`: one for each message would cost as much as sending.
            await client.publish(topic, payload, qos, retain, timeout=math.inf)
            self._acknowledged += 1
            if qos == 0:  # nobody was waited for
                await asyncio.sleep(0)

    async def _part(self, client: aiomqtt.Client, goodbye: Iterable[Message]) -> None:
        import aiomqtt  # noqa: PLC0415 - an extra

        with suppress(SinkUnavailableError, aiomqtt.MqttError):
            await self._send_all(client, iter(goodbye))
            client.timeout = _GOODBYE_S
            await client.__aexit__(None, None, None)


async def _cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task of ours and wait for its end, whatever that is."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()


def _drop(client: aiomqtt.Client, done: asyncio.Future[aiomqtt.Client]) -> None:
    if not done.cancelled():
        done.exception()
    hang_up(client)
