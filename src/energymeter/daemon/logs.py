"""Where log lines go and what they look like: text or JSON on stderr, as journald wants it there.

Nobody's log is worth a stopped service: what cannot be written is dropped.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

__all__ = ["set_up"]

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_TALKATIVE: Final = (
    "aiomqtt",
    "asyncio",
    "hpack",
    "httpcore",
    "httpx",
    "mqtt",
    "paho",
    "psycopg",
    "urllib3",
    "uvicorn",
    "websockets",
)
"""Libraries that tell every request; only what they warn of is wanted, at any level."""

_EVENTS: Final = "energymeter.events"
_SHORTEST_SECRET: Final = 4
"""A shorter one would make stars of half of every line."""

_HIDDEN: Final = "***"
_CREDENTIALS: Final = (
    (re.compile(r"(://[^/\s:@]*:)[^@\s]+(@)"), rf"\1{_HIDDEN}\2"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{16,}", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    (re.compile(r"\b(password|secret|token|api_?key)=\S+", re.IGNORECASE), rf"\1={_HIDDEN}"),
)
"""What a library may put into a message of its own, by its looks."""


def set_up(
    level: str,
    form: Literal["text", "json"],
    *,
    stream: TextIO | None = None,
    secrets: Iterable[str] = (),
) -> None:
    """Send the log of the whole process to stderr; calling it again changes how.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: Lines for people, or an object of JSON each.
        stream: Where to; None: stderr.
        secrets: Passwords and tokens that no line may hold, whoever wrote it.
    """
    stream = stream if stream is not None else sys.stderr
    handler: logging.Handler = _NoHandler() if stream is None else _Handler(stream)
    formatter: _Formatter = _JsonLines() if form == "json" else _Lines()
    if form == "text" and _is_journal(stream):
        formatter = _JournalLines()
    formatter.hide(secrets)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, (_Handler, _NoHandler))]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_LEVELS[level])
    logging.captureWarnings(capture=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, _LEVELS[level]))
    logging.getLogger("uvicorn.access").disabled = True


class _Handler(logging.StreamHandler[TextIO]):
    """Drops what cannot be written: a reader that has gone, a disk that is full."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as logging has it
        pass


class _NoHandler(logging.NullHandler):
    """For a process without stderr."""


class _Formatter(logging.Formatter):
    """What all forms have in common."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: re.Pattern[str] | None = None

    def hide(self, secrets: Iterable[str]) -> None:
        """Let no line hold any of these."""
        wanted = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True)
        # JSON writes some characters another way.
        forms = [form for each in wanted for form in (each, json.dumps(each)[1:-1])]
        self._secrets = re.compile("|".join(map(re.escape, forms))) if forms else None

    def text(self, record: logging.LogRecord) -> str:
        """The message, without what is secret."""
        return self.cleared(record.getMessage())

    def cleared(self, text: str) -> str:
        """The text without what is secret."""
        if self._secrets is not None:
            text = self._secrets.sub(_HIDDEN, text)
        for pattern, instead in _CREDENTIALS:
            text = pattern.sub(instead, text)
        return text

    def trace(self, record: logging.LogRecord) -> str:
        """How a fault came about, in several lines; empty without one."""
        parts = []
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(record.stack_info)
        return self.cleared("\n".join(parts))


class _Lines(_Formatter):
    """`2026-11-21T15:00:00Z warning link bus1: ...`, a trace indented behind it."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        lines = [self.start(record) + _one_line(self.text(record))]
        if trace := self.trace(record):
            lines += [f"    {_one_line(line)}" for line in trace.splitlines()]
        return self.joined(record, lines)

    def start(self, record: logging.LogRecord) -> str:
        """What stands before the message."""
        return f"{_time(record)} {record.levelname.lower()} {_origin(record)}"

    def joined(self, record: logging.LogRecord, lines: list[str]) -> str:
        """The lines of one record as one text."""
        return "\n".join(lines)


class _JournalLines(_Lines):
    """For journald: it knows the time, and takes the level from a number in front of each line."""

    def start(self, record: logging.LogRecord) -> str:
        """See `_Lines.start`."""
        return _origin(record)

    def joined(self, record: logging.LogRecord, lines: list[str]) -> str:
        """See `_Lines.joined`."""
        return "\n".join(f"<{_priority(record.levelno)}>{line}" for line in lines)


class _JsonLines(_Formatter):
    """One object a line; all keys are always there."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        topic, subject = getattr(record, "topic", ""), getattr(record, "subject", "")
        text = self.text(record)
        if topic:
            text = text.removeprefix(f"{f'{topic} {subject}'.rstrip()}: ")
        return json.dumps(
            {
                "time": _time(record, "milliseconds"),
                "level": record.levelname.lower(),
                "topic": topic,
                "subject": subject,
                "logger": record.name,
                "text": text,
                "exception": self.trace(record) or None,
            },
            ensure_ascii=False,
        )


def _time(record: logging.LogRecord, precision: str = "seconds") -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec=precision)[:-6] + "Z"


def _origin(record: logging.LogRecord) -> str:
    """Who says it; an event says so itself."""
    return "" if record.name == _EVENTS else f"{record.name}: "


def _one_line(text: str) -> str:
    """The text without line ends and what else would move a cursor: a meter may have sent it."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )


def _priority(level: int) -> int:
    """The number syslog has for a level (RFC 5424, section 6.2.1)."""
    for limit, number in ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6)):
        if level >= limit:
            return number
    return 7


def _is_journal(stream: TextIO | None) -> bool:
    """Whether what is written there goes to journald: it names the file (systemd.exec(5))."""
    named = os.environ.get("JOURNAL_STREAM", "")
    if stream is None or not named:
        return False
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError, io.UnsupportedOperation):
        return False
    return named == f"{found.st_dev}:{found.st_ino}"
