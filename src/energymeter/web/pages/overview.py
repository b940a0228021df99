"""The first page: what the site takes, how it is doing, and its meters, fifty at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from nicegui import Client
from starlette.requests import Request

from energymeter.web.pages.controls import page_asked, pager, search, select
from energymeter.web.pages.directory import ORDERS, PAGE, STATES, Wish
from energymeter.web.pages.figures import DASH, Figure, counted, grouped, listed, scaled
from energymeter.web.pages.frame import FramedPage, tip
from energymeter.web.pages.markup import Markup, join, nothing, tag
from energymeter.web.pages.rows import MeterRows, since_text
from energymeter.web.pages.siteview import SiteView
from energymeter.web.pages.totals import Energy
from energymeter.web.verdict import Count

__all__ = ["OverviewPage"]

_LOOK_AGAIN: Final = 5
"""Seconds between two looks at which meters are wanted, where that depends on how they are; one
more for each"""

_MORE_METERS: Final = 500

_LONGEST_WORD: Final = 200


class OverviewPage(FramedPage):
    """See `FramedPage`."""

    path = "/"

    def __init__(self, site: SiteView, request: Request, client: Client) -> None:
        super().__init__(site, request, client, "Overview")
        self._wish = _wish_of(request)
        self._rows = MeterRows(site, self.slots)
        self._names: Sequence[str] = ()
        self._seconds = 0
        self._look_at = _LOOK_AGAIN

    def content(self) -> Markup:
        """See `FramedPage.content`."""
        directory = self.site.directory
        wish = self._wish
        kinds = {"": "any kind", **{kind: kind for kind in directory.kinds}}
        labels = {
            "": "any label",
            **{label: label.replace("=", " = ") for label in directory.labels},
        }
        filters = [
            search("search", "search meters", wish.text),
            select("state", "state", STATES, wish.state),
            select("kind", "kind", kinds, wish.kind) if len(kinds) > 2 else nothing(),
            select("label", "label", labels, wish.label) if len(labels) > 1 else nothing(),
            select("order", "order", ORDERS, wish.order),
        ]
        self._find()
        return join(
            [
                tag("h1", "Overview", class_="em-hidden"),
                tag("section", *self._tiles(), class_="em-tiles", aria_label="the site now"),
                tag(
                    "section",
                    tag("div", *filters, class_="em-filters", role="search"),
                    tag("div", self._list(), data_k="list"),
                    class_="em-card",
                    aria_label="meters",
                ),
            ]
        )

    def refresh(self) -> Iterable[None]:
        """See `FramedPage.refresh`."""
        self._renew_tiles()
        self._seconds += 1
        before = self._shown()
        goes_by_state = bool(self._wish.state) or self._wish.order in {"trouble", "largest"}
        has_gone = any(name not in self.desk.snapshot.meters for name in before)
        if has_gone or (goes_by_state and self._seconds >= self._look_at):
            self._find()
            self._look_at = (
                self._seconds + _LOOK_AGAIN + len(self.desk.snapshot.meters) // _MORE_METERS
            )
        if self._shown() == before:
            return self._rows.renew()
        self._fill()
        return ()

    def act(self, what: str, arg: Any) -> None:  # noqa: ANN401 - whatever a browser sends
        """See `Page.act`."""
        if not isinstance(arg, str) or len(arg) > _LONGEST_WORD:
            return
        match what:
            case "search":
                wish = self._wish._replace(text=arg, page=0)
            case "state" if arg in STATES:
                wish = self._wish._replace(state=arg, page=0)
            case "kind":
                wish = self._wish._replace(kind=arg, page=0)
            case "label":
                wish = self._wish._replace(label=arg, page=0)
            case "order" if arg in ORDERS:
                wish = self._wish._replace(order=arg, page=0)
            case "page" if arg.isdecimal():
                wish = self._wish._replace(page=int(arg))
            case _:
                return
        self._wish = wish
        self._find()
        self._fill()
        wish = self._wish
        self.slots.address(
            self.path,
            [
                ("q", wish.text.strip()),
                ("state", wish.state),
                ("kind", wish.kind),
                ("label", wish.label),
                ("order", wish.order if wish.order != "site" else ""),
                ("page", str(wish.page + 1) if wish.page else ""),
            ],
        )

    def _find(self) -> None:
        self.site.renew()
        self._names = self.site.directory.found(self._wish, self.desk.clock.now())
        last = max(0, (len(self._names) - 1) // PAGE)
        self._wish = self._wish._replace(page=min(self._wish.page, last))

    def _shown(self) -> list[str]:
        first = self._wish.page * PAGE
        return list(self._names[first : first + PAGE])

    def _fill(self) -> None:
        self._rows.forget()
        self.slots.html("list", self._list(), forget="r")

    def _list(self) -> Markup:
        total, found = len(self.desk.snapshot.meters), len(self._names)
        if self._wish.is_plain:
            count = f"{grouped(total)} meters" if total != 1 else "1 meter"
        else:
            count = f"{grouped(found)} of {grouped(total)} meters"
        if not found:
            words = "the site has no meters yet" if not total else "no meter is like this"
            return join([_count(count), tag("p", words, class_="em-nothing")])
        table = self._rows.table(self._shown())
        return join([_count(count), table, pager(self._wish.page, found, PAGE)])

    def _tiles(self) -> list[Markup]:
        tiles = [
            self._tile("power", "power now"),
            self._tile("energy", "energy today"),
            self._tile("meters", "answering"),
            self._tile("pace", "polls a second"),
        ]
        self._renew_tiles()
        return tiles

    def _tile(self, key: str, title: str) -> Markup:
        return tag(
            "div",
            tag(
                "div", tag("span", title), tip("…", "?", key=f"t.{key}.tip"), class_="em-tile-head"
            ),
            tag(
                "div",
                tag("span", DASH, data_k=f"t.{key}", class_="em-big em-num"),
                tag("span", "", data_k=f"t.{key}.unit", class_="em-unit"),
                class_="em-tile-value",
            ),
            tag("div", "", data_k=f"t.{key}.more", class_="em-tile-more"),
            class_="em-tile",
            data_k=f"t.{key}.box",
        )

    def _renew_tiles(self) -> None:
        pulse, choice = self.site.pulse(), self.site.choice
        meters, power, energy, pace = pulse
        shown = Figure(DASH) if power.watts is None else scaled(power.watts, "W", 0.1)
        missing = f"{grouped(power.missing)} of {grouped(len(choice.names))} tell nothing"
        of = (
            listed(choice.names, 2)
            if len(choice.names) < 4
            else f"{grouped(len(choice.names))} meters"
        )
        self._show("power", shown, missing if power.missing else of, choice.reason)
        counted_today = (
            Figure(DASH) if energy.watt_hours is None else counted(energy.watt_hours, "Wh")
        )
        why = f"what was taken since midnight; {choice.reason}"
        self._show("energy", counted_today, _energy_text(energy, len(choice.names)), why)
        self._show_meters(meters)
        per_s = DASH if pace.per_s is None else grouped(pace.per_s, 0 if pace.per_s >= 100 else 1)
        late = f"99% {pace.lateness}" if pace.lateness else ""
        why = "how many polls begin a second, and how late 99 of 100 of them at most, in a minute"
        self._show("pace", Figure(per_s, "/s"), late, why)

    def _show_meters(self, count: Count) -> None:
        total, alive, silent, waiting = count
        parts = []
        if silent:
            parts.append(f"{grouped(silent)} silent")
        if waiting:
            parts.append(f"{grouped(waiting)} not asked yet")
        more = ", ".join(parts) or ("all of them" if total else "")
        why = "meters that answered when they were asked last"
        self._show("meters", Figure(grouped(alive), f"of {grouped(total)}"), more, why)
        kind = "em-tile em-tile-bad" if silent else "em-tile"
        self.slots.attribute("t.meters.box", "class", kind)

    def _show(self, key: str, figure: Figure, more: str, why: str) -> None:
        slots = self.slots
        slots.text(f"t.{key}", figure.number)
        slots.text(f"t.{key}.unit", figure.unit)
        slots.text(f"t.{key}.more", more)
        slots.attribute(f"t.{key}.tip", "data-tip", why)
        slots.attribute(f"t.{key}.tip", "aria-label", why)


def _energy_text(energy: Energy, chosen: int) -> str:
    """Since when it was counted, and by how many of the meters that are chosen."""
    if energy.watt_hours is None:
        return ""
    counting = chosen - energy.missing
    if energy.late:
        some = "" if energy.late == counting else f"{grouped(energy.late)} of {grouped(counting)} "
        return f"{some}{since_text(energy.since)}"
    return f"{grouped(counting)} meters so far" if energy.missing else "since midnight"


def _count(text: str) -> Markup:
    return tag("p", text, class_="em-count", role="status")


def _wish_of(request: Request) -> Wish:
    asked = request.query_params
    order, state = asked.get("order", "site"), asked.get("state", "")
    return Wish(
        text=asked.get("q", "")[:_LONGEST_WORD],
        state=state if state in STATES else "",
        kind=asked.get("kind", ""),
        label=asked.get("label", ""),
        order=order if order in ORDERS else "site",
        page=page_asked(asked.get("page", "")),
    )
