"""Candidates measured in turn, A B C A B C, so that the machine's drift hits all alike."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.harness.model import Row
from benchmarks.harness.options import Options
from benchmarks.harness.process import RunError

__all__ = ["Candidate", "measure_in_rounds", "missing_module"]


@dataclass(frozen=True)
class Candidate:
    """One row of a table: a name, and how one round of it is measured."""

    name: str
    measure: Callable[[Row], None]
    """Adds one value for each figure to its row; raises RunError."""
    missing: str | None = None
    """Why it cannot be measured here at all, or None."""
    note: str | None = None


def measure_in_rounds(candidates: Sequence[Candidate], options: Options) -> list[Row]:
    """Measure all candidates `options.rounds` times, in the same order each time.

    A candidate that fails is left out from then on, with the reason in its row.
    """
    rows = {c.name: Row(c.name, note=c.missing or c.note) for c in candidates}
    remaining = [c for c in candidates if c.missing is None]
    for number in range(1, options.rounds + 1):
        for candidate in list(remaining):
            options.say(f"round {number} of {options.rounds}: {candidate.name}")
            try:
                candidate.measure(rows[candidate.name])
            except RunError as failure:
                rows[candidate.name].note = f"left out in round {number}: {failure}"
                remaining.remove(candidate)
    return list(rows.values())


def missing_module(*names: str) -> str | None:
    """One sentence about modules that are not there, or None when all can be imported."""
    absent = [name for name in names if not _is_there(name)]
    if not absent:
        return None
    return f"not installed: {', '.join(absent)} (pip install -e '.[dev]')"


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a package on the way to it is missing
        return False
