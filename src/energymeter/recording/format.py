"""A recording as text: what went over a link, when, and what was read out of it.

One line an event, so that two recordings can be compared with any tool, and one that a crash cut
off is whole up to there. Knows no socket, no clock and no Modbus.
Described in docs/reference/recording-format.md.
"""

from __future__ import annotations

import contextlib
import json
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple, NoReturn

from energymeter._version import __version__
from energymeter.codec.framing import Framing
from energymeter.errors import ConfigError

__all__ = [
    "Event",
    "Header",
    "Lost",
    "Noted",
    "NotedValue",
    "Opened",
    "Received",
    "Recording",
    "Sent",
    "TimedOut",
    "is_recording",
    "parse_recording",
    "render_event",
    "render_header",
]

_MAGIC: Final = "energymeter recording 1"
_ANY_VERSION: Final = re.compile(r"energymeter recording (\d+)")

_TOOL: Final = f"energymeter {__version__}"


class Header(NamedTuple):
    """What is known before the first event."""

    framing: Framing
    started: datetime
    """The moment from which events count, aware; kept to the microsecond."""

    wire: str | None = None
    """Where the link leads, as a URL without a login; one line."""

    profile: str | None = None
    """Name of the profile the values were read with; one line."""

    tool: str | None = _TOOL
    """What wrote it; one line."""

    @property
    def is_datagram(self) -> bool:
        """Whether bytes came in packets, each of which stands for itself."""
        return (self.wire or "").partition("://")[0].endswith("udp")


class Opened(NamedTuple):
    """A connection is there.

    Every event has `moment_s`: seconds since the header's `started`, 0 or more, kept to the
    microsecond.
    """

    moment_s: float


class Sent(NamedTuple):
    """The client wrote a frame."""

    moment_s: float
    data: bytes


class Received(NamedTuple):
    """Bytes came to the client, cut as they came."""

    moment_s: float
    data: bytes


class TimedOut(NamedTuple):
    """A question to this unit was given up."""

    moment_s: float
    unit: int


class Lost(NamedTuple):
    """The connection is gone."""

    moment_s: float
    reason: str
    """One sentence; several lines become one."""


class NotedValue(NamedTuple):
    """A value that was read out of the frames before it."""

    name: str
    value: int | float | str | bool | None
    unit: str
    """What it is measured in; may be empty."""

    quality: str


class Noted(NamedTuple):
    """A decoded value of one unit."""

    moment_s: float
    unit: int
    noted: NotedValue


Event = Opened | Sent | Received | TimedOut | Lost | Noted


class Recording(NamedTuple):
    """A recording as read from a file."""

    header: Header
    events: tuple[Event, ...]
    is_cut_off: bool = False
    """Whether the last line was left unfinished; it is not among the events."""


def render_header(header: Header) -> str:
    """The first lines of a recording, the empty one behind them included."""
    started = header.started.astimezone(UTC).isoformat(timespec="microseconds")
    lines = [
        _MAGIC,
        *([] if header.tool is None else [f"tool: {_one_line(header.tool)}"]),
        *([] if header.profile is None else [f"profile: {_one_line(header.profile)}"]),
        *([] if header.wire is None else [f"wire: {_one_line(header.wire)}"]),
        f"framing: {header.framing}",
        f"started: {started.replace('+00:00', 'Z')}",
        "",
    ]
    return "".join(f"{line}\n" for line in lines)


def render_event(event: Event) -> str:
    """The line of an event, its end included."""
    match event:
        case Opened():
            text = "* open"
        case Sent():
            text = f"> {event.data.hex()}"
        case Received():
            text = f"< {event.data.hex()}"
        case TimedOut():
            text = f"? timeout unit {event.unit}"
        case Lost():
            text = f"! lost {_one_line(event.reason)}".rstrip()
        case Noted():
            name, value, unit, quality = event.noted
            words = (_word(name), _value_text(value), _word(unit), _word(quality))
            text = f"# {event.unit} {' '.join(words)}"
    return f"+{event.moment_s:.6f} {text}\n"


def is_recording(data: bytes) -> bool:
    """Whether a file that begins like this is a recording, of whatever version."""
    return data.startswith(b"energymeter recording ")


def parse_recording(data: bytes, name: str = "the recording") -> Recording:
    """Understand a recording.

    A last line without its end is what a crash leaves behind: it is dropped.

    Args:
        data: UTF-8; lines end in a line feed, with or without a carriage return.
        name: What to call it in errors.

    Raises:
        ConfigError: It is none; the message names the line.
    """
    whole, newline, rest = data.rpartition(b"\n")
    lines = _Lines(name, _decode(whole + newline, name))
    header = _parse_header(lines)
    events = tuple(_parse_event(text, lines) for text in lines if text and not text.startswith("#"))
    return Recording(header, events, is_cut_off=bool(rest))


