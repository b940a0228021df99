"""`energymeter find`: how is this map to be read?"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from energymeter.cli.options import PositiveFloat, find_profile, meter_options
from energymeter.cli.progress import ToldUnit, progress
from energymeter.cli.wire import URL, check_units, open_link, traffic_options
from energymeter.client import Priority
from energymeter.codec.codes import Table
from energymeter.discovery.asking import Asker
from energymeter.discovery.find import Candidate, Finding, find_map
from energymeter.discovery.rawmap import Proposal, RawMap, propose, read_range
from energymeter.discovery.targets import parse_span
from energymeter.errors import ConfigError
from energymeter.eventloop import run
from energymeter.profiles import Profile
from energymeter.transports import Wire, parse_wire
from energymeter.values import WireOrder

__all__ = ["command"]

_SHOWN: int = 3

_TABLES = (Table.HOLDING, Table.INPUT)
"""Where registers are looked for without a map, until something makes sense."""

_NO_LIMIT = 10**9
"""Whoever names a span wants all of it; Ctrl-C ends it."""


@click.command("find")
@click.argument("host", metavar=URL)
@meter_options
@click.option(
    "--range", "span", metavar="FIRST-LAST", help="Work without a map: examine these addresses."
)
@click.option("--unit", type=click.IntRange(0, 255), help="Unit to ask; default: the profile's.")
@click.option(
    "--table",
    type=click.Choice([Table.HOLDING.value, Table.INPUT.value]),
    help="Register table; default: the documented one (or holding), then the other.",
)
@click.option("--types", is_flag=True, help="Also try other types and scales.")
@click.option(
    "--timeout",
    type=PositiveFloat(3600),
    default=1.0,
    show_default=True,
    help="Seconds to wait for a connection and for an answer.",
)
@traffic_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(host: str, **options: Any) -> int:  # noqa: ANN401
    """Detect how a register map must be read: address shift, byte order and word order.

    The map is known, as a profile or a device file, but it may begin one address off, and its
    values may be in another order. Only reads. Without a map, --range says what the registers
    there could be.

    Exit code 0: found. 1: nothing makes sense, or nobody answers. 2: wrong usage.
    """
    table = None if options["table"] is None else Table(options["table"])
    if options["span"] is not None:
        if options["profile"] or options["device"]:
            msg = "give either a map (--profile or --device) or addresses (--range)"
            raise ConfigError(msg)
        return run(_look(parse_wire(host), _TABLES if table is None else (table,), options))
    if not (options["profile"] or options["device"]):
        msg = "give a map with --profile NAME or --device FILE.py, or addresses with --range 0-120"
        raise ConfigError(msg)
    profile = find_profile(options["profile"], options["device"])
    wire = parse_wire(host, default_port=profile.defaults.tcp_port or 502)
    return run(_find(wire, profile, table, options))


async def _find(
    wire: Wire, profile: Profile, table: Table | None, options: Mapping[str, Any]
) -> int:
    unit = profile.defaults.unit if options["unit"] is None else options["unit"]
    check_units(wire, [unit])
    async with open_link(wire, options) as opened:
        place = str(opened.link)
        with progress(f"asking {place}", wanted=not options["trace"]) as bar:
            asked = ToldUnit(
                opened.link.unit(unit, priority=Priority.PERSON),
                lambda reads, _: bar.at(0, text=f"asking {place}, {reads} reads"),
            )
            finding = await find_map(asked, profile, table=table, with_types=options["types"])
    if options["as_json"]:
        click.echo(_json({"host": place, "unit": unit, **_as_data(finding, profile)}))
    else:
        click.echo(
            f"{profile.name} at {place} unit {unit}: "
            f"{finding.points} values, {finding.requests} reads"
        )
        for line in _lines(finding):
            click.echo(line)
    return 0 if finding.is_found else 1


def _lines(finding: Finding) -> list[str]:
    if not finding.candidates:
        return ["the meter refuses every read of this map: another map, or another table?"]
    if finding.table is not None:
        lines = [f"the registers are {finding.table} registers, not as documented"]
    else:
        lines = []
    if not finding.is_found:
        lines.append("nothing makes sense; the best of it:")
    elif not finding.is_sure:
        lines.append("the values cannot decide for certain; the likeliest first:")
    for place, candidate in enumerate(finding.candidates[:_SHOWN], 1):
        sure = ", surely" if place == 1 and finding.is_sure else ""
        lines.append(f"{place}. {_way(candidate.shift, candidate.order)}{sure}")
        lines += [f"   the same values: {_way(*other)}" for other in candidate.alike]
        for kind, form in candidate.reading.forms.items():
            lines.append(f"   {kind.quantity} is kept as {form}, not as {kind.form}")
        lines.append(
            f"   {candidate.reading.plausible} of {finding.points} values make sense, "
            f"evidence {candidate.score:+.1f}"
        )
        lines += [f"   {line}" for line in _evidence(candidate)]
    return lines


def _evidence(candidate: Candidate) -> list[str]:
    clues = candidate.reading.clues
    good = [f"+ {clue.text}" for clue in clues if clue.weight > 0][:4]
    bad = [f"- {clue.text}" for clue in clues if clue.weight < 0]
    more = [f"- and {len(bad) - 3} more"] if len(bad) > 3 else []
    examples = [f"+ {', '.join(candidate.reading.examples)}"] if candidate.reading.examples else []
    return [*examples, *good, *bad[:3], *more]


def _way(shift: int, order: WireOrder) -> str:
    where = {0: "as documented", 1: "one higher than documented", -1: "one lower than documented"}
    return (
        f"addresses {where[shift]}, order {order.letters} (bytes {order.byte}, words {order.word})"
    )


def _as_data(finding: Finding, profile: Profile) -> dict[str, Any]:
    return {
        "profile": profile.name,
        "found": finding.is_found,
        "sure": finding.is_sure,
        "requests": finding.requests,
        "points": finding.points,
        "table": finding.table,
        "candidates": [
            {
                "shift": candidate.shift,
                "order": candidate.order.letters,
                "byte_order": candidate.order.byte,
                "word_order": candidate.order.word,
                "evidence": round(candidate.score, 2),
                "plausible": candidate.reading.plausible,
                "same_values": [
                    {"shift": shift, "order": order.letters} for shift, order in candidate.alike
                ],
                "forms": {
                    kind.quantity: {"type": form.type, "scale": float(form.scale)}
                    for kind, form in candidate.reading.forms.items()
                },
                "clues": [
                    {"weight": round(clue.weight, 2), "text": clue.text}
                    for clue in candidate.reading.clues[:20]
                ],
                "values": {
                    name: None if isinstance(value, float) and not math.isfinite(value) else value
                    for name, value in candidate.values.items()
                },
            }
            for candidate in finding.candidates[:_SHOWN]
        ],
    }


async def _look(wire: Wire, tables: Sequence[Table], options: Mapping[str, Any]) -> int:
    first, last = parse_span(options["span"])
    unit = 1 if options["unit"] is None else options["unit"]
    check_units(wire, [unit])
    looks: list[_Look] = []
    async with open_link(wire, options) as opened:
        place = str(opened.link)
        with progress(f"asking {place}", last + 1 - first, wanted=not options["trace"]) as bar:
            told = ToldUnit(
                opened.link.unit(unit, priority=Priority.PERSON),
                lambda _, end: bar.at(end - first),
            )
            for table in tables:
                asker = Asker(told, _NO_LIMIT)
                found = await read_range(asker, table, first, last)
                looks.append(_Look(table, found, asker.requests, propose(found.words)))
                if looks[-1].proposals:
                    break
    best = max(looks, key=lambda look: (len(look.proposals), len(look.found.words)))
    if not best.found.words and asker.last_refusal is not None:
        raise asker.last_refusal
    if options["as_json"]:
        data = {
            "host": place,
            "unit": unit,
            "table": best.table,
            "requests": sum(look.requests for look in looks),
            "registers": len(best.found.words),
            "refused": best.found.refused,
            "proposals": [_proposal_data(proposal) for proposal in best.proposals],
        }
        click.echo(_json(data))
    else:
        for look in looks:
            click.echo(
                f"{place} unit {unit}: {len(look.found.words)} of {last - first + 1} {look.table} "
                f"registers answer, {look.requests} reads"
            )
        for proposal in best.proposals:
            click.echo(_proposal_line(proposal))
        if not best.proposals:
            click.echo("nothing there looks like voltages, powers or a frequency")
    return 0 if best.proposals else 1


class _Look(NamedTuple):
    """What a table holds in the span."""

    table: Table
    found: RawMap
    requests: int
    proposals: Sequence[Proposal]


def _proposal_line(proposal: Proposal) -> str:
    order = f" {proposal.order.letters}" if proposal.type.words > 1 else f" {proposal.order.byte}"
    scale = f" x {proposal.scale:g}" if proposal.scale != 1 else ""
    return (
        f"{proposal.sureness}: {proposal.what} from {proposal.address}, "
        f"{proposal.type}{order}{scale}: {proposal.why}"
    )


def _proposal_data(proposal: Proposal) -> dict[str, Any]:
    return {
        "what": proposal.what,
        "address": proposal.address,
        "type": proposal.type,
        "order": proposal.order.letters,
        "scale": proposal.scale,
        "values": proposal.values,
        "sure": proposal.sureness,
        "why": proposal.why,
    }


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)
