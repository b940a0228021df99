"""The screen of a running service: tables of meters and links, renewed as long as somebody looks.

Only asks for what is looked at, and only draws what changed. Knows no HTTP: see `source`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final, NamedTuple

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input

from energymeter.errors import ConfigError
from energymeter.tui.choosing import Choosing
from energymeter.tui.follow import Follower, Picture, View
from energymeter.tui.grid import Grid
from energymeter.tui.heading import HELP, hints_line, site_line, state_line, view_line
from energymeter.tui.pane import Pane
from energymeter.tui.source import Source, SourceLostError
from energymeter.tui.tables import EVENTS, FRAMES, LINKS, METERS, VALUES
from energymeter.tui.trace import Listener

__all__ = ["TopApp"]

_PATIENCE: Final = 4.0
"""Between two looks passes at least this many times what a look takes: a large site is asked less
often, and the service has its time to itself."""

_AGAIN_S: Final = (0.5, 1.0, 2.0, 5.0)
"""Pauses after the connection was lost; the last one from then on."""

_TABLES: Final = {
    View.METERS: METERS,
    View.METER: VALUES,
    View.LINKS: LINKS,
    View.LINK: METERS,
    View.EVENTS: EVENTS,
}
_FILTERED: Final = (View.METERS, View.LINK, View.EVENTS)
_SORTED: Final = (View.METERS, View.LINK)


class _Help(ModalScreen[None]):
    """The keys."""

    def compose(self) -> ComposeResult:
        pane = Pane("help")
        pane.show(*(((line, ""),) for line in HELP.splitlines()))
        yield pane

    def on_key(self, event: Key) -> None:
        event.stop()
        self.dismiss()


class _Upper(Grid):
    """The table that has the keys. They are its own, so that they are letters in the filter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "app.quit", show=False),
        Binding("tab", "app.switch", show=False),
        Binding("e", "app.events", show=False),
        Binding("s", "app.sort", show=False),
        Binding("S", "app.turn", show=False),
        Binding("t", "app.trace", show=False),
        Binding("escape", "app.leave", show=False),
        Binding("question_mark", "app.keys", show=False),
    ]


