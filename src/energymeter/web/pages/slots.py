"""What a browser shows in places that change, and what of it has to be sent. Pure.

A place is an element with a key. What was sent is remembered: only what differs is sent again.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from energymeter.web.pages.markup import Attribute, Markup, tag

__all__ = ["Changes", "Slots"]

Changes = dict[str, str | None]
"""By place: `key` for its text, `key@name` for an attribute (None: take it away), `key!` for all
the HTML in it, `key^` for HTML in front of the rest. `@address` is that of the page."""


class Slots:
    """The places of one board in one browser."""

    def __init__(self) -> None:
        self._shown: Changes = {}
        self._changes: Changes = {}

    def text(self, key: str, text: str) -> None:
        """Show a text."""
        if self._shown.get(key) != text:
            self._shown[key] = self._changes[key] = text

    def attribute(self, key: str, name: str, value: str | None) -> None:
        """Give an element an attribute; None: take it away."""
        place = f"{key}@{name}"
        if place not in self._shown or self._shown[place] != value:
            self._shown[place] = self._changes[place] = value

    def address(self, path: str, asked: Iterable[tuple[str, str]]) -> None:
        """Say where what is shown is found again: by a bookmark, on the way back, after a loss.

        Args:
            path: Of the page.
            asked: Names and values behind it; what is empty is left out.
        """
        query = urlencode([(name, value) for name, value in asked if value])
        self.attribute("", "address", f"{path}?{query}" if query else path)

    def html(self, key: str, markup: Markup, *, forget: str = "") -> None:
        """Fill an element anew.

        Args:
            key: The element.
            markup: What it is to hold.
            forget: How the keys of all places begin that were in it before; those in `markup`
                have to be filled by `place` after `forgotten`, or stand in it as they are.
        """
        place = f"{key}!"
        if forget or self._shown.get(place) != markup:
            self._changes[place] = str(markup)
            # What is filled anew each time is not worth the memory.
            self._shown[place] = None if forget else str(markup)

    def in_front(self, key: str, markup: Markup) -> None:
        """Put something in front of what an element holds; the end is cut off where it is full."""
        place = f"{key}^"
        self._changes[place] = str(markup) + (self._changes.get(place) or "")

    def forgotten(self, prefix: str) -> None:
        """The places whose keys begin so are no more."""
        for shown in (self._shown, self._changes):
            for key in [key for key in shown if key.startswith(prefix)]:
                del shown[key]

    def place(self, name: str, key: str, text: str, /, **attributes: Attribute) -> Markup:
        """An element whose text, and class if it has one, will change."""
        self._shown[key] = text
        if "class_" in attributes:
            self._shown[f"{key}@class"] = str(attributes["class_"])
        return tag(name, text, data_k=key, **attributes)

    def take(self) -> Changes:
        """What is to be sent; it counts as sent then."""
        changes, self._changes = self._changes, {}
        return changes
