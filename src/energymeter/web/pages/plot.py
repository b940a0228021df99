"""A chart's options for ECharts: lines for what is measured, bars for what is counted. Pure.

See https://echarts.apache.org/en/option.html. Times are moved to the zone of the site and drawn as
UTC, so that a day looks the same from everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from energymeter.store import Every
from energymeter.web.pages.figures import label_of
from energymeter.web.pages.markup import Markup, join, tag
from energymeter.web.pages.spans import Span

__all__ = ["Curve", "legend_of", "options_of"]

_LIGHT: Final = ("#0f5fae", "#c2410c", "#0f766e", "#7c3aed", "#a16207", "#be185d")
_DARK: Final = ("#6cb2ff", "#fb923c", "#2dd4bf", "#c4b5fd", "#facc15", "#f9a8d4")
_INK: Final = {False: ("#4d5a68", "#e2e7ec"), True: ("#9fb0c0", "#2b3641")}
"""Of text and of lines, by darkness."""

_AXIS_PX: Final = 56

_WINDOWS: Final = {
    Every.MINUTE: "per minute",
    Every.QUARTER: "per 15 min",
    Every.HOUR: "per hour",
    Every.DAY: "per day",
}
_FAR_FROM_ZERO: Final = frozenset({"V", "Hz", "°C", "bar", "mbar", ""})
"""What is told in these would be a flat line on an axis that begins at zero."""


_TICKS: Final = {"day": "{d} {MMM}", "month": "{MMM}", "year": "{yyyy}"}


class Curve(NamedTuple):
    """One value over time."""

    name: str
    unit: str
    points: Sequence[tuple[int, float | None]]
    """Milliseconds since 1970 in the site's zone, and values."""

    every: Every | None = None
    """Of a counter the windows it is counted in; None: it is a line."""

    @property
    def told_in(self) -> str:
        """Its unit; of a counter with the window."""
        window = _WINDOWS.get(self.every, "") if self.every is not None else ""
        return f"{self.unit} {window}".strip()


def options_of(
    curves: Sequence[Curve], span: Span, offset_ms: int, *, is_dark: bool
) -> dict[str, Any]:
    """The options of a chart.

    Args:
        curves: What it shows.
        span: The time it shows, whether there is something or not.
        offset_ms: How far the site's zone is ahead of UTC.
        is_dark: Whether it stands on a dark ground.
    """
    ink, rule = _INK[is_dark]
    units = list(dict.fromkeys(curve.unit for curve in curves))
    sides = [("left", units[0::2]), ("right", units[1::2])]
    start, end = (round(time.timestamp() * 1000) + offset_ms for time in span)
    return {
        "animation": False,
        "useUTC": True,
        "aria": {"enabled": True},
        "color": list(_DARK if is_dark else _LIGHT),
        "textStyle": {"color": ink, "fontFamily": "system-ui, sans-serif"},
        "grid": {
            "left": 8 + _AXIS_PX * max(len(sides[0][1]), 1),
            "right": 16 + _AXIS_PX * len(sides[1][1]),
            "top": 32,
            "bottom": 28,
        },
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            "backgroundColor": "#1c2530" if is_dark else "#ffffff",
            "borderColor": rule,
            "textStyle": {"color": "#e6ebf0" if is_dark else "#16202b"},
        },
        "xAxis": {
            "type": "time",
            "min": start,
            "max": end,
            "axisLine": {"lineStyle": {"color": rule}},
            "containShape": False,  # else a few bars would move now to the middle
            "axisLabel": {"color": ink, "hideOverlap": True, "formatter": _TICKS},
            "splitLine": {"show": False},
        },
        "yAxis": [_axis(unit, units, curves, ink, rule) for unit in units] or [{"show": False}],
        "series": [_series(curve, units.index(curve.unit)) for curve in curves],
    }


def legend_of(curves: Sequence[Curve], *, is_dark: bool) -> Markup:
    """What is drawn in which colour, as entries of a list."""
    colours = _DARK if is_dark else _LIGHT
    return join(
        tag(
            "li",
            tag("span", class_="em-key", style=f"background:{colours[place % len(colours)]}"),
            f"{label_of(curve.name)} ",
            tag("small", curve.told_in),
        )
        for place, curve in enumerate(curves)
    )


def _axis(
    unit: str, units: list[str], curves: Sequence[Curve], ink: str, rule: str
) -> dict[str, Any]:
    place = units.index(unit)
    return {
        "type": "value",
        "name": unit,
        "nameTextStyle": {"color": ink},
        "position": "right" if place % 2 else "left",
        "offset": _AXIS_PX * (place // 2),
        "scale": unit in _FAR_FROM_ZERO,
        "axisLabel": {"color": ink},
        "splitLine": {"show": place == 0, "lineStyle": {"color": rule}},
    }


def _series(curve: Curve, axis: int) -> dict[str, Any]:
    shape: dict[str, Any]
    if curve.every is not None:
        shape = {"type": "bar", "barMaxWidth": 28, "itemStyle": {"opacity": 0.4}}
    else:
        shape = {"type": "line", "showSymbol": len(curve.points) < 3, "lineStyle": {"width": 1.8}}
        shape["z"] = 3  # in front of the bars
    data = [
        [time, None if value is None else float(f"{value:.6g}")] for time, value in curve.points
    ]
    return {
        **shape,
        "name": f"{label_of(curve.name)} ({curve.told_in})".removesuffix(" ()"),
        "yAxisIndex": axis,
        "data": data,
        "connectNulls": False,
    }
