"""A board in a browser: sends it what changed, hears what people do there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from energymeter.web.pages.markup import Markup
from energymeter.web.pages.slots import Slots

__all__ = ["Act", "Board"]

Act = Callable[[str, Any], None]
"""Told what somebody did, and the argument: a text, a truth, a list or fields of a form."""


class Board(Element, component="live.js"):
    """HTML whose places change.

    Args:
        html: What it shows until the browser's socket is open.
        on_act: Told what people do.
        leads: Whether it looks after what concerns the whole page; one board of each does.
    """

    def __init__(self, html: Markup, on_act: Act, *, leads: bool = False) -> None:
        super().__init__()
        self.places = Slots()
        """The places, and what the browser knows of them."""

        self._props["html"] = str(html)
        self._props["leads"] = leads
        self._on_act = on_act
        self.on("act", self._told)

    @classmethod
    def script(cls) -> str:
        """The path of its script, below those of components."""
        assert cls.component is not None  # noqa: S101 - the class says which
        return cls.component.key

    def send(self) -> None:
        """Send what changed, if anything did."""
        changes = self.places.take()
        if changes:
            self.run_method("apply", changes)

    def _told(self, event: GenericEventArguments) -> None:
        told = event.args
        if isinstance(told, dict) and isinstance(told.get("what"), str):
            self._on_act(told["what"], told.get("arg"))
