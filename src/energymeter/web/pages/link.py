"""One link: its units, and what goes over the wire while somebody looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from nicegui import Client
from starlette.requests import Request

from energymeter.client.health import UnitHealth
from energymeter.service.snapshot import LinkState
from energymeter.web.pages.controls import facts
from energymeter.web.pages.figures import (
    DASH,
    age_text,
    grouped,
    moment_text,
    seconds_text,
    share_text,
)
from energymeter.web.pages.frame import FramedPage, nothing_yet
from energymeter.web.pages.links import figures_of, link_dot, load_bar, renew_load
from energymeter.web.pages.markup import Markup, join, tag
from energymeter.web.pages.siteview import SiteView
from energymeter.web.pages.trace import MOST, Trace

__all__ = ["LinkPage"]

_FIGURES = ("requests", "answers", "latency", "slowest", "timeouts", "refusals", "faults", "last")


class LinkPage(FramedPage):
    """See `FramedPage`.

    Args:
        site: See there.
        request: See there.
        client: See there.
        name: The link's.
    """

    path = "/link"

    def __init__(self, site: SiteView, request: Request, client: Client, name: str) -> None:
        super().__init__(site, request, client, name)
        self._name = name
        self._units: dict[int, str] = {}
        self._trace: Trace | None = None
        self._is_paused = False

    @property
    def _state(self) -> LinkState | None:
        return self.desk.snapshot.links.get(self._name)

    def content(self) -> Markup:
        """See `FramedPage.content`."""
        state = self._state
        if state is None:
            words = f"there is no link {self._name} here"
            return tag("section", tag("h1", "Not here"), nothing_yet(words), class_="em-card")
        parts = [
            self._head(state),
            tag(
                "section",
                tag("h2", "Units"),
                tag(
                    "div",
                    self._table(state),
                    data_k="units",
                    class_="em-wide",
                    tabindex="0",
                    role="region",
                    aria_label="units",
                ),
                class_="em-card",
            ),
            self._trace_card(),
        ]
        self._renew(state)
        self._listen()
        return join(parts)

    def refresh(self) -> Iterable[None]:
        """See `FramedPage.refresh`."""
        state = self._state
        if state is None:
            return ()
        if self._units.keys() != self._shown(state).keys():
            for key in self._units.values():
                self.slots.forgotten(f"{key}.")
            self.slots.html("units", self._table(state), forget="u")
        self._renew(state)
        self._follow()
        if self._trace is not None and self._trace.is_on:
            lines = self._trace.lines()
            if lines:
                self.slots.in_front("trace", lines)
        return ()

    def act(self, what: str, arg: Any) -> None:  # noqa: ANN401 - whatever a browser sends
        """See `Page.act`."""
        if what == "pause":
            self._is_paused = not self._is_paused
            self.slots.text("pause", "go on" if self._is_paused else "pause")
            self.slots.attribute("pause", "aria-pressed", "true" if self._is_paused else "false")
            self._listen()
        elif what == "clear":
            self.slots.html("trace", Markup(), forget="trace")

    def see(self, *, is_visible: bool) -> None:
        """See `Page.see`."""
        del is_visible
        self._listen()

    def _listen(self) -> None:
        """Listen to the link if that is wanted, and only then."""
        is_wanted = self.viewer.is_watching and not self._is_paused and self._state is not None
        if not is_wanted:
            if self._trace is not None:
                self._trace.stop()
                self._trace = None
        elif self._trace is None:
            state = self._state
            assert state is not None  # noqa: S101 - it is wanted
            try:
                stream = self.desk.operator.frames(self._name)
            except KeyError:
                self.slots.text("trace.word", "this link cannot be listened to now")
                return
            self._trace = Trace(stream, is_datagram="udp" in state.url.partition("://")[0])
            self._trace.start()

    def _follow(self) -> None:
        """Listen to the link that has this name now: the site file may have changed."""
        if self._trace is None:
            return
        try:
            is_same = self.desk.operator.frames(self._name) is self._trace.stream
        except KeyError:
            is_same = False
        if not is_same:
            self._trace.stop()
            self._trace = None
            self._listen()

    def _head(self, state: LinkState) -> Markup:
        about = {
            "leads to": state.url,
            "busy": load_bar("h"),
            "its schedule needs": tag("span", DASH, data_k="h.wanted", class_="em-num"),
            "answers in": tag("span", DASH, data_k="h.latency", class_="em-num"),
            "requests": tag("span", DASH, data_k="h.requests", class_="em-num"),
            "time-outs": tag("span", DASH, data_k="h.timeouts", class_="em-num"),
            "errors": tag("span", DASH, data_k="h.errors", class_="em-num"),
            "polls skipped": tag("span", DASH, data_k="h.skipped", class_="em-num"),
        }
        return tag(
            "section",
            tag("h1", tag("span", "", data_k="h.dot", class_="em-dot"), f"Link {state.name}"),
            tag("p", "", data_k="h.fault", class_="em-fault", role="status"),
            facts(about),
            class_="em-card",
        )

    def _shown(self, state: LinkState) -> dict[int, list[str]]:
        """The units by number, with the names of their meters."""
        meters = self.desk.snapshot.meters
        found: dict[int, list[str]] = {number: [] for number in state.link.health.units}
        for name in state.meters:
            if name in meters:
                found.setdefault(meters[name].info.unit, []).append(name)
        return dict(sorted(found.items()))

    def _table(self, state: LinkState) -> Markup:
        shown = self._shown(state)
        self._units = {number: f"u{number}" for number in shown}
        rows = []
        for number, names in shown.items():
            key = self._units[number]
            meters = join(
                join([", " if place else "", tag("a", name, href=f"/meter/{quote(name, safe='')}")])
                for place, name in enumerate(names)
            )
            dot = tag("span", data_k=f"{key}.dot", class_="em-dot")
            first = tag(
                "th", tag("div", dot, tag("div", str(number)), class_="em-meter"), scope="row"
            )
            cells = [
                tag("td", DASH, data_k=f"{key}.{name}", class_="em-right-text em-num")
                for name in _FIGURES
            ]
            rows.append(tag("tr", first, tag("td", meters, class_="em-where"), *cells))
        heads = (
            "unit",
            "meters",
            "asked",
            "answered",
            "answers in",
            "slowest recently",
            "time-outs",
            "refusals",
            "wrong answers",
            "last answer",
        )
        head = tag(
            "tr",
            *(
                tag("th", text, scope="col", class_="em-right-text" if place > 1 else None)
                for place, text in enumerate(heads)
            ),
        )
        caption = tag("caption", "units of the link", class_="em-hidden")
        return tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="em-table")

    def _renew(self, state: LinkState) -> None:
        slots, figures = self.slots, figures_of(state)
        slots.attribute("h.dot", "class", link_dot(state)[0])
        since = ""
        if state.fault_since is not None:
            since = f" since {moment_text(state.fault_since, self.desk.clock.now())}"
        slots.text("h.fault", f"not there{since}: {state.fault}" if state.fault else "")
        renew_load(self, "h", state)
        slots.text("h.wanted", f"{share_text(state.wanted)} of the time")
        latency = DASH if figures.latency_s is None else seconds_text(figures.latency_s)
        slots.text("h.latency", latency)
        slots.text("h.requests", grouped(figures.requests))
        slots.text("h.timeouts", grouped(figures.timeouts))
        slots.text("h.errors", grouped(figures.errors))
        slots.text("h.skipped", grouped(state.skipped))
        now_s = state.link.clock.monotonic()
        for number, key in self._units.items():
            self._renew_unit(key, state.link.health.units.get(number), now_s)

    def _renew_unit(self, key: str, unit: UnitHealth | None, now_s: float) -> None:
        slots = self.slots
        if unit is None or not unit.requests:
            return
        is_silent = unit.silent_since is not None
        look = "em-bad" if unit.is_silent else "em-warn" if is_silent else "em-ok"
        slots.attribute(f"{key}.dot", "class", f"em-dot {look}")
        slots.text(f"{key}.requests", grouped(unit.requests))
        slots.text(f"{key}.answers", grouped(unit.answers))
        slots.text(f"{key}.latency", seconds_text(unit.latency_s) if unit.answers else DASH)
        slots.text(f"{key}.slowest", seconds_text(unit.slowest_s) if unit.slowest_s else DASH)
        slots.text(f"{key}.timeouts", grouped(unit.timeouts))
        slots.text(f"{key}.refusals", grouped(unit.refusals))
        slots.text(f"{key}.faults", grouped(unit.faults))
        last = unit.last_answer_at
        slots.text(f"{key}.last", "never" if last is None else age_text(now_s - last))

    def _trace_card(self) -> Markup:
        buttons = (
            tag(
                "button",
                "pause",
                type="button",
                class_="em-button",
                data_act="pause",
                data_k="pause",
                aria_pressed="false",
            ),
            tag("button", "clear", type="button", class_="em-button", data_act="clear"),
        )
        return tag(
            "section",
            tag(
                "div",
                tag("h2", "Frames"),
                tag("div", *buttons, class_="em-buttons"),
                class_="em-chart-head",
            ),
            tag("p", "", data_k="trace.word", class_="em-word"),
            tag(
                "ol",
                data_k="trace",
                data_most=MOST,
                class_="em-trace",
                tabindex="0",
                aria_label="frames, the newest first",
            ),
            class_="em-card",
        )
