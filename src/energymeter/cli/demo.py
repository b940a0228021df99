"""`energymeter demo`: a simulated meter of each kind, polled over real sockets, shown live."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import click

from energymeter.cli.options import PositiveFloat
from energymeter.client import Link
from energymeter.eventloop import run
from energymeter.profiles import ProfileLibrary
from energymeter.reader import MeterReader
from energymeter.service import Poll, Poller
from energymeter.service.console import failure_lines, value_lines
from energymeter.simulator import SimulatedFleet
from energymeter.transports import TcpEndpoint

__all__ = ["command"]

_PANEL_WIDTH = 54
"""Columns the widest panel takes."""

_METERS = ("electric", "water", "gas", "pm8000")

Show = Callable[[str, Poll], None]


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
def command(seconds: float | None, seed: int, speed: float) -> int:
    """Simulate a meter of each kind, poll them every second and show it live, until Ctrl-C."""
    try:
        return run(_demo(seconds, seed, speed))
    except KeyboardInterrupt:
        return 0


async def _demo(seconds: float | None, seed: int, speed: float) -> int:
    async with AsyncExitStack() as stack:
        readers: dict[str, MeterReader] = {}
        for name in _METERS:
            profile = ProfileLibrary().load(name)
            fleet = SimulatedFleet(profile, seed=seed, speed=speed, port=0)
            await stack.enter_async_context(fleet)
            endpoint = TcpEndpoint("127.0.0.1", fleet.ports[0])
            link = await stack.enter_async_context(Link(endpoint))
            reader = MeterReader(link.unit(profile.defaults.unit), profile)
            readers[f"{name} on {endpoint}"] = reader
        if sys.stdout.isatty():
            show = _live(stack, list(readers))
        else:
            show = _plain
            for title in readers:
                click.echo(f"simulating {title}")
        pollers = [Poller(reader, 1.0, partial(show, title)) for title, reader in readers.items()]
        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for poller in pollers:
                    group.create_task(poller.run())
        except TimeoutError:
            pass
    return 0


def _plain(title: str, poll: Poll) -> None:
    """One line a poll, for a terminal that is none."""
    report = poll.report
    when = report.time.astimezone().strftime("%H:%M:%S")
    shown = [" ".join(line.split()) for line in value_lines(report)[:4]]
    click.echo(f"{when} {title}: {', '.join(shown)}, {len(report)} values")
    for line in failure_lines(report):
        click.echo(f"{when} {title}: not read: {line}", err=True)


def _live(stack: AsyncExitStack, titles: Sequence[str]) -> Show:
    from rich.columns import Columns  # noqa: PLC0415 - only a terminal pays for it
    from rich.console import Group  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.panel import Panel  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    live = stack.enter_context(Live(auto_refresh=False))
    panels = {title: Panel("", title=title) for title in titles}
    hint = Text("Real Modbus TCP on these ports: try mbpoll or `energymeter read`. Ctrl-C ends.")

    def show(title: str, poll: Poll) -> None:
        report = poll.report
        lines = [*value_lines(report), *failure_lines(report)]
        room = _lines_each(*live.console.size, len(panels))
        if len(lines) > room:
            lines = [*lines[: room - 1], f"  and {len(lines) - room + 1} more"]
        time = f"{report.time.astimezone():%H:%M:%S}"
        text = Text("\n".join(lines))
        panels[title] = Panel(text, title=title, subtitle=time, title_align="left")
        live.update(Group(hint, Columns(list(panels.values()))), refresh=True)

    return show


def _lines_each(width: int, height: int, panels: int) -> int:
    """Lines of each panel, so that all of them fit on the screen."""
    rows = -(-panels // max(1, width // _PANEL_WIDTH))
    return max(2, (height - 2) // rows - 2)
