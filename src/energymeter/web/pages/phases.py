"""The three phases of a meter as arrows: how large voltage and current are, and how far apart.

No meter of these tells the angles between its voltages: they are drawn 120 degrees apart. How far
each current lags behind its voltage comes from the powers, or from the power factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import acos, atan2, cos, degrees, radians, sin
from typing import Final, NamedTuple

from energymeter.reader.reading import Quality, Reading
from energymeter.values.quantities import base_of
from energymeter.web.pages.figures import DASH, Figure, grouped, scaled
from energymeter.web.pages.markup import Markup, join, nothing, tag

__all__ = ["Phase", "phases_html", "phases_of"]

_LETTERS: Final = "abc"
_SIZE: Final = 220
_RADIUS: Final = 92
_CURRENT_SHARE: Final = 0.72
"""The largest current's arrow, as a part of the largest voltage's."""


class Phase(NamedTuple):
    """One phase; None: the meter does not tell."""

    voltage: float | None
    """In V."""

    current: float | None
    """In A."""

    power: float | None
    """In W."""

    angle: float | None
    """How far the current lags behind the voltage, degrees, -180 to 180."""


def phases_of(readings: Mapping[str, Reading]) -> tuple[Phase, ...]:
    """The phases; empty for a meter that has not three voltages or powers, good or not.

    Args:
        readings: By name.
    """
    if not (_has_three(readings, "voltage") or _has_three(readings, "active_power")):
        return ()
    return tuple(_phase(readings, letter) for letter in _LETTERS)


def phases_html(readings: Mapping[str, Reading]) -> Markup:
    """The arrows, of a meter that measures voltages, and the figures; nothing without phases."""
    phases = phases_of(readings)
    if not phases:
        return nothing()
    diagram = _diagram(phases) if _has_three(readings, "voltage") else nothing()
    return tag("div", diagram, _table(phases), class_="em-phases")


def _has_three(readings: Mapping[str, Reading], name: str) -> bool:
    return all(f"{name}_phase_{letter}" in readings for letter in _LETTERS)


def _phase(readings: Mapping[str, Reading], letter: str) -> Phase:
    def good(name: str) -> float | None:
        reading = readings.get(f"{name}_phase_{letter}")
        if reading is None or reading.quality not in (Quality.GOOD, Quality.STALE):
            return None
        value = reading.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value * base_of(reading.unit)[1])

    power, current = good("active_power"), good("current")
    angle = _angle(power, good("reactive_power"), good("apparent_power"), good("power_factor"))
    return Phase(good("voltage"), None if current is None else abs(current), power, angle)


def _angle(
    power: float | None, reactive: float | None, apparent: float | None, factor: float | None
) -> float | None:
    if power is not None and reactive is not None and (power or reactive):
        return degrees(atan2(reactive, power))
    if power is not None and apparent:
        return degrees(acos(max(-1.0, min(1.0, power / abs(apparent)))))
    if factor is not None and 0 < abs(factor) <= 1:
        lag = degrees(acos(abs(factor)))
        return 180 - lag if power is not None and power < 0 else lag
    return None


def _diagram(phases: tuple[Phase, ...]) -> Markup:
    most_v = max((p.voltage or 0.0 for p in phases), default=0.0) or 1.0
    most_a = max((p.current or 0.0 for p in phases), default=0.0)
    middle = _SIZE / 2
    parts = [
        tag("circle", cx=middle, cy=middle, r=_RADIUS, class_="em-ring"),
        tag("circle", cx=middle, cy=middle, r=_RADIUS * _CURRENT_SHARE, class_="em-ring em-thin"),
    ]
    for place, phase in enumerate(phases):
        direction = 90 - 120 * place
        if phase.voltage:
            length = _RADIUS * phase.voltage / most_v
            parts.append(_arrow(direction, length, f"em-u em-l{place + 1}"))
        parts.append(_letter(direction, f"L{place + 1}", place))
        if phase.current and phase.angle is not None and most_a:
            length = _RADIUS * _CURRENT_SHARE * phase.current / most_a
            parts.append(_arrow(direction - phase.angle, length, f"em-i em-l{place + 1}"))
    words = "voltages as thin arrows, 120 degrees apart, currents as thick ones"
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {_SIZE} {_SIZE}",
        class_="em-phasor",
        role="img",
        aria_label=f"phasor diagram: {words}",
    )


def _arrow(direction: float, length: float, look: str) -> Markup:
    middle = _SIZE / 2
    x, y = cos(radians(direction)), -sin(radians(direction))
    end_x, end_y = middle + length * x, middle + length * y
    head = min(8.0, length / 2)
    wings = []
    for turn in (150, -150):
        wing_x, wing_y = cos(radians(direction + turn)), -sin(radians(direction + turn))
        wings.append(f"M{end_x:.1f} {end_y:.1f}l{head * wing_x:.1f} {head * wing_y:.1f}")
    path = f"M{middle:.0f} {middle:.0f}L{end_x:.1f} {end_y:.1f}{''.join(wings)}"
    return tag("path", d=path, class_=look)


def _letter(direction: float, text: str, place: int) -> Markup:
    away = _RADIUS + 11
    x = _SIZE / 2 + away * cos(radians(direction))
    y = _SIZE / 2 - away * sin(radians(direction)) + 4
    return tag(
        "text", text, x=f"{x:.0f}", y=f"{y:.0f}", text_anchor="middle", class_=f"em-l{place + 1}"
    )


def _table(phases: tuple[Phase, ...]) -> Markup:
    most_w = max((abs(p.power) for p in phases if p.power is not None), default=0.0)
    rows = []
    for place, phase in enumerate(phases):
        share = 100 * abs(phase.power) / most_w if phase.power is not None and most_w else 0.0
        bar = tag("span", class_=f"em-bar em-l{place + 1}", style=f"width:{share:.0f}%")
        cells = (
            Figure(DASH) if phase.voltage is None else Figure(grouped(phase.voltage, 1), "V"),
            Figure(DASH) if phase.current is None else Figure(grouped(phase.current, 2), "A"),
            Figure(DASH) if phase.power is None else scaled(phase.power, "W", 0.1),
            Figure(DASH) if phase.angle is None else Figure(grouped(phase.angle, 0) + "°"),
        )
        rows.append(
            tag(
                "tr",
                tag(
                    "th",
                    tag("span", class_=f"em-key em-l{place + 1}"),
                    f"L{place + 1}",
                    scope="row",
                ),
                *(tag("td", str(cell), class_="em-num em-right-text") for cell in cells),
            )
        )
        rows.append(tag("tr", tag("td", bar, colspan=5, class_="em-barcell"), aria_hidden="true"))
    heads = ("phase", "voltage", "current", "power", "lag")
    head = tag("tr", *(tag("th", text, scope="col") for text in heads))
    caption = tag("caption", "the three phases", class_="em-hidden")
    return tag(
        "table",
        caption,
        tag("thead", head),
        tag("tbody", join(rows)),
        class_="em-table em-phasetable",
    )
