"""`energymeter scan`: who answers, and what is it?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from energymeter.cli.options import PositiveFloat, profile_library, profile_path_option
from energymeter.cli.progress import progress
from energymeter.cli.wire import check_units
from energymeter.discovery.identify import Identity
from energymeter.discovery.scan import FoundUnit, HostReport, scan_hosts
from energymeter.discovery.targets import parse_hosts, parse_units
from energymeter.discovery.tree import ProfileTree
from energymeter.errors import ProfileError
from energymeter.eventloop import run
from energymeter.profiles import Profile
from energymeter.site.write import (
    FoundLink,
    FoundMeter,
    check_may_write,
    save_site,
    site_text,
)
from energymeter.transports import Wire
from energymeter.values.text import format_value, shortest
from energymeter.values.types import DataType

__all__ = ["command"]


@click.command("scan")
@click.argument("where", metavar="HOST[:PORT]|NETWORK/LENGTH[:PORT]|URL")
@click.option("--units", default="1-247", show_default=True, help="Units to ask, as 1-10,20.")
@click.option(
    "--timeout",
    type=PositiveFloat(3600),
    default=0.5,
    show_default=True,
    help="Seconds to wait for a connection and for each answer.",
)
@profile_path_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--to-site",
    "site",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a site file with the meters that were found.",
)
@click.option("--force", is_flag=True, help="Overwrite that file.")
def command(  # noqa: PLR0913, PLR0917 - one for each option
    where: str, units: str, timeout: float, as_json: bool, site: Path | None, force: bool
) -> int:
    """List the units that answer, and the profiles that fit them.

    Any answer is a sign of life, a refusal too. What a unit is, is found with a few reads of
    registers that differ most between the profiles; profiles that cannot be told apart are all
    named. Each is printed when it is found. Only reads.

    Exit codes: 0 at least one unit answered; 1 none did; 2 wrong usage.
    """
    wires = parse_hosts(where, 502)
    numbers = parse_units(units)
    check_units(wires[0], numbers)
    if site is not None:
        check_may_write(site, force=force)  # not after minutes of asking
    tree = ProfileTree(_profiles())
    reports = run(_scan(wires, numbers, tree, timeout, shows_units=not as_json))
    if as_json:
        click.echo(json.dumps(_as_data(reports), indent=2, ensure_ascii=False))
    else:
        click.echo(_summary(reports))
    for report in reports:
        if report.fault and (len(reports) == 1 or report.is_open):
            where = "" if report.place in report.fault else f"{report.place}: "
            click.echo(f"energymeter: {where}{report.fault}", err=True)
    if not any(report.units for report in reports):
        return 1
    if site is not None:
        save_site(site, site_text(_found(wires, reports)), force=force)
        click.echo(f"energymeter: wrote {site}", err=True)
    return 0


def _found(wires: Sequence[Wire], reports: Sequence[HostReport]) -> list[FoundLink]:
    """What goes into a site file; the reports are in the order of the wires."""
    return [
        FoundLink(
            str(wire),
            tuple(FoundMeter(found.unit, found.identity.profiles) for found in report.units),
        )
        for wire, report in zip(wires, reports, strict=True)
    ]


def _profiles() -> Iterator[Profile]:
    for name, found in profile_library().load_each():
        if isinstance(found, ProfileError):
            click.echo(f"energymeter: profile {name} is left out: {found}", err=True)
        else:
            yield found


async def _scan(
    wires: Sequence[Wire],
    units: Sequence[int],
    tree: ProfileTree,
    timeout_s: float,
    *,
    shows_units: bool,
) -> list[HostReport]:
    hosts = f"{len(wires)} hosts" if len(wires) > 1 else str(wires[0].endpoint())
    click.echo(
        f"asking {len(units)} unit{'s' if len(units) > 1 else ''} at {hosts}: "
        f"{timeout_s:g} s for each that is silent, at most {len(units) * timeout_s:g} s a host",
        err=True,
    )
    with progress(str(hosts), len(wires) * len(units)) as bar:

        def show(report: HostReport, unit: int) -> None:
            bar.step(f"{report.place} unit {unit}")
            if shows_units and report.units and report.units[-1].unit == unit:
                bar.aside(partial(click.echo, _line(report, report.units[-1])))

        return await scan_hosts(
            wires,
            units,
            tree,
            timeout_s=timeout_s,
            on_unit=show,
            on_host=lambda report: bar.step(
                report.place, len(units) - len(report.units) - report.silent
            ),
        )


def _line(report: HostReport, found: FoundUnit) -> str:
    return f"{report.place} unit {found.unit}: {_what(found.identity)}"


def _summary(reports: Sequence[HostReport]) -> str:
    asked = sum(len(report.units) + report.silent for report in reports)
    alive = sum(len(report.units) for report in reports)
    parts = [f"{alive} of {asked} units answer"] if asked else ["no unit could be asked"]
    if len(reports) > 1:
        open_hosts = sum(report.is_open for report in reports)
        parts.append(f"{open_hosts} of {len(reports)} hosts accept connections")
    return ", ".join(parts)


def _what(identity: Identity) -> str:
    parts = []
    match identity.profiles:
        case []:
            parts.append("answers, no profile fits")
        case [name]:
            parts.append(f"{name} fits")
        case names:
            parts.append(f"{' and '.join(names)} fit equally, they cannot be told apart")
    if identity.values:
        shown = [
            f"{name} {_number(value)} {unit}".rstrip()
            for name, (value, unit) in identity.values.items()
        ]
        parts.append(", ".join(shown))
    if identity.sunspec is not None:
        models = ", ".join(str(model) for model in identity.sunspec.models)
        name = f"{identity.sunspec.manufacturer} {identity.sunspec.model}".strip()
        parts.append(f"SunSpec {name or 'device'}, models {models}")
    parts.append(f"{identity.requests} reads")
    return "; ".join(parts)


def _number(value: Any) -> str:  # noqa: ANN401 - any value of a reading
    return format_value(value, DataType.FLOAT32)


def _as_data(reports: Sequence[HostReport]) -> dict[str, Any]:
    return {
        "hosts": [
            {
                "host": report.place,
                "open": report.is_open,
                "fault": report.fault or None,
                "silent": report.silent,
                "units": [
                    {
                        "unit": found.unit,
                        "profiles": list(found.identity.profiles),
                        "requests": found.identity.requests,
                        "plausible": found.identity.plausible,
                        "judged": found.identity.judged,
                        "values": {
                            name: {
                                "value": shortest(value, DataType.FLOAT32)
                                if isinstance(value, float)
                                else value,
                                "unit": unit,
                            }
                            for name, (value, unit) in found.identity.values.items()
                        },
                        "sunspec": None
                        if found.identity.sunspec is None
                        else found.identity.sunspec._asdict(),
                    }
                    for found in report.units
                ],
            }
            for report in reports
            if report.is_open or len(reports) == 1
        ]
    }
