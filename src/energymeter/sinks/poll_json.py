"""A poll as JSON: one form for webhooks, files of lines, and whoever else speaks JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from energymeter.reader.reading import Quality, Value
from energymeter.service.sink import SinkPoll
from energymeter.store.base import Series, datetime_of
from energymeter.store.numbers import plain_value

__all__ = ["json_bytes", "poll_lines", "poll_object", "time_text", "value_object"]


def time_text(time_us: int) -> str:
    """A moment as `2026-01-31T12:00:00.000000Z`: UTC, always of the same length.

    Args:
        time_us: Microseconds since 1970.
    """
    return datetime_of(time_us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def value_object(series: Series, value: Value, quality: Quality) -> dict[str, Any]:
    """One value: `{"value": 230.1, "unit": "V", "quality": "good"}`; null where there is none."""
    plain = plain_value(series, value)
    if plain is None and quality is Quality.GOOD:
        quality = Quality.NOT_AVAILABLE
    return {"value": plain, "unit": series.unit, "quality": quality.value}


def poll_object(poll: SinkPoll) -> dict[str, Any]:
    """One poll: its id, meter, time, and values by name."""
    return {
        "id": poll.id,
        "meter": poll.meter,
        "time": time_text(poll.time_us),
        "values": {
            series.name: value_object(series, value, quality)
            for series, value, quality in poll.values
        },
    }


def json_bytes(content: Any) -> bytes:  # noqa: ANN401 - whatever JSON holds
    """JSON without spaces and line ends, UTF-8; lone surrogates are written as escapes."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def poll_lines(polls: Iterable[SinkPoll]) -> list[bytes]:
    """A line for each poll, each with its end."""
    return [json_bytes(poll_object(poll)) + b"\n" for poll in polls]
