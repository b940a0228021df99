"""A serial line: at which speed and parity does somebody answer, and what is heard if nobody does?

Wrong settings mostly mean silence, for a meter ignores what it cannot read; now and then they
mean noise. Settings are tried with a short patience, the likeliest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from energymeter.codec import Framing
from energymeter.doctor.case import Case
from energymeter.doctor.finding import Layer, Step, Verdict
from energymeter.doctor.probe import Exchange
from energymeter.doctor.sound import Nature, requests_in
from energymeter.doctor.stranger import quote
from energymeter.doctor.who import other_unit, units_text
from energymeter.errors import LinkOpenError
from energymeter.transports import SerialSettings, Wire

__all__ = ["USUAL_SETTINGS", "explain_line", "explain_other_master", "settings_to_try"]

_PATIENCE_S: Final = 0.4
"""Nearly every meter begins its answer within this; the characters' time comes on top. Seconds."""

_USUAL: Final = (
    "9600 8N1",
    "9600 8E1",
    "19200 8E1",
    "19200 8N1",
    "2400 8N1",
    "38400 8N1",
    "115200 8N1",
    "4800 8N1",
    "9600 8O1",
    "38400 8E1",
    "2400 8E1",
    "57600 8N1",
    "9600 8N2",
    "19200 8N2",
    "1200 8N1",
    "115200 8E1",
    "4800 8E1",
)

_MOST_FOR_UNITS: Final = 4
"""Settings at which other unit numbers are tried as well."""


def _settings(text: str) -> SerialSettings:
    baudrate, shape = text.split()
    return SerialSettings(int(baudrate), shape[1], int(shape[2]), int(shape[0]))


USUAL_SETTINGS: Final = tuple(map(_settings, _USUAL))
"""Speeds and shapes meters come with, the likeliest first."""

_SHAPES: Final = {
    Framing.RTU: USUAL_SETTINGS[:4],
    Framing.ASCII: tuple(map(_settings, ("9600 7E1", "9600 8N1", "19200 7E1"))),
}
"""What each framing is usually spoken with."""

Noise = tuple[SerialSettings, bytes]
"""What came at which settings."""


def settings_to_try(case: Case) -> Iterator[SerialSettings]:
    """All settings but the user's own, the likeliest first: the meter's from the factory."""
    own = case.wire.serial or SerialSettings()
    factory: list[SerialSettings] = []
    if case.profile is not None:
        usual = case.profile.defaults
        if usual.baudrate is not None:
            parities = (usual.parity,) if usual.parity is not None else ("N", "E")
            stopbits = usual.stopbits or 1
            factory = [SerialSettings(usual.baudrate, parity, stopbits) for parity in parities]
    near = [replace(own, parity=parity) for parity in "NE"]
    shapes = _SHAPES[Framing.ASCII] if case.wire.framing is Framing.ASCII else ()
    for settings in dict.fromkeys((*factory, *near, *shapes, *USUAL_SETTINGS)):
        if settings != own and (settings.bytesize == 8 or shapes):
            yield settings


async def explain_other_master(case: Case, contact: Exchange) -> Step | None:
    """Somebody else asks on this bus: two who ask at once destroy each other's words."""
    if case.wire.framing is not Framing.RTU:
        return None
    sound = contact.sound
    foreign = [f for f in requests_in(sound.data) if f.pdu != contact.request.pdu]
    if not foreign:
        return None
    units = units_text(dict.fromkeys(frame.unit for frame in foreign))
    return Step(
        Layer.LINE,
        Verdict.OTHER_MASTER,
        f"questions of another program are heard, to unit {units}",
        f"somebody else asks on this bus (unit {units}), and only one may: end the other program "
        f"or unplug the other master, such as an inverter or a charger",
    )


