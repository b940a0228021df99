"""What several commands ask for in the same words: the meter, its place, how to read it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from energymeter.cli.completion import profile_names
from energymeter.cli.wire import check_units
from energymeter.errors import ConfigError
from energymeter.profiles import Profile, ProfileLibrary, load_profile
from energymeter.profiles.library import own_folder
from energymeter.transports import Wire, parse_wire
from energymeter.values import Order

__all__ = [
    "NumberRange",
    "PositiveFloat",
    "Target",
    "find_profile",
    "meter_options",
    "place_options",
    "profile_library",
    "profile_path_option",
    "reading_options",
    "target",
]

_FOLDERS = "energymeter.profile_folders"
"""Where a command's context keeps the folders of `--profile-path`."""

SUNSPEC = "sunspec"
"""The profile's name that means: ask the device for its SunSpec models."""

_RATIO_PARTS = (1e-6, 1e6)
"""Between these is what people may write on each side of a ratio's slash."""

_ORDERS = click.Choice(["AUTO", "BIG", "LITTLE"], case_sensitive=False)


class NumberRange(click.FloatRange):
    """A number in a range; `nan`, which compares with nothing, is refused."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - as click has it
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """See `click.ParamType.convert`."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


class PositiveFloat(NumberRange):
    """A number above 0 and up to a limit."""

    def __init__(self, limit: float) -> None:
        super().__init__(0, limit, min_open=True)


class Ratio(click.ParamType[Fraction]):
    """A transformer ratio: `100/5`, or the number it stands for."""

    name = "ratio"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - as click has it
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Fraction:
        """See `click.ParamType.convert`."""
        primary, _, secondary = str(value).partition("/")
        least, most = _RATIO_PARTS
        try:
            for part in (primary, secondary or "1"):
                # First as a float: a fraction of 1e99999999 would take for ever.
                if not least <= float(part) <= most:
                    raise ValueError  # noqa: TRY301 - said below
            return Fraction(primary.strip()) / Fraction(secondary.strip() or 1)
        except ValueError:
            self.fail(f"{value!r} is no ratio, write 100/5 or 20", param, ctx)


class Units(click.ParamType[list[int]]):
    """Unit numbers as `1-10,20`."""

    name = "units"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - as click has it
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> list[int]:
        """See `click.ParamType.convert`."""
        from energymeter.discovery.targets import parse_units  # noqa: PLC0415 - few need it

        try:
            return parse_units(str(value))
        except ConfigError as error:
            self.fail(error.message, param, ctx)


def meter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a meter."""
    command = click.option(
        "--device",
        metavar="FILE.py[:NAME]",
        help="A ModbusDevice declared in a Python file.",
    )(command)
    command = profile_path_option(command)
    return click.option(
        "--profile",
        metavar="NAME",
        shell_complete=profile_names,
        help="A meter profile, such as pm8000 or electric, or its file; see profile list. "
        "When reading, sunspec uses the models the device itself lists.",
    )(command)


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--port` and `--address`: where a command listens."""
    command = click.option(
        "-a", "--address", default="127.0.0.1", show_default=True, help="Address to listen on."
    )(command)
    return click.option(
        "-p",
        "--port",
        type=click.IntRange(0, 65535),
        default=5020,
        show_default=True,
        help="TCP port; 0 lets the system choose.",
    )(command)


