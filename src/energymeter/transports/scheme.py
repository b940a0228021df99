"""What may stand before `://`: the way bytes go and the envelope messages travel in."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from energymeter.codec.framing import Framing
from energymeter.errors import EndpointError
from energymeter.transports.options import nearest

__all__ = ["ELSEWHERE", "SCHEMES", "Scheme", "Way", "find_scheme", "scheme_name"]


class Way(StrEnum):
    """What carries the bytes; the last word of a scheme, left out for a serial line."""

    SERIAL = "serial"
    TCP = "tcp"
    UDP = "udp"
    TLS = "tls"

    LISTEN = "listen"
    """TCP, but the device connects to us."""

    DIAL = "dial"
    """TCP, but we are a device that connects to who reads it."""


_TIMES: Final = ("connect_pause", "pause", "unit_pause", "timeout", "connect_timeout")
_BUS: Final = ("baudrate", "parity", "stopbits", "bytesize", "gap", "echo")
_NUMBERED: Final = ("in_flight", "ids")
_TLS: Final = ("ca", "cert", "key", "server_name", "verify")

ELSEWHERE: Final = {
    **dict.fromkeys(_BUS, "serial lines and what leads to one (rtu, ascii, rtu+tcp)"),
    **dict.fromkeys(_NUMBERED, "messages with transaction numbers (tcp, udp, tls, listen)"),
    **dict.fromkeys(_TLS, "tls"),
}
"""Options not every scheme has, and what they are for."""


class Scheme(NamedTuple):
    """A way and an envelope."""

    framing: Framing
    way: Way

    @property
    def options(self) -> tuple[str, ...]:
        """The options its URLs may have."""
        envelope = _NUMBERED if self.framing.has_transactions else _BUS
        return (*envelope, *_TIMES, *(_TLS if self.way is Way.TLS else ()))


def _schemes() -> dict[str, Scheme]:
    networks = [way for way in Way if way is not Way.SERIAL]
    serial = (Framing.RTU, Framing.ASCII)
    return {
        **{str(way): Scheme(Framing.MBAP, way) for way in networks},
        **{str(framing): Scheme(framing, Way.SERIAL) for framing in serial},
        **{f"{kind}+{way}": Scheme(kind, way) for kind in serial for way in networks},
    }


SCHEMES: Final = _schemes()

_MEANT: Final = {
    "modbus": "tcp",
    "modbus+tcp": "tcp",
    "modbustcp": "tcp",
    "mbap": "tcp",
    "mbaps": "tls",
    "ssl": "tls",
    "rtuovertcp": "rtu+tcp",
    "rtutcp": "rtu+tcp",
    "socket": "rtu+tcp",
    "modbus+rtu": "rtu",
    "serial": "rtu",
    "file": "rtu",
}
"""Words other programs use."""


def find_scheme(name: str, shown: str) -> Scheme:
    """The scheme of this name; `shown` is the URL, for the message.

    Raises:
        EndpointError: There is none; the message lists those there are.
    """
    found = SCHEMES.get(name.lower())
    if found is not None:
        return found
    swapped = "+".join(reversed(name.lower().split("+")))
    guess = swapped if swapped in SCHEMES else _MEANT.get(name.lower()) or nearest(name, SCHEMES)
    hint = f"did you mean {guess}://? There are" if guess else "there are"
    msg = f"{shown}: {name}:// is unknown, {hint} {', '.join(SCHEMES)}"
    raise EndpointError(msg)


def scheme_name(scheme: Scheme) -> str:
    """How it is written."""
    return next(name for name, found in SCHEMES.items() if found == scheme)
