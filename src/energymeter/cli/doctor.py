"""`energymeter doctor`: why does this meter not answer?"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Final

import click

from energymeter.cli.options import PositiveFloat, find_profile, meter_options, profile_library
from energymeter.cli.progress import progress
from energymeter.cli.wire import URL, check_units
from energymeter.discovery import ProfileTree
from energymeter.doctor import Case, Diagnosis, Layer, Mark, Step, examine
from energymeter.errors import ProfileError
from energymeter.eventloop import run
from energymeter.profiles import Profile
from energymeter.transports import Wire, parse_wire

__all__ = ["command"]

_LIMIT_S: Final = 60.0
"""How long an examination may take with time-outs of a second or less; with longer ones more."""

_COLOURS: Final = {Mark.FINE: "green", Mark.NOTED: "yellow", Mark.WRONG: "red"}


@click.command("doctor")
@click.argument("host", metavar=URL)
@meter_options
@click.option("--unit", type=click.IntRange(0, 255), help="Unit to ask; default: the profile's.")
@click.option(
    "--timeout",
    type=PositiveFloat(3600),
    default=1.0,
    show_default=True,
    help="Seconds to wait for a connection and for an answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def command(host: str, **options: Any) -> int:  # noqa: ANN401
    """Diagnose why a meter does not answer, or answers nonsense, and what to try.

    Checks layer by layer: name, route, port or serial port, TLS, framing, speed and parity,
    echo, unit, gateway, pauses, function, addresses, longest read, order, values. Stops at what
    is broken, after having tried what else it could be. Give the meter's profile if it is known:
    the upper layers are judged by it. Only reads.

    Exit code 0: all is well. 1: something is wrong. 2: wrong usage.
    """
    is_named = options["profile"] is not None or options["device"] is not None
    profile = find_profile(options["profile"], options["device"]) if is_named else None
    port = None if profile is None else profile.defaults.tcp_port
    wire = parse_wire(host, default_port=port or 502)
    wire.endpoint()  # whatever is wrong with the URL is said before anything is tried
    case = _case(wire, profile, options)
    diagnosis = run(_examine(case, as_json=options["as_json"]))
    if options["as_json"]:
        click.echo(json.dumps(_as_data(case, diagnosis), indent=2, ensure_ascii=False))
    else:
        click.echo(diagnosis.sentence)
    return 0 if diagnosis.is_well else 1


def _case(wire: Wire, profile: Profile | None, options: Mapping[str, Any]) -> Case:
    words = [
        word
        for name in ("profile", "device")
        if options[name] is not None
        for word in (f"--{name}", options[name])
    ]
    usual = 1 if profile is None else profile.defaults.unit
    unit = usual if options["unit"] is None else options["unit"]
    check_units(wire, [unit])
    timeout_s = wire.timeout_s or options["timeout"]
    library = profile_library()

    @cache
    def tree() -> ProfileTree:
        found = (found for _, found in library.load_each())
        return ProfileTree(one for one in found if not isinstance(one, ProfileError))

    return Case(
        wire=wire,
        unit=unit,
        is_unit_given=options["unit"] is not None,
        profile=profile,
        meter_words=tuple(words),
        timeout_s=timeout_s,
        limit_s=_LIMIT_S * max(1.0, timeout_s) + (wire.connect_timeout_s or 0.0),
        tree=tree,
    )


async def _examine(case: Case, *, as_json: bool) -> Diagnosis:
    meter = "" if case.profile is None else f" as {case.profile.name}"
    click.echo(
        f"examining {case.place} unit {case.unit}{meter}: at most {case.limit_s:g} s", err=True
    )
    layers = list(Layer)
    with progress(f"examining {case.place}", len(layers)) as bar:
        case.tell = lambda text: bar.step(text, 0)

        def show(step: Step) -> None:
            bar.at(layers.index(step.layer) + 1)
            if not as_json:
                bar.aside(partial(_show, step))

        return await examine(case, on_step=show)


def _show(step: Step) -> None:
    mark = f"{step.mark:<6}"
    if not os.environ.get("NO_COLOR"):
        mark = click.style(mark, fg=_COLOURS[step.mark])
    click.echo(f"{mark}{step.layer:<9} {step.seen}")


def _as_data(case: Case, diagnosis: Diagnosis) -> dict[str, Any]:
    broken = diagnosis.broken
    return {
        "url": case.place,
        "unit": case.unit,
        "profile": None if case.profile is None else case.profile.name,
        "well": diagnosis.is_well,
        "layer": None if broken is None else broken.layer,
        "verdict": "fine" if broken is None else broken.verdict,
        "sentence": diagnosis.sentence,
        "command": diagnosis.command or None,
        "seconds": round(diagnosis.seconds, 2),
        "steps": [
            {
                "layer": step.layer,
                "verdict": step.verdict,
                "mark": step.mark.value.lower(),
                "seen": step.seen,
            }
            for step in diagnosis.steps
        ],
    }
