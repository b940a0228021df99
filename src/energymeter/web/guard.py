"""Who may ask: the token, and pages of other sites that make a browser ask. Plain ASGI.

With a token everybody has to know it. Without one only this machine gets here, and what is left is
a page in a browser on it: such a page either comes from elsewhere (its `Origin` says so) or has
been given a name that now leads to this machine (the header `Host` says so).
"""

from __future__ import annotations

import hmac
import ipaddress
from http import HTTPStatus
from typing import Final, NamedTuple

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Guard"]

_POLICY_VIOLATION: Final = 1008
"""RFC 6455, section 7.4.1."""


class _Refusal(NamedTuple):
    code: HTTPStatus
    detail: str


class Guard:
    """Lets in who may ask.

    Args:
        app: What it guards.
        token: What has to be sent as `Authorization: Bearer`; None: nothing, to a service that
            listens on loopback only.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            is_unknown = refusal.code is HTTPStatus.UNAUTHORIZED
            headers = {"WWW-Authenticate": "Bearer"} if is_unknown else None
            answer = JSONResponse({"detail": refusal.detail}, refusal.code, headers)
            await answer(scope, receive, send)

    def _refusal(self, headers: Headers) -> _Refusal | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return _Refusal(HTTPStatus.FORBIDDEN, "a page of another site may not ask here")
        if self._token is None:
            if host and not _is_local(host):
                detail = "this service is known as localhost and 127.0.0.1 only"
                return _Refusal(HTTPStatus.MISDIRECTED_REQUEST, detail)
            return None
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        is_known = hmac.compare_digest(sent.strip().encode("latin-1"), self._token)
        if scheme.lower() == "bearer" and is_known:
            return None
        detail = "this needs the token of the site file, sent as Authorization: Bearer"
        return _Refusal(HTTPStatus.UNAUTHORIZED, detail)


def _is_local(host: str) -> bool:
    """Whether a header `Host` names this machine in a way that no other name can."""
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"
