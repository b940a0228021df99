"""`energymeter site`: check, make and describe site files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click

from energymeter.cli.completion import profile_names
from energymeter.cli.options import profile_library, profile_path_option
from energymeter.cli.progress import Progress, progress
from energymeter.planner import Block, Cost, bus_use, plan_rates, plan_reads, with_scales
from energymeter.reader import wire_cost
from energymeter.site import ProfileShelf, ResolvedLink, ResolvedMeter, ResolvedSite
from energymeter.site.model import SqliteStoreEntry

__all__ = ["command"]

_MOST_LINKS: Final = 20
"""So many links are listed one by one, the busiest first."""

_MOST_WARNINGS: Final = 20

_NARROW: Final = 0.8
"""A link that is busy for more of its time has no room for silent units and repetitions."""

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("site")
def command() -> None:
    """Check, make and describe site files."""


@command.command("check")
@profile_path_option
@click.argument("file", type=_FILE)
def check_command(file: Path) -> int:
    """Check a site file, and estimate the load of its links.

    Nothing is connected to. Profiles have to be there, and so do the variables and files that
    secrets and certificates stand in. Whatever is wrong is named with its line, all at once.

    The estimate takes the speed of serial lines and the usual delays of meters, 20 ms on a serial
    line and 2 ms on a network.

    Exit code 0: it can be run, warnings or not. 2: it cannot.
    """
    from energymeter.site import load_site, resolved, site_warnings  # noqa: PLC0415

    shelf = ProfileShelf(profile_library())
    with progress(f"reading {file}") as bar:
        view = resolved(load_site(file, shelf), shelf)
        uses = _uses(view, bar)
    for line in _summary(view, uses, file):
        click.echo(line)
    warnings = [*site_warnings(view), *_overload(uses)]
    for text in warnings[:_MOST_WARNINGS]:
        click.echo(f"energymeter: warning: {text}", err=True)
    if len(warnings) > _MOST_WARNINGS:
        click.echo(f"energymeter: and {len(warnings) - _MOST_WARNINGS} more warnings", err=True)
    return 0


@command.command("new")
@profile_path_option
@click.argument("file", type=_FILE, required=False)
@click.option("--url", metavar="URL", help="Where the first meter is.")
@click.option(
    "--profile",
    metavar="NAME",
    shell_complete=profile_names,
    help="Its profile, such as pm8000, or a file.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def new_command(file: Path | None, url: str | None, profile: str | None, force: bool) -> int:
    """Write a commented site file to start from; without FILE, to stdout."""
    from energymeter.site.write import new_site_text, save_site  # noqa: PLC0415
    from energymeter.transports import parse_wire  # noqa: PLC0415

    found = None if profile is None else ProfileShelf(profile_library()).load(profile)
    if url is not None:
        port = None if found is None else found.defaults.tcp_port
        wire = parse_wire(url, default_port=port or 502)
        wire.endpoint()
        url = str(wire)
    if profile is not None and profile.endswith(".toml") and file is not None:
        profile = _from(file, Path(profile))
    text = new_site_text(url, profile)
    if file is None:
        click.echo(text, nl=False)
        return 0
    save_site(file, text, force=force)
    click.echo(f"energymeter: wrote {file}", err=True)
    return 0


@command.command("schema")
@click.option("-o", "--output", metavar="FILE", type=_FILE, help="Write there; default: print.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def schema_command(output: Path | None, force: bool) -> int:
    """Print the JSON Schema of a site file, for editors."""
    from energymeter.site.schema import schema_text  # noqa: PLC0415
    from energymeter.site.write import save_site  # noqa: PLC0415

    if output is None:
        click.echo(schema_text(), nl=False)
        return 0
    save_site(output, schema_text(), force=force)
    click.echo(f"energymeter: wrote {output}", err=True)
    return 0


@command.command("password")
def password_command() -> int:
    """Hash a password for `password` in the section [web] of a site file.

    The password is asked for twice and not shown; where nobody sits at a terminal, the first line
    of stdin is taken.

    The hash is printed, such as scrypt$32768$8$1$...: it can stand in the site file, or in a file
    or variable that the site file names.
    """
    from energymeter.site.password import PasswordHash  # noqa: PLC0415

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    click.echo(str(PasswordHash.of(password)))
    click.echo('energymeter: put it into the site file: [web] password = "scrypt$..."', err=True)
    return 0


def _from(file: Path, profile: Path) -> str:
    """How the site file has to write a profile's file that is named from here on."""
    is_here = file.parent.absolute() == Path.cwd()
    return str(profile if is_here else profile.absolute())


