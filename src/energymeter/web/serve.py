"""The HTTP side as the site file wants it: where it listens, and what it asks of callers."""

from __future__ import annotations

from typing import Final

from energymeter.errors import ConfigError
from energymeter.httpserver import HttpServer
from energymeter.service.desk import Desk
from energymeter.service.events import Level, Topic
from energymeter.site.model import WebEntry
from energymeter.site.password import PasswordHash
from energymeter.site.sinks import PrometheusEntry
from energymeter.transports.certificates import TlsFiles
from energymeter.web.app import create_app
from energymeter.web.login import Login
from energymeter.web.session import Sessions

__all__ = ["web_server"]

_SHORT: Final = 16
"""A token of fewer characters can be guessed in time, beyond loopback."""


def web_server(
    entry: WebEntry, desk: Desk, *, prometheus: PrometheusEntry | None, pages: bool = True
) -> HttpServer:
    """The server; it listens once it is started.

    Args:
        entry: Where it listens, token, password and certificate.
        desk: What it tells.
        prometheus: The sink that puts values of meters to the metrics; None: there is none.
        pages: Whether there are pages for people.

    Raises:
        ConfigError: Token or password cannot be had, are wrong, or both are missing beyond
            loopback; the certificate cannot be used; or the path of the sink is taken.
    """
    token, password = _token(entry), _password(entry)
    has_secret = token is not None or password is not None
    if not has_secret and not entry.is_local:
        msg = (
            f"listen = {entry.listen!r} can be reached from elsewhere, that needs a token or a "
            "password"
        )
        raise ConfigError(msg)
    tls = _tls(entry)
    if not entry.is_local:
        _warn(desk, token, is_encrypted=tls is not None)
    host, port = entry.place
    app = create_app(
        desk,
        prometheus=prometheus,
        token=token,
        login=Login(token, password, Sessions(desk.clock)) if has_secret else None,
        pages=pages,
    )
    return HttpServer(
        app,
        host=host,
        port=port,
        name="the HTTP side",
        tls=tls,
        lifespan=True,
        on_close=app.state.listeners.close,
    )


def _token(entry: WebEntry) -> str | None:
    token = None if entry.token is None else entry.token.reveal().strip()
    if token is not None and not token:
        msg = "the token of the web side is empty, it would let everybody in"
        raise ConfigError(msg)
    return token


def _password(entry: WebEntry) -> PasswordHash | None:
    if entry.password is None:
        return None
    try:
        return PasswordHash.parse(entry.password.reveal())
    except ConfigError as error:
        msg = f"the password of the web side: {error.message}"
        raise ConfigError(msg) from error


def _tls(entry: WebEntry) -> TlsFiles | None:
    if entry.cert is None:
        return None
    key = None if entry.key is None else str(entry.key)
    files = TlsFiles(cert=str(entry.cert), key=key)
    try:
        files.server_context()
    except ConfigError as error:
        msg = f"the web side cannot be encrypted: {error.message}"
        raise ConfigError(msg) from error
    return files


def _warn(desk: Desk, token: str | None, *, is_encrypted: bool) -> None:
    """Tell what is weak about a service that others can reach."""
    if not is_encrypted:
        text = (
            "the web side is not encrypted: anyone on the network path "
            "can read token and password; "
            "give cert and key in [web], or leave it to a proxy"
        )
        desk.events.tell(Level.WARNING, Topic.SERVICE, "", text)
    if token is not None and len(token) < _SHORT:
        text = (
            f"the token of the web side has {len(token)} characters and can be guessed, "
            f"take {_SHORT} or more: openssl rand -hex 32"
        )
        desk.events.tell(Level.WARNING, Topic.SERVICE, "", text)
