"""Lets a scenario happen, moment by moment, by the clock it is given."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable
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
    """Of two at one moment the one that was written first comes first, and ends before that."""

    step: Step
    is_end: bool


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
            heapq.heappush(self._events, _Event(step.at, number, step, is_end=False))

    async def run(self) -> None:
        """Let it happen; returns when nothing more will."""
        start = self._clock.monotonic()
        while self._events:
            event = heapq.heappop(self._events)
            await self._clock.sleep_until(start + event.at)
            self._happen(event)

    def _happen(self, event: _Event) -> None:
        at, order, step, is_end = event
        if is_end:
            self._end(step)
            self._tell(f"{duration_text(at)}: over: {step}")
            return
        self._begin(step)
        self._tell(f"{duration_text(at)}: {step}")
        if step.for_s is not None:
            heapq.heappush(self._events, _Event(at + step.for_s, -1, step, is_end=True))
        if step.every is not None:
            heapq.heappush(self._events, _Event(at + step.every, order, step, is_end=False))

    def _begin(self, step: Step) -> None:
        if step.fault is not None:
            self._control.add_fault(step.fault)
        elif step.do is not None:
            self._do(step.do, step)

    def _end(self, step: Step) -> None:
        # A fault ends by itself: it knows how long it lasts.
        if step.undone_by is not None:
            self._do(step.undone_by, step)

    def _do(self, action: Action, step: Step) -> None:
        match action:
            case Action.RESET_COUNTERS:
                self._control.reset_counters(step.unit)
            case Action.OFFLINE | Action.ONLINE:
                self._control.set_online(action is Action.ONLINE, step.unit)
            case Action.CLEAR_FAULTS:
                self._control.clear_faults()
