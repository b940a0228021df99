"""A service that runs elsewhere as the screen asks it, over `/api/v1` and `/api/status`.

Of all meters only what stands for them is asked for; all values only of the one that is looked at.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from energymeter.clock import Clock, SystemClock
from energymeter.tui.figures import COUNTED, MEASURED, comparable, leading, worst_quality
from energymeter.tui.http_client import HttpClient, NotThereError
from energymeter.tui.source import (
    EventRow,
    Figure,
    FrameRow,
    LinkRow,
    MeterRow,
    MeterView,
    Overview,
    SourceLostError,
    ValueRow,
)
from energymeter.values import DataType
from energymeter.values.quantities import quantity_of
from energymeter.values.text import format_value

__all__ = ["HttpSource"]

_PAGE: Final = 200
"""A page takes the service a few milliseconds, in which it polls nobody."""
_ABOUT_S: Final = 2.0
"""What a meter is does not change often, and how often it was polled can wait."""

_MOST_EVENTS: Final = 500
_LONGEST: Final = 8
"""Characters of a gauge."""

_Item = Mapping[str, Any]
_Made = TypeVar("_Made")


class HttpSource:
    """A `Source`.

    Args:
        client: Leads to the service; closed with this.
        clock: Says when something was asked.
    """

    def __init__(self, client: HttpClient, clock: Clock | None = None) -> None:
        self._client = client
        self._now = (clock or SystemClock()).monotonic
        self._about: dict[str, _Item] = {}
        self._about_at = float("-inf")

    @property
    def place(self) -> str:
        """See `Source.place`."""
        return self._client.url

    async def overview(self) -> Overview:
        """See `Source.overview`."""
        answer = await self._get("/api/status?most=0")
        return _told(
            lambda: Overview(
                site=str(answer["site"]),
                time=_time(answer["time"]),
                state=str(answer["state"]),
                reasons=tuple(map(str, answer["reasons"])),
            )
        )

    async def meters(self) -> Sequence[MeterRow]:
        """See `Source.meters`; by name."""
        if self._now() - self._about_at >= _ABOUT_S:
            found = await self._all("/api/v1/meters", [])
            self._about = _told(lambda: {str(each["name"]): each for each in found})
            self._about_at = self._now()
        wanted = [("quantity", name) for name in (*MEASURED, *COUNTED)]
        latest = await self._all("/api/v1/latest", wanted)
        return _told(lambda: [self._row(each) for each in latest])

    async def meter(self, name: str) -> MeterView | None:
        """See `Source.meter`."""
        path = f"/api/v1/meters/{quote(name, safe='')}"
        try:
            about, latest = await self._get(path), await self._get(f"{path}/latest")
        except NotThereError:
            return None
        return _told(
            lambda: MeterView(
                _meter_row(latest, about), tuple(_value_row(value) for value in latest["values"])
            )
        )

    async def links(self) -> Sequence[LinkRow]:
        """See `Source.links`."""
        answer = await self._get("/api/v1/links")
        return _told(lambda: [_link_row(each) for each in answer["items"]])

    async def events(self) -> Sequence[EventRow]:
        """See `Source.events`."""
        answer = await self._get(f"/api/v1/events?limit={_MOST_EVENTS}")
        return _told(lambda: [_event_row(each) for each in answer["items"]])

    async def frames(self, link: str) -> AsyncGenerator[FrameRow]:
        """See `Source.frames`."""
        path = f"/api/v1/frames?{urlencode({'link': link})}"
        try:
            async with aclosing(self._client.events(path)) as events:
                async for kind, data in events:
                    if kind == "frame":
                        yield _told(partial(_frame_row, data))
        except NotThereError:
            return

    async def close(self) -> None:
        """See `Source.close`."""
        await self._client.close()

    async def _get(self, path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        try:
            return await self._client.get(path)
        except NotThereError as error:
            if "/api/v1/meters/" in path:
                raise
            msg = f"{self.place} has no {path.partition('?')[0]}: another program, or an older one"
            raise SourceLostError(msg) from error

    async def _all(self, path: str, query: list[tuple[str, str]]) -> list[Any]:
        """The items of all pages."""
        items: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            words = [*query, ("limit", str(_PAGE)), *([("cursor", cursor)] if cursor else [])]
            answer = await self._get(f"{path}?{urlencode(words)}")
            page, cursor = _told(partial(_page, answer))
            items += page
        return items

    def _row(self, latest: _Item) -> MeterRow:
        about = self._about.get(latest["meter"])
        if about is None:  # it was added between the two questions
            self._about_at = float("-inf")
            about = {}
        return _meter_row(latest, about)


def _told(make: Callable[[], _Made]) -> _Made:
    """What is made of an answer.

    Raises:
        SourceLostError: The answer is not what it should be.
    """
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"the service answers in another way than this program knows: {error!r}"
        raise SourceLostError(msg) from error


def _page(answer: _Item) -> tuple[list[Any], str | None]:
    return list(answer["items"]), answer["next"]


def _meter_row(latest: _Item, about: _Item) -> MeterRow:
    values = {value["name"]: value for value in latest["values"]}
    shown = _figure(values, MEASURED), _figure(values, COUNTED)
    return MeterRow(
        name=str(latest["meter"]),
        link=str(about.get("link", "")),
        unit=int(about.get("unit", 0)),
        profile=str(about.get("profile", "")),
        labels=" ".join(map(str, about.get("labels", {}).values())),
        state=str(latest["state"]),
        quality=worst_quality(shown),
        age_s=latest["age_s"],
        now=shown[0],
        total=shown[1],
        polls=int(latest["revision"]),
        failed=int(about.get("failed", 0)),
        lateness_s=float(about.get("lateness_s", 0.0)),
        fault=str(latest["fault"]),
    )


def _figure(values: Mapping[str, _Item], wanted: Sequence[str]) -> Figure | None:
    name = leading(values, wanted)
    if name is None:
        return None
    value, unit, quality = (values[name][key] for key in ("value", "unit", "quality"))
    is_good = quality in ("good", "stale")
    return Figure(
        name,
        _text(name, value),
        str(unit),
        str(quality),
        comparable(value, unit) if is_good else None,
        wanted is COUNTED,
    )


def _value_row(value: _Item) -> ValueRow:
    return ValueRow(
        name=str(value["name"]),
        text=_text(value["name"], value["value"]),
        unit=str(value["unit"]),
        quality=str(value["quality"]),
        age_s=value["age_s"],
        reason=str(value["reason"]),
    )


def _text(name: str, value: Any) -> str:  # noqa: ANN401 - any value
    """A value for people: a gauge's last digits mean nothing."""
    if not isinstance(value, float):
        return format_value(value, DataType.FLOAT64)
    text, quantity = format_value(value, DataType.FLOAT64), quantity_of(name)
    is_counter = quantity is not None and quantity.is_counter
    return text if is_counter or len(text) <= _LONGEST else format_value(value, DataType.FLOAT32)


