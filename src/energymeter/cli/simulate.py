"""`energymeter simulate`: be a meter, or many, well behaved or not."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from energymeter.cli.options import PositiveFloat, find_profile, meter_options, place_options
from energymeter.errors import ConfigError
from energymeter.eventloop import run, stop_signal
from energymeter.profiles import Profile
from energymeter.simulator import (
    Manners,
    Misbehaviour,
    SimulatedFleet,
    SimulatedPlace,
    SimulatedSite,
    parse_fault,
)
from energymeter.simulator.control import SimulatorControl
from energymeter.simulator.faults import KINDS, parse_duration
from energymeter.simulator.faults.amount import parse_range
from energymeter.simulator.outlet import LAST_UNIT, Outlet
from energymeter.simulator.scenario import Scenario, load_scenario
from energymeter.simulator.statefile import saved_seed
from energymeter.simulator.timeline import Timeline
from energymeter.transports import parse_host_port
from energymeter.transports.endpoint import host_and_port

__all__ = ["command"]


def _list_faults(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        for kind in KINDS.values():
            amount = kind.measure.value
            if kind.usual_text:
                amount += f"; {kind.usual_text} unless given"
            click.echo(f"{kind.name}\n    {kind.line}")
            if amount:
                click.echo(f"    {kind.name}=... {amount}")
        ctx.exit()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is to be simulated, and what happens to it."""

    place: SimulatedPlace
    seed: int
    misbehaviour: Misbehaviour | None
    scenario: Scenario | None
    rest: str | None
    where: str | None
    """The address of the short form; None: wires were named."""


