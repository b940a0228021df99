"""`energymeter history`: what the store has of a value, a meter, or at all."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

import click

from energymeter.cli.completion import meter_names, quantity_names
from energymeter.cli.kept import (
    EACH_POLL,
    WINDOWS,
    nearest,
    open_store,
    parse_every,
    parse_time,
    parse_zone,
    store_options,
)
from energymeter.errors import ConfigError
from energymeter.values.text import format_value, shortest

if TYPE_CHECKING:
    from energymeter.store import Every, History, Series, Store

__all__ = ["command"]

_USUAL_SPAN: Final = timedelta(hours=24)

_USUAL_EVERY: Final = (
    (timedelta(hours=2), EACH_POLL),
    (timedelta(hours=12), "1m"),
    (timedelta(days=3), "15m"),
    (timedelta(days=14), "1h"),
)
"""Windows for the longest span each is used for; beyond, days."""

_LEFT: Final = frozenset(
    {"time", "", "quality", "meter", "quantity", "kind", "unit", "first", "last"}
)
"""Columns of text."""

_BAR: Final = 20
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


@click.command("history")
@click.argument("meter", required=False, shell_complete=meter_names)
@click.argument("quantity", required=False, shell_complete=quantity_names)
@click.option(
    "--every",
    type=click.Choice([EACH_POLL, *WINDOWS]),
    help="Each poll, or windows: means of gauges, increases of counters. Days are local days. "
    "Default: as fits the time.",
)
@click.option("--json", "output", flag_value="json", help="Print JSON.")
@click.option("--csv", "output", flag_value="csv", help="Print CSV.")
@store_options
def command(meter: str | None, quantity: str | None, **options: Any) -> int:  # noqa: ANN401
    """Print one value of a meter over time, by default of the last 24 hours.

    Without QUANTITY, list what the store has of the meter; without METER, list its meters. The
    service may run meanwhile.

    Exit code 0: printed. 1: the store cannot be read. 2: wrong usage.
    """
    zone, now = parse_zone(options["timezone"]), datetime.now(UTC)
    with open_store(options["store"], options["site"]) as store:
        if meter is None:
            _print_rows(_meters(store, zone), options["output"])
        elif quantity is None:
            _print_rows(_quantities(store, meter), options["output"])
        else:
            _print_history(_ask(store, meter, quantity, now, zone, options), options["output"])
    return 0


@dataclass(frozen=True, slots=True)
class _Answer:
    """A history and what was asked for."""

    meter: str
    history: History
    start: datetime
    end: datetime
    every: Every | None
    zone: tzinfo | None

    @property
    def series(self) -> Series:
        return self.history.series

    def times(self, zone: tzinfo | None) -> list[str]:
        """When each row was, or began."""
        from energymeter.store.export import time_texts  # noqa: PLC0415 - NumPy takes its time

        return time_texts(self.history.times_us, zone, is_whole=self.every is not None)

    def values(self) -> list[Any]:
        """The values for programs: no more digits than the meter gave."""
        return [self._value(value) for value in self.history.values]

    def extremes(self) -> tuple[list[float | None], list[float | None]]:
        """Lowest and highest values of each window."""
        from energymeter.store.export import extreme_values  # noqa: PLC0415 - as above

        history = self.history
        return extreme_values(history, history.lows), extreme_values(history, history.highs)

    def _value(self, value: Any) -> Any:  # noqa: ANN401 - any value
        if not isinstance(value, float):
            return value
        if not math.isfinite(value):
            return None
        return shortest(value, self.series.type) if self.every is None else value


def _ask(  # noqa: PLR0913, PLR0917 - private, one call
    store: Store,
    meter: str,
    quantity: str,
    now: datetime,
    zone: tzinfo | None,
    options: dict[str, Any],
) -> _Answer:
    from energymeter.store.courses import history_of_meter  # noqa: PLC0415 - NumPy takes its time

    keys = _keys(store, meter)
    end = now if options["end"] is None else parse_time(options["end"], now, zone)
    asked = options["start"]
    start = end - _USUAL_SPAN if asked is None else parse_time(asked, now, zone)
    if start >= end:
        msg = f"--from {start.astimezone(zone)} is not before --to {end.astimezone(zone)}"
        raise ConfigError(msg)
    usual = (name for longest, name in _USUAL_EVERY if end - start <= longest)
    every = parse_every(options["every"] or next(usual, "1d"))
    history = history_of_meter(store, keys, quantity, start, end, every, zone)
    if history is None:
        layouts = store.meters()
        known = [series.name for key in keys for series in layouts[key].series]
        msg = (
            f"there is no {quantity!r} of {meter}{nearest(quantity, known)}; energymeter history "
            f"{meter} lists all"
        )
        raise ConfigError(msg)
    return _Answer(meter, history, start, end, every, zone)


def _keys(store: Store, meter: str) -> list[str]:
    from energymeter.store.courses import courses_of, meters_in  # noqa: PLC0415 - as above

    known = store.meters()
    keys = courses_of(known, meter)
    if not keys:
        near = nearest(meter, meters_in(known))
        msg = f"there is no meter {meter!r}{near}; energymeter history lists all"
        raise ConfigError(msg)
    return keys


def _meters(store: Store, zone: tzinfo | None) -> list[dict[str, Any]]:
    from energymeter.store.courses import meters_in  # noqa: PLC0415 - as above

    latest = store.latest()
    rows = []
    for name, keys in meters_in(latest).items():
        firsts = [first for key in keys if (first := store.first(key))]
        last = max(latest[key].time for key in keys)
        rows.append(
            {
                "meter": name,
                "values": sum(len(latest[key].layout) for key in keys),
                "first": _iso(min(firsts), zone) if firsts else "",
                "last": _iso(last, zone),
            }
        )
    return rows


def _quantities(store: Store, meter: str) -> list[dict[str, Any]]:
    latest = store.latest(_keys(store, meter))
    rows = []
    for each in latest.values():
        for series, value, quality in zip(
            each.layout.series, each.values, each.qualities, strict=True
        ):
            rows.append(
                {
                    "quantity": series.name,
                    "kind": series.kind.value,
                    "latest": format_value(value, series.type, series.divisor),
                    "unit": series.unit,
                    "quality": quality.value,
                }
            )
    return rows


def _iso(time: datetime, zone: tzinfo | None) -> str:
    return time.astimezone(zone).isoformat(timespec="seconds")


def _print_rows(rows: Sequence[dict[str, Any]], output: str | None) -> None:
    if output == "json":
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif not rows:
        click.echo("energymeter history: the store is empty", err=True)
    elif output == "csv":
        _write_csv([list(rows[0]), *(list(row.values()) for row in rows)])
    else:
        _print_table([list(rows[0]), *([str(cell) for cell in row.values()] for row in rows)])


def _write_csv(rows: Iterable[Sequence[Any]]) -> None:
    from energymeter.store.export import csv_rows  # noqa: PLC0415 - NumPy takes its time

    csv_rows(sys.stdout).writerows(rows)


def _print_history(answer: _Answer, output: str | None) -> None:
    if output == "json":
        click.echo(_as_json(answer))
    elif output == "csv":
        _write_csv(_csv_rows(answer))
    elif not len(answer.history):
        span = f"{_iso(answer.start, answer.zone)} and {_iso(answer.end, answer.zone)}"
        text = f"nothing of {answer.meter} {answer.series.name} between {span}"
        click.echo(f"energymeter history: {text}", err=True)
    else:
        _print_answer(answer)


def _as_json(answer: _Answer) -> str:
    history = answer.history
    rows: list[dict[str, Any]] = [
        {"time": time, "value": value, "quality": quality.value}
        for time, value, quality in zip(
            answer.times(_told_in(answer)), answer.values(), history.qualities, strict=True
        )
    ]
    if history.lows is not None:
        for row, lowest, highest in zip(rows, *answer.extremes(), strict=True):
            row.update(lowest=lowest, highest=highest)
    document = {
        "meter": answer.meter,
        "quantity": answer.series.name,
        "unit": answer.series.unit,
        "kind": answer.series.kind.value,
        "every": None if answer.every is None else int(answer.every),
        "from": _iso(answer.start, UTC),
        "to": _iso(answer.end, UTC),
        "rows": rows,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _csv_rows(answer: _Answer) -> Iterator[Sequence[Any]]:
    history = answer.history
    extremes = answer.extremes() if history.lows is not None else ()
    yield ["time", "value", "unit", "quality", *(("lowest", "highest") if extremes else ())]
    yield from zip(
        answer.times(_told_in(answer)),
        [int(value) if isinstance(value, bool) else value for value in answer.values()],
        [answer.series.unit] * len(history),
        [quality.value for quality in history.qualities],
        *extremes,
        strict=True,
    )


def _told_in(answer: _Answer) -> tzinfo | None:
    """Programs get UTC; but a day is told in the zone whose midnight it begins at."""
    from energymeter.store import Every  # noqa: PLC0415 - NumPy takes its time

    return UTC if answer.zone is None and answer.every is not Every.DAY else answer.zone


def _print_answer(answer: _Answer) -> None:
    from energymeter.store import Every  # noqa: PLC0415 - as above

    history, series = answer.history, answer.series
    pattern = {None: "%Y-%m-%d %H:%M:%S", Every.DAY: "%Y-%m-%d"}.get(answer.every, "%Y-%m-%d %H:%M")
    times = [time.astimezone(answer.zone).strftime(pattern) for time in history.times]
    texts = [_text(value, answer) for value in history.values]
    columns = [["time", *times], [_unit_of(series), *texts]]
    if history.lows is not None:
        for title, column in zip(("lowest", "highest"), answer.extremes(), strict=True):
            columns.append([title, *(_text(value, answer) for value in column)])
    bars = _bars(answer)
    if any(bars):
        columns.append(["", *bars])
    words = [q.replace("_", " ") if q != "good" else "" for q in history.qualities]
    if any(words):
        columns.append(["quality", *words])
    click.echo(f"{answer.meter} {series.name}")
    _print_table(list(zip(*columns, strict=True)))
    if summary := _summary(answer):
        click.echo(summary)


def _unit_of(series: Series) -> str:
    return series.unit or "value"


def _text(value: Any, answer: _Answer) -> str:  # noqa: ANN401 - any value
    series = answer.series
    if answer.every is None or not isinstance(value, float):
        return format_value(value, series.type, series.divisor)
    decimals = len(str(series.divisor)) - 1
    if series.kind.value == "counter" and series.divisor > 1:
        return f"{value:.{decimals}f}"
    # A mean knows a digit more than what it was made of, people need no more than six.
    return f"{value:.0f}" if abs(value) >= 999_999.5 else f"{value:.6g}"


def _numbers(answer: _Answer) -> list[float]:
    """Those that can be drawn and added."""
    return [
        value
        for value in answer.history.values
        if isinstance(value, (int, float)) and math.isfinite(value)
    ]


def _bars(answer: _Answer) -> list[str]:
    """How large each value is: of counters from zero, of gauges from the lowest to the highest."""
    is_difference = answer.series.kind.value == "counter" and answer.every is not None
    numbers = _numbers(answer)
    ends = [*numbers, *(end for column in answer.extremes() for end in column if end is not None)]
    low = min([0.0, *numbers]) if is_difference else min(ends, default=0.0)
    high = max(ends, default=0.0)
    if not high > low:
        return [""] * len(answer.history)
    return [
        _bar((value - low) / (high - low))
        if isinstance(value, (int, float)) and math.isfinite(value)
        else ""
        for value in answer.history.values
    ]


def _bar(share: float) -> str:
    whole, eighths = divmod(round(share * _BAR * 8), 8)
    return (_EIGHTHS[-1] * whole + _EIGHTHS[eighths]).rstrip()


def _summary(answer: _Answer) -> str:
    numbers = _numbers(answer)
    if answer.every is None or not numbers or answer.series.kind.value != "counter":
        return ""
    divisor = answer.series.divisor
    total = sum(round(number * divisor) for number in numbers) / divisor
    if isinstance(numbers[0], int) or answer.series.type.is_float:
        total = sum(numbers)
    return f"total {_text(total, answer)} {answer.series.unit}".rstrip()


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    header = rows[0]
    pads = [str.ljust if title in _LEFT else str.rjust for title in header]
    lines = [
        "  ".join(pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True))
        for row in rows
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    click.echo("\n".join(line.rstrip() for line in lines))
