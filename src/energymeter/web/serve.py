"""The HTTP side as the site file wants it: where it listens, and what it asks of callers."""

from __future__ import annotations

from energymeter.errors import ConfigError
from energymeter.httpserver import HttpServer
from energymeter.service.desk import Desk
from energymeter.site.model import WebEntry
from energymeter.site.sinks import PrometheusEntry
from energymeter.web.app import create_app

__all__ = ["web_server"]


def web_server(entry: WebEntry, desk: Desk, *, prometheus: PrometheusEntry | None) -> HttpServer:
    """The server; it listens once it is started.

    Args:
        entry: Where it listens, and the token.
        desk: What it tells.
        prometheus: The sink that puts values of meters to the metrics; None: there is none.

    Raises:
        ConfigError: The token cannot be had, is empty, or is missing beyond loopback; or the path
            of the sink is taken.
    """
    token = None if entry.token is None else entry.token.reveal()
    if token is not None and not token.strip():
        msg = "the token of the web side is empty, it would let everybody in"
        raise ConfigError(msg)
    if token is None and not entry.is_local:
        msg = f"listen = {entry.listen!r} can be reached from elsewhere, that needs a token"
        raise ConfigError(msg)
    host, port = entry.place
    app = create_app(
        desk,
        prometheus=prometheus,
        token=None if token is None else token.strip(),
    )
    return HttpServer(app, host=host, port=port, name="the HTTP side")
