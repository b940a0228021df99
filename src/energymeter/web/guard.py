"""Who may ask: token, session, and pages of other sites that make a browser ask. Plain ASGI.

With a token or a password everybody has to show something. Without either only this machine gets
here, and what is left is a page in a browser on it: such a page either comes from elsewhere (its
`Origin` or `Sec-Fetch-Site` say so) or has been given a name that now leads to this machine (the
header `Host` says so). Web sockets are guarded like the rest: a browser opens one to any site and
sends the cookie along, so `Origin` decides.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from energymeter.web.problem import problem
from energymeter.web.session import (
    LOGIN_PATH,
    SCOPE_KEY,
    Identity,
    Means,
    Session,
    Sessions,
    cookie_name,
    is_encrypted,
)

__all__ = ["Guard"]

_POLICY_VIOLATION: Final = 1008
"""RFC 6455, section 7.4.1."""

_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_MACHINE: Final = Identity(Means.MACHINE)
_TOKEN: Final = Identity(Means.TOKEN)
_FOREIGN: Final = "a page of another site may not ask here"


class _Refusal(NamedTuple):
    status: HTTPStatus
    detail: str


class Guard:
    """Lets in who may ask, and leaves their identity in the scope.

    Args:
        app: What it guards.
        token: What programs send as `Authorization: Bearer`; None: nothing does.
        sessions: Who is logged in; None: there is no login.

    With neither the service listens on loopback only, and who gets here may ask.
    """

    def __init__(
        self, app: ASGIApp, token: str | None = None, sessions: Sessions | None = None
    ) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._sessions = sessions
        self._is_open = token is None and sessions is None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        found = self._judge(scope, headers)
        if isinstance(found, Identity) or found is None:
            scope[SCOPE_KEY] = found
            session = None if found is None else found.session
            if scope["type"] == "websocket" and session is not None:
                await _while_logged_in(self._app, session, scope, receive, send)
            else:
                await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await self._answer(found, scope, headers)(scope, receive, send)

    def _judge(self, scope: Scope, headers: Headers) -> Identity | _Refusal | None:
        """Who asks; None: nobody, which is enough for the login."""
        foreign = _is_foreign(scope, headers)
        if foreign is not None:
            return _Refusal(HTTPStatus.FORBIDDEN, foreign)
        if self._is_open:
            host = headers.get("host", "")
            if host and not _is_local(host):
                detail = "this service is known as localhost and 127.0.0.1 only"
                return _Refusal(HTTPStatus.MISDIRECTED_REQUEST, detail)
            return _MACHINE
        if self._knows_token(headers):
            return _TOKEN
        session = self._session(scope, headers)
        if session is None:
            if scope["type"] == "http" and scope["path"] == LOGIN_PATH:
                return None
            return _Refusal(HTTPStatus.UNAUTHORIZED, self._what_is_needed)
        if not _is_own_page(scope, headers):
            detail = "this request must come from a page of this service, or carry the token"
            return _Refusal(HTTPStatus.FORBIDDEN, detail)
        return Identity(Means.SESSION, session)

    def _knows_token(self, headers: Headers) -> bool:
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        if self._token is None or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(sent.strip().encode("latin-1"), self._token)

    def _session(self, scope: Scope, headers: Headers) -> Session | None:
        if self._sessions is None or "cookie" not in headers:
            return None
        server = scope.get("server")
        port = server[1] if server else 0
        # Lenient: cookies of others on this machine, which we get too, may be anything.
        cookies = cookie_parser(headers["cookie"])
        # Behind something that encrypts for us the cookie has the name it has there.
        for is_secure in (True, False):
            key = cookies.get(cookie_name(port, is_secure=is_secure))
            session = None if key is None else self._sessions.find(key)
            if session is not None:
                return session
        return None

    @property
    def _what_is_needed(self) -> str:
        if self._token is None:
            return f"this needs a login, with the password of the site file at {LOGIN_PATH}"
        return "this needs the token of the site file, sent as Authorization: Bearer"

    def _answer(self, refusal: _Refusal, scope: Scope, headers: Headers) -> Response:
        if refusal.status is not HTTPStatus.UNAUTHORIZED:
            return problem(refusal.status, refusal.detail)
        if self._sessions is not None and _opens_a_page(scope, headers):
            query = scope.get("query_string", b"").decode("latin-1")
            goal = quote(scope["path"], safe="/") + (f"?{query}" if query else "")
            where = LOGIN_PATH if goal == "/" else f"{LOGIN_PATH}?next={quote(goal, safe='/')}"
            return RedirectResponse(where, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
        challenge = None if self._token is None else {"WWW-Authenticate": "Bearer"}
        return problem(refusal.status, refusal.detail, challenge)


async def _while_logged_in(
    app: ASGIApp, session: Session, scope: Scope, receive: Receive, send: Send
) -> None:
    """Serve a web socket as long as its session lasts, then close it."""
    closing: set[asyncio.Task[None]] = set()
    is_closed = False

    async def close() -> None:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    def at_end() -> None:
        nonlocal is_closed
        is_closed = True
        closing.add(asyncio.get_running_loop().create_task(close()))

    async def send_unless_closed(message: Message) -> None:
        if not is_closed:
            await send(message)

    with session.in_use(at_end):
        await app(scope, receive, send_unless_closed)
    if closing:
        await asyncio.gather(*closing, return_exceptions=True)


def _is_foreign(scope: Scope, headers: Headers) -> str | None:
    """What is wrong if another site's page asks; None: nothing."""
    origin = headers.get("origin")
    if origin is not None:
        scheme, mark, place = origin.partition("://")
        # What encrypts for us in front of us is asked by https, and asks us by http.
        is_weaker = scheme != "https" and is_encrypted(scope)
        return _FOREIGN if not mark or is_weaker or place != headers.get("host", "") else None
    site = headers.get("sec-fetch-site", "none")
    if site in ("none", "same-origin"):
        return None
    # A link there that leads here is fine: whoever follows it looks at our page, not at theirs.
    is_visit = (
        headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest", "document") == "document"
        and scope["type"] == "http"
        and scope["method"] in _SAFE
    )
    return None if is_visit else _FOREIGN


def _is_own_page(scope: Scope, headers: Headers) -> bool:
    """Whether what the cookie came with may do what it asks for; foreign pages are out already."""
    if scope["type"] == "http" and scope["method"] in _SAFE:
        return True
    if "origin" in headers:
        return True
    return scope["type"] == "http" and headers.get("sec-fetch-site") == "same-origin"


def _opens_a_page(scope: Scope, headers: Headers) -> bool:
    return (
        scope["method"] == "GET"
        and "text/html" in headers.get("accept", "")
        and headers.get("sec-fetch-mode", "navigate") == "navigate"
        and "authorization" not in headers
    )


def _is_local(host: str) -> bool:
    """Whether a header `Host` names this machine in a way that no other name can."""
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"
