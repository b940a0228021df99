"""The HTTP side over real sockets, on a port of the system's choice."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from tests.web.site_of import NOW, desk_of

from energymeter.clock import ManualClock
from energymeter.httpserver import HttpServer
from energymeter.service.desk import Operator
from energymeter.service.events import EventStream
from energymeter.service.snapshot import Snapshot
from energymeter.site.model import WebEntry
from energymeter.site.sinks import PrometheusEntry
from energymeter.store import Store
from energymeter.web.serve import web_server

__all__ = ["Bench", "bench"]


def trusting(ca: str | None) -> ssl.SSLContext | bool:
    """What trusts this issuer of certificates and no other; without one nothing is encrypted."""
    return False if ca is None else ssl.create_default_context(cafile=ca)


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
    prometheus: PrometheusEntry | None = None,
    store: Store | None = None,
    operator: Operator | None = None,
    ca: str | None = None,
    **web: Any,
) -> AsyncIterator[Bench]:
    """Serve a snapshot, without pages; the caller sends no token by itself.

    `web` is what stands in the section of the site file, `ca` who issued its certificate.
    """
    clock = ManualClock(NOW)
    events = EventStream(clock)
    entry = WebEntry.model_validate({"listen": "127.0.0.1:0", **web})
    desk = desk_of(snapshot, events, clock, store)
    if operator is not None:
        desk = replace(desk, operator=operator)
    async with (
        web_server(entry, desk, prometheus=prometheus, pages=False) as server,
        httpx.AsyncClient(
            base_url=str(server), timeout=10, trust_env=False, verify=trusting(ca)
        ) as http,
    ):
        yield Bench(snapshot, events, clock, http, server)
