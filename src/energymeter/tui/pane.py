"""A few lines of text; only those that change are drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

__all__ = ["STYLES", "Line", "Pane", "strip_of"]

STYLES: Final = {
    "": Style(),
    "bold": Style(bold=True),
    "dim": Style(dim=True),
    "bad": Style(color="red", bold=True),
    "good": Style(color="green", bold=True),
    "head": Style(bold=True, underline=True),
    "cursor": Style(reverse=True),
    "cursor-bad": Style(reverse=True, color="red"),
}
"""Only colours of the terminal's own palette that can be read on dark and light ones."""

Line = Sequence[tuple[str, str]]
"""Texts and the names of their styles, from left to right."""


def strip_of(line: Line, width: int, *, fill: str = "") -> Strip:
    """A line as textual draws it: cut, or filled up with this style, to so many cells."""
    segments = [Segment(text, STYLES[style]) for text, style in line if text]
    return Strip(segments).adjust_cell_length(width, STYLES[fill])


class Pane(Widget):
    """Shows lines; needs no focus, scrolls nothing."""

    can_focus = False

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self._lines: list[Line] = []

    @property
    def text(self) -> str:
        """What it shows."""
        return "\n".join("".join(part for part, _ in line) for line in self._lines)

    def show(self, *lines: Line) -> None:
        """Show these instead of those before."""
        new = [tuple(line) for line in lines]
        old, self._lines = self._lines, list(new)
        longest = max(len(old), len(new))
        changed = [
            number
            for number in range(longest)
            if number >= len(old) or number >= len(new) or old[number] != new[number]
        ]
        if changed:
            self.refresh(*(Region(0, number, self.size.width, 1) for number in changed))

    def render_line(self, y: int) -> Strip:
        """See `Widget.render_line`."""
        line = self._lines[y] if y < len(self._lines) else ()
        return strip_of(line, self.size.width)
