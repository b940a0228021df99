"""How far a command is: a bar on a terminal once it takes a while, nothing in a pipe."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.progress import Progress as Drawing
    from rich.progress import TaskID

    from energymeter.client import UnitClient
    from energymeter.codec import ReadRequest

__all__ = ["Progress", "ToldUnit", "progress"]

_PATIENCE_S: Final = 0.5
"""What is done sooner needs no bar."""


class Progress:
    """What a command tells of its work; this one keeps it to itself."""

    def step(self, text: str = "", steps: float = 1) -> None:
        """So many steps more are done; `text` says at what it is now, empty: as before."""

    def at(self, done: float, total: float | None = None, text: str = "") -> None:
        """So many steps are done in all; `total` corrects how many there are."""

    def aside(self, write: Callable[[], Any]) -> None:
        """Let something be written to the terminal without the bar in the way."""
        write()


@contextmanager
def progress(
    text: str = "", total: float | None = None, *, wanted: bool = True
) -> Iterator[Progress]:
    """A bar on stderr while the block runs, if that is a terminal; gone afterwards.

    Args:
        text: What is being done.
        total: How many steps there are; None: not known, then the bar only moves.
        wanted: False where other things are written to the terminal all the time.
    """
    if not wanted or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Progress()
        return
    bar = _Bar(text, total)
    try:
        yield bar
    finally:
        bar.end()


class ToldUnit:
    """A `UnitClient` that tells how many reads were answered, and how far up they are.

    Args:
        unit: Whom to ask.
        tell: Called after each read with the number of reads and the first address behind it.
    """

    def __init__(self, unit: UnitClient, tell: Callable[[int, int], object]) -> None:
        self._unit = unit
        self._tell = tell
        self._reads = 0

    async def read(self, request: ReadRequest) -> bytes:
        """See `UnitClient.read`."""
        try:
            return await self._unit.read(request)
        finally:
            self._reads += 1
            self._tell(self._reads, request.address + request.count)


class _Bar(Progress):
    """Draws; a thread of its own shows it when patience has run out, whatever the loop does."""

    def __init__(self, text: str, total: float | None) -> None:
        self._text, self._done, self._total = text, 0.0, total
        self._drawing: Drawing | None = None
        self._task: TaskID | None = None
        self._is_over = False
        self._turn = threading.Lock()
        self._timer = threading.Timer(_PATIENCE_S, self._show)
        self._timer.daemon = True
        self._timer.start()

    def step(self, text: str = "", steps: float = 1) -> None:
        self.at(self._done + steps, self._total, text)

    def at(self, done: float, total: float | None = None, text: str = "") -> None:
        self._done = done
        self._total = self._total if total is None else total
        self._text = text or self._text
        if self._drawing is not None and self._task is not None:
            self._drawing.update(
                self._task, completed=done, total=self._total, description=self._text
            )

    def aside(self, write: Callable[[], Any]) -> None:
        with self._turn:
            if self._drawing is not None:
                self._drawing.stop()
            write()
            if self._drawing is not None:
                self._drawing.start()

    def end(self) -> None:
        self._timer.cancel()
        with self._turn:
            self._is_over = True
            if self._drawing is not None:
                self._drawing.stop()

    def _show(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only who waits pays for it
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.progress import Progress as Drawing  # noqa: PLC0415

        # Texts name hosts and files: never as markup.
        drawing = Drawing(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with self._turn:
            if self._is_over:
                return
            self._task = drawing.add_task(self._text, total=self._total, completed=int(self._done))
            drawing.start()
            self._drawing = drawing
