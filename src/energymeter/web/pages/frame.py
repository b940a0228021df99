"""What all pages have in common: the head with its links, the state of the service, the clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from nicegui import Client, ui
from starlette.requests import Request

from energymeter.web.pages.figures import clock_text
from energymeter.web.pages.live import Board
from energymeter.web.pages.markup import Markup, join, tag
from energymeter.web.pages.server import strays
from energymeter.web.pages.siteview import SiteView
from energymeter.web.pages.slots import Slots
from energymeter.web.pages.viewer import Viewer
from energymeter.web.session import LOGOUT_PATH, identity_of
from energymeter.web.verdict import State

__all__ = ["MAIN", "Frame", "FramedPage", "nothing_yet", "style", "tip"]

_LINKS: Final = (("/", "Overview"), ("/links", "Links"), ("/events", "Events"))

_STATES: Final = {
    State.OK: ("ok", "all well"),
    State.DEGRADED: ("warn", "needs attention"),
    State.FAILING: ("bad", "not working"),
}

MAIN: Final = "main"
"""The place of the page's own content."""


@lru_cache(maxsize=1)
def style() -> str:
    """The look of all pages, CSS."""
    return (Path(__file__).parent / "style.css").read_text("utf-8")


def tip(text: str, *children: str, class_: str = "em-tip", key: str | None = None) -> Markup:
    """Something that says more when the pointer, the focus or a finger is on it."""
    label = " ".join(child for child in children if not isinstance(child, Markup))
    return tag(
        "button",
        *children,
        type="button",
        class_=class_,
        data_tip=text,
        data_k=key,
        aria_label=f"{label}: {text}" if label.strip("?") else text,
    )


def nothing_yet(text: str = "one moment") -> Markup:
    """Stands where something will be."""
    return tag("p", text, class_="em-nothing")


class Frame:
    """The head of a page, and where its content goes.

    Args:
        site: What it is about.
        path: Which page this is, to mark it among the links.
        can_log_out: Whether there is somebody to log out.
    """

    def __init__(self, site: SiteView, path: str, *, can_log_out: bool) -> None:
        self._site = site
        self._path = path
        self._can_log_out = can_log_out

    def html(self) -> Markup:
        """All of it, the content left out."""
        snapshot = self._site.desk.snapshot
        links = [
            tag(
                "a",
                label,
                href=path,
                aria_current="page" if path == self._path else None,
            )
            for path, label in _LINKS
        ]
        return join(
            [
                tag("a", "to the content", href="#content", class_="em-skip"),
                tag(
                    "header",
                    tag(
                        "a",
                        tag("span", class_="em-mark"),
                        tag("span", snapshot.site),
                        href="/",
                        class_="em-name",
                    ),
                    tag("nav", *links, aria_label="pages"),
                    tag("div", *self._right(), class_="em-right"),
                    class_="em-head",
                ),
                tag(
                    "div",
                    nothing_yet(),
                    id="content",
                    tabindex="-1",
                    class_="em-main",
                    data_k=MAIN,
                ),
            ]
        )

    def renew(self, slots: Slots) -> None:
        """Show how everything is now."""
        verdict = self._site.verdict()
        kind, word = _STATES[verdict.state]
        slots.text("f.state", word)
        slots.attribute("f.pill", "class", f"em-pill em-{kind}")
        reasons = "; ".join(verdict.reasons) or "the service works, everything answers"
        slots.attribute("f.pill", "data-tip", reasons)
        slots.attribute("f.pill", "aria-label", f"{word}: {reasons}")
        slots.text("f.clock", clock_text(self._site.desk.clock.now()))

    def _right(self) -> list[Markup]:
        pill = tag(
            "button",
            tag("span", class_="em-dot"),
            tag("span", "…", data_k="f.state"),
            type="button",
            class_="em-pill",
            data_k="f.pill",
            aria_label="the state of the service",
        )
        parts = [
            pill,
            tag("span", "", class_="em-clock em-num", data_k="f.clock"),
            tag(
                "button",
                _SUN,
                type="button",
                class_="em-icon",
                data_theme="auto",
                aria_label="colours",
                data_tip="colours",
            ),
        ]
        if self._can_log_out:
            button = tag("button", "log out", type="submit", class_="em-button")
            parts.append(tag("form", button, method="post", action=LOGOUT_PATH))
        return parts


_SUN: Final = Markup(
    '<svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true" fill="none" '
    'stroke="currentColor" stroke-width="2"><circle cx="12" cy="12" r="8"/>'
    '<path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor"/></svg>'
)


class FramedPage:
    """A page with the common head; each kind has its own content. See `Page`.

    Args:
        site: What it is about.
        request: What was asked.
        client: The browser.
        title: For the browser's tab, in front of the site's name.
    """

    path = "/"
    """Which of the links in the head it belongs to."""

    def __init__(self, site: SiteView, request: Request, client: Client, title: str) -> None:
        self.site = site
        self.desk = site.desk
        self._frame = Frame(site, self.path, can_log_out=_can_log_out(request))
        strays().add(client)
        ui.page_title(f"{title} · {site.desk.snapshot.site}")
        ui.add_head_html(f"<style>{style()}</style>")
        self.viewer = Viewer(client, self)
        self.board = Board(self._frame.html(), self.viewer.told, leads=True)
        self.viewer.boards = (self.board,)

    @property
    def slots(self) -> Slots:
        """The places of the board."""
        return self.board.places

    def begin(self) -> None:
        """See `Page.begin`."""
        self.site.renew()
        self._frame.renew(self.slots)
        self.slots.html(MAIN, self.content())

    def renew(self) -> Iterator[None]:
        """See `Page.renew`."""
        self._frame.renew(self.slots)
        yield from self.refresh()

    def content(self) -> Markup:
        """What it shows at first."""
        raise NotImplementedError

    def refresh(self) -> Iterable[None]:
        """Show what changed since, in steps if it takes longer than a millisecond."""
        return ()

    def act(self, what: str, arg: Any) -> None:  # noqa: ANN401 - whatever a browser sends
        """See `Page.act`."""

    def see(self, *, is_visible: bool) -> None:
        """See `Page.see`."""


def _can_log_out(request: Request) -> bool:
    identity = identity_of(request)
    return identity is not None and identity.can_log_out
