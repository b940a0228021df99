"""A serial port, opened for us alone; serialx does the work, and is imported when one is opened.

No framing and no timing: when a frame begins and ends is for others to know.
Source of the character times: MODBUS over Serial Line v1.02, 2.5.1.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from energymeter.clock import Clock
from energymeter.errors import ConfigError, EndpointError, LinkOpenError
from energymeter.transports.relay import Relay
from energymeter.transports.standing import Standing

if TYPE_CHECKING:
    from serialx import SerialPortInfo

__all__ = [
    "BYTE_SIZES",
    "PARITIES",
    "STOP_BITS",
    "SerialEndpoint",
    "SerialListener",
    "SerialSettings",
]

_log = logging.getLogger(__name__)

PARITIES: Final = ("N", "E", "O")
"""None, even, odd."""

STOP_BITS: Final = (1, 2)
BYTE_SIZES: Final = (7, 8)

_FASTEST_COUNTED: Final = 19200
"""Above this speed, in baud, silence is a fixed time."""

_FIXED_SILENCE_S: Final = 0.00175
_LISTING_S: Final = 1.0
"""How long looking for serial ports may take, for a message."""

_PTY: Final = re.compile(r"/dev/(pts/\d+|ttys\d+|tty[p-za-e][0-9a-f])")
"""What serves one program as a serial port and another as its far end."""


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """Speed of a line and shape of its characters.

    Raises:
        EndpointError: A serial port cannot be set so.
    """

    baudrate: int = 9600
    """Bits a second, 1 or more."""

    parity: str = "N"
    """`N`one, `E`ven or `O`dd."""

    stopbits: int = 1
    """1 or 2."""

    bytesize: int = 8
    """Data bits, 7 or 8."""

    def __post_init__(self) -> None:
        if self.baudrate < 1:
            msg = f"{self.baudrate} baud is not a valid speed, use 9600 or the meter's setting"
            raise EndpointError(msg)
        for name, value, allowed in (
            ("parity", self.parity, PARITIES),
            ("stopbits", self.stopbits, STOP_BITS),
            ("bytesize", self.bytesize, BYTE_SIZES),
        ):
            if value not in allowed:
                msg = f"{name} {value!r} is not possible, use {' or '.join(map(str, allowed))}"
                raise EndpointError(msg)

    def __str__(self) -> str:
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits}"

    @property
    def bits_per_character(self) -> int:
        """Start bit, data bits, parity bit if any, stop bits: 9 to 12."""
        return 1 + self.bytesize + (self.parity != "N") + self.stopbits

    @property
    def character_s(self) -> float:
        """How long a character takes, seconds."""
        return self.bits_per_character / self.baudrate

    @property
    def silence_s(self) -> float:
        """The silence that parts frames, seconds: 3.5 characters, fixed above 19200 baud."""
        if self.baudrate > _FASTEST_COUNTED:
            return _FIXED_SILENCE_S
        return 3.5 * self.character_s


class SerialEndpoint:
    """A serial port with the meters behind it.

    A pty (a serial port without hardware) has no parity and no data bits; those are not set.

    Args:
        path: Such as `/dev/ttyUSB0` or `COM3`.
        baudrate: Bits a second.
        parity: `N`, `E` or `O`.
        stopbits: 1 or 2.
        bytesize: Data bits, 7 or 8.

    Raises:
        EndpointError: A serial port cannot be set so.
    """

    is_datagram: ClassVar[bool] = False

    def __init__(
        self,
        path: str,
        baudrate: int = 9600,
        parity: str = "N",
        stopbits: int = 1,
        bytesize: int = 8,
    ) -> None:
        if not path:
            msg = "the serial port has no name, write /dev/ttyUSB0 or COM3"
            raise EndpointError(msg)
        self.path = path
        self.settings = SerialSettings(baudrate, parity, stopbits, bytesize)
        self._last: Relay | None = None

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"SerialEndpoint({self.path!r}, {self.settings})"

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Endpoint.connect`."""
        await self.open(Relay(protocol_factory, in_words=_loss_in_words))

    def release(self) -> None:
        """See `Endpoint.release`; nothing is kept."""

    async def open(self, relay: Relay) -> None:
        """Open the port for `relay`.

        Raises:
            LinkOpenError: It cannot be opened; the message says why in words.
        """
        import serialx  # noqa: PLC0415 - 30 ms that only serial lines cost

        await self.wait_for_the_last()
        settings = self.settings
        if _is_pty(self.path):  # takes neither, and says so as if the speed were wrong
            settings = replace(settings, parity="N", bytesize=8)
        try:
            await serialx.create_serial_connection(
                asyncio.get_running_loop(),
                lambda: relay,
                f"device://{self.path}",
                settings.baudrate,
                parity=serialx.Parity(settings.parity),
                stopbits=serialx.StopBits(settings.stopbits),
                byte_size=settings.bytesize,
                exclusive=True,
            )
        except (OSError, serialx.SerialException) as error:
            msg = await self._why(error)
            raise LinkOpenError(msg, endpoint=str(self)) from error
        self._last = relay

    async def wait_for_the_last(self) -> None:
        """Return once a connection that is being closed is: until then the port is busy."""
        last = self._last
        if last is not None and last.transport is not None and last.transport.is_closing():
            await last.gone.wait()

    async def _why(self, error: Exception) -> str:
        number = getattr(error, "errno", None)
        if isinstance(error, FileNotFoundError):
            return f"there is no serial port {self}; {await _existing_ports()}"
        if number in (errno.EBUSY, errno.EAGAIN) or (
            isinstance(error, PermissionError) and sys.platform == "win32"
        ):
            return f"serial port {self} is used by another program, close that first"
        if isinstance(error, PermissionError):
            return f"permission denied for {self}; {_how_to_be_permitted(self.path)}"
        if number in (errno.ENXIO, errno.ENODEV, errno.EIO):
            return f"there is no hardware behind serial port {self}; {await _existing_ports()}"
        if number in (errno.ENOTTY, errno.EISDIR):
            return f"{self} is no serial port; {await _existing_ports()}"
        if number == errno.EINVAL or number is None:
            return f"serial port {self} cannot be set to {self.settings} ({error})"
        return f"serial port {self} cannot be opened ({os.strerror(number)})"


