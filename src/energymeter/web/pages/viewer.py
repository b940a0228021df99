"""One browser at one page: what it is sent, from when its socket opens until it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, Final, Protocol

from nicegui import Client, background_tasks

from energymeter.web.pages.live import Board

__all__ = ["Page", "Viewer"]

_EVERY_S: Final = 1.0


class Page(Protocol):
    """What one viewer looks at. Made for a request; costs little until `begin`."""

    def begin(self) -> None:
        """The browser is there: fill the boards."""
        ...

    def renew(self) -> Iterator[None]:
        """A second passed: see what changed, in steps between which polls have their turn.

        Only called while somebody can see it.
        """
        ...

    def act(self, what: str, arg: Any) -> None:  # noqa: ANN401 - whatever a browser sends
        """Somebody did something; anything may come, also nonsense."""
        ...

    def see(self, *, is_visible: bool) -> None:
        """Whether anybody can see the page: not while it is in the background, or left."""
        ...


class Viewer:
    """Drives a page for one browser, with one timer.

    Args:
        client: The browser.
        page: What it shows.
    """

    def __init__(self, client: Client, page: Page) -> None:
        self.is_dark = False
        """Which colours the browser shows."""

        self.boards: Sequence[Board] = ()
        """What is sent; set once."""

        self._client: Client | None = client
        self._page: Page | None = page
        self._has_begun = False
        self._is_in_front = True
        self._is_seen = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._renewing: asyncio.Task[None] | None = None
        # Nothing runs for a page whose browser never opens its socket.
        client.on_connect(self._connected)
        client.on_disconnect(self._look)
        client.on_delete(self._gone)

    @property
    def is_watching(self) -> bool:
        """Whether somebody can see the page now."""
        client = self._client
        return self._is_in_front and client is not None and client.has_socket_connection

    def told(self, what: str, arg: Any) -> None:  # noqa: ANN401 - whatever a browser sends
        """Somebody did something."""
        match what:
            case "visible":
                self._is_in_front = arg is not False
                self._look()
            case "dark":
                self.is_dark = arg is True
                self._act(what, arg)
            case _:
                self._act(what, arg)
        self.send()

    def send(self) -> None:
        """Send what changed."""
        if self._has_begun:
            for board in self.boards:
                board.send()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Do something that takes longer; it ends with the viewer, and what it changed is sent.

        Returns:
            The task; None: the viewer has gone.
        """

        async def do() -> None:
            await work
            self.send()

        if self._client is None:
            work.close()
            return None
        task: asyncio.Task[None] = background_tasks.create(do(), name="page")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _act(self, what: str, arg: Any) -> None:  # noqa: ANN401 - whatever a browser sends
        if self._has_begun and self._page is not None:
            self._page.act(what, arg)

    def _connected(self) -> None:
        if not self._has_begun and self._page is not None:
            self._has_begun = True
            self._look()
            self._page.begin()
            self.send()
            self._renew_later()
        self._look()

    def _renew_later(self) -> None:
        # NiceGUI's timer is an element with a script, which browsers would have to fetch first.
        self._alarm = asyncio.get_running_loop().call_later(_EVERY_S, self._renew)

    def _renew(self) -> None:
        self._renew_later()
        is_done = self._renewing is None or self._renewing.done()
        if self.is_watching and self._page is not None and is_done:
            self._renewing = self.start(_in_turns(self._page.renew()))

    def _look(self) -> None:
        is_seen = self.is_watching
        if is_seen != self._is_seen and self._page is not None:
            self._is_seen = is_seen
            self._page.see(is_visible=is_seen)

    def _gone(self) -> None:
        self._is_in_front = False
        self._look()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        for task in list(self._tasks):
            task.cancel()
        asyncio.get_running_loop().call_soon(self._let_go)

    def _let_go(self) -> None:
        """Break the circles: a service with thousands of meters has its collector run seldom."""
        client, self._client, self._page, self.boards = self._client, None, None, ()
        if client is not None:
            client.connect_handlers.clear()
            client.disconnect_handlers.clear()
            client.delete_handlers.clear()


async def _in_turns(steps: Iterator[None]) -> None:
    for _ in steps:
        await asyncio.sleep(0)
