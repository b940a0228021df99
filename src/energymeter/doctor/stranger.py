"""Who is it that answers, if it is no Modbus? Known by the first bytes. Pure.

Sources: RFC 4253 (SSH), 9112 (HTTP), 854 (telnet), 8446 (TLS alerts), 959 and 5321 (FTP, mail);
MQTT 3.1.1; IEC 62056-21 and SML, for meters that talk by themselves.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["CALLS", "TLS", "Call", "name_stranger", "quote"]

TLS: Final = "TLS"

_BEGINNINGS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"SSH-", "an SSH server"),
    (b"HTTP/", "a web server"),
    (b"<!DOCTYPE", "a web server"),
    (b"<html", "a web server"),
    (b"RTSP/", "a camera (RTSP)"),
    (b"RFB ", "a screen sharing server (VNC)"),
    (b"AMQP", "an AMQP broker"),
    (b"+OK", "a mail server (POP3)"),
    (b"* OK", "a mail server (IMAP)"),
    (b"-ERR", "a Redis database"),
    (b"\x20\x02\x00", "an MQTT broker"),
    (b"\x20\x03\x00", "an MQTT broker"),
    *((b"\x15\x03" + bytes((minor,)) + b"\x00\x02", TLS) for minor in range(5)),
    (b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01", "a meter that sends SML by itself"),
)

_TELNET_COMMANDS: Final = range(0xFB, 0xFF)
"""WILL, WONT, DO, DONT."""

_MOST_QUOTED: Final = 40


class Call(NamedTuple):
    """Words of another protocol that make its servers say who they are."""

    name: str
    data: bytes


CALLS: Final = (
    # CONNECT, MQTT 3.1.1, clean session, no client identifier (MQTT 3.1.1, 3.1).
    Call("MQTT", b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"),
    Call("HTTP", b"GET / HTTP/1.0\r\n\r\n"),
)
"""Tried last of all, where nothing Modbus gets an answer; they change nothing anywhere."""


def name_stranger(data: bytes) -> str | None:
    """What kind of server begins like this; None: none that is known."""
    for beginning, name in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if len(data) >= 3 and data[0] == 0xFF and data[1] in _TELNET_COMMANDS:
        return "a telnet server"
    if data[:3].isdigit() and data[3:4] in (b" ", b"-") and data[:1] in b"245":
        return "an FTP or mail server"
    if data[:1] == b"/" and data[1:4].isalpha() and b"\r\n" in data:
        return "a meter that sends its values as text by itself (IEC 62056-21 or P1)"
    stripped = data.lstrip()
    if stripped[:1] == b"{" and b'"' in stripped:
        return "a server that speaks JSON"
    if stripped.lower().startswith((b"login:", b"user", b"password")):
        return "a login prompt"
    return None


def quote(data: bytes) -> str:
    """The beginning of what came, as text if it is some, else as hexadecimal bytes."""
    line = data.strip().split(b"\n")[0].rstrip(b"\r")
    text = line[:_MOST_QUOTED].decode("ascii", "replace")
    if len(line) >= 4 and text.isprintable() and "\ufffd" not in text:
        return repr(text) if len(line) <= _MOST_QUOTED else repr(text + "...")
    shown = data[: _MOST_QUOTED // 2].hex(" ")
    return shown if len(data) <= _MOST_QUOTED // 2 else f"{shown} ..."
