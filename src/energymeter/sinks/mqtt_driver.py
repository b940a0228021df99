"""What aiomqtt leaves to those who use it: sockets that stay open, errors without a reason.

Seen in aiomqtt 2.5 with paho-mqtt 2.2; knows no topics and no readings.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from energymeter.errors import ConfigError

if TYPE_CHECKING:
    import aiomqtt

__all__ = [
    "Broker",
    "TlsSocket",
    "check_driver",
    "driver_log",
    "hang_up",
    "watch_sockets",
    "why_not",
]

_BAD_LOGIN: Final = (134, 135)
"""Reason codes of MQTT 5, into which the driver translates those of 3.1.1."""

_REASONS: Final = {
    132: "it does not speak MQTT 3.1.1",
    133: "it does not accept the client id, set client_id",
    136: "it is not available",
    137: "it is busy",
    138: "this client is banned",
}

driver_log = logging.getLogger("energymeter.sinks.mqtt.driver")
driver_log.setLevel(logging.CRITICAL)  # whatever it complains of is raised as an error here


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to connect, and as whom."""

    host: str
    port: int
    client_id: str
    qos: int = 1
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    patience_s: float = 10.0
    """How long to wait for any answer."""

    @property
    def name(self) -> str:
        """For messages."""
        return f"the MQTT broker at {self.host}:{self.port}"


class TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails; the driver only forgets it."""

    def do_handshake(self, block: bool = False) -> None:
        """See `ssl.SSLSocket.do_handshake`."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def check_driver() -> None:
    """See that the driver is there.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import aiomqtt  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        msg = "the MQTT sink needs aiomqtt: pip install 'energymeter[mqtt]'"
        raise ConfigError(msg) from error


def watch_sockets(client: aiomqtt.Client, on_open: Callable[[], None]) -> None:
    """Have the loop told at once when the driver wants to write, and us when it has a socket.

    aiomqtt tells the loop in the next turn. When the connection breaks in between, the loop is
    given the number of a closed socket, or of another one that has it by then.

    Args:
        client: Not connected yet.
        on_open: Called by the loop once it listens to the socket; before that the socket is the
            business of the thread that connects.
    """
    driver = client._client  # noqa: SLF001 - as in `hang_up`
    loop, here = asyncio.get_running_loop(), threading.get_ident()

    def write() -> None:
        try:
            driver.loop_write()
        except OSError:
            hang_up(client, has_listener=True)

    def watch(open_socket: socket.socket) -> None:
        if open_socket.fileno() >= 0:
            loop.add_writer(open_socket.fileno(), write)

    def wants_to_write(_client: object, _data: object, open_socket: Any) -> None:  # noqa: ANN401
        if threading.get_ident() == here:
            watch(open_socket)
        else:  # the thread that connects
            loop.call_soon_threadsafe(watch, open_socket)

    listen = driver.on_socket_open

    def has_opened(paho: Any, data: Any, open_socket: Any) -> None:  # noqa: ANN401
        if listen is not None:
            listen(paho, data, open_socket)
        loop.call_soon_threadsafe(on_open)

    # Of the end each send learns by itself; where nobody is sending, the loop would complain.
    client._disconnected.add_done_callback(_heeded)  # noqa: SLF001 - nothing public tells it
    driver.on_socket_register_write = wants_to_write
    driver.on_socket_open = has_opened


def _heeded(ended: asyncio.Future[None]) -> None:
    """Take note of how a connection ended, so that its error counts as heard."""
    if not ended.cancelled():
        ended.exception()


def hang_up(client: aiomqtt.Client, *, has_listener: bool = False) -> None:
    """Close the socket, if there is one, without asking anybody.

    The driver's own good-bye waits for what is still to be written, and after a failed login it
    leaves the socket open for good.

    Args:
        client: Connected or not.
        has_listener: Whether somebody goes through its messages, and so learns of the end.
    """
    driver = client._client  # noqa: SLF001 - nothing public leads to the socket
    open_socket = driver.socket()
    if not isinstance(open_socket, socket.socket):
        return
    if not has_listener:
        driver.on_disconnect = None  # an error that nobody takes is complained of by the loop
    with suppress(OSError):
        open_socket.shutdown(socket.SHUT_RDWR)
    with suppress(OSError, ValueError):
        # The driver reads what is left, meets the end and closes.
        while driver.socket() is not None and driver.loop_read() == 0:
            pass


def why_not(error: Exception, broker: Broker) -> str:
    """Why a connection could not be made, in one sentence."""
    # The driver keeps the text of what was wrong, and hides the error itself as its context.
    cause = error if isinstance(error, OSError) else error.__context__
    code = getattr(getattr(error, "rc", None), "value", None)
    if code in _BAD_LOGIN:
        login = "username and password" if broker.username else "a client without username"
        return f"{broker.name} does not accept {login}"
    if code is not None:
        return f"{broker.name} refuses: {_REASONS.get(code, str(error))}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message.rstrip(".")
        return f"the certificate of {broker.name} is not trusted ({reason}); see ca_file"
    if isinstance(cause, ssl.SSLError) or (broker.tls and isinstance(cause, ConnectionError)):
        reason = getattr(cause, "reason", None) or cause.strerror or str(cause)
        return f"no TLS with {broker.name} ({reason}); is this its port for TLS?"
    if isinstance(cause, socket.gaierror):
        return f"the host of {broker.name} is not known"
    if isinstance(cause, TimeoutError) or "timed out" in str(error):
        tls = "does it require a client certificate" if broker.tls else "does it want tls"
        return (
            f"{broker.name} does not answer within {broker.patience_s:g} s; is it a broker, {tls}?"
        )
    if isinstance(cause, OSError):
        return f"{broker.name} cannot be reached: {(cause.strerror or str(cause)).lower()}"
    return f"{broker.name} cannot be used: {error}"
