"""A connection that shall always be there: it is opened again whenever it is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from energymeter.clock import Clock, SystemClock
from energymeter.errors import LinkOpenError
from energymeter.transports.relay import Relay

__all__ = ["Standing"]

_log = logging.getLogger(__name__)

_PAUSE_S: Final = 1.0
"""From a loss, or an attempt that failed, to the next attempt."""


class Standing:
    """One connection after the other, each with a new protocol object, until it is closed.

    Args:
        name: What it is, for the log.
        connect: Opens a connection for a relay, or raises `LinkOpenError`.
        in_words: What a loss is to be called.
        clock: What pauses are measured by.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[Relay], Awaitable[None]],
        *,
        in_words: Callable[[Exception], Exception] = lambda error: error,
        clock: Clock | None = None,
    ) -> None:
        self._name = name
        self._connect = connect
        self._in_words = in_words
        self._clock = SystemClock() if clock is None else clock
        self._factory: Callable[[], asyncio.Protocol] | None = None
        """None: closed."""
        self._relay: Relay | None = None
        self._opening: asyncio.Task[None] | None = None

    async def open(self, factory: Callable[[], asyncio.Protocol]) -> None:
        """Make the first connection.

        Raises:
            LinkOpenError: It did not work, and is not tried again.
        """
        self._factory = factory
        try:
            await self._open_once()
        except BaseException:
            self._factory = None
            raise

    def begin(self, factory: Callable[[], asyncio.Protocol]) -> None:
        """Make the first connection in the background, as often as it takes."""
        self._factory = factory
        self._opening = asyncio.get_running_loop().create_task(self._open_at_last(0.0))

    def close(self) -> None:
        """Make no connection any more; one that is there stays."""
        self._factory = None
        # uvloop tells nobody of a connection whose attempt is cancelled when it has succeeded.
        if self._opening is not None and (self._relay is None or self._relay.transport is None):
            self._opening.cancel()

    async def wait_closed(self) -> None:
        """Return once no attempt is under way any more."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
            self._opening = None

    async def _open_once(self) -> None:
        if self._factory is not None:
            self._relay = Relay(
                self._factory,
                in_words=self._in_words,
                lost=self._lost,
                is_wanted=lambda: self._factory is not None,
            )
            await self._connect(self._relay)

    async def _open_at_last(self, pause_s: float) -> None:
        while self._factory is not None:
            self._relay = None
            if pause_s:
                await self._clock.sleep_until(self._clock.monotonic() + pause_s)
            pause_s = _PAUSE_S
            try:
                await self._open_once()
            except LinkOpenError as error:
                _log.debug("%s", error.message)
            else:
                return

    def _lost(self) -> None:
        if self._factory is not None:
            _log.info("the connection of %s is gone, it is made again", self._name)
            self._opening = asyncio.get_running_loop().create_task(self._open_at_last(_PAUSE_S))
