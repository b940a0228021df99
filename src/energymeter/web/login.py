"""Logging in and out: a form posts the password, a cookie says from then on who it is."""

from __future__ import annotations

import asyncio
import hmac
from http import HTTPStatus
from importlib import import_module
from math import ceil
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, RedirectResponse, Response

from energymeter.service.desk import Desk
from energymeter.service.events import Level, Topic
from energymeter.site.password import PasswordHash
from energymeter.web.attempts import Attempts
from energymeter.web.plain_form import plain_form
from energymeter.web.problem import documented, problem
from energymeter.web.session import (
    LOGIN_PATH,
    LOGOUT_PATH,
    Sessions,
    cookie_name,
    identity_of,
    is_encrypted,
    safe_goal,
)

__all__ = ["Login", "login_router"]

_MOST_BYTES: Final = 8192
"""Of the form: a password and a path."""

_TOLD_AT: Final = (5, 20, 100)
"""After so many failures of an address somebody is told."""

_LOGIN_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["password"],
                    "properties": {
                        "password": {"type": "string", "description": "The password, or token."},
                        "next": {"type": "string", "description": "Path to go to afterwards."},
                    },
                }
            }
        },
    }
}


class Login(NamedTuple):
    """What somebody has to know to log in, and who did."""

    token: str | None
    password: PasswordHash | None
    sessions: Sessions


class _Tried(NamedTuple):
    """What came of an attempt."""

    is_right: bool
    wait_s: float = 0.0
    """How long this address has to wait now."""


class _Door:
    """Compares passwords, one at a time.

    Args:
        login: What is right.
        desk: Is told who fails again and again.
    """

    def __init__(self, login: Login, desk: Desk) -> None:
        self._login = login
        self._desk = desk
        self._attempts = Attempts(desk.clock)
        # A comparison takes 32 MiB and a processor: two at once would cost polls.
        self._turn = asyncio.Semaphore(1)

    async def knock(self, address: str, password: str) -> _Tried:
        """Try a password."""
        wait_s = self._attempts.wait_s(address)
        if wait_s > 0:
            return _Tried(is_right=False, wait_s=wait_s)
        failures = self._attempts.begin(address)
        if await self._is_right(password):
            self._attempts.succeeded(address)
            return _Tried(is_right=True)
        if failures in _TOLD_AT:
            text = f"{failures} wrong passwords came from {address}, it has to wait now"
            self._desk.events.tell(Level.WARNING, Topic.SERVICE, "", text)
        return _Tried(is_right=False)

    async def _is_right(self, password: str) -> bool:
        token, known = self._login.token, self._login.password
        if token is not None and hmac.compare_digest(
            password.strip().encode("utf-8", "replace"), token.encode("utf-8", "replace")
        ):
            return True
        if known is None:
            return False
        async with self._turn:
            return await asyncio.to_thread(known.fits, password)


def login_router(login: Login | None, desk: Desk) -> APIRouter:
    """The routes.

    Args:
        login: What somebody has to know; None: nobody has to log in.
        desk: Is told who fails again and again.
    """
    router = APIRouter(tags=["login"])
    door = None if login is None else _Door(login, desk)

    @router.get(LOGIN_PATH, response_class=HTMLResponse, include_in_schema=False)
    async def form(request: Request) -> Response:
        """The form; whoever is in already, or needs no login, is sent on."""
        goal = safe_goal(request.query_params.get("next"))
        if door is None or identity_of(request) is not None:
            return RedirectResponse(goal, HTTPStatus.SEE_OTHER)
        return _page(goal, "", HTTPStatus.OK)

    @router.post(
        LOGIN_PATH,
        openapi_extra=_FORM,
        status_code=HTTPStatus.SEE_OTHER,
        response_class=RedirectResponse,
        responses=documented(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.TOO_MANY_REQUESTS,
        ),
    )
    async def log_in(request: Request) -> Response:
        """Log in with `password`; the answer brings the cookie and leads to `next`."""
        fields = await _fields(request)
        if isinstance(fields, Response):
            return fields
        goal = safe_goal(fields.get("next"))
        if login is None or door is None:
            return RedirectResponse(goal, HTTPStatus.SEE_OTHER)
        address = request.client.host if request.client else ""
        tried = await door.knock(address, fields.get("password", ""))
        if not tried.is_right:
            return _not_in(request, goal, tried.wait_s)
        answer = RedirectResponse(goal, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
        _set_cookie(request, answer, login.sessions.begin())
        return answer

    @router.post(LOGOUT_PATH, status_code=HTTPStatus.SEE_OTHER, response_class=RedirectResponse)
    async def log_out(request: Request) -> Response:
        """Log out: the session is over, and what is open in its name is closed."""
        identity = identity_of(request)
        answer = RedirectResponse(LOGIN_PATH, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
        if login is not None and identity is not None and identity.session is not None:
            login.sessions.drop(identity.session)
            _set_cookie(request, answer, None)
        return answer

    return router


async def _fields(request: Request) -> dict[str, str] | Response:
    data = b""
    try:
        async for piece in request.stream():
            data += piece
            if len(data) > _MOST_BYTES:
                detail = f"the form is longer than {_MOST_BYTES} bytes"
                return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    except ClientDisconnect:
        return problem(HTTPStatus.BAD_REQUEST, "the form came in part only")
    try:
        found = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        detail = "the form cannot be read, send password and next as a form does"
        return problem(HTTPStatus.BAD_REQUEST, detail)
    return {name: values[-1] for name, values in found.items()}


def _not_in(request: Request, goal: str, wait_s: float) -> Response:
    if wait_s > 0:
        seconds = max(1, ceil(wait_s))
        status = HTTPStatus.TOO_MANY_REQUESTS
        detail = f"too many wrong passwords, wait {seconds} s"
        headers = {"Retry-After": str(seconds)}
    else:
        status, detail, headers = HTTPStatus.UNAUTHORIZED, "this is not the password", {}
    if "text/html" in request.headers.get("accept", ""):
        return _page(goal, detail, status, headers)
    return problem(status, detail, headers)


def _page(
    goal: str, fault: str, status: HTTPStatus, headers: dict[str, str] | None = None
) -> Response:
    """The form as a page, as `web.pages` draws it."""
    try:
        draw = import_module("energymeter.web.pages.login").login_page
    except ImportError:
        draw = plain_form
    whole = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _LOGIN_POLICY,
        **(headers or {}),
    }
    return HTMLResponse(draw(goal, fault), status, whole)


def _set_cookie(request: Request, answer: Response, key: str | None) -> None:
    """Give the cookie, or take it away."""
    server = request.scope.get("server")
    # Something in front of us may encrypt: the browser says so where it comes from.
    came_encrypted = request.headers.get("origin", "").startswith("https://")
    is_secure = is_encrypted(request.scope) or came_encrypted
    answer.set_cookie(
        cookie_name(server[1] if server else 0, is_secure=is_secure),
        key or "",
        max_age=None if key else 0,
        path="/",
        secure=is_secure,
        httponly=True,
        samesite="strict",
    )