def _link_row(link: _Item) -> LinkRow:
    units = link["units"]
    answers = sum(unit["answers"] for unit in units)
    thought_s = sum((unit["latency_s"] or 0.0) * unit["answers"] for unit in units)
    return LinkRow(
        name=str(link["name"]),
        url=str(link["url"]),
        is_open=bool(link["is_open"]),
        meters=len(link["meters"]),
        utilisation=float(link["utilisation"]),
        wanted=float(link["wanted"]),
        latency_s=thought_s / answers if answers else None,
        skipped=int(link["skipped"]),
        requests=sum(unit["requests"] for unit in units),
        timeouts=sum(unit["timeouts"] for unit in units),
        refusals=sum(unit["refusals"] for unit in units),
        faults=sum(unit["faults"] for unit in units),
        fault=str(link["fault"]),
    )


def _event_row(event: _Item) -> EventRow:
    return EventRow(
        number=int(event["number"]),
        time=_time(event["time"]),
        level=str(event["level"]),
        topic=str(event["topic"]),
        name=str(event["name"]),
        text=str(event["text"]),
    )


def _frame_row(frame: _Item) -> FrameRow:
    return FrameRow(
        time=_time(frame["time"]),
        kind=str(frame["kind"]),
        data=str(frame["data"]),
        text=str(frame["text"]),
    )


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