class _Find(Input):
    """The filter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.leave", show=False),
        Binding("tab", "app.switch", show=False),
    ]


class _Place(NamedTuple):
    """Where somebody looks."""

    view: View
    subject: str = ""
    """The meter or link; empty: none."""

    chosen: str | None = None
    """What was under the cursor when it was left."""


class TopApp(App[str]):
    """The screen; ends with a sentence when it cannot go on, else with None.

    Args:
        source: What is looked at; it is closed by who made it.
        interval_s: Seconds between two looks.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #head { height: 3; }
    #upper { height: 1fr; }
    #lower { height: 35%; min-height: 4; display: none; }
    #find { height: 1; border: none; padding: 0; display: none; }
    #hints { height: 1; }
    _Help { align: center middle; }
    #help { width: 80; height: 22; border: round ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        # Before anything else: letters that come in one piece with it are the filter's already.
        Binding("slash", "find", show=False, priority=True),
    ]

    def __init__(self, source: Source, *, interval_s: float = 0.5) -> None:
        super().__init__()
        # The terminal's own colours: they suit its background, whatever that is.
        self.theme = "ansi-dark"
        self._source = source
        self._interval_s = interval_s
        self._follower = Follower(source)
        self._listener = Listener(source)
        self._choosing = Choosing()
        self._place = _Place(View.METERS)
        self._way: list[_Place] = []
        self._lost = ""
        self._wants_frames = False
        self._wake = asyncio.Event()
        self._head, self._hints = Pane("head"), Pane("hints")
        self._upper, self._lower = _Upper("upper", METERS), Grid("lower", EVENTS)
        self._lower.can_focus = False
        self._find = _Find(id="find", compact=True, placeholder="filter", select_on_focus=False)
        self._find.cursor_blink = False

    @property
    def picture(self) -> Picture:
        """What is known of the service."""
        return self._follower.picture

    @property
    def _shows_frames(self) -> bool:
        """Whether frames stand in the lower table."""
        view = self._place.view
        return view is View.LINK or (view is View.METER and self._wants_frames)

    def compose(self) -> ComposeResult:
        """See `App.compose`."""
        yield self._head
        yield self._upper
        yield self._lower
        yield self._find
        yield self._hints

    def on_mount(self) -> None:
        """Begin to look."""
        self._upper.focus()
        self._draw()
        self.run_worker(self._follow())

    async def on_unmount(self) -> None:
        """Stop listening in."""
        await self._listener.close()

    async def _follow(self) -> None:
        """Look again and again, as often as is fair."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            self._wake.clear()
            begun_s = loop.time()
            try:
                await self._follower.look(self._place.view, self._place.subject)
                await self._listener.listen(*self._link_to_hear())
            except SourceLostError as error:
                self._lost = error.message
                self._follower.forget()
                pause_s = _AGAIN_S[min(failures, len(_AGAIN_S) - 1)]
                failures += 1
            except ConfigError as error:
                self.exit(error.message)
                return
            else:
                self._lost, failures = "", 0
                took_s = loop.time() - begun_s
                pause_s = max(self._interval_s - took_s, _PATIENCE * took_s)
            self._draw()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    def _link_to_hear(self) -> tuple[str, str]:
        """Name and URL of the link whose frames are shown; empty: none are."""
        view, subject, _ = self._place
        picture = self.picture
        if not self._shows_frames:
            return "", ""
        if view is View.METER:
            subject = "" if picture.meter is None else picture.meter.meter.link
        url = next((link.url for link in picture.links if link.name == subject), None)
        return ("", "") if url is None else (subject, url)

    def _draw(self) -> None:
        """Show the picture; the widgets find out what of it is new."""
        view, subject, _ = self._place
        picture, choosing = self.picture, self._choosing
        items: Sequence[Any]
        match view:
            case View.METERS:
                items = choosing.meters(picture.meters)
            case View.LINK:
                items = choosing.meters(picture.meters, subject)
            case View.METER:
                items = picture.meter.values if picture.meter is not None else ()
            case View.LINKS:
                items = picture.links
            case View.EVENTS:
                items = choosing.events(picture.events)
        self._upper.fill(items, marked=choosing.marked if view in _SORTED else None)
        if self._shows_frames:
            self._lower.fill(self._listener.heard(self._link_to_hear()[0]))
        elif view is View.METER:
            about = [event for event in picture.events if event.name == subject]
            self._lower.fill(about[::-1])
        words = choosing.words if view in _FILTERED else ""
        self._head.show(
            site_line(picture),
            state_line(picture, self._lost),
            view_line(view, subject, picture, self._upper, words),
        )
        self._hints.show(hints_line(view))

    def _go(self, place: _Place) -> None:
        """Look there from now on."""
        self._place = place
        view = place.view
        if view is not View.METER:
            self._wants_frames = False
        self.picture.meter = None
        self._upper.use(_TABLES[view], has_cursor=view is not View.EVENTS)
        self._lower.display = view in (View.METER, View.LINK)
        self._lower.use(FRAMES if self._shows_frames else EVENTS, has_cursor=False)
        self._draw()
        if place.chosen is not None:
            self._upper.choose(place.chosen)
        self._wake.set()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Enter on a meter, or on a link."""
        view = {View.METERS: View.METER, View.LINK: View.METER, View.LINKS: View.LINK}.get(
            self._place.view
        )
        if view is not None:
            self._way.append(self._place._replace(chosen=event.key))
            self._go(_Place(view, event.key))

    def on_grid_moved(self) -> None:
        """What is said above the table is said of the line under the cursor."""
        self._draw()

    def action_leave(self) -> None:
        """One step back; a filter that is being typed, or that there is, ends first."""
        if self._find.display or (self._choosing.words and self._place.view in _FILTERED):
            self._find.value = ""
            self._end_find()
            self._search("")
        elif self._way:
            self._go(self._way.pop())

    def action_switch(self) -> None:
        """From links to meters, from everywhere else to links."""
        self._end_find()
        self._way.clear()
        is_links = self._place.view in (View.LINKS, View.EVENTS)
        self._go(_Place(View.METERS if is_links else View.LINKS))

    def action_events(self) -> None:
        """All events."""
        if self._place.view is not View.EVENTS:
            self._way.append(self._place._replace(chosen=self._upper.chosen))
            self._choosing.words = self._find.value = ""
            self._go(_Place(View.EVENTS))

    def action_trace(self) -> None:
        """Of a meter: its link's frames, or its events again."""
        if self._place.view is View.METER:
            self._wants_frames = not self._wants_frames
            self._lower.use(FRAMES if self._wants_frames else EVENTS, has_cursor=False)
            self._wake.set()

    def action_sort(self) -> None:
        """Sort by the next column."""
        if self._place.view in _SORTED:
            self._choosing.sort_next()
            self._draw()

    def action_turn(self) -> None:
        """Turn the order round."""
        if self._place.view in _SORTED and self._choosing.sorted_by is not None:
            self._choosing.is_turned = not self._choosing.is_turned
            self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """See `App.check_action`: within the filter a slash is a letter."""
        if action == "find":
            return self._place.view in _FILTERED and not self._find.has_focus
        return super().check_action(action, parameters)

    def action_find(self) -> None:
        """Filter as somebody types."""
        self._find.display = True
        self.screen.set_focus(self._find)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another letter."""
        self._search(event.value)

    def on_input_submitted(self) -> None:
        """The filter stays as it is."""
        self._end_find()

    def action_keys(self) -> None:
        """What keys there are."""
        self.push_screen(_Help())

    def _search(self, words: str) -> None:
        self._choosing.words = words
        self._draw()

    def _end_find(self) -> None:
        self._find.display = False
        self.screen.set_focus(self._upper)
