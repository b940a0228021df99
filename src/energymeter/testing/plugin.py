"""Fixtures for the tests of programs that read meters; pytest loads this file by itself.

Every pytest run where energymeter is installed loads it, so it imports the rest when it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal, Protocol

import pytest

if TYPE_CHECKING:
    from energymeter.clock import ManualClock
    from energymeter.testing import FaultScript, LineDouble, MeterDouble, ProfileSource, PtyBus
    from energymeter.transports import MemoryLine

__all__ = [
    "BusFactory",
    "MeterFactory",
    "ScriptFactory",
    "manual_clock",
    "memory_line",
    "pty_bus",
    "scripted_fault",
    "simulated_meter",
]


class MeterFactory(Protocol):
    """What `simulated_meter` is."""

    def __call__(
        self,
        profile: ProfileSource = "electric",
        *,
        seed: int = 0,
        unit: int | None = None,
        listen: str = "tcp://127.0.0.1:0",
    ) -> MeterDouble:
        """A meter on a free port, see `MeterDouble`."""
        ...


class BusFactory(Protocol):
    """What `pty_bus` is."""

    def __call__(
        self,
        meters: Mapping[int, ProfileSource] | None = None,
        *,
        seed: int = 0,
        baudrate: int = 9600,
        framing: Literal["rtu", "ascii"] = "rtu",
        has_line_timing: bool = False,
    ) -> PtyBus:
        """A serial line, see `PtyBus`."""
        ...


class ScriptFactory(Protocol):
    """What `scripted_fault` is."""

    def __call__(self, line: LineDouble, *steps: str | None) -> FaultScript:
        """See `LineDouble.script`."""
        ...


@pytest.fixture
def simulated_meter() -> Iterator[MeterFactory]:
    """Simulated meters on free ports: `simulated_meter("pm8000", seed=1)`, any number of them.

    Each has `host`, `port` and `url`; `advance(seconds)`, `set(name, value)`, `freeze`, `release`
    move its values; `fault("late=500ms")`, `clear_faults()` its manners; `requests` is what was
    asked.
    """
    from energymeter.testing.meter import MeterDouble  # noqa: PLC0415 - see above

    with ExitStack() as opened:

        def open_meter(
            profile: ProfileSource = "electric",
            *,
            seed: int = 0,
            unit: int | None = None,
            listen: str = "tcp://127.0.0.1:0",
        ) -> MeterDouble:
            meter = MeterDouble(profile, seed=seed, unit=unit, listen=listen)
            return opened.enter_context(meter)

        yield open_meter


@pytest.fixture
def pty_bus() -> Iterator[BusFactory]:
    """Serial lines without hardware: `pty_bus({1: "sdm630", 2: "sdm120"})`; POSIX only.

    Each has `path` and `url` for the program under test, `units[2].set(name, value)` and all that
    `simulated_meter` has. `pty_bus()` is two joined ports, `path` and `far_path`, with nobody on.
    """
    if not hasattr(os, "openpty"):
        pytest.skip("pty_bus needs ptys, and this system has none (Linux, macOS and BSD have)")
    from energymeter.testing.bus import PtyBus  # noqa: PLC0415 - see above

    with ExitStack() as opened:

        def open_bus(
            meters: Mapping[int, ProfileSource] | None = None,
            *,
            seed: int = 0,
            baudrate: int = 9600,
            framing: Literal["rtu", "ascii"] = "rtu",
            has_line_timing: bool = False,
        ) -> PtyBus:
            bus = PtyBus(
                meters,
                seed=seed,
                baudrate=baudrate,
                framing=framing,
                has_line_timing=has_line_timing,
            )
            return opened.enter_context(bus)

        yield open_bus


@pytest.fixture
def scripted_fault() -> Iterator[ScriptFactory]:
    """What goes wrong with the next requests: `scripted_fault(meter, None, "silence", "late=1s")`.

    One step for each request of a simulated meter or bus, None for a good answer. A step whose
    request never came is an error at the end of the test.
    """
    scripts: list[FaultScript] = []

    def play(line: LineDouble, *steps: str | None) -> FaultScript:
        scripts.append(line.script(*steps))
        return scripts[-1]

    yield play
    for script in scripts:
        if script.remaining:
            whole = ", ".join(text or "a good answer" for text in script.steps)
            msg = f"{script.remaining} of {len(script.steps)} steps were not played of: {whole}"
            pytest.fail(msg, pytrace=False)


@pytest.fixture
def manual_clock() -> ManualClock:
    """A clock that stands still until `await manual_clock.advance(seconds)`.

    Hand it to a `Link`, a `Poller` or a `ModbusServer` as `clock`; hours pass in microseconds.
    """
    from energymeter.clock import ManualClock  # noqa: PLC0415 - see above

    return ManualClock()


@pytest.fixture
def memory_line(manual_clock: ManualClock) -> MemoryLine:
    """A line inside one event loop: `memory_line.endpoint()` leads to `memory_line.listener()`.

    Its `latency_s` is counted by `manual_clock`.
    """
    from energymeter.transports.memory import MemoryLine  # noqa: PLC0415 - see above

    return MemoryLine(clock=manual_clock)
