"""A layout as the text it is kept as, and back. Pure; knows no database."""

from __future__ import annotations

import json
from typing import Any

from energymeter.store.base import Form, Kind, Layout, Series
from energymeter.values import DataType

__all__ = ["layout_text", "parse_layout"]


def layout_text(layout: Layout) -> str:
    """A layout as it is kept; equal layouts give equal texts."""
    return json.dumps([list(series) for series in layout.series], separators=(",", ":"))


def parse_layout(text: str) -> Layout:
    """The layout again; raises `ValueError` for other text."""
    rows: list[list[Any]] = json.loads(text)
    return Layout(
        Series(
            name=name,
            unit=unit,
            type=DataType(data_type),
            kind=Kind(kind),
            form=Form(form),
            divisor=divisor,
            tops=tuple(tops),
            counts_down=counts_down,
        )
        for name, unit, data_type, kind, form, divisor, tops, counts_down in rows
    )