async def explain_line(case: Case, contact: Exchange) -> Step:
    """Walk through settings, other units and the other framing; then say what was heard."""
    noisy: list[Noise] = []
    own = case.wire.serial or SerialSettings()
    if contact.sound.data:
        noisy.append((own, contact.sound.data))
    walk = list(settings_to_try(case))
    units = list(dict.fromkeys((case.unit, *([] if case.is_unit_given else [1]))))
    others = [unit for unit in case.units() if unit not in units]
    other = Framing.RTU if case.wire.framing is Framing.ASCII else Framing.ASCII
    stranger = replace(case.wire, framing=other)
    plan: list[tuple[Wire, Sequence[int]]] = [
        *((_with(case.wire, settings), units) for settings in walk),
        *((_with(case.wire, settings), others) for settings in (own, *walk)[:_MOST_FOR_UNITS]),
        *((_with(stranger, settings), units) for settings in _SHAPES[other]),
    ]
    for wire, asked in plan:
        step = await _try(case, wire, asked, noisy)
        if step is not None:
            return step
    await case.hang_up()
    return _nothing(case, contact, len(walk) + 1, noisy)


async def _try(case: Case, wire: Wire, units: Sequence[int], noisy: list[Noise]) -> Step | None:
    settings = wire.serial or SerialSettings()
    question = next(iter(case.questions()))
    for unit in units:
        if not case.has_time:
            return None
        case.tell(f"trying {wire.framing.upper()} at {settings}, unit {unit}")
        try:
            await case.open(wire)
        except LinkOpenError:  # a speed this adapter has not got
            return None
        patience_s = min(case.timeout_s, _PATIENCE_S)
        exchange = await case.ask(question, unit=unit, wire=wire, timeout_s=patience_s)
        if exchange.is_answered:
            return _found(case, wire, exchange)
        if exchange.sound.nature in (Nature.NOISE, Nature.BAD_CHECKSUM):
            noisy.append((settings, exchange.sound.data))
    return None


def _found(case: Case, wire: Wire, found: Exchange) -> Step:
    own, settings = case.wire.serial or SerialSettings(), wire.serial or SerialSettings()
    command = case.command(wire=wire, unit=found.unit)
    unit = "" if found.unit == case.unit else f", and it is unit {found.unit}"
    seen = f"nothing at {own}; at {settings} unit {found.unit} answers"
    if wire.framing is not case.wire.framing:
        name = wire.framing.upper()
        return Step(
            Layer.FRAMING,
            Verdict.OTHER_FRAMING,
            f"{seen} in {name}",
            f"the meter speaks {name} with {settings}{unit}",
            command,
        )
    if settings == own:
        return other_unit(case, found, f"unit {case.unit} is silent at {own}")
    is_speed = settings.baudrate != own.baudrate
    return Step(
        Layer.LINE,
        Verdict.OTHER_SPEED if is_speed else Verdict.OTHER_PARITY,
        seen,
        f"the line runs at {settings}, not at {own}{unit}",
        command,
    )


def _nothing(case: Case, contact: Exchange, tried: int, noisy: Sequence[Noise]) -> Step:
    units = units_text(dict.fromkeys((case.unit, *case.units())))
    if contact.sound.is_echoed and not noisy:
        return Step(
            Layer.ECHO,
            Verdict.ECHO_ONLY,
            f"only our own echo comes back, at {tried} settings",
            "the adapter echoes, but no meter answers: is the meter on, are A and B the right "
            "way round, and is it the right adapter?",
        )
    if noisy:
        settings, data = noisy[0]
        return Step(
            Layer.LINE,
            Verdict.NOISE_ONLY,
            f"no frame at any of {tried} settings, but noise, at {settings} first: {quote(data)}",
            "somebody is there, but nothing that comes is a frame: A and B are the wrong way "
            "round, ground or terminators are missing, or the meter is set to a speed that was "
            "not tried (look into its menu)",
        )
    return Step(
        Layer.LINE,
        Verdict.LINE_SILENT,
        f"not a byte at any of {tried} settings (units {units})",
        "nothing at all is heard on the line: is the meter on, are A and B the right way round "
        "(swap them, it harms nothing), does the cable go to this adapter, and which unit number "
        "and speed does the meter's menu show?",
    )


def _with(wire: Wire, settings: SerialSettings) -> Wire:
    """The same line at other settings, with the silences that belong to them."""
    pacing = replace(wire.pacing, character_s=settings.character_s, silence_s=settings.silence_s)
    return replace(wire, serial=settings, pacing=pacing)
