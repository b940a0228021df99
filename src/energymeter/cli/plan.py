"""`energymeter plan`: how a meter will be asked, and what that costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from energymeter.cli.completion import profile_names
from energymeter.cli.options import PositiveFloat, find_profile, profile_path_option
from energymeter.errors import ConfigError
from energymeter.planner import (
    FIXED_GAPS,
    Block,
    Cost,
    cost_of,
    plan_reads,
    reads_by_gap,
    serial_cost,
    tcp_cost,
)
from energymeter.profiles import Profile

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["command"]

_BAUD = 9600
_SERIAL_LATENCY_MS = 20.0
_TCP_LATENCY_MS = 5.0

_RULES = {
    "per_value": "one request a value",
    "adjacent": "adjacent values only",
    "gap_16": "gaps up to 16",
    "gap_50": "gaps up to 50",
}


@click.command("plan")
@click.argument("profile", metavar="[PROFILE]", required=False, shell_complete=profile_names)
@click.option("--device", metavar="FILE.py[:NAME]", help="A ModbusDevice instead of a profile.")
@profile_path_option
@click.option(
    "--baud",
    type=click.IntRange(50, 4_000_000),
    help=f"Serial line of this speed; default: the meter's own, or {_BAUD}.",
)
@click.option("--tcp", is_flag=True, help="Modbus TCP instead of a serial line.")
@click.option(
    "--latency-ms",
    type=PositiveFloat(60_000),
    help="Time the meter takes before it answers, over TCP the round trip; "
    f"default: {_SERIAL_LATENCY_MS:g}, over TCP {_TCP_LATENCY_MS:g}.",
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
def command(  # noqa: PLR0913, PLR0917 - one for each option
    profile: str | None,
    device: str | None,
    baud: int | None,
    tcp: bool,
    latency_ms: float | None,
    is_json: bool,
) -> int:
    """Show the cheapest requests that read a whole meter, and what simple rules would cost.

    PROFILE is a name such as eastron/sdm630 or sdm630, or a file. Costs are milliseconds of the
    wire: bytes at the line's speed, silences, and the time the meter takes to answer. A meter
    without a serial line is planned for Modbus TCP.
    """
    if (profile is None) == (device is None):
        msg = "name one meter: PROFILE, or --device FILE.py"
        raise ConfigError(msg)
    if tcp and baud is not None:
        msg = "--baud is for a serial line and --tcp is not, give one of them"
        raise click.UsageError(msg)
    meter = find_profile(profile, device)
    line = _line_of(meter, baud, latency_ms, is_tcp=tcp)
    plan = _Plan(meter, line, plan_reads(meter, cost=line.cost))
    if is_json:
        click.echo(json.dumps(_as_json(plan), indent=2, ensure_ascii=False))
    else:
        _print(plan)
    return 0


class _Line(NamedTuple):
    cost: Cost
    name: str


class _Plan(NamedTuple):
    profile: Profile
    line: _Line
    blocks: tuple[Block, ...]


def _line_of(
    profile: Profile, baud: int | None, latency_ms: float | None, *, is_tcp: bool
) -> _Line:
    transports, defaults = profile.transports, profile.defaults
    if is_tcp or (baud is None and transports and "rtu" not in transports):
        latency_ms = latency_ms or _TCP_LATENCY_MS
        return _Line(tcp_cost(latency_ms), f"over TCP, {latency_ms:g} ms there and back")
    baud = baud or defaults.baudrate or _BAUD
    latency_ms = latency_ms or _SERIAL_LATENCY_MS
    parity, stopbits = defaults.parity or "N", defaults.stopbits or 1
    bits = 1 + 8 + (parity != "N") + stopbits
    name = f"at {baud} 8{parity}{stopbits}, answering after {latency_ms:g} ms"
    return _Line(serial_cost(baud, latency_ms, bits), name)


def _words(blocks: Sequence[Block]) -> int:
    """Registers in the answers; of bits, the registers they would fill."""
    return sum(-(-block.count // 16) if block.table.is_bits else block.count for block in blocks)


def _ms(blocks: Sequence[Block], cost: Cost) -> float:
    return round(cost_of(blocks, cost), 3)


def _as_json(plan: _Plan) -> dict[str, object]:
    rules = {name: reads_by_gap(plan.profile, gap) for name, gap in FIXED_GAPS.items()}
    return {
        "profile": plan.profile.name,
        "requests": len(plan.blocks),
        "words": _words(plan.blocks),
        "cost_ms": _ms(plan.blocks, plan.line.cost),
        "blocks": [
            {
                "table": block.table.value,
                "address": block.address,
                "count": block.count,
                "points": [point.name for point in block.points],
            }
            for block in plan.blocks
        ],
        "rules": {
            name: {"requests": len(blocks), "cost_ms": _ms(blocks, plan.line.cost)}
            for name, blocks in rules.items()
        },
    }


def _print(plan: _Plan) -> None:
    from rich.console import Console  # noqa: PLC0415 - only people pay for it

    console = Console()
    if not console.is_terminal:
        console.width = 120
    values = sum(len(block.points) for block in plan.blocks)
    requests = len(plan.blocks)
    title = (
        f"{plan.profile.name} {plan.line.name}: {values} value{'s' * (values != 1)} in "
        f"{requests} request{'s' * (requests != 1)}, {_words(plan.blocks)} registers, "
        f"{cost_of(plan.blocks, plan.line.cost):.1f} ms"
    )
    console.print(title, highlight=False, markup=False)
    console.print(_block_table(plan))
    console.print(_rule_table(plan))


def _block_table(plan: _Plan) -> Table:
    from rich.text import Text  # noqa: PLC0415

    table = _table("table", ">address", ">count", ">ms", "points")
    for block in plan.blocks:
        cost = plan.line.cost.table_ms(block.table, block.count)
        names = ", ".join(point.name for point in block.points)
        # Never as markup: the names are the user's.
        table.add_row(
            block.table.value, str(block.address), str(block.count), f"{cost:.1f}", Text(names)
        )
    return table


def _rule_table(plan: _Plan) -> Table:
    table = _table("rule", ">requests", ">registers", ">ms", ">times")
    best = cost_of(plan.blocks, plan.line.cost)
    rules = {"this plan": plan.blocks} | {
        _RULES[name]: reads_by_gap(plan.profile, gap) for name, gap in FIXED_GAPS.items()
    }
    for name, blocks in rules.items():
        cost = cost_of(blocks, plan.line.cost)
        table.add_row(
            name, str(len(blocks)), str(_words(blocks)), f"{cost:.1f}", f"{cost / best:.2f}"
        )
    return table


def _table(*headings: str) -> Table:
    """A table; columns of numbers have > in front."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD)
    for heading in headings:
        is_number = heading.startswith(">")
        table.add_column(
            heading.removeprefix(">"),
            justify="right" if is_number else "left",
            no_wrap=heading not in ("points", "rule"),
            overflow="fold",
        )
    return table
