"""The client for scripts without asyncio: the same link, driven from a thread of its own.

Every call hands a coroutine to the link's event loop and waits for the result; there is no
second implementation. Calls may come from any thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Self, TypeVar

from energymeter.client import Link, Unit
from energymeter.errors import LinkClosedError
from energymeter.eventloop import new_event_loop
from energymeter.profiles import Profile
from energymeter.reader import MeterReader, ReadReport, wire_cost
from energymeter.transports import parse_wire

__all__ = ["BlockingLink", "BlockingUnit", "LoopThread"]

Result = TypeVar("Result")

_LAST_MOMENT_S: Final = 1.0
"""How long calls that are under way may take to end with their errors before they are cancelled."""


class LoopThread:
    """An event loop in a daemon thread, running coroutines for callers that wait."""

    def __init__(self) -> None:
        self._loop = new_event_loop()
        self._gate = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="energymeter-link", daemon=True
        )
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run to the end and return the result or raise the error; Ctrl-C cancels it.

        Raises:
            LinkClosedError: `close` was called before, or this is a fork of the process that made
                it: threads stay behind.
        """
        with self._gate:
            if self._is_closed or not self._thread.is_alive():
                coroutine.close()
                msg = "the link was closed"
                if not self._is_closed:
                    msg = "the link belongs to another process, make one in each after the fork"
                raise LinkClosedError(msg)
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Stop the loop and wait for the thread to end; a second call does nothing.

        What still runs gets a moment to end by itself and is cancelled then.
        """
        with self._gate:
            if self._is_closed or not self._thread.is_alive():
                return
            self._is_closed = True
            ended = asyncio.run_coroutine_threadsafe(_end_tasks(), self._loop)
        ended.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _end_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, staying = await asyncio.wait(others, timeout=_LAST_MOMENT_S)
        for task in staying:
            task.cancel()
        if staying:
            await asyncio.wait(staying)


class BlockingLink:
    """A link to a host, for scripts; see `Link` for what it does.

    Args:
        host: Name or IP address, or a URL such as `rtu:///dev/ttyUSB0?baudrate=9600`.
        port: TCP port, 1 to 65535; of a URL, what counts when it names none.
        timeout_s: Seconds to wait for a connection and for an answer.
        max_in_flight: Requests under way at once, when several threads ask.

    Raises:
        ConfigError: An argument is wrong, or a file that the URL names cannot be used.
    """

    def __init__(
        self, host: str, port: int = 502, *, timeout_s: float = 1.0, max_in_flight: int = 1
    ) -> None:
        wire = parse_wire(host, default_port=port)
        if max_in_flight != 1:
            wire = replace(wire, max_in_flight=max_in_flight)
        self._wire = wire
        self._link = Link.to(wire, timeout_s=timeout_s)
        self.thread = LoopThread()
        """Where the link lives."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """See `Link.open`."""
        self.thread.run(self._link.open())

    def close(self) -> None:
        """Close the link and end its thread; a second call does nothing."""
        with suppress(LinkClosedError):
            self.thread.run(self._link.close())
        self.thread.close()

    def unit(self, number: int) -> BlockingUnit:
        """See `Link.unit`."""
        return BlockingUnit(self.thread, self._link.unit(number))

    def read(self, profile: Profile, unit: int | None = None) -> ReadReport:
        """Read a meter once; `unit` None means the profile's default.

        To read it again and again keep a reader, which plans once and watches the counters:
        `reader = MeterReader(link.unit(1).asynchronous, profile)`, then
        `link.thread.run(reader.read())`.
        """
        number = profile.defaults.unit if unit is None else unit
        wire = self._wire
        reader = MeterReader(
            self._link.unit(number), profile, cost=wire_cost(wire), is_numbered=wire.is_numbered
        )
        return self.thread.run(reader.read())


class BlockingUnit:
    """A unit on a blocking link; each method is `Unit`'s, waited for."""

    def __init__(self, thread: LoopThread, unit: Unit) -> None:
        self.asynchronous = unit
        """The unit itself, for use inside the link's loop."""
        self._run = thread.run

    def read_coils(self, address: int, count: int = 1) -> tuple[bool, ...]:
        """See `Unit.read_coils`."""
        return self._run(self.asynchronous.read_coils(address, count))

    def read_discrete_inputs(self, address: int, count: int = 1) -> tuple[bool, ...]:
        """See `Unit.read_discrete_inputs`."""
        return self._run(self.asynchronous.read_discrete_inputs(address, count))

    def read_holding_registers(self, address: int, count: int = 1) -> tuple[int, ...]:
        """See `Unit.read_holding_registers`."""
        return self._run(self.asynchronous.read_holding_registers(address, count))

    def read_input_registers(self, address: int, count: int = 1) -> tuple[int, ...]:
        """See `Unit.read_input_registers`."""
        return self._run(self.asynchronous.read_input_registers(address, count))

    def write_coil(self, address: int, value: bool) -> None:
        """See `Unit.write_coil`."""
        self._run(self.asynchronous.write_coil(address, value))

    def write_register(self, address: int, word: int) -> None:
        """See `Unit.write_register`."""
        self._run(self.asynchronous.write_register(address, word))

    def write_coils(self, address: int, bits: Sequence[bool]) -> None:
        """See `Unit.write_coils`."""
        self._run(self.asynchronous.write_coils(address, bits))

    def write_registers(self, address: int, words: Sequence[int]) -> None:
        """See `Unit.write_registers`."""
        self._run(self.asynchronous.write_registers(address, words))

    def mask_write_register(self, address: int, and_mask: int, or_mask: int) -> None:
        """See `Unit.mask_write_register`."""
        self._run(self.asynchronous.mask_write_register(address, and_mask, or_mask))

    def read_write_registers(
        self, *, read_address: int, read_count: int, write_address: int, words: Sequence[int]
    ) -> tuple[int, ...]:
        """See `Unit.read_write_registers`."""
        return self._run(
            self.asynchronous.read_write_registers(
                read_address=read_address,
                read_count=read_count,
                write_address=write_address,
                words=words,
            )
        )

    def echo(self, data: bytes = b"\x00\x00") -> None:
        """See `Unit.echo`."""
        self._run(self.asynchronous.echo(data))

    def report_server_id(self) -> bytes:
        """See `Unit.report_server_id`."""
        return self._run(self.asynchronous.report_server_id())

    def read_identification(self, code: int = 1) -> dict[int, bytes]:
        """See `Unit.read_identification`."""
        return self._run(self.asynchronous.read_identification(code))
