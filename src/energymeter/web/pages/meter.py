"""One meter: what it tells now and told before, its phases, its register map, its events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from nicegui import Client
from starlette.requests import Request

from energymeter.service.events import ServiceEvent, Topic
from energymeter.service.snapshot import MeterState
from energymeter.values.quantities import base_of
from energymeter.web.pages.chart import MeterChart
from energymeter.web.pages.controls import button, facts
from energymeter.web.pages.events import event_rows
from energymeter.web.pages.figures import (
    DASH,
    NOW,
    age_text,
    clock_text,
    counted,
    grouped,
    moment_text,
    seconds_text,
)
from energymeter.web.pages.frame import MAIN, FramedPage, nothing_yet
from energymeter.web.pages.glance import standing_of, sum_of
from energymeter.web.pages.live import Board
from energymeter.web.pages.markup import Markup, join, nothing, tag
from energymeter.web.pages.phases import phases_html
from energymeter.web.pages.rawmap import map_html, read_words
from energymeter.web.pages.rows import DOTS, main_figure, since_text
from energymeter.web.pages.siteview import SiteView
from energymeter.web.pages.values import MeterValues

__all__ = ["MeterPage"]

_MOST_EVENTS: Final = 20


class MeterPage(FramedPage):
    """See `FramedPage`.

    Args:
        site: See there.
        request: See there.
        client: See there.
        name: The meter's.
    """

    path = "/meter"

    def __init__(self, site: SiteView, request: Request, client: Client, name: str) -> None:
        super().__init__(site, request, client, name)
        self._name = name
        self._values = MeterValues(self.slots)
        self._chart = MeterChart(self.desk, self.slots, self.viewer, request.query_params)
        self._below: Board | None = None
        self._info: object = None
        self._last_event = 0
        self._is_reading = False

    @property
    def _state(self) -> MeterState | None:
        return self.desk.snapshot.meters.get(self._name)

    def begin(self) -> None:
        """See `Page.begin`."""
        super().begin()
        state = self._state
        if state is None:
            return
        self._chart.place()
        self._below = Board(self._lower(state), self.viewer.told)
        self.viewer.boards = (self.board, self._below)
        self._chart.draw()

    def content(self) -> Markup:
        """See `FramedPage.content`."""
        state = self._state
        if state is None:
            words = f"there is no meter {self._name} here"
            return tag("section", tag("h1", "Not here"), nothing_yet(words), class_="em-card")
        self._info = state.info
        now = self.desk.clock.now()
        glance = self.site.glances.of(state.info)
        parts = [
            self._head(state),
            tag("div", self._phases(state), data_k="phases"),
            self._values.html(state, now),
            tag("section", self._chart.html(state.info, glance), class_="em-card em-chart-card"),
        ]
        self._renew_head(state)
        return join(parts)

    def refresh(self) -> Iterable[None]:
        """See `FramedPage.refresh`."""
        state = self._state
        if state is None or self._below is None:
            return ()
        if state.info is not self._info:
            # The site file changed: its values may be others.
            for begin in ("h.", "c.", "phases"):
                self.slots.forgotten(begin)
            self.slots.html(MAIN, self.content(), forget="h.")
        self._renew_head(state)
        self.slots.html("phases", self._phases(state))
        self._values.renew(state, self.desk.clock.now())
        self._chart.renew()
        self._renew_events()
        return ()

    def act(self, what: str, arg: Any) -> None:  # noqa: ANN401 - whatever a browser sends
        """See `Page.act`."""
        if self._state is None or self._below is None:
            return
        if what == "read" and not self._is_reading:
            self._is_reading = True
            self._below.places.text("map.word", "reading …")
            self.viewer.start(self._read())
        elif self._chart.act(what, arg):
            address = f"/meter/{quote(self._name, safe='')}"
            self.slots.address(address, self._chart.query())

    def _head(self, state: MeterState) -> Markup:
        info = state.info
        link = self.site.directory.link_of(info.name)
        profile = info.profile
        about = {
            "profile": f"{profile.vendor} {profile.model}".strip() or profile.name,
            "link": tag("a", link, href=f"/link/{quote(link, safe='')}"),
            "unit": str(info.unit),
            "polled every": " / ".join(
                dict.fromkeys(seconds_text(each) for each in state.intervals_s)
            ),
            "last read": tag("span", DASH, data_k="h.age", class_="em-num"),
            "polls": tag("span", DASH, data_k="h.polls", class_="em-num"),
            "last poll began": tag("span", DASH, data_k="h.late", class_="em-num"),
            "and took": tag("span", DASH, data_k="h.took", class_="em-num"),
        }
        labels = [
            tag("span", f"{key} {value}", class_="em-pill") for key, value in info.labels.items()
        ]
        return tag(
            "section",
            tag(
                "div",
                tag(
                    "div",
                    tag("h1", tag("span", "", data_k="h.dot", class_="em-dot"), info.name),
                    tag("div", tag("span", profile.kind, class_="em-pill"), *labels),
                    class_="em-title",
                ),
                self._big("now", "h.now"),
                self._big("today", "h.today"),
                class_="em-meter-head",
            ),
            tag("p", "", data_k="h.fault", class_="em-fault", role="status"),
            facts(about),
            class_="em-card",
        )

    def _big(self, title: str, key: str) -> Markup:
        return tag(
            "div",
            tag("div", title, class_="em-tile-head"),
            tag("span", DASH, data_k=key, class_="em-big em-num"),
            tag("span", "", data_k=f"{key}.unit", class_="em-unit"),
            tag("div", "", data_k=f"{key}.more", class_="em-tile-more"),
            data_k=f"{key}.box",
        )

    def _renew_head(self, state: MeterState) -> None:
        slots, now = self.slots, self.desk.clock.now()
        standing = standing_of(state, now)
        slots.attribute("h.dot", "class", DOTS[standing][0])
        since = ""
        if state.fault_since is not None:
            since = f" since {moment_text(state.fault_since, now)}"
        slots.text("h.fault", f"no answer{since}: {state.fault}" if state.fault else "")
        age = DASH if state.time is None else age_text((now - state.time).total_seconds())
        slots.text("h.age", age)
        self._renew_now(state, age, is_silent=standing == "silent")
        failed = f", {grouped(state.failed)} failed" if state.failed else ""
        skipped = f", {grouped(state.skipped)} skipped" if state.skipped else ""
        slots.text("h.polls", f"{grouped(state.polls)}{failed}{skipped}")
        slots.text("h.late", f"{seconds_text(state.lateness_s)} late")
        slots.text("h.took", seconds_text(state.duration_s))

    def _renew_now(self, state: MeterState, age: str, *, is_silent: bool) -> None:
        """What it shows now, grey where it is not of now, and what it counted today."""
        slots, glance = self.slots, self.site.glances.of(state.info)
        value, is_stale = sum_of(state, glance.main, self.desk.clock.now())
        shown = main_figure(value, glance)
        slots.text("h.now", shown.number)
        slots.text("h.now.unit", shown.unit)
        is_old = value is not None and (is_stale or is_silent)
        slots.attribute("h.now.box", "class", "em-old" if is_old else None)
        slots.text("h.now.more", f"{age} ago" if is_old and age != NOW else "")
        today = self.site.today.amount(state, glance.counters)
        if today is not None:
            shown = counted(today.amount, base_of(glance.counters[0].unit)[0])
            slots.text("h.today", shown.number)
            slots.text("h.today.unit", shown.unit)
            slots.text("h.today.more", since_text(today.since))
        elif not glance.counters:
            slots.text("h.today.more", "it counts nothing")

    def _phases(self, state: MeterState) -> Markup:
        now = self.desk.clock.now()
        shown = phases_html({each.name: each for each in state.readings(now)})
        if not shown:
            return nothing()
        look = "em-card" if standing_of(state, now) == "ok" else "em-card em-old"
        return tag("section", tag("h2", "Phases"), shown, class_=look)

    def _lower(self, state: MeterState) -> Markup:
        info = state.info
        events = self._events()
        self._last_event = events[-1].number if events else 0
        told = event_rows(reversed(events), self.desk.clock.now())
        return tag(
            "div",
            tag(
                "section",
                tag(
                    "div",
                    tag("h2", "Register map"),
                    button("read", "read now", class_="em-button em-primary"),
                    class_="em-chart-head",
                ),
                tag("p", "", data_k="map.word", class_="em-word", role="status"),
                tag("div", map_html(info.profile.points, {}, {}, {}), data_k="map"),
                class_="em-card",
            ),
            tag(
                "section",
                tag("h2", "Events"),
                tag("ol", told, class_="em-events", data_k="events", data_most=_MOST_EVENTS),
                tag(
                    "p", "" if events else "nothing happened", data_k="no-events", class_="em-word"
                ),
                class_="em-card",
            ),
            class_="em-main em-lower",
        )

    def _events(self) -> list[ServiceEvent]:
        events = self.desk.events.newest(after=self._last_event)
        own = [each for each in events if each.topic is Topic.METER and each.name == self._name]
        return own[-_MOST_EVENTS:]

    def _renew_events(self) -> None:
        new = self._events()
        if new and self._below is not None:
            self._last_event = new[-1].number
            slots = self._below.places
            slots.in_front("events", event_rows(reversed(new), self.desk.clock.now()))
            slots.text("no-events", "")

    async def _read(self) -> None:
        assert self._below is not None  # noqa: S101 - its button was pressed
        slots, state = self._below.places, self._state
        try:
            if state is None:
                return
            begun_s = self.desk.clock.monotonic()
            link = self.site.directory.link_of(self._name)
            reports, words = await read_words(self.desk, link, state.info)
        except KeyError:
            slots.text("map.word", "the meter is not polled any more")
            return
        finally:
            self._is_reading = False
        readings = {each.name: each for report in reports for each in report}
        series = {each.name: each for each in state.info.series}
        slots.html("map", map_html(state.info.profile.points, readings, series, words))
        took = seconds_text(self.desk.clock.monotonic() - begun_s)
        failures = [str(failure.error) for report in reports for failure in report.failures]
        word = f"read at {clock_text(self.desk.clock.now())} in {took}, nothing of it is kept"
        slots.text("map.word", f"{word}; {failures[0]}" if failures else word)
