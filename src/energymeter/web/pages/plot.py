"""A chart's options for ECharts: lines for what is measured, bars for what is counted. Pure.

See https://echarts.apache.org/en/option.html. Times are moved to the zone of the site and drawn as
UTC, so that a day looks the same from everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from energymeter.web.pages.figures import label_of
from energymeter.web.pages.spans import Span

__all__ = ["Curve", "options_of"]

_LIGHT: Final = ("#0f5fae", "#c2410c", "#0f766e", "#7c3aed", "#a16207", "#be185d")
_DARK: Final = ("#6cb2ff", "#fb923c", "#2dd4bf", "#c4b5fd", "#facc15", "#f9a8d4")
_INK: Final = {False: ("#4d5a68", "#e2e7ec"), True: ("#9fb0c0", "#2b3641")}
"""Of text and of lines, by darkness."""

_AXIS_PX: Final = 56


class Curve(NamedTuple):
    """One value over time."""

    name: str
    unit: str
    points: Sequence[tuple[int, float | None]]
    """Milliseconds since 1970 in the site's zone, and values."""

    is_bar: bool = False


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
    deepest = max((len(members) for _, members in sides), default=1)
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
            "top": 28 + (18 if deepest > 1 or len(curves) > 1 else 0),
            "bottom": 28,
        },
        "legend": {
            "show": len(curves) > 1,
            "type": "scroll",
            "top": 0,
            "textStyle": {"color": ink},
            "pageTextStyle": {"color": ink},
            "pageIconColor": ink,
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
            "axisLabel": {"color": ink, "hideOverlap": True},
            "splitLine": {"show": False},
        },
        "yAxis": [_axis(unit, units, curves, ink, rule) for unit in units] or [{"show": False}],
        "series": [_series(curve, units.index(curve.unit)) for curve in curves],
    }


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
        "scale": not any(curve.is_bar for curve in curves if curve.unit == unit),
        "axisLabel": {"color": ink},
        "splitLine": {"show": place == 0, "lineStyle": {"color": rule}},
    }


def _series(curve: Curve, axis: int) -> dict[str, Any]:
    shape: dict[str, Any]
    if curve.is_bar:
        shape = {"type": "bar", "barMaxWidth": 28, "itemStyle": {"opacity": 0.4}}
    else:
        shape = {"type": "line", "showSymbol": len(curve.points) < 3, "lineStyle": {"width": 1.8}}
    data = [
        [time, None if value is None else float(f"{value:.6g}")] for time, value in curve.points
    ]
    return {
        **shape,
        "name": f"{label_of(curve.name)} ({curve.unit})" if curve.unit else label_of(curve.name),
        "yAxisIndex": axis,
        "data": data,
        "connectNulls": False,
    }
