"""An HTTP application served in the loop that the rest of the program runs in. Knows no routes.

Needs the extra `web` (uvicorn), so nothing imports it but who uses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import uvicorn

from energymeter.errors import ConfigError
from energymeter.transports.certificates import TlsFiles
from energymeter.transports.endpoint import host_and_port
from energymeter.transports.tcp import system_reason

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HttpServer", "faults_text"]

_GRACE_S: Final = 1
"""How long answers under way may take when the server ends."""

_LONGEST_MESSAGE: Final = 1_048_576
"""Bytes that somebody may send through a web socket at once."""


def faults_text(faults: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with a request, as a sentence.

    Args:
        faults: As pydantic tells them; the first step of a place says which part it is in.
    """
    return "; ".join(
        f"{'.'.join(str(step) for step in fault['loc'][1:]) or 'the body'}: "
        f"{fault['msg'][:1].lower()}{fault['msg'][1:]}"
        for fault in faults
    )


class _QuietServer(uvicorn.Server):
    """Leaves the signals to who started it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves an ASGI application from the running loop.

    Args:
        app: The application.
        host: Address to listen on; only loopback by default.
        port: Port to listen on; 0 lets the system choose, see `port`.
        name: What messages call it.
        tls: The certificate and its key; None: it is not encrypted.
        lifespan: Whether the application wants to be told when it starts and ends.
        on_close: Called before the server waits for answers under way: ends those without end.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, one for each thing that varies
        self,
        app: Callable[..., Any],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str = "HTTP",
        tls: TlsFiles | None = None,
        lifespan: bool = False,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._app = app
        self._name = name
        self._tls = tls
        self._lifespan = lifespan
        self._on_close = on_close
        self._server: _QuietServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __str__(self) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{host_and_port(self.host, self.port)}"

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: The address cannot be listened on, a certificate cannot be used, or the
                application does not start; the message says why.
        """
        context = None if self._tls is None else self._tls.server_context()
        try:
            family, *_, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            self._listener = socket.create_server(address[:2], family=family)
            # Connections inherit it. asyncio sets it only where a socket was made for TCP by name,
            # and without it the second part of an answer waits 40 ms for an acknowledgement.
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, UnicodeError, OverflowError) as error:
            reason = system_reason(error)
            msg = f"{self._name} cannot listen on {self.host} port {self.port}: {reason}"
            raise ConfigError(msg) from error
        self.port = int(self._listener.getsockname()[1])
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="on" if self._lifespan else "off",
            proxy_headers=False,
            server_header=False,
            ws_max_size=_LONGEST_MESSAGE,
            ssl_context_factory=None if context is None else lambda *_: context,
            timeout_graceful_shutdown=_GRACE_S,
        )
        server = self._server = _QuietServer(config)
        self._serving = asyncio.create_task(server.serve(sockets=[self._listener]))
        while not server.started and not self._serving.done():  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.005)
        if not server.started:
            await self.close()
            msg = f"{self._name} does not start, the log says why"
            raise ConfigError(msg)

    async def close(self) -> None:
        """Let answers under way go out, then stop; calling it again does nothing."""
        server, serving = self._server, self._serving
        self._server = self._serving = None
        if server is not None and serving is not None:
            if self._on_close is not None:
                self._on_close()
            server.should_exit = True
            await serving
        if self._listener is not None:
            self._listener.close()
