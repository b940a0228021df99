"""A table of any length of which only what is seen is made, and only what changed is drawn.

Textual's own table makes and measures every row; this one asks for the rows on the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, ClassVar, Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from energymeter.tui.pane import strip_of
from energymeter.tui.words import clean

__all__ = ["Column", "Grid", "Row", "Table"]

_GAP: Final = 1
"""Cells between two columns."""


class Column(NamedTuple):
    """A column of a table."""

    title: str
    width: int
    """Cells it needs."""

    is_right: bool = False
    weight: int = 0
    """Its part of what is left over; 0: none."""

    rank: int = 0
    """Columns with the highest go first when there is no room."""


class Row(NamedTuple):
    """A line of a table as it is drawn."""

    cells: tuple[str, ...]
    style: str = ""


class Table(NamedTuple):
    """What is shown: columns, and how an item becomes a row."""

    columns: tuple[Column, ...]
    key: Callable[[Any], str]
    """Tells items apart, from one time to the next."""

    row: Callable[[Any], Row]
    """Called for what is seen only."""


class _Place(NamedTuple):
    """How wide a column is at the moment; those without room have none."""

    number: int
    width: int


class Grid(Widget, can_focus=True):
    """Shows a table; keys move the cursor."""

    class Opened(Message):
        """Enter was pressed on an item."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Moved(Message):
        """Other lines are seen, or another one is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home,g", "go(0)", show=False),
        Binding("end,G", "go(-1)", show=False),
        Binding("enter", "open", show=False),
    ]

    def __init__(self, name: str, table: Table) -> None:
        super().__init__(id=name)
        self.has_cursor = True
        """Whether a line is chosen, or the whole only scrolls."""

        self.drawn_lines = 0
        """Lines that had to be drawn so far: how much work it was."""

        self._table = table
        self._items: Sequence[Any] = ()
        self._cursor = 0
        self._top = 0
        self._marked: tuple[int, bool] | None = None
        self._places: list[_Place] = []
        self._lines: list[tuple[Row, bool]] = []
        """What is on the screen below the titles."""

    @property
    def chosen(self) -> str | None:
        """The key of the item under the cursor; None: there are no items."""
        item = self.chosen_item
        return None if item is None else self._table.key(item)

    @property
    def chosen_item(self) -> Any:  # noqa: ANN401 - whatever it was filled with
        """The item under the cursor; None: there are no items."""
        return self._items[self._cursor] if self._items else None

    @property
    def shown(self) -> list[tuple[str, ...]]:
        """The cells on the screen, all columns of each line, also those without room."""
        return [row.cells for row, _ in self._lines]

    @property
    def titles(self) -> list[str]:
        """The columns there is room for."""
        return [self._table.columns[place.number].title for place in self._places]

    @property
    def extent(self) -> tuple[int, int, int]:
        """The first and the last item that is seen, counted from 1, and how many there are."""
        return min(self._top + 1, len(self._items)), self._top + len(self._lines), len(self._items)

    def use(self, table: Table, *, has_cursor: bool = True) -> None:
        """Show another table from now on, from its top."""
        self._table, self.has_cursor = table, has_cursor
        self._items, self._cursor, self._top, self._marked = (), 0, 0, None
        self._arrange()
        self._renew(is_new=True)

    def fill(self, items: Sequence[Any], *, marked: tuple[int, bool] | None = None) -> None:
        """Show these items.

        The cursor stays with its item, unless it stands at the very top: there it stays.

        Args:
            items: In the order they are shown.
            marked: The column they are sorted by, and whether downward.
        """
        chosen = self.chosen if self._cursor else None
        self._items = items
        if chosen is not None:
            key = self._table.key
            places = (place for place, item in enumerate(items) if key(item) == chosen)
            self._cursor = next(places, self._cursor)
        is_new = marked != self._marked
        self._marked = marked
        self._settle()
        self._renew(is_titled=is_new)

    def choose(self, key: str) -> None:
        """Put the cursor on the item with this key, if there is one."""
        for place, item in enumerate(self._items):
            if self._table.key(item) == key:
                self.action_go(place)
                return

    def action_move(self, lines: int) -> None:
        """Move the cursor, or everything, so many lines down."""
        if self.has_cursor:
            self._cursor += lines
        else:
            self._top += lines
        self._settle()
        self._renew()
        self.post_message(self.Moved())

    def action_page(self, pages: int) -> None:
        """The same, in screens."""
        self.action_move(pages * max(1, self._room - 1))

    def action_go(self, place: int) -> None:
        """Move to this item; -1 is the last."""
        place = len(self._items) - 1 if place < 0 else place
        if self.has_cursor:
            self._cursor = place
        else:
            self._top = place
        self._settle()
        self._renew()
        self.post_message(self.Moved())

    def action_open(self) -> None:
        """Tell that the item under the cursor is to be opened."""
        key = self.chosen
        if key is not None and self.has_cursor:
            self.post_message(self.Opened(key))

    def on_resize(self, _event: Resize) -> None:
        """There is more room, or less."""
        self._arrange()
        self._settle()
        self._renew(is_new=True)

    def render_line(self, y: int) -> Strip:
        """See `Widget.render_line`."""
        self.drawn_lines += 1
        width = self.size.width
        if y == 0:
            return strip_of([(self._laid_out(self._titles()), "head")], width, fill="head")
        if y > len(self._lines):
            return strip_of((), width)
        row, is_chosen = self._lines[y - 1]
        style = row.style
        if is_chosen:
            style = "cursor-bad" if style == "bad" else "cursor"
        return strip_of([(self._laid_out(row.cells), style)], width, fill=style)

    @property
    def _room(self) -> int:
        """Lines below the titles."""
        return max(0, self.size.height - 1)

    def _settle(self) -> None:
        """Keep cursor and top where there is something."""
        count, room = len(self._items), self._room
        self._cursor = max(0, min(self._cursor, count - 1))
        if self.has_cursor:
            self._top = max(min(self._top, self._cursor), self._cursor - room + 1)
        self._top = max(0, min(self._top, count - room))

    def _renew(self, *, is_new: bool = False, is_titled: bool = False) -> None:
        """Make the rows that are seen; draw the lines in which something is different."""
        row, top, cursor = self._table.row, self._top, self._cursor
        seen = self._items[top : top + self._room]
        lines = [
            (row(item), self.has_cursor and top + number == cursor)
            for number, item in enumerate(seen)
        ]
        old, self._lines = self._lines, lines
        if is_new:
            self.refresh()
            return
        longest = max(len(old), len(lines))
        changed = [0] if is_titled else []
        changed += [
            number + 1
            for number in range(longest)
            if number >= len(old) or number >= len(lines) or old[number] != lines[number]
        ]
        if changed:
            self.refresh(*_regions(changed, self.size.width))

    def _arrange(self) -> None:
        """Give the columns their places; those with the highest rank go while there is no room."""
        columns = list(enumerate(self._table.columns))
        width = self.size.width
        while len(columns) > 1 and _needed(columns) > width:
            last = max(columns, key=lambda found: found[1].rank)
            columns.remove(last)
        spare = max(0, width - _needed(columns))
        weights = sum(column.weight for _, column in columns)
        self._places = [
            _Place(number, column.width + (spare * column.weight // weights if weights else 0))
            for number, column in columns
        ]

    def _titles(self) -> tuple[str, ...]:
        titles = [column.title for column in self._table.columns]
        if self._marked is not None:
            number, is_down = self._marked
            titles[number] += "▼" if is_down else "▲"
        return tuple(titles)

    def _laid_out(self, cells: tuple[str, ...]) -> str:
        columns = self._table.columns
        return (" " * _GAP).join(
            _fitted(cells[number], width, is_right=columns[number].is_right)
            for number, width in self._places
        )


def _needed(columns: Sequence[tuple[int, Column]]) -> int:
    return sum(column.width for _, column in columns) + _GAP * (len(columns) - 1)


def _fitted(text: str, width: int, *, is_right: bool) -> str:
    text = clean(text)
    # Of what is not ASCII some takes two cells, some none.
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        text = text.rstrip()  # units are filled up
        length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    space = " " * (width - length)
    return space + text if is_right else text + space


def _regions(lines: Sequence[int], width: int) -> list[Region]:
    """Lines that follow each other become one region."""
    regions = []
    for _, group in groupby(enumerate(lines), lambda found: found[1] - found[0]):
        run = [line for _, line in group]
        regions.append(Region(0, run[0], width, len(run)))
    return regions
