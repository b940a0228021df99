"""A report as people or programs want it: table, JSON, CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from energymeter.cli.options import Target
from energymeter.reader import Quality, ReadReport
from energymeter.values.text import format_value, shortest

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["as_csv", "as_json", "as_table"]


def as_json(report: ReadReport, target: Target) -> str:
    """One object: meter, host, unit, time, and the values by name; see docs/reference.

    A value that is not good says why in `reason`.
    """
    values: dict[str, dict[str, Any]] = {
        point.name: {
            "value": _number(value, point.type),
            "unit": point.unit,
            "quality": quality.value,
        }
        for point, value, quality in zip(
            report.points, report.values, report.qualities, strict=True
        )
    }
    for name, reason in report.reasons().items():
        values[name]["reason"] = reason
    document = {
        "meter": target.profile.name,
        "host": str(target.endpoint),
        "unit": target.unit,
        "time": _utc(report.time),
        "values": values,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_csv(report: ReadReport, target: Target) -> str:
    """A header and one line a value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time", "meter", "name", "value", "unit", "quality"])
    for point, value, quality in zip(report.points, report.values, report.qualities, strict=True):
        number = _number(value, point.type)
        text = "" if number is None else number
        writer.writerow(
            [_utc(report.time), target.profile.name, point.name, text, point.unit, quality.value]
        )
    return out.getvalue()


def as_table(report: ReadReport) -> Table:
    """A table for the terminal."""
    from rich import box  # noqa: PLC0415 - only people pay for it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("name", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit")
    table.add_column("quality")
    styles = {Quality.GOOD: "green", Quality.NOT_AVAILABLE: "yellow", Quality.STALE: "yellow"}
    for point, value, quality in zip(report.points, report.values, report.qualities, strict=True):
        text = format_value(value, point.type, point.exact_scale.divisor)
        word = quality.replace("_", " ")
        # Never as markup: the names are the user's and a text may be the meter's.
        cells = (
            Text(point.name),
            Text(text),
            Text(point.unit),
            Text(word, styles.get(quality, "yellow")),
        )
        table.add_row(*cells)
    return table


def _number(value: Any, data_type: Any) -> Any:  # noqa: ANN401 - any value of JSON
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return shortest(value, data_type) if math.isfinite(value) else None
    return value


def _utc(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