@click.command("simulate")
@click.option(
    "-t",
    "--meter-type",
    type=click.Choice(["electric", "water", "gas"], case_sensitive=False),
    help="A meter with the documented register map; default: electric.",
)
@meter_options
@click.option(
    "--meter",
    "meters",
    metavar="UNIT=PROFILE",
    multiple=True,
    help="A meter on a mixed bus, such as 3=sdm630 or 4-9=sdm120; may be repeated.",
)
@place_options
@click.option(
    "--listen",
    metavar="URL",
    multiple=True,
    help="A wire instead of --port, such as rtu:///dev/ttyUSB0 or udp://127.0.0.1:5020; more "
    "than once: the same meters on each.",
)
@click.option(
    "--unit",
    type=click.IntRange(1, LAST_UNIT),
    help="Unit id of the (first) meter on --listen wires; default: the profile's, or 1.",
)
@click.option(
    "--seed",
    type=int,
    help="Random seed; the same seed gives the same values. Default: a new one, printed.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 65535),
    default=1,
    show_default=True,
    help="Number of meters: on consecutive ports, or with --listen consecutive unit ids.",
)
@click.option(
    "--speed",
    type=PositiveFloat(86400),
    default=1.0,
    show_default=True,
    help="Simulated seconds per real second.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that preserves counters and seed over a restart.",
)
@click.option(
    "--latency",
    metavar="TIME",
    help="Delay before each answer, such as 20ms; implies --line-timing.",
)
@click.option(
    "--line-timing",
    is_flag=True,
    help="Transmit serial characters at the URL's baud rate.",
)
@click.option(
    "--fault",
    "faults",
    metavar="FAULT",
    multiple=True,
    help="Misbehave: KIND[=AMOUNT][:PROBABILITY][,KEY=VALUE]..., such as "
    "late=500ms:0.1,unit=3; may be repeated.",
)
@click.option(
    "--list-faults",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_faults,
    help="List the kinds of faults and exit.",
)
@click.option(
    "--scenario",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Scenario file with timed faults and actions.",
)
@click.option(
    "--writing-role",
    "writing_roles",
    metavar="ROLE",
    multiple=True,
    help="Certificate role that may write over TLS; all other clients may only read.",
)
@click.option(
    "--rest",
    metavar="[HOST:]PORT",
    help="Serve a REST API to control the simulator; on loopback unless HOST says otherwise.",
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401 - as click has them
    """Simulate one or more meters, with moving values and optional faults, until Ctrl-C."""
    if options["listen"]:
        for name in ("port", "address"):
            if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
                msg = f"give --listen or --{name}, not both; TCP is --listen tcp://HOST:PORT"
                raise ConfigError(msg)
    plan = _plan(options)
    try:
        return run(_serve(plan))
    except KeyboardInterrupt:
        return 0


def _plan(options: dict[str, Any]) -> _Plan:
    """Make sense of all options together.

    Raises:
        ConfigError: They do not make sense.
    """
    seed: int | None = options["seed"]
    if seed is None and options["state"] is not None:
        seed = saved_seed(options["state"])
    if seed is None:
        seed = secrets.randbelow(1_000_000)
    faults = [parse_fault(text) for text in options["faults"]]
    scenario = None if options["scenario"] is None else load_scenario(options["scenario"])
    is_bad = bool(faults) or scenario is not None or options["rest"] is not None
    misbehaviour = Misbehaviour(seed) if is_bad else None
    manners = Manners(
        misbehaviour=misbehaviour,
        latency_s=None if options["latency"] is None else _duration(options["latency"]),
        has_line_timing=options["line_timing"],
        writing_roles=options["writing_roles"],
    )
    place = _place(options, seed, manners)
    if misbehaviour is not None:
        for fault in faults:
            misbehaviour.add(fault)
    return _Plan(
        place=place,
        seed=seed,
        misbehaviour=misbehaviour,
        scenario=scenario,
        rest=options["rest"],
        where=None if options["listen"] else options["address"],
    )


def _place(options: dict[str, Any], seed: int, manners: Manners) -> SimulatedPlace:
    kind, profile, device = options["meter_type"], options["profile"], options["device"]
    listen, port = options["listen"], options["port"]
    if options["meters"]:
        if kind or profile or device or options["unit"] is not None or options["count"] > 1:
            msg = "--meter sets the profile of each unit, leave out --profile, --unit and --count"
            raise ConfigError(msg)
        return SimulatedSite(
            _mixed(options["meters"]),
            listen=listen or [f"tcp://{host_and_port(options['address'], port)}"],
            seed=seed,
            speed=options["speed"],
            manners=manners,
            state_path=options["state"],
        )
    if kind and (profile or device):
        msg = "give only one of --meter-type, --profile and --device"
        raise ConfigError(msg)
    if not (profile or device):
        profile = f"energymeter/{kind or 'electric'}"
    return SimulatedFleet(
        find_profile(profile, device),
        count=options["count"],
        seed=seed,
        speed=options["speed"],
        host=options["address"],
        port=port,
        listen=listen,
        unit=options["unit"],
        manners=manners,
        state_path=options["state"],
    )


def _mixed(texts: tuple[str, ...]) -> dict[int, Profile]:
    """Unit to profile, from `3=sdm630` and `4-9=sdm120`."""
    units: dict[int, Profile] = {}
    for text in texts:
        numbers, equals, name = text.partition("=")
        if not equals or not name.strip():
            msg = f"--meter {text}: write UNIT=PROFILE, such as 3=sdm630"
            raise ConfigError(msg)
        try:
            first, last = parse_range(numbers, LAST_UNIT)
        except ConfigError as error:
            msg = f"--meter {text}: {error}"
            raise ConfigError(msg) from error
        profile = find_profile(name.strip(), None)
        for unit in range(first, last + 1):
            if unit in units:
                msg = f"--meter {text}: unit {unit} is already taken"
                raise ConfigError(msg)
            units[unit] = profile
    return units


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ConfigError as error:
        msg = f"--latency: {error}"
        raise ConfigError(msg) from error


async def _serve(plan: _Plan) -> int:
    stop = stop_signal()
    place = plan.place
    timeline = None
    async with AsyncExitStack() as stack:
        if plan.misbehaviour is not None:
            control = SimulatorControl(place, plan.misbehaviour)
            if plan.scenario is not None:
                timeline = Timeline(plan.scenario, control, place.clock, tell=_say)
        await stack.enter_async_context(place)
        _greet(plan)
        if plan.misbehaviour is not None:
            for active in plan.misbehaviour.faults():
                _say(f"fault {active.number}: {active.fault}")
            if plan.rest is not None:
                await _start_rest(stack, control, plan.rest)
        _say("Ctrl-C ends")
        async with asyncio.TaskGroup() as group:
            running = None if timeline is None else group.create_task(timeline.run())
            await stop.wait()
            if running is not None:
                running.cancel()
    return 0


def _greet(plan: _Plan) -> None:
    place = plan.place
    many = f"{len(place.meters)} meters " if len(place.meters) > 1 else ""
    names = [each.profile.name for each in place.populations]
    what = f"{many}{names[0]}" if len(names) == 1 else many.strip()
    if plan.where is None:
        count = len(place.outlets)
        wires = str(place.outlets[0]) if count == 1 else f"{count} wires"
        _say(f"simulating {what} on {wires}, seed {plan.seed}")
        for number, outlet in enumerate(place.outlets, start=1):
            _say(f"wire {number}: {outlet}, {_units(outlet)}")
    else:
        ports = place.ports
        until = f" to {ports[-1]}" if len(ports) > 1 else ""
        _say(f"simulating {what} on {host_and_port(plan.where, ports[0])}{until}, seed {plan.seed}")
    if len(names) > 1:
        for number, meter in place.numbered.items():
            _say(f"unit {number}: {meter.profile.name}")
    if place.without_physics:
        _say(f"not moved, no physics for: {', '.join(place.without_physics)}")


def _units(outlet: Outlet) -> str:
    if outlet.answers_all:
        return "every unit"
    units = list(outlet.meters)
    if len(units) == 1:
        return f"unit {units[0]}"
    if units[-1] - units[0] == len(units) - 1:
        return f"units {units[0]} to {units[-1]}"
    return f"units {', '.join(map(str, units))}"


async def _start_rest(stack: AsyncExitStack, control: SimulatorControl, where: str) -> None:
    try:
        from energymeter.simulator.rest import RestServer  # noqa: PLC0415 - an extra
    except ImportError as error:
        msg = f"--rest needs {error.name}: pip install 'energymeter[web]'"
        raise ConfigError(msg) from error
    host, port = "127.0.0.1", 0
    if where != "0":  # which lets the system choose
        host, port = parse_host_port(f"{host}:{where}" if where.isdigit() else where, 0)
    rest = await stack.enter_async_context(RestServer(control, host=host, port=port))
    _say(f"REST on {rest}, described on {rest}/docs")
    if not _is_loopback(host):
        _say("REST has no password: whoever reaches that address controls this simulator")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _say(text: str) -> None:
    click.echo(text)