def profile_path_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--profile-path`; `profile_library` looks there."""

    def keep(ctx: click.Context, _param: click.Parameter, value: tuple[Path, ...]) -> None:
        ctx.meta[_FOLDERS] = value

    return click.option(
        "--profile-path",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        multiple=True,
        expose_value=False,
        callback=keep,
        help="Folder of VENDOR/MODEL.toml files, searched before your "
        "own and the shipped profiles.",
    )(command)


def profile_library() -> ProfileLibrary:
    """The profiles: in the folders of `--profile-path`, then the user's own, then the shipped."""
    context = click.get_current_context(silent=True)
    folders = () if context is None else context.meta.get(_FOLDERS, ())
    return ProfileLibrary([*folders, own_folder()])


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how to read a meter."""
    for option in reversed(
        (
            click.option(
                "--unit",
                "units",
                type=Units(),
                metavar="UNITS",
                help="Unit id, or several such as 1-32 or 1,5,10-20; default: the profile's.",
            ),
            click.option(
                "--timeout",
                type=PositiveFloat(3600),
                default=1.0,
                show_default=True,
                help="Seconds to wait for a connection and for an answer.",
            ),
            click.option(
                "--byteorder",
                type=_ORDERS,
                help="Order of the bytes in a register; default: the profile's.",
            ),
            click.option(
                "--wordorder",
                type=_ORDERS,
                help="Order of the registers of one value; default: the profile's.",
            ),
            click.option(
                "--message-size",
                "--message_size",
                type=click.IntRange(1, 125),
                help="Longest read in registers; default: the profile's.",
            ),
            click.option(
                "--ct",
                type=Ratio(),
                metavar="RATIO",
                help="Current transformer ratio, such as 100/5, if the "
                "meter reports secondary values.",
            ),
            click.option(
                "--pt",
                type=Ratio(),
                metavar="RATIO",
                help="Voltage transformer ratio, such as 10000/100, likewise.",
            ),
            click.option(
                "--rated-current",
                type=PositiveFloat(1e6),
                metavar="AMPERE",
                help="Rated current of the circuit; values far above it are rejected.",
            ),
            click.option(
                "--memory/--no-memory",
                default=None,
                help="Remember learned facts and counters of the meter on disk. "
                "Default: while polling.",
            ),
        )
    ):
        command = option(command)
    return command


def _described_by_itself(url: str, options: dict[str, Any]) -> Profile:
    """The profile a SunSpec device gives of itself.

    Raises:
        ConfigError: It is no SunSpec device, or none that is known here.
        MeterError: It cannot be asked.
    """
    from energymeter.discovery.sunspec_profile import ask_profile  # noqa: PLC0415 - few need it
    from energymeter.eventloop import run  # noqa: PLC0415

    unit = 1 if options["units"] is None else options["units"][0]
    profile = run(ask_profile(parse_wire(url), unit, options["timeout"]))
    return profile.model_copy(
        update={"defaults": profile.defaults.model_copy(update={"unit": unit})}
    )


def find_profile(profile: str | None, device: str | None) -> Profile:
    """The meter that was named.

    Raises:
        ConfigError: None was, or both ways were used, or it cannot be loaded.
    """
    if profile is not None and device is not None:
        msg = "give --profile or --device, not both"
        raise ConfigError(msg)
    if device is not None:
        # Few name a meter this way; the others do not wait for what it needs.
        from energymeter.devicefile import load_device  # noqa: PLC0415

        return load_device(device).profile
    if profile == SUNSPEC:
        msg = "sunspec asks a device for its description, that is for read and poll only"
        raise ConfigError(msg)
    if profile is not None:
        if profile.endswith(".toml"):
            return load_profile(Path(profile))
        return profile_library().load(profile)
    count = len(profile_library().names())
    msg = (
        "no meter given: use --profile NAME (such as electric, water, gas, pm8000; "
        f"there are {count}, see energymeter profile list) or --device FILE.py"
    )
    raise ConfigError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which meters to read, where, and how: all of one profile, on one link."""

    profile: Profile
    wire: Wire
    units: Sequence[int]
    """At least one."""

    options: Mapping[str, Any]
    """Of the link: see `open_link`."""

    max_words: int | None
    find_byte_order: bool
    find_word_order: bool
    rated_current_a: float | None = None
    ct: Fraction | None = None
    """Ratio of the current transformers, where the meter shows secondary values."""

    pt: Fraction | None = None
    """Ratio of the voltage transformers, likewise."""

    memory: bool | None = None
    """Whether the user wants what is learned kept; None: as the command does."""

    @property
    def place(self) -> str:
        """Where the link leads, as people write it."""
        return str(self.wire.endpoint())

    def title(self, unit: int) -> str:
        """What one of the meters is called."""
        return f"{self.profile.name} at {self.place} unit {unit}"


def target(url: str, options: dict[str, Any]) -> Target:
    """Make sense of the URL and of the options above together.

    Raises:
        ConfigError: They do not make sense.
    """
    if options["profile"] == SUNSPEC and options["device"] is None:
        profile = _described_by_itself(url, options)
    else:
        profile = find_profile(options["profile"], options["device"])
    byte, word = options["byteorder"], options["wordorder"]
    fixed = {
        key: Order(value.lower())
        for key, value in (("byte_order", byte), ("word_order", word))
        if value in ("BIG", "LITTLE")
    }
    profile = profile.model_copy(update=fixed)
    _check_ratios(profile, options)
    wire = parse_wire(url, default_port=profile.defaults.tcp_port or 502)
    units = [profile.defaults.unit] if options["units"] is None else options["units"]
    check_units(wire, units)
    return Target(
        profile=profile,
        wire=wire,
        units=units,
        options=options,
        max_words=options["message_size"],
        find_byte_order=byte == "AUTO",
        find_word_order=word == "AUTO",
        rated_current_a=options["rated_current"],
        ct=options["ct"],
        pt=options["pt"],
        memory=options["memory"],
    )


def _check_ratios(profile: Profile, options: Mapping[str, Any]) -> None:
    """A ratio that no value takes is not passed over: its values would be believed."""
    for kind in ("ct", "pt"):
        if options[kind] is None or any(kind in point.ratio for point in profile.points):
            continue
        msg = (
            f"--{kind} would change nothing, no value of {profile.name} takes that ratio: leave it "
            f'away, or, if this meter shows secondary values, give them ratio = ["{kind}"] in a '
            "profile of your own (profile show NAME --toml begins one)"
        )
        raise ConfigError(msg)
