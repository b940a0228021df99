"""Lets a scenario happen, moment by moment, by the clock it is given."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from energymeter.clock import Clock
from energymeter.errors import ConfigError
from energymeter.simulator.control import SimulatorControl
from energymeter.simulator.scenario import Action, Scenario, Step
from energymeter.transports.options import duration_text

__all__ = ["Timeline"]

_log = logging.getLogger(__name__)


class _Event(NamedTuple):
    at: float
    order: int
    """Number of the step, below 0 for its end: what ends comes first, then as it is written."""

    step: Step
    end: Callable[[], None] | None = None
    """Ends it; None: it begins."""


class Timeline:
    """A scenario that runs.

    Args:
        scenario: What happens.
        control: To whom.
        clock: When: `at` counts in its seconds from the start of `run`.
        tell: Called with a sentence at each event; None: they go into the log.

    Raises:
        ConfigError: A step is for a meter or a wire that is not there.
    """

    def __init__(
        self,
        scenario: Scenario,
        control: SimulatorControl,
        clock: Clock,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._control = control
        self._clock = clock
        self._tell = tell if tell is not None else _log.info
        self._events: list[_Event] = []
        for number, step in enumerate(scenario.step, start=1):
            try:
                if step.fault is not None:
                    control.check_fault(step.fault)
                else:
                    control.check_units(step.unit)
            except ConfigError as error:
                msg = f"step {number}: {error}"
                raise ConfigError(msg) from error
            heapq.heappush(self._events, _Event(step.at, number, step))

    async def run(self) -> None:
        """Let it happen; returns when nothing more will."""
        start = self._clock.monotonic()
        while self._events:
            event = heapq.heappop(self._events)
            await self._clock.sleep_until(start + event.at)
            self._happen(event)

    def _happen(self, event: _Event) -> None:
        at, order, step, end = event
        if end is not None:
            end()
            self._tell(f"{duration_text(at)}: over: {step}")
            return
        end = self._begin(step)
        self._tell(f"{duration_text(at)}: {step}")
        if step.for_s is not None:
            heapq.heappush(self._events, _Event(at + step.for_s, -order, step, end))
        if step.every is not None:
            heapq.heappush(self._events, _Event(at + step.every, order, step))

    def _begin(self, step: Step) -> Callable[[], None]:
        """Let a step begin; returns what ends it."""
        if step.fault is None:
            self._do(step.do, step)
            return lambda: self._do(step.undone_by, step)
        number = self._control.add_fault(step.fault).number

        def end() -> None:
            with suppress(LookupError):  # a fault knows itself how long it lasts
                self._control.remove_fault(number)

        return end

    def _do(self, action: Action | None, step: Step) -> None:
        match action:
            case Action.RESET_COUNTERS:
                self._control.reset_counters(step.unit)
            case Action.OFFLINE | Action.ONLINE:
                self._control.set_online(action is Action.ONLINE, step.unit)
            case Action.CLEAR_FAULTS:
                self._control.clear_faults()
