"""`energymeter profile`: list, show, check, make and convert meter profiles."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from energymeter.cli.completion import profile_names
from energymeter.cli.options import profile_library, profile_path_option
from energymeter.cli.progress import progress
from energymeter.errors import ConfigError, ProfileError
from energymeter.profiles import Profile, load_profile
from energymeter.profiles.convert.formats import EXPORTS, IMPORTS

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["command"]

_OUTPUT = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Output file, never overwritten; default: stdout.",
)


@click.group("profile")
def command() -> None:
    """List, show, check, make and convert meter profiles."""


@command.command("list")
@profile_path_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_command(as_json: bool) -> int:
    """List the profiles: your own and the shipped ones.

    A broken file is listed as broken, with its error on stderr. Exit code 1 then.
    """
    entries: list[dict[str, Any]] = []
    errors: list[ProfileError] = []
    library = profile_library()
    with progress("reading profiles", len(library.names())) as bar:
        for name, found in library.load_each():
            bar.step(name)
            if isinstance(found, Profile):
                entries.append(_entry(name, found))
            else:
                entries.append({"profile": name, "error": found.message})
                errors.append(found)
    if as_json:
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
    else:
        _print(_listing(entries))
    for error in errors:
        click.echo(f"energymeter: {error.message}", err=True)
    return 1 if errors else 0


@command.command("show")
@profile_path_option
@click.argument("name", shell_complete=profile_names)
@click.option("--toml", "as_toml", is_flag=True, help="Print the profile as a file.")
def show_command(name: str, as_toml: bool) -> int:
    """Show a profile: its values, quirks and sources.

    NAME is a profile's name or file.
    """
    profile = _load(name)
    if as_toml:
        from energymeter.profiles.convert import to_toml  # noqa: PLC0415

        click.echo(to_toml(profile), nl=False)
        return 0
    from energymeter.profiles.catalogue import quirks_of  # noqa: PLC0415

    lines = [
        f"{profile.name}: {profile.vendor} {profile.model}",
        *([profile.description] if profile.description else []),
        *(f"quirk: {quirk}" for quirk in quirks_of(profile)),
        *(f"note: {note}" for note in profile.notes),
        *(f"source: {source}" for source in profile.sources),
    ]
    click.echo("\n".join(lines))
    _print(_point_table(profile))
    return 0


@command.command("lint")
@profile_path_option
@click.argument("names", metavar="[FILE|NAME]...", nargs=-1, shell_complete=profile_names)
def lint_command(names: tuple[str, ...]) -> int:
    """Check profiles; without a name, all of them.

    Exit code 1 when something is wrong; warnings alone leave it 0.
    """
    from energymeter.profiles.lint import lint_file  # noqa: PLC0415

    library = profile_library()
    paths = {name: _path(name) for name in names or library.names()}
    counts = {"error": 0, "warning": 0}
    with progress("checking profiles", len(paths)) as bar:
        for name, path in paths.items():
            bar.step(name)
            for level, place, text in lint_file(path):
                counts[level] += 1
                line = f"{name}: {level}: {f'{place}: ' if place else ''}{text}"
                bar.aside(partial(click.echo, line))
    click.echo(f"{len(paths)} checked, {counts['error']} errors, {counts['warning']} warnings")
    return 1 if counts["error"] else 0


@command.command("schema")
@_OUTPUT
def schema_command(output: Path | None) -> int:
    """Print the JSON Schema of a profile file, for editors."""
    from energymeter.profiles.schema import schema_text  # noqa: PLC0415

    _deliver(schema_text(), output)
    return 0


@command.command("new", short_help="Create a profile to fill in.")
@click.argument("vendor")
@click.argument("model")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write there, and never over a file; default: in your own folder, by its name.",
)
def new_command(vendor: str, model: str, output: Path | None) -> int:
    """Create a profile to fill in, in your own folder unless -o is given."""
    from energymeter.profiles.convert import profile_name  # noqa: PLC0415
    from energymeter.profiles.library import own_folder  # noqa: PLC0415
    from energymeter.profiles.template import new_profile_text  # noqa: PLC0415

    path = output or own_folder() / f"{profile_name(vendor, model)}.toml"
    _deliver(new_profile_text(vendor, model), path)
    return 0


@command.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--from",
    "form",
    type=click.Choice(IMPORTS),
    help="Format of the file; default: detected from its name and content.",
)
@click.option("--part", metavar="NAME", help="Device, hub or module of the file; default: first.")
@click.option("--vendor", help="Vendor of the meter, where the file does not say it.")
@click.option("--model", help="Model of the meter, where the file does not say it.")
@_OUTPUT
def import_command(
    file: Path, form: str | None, part: str | None, output: Path | None, **named: str | None
) -> int:
    """Create a profile from another program's file.

    It takes collected facts (JSON), modpoll's CSV, Telegraf's inputs.modbus, and the YAML of
    Home Assistant and modbus_exporter. What cannot be imported is reported on stderr.
    """
    from energymeter.profiles.convert import to_toml  # noqa: PLC0415
    from energymeter.profiles.convert.formats import import_profile  # noqa: PLC0415

    with progress(f"reading {file}"):
        profile, remarks = import_profile(file, form, part)
    changes = {key: value for key, value in named.items() if value is not None}
    _warn(remarks)
    _deliver(to_toml(profile.model_copy(update=changes)), output)
    return 0


@command.command("export")
@profile_path_option
@click.argument("name", shell_complete=profile_names)
@click.option("--to", "form", type=click.Choice(EXPORTS), required=True, help="For which program.")
@_OUTPUT
def export_command(name: str, form: str, output: Path | None) -> int:
    """Write a profile for another program.

    What the other format cannot express is reported on stderr.
    """
    from energymeter.profiles.convert.formats import export_profile  # noqa: PLC0415

    text, warnings = export_profile(_load(name), form)
    _warn(warnings)
    _deliver(text, output)
    return 0


def _path(name: str) -> Path:
    is_file = name.endswith(".toml") or os.path.isfile(name)  # noqa: PTH113 - never raises
    return Path(name) if is_file else profile_library().path_of(name)


def _load(name: str) -> Profile:
    return load_profile(_path(name))


def _warn(texts: tuple[str, ...]) -> None:
    for text in texts:
        click.echo(f"energymeter: warning: {text}", err=True)


def _deliver(text: str, path: Path | None) -> None:
    if path is None:
        click.echo(text, nl=False)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        msg = f"{path} exists, choose another name with -o or remove it"
        raise ConfigError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror}"
        raise ConfigError(msg) from error
    click.echo(f"energymeter: wrote {path}", err=True)


def _entry(name: str, profile: Profile) -> dict[str, Any]:
    return {
        "profile": name,
        "vendor": profile.vendor,
        "model": profile.model,
        "description": profile.description,
        "kind": profile.kind,
        "phases": profile.phases,
        "points": len(profile.points),
        "transports": list(profile.transports),
    }


def _listing(entries: list[dict[str, Any]]) -> Table:
    from rich.text import Text  # noqa: PLC0415 - only people pay for it

    table = _table("profile", "meter", "kind", "points", "transports")
    for entry in entries:
        if "error" in entry:
            table.add_row(Text(entry["profile"]), Text("broken", "red"))
            continue
        cells = (
            entry["profile"],
            f"{entry['vendor']} {entry['model']}",
            entry["kind"],
            str(entry["points"]),
            " ".join(entry["transports"]),
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _point_table(profile: Profile) -> Table:
    from rich.text import Text  # noqa: PLC0415

    headings = ("name", "table", "address", "type", "unit", "scale", "note")
    rows = []
    for point in profile.points:
        scale = f"{point.scale:f}" if point.scale != 1 else ""
        if point.offset:
            scale += f" {point.offset:+f}"
        if point.scale_from is not None:
            scale += f" x {point.scale_from.point}"
        kind = str(point.type) if point.length is None else f"{point.type} {point.length}"
        tables = "+".join(map(str, point.tables))
        cells = (point.name, tables, str(point.address), kind, point.unit, scale, point.note)
        rows.append([cell.strip() for cell in cells])
    # What no value has takes no room.
    shown = [place for place in range(len(headings)) if any(row[place] for row in rows)]
    table = _table(*(headings[place] for place in shown))
    for row in rows:
        table.add_row(*(Text(row[place]) for place in shown))
    return table


def _table(*columns: str) -> Table:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        is_number = column in ("points", "address", "scale")
        table.add_column(
            column,
            justify="right" if is_number else "left",
            no_wrap=column not in ("profile", "meter", "name", "note"),
            overflow="fold",
        )
    return table


def _print(table: Table) -> None:
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    if not console.is_terminal:
        # A pipe has no width to fit in; names must not be cut there.
        console.width = 200
    console.print(table)
