"""`energymeter simulate`: be a meter, or many."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from pathlib import Path

import click

from energymeter.cli.options import PositiveFloat, find_profile, meter_options
from energymeter.errors import ConfigError
from energymeter.eventloop import run
from energymeter.simulator import SimulatedFleet
from energymeter.simulator.statefile import saved_seed

__all__ = ["command"]


@click.command("simulate")
@click.option(
    "-t",
    "--meter-type",
    type=click.Choice(["electric", "water", "gas"], case_sensitive=False),
    help="A meter of the documented map; default: electric.",
)
@meter_options
@click.option(
    "-p",
    "--port",
    type=click.IntRange(0, 65535),
    default=5020,
    show_default=True,
    help="TCP port; 0 lets the system choose.",
)
@click.option(
    "-a", "--address", default="127.0.0.1", show_default=True, help="Address to listen on."
)
@click.option("--seed", type=int, help="Same seed, same values; default: a new one, printed.")
@click.option(
    "--count",
    type=click.IntRange(1, 65535),
    default=1,
    show_default=True,
    help="Meters, on consecutive ports.",
)
@click.option(
    "--speed",
    type=PositiveFloat(86400),
    default=1.0,
    show_default=True,
    help="Simulated seconds a second.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that keeps the counters (and the seed) over a restart.",
)
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    meter_type: str | None,
    profile: str | None,
    device: str | None,
    port: int,
    address: str,
    seed: int | None,
    count: int,
    speed: float,
    state: Path | None,
) -> int:
    """Answer like a meter on Modbus TCP, with values that move, until Ctrl-C."""
    if meter_type and (profile or device):
        msg = "give --meter-type or --profile or --device, not two of them"
        raise ConfigError(msg)
    if not (profile or device):
        profile = f"energymeter/{meter_type or 'electric'}"
    if seed is None and state is not None:
        seed = saved_seed(state)
    if seed is None:
        seed = secrets.randbelow(1_000_000)
    meter = find_profile(profile, device)
    fleet = SimulatedFleet(
        meter,
        count=count,
        seed=seed,
        speed=speed,
        host=address,
        port=port,
        state_path=state,
    )
    try:
        return run(_serve(fleet, address, seed))
    except KeyboardInterrupt:
        return 0


async def _serve(fleet: SimulatedFleet, address: str, seed: int) -> int:
    stop = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
        # SIGINT too: a shell starts its background jobs with Ctrl-C ignored.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with fleet:
        ports = fleet.ports
        many = f"{len(ports)} meters " if len(ports) > 1 else ""
        until = f" to {ports[-1]}" if len(ports) > 1 else ""
        where = f"{address}:{ports[0]}{until}"
        click.echo(f"simulating {many}{fleet.profile.name} on {where}, seed {seed}")
        if fleet.without_physics:
            click.echo(f"not moved, no physics for: {', '.join(fleet.without_physics)}")
        click.echo("Ctrl-C ends")
        await stop.wait()
    return 0
