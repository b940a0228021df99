"""The page of the shipped meters: what each measures, how it behaves, where that comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from energymeter.codec.codes import Table
from energymeter.profiles.model import Profile
from energymeter.profiles.point import Point
from energymeter.values import Encoding, Order, quantity_of

__all__ = ["meters_page", "quirks_of"]

_HEAD = """# Meters

The profiles in the package. `--profile` takes the whole name, or its second half where only one
vendor has it; `energymeter profile show NAME` shows every value. Confidence: whether one source or
several say so; nothing was tried on a real meter unless a note says it.

| profile | meter | kind | phases | values | transports | confidence |
|---|---|---|---|---|---|---|
"""


def meters_page(profiles: Iterable[Profile]) -> str:
    """The page in Markdown, without a trailing notice.

    Args:
        profiles: In the order they are to be shown.
    """
    shown = list(profiles)
    rows = [
        f"| [`{p.name}`](#{_anchor(p)}) | {p.vendor} {p.model} | {p.kind} | {p.phases or ''} "
        f"| {len(p.points)} | {', '.join(p.transports)} | {p.confidence} |\n"
        for p in shown
    ]
    return _HEAD + "".join(rows) + "".join(_section(profile) for profile in shown)


def quirks_of(profile: Profile) -> list[str]:
    """How the meter deviates from the plain, each in one short sentence."""
    return [*_orders(profile), *_reads(profile), *_values(profile), *_defaults(profile)]


def _anchor(profile: Profile) -> str:
    return profile.name.replace("/", "")


def _section(profile: Profile) -> str:
    lines = ["", f"## {profile.name}", "", f"{profile.vendor} {profile.model}. "]
    lines[-1] = (lines[-1] + profile.description).rstrip()
    lines += ["", f"Quantities: {', '.join(_quantities(profile))}.", ""]
    lines += [f"- {quirk}" for quirk in quirks_of(profile)]
    lines += [f"- {note}" for note in profile.notes]
    lines += ["", f"Sources: {'; '.join(_linked(source) for source in profile.sources)}.", ""]
    return "\n".join(lines)


def _linked(source: str) -> str:
    return f"<{source}>" if source.startswith("https://") else source


def _quantities(profile: Profile) -> list[str]:
    known = [quantity_of(point.name) for point in profile.points]
    counts = Counter(quantity.name for quantity in known if quantity is not None)
    other = sum(quantity is None for quantity in known)
    texts = [f"{name} ({count})" if count > 1 else name for name, count in counts.items()]
    return texts + ([f"{other} more"] if other else [])


def _orders(profile: Profile) -> Iterator[str]:
    if profile.byte_order is Order.LITTLE:
        yield "Bytes inside a register are swapped."
    if profile.word_order is Order.LITTLE:
        yield "Low word first."
    for key, text in (("word_order", "Another word order"), ("byte_order", "Swapped bytes")):
        names = [point.name for point in profile.points if getattr(point, key) is not None]
        if names:
            yield f"{text}: {_some(names)}."


def _reads(profile: Profile) -> Iterator[str]:
    if profile.tables == (Table.INPUT,):
        yield "Values are input registers (function 4)."
    elif len(profile.tables) > 1:
        yield "Functions 3 and 4 answer alike."
    if profile.max_read_words is not None:
        yield f"No read is longer than {profile.max_read_words} registers."
    if profile.even_reads:
        yield "Only even addresses and even counts are answered."
    if profile.gaps == "refused":
        yield "A read that spans a gap is refused."
    if profile.holes:
        spans = ", ".join(f"{hole.first}..{hole.last}" for hole in profile.holes)
        yield f"Refused addresses: {spans}."
    for answer in profile.lone_answers:
        where = "Any register" if answer.address is None else f"Register {answer.address}"
        yield f"{where} read alone answers something else."
    if profile.sunspec:
        yield "A SunSpec model chain."
    optional = [point.name for point in profile.points if point.optional]
    if optional:
        yield f"Not in every meter of this model: {_some(optional)}."


def _values(profile: Profile) -> Iterator[str]:
    sources: dict[str, list[Point]] = {}
    for point in profile.points:
        if point.scale_from is not None:
            sources.setdefault(point.scale_from.point, []).append(point)
    for name, points in sources.items():
        yield f"Scaled by `{name}`: {_some([point.name for point in points])}."
    encoded: dict[Encoding, list[str]] = {}
    for point in profile.points:
        if point.encoding is not Encoding.PLAIN:
            encoded.setdefault(point.encoding, []).append(point.name)
    for encoding, names in encoded.items():
        yield f"Encoding {encoding}: {_some(names)}."
    for text, found in (
        ("Have patterns for not available", [p for p in profile.points if p.not_available]),
        ("Need the transformers' ratio in some modes", [p for p in profile.points if p.ratio]),
        ("Count downwards", [p for p in profile.points if p.counts_down]),
        ("Have an offset", [p for p in profile.points if p.offset]),
    ):
        if found:
            yield f"{text}: {_some([point.name for point in found])}."


def _defaults(profile: Profile) -> Iterator[str]:
    defaults = profile.defaults
    if defaults.unit != 1:
        yield f"Unit {defaults.unit} from the factory."
    if defaults.tcp_port not in (None, 502):
        yield f"TCP port {defaults.tcp_port}."
    if defaults.baudrate is not None:
        frame = f"8{defaults.parity or 'N'}{defaults.stopbits or 1}"
        yield f"{defaults.baudrate} baud {frame} from the factory."


def _some(names: list[str]) -> str:
    return (
        ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
    )
