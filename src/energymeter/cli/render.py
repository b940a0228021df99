"""A report as people or programs want it: table, JSON, CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from energymeter.cli.options import Target
from energymeter.reader import Quality, ReadReport
from energymeter.values.text import format_value, shortest

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["as_csv", "as_json", "as_table"]


def as_json(reports: Mapping[int, ReadReport], target: Target) -> str:
    """One object: meter, host, unit, time, and the values by name; see docs/reference.

    Of several units a list of such objects. A value that is not good says why in `reason`.
    """
    documents = [_document(unit, report, target) for unit, report in reports.items()]
    return json.dumps(
        documents[0] if len(target.units) == 1 else documents, indent=2, ensure_ascii=False
    )


def _document(unit: int, report: ReadReport, target: Target) -> dict[str, Any]:
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
    return {
        "meter": target.profile.name,
        "host": target.place,
        "unit": unit,
        "time": _utc(report.time),
        "values": values,
    }


def as_csv(reports: Mapping[int, ReadReport], target: Target) -> str:
    """A header and one line a value; of several units, the unit's number behind the meter."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    has_many = len(target.units) > 1
    meter_columns = ["meter", "meter_unit"] if has_many else ["meter"]
    writer.writerow(["time", *meter_columns, "name", "value", "unit", "quality"])
    for unit, report in reports.items():
        meter = [target.profile.name, unit] if has_many else [target.profile.name]
        time = _utc(report.time)
        for point, value, quality in zip(
            report.points, report.values, report.qualities, strict=True
        ):
            number = _number(value, point.type)
            text = "" if number is None else number
            writer.writerow([time, *meter, point.name, text, point.unit, quality.value])
    return out.getvalue()


def as_table(report: ReadReport) -> Table:
    """A table for the terminal."""
    from rich import box  # noqa: PLC0415 - only people pay for it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD)
    # Where a terminal is narrow, names go on in the next line: half a number is a wrong one.
    table.add_column("name", overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("quality", no_wrap=True)
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
