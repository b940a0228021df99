"""What browsers are told of each answer: load nothing from elsewhere, show it in no frame."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["PAGE_POLICY", "SafeHeaders"]

PAGE_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        # Vue compiles its templates in the browser, and NiceGUI writes its start into the page.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Of pages; what is no page may load nothing at all."""

_DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"

_OF_ALL: Final = [
    (b"x-content-type-options", b"nosniff"),
    # Not no-referrer: browsers would then send Origin: null with the forms of our own pages.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]
_OF_PAGES: Final = [
    *_OF_ALL,
    (b"content-security-policy", PAGE_POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_OF_DATA: Final = [*_OF_ALL, (b"content-security-policy", _DATA_POLICY.encode())]


class SafeHeaders:
    """Adds them to every answer that does not bring a policy of its own.

    Args:
        app: What gives the answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_them(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ())]
                message = {**message, "headers": headers + _more(headers)}
            await send(message)

        await self._app(scope, receive, send_with_them)


def _more(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    is_page = False
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-security-policy":
            return _OF_ALL
        if lower == b"content-type":
            is_page = value.startswith(b"text/html")
    return _OF_PAGES if is_page else _OF_DATA
