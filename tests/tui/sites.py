"""Sites the screen is shown, and ways to look at what it shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from tests.web.site_of import NOW, desk_of, link_of, meter_of
from textual.pilot import Pilot

from energymeter.clock import ManualClock
from energymeter.service.desk import Desk
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.snapshot import MeterState, Snapshot
from energymeter.tui.app import TopApp
from energymeter.tui.grid import Grid
from energymeter.tui.pane import Pane
from energymeter.tui.source import Source

__all__ = ["Screen", "plant", "read_again", "showing", "silent"]

LIMIT_S = 10.0


def meter(name: str, power: float, energy: float, **more: Any) -> MeterState:
    """A meter of electricity."""
    values = {
        "voltage_phase_a": (230.1, "V"),
        "active_power_total": (power, "W"),
        "active_energy_import_total": (energy, "kWh"),
    }
    return meter_of(name, values, **more)


def silent(state: MeterState, why: str = "no answer within 1 s") -> MeterState:
    state.fault, state.fault_since = why, NOW - timedelta(minutes=5)
    state.polls = state.failed = 3
    return state


def plant(count: int = 12) -> Desk:
    """`m00`, `m01`, ...: the higher the number, the more power and the less energy."""
    snapshot = Snapshot("plant", NOW)
    for number in range(count):
        name = f"m{number:02d}"
        labels = {"circuit": "roof" if number % 4 == 0 else "hall"}
        snapshot.meters[name] = meter(name, 100.0 * number, 5000.0 - number, labels=labels)
    half = count // 2
    names = list(snapshot.meters)
    snapshot.links = {
        "north": link_of("north", names[:half]),
        "south": link_of("south", names[half:], "rtu+tcp://192.0.2.2:502"),
    }
    snapshot.links["north"].utilisation = 0.25
    clock = ManualClock(NOW + timedelta(seconds=2))
    events = EventStream(clock)
    events.tell(Level.INFO, Topic.SERVICE, "", "started")
    events.tell(Level.WARNING, Topic.METER, "m03", "m03 does not answer")
    return desk_of(snapshot, events, clock)


def read_again(state: MeterState, power: float) -> None:
    """The meter was polled once more."""
    fresh = meter(state.info.name, power, 5000.0)
    state.reports, state.polls, state.revision = fresh.reports, state.polls + 1, state.revision + 1


class Screen:
    """A screen that runs without a terminal."""

    def __init__(self, app: TopApp, pilot: Pilot[str]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def upper(self) -> Grid:
        return self.app.query_one("#upper", Grid)

    @property
    def lower(self) -> Grid:
        return self.app.query_one("#lower", Grid)

    @property
    def head(self) -> str:
        return self.app.query_one("#head", Pane).text

    def column(self, number: int = 0) -> list[str]:
        """A column of what is seen of the upper table."""
        return [cells[number].strip() for cells in self.upper.shown]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until the screen shows it."""
        for _ in range(int(LIMIT_S / 0.01)):
            if holds():
                return
            await self.pilot.pause(0.01)
        lines = "\n".join("  ".join(cells) for cells in self.upper.shown)
        msg = f"the screen does not show it: {what}\n{self.head}\n{lines}"
        raise AssertionError(msg)


@asynccontextmanager
async def showing(source: Source, *, size: tuple[int, int] = (120, 30)) -> AsyncGenerator[Screen]:
    """The screen, as soon as it shows the site."""
    app = TopApp(source, interval_s=0.1)
    async with app.run_test(size=size) as pilot:
        screen = Screen(app, pilot)
        await screen.until(lambda: app.picture.overview is not None, "the site")
        await screen.until(lambda: screen.upper.shown, "meters")
        yield screen
