"""Asks one HTTP server over one connection that stays open; knows nothing of what it asks."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from energymeter.errors import ConfigError
from energymeter.tui.source import SourceLostError
from energymeter.tui.words import clean

__all__ = ["HttpClient", "LoginWantedError", "NotThereError"]

_MOST_BYTES: Final = 100_000_000
_LONGEST_LINE: Final = 1_000_000
_SIGN_OF_LIFE_S: Final = 40.0
"""A stream in which nothing happens says at least each 15 s that it is still there."""

_REFUSED: Final = (401, 403)
_LOGIN: Final = "/login"
_LET_IN: Final = 303


class NotThereError(Exception):
    """The server has nothing under this address."""


class LoginWantedError(ConfigError):
    """The server wants to know who asks, and nothing was sent."""


class _Answer(NamedTuple):
    """What the server said."""

    code: int
    body: bytes
    cookie: str
    """The one it wants to be shown from now on; empty: none."""


_Told = tuple[str, Any] | Exception | None
"""An event; why there are no more; None: they ended."""


class HttpClient:
    """Gets JSON, one question after the other, in a thread.

    Args:
        url: `http://HOST:PORT` or `https://HOST:PORT`, maybe with a path in front of all others.
        token: Sent as `Authorization: Bearer`; None: nothing is.
        timeout_s: How long each answer may take.
        tls: Whom to trust where the URL is https; None: whom this machine trusts.

    Raises:
        ConfigError: The URL is none.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout_s: float = 5.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            msg = f"{url!r} is no address of a service, write http://HOST:PORT"
            raise ConfigError(msg)
        self._host, self._port, self._path = parts.hostname, port, parts.path
        self._tls = None
        if parts.scheme == "https":
            self._tls = tls or ssl.create_default_context()
        self._timeout_s = timeout_s
        self._identity = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._connection: http.client.HTTPConnection | None = None
        self._turn = asyncio.Lock()

    async def get(self, path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """What is there.

        Raises:
            NotThereError: Nothing.
            SourceLostError: There is no answer, or none that can be understood.
            LoginWantedError: It wants a token or a password.
            ConfigError: It wants another one.
        """
        answer = await self._asked(path)
        if answer.code == 200:
            with suppress(ValueError):
                return json.loads(answer.body)
        raise self._fault(answer.code, answer.body)

    async def log_in(self, password: str) -> None:
        """Be who knows the password, from now on.

        Raises:
            SourceLostError: There is no answer.
            ConfigError: It is not the password, or there were too many guesses.
        """
        answer = await self._asked(_LOGIN, urlencode({"password": password}))
        if answer.code != _LET_IN or not answer.cookie:
            detail = _detail(answer.body) or f"it answers with code {answer.code}"
            msg = f"{self.url} denies access: {detail}"
            raise ConfigError(msg)
        self._identity = {"Cookie": answer.cookie.partition(";")[0]}

    async def events(self, path: str) -> AsyncGenerator[tuple[str, Any]]:
        """Server-sent events as they come: their kinds, and the JSON they carry.

        Over a connection of their own, for as long as somebody takes them.

        Raises:
            NotThereError: Nothing is there.
            SourceLostError: There is no answer, or it breaks off.
            ConfigError: It wants a token, or another one.
        """
        connection, is_over = self._connect(), threading.Event()
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[_Told]()

        def tell(told: _Told) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, told)

        reading = loop.run_in_executor(None, self._read, connection, path, tell, is_over)
        try:
            while (told := await queue.get()) is not None:
                if isinstance(told, Exception):
                    raise told
                yield told
        finally:
            is_over.set()
            _hang_up(connection)
            await asyncio.wait([reading])

    async def close(self) -> None:
        """Hang up; an answer that is waited for ends with an error."""
        if self._connection is not None:
            _hang_up(self._connection)
        async with self._turn:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout_s, context=self._tls
        )

    async def _asked(self, path: str, form: str | None = None) -> _Answer:
        async with self._turn:
            try:
                return await asyncio.to_thread(self._ask, path, form)
            except asyncio.CancelledError:
                # The thread has it still, and closes it.
                connection, self._connection = self._connection, None
                if connection is not None:
                    _hang_up(connection)
                raise

    def _request(
        self, connection: http.client.HTTPConnection, path: str, form: str | None = None
    ) -> http.client.HTTPResponse:
        method, headers = "GET", dict(self._identity)
        if form is not None:
            method, headers["Content-Type"] = "POST", "application/x-www-form-urlencoded"
        try:
            connection.request(method, self._path + path, form, headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise SourceLostError(self._why(error)) from error

    def _ask(self, path: str, form: str | None) -> _Answer:
        is_kept = self._connection is not None and self._connection.sock is not None
        connection = self._connection = self._connection or self._connect()
        try:
            try:
                answer = self._request(connection, path, form)
            except SourceLostError:
                if not is_kept:
                    raise
                answer = self._request(connection, path, form)  # the server hung up meanwhile
            cookie = answer.getheader("Set-Cookie") or ""
            return _Answer(answer.status, answer.read(_MOST_BYTES), cookie)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise SourceLostError(self._why(error)) from error
        finally:
            if self._connection is not connection:
                connection.close()

    def _read(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        tell: Callable[[_Told], None],
        is_over: threading.Event,
    ) -> None:
        """Read events to their end; in a thread of its own."""
        try:
            answer = self._request(connection, path)
            if answer.status != 200:
                raise self._fault(answer.status, answer.read())
            if connection.sock is not None:
                connection.sock.settimeout(_SIGN_OF_LIFE_S)
            kind = ""
            while not is_over.is_set() and (line := answer.readline(_LONGEST_LINE)):
                name, _, content = line.rstrip(b"\r\n").partition(b": ")
                if name == b"event":
                    kind = content.decode(errors="replace")
                elif name == b"data":
                    tell((kind, json.loads(content)))
        except (OSError, http.client.HTTPException, ValueError) as error:
            tell(SourceLostError(self._why(error)))
        except (SourceLostError, NotThereError, ConfigError) as error:
            tell(error)
        else:
            tell(None)
        finally:
            connection.close()

    def _fault(self, code: int, body: bytes) -> Exception:
        detail = _detail(body)
        if code in _REFUSED:
            if not self._identity:
                text = f"{self.url} requires a token: {detail or 'no details given'}"
                return LoginWantedError(text)
            what = (
                "takes this login no more"
                if "Cookie" in self._identity
                else "does not take this token"
            )
            return ConfigError(f"{self.url} {what}")
        if code == 404:
            return NotThereError(detail)
        if code == 200:
            return SourceLostError(f"what answers at {self.url} is not an energymeter service")
        return SourceLostError(f"{self.url} answers with code {code}: {detail}".rstrip(": "))

    def _why(self, error: Exception) -> str:
        if isinstance(error, ConnectionRefusedError):
            return f"nothing listens at {self.url}, is the service running?"
        if isinstance(error, TimeoutError):
            return f"no answer from {self.url} within {self._timeout_s:g} s"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the certificate of {self.url} is not trusted: {clean(error.verify_message)}"
        if isinstance(error, http.client.RemoteDisconnected):
            return f"{self.url} hung up"
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"{self.url} cannot be asked: {clean(text)}"


def _detail(body: bytes) -> str:
    """What a problem says; empty when it is none."""
    with suppress(ValueError, AttributeError, TypeError):
        return clean(str(json.loads(body).get("detail") or ""))
    return ""


def _hang_up(connection: http.client.HTTPConnection) -> None:
    """The thread that reads, if there is one, notices."""
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
