"""Readings to InfluxDB 1, 2 and 3, and to what speaks its write interface.

Source: InfluxDB's references of `/write` (1.8), `/api/v2/write` (2.7) and `/api/v3/write_lp` (3).
A line sent again overwrites itself, so repetition does no harm.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from energymeter.errors import ConfigError, SinkUnavailableError
from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.sinks.http import (
    Answer,
    HttpPoster,
    Patience,
    packed,
    rejected,
    reveal,
    unavailable_unless,
)
from energymeter.sinks.line_protocol import LineWriter
from energymeter.sinks.parts import PartlyRejectedError, Parts, TooLargeError
from energymeter.site.sinks import InfluxEntry

__all__ = ["InfluxSink"]

_MOST_LINES: Final = 5000
"""In one request; what InfluxDB's documents advise."""

_REFUSALS: Final = (400, 413, 422)

_CHECKS: Final = {
    1: "url, database, username and password",
    2: "url, org, bucket and token",
    3: "url, database and token",
}


class InfluxSink:
    """Writes line protocol; see `service.sink.Sink`.

    Args:
        entry: What stands in the site file.
        site: Tag of every line.
        patience: How long to wait for the server.

    Raises:
        ConfigError: Something is missing in the entry, or cannot be.
    """

    def __init__(self, entry: InfluxEntry, site: str, patience: Patience | None = None) -> None:
        self._entry = entry
        self._writer = LineWriter(entry.measurement, site)
        self._poster = HttpPoster("influx", _address(entry), patience)
        self._parts = Parts(_MOST_LINES)

    async def open(self, meters: Mapping[str, MeterInfo]) -> None:
        """See `Sink.open`."""
        self._writer.open(meters)
        await self._poster.open()

    async def send(self, polls: Sequence[SinkPoll]) -> None:
        """See `Sink.send`."""
        await self._parts.send(polls, self._post)

    async def close(self) -> None:
        """See `Sink.close`."""
        await self._poster.close()

    async def _post(self, polls: Sequence[SinkPoll]) -> None:
        try:
            login = _login(self._entry)
        except ConfigError as error:  # it was there at the start; a person can repair it
            raise SinkUnavailableError(error.message) from error
        body = await packed(lambda: self._writer.body(polls))
        if not body:
            return
        headers = {
            "content-type": "text/plain; charset=utf-8",
            "content-encoding": "gzip",
            **login,
        }
        self._judge(await self._poster.post(body, headers), len(polls))

    def _judge(self, answer: Answer, count: int) -> None:
        place, version = self._poster.place, self._entry.version
        unavailable_unless(answer, place, _REFUSALS, _CHECKS[version])
        if answer.status == 204:
            return
        if answer.is_success:
            msg = f"{place} answers {answer.status} where InfluxDB {version} answers 204, check url"
            raise SinkUnavailableError(msg)
        reason, dropped = _reading_of(answer)
        error = rejected(answer._replace(text=reason), place)
        if dropped is not None and not isinstance(error, TooLargeError):
            raise PartlyRejectedError(error.message, lost=min(dropped, count))
        raise error


def _address(entry: InfluxEntry) -> str:
    version = entry.version
    if version == 2:
        path = "/api/v2/write"
        query = {"org": entry.org, "bucket": entry.bucket, "precision": "us"}
    elif version == 3:
        path = "/api/v3/write_lp"
        query = {"db": entry.database, "precision": "microsecond"}
    else:
        path = "/write"
        query = {"db": entry.database, "precision": "u"}
    missing = ["database" if key == "db" else key for key, text in query.items() if not text]
    if missing:
        msg = f"the influx sink needs {' and '.join(missing)} for InfluxDB {version}"
        raise ConfigError(msg)
    if "?" in entry.url or "#" in entry.url:
        msg = (
            f"the url {entry.url!r} of the influx sink is more than an address, as http://host:8086"
        )
        raise ConfigError(msg)
    return f"{entry.url.rstrip('/')}{path}?{urlencode(query)}"


def _login(entry: InfluxEntry) -> dict[str, str]:
    if entry.token is not None:
        scheme = "Bearer" if entry.version == 3 else "Token"
        return {"authorization": f"{scheme} {reveal(entry.token, 'token of the influx sink')}"}
    if entry.username is not None:
        password = "" if entry.password is None else entry.password.reveal()
        login = base64.b64encode(f"{entry.username}:{password}".encode()).decode()
        return {"authorization": f"Basic {login}"}
    return {}


def _reading_of(answer: Answer) -> tuple[str, int | None]:
    """What the server says of the lines, and how many of them it did not take; None: all."""
    try:
        content: Any = json.loads(answer.text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return answer.text, _dropped_in(answer.text)
    reason = str(content.get("message") or content.get("error") or answer.text)
    lines = content.get("data")
    if isinstance(lines, list) and lines:
        first = lines[0]
        detail = first.get("error_message") if isinstance(first, dict) else None
        return (f"{reason}: {detail}" if detail else reason), len(lines)
    return reason, _dropped_in(reason)


def _dropped_in(reason: str) -> int | None:
    if "partial write" not in reason:
        return None
    found = re.search(r"dropped=(\d+)", reason)
    return int(found[1]) if found else 1
