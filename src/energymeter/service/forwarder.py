"""Passes on what waits in the journal to one sink, whatever the sink does.

A sink that is not there is tried again with longer and longer pauses, one that hangs is taken for
not there, and one with a fault of its own too: its polls wait in the journal, and no other sink
waits with it. Only what the receiver has is committed, so each poll is passed on at least once, in
the order the polls of a meter were made.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from energymeter.client.backoff import Backoff
from energymeter.clock import Clock, SystemClock
from energymeter.errors import ConfigError, MeterError, SinkRejectedError, SinkUnavailableError
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.forwarder_losses import Losses, polls_text
from energymeter.service.forwarder_selection import Picking, Selection
from energymeter.service.journal_reader import Batch, JournalReader
from energymeter.service.sink import MeterInfo, Sink, SinkPoll
from energymeter.service.snapshot import SinkState

__all__ = ["Forwarder"]

_log = logging.getLogger(__name__)

_CLOSE_LIMIT_S: Final = 5.0
_BACKOFF: Final = Backoff(first_s=1.0, longest_s=60.0)


class _Held(NamedTuple):
    """A batch that is being passed on."""

    batch: Batch
    polls: Sequence[SinkPoll]
    picking: Picking


class Forwarder:
    """Serves one sink from the journal.

    Args:
        reader: The sink's own reader of the journal.
        sink: Gets the polls.
        state: What everybody sees of it.
        events: Told when the sink fails, when it works again, and when polls are lost.
        name: What the sink is called.
        meters: All meters of the site, by name.
        meter_patterns: Names of the meters it gets, `*` and `?` as in file names.
        points: Names of the values it gets, likewise.
        every_s: At most one poll of a meter in windows of so many seconds; None: every poll.
        batch: Most polls handed over at a time.
        clock: Times pauses and limits.
        backoff: The pauses after failure upon failure.
        limit_s: A call of the sink that takes longer has failed.
        chance: 0.0 to 1.0, to spread the pauses.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, as an operator sets them
        self,
        reader: JournalReader,
        sink: Sink,
        state: SinkState,
        events: EventStream,
        *,
        name: str,
        meters: Mapping[str, MeterInfo],
        meter_patterns: Sequence[str] = ("*",),
        points: Sequence[str] = ("*",),
        every_s: float | None = None,
        batch: int = 500,
        clock: Clock | None = None,
        backoff: Backoff = _BACKOFF,
        limit_s: float = 30.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._reader = reader
        self._sink = sink
        self._state = state
        self._events = events
        self._name = name
        self._selection = Selection(
            meters, meter_patterns=meter_patterns, points=points, every_s=every_s
        )
        self._most = batch
        self._clock = clock if clock is not None else SystemClock()
        self._backoff = backoff
        self._limit_s = limit_s
        self._chance = chance
        self._losses = Losses(reader, events, name, self._clock, already=state.dropped)
        self._held: _Held | None = None
        self._is_open = False
        self._is_told = self._is_told_as_bug = False
        self._failures = 0
        self._is_closing = False
        self._came = asyncio.Event()
        self._roused = asyncio.Event()
        """Ends a pause."""

        self._ended = asyncio.Event()
        self._scope: asyncio.Timeout | None = None
        """Around all of `run`; None: it is not running."""

    def wake(self) -> None:
        """The journal got something; to be called in the loop."""
        self._came.set()
        self._refresh()

    async def run(self) -> None:
        """Pass polls on until `close`; may be run again after it was cancelled or failed."""
        if self._is_closing:
            return
        self._ended.clear()
        try:
            async with asyncio.timeout(None) as self._scope:
                await self._work()
        except TimeoutError:
            if self._scope is None or not self._scope.expired():
                raise
            # The deadline of `close`: what was not passed on waits for the next start.
        finally:
            self._scope = None
            try:
                await self._let_go()
            finally:
                self._ended.set()

    async def close(self, deadline_s: float) -> None:
        """Pass on what waits for up to `deadline_s` seconds, and end `run`.

        A sink that fails now is not tried again; what waits stays in the journal.
        """
        self._is_closing = True
        self._came.set()
        self._roused.set()
        if self._scope is None:
            return
        alarm = self._clock.call_at(self._clock.monotonic() + deadline_s, self._expire)
        try:
            await self._ended.wait()
        finally:
            alarm.cancel()

    def _expire(self) -> None:
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def _work(self) -> None:
        while True:
            self._came.clear()
            try:
                await self._open()
                goes_on = await self._pass_on()
            except ConfigError as error:
                await self._give_up(error)
                return
            except Exception as error:  # a sink's own fault must not end the others' service
                self._fail(error)
                if self._is_closing:
                    return
                await self._pause(self._backoff.pause_s(self._failures, self._chance()))
                continue
            if goes_on or self._came.is_set():  # perhaps after the journal was looked into
                continue
            if self._is_closing:
                return
            await self._came.wait()

    async def _open(self) -> None:
        if not self._is_open:
            self._is_open = True  # also half: then it is closed before it is opened again
            try:
                await self._limited(self._sink.open(self._selection.meters), self._limit_s)
            except Exception:
                await self._close_sink()
                raise

    async def _pass_on(self) -> bool:
        """Hand over one batch; returns False when nothing waits."""
        if self._held is None:
            held = await asyncio.to_thread(self._fetch)
            if held.batch.is_empty:
                self._works_again(0)
                self._refresh()
                return False
            self._held = held
            self._selection.keep(held.picking)
            self._losses.note_strangers(held.picking.strangers)
        held = self._held
        if held.polls:
            waited = self._reader.waiting
            try:
                await self._send(held.polls)
            except SinkRejectedError as error:
                lost = len(held.polls) if error.lost is None else error.lost
                self._losses.note_rejected(lost, str(error))
                self._state.sent += len(held.polls) - lost
            else:
                self._state.sent += len(held.polls)
            self._works_again(waited)
        # No await between the receiver's word and this: a cancellation repeats no batch.
        self._reader.commit(held.batch)
        self._held = None
        self._refresh()
        if self._reader.is_save_due:
            await asyncio.to_thread(self._reader.save)
        return True

    async def _send(self, polls: Sequence[SinkPoll]) -> None:
        try:
            await self._limited(self._sink.send(polls), self._limit_s)
        except SinkRejectedError:
            raise
        except Exception:
            await self._close_sink()
            raise

    def _fetch(self) -> _Held:
        """The next batch, in a thread; changes nothing."""
        picking = self._selection.begin()
        try:
            batch = self._reader.read(self._most, picking.wants)
        except OSError as error:
            msg = f"the journal cannot be read ({error.strerror})"
            raise SinkUnavailableError(msg) from error
        return _Held(batch, picking.sink_polls(batch.polls), picking)

    async def _limited(self, call: Awaitable[None], limit_s: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as scope:
                alarm = self._clock.call_at(
                    self._clock.monotonic() + limit_s, lambda: scope.reschedule(loop.time())
                )
                try:
                    await call
                finally:
                    alarm.cancel()
        except TimeoutError as error:
            if not scope.expired():
                raise
            msg = f"it did not answer within {limit_s:g} s"
            raise SinkUnavailableError(msg) from error

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        state = self._state
        is_bug = not isinstance(error, (MeterError, OSError))
        if is_bug:
            text = f"failed with a fault of the program ({type(error).__name__}: {error})"
            _log.debug("sink %s failed", self._name, exc_info=error)
        else:
            text = str(error) or type(error).__name__
        if not state.fault:
            state.fault_since = self._clock.now()
        # What failed before this one took over was another sink's fault.
        if not self._is_told or (is_bug and not self._is_told_as_bug):
            self._is_told, self._is_told_as_bug = True, is_bug
            level = Level.ERROR if is_bug else Level.WARNING
            self._tell(level, f"{text}; readings wait on the disk, it is tried again")
        state.fault = text
        self._refresh()

    async def _give_up(self, error: ConfigError) -> None:
        self._state.fault = str(error)
        self._state.fault_since = self._clock.now()
        self._tell(Level.ERROR, f"{error}; it is not retried until the site file is reloaded")
        self._refresh()
        if not self._is_closing:
            await self._roused.wait()

    def _works_again(self, waited: int) -> None:
        state, since = self._state, self._state.fault_since
        self._failures = 0
        self._is_told = self._is_told_as_bug = False
        if since is None:
            return
        gap_s = (self._clock.now() - since) / timedelta(seconds=1)
        state.fault, state.fault_since = "", None
        self._tell(Level.INFO, f"works again after {gap_s:.0f} s, {polls_text(waited)} waited")

    async def _pause(self, seconds: float) -> None:
        alarm = self._clock.call_at(self._clock.monotonic() + seconds, self._roused.set)
        try:
            await self._roused.wait()
        finally:
            alarm.cancel()
            if not self._is_closing:
                self._roused.clear()

    async def _let_go(self) -> None:
        try:
            await self._close_sink()
        finally:
            await asyncio.to_thread(self._reader.save)
            self._refresh()

    async def _close_sink(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        try:
            await self._limited(self._sink.close(), _CLOSE_LIMIT_S)
        except Exception as error:  # whatever it is: it is being closed, and made anew
            _log.debug("sink %s could not be closed", self._name, exc_info=error)

    def _refresh(self) -> None:
        """Bring the state up to date, and tell what is lost."""
        self._state.waiting = self._reader.waiting
        self._state.dropped = self._losses.tell()

    def _tell(self, level: Level, text: str) -> None:
        self._events.tell(level, Topic.SINK, self._name, text)
