"""`energymeter demo`: a simulated site of twelve meters, and the service that reads it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from energymeter.cli.demo_site import METERS, demo_site_text, start_meters
from energymeter.cli.options import PositiveFloat
from energymeter.eventloop import run
from energymeter.reader import Quality
from energymeter.values.text import format_value

if TYPE_CHECKING:
    from energymeter.daemon.daemon import Daemon
    from energymeter.daemon.installation import Installation
    from energymeter.service.snapshot import MeterState, Snapshot

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

_LINE_S: Final = 2.0
"""Seconds between two lines for each meter where there is no terminal."""


@click.command("demo")
@click.option(
    "--seconds", type=PositiveFloat(86400 * 365), help="End after so long; default: never."
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
    help="Where site file and store go, and stay; default: a folder that is removed at the end.",
)
@click.option(
    "--listen",
    default="127.0.0.1:0",
    metavar="ADDRESS:PORT",
    help="Where the HTTP side listens; default: on this machine, a free port.",
)
def command(
    seconds: float | None, seed: int, speed: float, folder: Path | None, listen: str
) -> int:
    """Simulate a site of twelve meters and run the service on it, until Ctrl-C.

    Electricity, water, gas and heat, of different makes; one of them misbehaves. Everything is
    real but the meters: Modbus TCP, a store, and the HTTP side whose address is printed.
    """
    with _folder(folder) as place:
        try:
            return run(_demo(place, seconds, seed, speed, listen))
        except KeyboardInterrupt:
            return 0


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="energymeter-demo-") as made:
        yield Path(made)


async def _demo(folder: Path, seconds: float | None, seed: int, speed: float, listen: str) -> int:
    from energymeter.daemon.daemon import Daemon, follow_signals  # noqa: PLC0415 - heavy

    async with AsyncExitStack() as stack:
        ports = await start_meters(stack, seed=seed, speed=speed)
        path = folder / "site.toml"
        path.write_text(demo_site_text(ports, listen), "utf-8")
        ready = asyncio.Event()
        daemon = Daemon(path, on_ready=lambda _installation: ready.set())
        follow_signals(daemon)
        running = asyncio.create_task(daemon.run())
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if daemon.installation is not None and ready.is_set():
            await _show(daemon, daemon.installation, running, path, seconds)
        await running
    return 0


async def _show(
    daemon: Daemon,
    installation: Installation,
    running: asyncio.Task[None],
    path: Path,
    seconds: float | None,
) -> None:
    click.echo(f"simulating {len(METERS)} meters, site file {path}")
    if installation.address:
        click.echo(f"health   {installation.address}/health")
        click.echo(f"metrics  {installation.address}/metrics")
        click.echo(f"status   energymeter status {installation.address}")
    click.echo("Ctrl-C ends")
    with _screen() as show:
        try:
            async with asyncio.timeout(seconds):
                while not running.done():
                    await asyncio.wait([running], timeout=_LINE_S)
                    show(list(_lines(installation.snapshot, datetime.now(UTC))))
        except TimeoutError:
            daemon.stop()


@contextmanager
def _screen() -> Iterator[Callable[[Sequence[str]], None]]:
    """Shows lines: renewed in place on a terminal, one after the other elsewhere."""
    if not sys.stdout.isatty():
        yield lambda lines: click.echo("\n".join(lines))
        return
    from rich.live import Live  # noqa: PLC0415 - only a terminal pays for it
    from rich.text import Text  # noqa: PLC0415

    with Live(auto_refresh=False) as live:
        yield lambda lines: live.update(Text("\n".join(lines)), refresh=True)


def _lines(snapshot: Snapshot, now: datetime) -> Iterator[str]:
    """A line for each meter."""
    when = now.astimezone().strftime("%H:%M:%S")
    for state in snapshot.meters.values():
        yield f"{when} {state.info.name:<12} {_what(state, now)}"


def _what(state: MeterState, now: datetime) -> str:
    if state.fault:
        return f"no answer: {state.fault}"
    values = {reading.name: reading for reading in state.readings(now)}
    types = {series.name: series for series in state.info.series}
    parts = []
    for names in _SHOWN:
        found = next((values[name] for name in names if name in values), None)
        if found is not None and found.value is not None and found.quality is Quality.GOOD:
            series = types[found.name]
            number = format_value(found.value, series.type, series.divisor)
            parts.append(f"{number} {found.unit}".rstrip())
    return f"{', '.join(parts) or 'answers'}; {len(values)} values"
