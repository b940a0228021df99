"""The rows of meters that one browser sees; each second only what changed in them is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import quote

from energymeter.service.snapshot import MeterState
from energymeter.values.quantities import base_of
from energymeter.web.pages.figures import (
    DASH,
    Figure,
    age_text,
    clock_text,
    counted,
    figure,
    label_of,
    scaled,
)
from energymeter.web.pages.frame import tip
from energymeter.web.pages.glance import Glance, Standing, standing_of, sum_of
from energymeter.web.pages.markup import Markup, tag
from energymeter.web.pages.siteview import SiteView
from energymeter.web.pages.slots import Slots
from energymeter.web.pages.trend import HEIGHT, WIDTH, spark_path

__all__ = ["DOTS", "MeterRows", "main_figure", "since_text"]

DOTS: Final[dict[Standing, tuple[str, str]]] = {
    "ok": ("em-dot em-ok", "answers"),
    "stale": ("em-dot em-warn", "nothing newer came in time"),
    "silent": ("em-dot em-bad", "does not answer"),
    "waiting": ("em-dot", "was not asked yet"),
}
"""By standing: how the dot looks, and what it says."""


_A_STEP: Final = 8
"""Rows that are renewed at a time: within half a millisecond."""


class _Row(NamedTuple):
    key: str
    state: MeterState
    glance: Glance


class MeterRows:
    """A table of meters.

    Args:
        site: Where they are.
        slots: Where they are shown; all keys begin with `r` and a digit.
    """

    def __init__(self, site: SiteView, slots: Slots) -> None:
        self._site = site
        self._slots = slots
        self._rows: list[_Row] = []
        self._trends: dict[str, int] = {}

    def forget(self) -> None:
        """The table is made anew."""
        for row in self._rows:
            self._slots.forgotten(f"{row.key}.")
        self._rows = []
        self._trends.clear()

    def table(self, names: Sequence[str]) -> Markup:
        """The table of these meters."""
        meters, glances = self._site.desk.snapshot.meters, self._site.glances
        self._rows = [
            _Row(f"r{place}", meters[name], glances.of(meters[name].info))
            for place, name in enumerate(names)
        ]
        now = self._site.desk.clock.now()
        body = [self._markup(row, now) for row in self._rows]
        for _ in self.renew():
            pass
        heads = (
            ("meter", "em-col-name"),
            ("now", "em-right-text"),
            ("today", "em-right-text em-col-today"),
            ("last hour", "em-col-trend"),
            ("last read", "em-right-text em-col-age"),
        )
        return tag(
            "table",
            tag("caption", "meters", class_="em-hidden"),
            tag("thead", tag("tr", *(tag("th", text, scope="col", class_=c) for text, c in heads))),
            tag("tbody", *body),
            class_="em-table em-meters",
        )

    def renew(self) -> Iterator[None]:
        """Show what the meters tell now, some rows a step."""
        rows = self._rows
        for place, row in enumerate(rows, 1):
            state = self._site.desk.snapshot.meters.get(row.state.info.name)
            if state is not None:
                self._renew(row.key, state, row.glance, self._site.desk.clock.now())
            if place % _A_STEP == 0:
                yield
                if self._rows is not rows:  # another table is there by now
                    return

    def _renew(self, key: str, state: MeterState, glance: Glance, now: datetime) -> None:
        slots, site = self._slots, self._site
        standing = standing_of(state, now)
        look, words = DOTS[standing]
        slots.attribute(f"{key}.d", "class", look)
        slots.attribute(f"{key}.d", "data-tip", state.fault or words)
        slots.attribute(f"{key}.d", "aria-label", f"{state.info.name} {state.fault or words}")
        value, is_stale = sum_of(state, glance.main, now)
        shown = main_figure(value, glance)
        slots.text(f"{key}.v", shown.number)
        slots.text(f"{key}.u", shown.unit)
        is_old = is_stale or standing == "silent"
        slots.attribute(f"{key}.c", "class", f"em-value{' em-old' if is_old else ''}")
        today = site.today.amount(state, glance.counters)
        if today is None:
            slots.text(f"{key}.t", DASH)
        else:
            slots.text(f"{key}.t", str(counted(today.amount, base_of(glance.counters[0].unit)[0])))
            slots.text(f"{key}.ts", since_text(today.since))
        time = state.time
        slots.text(f"{key}.a", DASH if time is None else age_text((now - time).total_seconds()))
        self._renew_trend(key, state, glance, None if is_old else value)

    def _renew_trend(
        self, key: str, state: MeterState, glance: Glance, value: float | None
    ) -> None:
        name = state.info.name
        version = self._site.trends.look(name, glance.main, value)
        if self._trends.get(key) == version:
            return
        self._trends[key] = version
        values = self._site.trends.values(name)
        self._slots.attribute(f"{key}.s", "d", spark_path(values))
        known = [each for each in values if each is not None]
        if known:
            low, high = main_figure(min(known), glance), main_figure(max(known), glance)
            self._slots.attribute(f"{key}.g", "aria-label", f"last hour: {low} to {high}")

    def _markup(self, row: _Row, now: datetime) -> Markup:
        info, key = row.state.info, row.key
        labels = " · ".join(info.labels.values()) or info.profile.kind
        what = label_of(row.glance.main[0].name) if row.glance.main else ""
        line = tag("path", data_k=f"{key}.s", d="")
        spark = tag(
            "svg",
            line,
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            preserveAspectRatio="none",
            class_="em-spark",
            role="img",
            aria_label="last hour",
            data_k=f"{key}.g",
        )
        name = tag("a", info.name, href=f"/meter/{quote(info.name, safe='')}")
        dot = tip(DOTS[standing_of(row.state, now)][1], class_="em-dot", key=f"{key}.d")
        value = tag(
            "span",
            tag("span", DASH, data_k=f"{key}.v", class_="em-num"),
            " ",
            tag("span", "", data_k=f"{key}.u", class_="em-unit"),
            data_k=f"{key}.c",
            class_="em-value",
            title=what,
        )
        return tag(
            "tr",
            tag(
                "th",
                tag("div", dot, tag("div", name, tag("small", labels)), class_="em-meter"),
                scope="row",
            ),
            tag("td", value, class_="em-right-text"),
            tag(
                "td",
                tag("span", DASH, data_k=f"{key}.t"),
                tag("small", "", data_k=f"{key}.ts"),
                class_="em-right-text em-num em-col-today",
            ),
            tag("td", spark, class_="em-col-trend"),
            tag("td", DASH, data_k=f"{key}.a", class_="em-right-text em-num em-col-age"),
        )


def since_text(since: datetime | None) -> str:
    """From when on something is counted; empty: from midnight on."""
    return "" if since is None else f"since {clock_text(since)[:5]}"


def main_figure(value: float | None, glance: Glance) -> Figure:
    """What stands for a meter, as it is shown; None: there is nothing that can be trusted."""
    if value is None or not glance.main:
        return Figure(DASH)
    series = glance.main[0]
    if len(glance.main) > 1:
        base, factor = base_of(series.unit)
        return scaled(value * factor, base, 0.1)
    return figure(value, series)
