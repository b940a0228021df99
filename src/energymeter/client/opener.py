"""Open a link when it is needed, and again when it was lost; pause after each failure.

One connection at a time. Between failed attempts it waits longer and longer (`Backoff`). An
attempt counts as a success once something was heard on the connection: a peer that has no place
left often accepts, and hangs up. It knows nothing of turns and pauses.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Final

from energymeter.client.backoff import Backoff
from energymeter.client.connection import Connection, State
from energymeter.client.tap import Tap
from energymeter.clock import Clock
from energymeter.codec import ClientState, Framer, Framing, OrderedState, Side, make_framer
from energymeter.codec.echo import EchoRemover
from energymeter.errors import LinkClosedError, LinkLostError, LinkOpenError
from energymeter.transports import Endpoint

__all__ = ["USUAL_BACKOFF", "Opener"]

_log = logging.getLogger(__name__)

USUAL_BACKOFF: Final = Backoff()

_HANG_UPS: Final = 3
"""Connections in a row that a peer accepts and ends without a word, when asked, until that counts
as a failure to open."""


class Opener:
    """What opens and closes a link. Arguments as for `Link`."""

    def __init__(  # noqa: PLR0913 - what the link was told
        self,
        endpoint: Endpoint,
        *,
        framing: Framing,
        is_ordered: bool,
        removes_echo: bool,
        connect_timeout_s: float,
        backoff: Backoff,
        clock: Clock,
        tap: Tap | None,
    ) -> None:
        self.endpoint = endpoint
        self.framing = framing
        self.clock = clock
        self.tap = tap
        self.connection: Connection | None = None
        """The one there is now."""
        self.opened_at = 0.0
        """When it was opened."""
        self._removes_echo = removes_echo
        self._connect_timeout_s = connect_timeout_s
        self._backoff = backoff
        # What every connection's state goes on from; its framer is never fed.
        self._state: State = (
            OrderedState(self._make_framer()) if is_ordered else ClientState(self._make_framer())
        )
        self._opening = asyncio.Lock()
        self._limit: asyncio.Timeout | None = None
        self._failures = 0
        self._hang_ups = 0
        """In a row, without a word."""
        self._retry_at = 0.0
        self._reason = ""
        self._is_closed = False

    def __str__(self) -> str:
        return str(self.endpoint)

    async def connected(self) -> Connection:
        """The connection there is, or a new one.

        Raises:
            LinkOpenError: It cannot be opened, or failed so recently that it is left alone.
            LinkClosedError: `close` was called.
        """
        async with self._opening:
            if self._is_closed:
                raise self._closed()
            if self.connection is None:
                self._check_alone()
                self.connection = await self._open()
                self.opened_at = self.clock.monotonic()
                _log.debug("connected to %s", self)
            return self.connection

    async def close(self) -> None:
        """Close for good; what is under way ends with `LinkClosedError`."""
        self._is_closed = True
        limit = self._limit
        if limit is not None and not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())
        connection = self.connection
        if connection is not None:
            connection.drop(self._closed)
            await connection.gone.wait()
        async with self._opening:  # an attempt under way has come to its end
            self.endpoint.release()

    def on_lost(self, connection: Connection, reason: str, *, by_peer: bool) -> None:
        """See `connection.Owner`."""
        if self.connection is not connection:
            return
        self.connection = None
        _log.debug("connection to %s is gone", self)
        if connection.was_heard:
            self._failures = self._hang_ups = 0
        elif by_peer and connection.is_wanted:
            self._hang_ups += 1
            if self._failures or self._hang_ups >= _HANG_UPS:  # fewer may be a whim
                self._note_failure(reason)

    def _check_alone(self) -> None:
        wait_s = self._retry_at - self.clock.monotonic()
        if wait_s > 0:
            msg = f"{self._reason}; next attempt in {wait_s:.1f} s"
            raise LinkOpenError(msg, endpoint=str(self))

    async def _open(self) -> Connection:
        try:
            connection = await self._connect()
        except TimeoutError as error:
            if self._is_closed:
                raise self._closed() from None
            msg = f"{self} did not accept a connection within {self._connect_timeout_s:g} s"
            self._note_failure(msg)
            raise LinkOpenError(msg, endpoint=str(self)) from error
        except LinkOpenError as error:
            self._note_failure(error.message)
            raise
        if connection.gone.is_set():
            msg = f"{self} accepted the connection and closed it at once"
            self._note_failure(msg)
            raise LinkOpenError(msg, endpoint=str(self))
        if self._is_closed:  # meanwhile
            connection.drop(self._closed)
            raise self._closed()
        return connection

    async def _connect(self) -> Connection:
        self._state = self._state.renewed(self._make_framer())
        packets = self._make_framer if self.endpoint.is_datagram else None
        connection = Connection(self, self._state, packets)
        try:
            async with asyncio.timeout(self._connect_timeout_s) as self._limit:
                await self.endpoint.connect(lambda: connection)
        except BaseException:
            # The loop may still complete an attempt that was given up: it is dropped then.
            connection.drop(self._given_up)
            raise
        finally:
            self._limit = None
        return connection

    def _make_framer(self) -> Framer:
        framer = make_framer(self.framing, Side.CLIENT)
        return EchoRemover(framer) if self._removes_echo else framer

    def _closed(self) -> LinkClosedError:
        return LinkClosedError(f"the link to {self} was closed", endpoint=str(self))

    def _given_up(self) -> LinkLostError:
        msg = f"the attempt to connect to {self} was given up"
        return LinkLostError(msg, endpoint=str(self))

    def _note_failure(self, reason: str) -> None:
        self._failures += 1
        self._reason = reason
        pause_s = self._backoff.pause_s(self._failures, random.random())  # noqa: S311
        self._retry_at = self.clock.monotonic() + pause_s
        _log.debug("%s; left alone for %.2f s", reason, pause_s)
