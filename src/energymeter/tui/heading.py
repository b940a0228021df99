"""The lines above and below the tables."""

from __future__ import annotations

from typing import Final

from energymeter.tui.follow import Picture, View
from energymeter.tui.grid import Grid
from energymeter.tui.pane import Line
from energymeter.tui.source import LinkRow, MeterRow, ValueRow
from energymeter.tui.words import clean, clock_text, lateness_text

__all__ = ["HELP", "hints_line", "site_line", "state_line", "view_line"]

_STATES: Final = {
    "ok": ("all is well", "good"),
    "degraded": ("needs attention", "bold"),
    "failing": ("not working", "bad"),
}

_LONGEST_NAME: Final = 24

_KEYS: Final = {
    View.METERS: "enter open  / filter  s sort  S turn  tab links  e events  ? help  q quit",
    View.METER: "esc back  t frames or events  tab links  e events  ? help  q quit",
    View.LINKS: "enter its meters and frames  tab meters  e events  ? help  q quit",
    View.LINK: "esc back  enter open  / filter  s sort  ? help  q quit",
    View.EVENTS: "esc back  / filter  tab meters  ? help  q quit",
}

HELP: Final = """\
 up down, j k        one line up or down
 page up, page down  a screen; space is page down too
 home end, g G       the first line, the last
 enter               open the meter, or the link with its meters and frames
 esc                 back; ends a filter first
 /                   filter as you type: words that stand in name, state,
                     link, profile, label or fault; enter keeps it, esc not
 s, S                sort by the next column; turn the order round
 tab                 meters or links
 e                   events
 t                   of a meter: the frames on its link, or its events
 q                   end; so does ctrl-c

 Bold red: a meter that does not answer, a value that was rejected, a link
 that is lost or cannot keep its schedule. Dim: not asked yet, or stale.
 late, at the top: of 99 in 100 meters the last poll began at most so late.

 Any key goes back."""


def site_line(picture: Picture) -> Line:
    """The site, its time, and how many meters answer."""
    overview = picture.overview
    if overview is None:
        return (("energymeter", "bold"), ("  asking for the site", ""))
    count = len(picture.meters)
    parts: list[tuple[str, str]] = [
        (_shortened(clean(overview.site)), "bold"),
        (f"  {clock_text(overview.time)}  ", ""),
        (f"{count} meter{'s' * (count != 1)}: {picture.alive} alive", ""),
    ]
    if picture.silent:
        parts.append((f", {picture.silent} silent", "bad"))
    waiting = count - picture.alive - picture.silent
    if waiting:
        parts.append((f", {waiting} not asked yet", "dim"))
    if picture.polls_per_s is not None:
        parts.append((f"  {picture.polls_per_s:.1f} polls/s", ""))
    if picture.late_s is not None:
        parts.append((f"  late {lateness_text(picture.late_s)}", ""))
    return parts


def _shortened(name: str) -> str:
    """A name that leaves room for what stands behind it."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def state_line(picture: Picture, lost: str) -> Line:
    """What is wrong, or that nothing is.

    Args:
        picture: What is known.
        lost: Why the service cannot be asked; empty: it can.
    """
    if lost:
        return ((f"connection lost, trying again: {clean(lost)}", "bad"),)
    overview = picture.overview
    if overview is None:
        return ()
    words, style = _STATES.get(overview.state, (clean(overview.state), "bold"))
    reasons = clean("; ".join(overview.reasons))
    return ((words, style), (f": {reasons}" if reasons else "", ""))


def view_line(view: View, subject: str, picture: Picture, grid: Grid, found: str) -> Line:
    """What the table below is.

    Args:
        view: What is looked at.
        subject: The meter or link.
        picture: What is known.
        grid: The table.
        found: What it is filtered by.
    """
    first, last, count = grid.extent
    note = _note(grid.chosen_item) if grid.has_cursor else ""
    parts: list[tuple[str, str]] = [(view.value if not subject else clean(subject), "bold")]
    if view is View.METER and picture.meter is not None:
        meter = picture.meter.meter
        about = f"{meter.profile}, link {meter.link}, unit {meter.unit}"
        parts.append((f"  {clean(about)}  ", ""))
        parts.append((meter.state, "bad" if meter.state == "silent" else ""))
    elif view is View.METER:
        parts.append(("  is not there any more", "bad"))
    elif view is View.LINK:
        link = next((each for each in picture.links if each.name == subject), None)
        parts.append((f"  {clean(link.fault or link.url)}" if link else "", ""))
    parts.append((f"  {first}-{last} of {count}", "dim"))
    if found:
        parts.append((f"  with {clean(found)!r}", "bold"))
    if note:
        parts.append((f"  {clean(note)}", "bad"))
    return parts


def _note(item: object) -> str:
    """What is wrong with what is under the cursor: a narrow table has no room for it."""
    match item:
        case MeterRow(fault=fault) | LinkRow(fault=fault):
            return fault
        case ValueRow(reason=reason):
            return reason
    return ""


def hints_line(view: View) -> Line:
    """The keys that matter here."""
    return ((_KEYS[view], "dim"),)
