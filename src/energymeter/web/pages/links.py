"""The links: how busy each is, how fast its units answer, what goes wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from nicegui import Client
from starlette.requests import Request

from energymeter.service.snapshot import LinkState
from energymeter.web.pages.controls import page_asked, pager, search
from energymeter.web.pages.figures import DASH, grouped, seconds_text, share_text
from energymeter.web.pages.frame import FramedPage
from energymeter.web.pages.markup import Markup, join, nothing, tag
from energymeter.web.pages.siteview import SiteView

__all__ = ["LinkFigures", "LinksPage", "figures_of", "link_dot", "load_bar", "renew_load"]

_PAGE: Final = 50
_LONGEST_WORD: Final = 200
_BUSY: Final = 0.8
"""From here on a link counts as nearly full."""


class LinkFigures(NamedTuple):
    """All units of a link together."""

    requests: int
    timeouts: int
    errors: int
    """Refusals and wrong answers."""

    latency_s: float | None
    """Mean over the units that answered; None: none did."""


def figures_of(state: LinkState) -> LinkFigures:
    """Add up the units of a link."""
    units = list(state.link.health.units.values())
    latencies = [unit.latency_s for unit in units if unit.answers]
    return LinkFigures(
        sum(unit.requests for unit in units),
        sum(unit.timeouts for unit in units),
        sum(unit.refusals + unit.faults for unit in units),
        sum(latencies) / len(latencies) if latencies else None,
    )


def link_dot(state: LinkState) -> tuple[str, str]:
    """How the dot of a link looks, and what it says."""
    if state.fault:
        return "em-dot em-bad", state.fault
    if state.wanted > 1.0 or state.skipped:
        return "em-dot em-warn", "it cannot keep its schedule"
    if state.link.is_open:
        return "em-dot em-ok", "it is open"
    return "em-dot", "it is not open now"


def load_bar(key: str) -> Markup:
    """A bar for how busy a link is, see `renew_load`."""
    bar = tag("span", data_k=f"{key}.bar", class_="em-load", style="width:0%")
    text = tag("span", DASH, data_k=f"{key}.load", class_="em-num")
    return tag(
        "span", tag("span", bar, class_="em-loadbar", aria_hidden="true"), text, class_="em-loads"
    )


def renew_load(page: FramedPage, key: str, state: LinkState) -> None:
    """Show how busy a link is."""
    share = min(max(state.utilisation, 0.0), 1.0)
    page.slots.attribute(f"{key}.bar", "style", f"width:{100 * share:.0f}%")
    look = "em-load em-warn" if share >= _BUSY else "em-load"
    page.slots.attribute(f"{key}.bar", "class", look)
    page.slots.text(f"{key}.load", share_text(share))


class LinksPage(FramedPage):
    """See `FramedPage`."""

    path = "/links"

    def __init__(self, site: SiteView, request: Request, client: Client) -> None:
        super().__init__(site, request, client, "Links")
        asked = request.query_params
        self._text = asked.get("q", "")[:_LONGEST_WORD]
        self._page = page_asked(asked.get("page", ""))
        self._rows: dict[str, str] = {}

    def content(self) -> Markup:
        """See `FramedPage.content`."""
        return tag(
            "section",
            tag("h1", "Links"),
            tag(
                "div",
                search("search", "search links", self._text),
                class_="em-filters",
                role="search",
            ),
            tag("div", self._list(), data_k="list"),
            class_="em-card",
        )

    def refresh(self) -> Iterable[None]:
        """See `FramedPage.refresh`."""
        if any(name not in self.desk.snapshot.links for name in self._rows.values()):
            self._fill()
        for key, name in self._rows.items():
            self._renew(key, self.desk.snapshot.links[name])
        return ()

    def act(self, what: str, arg: Any) -> None:  # noqa: ANN401 - whatever a browser sends
        """See `Page.act`."""
        if not isinstance(arg, str) or len(arg) > _LONGEST_WORD:
            return
        if what == "search":
            self._text, self._page = arg, 0
        elif what == "page" and arg.isdecimal():
            self._page = int(arg)
        else:
            return
        self._fill()
        page = str(self._page + 1) if self._page else ""
        self.slots.address(self.path, [("q", self._text.strip()), ("page", page)])

    def _fill(self) -> None:
        for key in self._rows:
            self.slots.forgotten(f"{key}.")
        self.slots.html("list", self._list(), forget="l")

    def _list(self) -> Markup:
        links = self.desk.snapshot.links
        words = self._text.casefold().split()
        found = [
            name
            for name, state in links.items()
            if all(word in f"{name} {state.url}".casefold() for word in words)
        ]
        self._page = min(self._page, max(0, (len(found) - 1) // _PAGE))
        shown = found[self._page * _PAGE : (self._page + 1) * _PAGE]
        self._rows = {f"l{place}": name for place, name in enumerate(shown)}
        text = "1 link" if len(found) == 1 else f"{grouped(len(found))} links"
        count = tag("p", text, class_="em-count", role="status")
        if not found:
            return join([count, tag("p", "no link is like this", class_="em-nothing")])
        rows = [self._row(key, links[name]) for key, name in self._rows.items()]
        for key, name in self._rows.items():
            self._renew(key, links[name])
        heads = (
            ("link", ""),
            ("busy", ""),
            ("meters", "em-right-text em-col-wide"),
            ("answers in", "em-right-text em-col-wide"),
            ("time-outs", "em-right-text"),
            ("errors", "em-right-text em-col-wide"),
        )
        head = tag("tr", *(tag("th", text, scope="col", class_=c or None) for text, c in heads))
        table = tag(
            "table",
            tag("caption", "links", class_="em-hidden"),
            tag("thead", head),
            tag("tbody", *rows),
            class_="em-table",
        )
        return join([count, table, pager(self._page, len(found), _PAGE)])

    def _row(self, key: str, state: LinkState) -> Markup:
        def number(name: str, look: str = "em-col-wide") -> Markup:
            return tag(
                "td", DASH, data_k=f"{key}.{name}", class_=f"em-right-text em-num {look}".rstrip()
            )

        link = tag("a", state.name, href=f"/link/{quote(state.name, safe='')}")
        dot = tag(
            "button",
            type="button",
            data_k=f"{key}.dot",
            class_="em-dot",
            data_tip="…",
            aria_label="…",
        )
        url = tag("small", state.url) if state.url != state.name else nothing()
        name = tag("div", dot, tag("div", link, url), class_="em-meter")
        return tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", load_bar(key)),
            number("meters"),
            number("latency"),
            number("timeouts", ""),
            number("errors"),
        )

    def _renew(self, key: str, state: LinkState) -> None:
        slots, figures = self.slots, figures_of(state)
        look, words = link_dot(state)
        slots.attribute(f"{key}.dot", "class", look)
        slots.attribute(f"{key}.dot", "data-tip", words)
        slots.attribute(f"{key}.dot", "aria-label", f"{state.name}: {words}")
        renew_load(self, key, state)
        slots.text(f"{key}.meters", grouped(len(state.meters)))
        latency = DASH if figures.latency_s is None else seconds_text(figures.latency_s)
        slots.text(f"{key}.latency", latency)
        slots.text(f"{key}.timeouts", grouped(figures.timeouts))
        slots.text(f"{key}.errors", grouped(figures.errors))
