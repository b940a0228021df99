"""The chart of a meter: any of its values over any time, read from the store."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from nicegui import ui
from starlette.datastructures import QueryParams

from energymeter.service.desk import Desk
from energymeter.service.sink import MeterInfo
from energymeter.store.base import Kind, Series
from energymeter.store.errors import StoreError
from energymeter.values.home_assistant import home_assistant_unit
from energymeter.values.quantities import base_of
from energymeter.web.pages.controls import BACK, ON
from energymeter.web.pages.figures import TO, label_of
from energymeter.web.pages.glance import Glance
from energymeter.web.pages.markup import Markup, join, tag
from energymeter.web.pages.plot import Curve, legend_of, options_of
from energymeter.web.pages.slots import Slots
from energymeter.web.pages.spans import (
    SPANS,
    Span,
    bars_every,
    custom,
    lines_every,
    moved,
    thinned,
)
from energymeter.web.pages.values import group_of
from energymeter.web.pages.viewer import Viewer

__all__ = ["MeterChart"]

_MOST: Final = 6
"""Values in a chart."""

_RENEW_SHARE: Final = 0.01
"""A chart that ends now is drawn anew after this part of its span, though not more often than"""

_RENEW_S: Final = 10.0

_MINUTE: Final = timedelta(minutes=1)
"""Addresses and fields tell times as finely as this."""


class MeterChart:
    """What to draw, and the drawing. Keys of its places begin with `c`.

    Args:
        desk: Has the history.
        slots: Where the fields are.
        viewer: Who looks.
        asked: What the address of the page asks for: `value`, several times, `span`, or `from`
            and `to`.
    """

    def __init__(self, desk: Desk, slots: Slots, viewer: Viewer, asked: QueryParams) -> None:
        self._desk = desk
        self._slots = slots
        self._viewer = viewer
        self._info: MeterInfo | None = None
        self._series: dict[str, Series] = {}
        self._chosen: list[str] = []
        self._wanted = asked.getlist("value")
        self._first: list[str] = []
        span = asked.get("span", "")
        self._span = span if span in SPANS else "day"
        own = custom(asked.get("from"), asked.get("to"))
        self._custom = own if isinstance(own, Span) else None
        self._chart: ui.echart | None = None
        self._drawn_at = 0.0
        self._asked = 0

    def html(self, info: MeterInfo, glance: Glance) -> Markup:
        """The fields in front of the chart."""
        self._info = info
        self._series = {
            each.name: each
            for each in info.series
            if each.type.words and group_of(each) != "set-up"
        }
        first = [each.name for each in glance.main[:3]]
        first += [each.name for each in glance.counters[:2] if each.name not in first]
        self._first = first or list(self._series)[:1]
        wanted = [name for name in dict.fromkeys(self._wanted) if name in self._series]
        self._chosen = self._chosen or wanted[:_MOST] or self._first
        head = tag("div", self._spans(), self._steps(), class_="em-buttons")
        fields = join(
            [
                tag("div", tag("h2", "History"), head, class_="em-chart-head"),
                tag("div", self._picker(), self._form(), class_="em-chart-fields"),
                tag("p", "", data_k="c.word", class_="em-word", role="status"),
                tag("ul", data_k="c.legend", class_="em-legend", aria_label="what is drawn"),
            ]
        )
        self._show_span()
        return fields

    def place(self) -> None:
        """Make the chart, below what there is on the page."""
        with ui.element("div").classes("em-chart-box"):
            self._chart = ui.echart({"series": []}).classes("em-chart")

    def draw(self) -> None:
        """Read what is wanted, and draw it."""
        self._drawn_at = self._desk.clock.monotonic()
        self._asked += 1
        self._viewer.start(self._draw(self._asked))

    def renew(self) -> None:
        """Draw it again, where time went on."""
        if self._custom is not None:
            return
        every_s = max(_RENEW_S, _RENEW_SHARE * SPANS[self._span].total_seconds())
        if self._desk.clock.monotonic() - self._drawn_at >= every_s:
            self.draw()

    def act(self, what: str, arg: Any) -> bool:  # noqa: ANN401 - whatever a browser sends
        """Somebody did something with the fields; returns whether it was that."""
        match what, arg:
            case "span", str() if arg in SPANS:
                self._span, self._custom = arg, None
            case "step", "-1" | "1":
                self._step(int(arg))
            case "value", [str() as name, bool() as is_wanted] if name in self._series:
                self._choose(name, is_wanted=is_wanted)
            case "custom", dict():
                span = custom(arg.get("start"), arg.get("end"))
                if isinstance(span, str):
                    self._slots.text("c.word", span)
                    return True
                self._custom = span
            case "dark", _:
                pass
            case _:
                return False
        self._show_span()
        self.draw()
        return True

    def query(self) -> list[tuple[str, str]]:
        """What asks for the same once more, see the class."""
        asked = [("value", name) for name in self._chosen] if self._chosen != self._first else []
        if self._custom is None:
            return [*asked, ("span", self._span if self._span != "day" else "")]
        texts = [_field_text(time.astimezone()) for time in self._custom]
        return [*asked, *zip(("from", "to"), texts, strict=True)]

    def _choose(self, name: str, *, is_wanted: bool) -> None:
        if not is_wanted:
            self._chosen = [each for each in self._chosen if each != name]
        elif name not in self._chosen:
            self._chosen = [*self._chosen, name][-_MOST:]
        for place, each in enumerate(self._series):
            self._slots.attribute(f"c.{place}", "data-on", "" if each in self._chosen else None)
        self._slots.text("c.count", _count(len(self._chosen)))

    def _step(self, direction: int) -> None:
        """Look further back, or forth until now."""
        now = self._desk.clock.now()
        span = self._custom = moved(self._now_span(), direction, now)
        length = span.end - span.start
        usual = next((name for name, each in SPANS.items() if each == length), None)
        if usual is not None and now - span.end < _MINUTE:
            self._span, self._custom = usual, None  # it goes along again

    def _show_span(self) -> None:
        slots, span = self._slots, self._now_span()
        is_live = self._custom is None
        for name in SPANS:
            pressed = "true" if is_live and name == self._span else "false"
            slots.attribute(f"c.{name}", "aria-pressed", pressed)
        slots.attribute("c.later", "disabled", "" if is_live else None)
        start, end = (time.astimezone() for time in span)
        words = f"{start:%d %b %Y %H:%M} {TO} {end:%d %b %Y %H:%M}"
        slots.text("c.when", "from … to …" if is_live else words)
        for name, time in (("start", start), ("end", end)):
            slots.attribute(f"c.{name}", "value", _field_text(time))

    def _now_span(self) -> Span:
        if self._custom is not None:
            return self._custom
        now = self._desk.clock.now()
        return Span(now - SPANS[self._span], now)

    async def _draw(self, asked: int) -> None:
        span, names = self._now_span(), list(self._chosen)
        curves, word = [], ""
        offset = span.end.astimezone().utcoffset()
        offset_ms = 0 if offset is None else round(offset.total_seconds() * 1000)
        try:
            for name in names:
                curve = await self._curve(name, span, offset_ms)
                if curve is not None and curve.points:
                    curves.append(curve)
        except StoreError as error:
            word = str(error)
        if asked != self._asked or self._chart is None:
            return  # something else is wanted by now
        if not word and not names:
            word = "choose a value to see it"
        elif not word and not curves:
            word = "nothing is kept of this time"
        self._slots.text("c.word", word)
        self._slots.html("c.legend", legend_of(curves, is_dark=self._viewer.is_dark))
        options = options_of(curves, span, offset_ms, is_dark=self._viewer.is_dark)
        self._chart.options.clear()
        self._chart.options.update(options)
        self._chart.update()

    async def _curve(self, name: str, span: Span, offset_ms: int) -> Curve | None:
        assert self._info is not None  # noqa: S101 - the fields are there
        series = self._series[name]
        every = bars_every(span) if series.kind is Kind.COUNTER else None
        history = await self._desk.archive.history(
            self._info.name, name, span.start, span.end, every=every or lines_every(span)
        )
        if history is None:
            return None
        factor, unit = _drawn_in(history.series)
        times = [time // 1000 + offset_ms for time in history.times_us.tolist()]
        values = [_number(value, factor) for value in history.values]
        if every is not None:
            half = int(every) * 500
            points = [(time + half, value) for time, value in zip(times, values, strict=True)]
            return Curve(name, unit, points, every=every)
        return Curve(name, unit, thinned(times, values))

    def _spans(self) -> Markup:
        buttons = [
            tag(
                "button",
                name,
                type="button",
                data_act="span",
                data_arg=name,
                data_k=f"c.{name}",
                aria_pressed="true" if name == self._span else "false",
            )
            for name in SPANS
        ]
        return tag("div", *buttons, class_="em-switch", role="group", aria_label="span of time")

    def _steps(self) -> Markup:
        buttons = [
            tag(
                "button",
                sign,
                type="button",
                class_="em-button",
                data_act="step",
                data_arg=direction,
                data_k=f"c.{name}",
                aria_label=name,
                title=name,
            )
            for name, sign, direction in (("earlier", BACK, -1), ("later", ON, 1))
        ]
        return tag("div", *buttons, class_="em-buttons")

    def _picker(self) -> Markup:
        boxes = [
            tag(
                "label",
                tag(
                    "input",
                    type="checkbox",
                    data_tick="value",
                    data_arg=name,
                    checked=name in self._chosen,
                ),
                f"{label_of(name)} ",
                tag("small", home_assistant_unit(series.unit)),
                data_k=f"c.{place}",
            )
            for place, (name, series) in enumerate(self._series.items())
        ]
        summary = tag(
            "summary", "values ", tag("small", _count(len(self._chosen)), data_k="c.count")
        )
        return tag("details", summary, tag("div", *boxes, class_="em-boxes"), class_="em-picker")

    def _form(self) -> Markup:
        fields = [
            tag(
                "label",
                tag("span", name),
                tag(
                    "input",
                    type="datetime-local",
                    name=name,
                    data_k=f"c.{name}",
                    required=True,
                ),
            )
            for name in ("start", "end")
        ]
        form = tag("form", *fields, _send("show"), data_submit="custom", class_="em-custom")
        summary = tag("summary", tag("span", "", data_k="c.when"))
        return tag("details", summary, form, class_="em-picker")


def _send(text: str) -> Markup:
    return tag("button", text, type="submit", class_="em-button")


def _count(chosen: int) -> str:
    return f"{chosen} chosen"


def _field_text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M")


def _number(value: object, factor: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value * factor


def _drawn_in(series: Series) -> tuple[float, str]:
    """The unit a curve is drawn in, and what one of the series' is in it."""
    base, factor = base_of(series.unit)
    if base in ("W", "var", "VA", "Wh", "varh", "VAh"):
        return factor / 1e3, f"k{base}"
    return 1.0, home_assistant_unit(series.unit)
