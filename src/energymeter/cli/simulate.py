"""`energymeter simulate`: be a meter, or many."""

from __future__ import annotations

import asyncio
import secrets
import signal

import click

from energymeter.cli.options import find_profile, meter_options
from energymeter.errors import ConfigError
from energymeter.eventloop import run
from energymeter.simulator import SimulatedFleet

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
    type=click.FloatRange(0, 86400, min_open=True),
    default=1.0,
    show_default=True,
    help="Simulated seconds a second.",
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
) -> int:
    """Answer like a meter on Modbus TCP, with values that move, until Ctrl-C."""
    if meter_type and (profile or device):
        msg = "give --meter-type or --profile or --device, not two of them"
        raise ConfigError(msg)
    if not (profile or device):
        profile = f"energymeter/{meter_type or 'electric'}"
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    fleet_of = find_profile(profile, device)
    fleet = SimulatedFleet(fleet_of, count=count, seed=seed, speed=speed, host=address, port=port)
    try:
        return run(_serve(fleet, address, seed))
    except KeyboardInterrupt:
        return 0


async def _serve(fleet: SimulatedFleet, address: str, seed: int) -> int:
    async with fleet:
        ports = fleet.ports
        where = f"{address}:{ports[0]}"
        plural = f"{len(ports)} meters" if len(ports) > 1 else "meter"
        until = f" to {ports[-1]}" if len(ports) > 1 else ""
        click.echo(f"simulating {fleet.profile.name} ({plural}) on {where}{until}, seed {seed}")
        click.echo("Ctrl-C ends")
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
    return 0
