"""Simulated meters on one wire, served from a thread, with all that a test can do to them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from energymeter.blocking import LoopThread
from energymeter.clock import SystemClock
from energymeter.errors import LinkClosedError
from energymeter.server import Delivery, Handler, ModbusServer, SerialLine, UnitRouter
from energymeter.simulator.faults import ActiveFault, Misbehaviour, parse_fault
from energymeter.testing.script import FaultScript, ScriptedDelivery, SeenRequest
from energymeter.testing.unit import ProfileSource, UnitDouble
from energymeter.transports import Wire

__all__ = ["LineDouble", "RunningFault"]

_GRACE_S: Final = 0.2
"""How long answers under way may take when a test is over."""


class RunningFault:
    """A fault that was begun by hand; leaving its `with` block ends it."""

    def __init__(self, active: ActiveFault, misbehaviour: Misbehaviour, thread: LoopThread) -> None:
        self._active = active
        self._misbehaviour = misbehaviour
        self._thread = thread

    def __str__(self) -> str:
        return str(self._active.fault)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def hits(self) -> int:
        """How often it has happened."""
        return self._active.hits

    def end(self) -> None:
        """End it; does nothing when it has ended by itself."""
        self._thread.run(self._end())

    async def _end(self) -> None:
        with suppress(KeyError):
            self._misbehaviour.remove(self._active.number)


class LineDouble:
    """Meters on one wire; open from the beginning, until `close` or the end of a `with` block.

    Their values stand still until they are moved; all else takes the time it takes.

    Args:
        meters: Unit number to profile; none: nobody answers, and the wire is not opened.
        wire: What the meters hang on.
        seed: The same seed and the same calls give the same values and faults.
        answers_all: Whether the only meter answers every unit number.
        has_line_timing: Whether characters take their time, at the wire's baud rate.
        thread: Where all happens, closed in the end, unless this fails; None: one of its own.

    Raises:
        ConfigError: The wire cannot be listened on, or a profile is wrong.
    """

    def __init__(  # noqa: PLR0913 - what a wire is, and what is on it
        self,
        meters: Mapping[int, ProfileSource],
        wire: Wire,
        *,
        seed: int = 0,
        answers_all: bool = False,
        has_line_timing: bool = False,
        thread: LoopThread | None = None,
    ) -> None:
        self.thread = LoopThread() if thread is None else thread
        """The loop that serves; code of yours may run there too."""
        self._server: ModbusServer | None = None
        try:
            self.units: Mapping[int, UnitDouble] = {
                number: UnitDouble(profile, seed=seed + place, thread=self.thread)
                for place, (number, profile) in enumerate(meters.items())
            }
            """The meters by unit number."""
            self._misbehaviour = Misbehaviour(seed)
            doubles = {number: unit.meter for number, unit in self.units.items()}
            faulty = self._misbehaviour.wire(
                doubles, framing=wire.framing, way=wire.way, answers_all=answers_all
            )
            inner: Delivery = faulty
            if wire.path is not None or has_line_timing:
                inner = SerialLine(
                    character_s=wire.pacing.character_s if has_line_timing else 0.0,
                    silence_s=wire.pacing.silence_s,
                    framing=wire.framing,
                    delivery=faulty,
                    clock=SystemClock(),
                )
            self._delivery = ScriptedDelivery(inner, self._misbehaviour)
            handler: Handler = UnitRouter({n: meter.tables for n, meter in doubles.items()})
            if answers_all:
                (meter,) = doubles.values()
                handler = meter.tables
            if doubles:
                server = ModbusServer.at(wire, handler, delivery=self._delivery)
                faulty.connections = lambda: server.connections
                self.thread.run(server.start())
                self._server = server
        except BaseException:
            if thread is None:
                self.thread.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """What was asked so far, the first first; also what drew no answer."""
        return self._delivery.seen

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults that are on, in the order they came."""
        return self.thread.run(self._list_faults())

    def advance(self, seconds: float) -> None:
        """See `UnitDouble.advance`; all meters."""
        for unit in self.units.values():
            unit.advance(seconds)

    def fault(self, text: str) -> RunningFault:
        """Let a fault begin, such as `late=500ms:0.1,unit=3`; `energymeter simulate` has the list.

        Raises:
            ConfigError: There is no such fault, or not on this wire; the message says why.
        """
        return self.thread.run(self._begin(text))

    def script(self, *steps: str | None) -> FaultScript:
        """Say what goes wrong with the next requests, one step for each, whoever asks what.

        Args:
            *steps: Faults as for `fault`; None: a good answer.

        Raises:
            ConfigError: As for `fault`, or there are no steps.
        """
        script = FaultScript(steps)
        self.thread.run(self._play(script))
        return script

    def clear_faults(self) -> None:
        """End all faults, and scripts that are not over."""
        self.thread.run(self._calm())

    def forget_requests(self) -> None:
        """Start again with no requests seen."""
        self._delivery.forget()

    def wait_for_requests(self, count: int = 1, *, timeout_s: float = 5.0) -> None:
        """Block until so many requests were seen since the beginning, or since `forget_requests`.

        In asyncio's loop call it with `asyncio.to_thread`, if the program under test lives there.

        Raises:
            TimeoutError: They did not come in time.
        """
        if not self._delivery.wait_for(count, timeout_s):
            msg = f"{len(self.requests)} of {count} requests came within {timeout_s:g} s"
            raise TimeoutError(msg)

    def close(self) -> None:
        """Stop answering; a second call does nothing."""
        try:
            with suppress(LinkClosedError):
                self.thread.run(self._stop())
        finally:
            self.thread.close()

    async def _begin(self, text: str) -> RunningFault:
        active = self._misbehaviour.add(parse_fault(text))
        return RunningFault(active, self._misbehaviour, self.thread)

    async def _play(self, script: FaultScript) -> None:
        self._delivery.play(script)

    async def _calm(self) -> None:
        self._misbehaviour.clear()
        self._delivery.drop_scripts()

    async def _list_faults(self) -> tuple[str, ...]:
        return tuple(str(active.fault) for active in self._misbehaviour.faults())

    async def _stop(self) -> None:
        if self._server is not None:
            await self._server.close(_GRACE_S)
