"""`energymeter demo`: a simulated site of twelve meters, and the service that reads it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from energymeter.cli.demo_site import MADE_BY, METERS, demo_site_text, start_meters
from energymeter.cli.options import PositiveFloat
from energymeter.errors import ConfigError
from energymeter.eventloop import run
from energymeter.reader import Quality, Reading
from energymeter.values.text import format_value

if TYPE_CHECKING:
    from rich.table import Table

    from energymeter.daemon.daemon import Daemon
    from energymeter.service.snapshot import MeterState

__all__ = ["command"]

_SHOWN: Final = (
    ("active_power_total", "active_power", "active_power_phase_a", "heat_power", "flow_rate"),
    (
        "active_energy_import_total",
        "active_energy_import",
        "active_energy_total",
        "heat_energy",
        "volume_total",
    ),
)
"""What it does now, and what it counted: the first that a meter has."""

_LOOK_S: Final = 2.0
"""Seconds between two looks at the meters."""

_WEB: Final = ("fastapi", "uvicorn", "nicegui")
"""What the HTTP side needs; a demo goes without unless somebody wants it."""


@click.command("demo")
@click.option(
    "--seconds",
    type=PositiveFloat(86400 * 365),
    help="Stop after this many seconds; default: never.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same values.")
@click.option(
    "--speed",
    type=PositiveFloat(3600),
    default=10.0,
    show_default=True,
    help="Simulated seconds a second, so that the counters visibly move.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for site file, store and counters, kept afterwards; default: a temporary one.",
)
@click.option(
    "--listen",
    metavar="ADDRESS:PORT",
    help="Where the HTTP side listens; default: on this machine, a free port.",
)
def command(
    seconds: float | None, seed: int, speed: float, folder: Path | None, listen: str | None
) -> int:
    """Simulate a site of twelve meters and run the service on it, until Ctrl-C.

    Electricity, water, gas and heat, of different makes; one of them misbehaves. Everything is
    real but the meters: Modbus TCP, a store, and the HTTP side whose address is printed.
    """
    if listen is None and all(map(find_spec, _WEB)):
        listen = "127.0.0.1:0"
    with _folder(folder) as place:
        try:
            return run(_demo(place, seconds, seed, speed, listen))
        except KeyboardInterrupt:
            return 0


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"{folder}: cannot be made: {error.strerror}"
            raise ConfigError(msg) from error
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="energymeter-demo-") as made:
        yield Path(made)


async def _demo(
    folder: Path, seconds: float | None, seed: int, speed: float, listen: str | None
) -> int:
    from energymeter.daemon.daemon import Daemon, follow_signals  # noqa: PLC0415 - heavy

    path = folder / "site.toml"
    async with AsyncExitStack() as stack:
        ports = await start_meters(stack, seed=seed, speed=speed, folder=folder)
        _write(path, demo_site_text(ports, listen))
        ready = asyncio.Event()
        daemon = Daemon(path, on_ready=lambda _installation: ready.set())
        follow_signals(daemon)
        running = asyncio.create_task(daemon.run())
        stack.push_async_callback(_ended, daemon, running)
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not running.done():
            _greet(daemon, path)
            await _show(daemon, running, seconds)
    return 0


async def _ended(daemon: Daemon, running: asyncio.Task[None]) -> None:
    """End the service before its meters; what it failed with is raised."""
    daemon.stop()
    await running


def _write(path: Path, text: str) -> None:
    """Write the site file, over an older one of a demo only.

    Raises:
        ConfigError: There is another site file, or it cannot be written.
    """
    try:
        if path.exists() and not path.read_text("utf-8", "replace").startswith(MADE_BY):
            msg = f"{path}: is not of a demo, name another folder"
            raise ConfigError(msg)
        path.write_text(text, "utf-8")
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror}"
        raise ConfigError(msg) from error


def _greet(daemon: Daemon, path: Path) -> None:
    click.echo(f"simulating {len(METERS)} meters, site file {path}")
    address = "" if daemon.installation is None else daemon.installation.address
    if address:
        if find_spec("nicegui") is not None:
            click.echo(f"page     {address}/")
        click.echo(f"API      {address}/api/openapi.json")
        click.echo(f"metrics  {address}/metrics")
        if find_spec("textual") is not None:
            click.echo(f"screen   energymeter top {address}")
        click.echo(f"status   energymeter status {address}")
    click.echo("Ctrl-C ends")


async def _show(daemon: Daemon, running: asyncio.Task[None], seconds: float | None) -> None:
    """Show the meters until the time is over or the service has ended."""
    with _screen() as show, suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not running.done():
                await asyncio.wait([running], timeout=_LOOK_S)
                if daemon.installation is not None:  # else it is beginning anew
                    now = datetime.now(UTC)
                    snapshot = daemon.installation.snapshot
                    show([_row(state, now) for state in snapshot.meters.values()], now)


@contextmanager
def _screen() -> Iterator[Callable[[Sequence[_Row], datetime], None]]:
    """Shows meters: a table renewed in place on a terminal, line after line elsewhere."""
    if not sys.stdout.isatty():
        yield lambda rows, now: click.echo("\n".join(_lines(rows, now)))
        return
    from rich.live import Live  # noqa: PLC0415 - only a terminal pays for it

    from energymeter.daemon.logs import set_up  # noqa: PLC0415 - heavy

    with Live(auto_refresh=False) as live:
        set_up("info", "text")  # stderr is another one now, which writes above the table
        yield lambda rows, now: live.update(_table(rows, now), refresh=True)


class _Row(NamedTuple):
    """One meter, for people."""

    name: str
    shown: tuple[str, ...]
    """What it does now and what it counted; empty where it has nothing good."""

    told: str
    """How many values came, and what went wrong."""

    is_well: bool


def _lines(rows: Sequence[_Row], now: datetime) -> Iterator[str]:
    when = now.astimezone().strftime("%H:%M:%S")
    for row in rows:
        shown = ", ".join(filter(None, row.shown))
        yield f"{when} {row.name:<12} {shown}{'; ' if shown else ''}{row.told}"


def _table(rows: Sequence[_Row], now: datetime) -> Table:
    from rich.table import Table  # noqa: PLC0415 - only a terminal pays for it
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    table.add_column("meter", no_wrap=True, min_width=12)
    table.add_column("now", justify="right", no_wrap=True, min_width=12)
    table.add_column("counted", justify="right", no_wrap=True, min_width=13)
    table.add_column(now.astimezone().strftime("%H:%M:%S"), no_wrap=True, overflow="ellipsis")
    for row in rows:
        told = Text(row.told, style="" if row.is_well else "red")
        table.add_row(row.name, *row.shown, told)
    return table


def _row(state: MeterState, now: datetime) -> _Row:
    name = state.info.name
    if state.fault:
        return _Row(name, ("",) * len(_SHOWN), f"no answer: {state.fault}", is_well=False)
    values = {reading.name: reading for reading in state.readings(now)}
    good = sum(reading.quality is Quality.GOOD for reading in values.values())
    shown = tuple(_figure(state, values, names) for names in _SHOWN)
    failures = [failure for report in state.reports if report for failure in report.failures]
    if not failures:
        return _Row(name, shown, f"{len(values)} values", is_well=True)
    told = f"{good} of {len(values)} values: {failures[0].error}"
    return _Row(name, shown, told, is_well=False)


def _figure(state: MeterState, values: Mapping[str, Reading], names: Sequence[str]) -> str:
    """The first of these values that the meter has; empty when it is not good."""
    found = next((values[name] for name in names if name in values), None)
    if found is None or found.value is None or found.quality is not Quality.GOOD:
        return ""
    series = next(each for each in state.info.series if each.name == found.name)
    number = format_value(found.value, series.type, series.divisor)
    return f"{number} {found.unit}".rstrip()