class _Use(NamedTuple):
    """What meters ask of a link."""

    polls: float
    """A second."""

    requests: float
    """A second."""

    busy: float
    """Part of the time, 1.0 for all of it."""


_Key = tuple[str, tuple[str, ...] | None, tuple[float, ...], Cost]


class _Estimate:
    """Plans each kind of meter once."""

    def __init__(self) -> None:
        self._known: dict[_Key, _Use] = {}

    def of_link(self, link: ResolvedLink) -> _Use:
        cost = wire_cost(link.wire)
        uses = [self._of_meter(meter, cost) for meter in link.meters]
        return _Use(*(sum(use[place] for use in uses) for place in range(3)))

    def _of_meter(self, meter: ResolvedMeter, cost: Cost) -> _Use:
        rates = meter.entry.rates
        times = (meter.interval_s,) if rates is None else (rates.fast, rates.slow, rates.once)
        key = meter.entry.profile, meter.entry.points, times, cost
        if key not in self._known:
            self._known[key] = _plan(meter, times, cost)
        return self._known[key]


def _plan(meter: ResolvedMeter, times: Sequence[float], cost: Cost) -> _Use:
    points = with_scales(meter.points, meter.profile)
    if len(times) == 1:
        rates: dict[str, float] = {"fast": times[0]}
        plans: dict[str, tuple[Block, ...]] = {"fast": plan_reads(meter.profile, points, cost=cost)}
    else:
        rates = dict(zip(("fast", "slow", "once"), times, strict=True))
        plans = plan_rates(meter.profile, rates, cost, points=points)
    return _Use(
        polls=sum(1 / rates[name] for name, blocks in plans.items() if blocks),
        requests=sum(len(blocks) / rates[name] for name, blocks in plans.items()),
        busy=bus_use(plans, rates, cost) / 1000,
    )


_Uses = list[tuple[ResolvedLink, _Use]]
"""Each link that has meters and what is asked of it, in the order of the file."""


def _uses(view: ResolvedSite, bar: Progress) -> _Uses:
    estimate, uses = _Estimate(), []
    for number, link in enumerate(view.links):
        bar.at(number, len(view.links), "planning the reads")
        if link.meters:
            uses.append((link, estimate.of_link(link)))
    return uses


def _summary(view: ResolvedSite, uses: _Uses, file: Path) -> Iterator[str]:
    site = view.site
    meters = sum(len(link.meters) for link in view.links)
    total = _Use(*(sum(use[place] for _, use in uses) for place in range(3)))
    yield (
        f"{file}: {_count(len(view.links), 'link')}, {_count(meters, 'meter')}, "
        f"{_rate(total.polls)} polls/s, {_rate(total.requests)} requests/s"
    )
    match site.store:
        case None:
            yield "store: none, nothing is kept"
        case SqliteStoreEntry(path=path):
            yield f"store: sqlite {path}"
        case _:
            yield "store: postgres"
    yield f"web: {'none' if site.web is None else site.web.listen}"
    yield f"sinks: {', '.join(str(sink.name) for sink in site.sink) or 'none'}"
    for link, use in sorted(uses, key=lambda found: -found[1].busy)[:_MOST_LINKS]:
        yield (
            f"link {link.name}: {_count(len(link.meters), 'meter')}, {_rate(use.polls)} polls/s, "
            f"{_rate(use.requests)} requests/s, busy {_percent(use.busy)} of the time"
        )
    if len(uses) > _MOST_LINKS:
        yield f"and {len(uses) - _MOST_LINKS} links that are less busy"


def _overload(uses: _Uses) -> Iterator[str]:
    for link, use in uses:
        asks = f"link {link.name!r}: {_count(len(link.meters), 'meter')} would keep it busy"
        if use.busy > 1:
            yield (
                f"{asks} {_percent(use.busy)} of the time, so polls will be left out; make "
                f"intervals {use.busy / _NARROW:.1f} times as long, read fewer points, or give "
                "rates"
            )
        elif use.busy > _NARROW:
            yield (
                f"{asks} {_percent(use.busy)} of the time, which leaves little for meters that do "
                "not answer at once"
            )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _rate(number: float) -> str:
    return f"{number:.3g}" if number < 100 else f"{number:.0f}"


def _percent(part: float) -> str:
    return f"{100 * part:.2g} %" if part < 0.1 else f"{100 * part:.0f} %"