class SerialListener:
    """A serial port with a client behind it, always there.

    A port that goes away (an adapter unplugged, the far end of a pty closed) is opened again as
    soon as it is back, until the listener is closed; so is one that the server closes.

    Args:
        path: Such as `/dev/ttyUSB0` or `COM3`.
        baudrate: Bits a second.
        parity: `N`, `E` or `O`.
        stopbits: 1 or 2.
        bytesize: Data bits, 7 or 8.
        clock: What the pauses between attempts are measured by.

    Raises:
        EndpointError: A serial port cannot be set so.
    """

    is_datagram: ClassVar[bool] = False
    port: ClassVar[int] = 0

    def __init__(  # noqa: PLR0913 - each is a property of the wire that users set
        self,
        path: str,
        baudrate: int = 9600,
        parity: str = "N",
        stopbits: int = 1,
        bytesize: int = 8,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._endpoint = SerialEndpoint(path, baudrate, parity, stopbits, bytesize)
        self._standing = Standing(
            f"serial port {path}", self._endpoint.open, in_words=_loss_in_words, clock=clock
        )

    def __str__(self) -> str:
        return str(self._endpoint)

    async def start(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Listener.start`."""
        try:
            await self._standing.open(protocol_factory)
        except LinkOpenError as error:
            raise ConfigError(error.message) from error

    def close(self) -> None:
        """See `Listener.close`."""
        self._standing.close()

    async def wait_closed(self) -> None:
        """See `Listener.wait_closed`; a client that is still in keeps the port."""
        await self._standing.wait_closed()
        await self._endpoint.wait_for_the_last()


def _loss_in_words(error: Exception) -> Exception:
    msg = "the serial port is gone, was the adapter unplugged?"
    return ConnectionResetError(getattr(error, "errno", None) or errno.EIO, msg)


def _is_pty(path: str) -> bool:
    return _PTY.fullmatch(os.path.realpath(path)) is not None


async def _existing_ports() -> str:
    import serialx  # noqa: PLC0415 - see above

    found: list[SerialPortInfo] = []
    try:
        async with asyncio.timeout(_LISTING_S):
            found = await serialx.async_list_serial_ports()
    except (OSError, ValueError, TimeoutError, serialx.SerialException) as error:
        _log.debug("looking for serial ports failed: %s", error)
    if not found:
        return "none was found on this machine, is the adapter plugged in?"
    return f"there is {', '.join(sorted(port.device for port in found))}"


def _how_to_be_permitted(path: str) -> str:
    try:
        import grp  # noqa: PLC0415 - absent on Windows

        group = grp.getgrgid(Path(path).stat().st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return "ask the administrator of this machine for access"
    if group == "root":
        return "it belongs to root alone, which a udev rule can change"
    return f"it belongs to group {group}: sudo usermod -aG {group} $USER, then log in again"
