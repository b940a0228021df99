"""The two texts Prometheus reads: its own, version 0.0.4, and OpenMetrics 1.0. Pure.

https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/. Sample lines are the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum
from typing import Final, NamedTuple

__all__ = [
    "Dialect",
    "Family",
    "Kind",
    "dialect_of",
    "finite",
    "head",
    "label_block",
    "label_names",
]

_LABEL: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]")


class Kind(StrEnum):
    """What a number does."""

    GAUGE = "gauge"
    COUNTER = "counter"
    """It only grows; its metric ends in `_total`."""
    HISTOGRAM = "histogram"
    """How many were at most so large, for several sizes."""


class Family(NamedTuple):
    """One metric: all samples of one name."""

    name: str
    kind: Kind
    help: str
    """One sentence."""


class Dialect(Enum):
    """Which of the two texts; the value is its media type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    @property
    def end(self) -> str:
        """The last line of the text."""
        return "# EOF\n" if self is Dialect.OPENMETRICS else ""


def dialect_of(accept: str) -> Dialect:
    """Which text somebody wants who sent this header `Accept`; OpenMetrics only if asked for."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for choice in accept.split(","):
        media, *parameters = (part.strip().lower() for part in choice.split(";"))
        if media in weights:
            weights[media] = max(weights[media], _weight(parameters))
    wanted, usual = weights.values()
    return Dialect.OPENMETRICS if wanted > 0 and wanted >= usual else Dialect.TEXT


def _weight(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def head(family: Family, dialect: Dialect) -> str:
    """The lines before the first sample of a metric."""
    name, text = family.name, family.help.translate(_HELP)
    if dialect is Dialect.OPENMETRICS:
        text = text.replace('"', r"\"")
        if family.kind is Kind.COUNTER:
            name = name.removesuffix("_total")
    return f"# HELP {name} {text}\n# TYPE {name} {family.kind}\n"


def label_block(labels: Mapping[str, str]) -> str:
    """What stands between a metric's name and its value; empty without labels."""
    if not labels:
        return ""
    inside = ",".join(f'{name}="{value.translate(_LABEL)}"' for name, value in labels.items())
    return f"{{{inside}}}"


def label_names(wanted: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """A name Prometheus takes for each label a person wrote, all different.

    What it does not take becomes `_`; a name that is taken gets `label_` in front, and what is
    still there twice a number behind.
    """
    used = {*taken, "job", "instance", "le", "quantile"}
    found = {}
    for label in wanted:
        plain = _NOT_IN_NAMES.sub("_", label)
        # Two underscores in front belong to Prometheus itself.
        if plain.startswith("__") or not plain or plain[0].isdigit():
            plain = f"label_{plain.strip('_')}"
        if plain in used:
            plain = f"label_{plain}"
        name, count = plain, 1
        while name in used:
            count += 1
            name = f"{plain}_{count}"
        used.add(name)
        found[label] = name
    return found


def finite(lines: str) -> str:
    """Sample lines in which Python wrote the numbers; infinities and NaN as Prometheus has them."""
    if "inf\n" not in lines and "nan\n" not in lines:
        return lines
    # A line ends in a blank and its number: labels hold no line end.
    return (
        lines.replace(" inf\n", " +Inf\n").replace(" -inf\n", " -Inf\n").replace(" nan\n", " NaN\n")
    )
