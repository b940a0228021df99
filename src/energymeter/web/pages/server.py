"""NiceGUI as a part of an application: which paths are its, when it runs, what it leaves behind.

NiceGUI is one to a process, with one list of pages. So the pages are registered once, and each
request carries the site it is about: several applications may have pages at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import nicegui
from fastapi import FastAPI
from nicegui import Client, ui
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from energymeter.service.desk import Desk
from energymeter.web.pages.assets import Assets
from energymeter.web.pages.live import Board
from energymeter.web.pages.siteview import SiteView

__all__ = ["ICON", "SCOPE_KEY", "Strays", "assets", "serve_pages", "site_of", "strays"]

SCOPE_KEY: Final = "energymeter.site"

ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32"'
    ' rx="7" fill="#0f5fae"/><path d="M18 4 8 18h7l-2 10 11-15h-7z" fill="#fff"/></svg>'
)

_PAGES: Final = frozenset({"/", "/links", "/events"})
_BELOW: Final = ("/meter/", "/link/")
_OWN: Final = f"/_nicegui/{nicegui.__version__}/"
_ASSETS: Final = tuple(
    f"{_OWN}{folder}/" for folder in ("static", "libraries", "components", "resources", "esm")
)
_FIRST: Final = tuple(
    f"{_OWN}static/{name}"
    for name in (
        "fonts.css",
        "quasar.unimportant.prod.css",
        "quasar.important.prod.css",
        "nicegui.css",
        "vue.esm-browser.prod.js",
        "socket.io.min.js",
        "quasar.umd.prod.js",
        "lang/en-US.umd.prod.js",
        "nicegui.js",
        "dompurify.mjs",
    )
)
"""What every page begins with."""

_SOCKET: Final = "/_nicegui_ws/"

_RECONNECT_S: Final = 5.0
"""How long a browser that lost its socket finds its page as it was."""

_PATIENCE_S: Final = 10.0
"""How long a page waits for its browser to open the socket."""

_MOST_STRAYS: Final = 50
"""Pages that wait so at a time; the oldest make room."""

_GZIP_LEVEL: Final = 3
"""A browser's first visit takes a megabyte: more effort would hold up the polls."""

_POLICY_VIOLATION: Final = 1008


class Strays:
    """Pages that were sent out, and whose browsers have not come back yet.

    Scanners and scripts never do: what was kept for them is dropped soon, and never grows.

    Args:
        patience_s: How long each may take.
    """

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._waiting: OrderedDict[str, tuple[float, Client]] = OrderedDict()
        self._alarm: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, client: Client) -> None:
        """A page is about to be sent."""
        loop = asyncio.get_running_loop()
        self._waiting[client.id] = loop.time(), client
        key = client.id

        def forget() -> None:  # holds no client: what is gone is to be free at once
            self._waiting.pop(key, None)

        client.on_connect(forget)
        client.on_delete(forget)
        while len(self._waiting) > _MOST_STRAYS:
            self._drop(next(iter(self._waiting.values()))[1])
        if self._alarm is None:
            self._alarm = loop.call_later(self._patience_s, self._sweep)

    def close(self) -> None:
        """Drop them all."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        for _, client in list(self._waiting.values()):
            self._drop(client)

    def _drop(self, client: Client) -> None:
        self._waiting.pop(client.id, None)
        if client.id in Client.instances:
            client.delete()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._alarm = None
        for since, client in list(self._waiting.values()):
            if loop.time() - since >= self._patience_s:
                self._drop(client)
        if self._waiting:
            oldest, _ = next(iter(self._waiting.values()))
            self._alarm = loop.call_at(oldest + self._patience_s, self._sweep)


class _Gui:
    """NiceGUI, which runs while at least one application wants it to."""

    def __init__(self) -> None:
        self.strays = Strays()
        self._users = 0
        self.app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        ui.run_with(
            self.app,
            title="energymeter",
            favicon=ICON,
            dark=None,
            language="en-US",
            binding_refresh_interval=None,
            reconnect_timeout=_RECONNECT_S,
            gzip_middleware_factory=_gzip,
            tailwind=False,
            show_welcome_message=False,
        )
        from energymeter.web.pages.routes import register  # noqa: PLC0415 - once NiceGUI is set up

        register()
        self.assets = Assets(self.app)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have it run."""
        if self._users:
            self._users += 1
            try:
                yield
            finally:
                self._users -= 1
            return
        self._users = 1
        try:
            async with self.app.router.lifespan_context(self.app):
                await self.assets.load((*_FIRST, f"{_OWN}components/{Board.script()}"))
                try:
                    yield
                finally:
                    self.strays.close()
                    for client in list(Client.instances.values()):
                        client.delete()
        finally:
            self._users = 0


@lru_cache(maxsize=1)
def _gui() -> _Gui:
    """The only one there is in this process."""
    return _Gui()


def strays() -> Strays:
    """Who waits for its browser."""
    return _gui().strays


def assets() -> Assets:
    """The scripts and styles."""
    return _gui().assets


def site_of(request: Request) -> SiteView:
    """The site that a request is about."""
    site = request.scope[SCOPE_KEY]
    assert isinstance(site, SiteView)  # noqa: S101 - nobody gets here another way
    return site


def serve_pages(app: FastAPI, desk: Desk) -> None:
    """See `mount`."""
    gui, site = _gui(), SiteView(desk)
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(whole: FastAPI) -> AsyncIterator[Mapping[str, Any] | None]:
        async with inner(whole) as state, gui.running():
            site.start()
            try:
                yield state
            finally:
                await site.close()

    # What is yielded may be nothing, as theirs may; mypy wants it known beforehand.
    app.router.lifespan_context = lifespan  # type: ignore[assignment]
    app.mount("/", _Gate(gui, site), name="pages")


class _Gate:
    """Lets through what is a page or belongs to one.

    NiceGUI answers whatever it does not know with a page, and would keep something for each.
    """

    def __init__(self, gui: _Gui, site: SiteView) -> None:
        self._app = gui.app
        self._assets = gui.assets
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        path: str = scope["path"]
        if scope["type"] == "http" and path.startswith(_ASSETS):
            await self._assets(scope, receive, send)
            return
        is_known = path in _PAGES or path == "/favicon.ico" or path.startswith(_BELOW)
        if scope["type"] == "websocket":
            is_known = path.startswith(_SOCKET)
        if is_known or path.startswith(_SOCKET):
            scope[SCOPE_KEY] = self._site
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            raise HTTPException(HTTPStatus.NOT_FOUND)


def _gzip(app: ASGIApp) -> GZipMiddleware:
    return GZipMiddleware(app, minimum_size=500, compresslevel=_GZIP_LEVEL)
