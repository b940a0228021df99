"""What happened: the newest first, live."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from nicegui import Client
from starlette.requests import Request

from energymeter.service.events import Level, ServiceEvent, Topic
from energymeter.web.pages.controls import search, select
from energymeter.web.pages.figures import moment_text
from energymeter.web.pages.frame import FramedPage
from energymeter.web.pages.markup import Markup, join, tag
from energymeter.web.pages.siteview import SiteView

__all__ = ["EventsPage", "event_rows"]

_MOST: Final = 300
_LONGEST_WORD: Final = 200

_LEVELS: Final = {
    "": "all events",
    Level.WARNING.value: "warnings and errors",
    Level.ERROR.value: "errors only",
}
_TOPICS: Final = {"": "any topic", **{topic.value: topic.value for topic in Topic}}
_AT_LEAST: Final = {
    "": frozenset(Level),
    Level.WARNING.value: frozenset({Level.WARNING, Level.ERROR}),
    Level.ERROR.value: frozenset({Level.ERROR}),
}
_LOOKS: Final = {
    Level.INFO: "em-pill",
    Level.WARNING: "em-pill em-warn",
    Level.ERROR: "em-pill em-bad",
}


class EventsPage(FramedPage):
    """See `FramedPage`."""

    path = "/events"

    def __init__(self, site: SiteView, request: Request, client: Client) -> None:
        super().__init__(site, request, client, "Events")
        asked = request.query_params
        level, topic = asked.get("level", ""), asked.get("topic", "")
        self._level = level if level in _LEVELS else ""
        self._topic = topic if topic in _TOPICS else ""
        self._text = asked.get("q", "")[:_LONGEST_WORD]
        self._last = 0
        self._has_any = False

    def content(self) -> Markup:
        """See `FramedPage.content`."""
        filters = [
            search("search", "search events", self._text),
            select("level", "level", _LEVELS, self._level),
            select("topic", "topic", _TOPICS, self._topic),
        ]
        return tag(
            "section",
            tag("h1", "Events"),
            tag("div", *filters, class_="em-filters", role="search"),
            tag("div", self._list(), data_k="list"),
            class_="em-card",
        )

    def refresh(self) -> Iterable[None]:
        """See `FramedPage.refresh`."""
        new = self._wanted(self.desk.events.newest(_MOST, after=self._last))
        if new and not self._has_any:
            self.slots.html("list", self._list(), forget="e")
        elif new:
            self.slots.in_front("events", event_rows(reversed(new), self.desk.clock.now()))
        self._see_last()
        return ()

    def act(self, what: str, arg: Any) -> None:  # noqa: ANN401 - whatever a browser sends
        """See `Page.act`."""
        if not isinstance(arg, str) or len(arg) > _LONGEST_WORD:
            return
        if what == "search":
            self._text = arg
        elif what == "level" and arg in _LEVELS:
            self._level = arg
        elif what == "topic" and arg in _TOPICS:
            self._topic = arg
        else:
            return
        self.slots.html("list", self._list(), forget="e")
        asked = [("q", self._text.strip()), ("level", self._level), ("topic", self._topic)]
        self.slots.address(self.path, asked)

    def _list(self) -> Markup:
        found = self._wanted(self.desk.events.newest())[-_MOST:]
        self._has_any = bool(found)
        self._see_last()
        if not found:
            return tag("p", "nothing of this kind happened", class_="em-nothing", role="status")
        rows = event_rows(reversed(found), self.desk.clock.now())
        return tag("ol", rows, class_="em-events", data_k="events", data_most=_MOST)

    def _see_last(self) -> None:
        newest = self.desk.events.newest(1)
        self._last = newest[-1].number if newest else 0

    def _wanted(self, events: Iterable[ServiceEvent]) -> list[ServiceEvent]:
        levels, words = _AT_LEAST[self._level], self._text.casefold().split()
        return [
            event
            for event in events
            if event.level in levels
            and (not self._topic or event.topic.value == self._topic)
            and all(word in f"{event.topic} {event.name} {event.text}".casefold() for word in words)
        ]


def event_rows(events: Iterable[ServiceEvent], now: datetime) -> Markup:
    """Events as entries of a list, in this order."""
    return join(_row(event, now) for event in events)


def _row(event: ServiceEvent, now: datetime) -> Markup:
    where: Markup | str = f"{event.topic} {event.name}".rstrip()
    if event.name and event.topic in (Topic.METER, Topic.LINK):
        where = tag("a", where, href=f"/{event.topic}/{quote(event.name, safe='')}")
    return tag(
        "li",
        tag("time", moment_text(event.time, now), datetime=event.time.isoformat(), class_="em-num"),
        tag("span", event.level.value, class_=_LOOKS[event.level]),
        tag("span", where, class_="em-where"),
        tag("span", event.text, class_="em-what"),
    )
