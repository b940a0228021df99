"""The page Prometheus reads: what the service says of itself, and the values where they are wanted.

Written piece by piece, with a turn for everybody else between two pieces, and compressed on the
way: a site of 10,000 meters fills forty megabytes.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from energymeter.clock import Clock
from energymeter.service.snapshot import Snapshot
from energymeter.site.sinks import PrometheusEntry
from energymeter.web.meter_labels import MeterLabels
from energymeter.web.meter_values import MeterValues
from energymeter.web.own_metrics import RESERVED, OwnMetrics
from energymeter.web.text_format import Dialect, dialect_of

__all__ = ["Exposition", "metrics_router"]

_GZIP: Final = zlib.MAX_WBITS | 16
_LEVEL: Final = 1
"""The quickest: the text repeats itself so much that it shrinks to an eighth all the same."""


class Exposition:
    """Writes the page.

    Args:
        snapshot: Where everything stands.
        entry: Which values of meters are wanted; None: none.
    """

    def __init__(self, snapshot: Snapshot, entry: PrometheusEntry | None) -> None:
        self._labels = MeterLabels(snapshot)
        self._own = OwnMetrics(snapshot, self._labels)
        self._values = (
            None if entry is None else MeterValues(snapshot, entry, self._labels, RESERVED)
        )

    def pieces(self, now: datetime, dialect: Dialect) -> Iterator[str]:
        """The page in pieces; an empty one lets others have their turn."""
        self._labels.forget_others()
        yield from self._own.pieces(now, dialect)
        if self._values is not None:
            yield from self._values.pieces(now, dialect)
        yield dialect.end


def metrics_router(
    snapshot: Snapshot, entry: PrometheusEntry | None, clock: Clock, path: str
) -> APIRouter:
    """The route Prometheus asks.

    Args:
        snapshot: Where everything stands.
        entry: Which values of meters are wanted; None: none, only what is told of the service.
        clock: Says how old values are.
        path: Where the page is.
    """
    router = APIRouter()
    exposition = Exposition(snapshot, entry)

    @router.get(path, response_class=StreamingResponse)
    async def metrics(request: Request) -> StreamingResponse:
        """Everything as Prometheus reads it: text 0.0.4 or OpenMetrics, as `Accept` says."""
        dialect = dialect_of(request.headers.get("accept", ""))
        pieces = exposition.pieces(clock.now(), dialect)
        headers = {"Vary": "Accept, Accept-Encoding", "Cache-Control": "no-store"}
        if "gzip" not in request.headers.get("accept-encoding", "").lower():
            return StreamingResponse(_plain(pieces), headers=headers, media_type=dialect.value)
        headers["Content-Encoding"] = "gzip"
        return StreamingResponse(_gzip(pieces), headers=headers, media_type=dialect.value)

    return router


async def _plain(pieces: Iterator[str]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if piece:
            yield piece.encode("utf-8", "replace")
        await asyncio.sleep(0)


async def _gzip(pieces: Iterator[str]) -> AsyncIterator[bytes]:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        if piece and (packed := compressor.compress(piece.encode("utf-8", "replace"))):
            yield packed
        await asyncio.sleep(0)
    yield compressor.flush()
