"""The middle of a link's URL: a host and port, or a serial port. Text in, parts out."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from energymeter.errors import EndpointError
from energymeter.transports.endpoint import check_port, parse_host_port
from energymeter.transports.scheme import SCHEMES

__all__ = ["UrlParts", "parse_place", "parse_serial_path", "path_text", "split_url"]

_LOGIN: Final = re.compile(r"(?<=//)[^/?@]*@")
_WINDOWS_PORT: Final = re.compile(r"(?:\\\\\.\\)?(COM\d+)", re.IGNORECASE)
_SLIP: Final = re.compile(r"([a-z][a-z+]+)(?::/?|//)(?=[^/:\d])(.+)", re.IGNORECASE)
"""`tcp:/host`, `tcp:host` or `tcp//host`; not `host:502`."""

_SYSTEMS_CHOICE: Final = re.compile(r"(\[.*\]|[^:]*):0+")
"""Port 0 behind a host or nothing."""


class UrlParts(NamedTuple):
    """A URL, taken apart but not judged."""

    scheme: str
    place: str
    query: str

    shown: str
    """How to name it in a message: as it was written, without a password."""


def split_url(text: str) -> UrlParts:
    """Take a URL apart; what has no `://` is a host for Modbus TCP.

    Raises:
        EndpointError: It looks like a slip of the pen or like a serial port.
    """
    text = text.strip()
    shown = _LOGIN.sub("***@", text)
    scheme, colon, rest = text.partition("://")
    if not colon:
        _refuse_slips(text, shown)
        scheme, rest = "tcp", text
    place, _, query = rest.partition("?")
    return UrlParts(scheme, place, query, shown)


def _refuse_slips(text: str, shown: str) -> None:
    if not text:
        msg = "the address is empty, write HOST:PORT or a URL such as rtu:///dev/ttyUSB0"
        raise EndpointError(msg)
    if text.startswith(("/", "~", ".")) or _WINDOWS_PORT.fullmatch(text.rstrip(":")):
        msg = f"{shown} looks like a serial port, write rtu://{shown.rstrip(':')}"
        raise EndpointError(msg)
    slip = _SLIP.fullmatch(text)
    if slip and slip[1].lower() in SCHEMES:
        is_serial = slip[1].lower() in {"rtu", "ascii"} and not _WINDOWS_PORT.fullmatch(slip[2])
        rest = f"/{slip[2]}" if is_serial else slip[2]
        msg = f"{shown}: a scheme is followed by ://, did you mean {slip[1].lower()}://{rest}?"
        raise EndpointError(msg)


def parse_place(url: UrlParts, default_port: int) -> tuple[str | None, int]:
    """Host and port of a URL; no host means: for listening on this machine only.

    Raises:
        EndpointError: There is neither, or something else.
    """
    place, shown = url.place, url.shown
    if "@" in place:
        msg = f"{shown}: Modbus has no user names and passwords, leave out what is before the @"
        raise EndpointError(msg)
    if place.startswith("/"):
        msg = f"{shown} has no host, did you mean {url.scheme}://{place.lstrip('/')}?"
        raise EndpointError(msg)
    place, slash, behind = place.partition("/")
    if behind:
        msg = f"{shown}: only ?options may follow the port, leave out {slash}{behind}"
        raise EndpointError(msg)
    if not place:
        msg = f"{shown} has no host, write {url.scheme}://HOST:PORT (:PORT alone to listen)"
        raise EndpointError(msg)
    try:
        if _SYSTEMS_CHOICE.fullmatch(place):
            host = place.rpartition(":")[0]
            return (parse_host_port(host, default_port)[0] if host else None), 0
        if re.fullmatch(r":\d+", place):
            return None, check_port(int(place[1:]))
        return parse_host_port(place, default_port)
    except EndpointError as error:
        if shown in error.message:
            raise
        msg = f"{shown}: {error.message}"
        raise EndpointError(msg) from error


def parse_serial_path(url: UrlParts) -> str:
    """The serial port of a URL: an absolute path, or COM and a number.

    Raises:
        EndpointError: It is neither; the message guesses what was meant.
    """
    place, shown = unquote(url.place), url.shown
    windows = _WINDOWS_PORT.fullmatch(place.strip("/"))
    if windows:
        return windows[1].upper()
    if place.startswith("/"):
        if place.endswith("/"):
            msg = f"{shown} is a folder, write {url.scheme}:///dev/ttyUSB0"
            raise EndpointError(msg)
        return place
    if not place:
        hint = f"write {url.scheme}:///dev/ttyUSB0 or {url.scheme}://COM3"
        msg = f"{shown} names no serial port, {hint}"
        raise EndpointError(msg)
    if "\\" in place or re.match(r"[a-zA-Z]:", place):
        msg = f"{shown}: a serial port of Windows is written {url.scheme}://COM3"
        raise EndpointError(msg)
    if place.startswith(("~", ".")):
        msg = f"{shown}: write the whole path, such as {url.scheme}:///dev/ttyUSB0"
        raise EndpointError(msg)
    if re.search(r"[.:\]]", place) and not place.startswith("dev/"):
        msg = f"{shown} looks like a host, did you mean {url.scheme}+tcp://{place}?"
        raise EndpointError(msg)
    path = place if place.startswith("dev/") else f"dev/{place}"
    msg = f"{shown} is no serial port, did you mean {url.scheme}:///{path}?"
    raise EndpointError(msg)


def path_text(path: str) -> str:
    """Write a serial port so that it can be read back."""
    return quote(path, safe="/:~+,@")
