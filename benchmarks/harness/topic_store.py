"""Stores: readings in, compressed, and out again; SQLite and PostgreSQL."""

from __future__ import annotations

import re
from typing import Literal

from benchmarks.harness.model import Json, Promise, Report, Row
from benchmarks.harness.options import Options
from benchmarks.harness.process import module, run_json
from benchmarks.harness.rounds import Candidate, measure_in_rounds, missing_module

__all__ = ["run_store"]

OURS = "all figures"
_NUMBER = re.compile(r"([\d,.]+)\s*(.*)")
_PROMISE = re.compile(r"(at least|at most) ([\d,.]+)")


def run_store(options: Options) -> Report:
    """Run benchmarks/store.py as it is, and put its lines into a report."""
    said: list[Json] = []

    def measure(row: Row) -> None:
        def run() -> Json:
            # On both cores: the database server has one of its own.
            return run_json(module("store", "--json"), core=None, timeout_s=900)

        said[:] = options.quiet.run(run, None)["lines"]
        row.details.append({"lines": said})

    missing = missing_module("energymeter.store", "psycopg")
    rows = measure_in_rounds([Candidate(OURS, measure, missing)], options)
    promises, figures = [], []
    for line in said:
        number, unit = _parsed(line["figure"])
        promise = _PROMISE.match(line["promise"])
        if promise is not None:
            wanted = float(promise[2].replace(",", ""))
            direction: Literal["at least", "at most"] = (
                "at least" if promise[1] == "at least" else "at most"
            )
            promises.append(Promise(line["what"], wanted, number, direction, unit))
        else:
            figures.append(Row(line["what"], {unit or "figure": [number]}))
    return Report("store", {"rounds": options.rounds}, [*figures, *rows[1:]], promises)


def _parsed(figure: str) -> tuple[float, str]:
    found = _NUMBER.match(figure)
    if found is None:
        return 0.0, figure
    return float(found[1].replace(",", "")), found[2]
