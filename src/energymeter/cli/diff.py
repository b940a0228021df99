"""`energymeter diff`: what is different between two dumps or two recordings."""

from __future__ import annotations

import json
from pathlib import Path

import click

from energymeter.errors import ConfigError
from energymeter.recording.diff import Difference, Subject, differences, load_subject

__all__ = ["command"]


@click.command("diff")
@click.argument("before", metavar="A", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("after", metavar="B", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--map-only",
    is_flag=True,
    help="Compare only which registers exist, not their values or timing.",
)
@click.option(
    "--server",
    metavar="HOST:PORT",
    nargs=2,
    help="Server to compare, if a capture contains several.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    before: Path, after: Path, map_only: bool, server: tuple[str, str] | None, as_json: bool
) -> int:
    """Compare two dumps, recordings or captures: two meters, or one before and after.

    Registers that differ, appear or vanish, where both files asked for them; of recordings also
    reads that are refused in one of them, latency, silence, and decoded values by name.

    Exit code 0: no difference. 1: they differ. 2: wrong usage, or nothing in common.
    """
    places = server or (None, None)
    first, second = load_subject(before, places[0]), load_subject(after, places[1])
    found = differences(first, second, map_only=map_only)
    if not found and not _have_common_ground(first, second):
        msg = f"{before} and {after} have no register in common, there is nothing to compare"
        raise ConfigError(msg)
    if as_json:
        click.echo(json.dumps(_as_data(first, second, found), indent=2, ensure_ascii=False))
    else:
        _print(first, second, found)
    return 1 if found else 0


def _have_common_ground(first: Subject, second: Subject) -> bool:
    return bool(first.asked & second.asked or first.values.keys() & second.values.keys())


def _print(first: Subject, second: Subject, found: list[Difference]) -> None:
    click.echo(f"A {first.title}")
    click.echo(f"B {second.title}")
    for subject in (first, second):
        for remark in subject.remarks:
            click.echo(f"energymeter diff: {remark}", err=True)
    for difference in found:
        click.echo(_line(difference))
    common = len(first.asked & second.asked)
    alone = len(first.asked ^ second.asked)
    more = f"; {alone} asked for in one file only, not compared" if alone else ""
    count = f"{len(found)} difference{'s' * (len(found) != 1)}" if found else "no difference"
    click.echo(f"{count}, {common} registers asked for in both{more}")


def _line(difference: Difference) -> str:
    kind, unit, name, before, after = difference
    who = "" if unit is None else f"unit {unit} "
    match kind:
        case "register":
            return f"{who}{name}: {_word(before)} -> {_word(after)}"
        case "latency":
            return f"{who}answers after {_ms(before)} -> {_ms(after)}"
        case "silence":
            return f"{who}leaves without an answer {_share(before)} -> {_share(after)}"
        case "answer":
            return f"{who}read of {name}: {before} -> {after}"
        case "value":
            return f"{who}{name}: {_there(before)} -> {_there(after)}"


def _word(word: object) -> str:
    return f"0x{word:04X} {word}" if isinstance(word, int) else "not there"


def _there(value: object) -> str:
    return "not there" if value is None else str(value)


def _ms(seconds: object) -> str:
    return f"{1000 * seconds:.1f} ms" if isinstance(seconds, float) else "-"


def _share(share: object) -> str:
    return f"{100 * share:.3g} %" if isinstance(share, float) else "-"


def _as_data(first: Subject, second: Subject, found: list[Difference]) -> dict[str, object]:
    return {
        "a": first.title,
        "b": second.title,
        "registers_compared": len(first.asked & second.asked),
        "remarks": [*first.remarks, *second.remarks],
        "differences": [
            {
                "kind": difference.kind,
                "unit": difference.unit,
                "name": difference.name,
                "a": difference.before,
                "b": difference.after,
            }
            for difference in found
        ],
    }
