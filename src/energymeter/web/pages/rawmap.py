"""A meter's register map: what stands where, and the words of a reading made just now.

The words are those that went over the wire: they are heard on the link while the meter is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from energymeter.codec.codes import READ_FUNCTIONS, Table
from energymeter.profiles import Point
from energymeter.reader import ReadReport
from energymeter.reader.reading import Quality, Reading
from energymeter.recording.exchanges import Exchange, exchanges_of
from energymeter.recording.format import Event, Lost, Opened, Received, Sent, TimedOut
from energymeter.service.desk import Desk
from energymeter.service.frames import FrameEvent, FrameKind
from energymeter.service.sink import MeterInfo
from energymeter.store.base import Series
from energymeter.values.text import format_value
from energymeter.web.pages.figures import DASH, TO
from energymeter.web.pages.markup import Markup, tag

__all__ = ["Words", "event_of", "map_html", "read_words"]

Words = Mapping[tuple[Table, int], int]
"""By table and address."""

_TABLES: Final = {int(function): table for table, function in READ_FUNCTIONS.items()}


def event_of(event: FrameEvent) -> Event:
    """What happened on a link, as recordings have it."""
    match event.kind:
        case FrameKind.SENT:
            return Sent(event.time_s, event.data)
        case FrameKind.RECEIVED:
            return Received(event.time_s, event.data)
        case FrameKind.TIMED_OUT:
            return TimedOut(event.time_s, int(event.text))
        case FrameKind.LOST:
            return Lost(event.time_s, event.text)
        case FrameKind.OPENED:
            return Opened(event.time_s)


async def read_words(desk: Desk, link: str, info: MeterInfo) -> tuple[list[ReadReport], Words]:
    """Read a meter now, and listen to what it answers.

    Args:
        desk: Reads.
        link: The name of its link.
        info: The meter.

    Raises:
        KeyError: There is no such meter or link any more.
    """
    stream = desk.operator.frames(link)
    with stream.listening() as heard:
        reports = await desk.operator.read_now(info.name)
        events = _drained(heard)
    exchanges = exchanges_of(
        stream.link.framing, map(event_of, events), is_datagram=info.link.startswith("udp")
    )
    words: dict[tuple[Table, int], int] = {}
    for exchange in exchanges:
        if exchange.question.unit == info.unit:
            words.update(_words_of(exchange))
    return reports, words


def map_html(
    points: Iterable[Point],
    readings: Mapping[str, Reading],
    series: Mapping[str, Series],
    words: Words,
) -> Markup:
    """The map as a table, by address.

    Args:
        points: What there is.
        readings: What was read, by name.
        series: What each value is, by name.
        words: What went over the wire.
    """
    rows = [
        _row(point, readings.get(point.name), series.get(point.name), words)
        for point in sorted(points, key=lambda point: (point.table, point.address))
    ]
    heads = ("table", "address", "value of", "type", "raw words", "value")
    head = tag("tr", *(tag("th", text, scope="col") for text in heads))
    caption = tag("caption", "register map", class_="em-hidden")
    table = tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="em-table em-map")
    return tag(
        "div", table, class_="em-wide", tabindex="0", role="region", aria_label="register map"
    )


def _row(point: Point, reading: Reading | None, series: Series | None, words: Words) -> Markup:
    value, quality = DASH, ""
    if reading is not None and series is not None:
        value = format_value(reading.value, series.type, series.divisor)
        value = f"{value} {series.unit}".rstrip() if reading.value is not None else DASH
        quality = "" if reading.quality is Quality.GOOD else reading.quality.replace("_", " ")
    end = f"{TO}{point.end - 1}" if point.count > 1 else ""
    return tag(
        "tr",
        tag("td", point.table.value),
        tag("td", f"{point.address}{end}", class_="em-num"),
        tag("th", point.name, scope="row"),
        tag("td", point.type.value),
        tag("td", tag("code", _shown(point, words))),
        tag("td", value, " ", tag("small", quality), class_="em-num"),
    )


def _shown(point: Point, words: Words) -> str:
    places = range(point.address, point.end)
    for table in point.tables:
        found = [words.get((table, place)) for place in places]
        if all(word is not None for word in found):
            if table.is_bits:
                return " ".join(str(word) for word in found)
            return " ".join(f"{word:04X}" for word in found)
    return ""


def _drained(queue: asyncio.Queue[FrameEvent]) -> list[FrameEvent]:
    events = []
    while not queue.empty():
        events.append(queue.get_nowait())
    return events


def _words_of(exchange: Exchange) -> dict[tuple[Table, int], int]:
    pdu, answer = exchange.question.pdu, exchange.answer
    if answer is None or len(pdu) < 5 or len(answer) < 2 or answer[0] != pdu[0]:
        return {}
    table = _TABLES.get(pdu[0])
    if table is None:
        return {}
    address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
    data = answer[2:]
    if table.is_bits:
        count = min(count, 8 * len(data))
        return {(table, address + n): data[n // 8] >> n % 8 & 1 for n in range(count)}
    return {
        (table, address + n): int.from_bytes(data[2 * n : 2 * n + 2], "big")
        for n in range(min(count, len(data) // 2))
    }
