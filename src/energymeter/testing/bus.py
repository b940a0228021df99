"""A serial line without hardware, with simulated meters at its far end. POSIX only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from energymeter.blocking import LoopThread
from energymeter.testing.line import LineDouble
from energymeter.testing.modem import NullModem
from energymeter.testing.unit import ProfileSource
from energymeter.transports import Wire, parse_wire

__all__ = ["PtyBus"]


class PtyBus(LineDouble):
    """Two joined serial ports; the meters, if any, answer at the far one, each as its own unit.

    A pty takes any baud rate and parity and keeps none: a client with the wrong ones is answered.

    Args:
        meters: Unit number, 1 to 247, to profile; none: both ports are for you.
        seed: The same seed and the same calls give the same values and faults.
        baudrate: What the line is said to have; it sets the silence between frames.
        framing: `rtu` or `ascii`.
        has_line_timing: Whether characters take their time at that baud rate.

    Raises:
        ConfigError: A profile or the baud rate is wrong, or this system has no ptys.
    """

    def __init__(
        self,
        meters: Mapping[int, ProfileSource] | None = None,
        *,
        seed: int = 0,
        baudrate: int = 9600,
        framing: Literal["rtu", "ascii"] = "rtu",
        has_line_timing: bool = False,
    ) -> None:
        wire = parse_wire(f"{framing}:///dev/null?baudrate={baudrate}")
        self._modem = NullModem()
        self._near: Wire = replace(wire, path=self._modem.path)
        self._far: Wire = replace(wire, path=self._modem.far_path)
        thread = LoopThread()
        try:
            thread.run(self._attach())
            super().__init__(
                meters or {}, self._far, seed=seed, has_line_timing=has_line_timing, thread=thread
            )
        except BaseException:
            thread.run(self._detach())
            thread.close()
            raise

    def __str__(self) -> str:
        return f"units {', '.join(map(str, self.units)) or 'none'} at {self.url}"

    @property
    def path(self) -> str:
        """The serial port for the program under test, such as `/dev/pts/3`."""
        return self._modem.path

    @property
    def far_path(self) -> str:
        """The serial port the meters have opened; free where there are none."""
        return self._modem.far_path

    @property
    def url(self) -> str:
        """Where a client finds the meters, such as `rtu:///dev/pts/3`."""
        return str(self._near)

    async def _stop(self) -> None:
        try:
            await super()._stop()
        finally:
            self._modem.close()

    async def _attach(self) -> None:
        self._modem.attach(asyncio.get_running_loop())

    async def _detach(self) -> None:
        self._modem.close()
