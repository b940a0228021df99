"""Those who listen just now: not too many, and none longer than the service and their login."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from energymeter.web.session import Identity

__all__ = ["Listeners"]

_MOST: Final = 100


class Listeners:
    """Lets go of all of them when the service ends."""

    def __init__(self) -> None:
        self._ends: set[Callable[[], None]] = set()
        self.is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether there is room for no more."""
        return self.is_closed or len(self._ends) >= _MOST

    def __len__(self) -> int:
        return len(self._ends)

    @contextmanager
    def one(self, identity: Identity | None, task: asyncio.Task[None]) -> Iterator[None]:
        """Somebody listens; the task is cancelled when they may not any more."""

        def end() -> None:
            task.cancel()

        with ExitStack() as stack:
            if identity is not None and identity.session is not None:
                stack.enter_context(identity.session.in_use(end))
            self._ends.add(end)
            try:
                yield
            finally:
                self._ends.discard(end)

    def close(self) -> None:
        """The service ends."""
        self.is_closed = True
        for end in list(self._ends):
            end()
