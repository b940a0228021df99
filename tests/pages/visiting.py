"""Somebody with a browser, who notices what goes wrong in it."""

from __future__ import annotations

from typing import Any, Final, Self

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, WebSocket

__all__ = ["DESK", "PHONE", "Visitor"]

DESK: Final = (1400, 900)
PHONE: Final = (390, 844)

_SERIOUS: Final = frozenset({"serious", "critical"})


class Visitor:
    """One window, from its first page to its last.

    Args:
        browser: Has the window.
        size: Of the window, in pixels.
    """

    def __init__(self, browser: Browser, size: tuple[int, int] = DESK) -> None:
        width, height = size
        self._context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="light"
        )
        self.page: Page = self._context.new_page()
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        self.received: list[int] = []
        """Bytes of each message through the socket."""

        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("websocket", self._opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def go(self, address: str, ready: str = ".em-card") -> Page:
        """Open a page, and wait until this is on it."""
        self.page.goto(address)
        self.page.wait_for_selector(ready)
        return self.page

    def resize(self, size: tuple[int, int]) -> None:
        """Make the window another size."""
        width, height = size
        self.page.set_viewport_size({"width": width, "height": height})

    def in_colours(self, scheme: Any) -> None:
        """Have the system prefer `light` or `dark`."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.wait_for_selector(f"body.body--{scheme}")

    def barriers(self) -> list[str]:
        """What axe finds on the page that keeps people out."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
            for each in found
            if each["impact"] in _SERIOUS
            for node in each["nodes"]
        ]

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(
            self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def check(self) -> None:
        """Nothing went wrong, and nothing was asked of anybody else."""
        assert self.faults == []
        assert {host.partition(":")[0] for host in self.hosts} <= {"127.0.0.1"}

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def _asked(self, request: Request) -> None:
        scheme, _, rest = request.url.partition("://")
        if scheme in ("http", "https", "ws", "wss"):
            self.hosts.add(rest.partition("/")[0])

    def _opened(self, socket: WebSocket) -> None:
        self.hosts.add(socket.url.partition("://")[2].partition("/")[0])
        socket.on("framereceived", lambda data: self.received.append(len(data)))
