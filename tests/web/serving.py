"""The HTTP side over real sockets, on a port of the system's choice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from tests.web.site_of import NOW, desk_of

from energymeter.clock import ManualClock
from energymeter.httpserver import HttpServer
from energymeter.service.events import EventStream
from energymeter.service.snapshot import Snapshot
from energymeter.site.model import WebEntry
from energymeter.site.sinks import PrometheusEntry
from energymeter.web.serve import web_server

__all__ = ["Bench", "bench"]


@dataclass
class Bench:
    """A running HTTP side and somebody who asks it."""

    snapshot: Snapshot
    events: EventStream
    clock: ManualClock
    http: httpx.AsyncClient
    server: HttpServer


@asynccontextmanager
async def bench(
    snapshot: Snapshot,
    *,
    token: str | None = None,
    prometheus: PrometheusEntry | None = None,
) -> AsyncIterator[Bench]:
    """Serve a snapshot; the caller sends no token by itself."""
    clock = ManualClock(NOW)
    events = EventStream(clock)
    entry = WebEntry.model_validate({"listen": "127.0.0.1:0", "token": token})
    async with (
        web_server(entry, desk_of(snapshot, events, clock), prometheus=prometheus) as server,
        httpx.AsyncClient(base_url=str(server), timeout=10, trust_env=False) as http,
    ):
        yield Bench(snapshot, events, clock, http, server)