class _Lines:
    """The lines of a file, and where we are."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._rest = iter(text.split("\n")[:-1])
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        text = next(self._rest)
        self.number += 1
        return text.removesuffix("\r")

    def broken(self, reason: str) -> NoReturn:
        msg = f"{self._name}, line {self.number}: {reason}"
        raise ConfigError(msg) from None


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        msg = f"{name}, line {line}: not UTF-8 text"
        raise ConfigError(msg) from error


def _parse_header(lines: _Lines) -> Header:
    first = next(lines, "")
    if first != _MAGIC:
        version = _ANY_VERSION.fullmatch(first)
        if version:
            lines.broken(f"version {version[1]} of the format, this program reads 1")
        lines.broken(f"no recording, the first line is not {_MAGIC!r}")
    known: dict[str, str] = {}
    for text in lines:
        if not text:
            break
        key, colon, value = text.partition(": ")
        if not colon:
            lines.broken(f"{_shown(text)} is no line of the header, such as framing: rtu")
        known[key] = value
    else:
        lines.broken("the header does not end in an empty line")
    for key in ("framing", "started"):
        if key not in known:
            lines.broken(f"the header does not say {key}:")
    return Header(
        framing=_parse_framing(known["framing"], lines),
        started=_parse_started(known["started"], lines),
        wire=known.get("wire"),
        profile=known.get("profile"),
        tool=known.get("tool"),
    )


def _parse_framing(text: str, lines: _Lines) -> Framing:
    try:
        return Framing(text)
    except ValueError:
        lines.broken(f"framing {_shown(text)} is not known, there are {', '.join(Framing)}")


def _parse_started(text: str, lines: _Lines) -> datetime:
    started = None
    with contextlib.suppress(ValueError, OverflowError):
        written = datetime.fromisoformat(text)
        started = None if written.tzinfo is None else written.astimezone(UTC)
    if started is None:
        lines.broken(f"started {_shown(text)} is no time such as 2026-01-31T12:00:00Z")
    return started


_EVENT: Final = re.compile(
    r"\+(\d{1,12}(?:\.\d{1,6})?) (?:\* (open)|([><!?#])(?: (.*))?)", re.DOTALL | re.ASCII
)
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_UNIT: Final = re.compile(r"[0-9]{1,3}")
_TIMEOUT: Final = re.compile(r"timeout unit ([0-9]{1,3})")


def _parse_event(text: str, lines: _Lines) -> Event:
    found = _EVENT.fullmatch(text)
    if found is None:
        lines.broken(f"{_shown(text)} is no event, such as +1.250000 > 010300000002c40b")
    moment_s, is_open, mark, rest = float(found[1]), found[2], found[3], found[4] or ""
    if is_open:
        return Opened(moment_s)
    match mark:
        case ">" | "<":
            if not _HEX.fullmatch(rest):
                lines.broken(f"{_shown(rest)} is not whole bytes of hexadecimal digits")
            kind = Sent if mark == ">" else Received
            return kind(moment_s, bytes.fromhex(rest))
        case "!":
            word, _, reason = rest.partition(" ")
            if word != "lost":
                lines.broken(f"{_shown(rest)} is not lost REASON")
            return Lost(moment_s, reason)
        case "?":
            unit = _TIMEOUT.fullmatch(rest)
            if unit is None or int(unit[1]) > 255:
                lines.broken(f"{_shown(rest)} is not timeout unit 0 to 255")
            return TimedOut(moment_s, int(unit[1]))
        case _:
            return _parse_noted(moment_s, rest, lines)


_WORD: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s"]+)(?=\s|$)')


def _parse_noted(moment_s: float, text: str, lines: _Lines) -> Noted:
    words = [found[1] for found in _WORD.finditer(text)]
    if len(words) != 5 or _WORD.sub("", text).strip() or not _UNIT.fullmatch(words[0]):
        lines.broken(f"{_shown(text)} is not UNIT NAME VALUE MEASURE QUALITY")
    try:
        value = None if words[2] == "-" else json.loads(words[2])
        name, unit, quality = (_parse_word(words[place]) for place in (1, 3, 4))
    except (ValueError, RecursionError):
        lines.broken(f"{_shown(text)} holds a value or a text that is none")
    if int(words[0]) > 255 or not isinstance(value, (int, float, str, bool, type(None))):
        lines.broken(f"{_shown(text)} holds a unit or a value that is none")
    return Noted(moment_s, int(words[0]), NotedValue(name, value, unit, quality))


def _parse_word(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


_BARE: Final = re.compile(r'[^\s"]+')


def _word(text: str) -> str:
    """A text without blanks as it is, any other in quotation marks."""
    return text if _BARE.fullmatch(text) and text.isprintable() else _quoted(text)


def _value_text(value: float | str | bool | None) -> str:
    if value is None:
        return "-"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    # What could end a line somewhere is written as an escape, and so is half a character.
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _one_line(text: str) -> str:
    return " ".join(text.split()).encode(errors="replace").decode()


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
