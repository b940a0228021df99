"""The collected facts the shipped profiles were made from."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

__all__ = ["FACTS", "facts"]

FACTS: Final = tuple(sorted((Path(__file__).parents[1] / "facts").glob("*.json")))


def facts(path: Path) -> dict[str, Any]:
    """The facts of one file, fractions exact."""
    data: dict[str, Any] = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    return data
