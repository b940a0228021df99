"""How a running service is doing, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["status_view"]

_STATES: Final = {
    "ok": ("all is well", "green"),
    "degraded": ("works, but a meter, link or sink does not", "yellow"),
    "failing": ("does not work", "red"),
}
_LEVELS: Final = {"warning": "yellow", "error": "red"}

_Answer = dict[str, Any]


def status_view(answer: _Answer) -> RenderableType:
    """The answer of `/api/status`, as something rich can print."""
    parts: list[RenderableType] = [_headline(answer)]
    parts += [Text(f"  {_clean(reason)}", "yellow") for reason in answer.get("reasons", ())]
    parts += [*_silent(answer), *_links(answer), *_keeping(answer), *_events(answer)]
    return Group(*parts)


def _headline(answer: _Answer) -> Text:
    words, style = _STATES.get(answer["state"], (answer["state"], "yellow"))
    meters = answer.get("meters", {})
    waiting = f", {meters['waiting']} not asked yet" if meters.get("waiting") else ""
    late = f", {answer['late_polls']} late" if answer.get("late_polls") else ""
    line = Text(f"{_clean(answer.get('site', ''))}: ")
    line.append(words, style)
    line.append(
        f"\n{meters.get('alive', 0)} of {meters.get('total', 0)} meters answer{waiting}; "
        f"{answer.get('polls', 0)} polls{late}; up {_lasting(answer.get('uptime_s', 0))}, "
        f"version {_clean(answer.get('version', '?'))}"
    )
    return line


def _silent(answer: _Answer) -> Iterable[RenderableType]:
    silent = answer.get("silent", ())
    if not silent:
        return
    rows = [
        (row["name"], row["link"], row["unit"], _clock_time(row["since"]), row["reason"])
        for row in silent
    ]
    more = answer["meters"]["silent"] - len(rows)
    yield _table("meters that do not answer", ("meter", "link", "unit", "since", "why"), rows, more)


def _links(answer: _Answer) -> Iterable[RenderableType]:
    links = answer.get("links", ())
    if not links:
        return
    is_named = any(row["name"] != row["url"] for row in links)
    rows = [
        (
            row["name"],
            *([row["url"]] if is_named else []),
            "open" if row["is_open"] else "closed",
            row["meters"],
            f"{row['utilisation']:.0%}",
            f"{row['wanted']:.0%}",
            row["requests"],
            row["timeouts"],
            row["refusals"] + row["faults"],
        )
        for row in links
    ]
    where = ["where"] if is_named else []
    names = ("link", *where, "", "meters", "busy", "wanted", "asked", "timeout", "wrong")
    more = answer.get("links_total", 0) - len(rows)
    yield _table("links", names, rows, more, numbers=range(len(names) - 6, len(names)))


def _keeping(answer: _Answer) -> Iterable[RenderableType]:
    rows = []
    store = answer.get("store")
    if store:
        rows.append(
            (
                "store",
                store["place"],
                store["stored"],
                store["waiting"],
                store["dropped"],
                store["fault"],
            )
        )
    rows += [
        (
            f"sink {row['name']}",
            row["type"],
            row["sent"],
            row["waiting"],
            row["dropped"],
            row["fault"],
        )
        for row in answer.get("sinks", ())
    ]
    if rows:
        names = ("", "where", "polls", "waiting", "dropped", "fault")
        yield _table("store and sinks", names, rows, numbers=range(2, 5))


def _events(answer: _Answer) -> Iterable[RenderableType]:
    events = answer.get("events", ())
    if not events:
        return
    table = _empty_table("last events", ("time", "about", "what"))
    for row in events:
        style = _LEVELS.get(row["level"], "")
        about = f"{row['topic']} {row['name']}".strip()
        cells = (_clock_time(row["time"]), about, row["text"])
        table.add_row(*(Text(_clean(cell), style) for cell in cells))
    yield table


def _table(
    title: str,
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    more: int = 0,
    *,
    numbers: range = range(0),
) -> Table:
    table = _empty_table(title, names, numbers)
    for row in rows:
        # Never as markup: the names are the user's.
        table.add_row(*(Text(_clean(str(cell))) for cell in row))
    if more > 0:
        table.add_row(Text(f"and {more} more"))
    return table


def _empty_table(title: str, names: Sequence[str], numbers: range = range(0)) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", box=box.SIMPLE_HEAD)
    for place, name in enumerate(names):
        if place in numbers:
            table.add_column(name, justify="right", no_wrap=True)
        else:
            table.add_column(name, overflow="fold")
    return table


def _clock_time(text: str | None) -> str:
    """A time as this machine's clock shows it."""
    if text is None:
        return ""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def _lasting(seconds: float) -> str:
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86_400
    if minutes < 2:
        return f"{seconds:.0f} s"
    if hours < 2:
        return f"{minutes:.0f} min"
    return f"{hours:.0f} h" if days < 2 else f"{days:.0f} days"


def _clean(text: str) -> str:
    """Without what would move a terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)
