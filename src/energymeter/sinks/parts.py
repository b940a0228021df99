"""Batches in parts: how big, and what to do when a part is refused. No I/O of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from energymeter.clock import Clock, SystemClock
from energymeter.errors import SinkRejectedError
from energymeter.service.sink import SinkPoll

__all__ = ["PartlyRejectedError", "Parts", "TooLargeError"]

_MOST_SPLITS: Final = 40
"""Times the refused part of a batch is halved to save the rest, before all of it is given up."""

_LONGEST_SEARCH_S: Final = 10.0
"""The same as a time: whoever sends batches does not wait for ever for one of them."""


class TooLargeError(SinkRejectedError):
    """The receiver takes less at a time."""


class PartlyRejectedError(SinkRejectedError):
    """The receiver has taken what it wants of a part: the rest is `lost`."""


class Parts:
    """Sends batches in parts; a part that is too large or refused is halved.

    So one poll that the receiver refuses does not take the others with it. Halving what is
    refused has an end: where everything is, some forty requests or a few seconds show it. What
    size is too large is remembered.

    Args:
        most: Polls in a part, 1 or more.
        clock: Times the halving.
    """

    def __init__(self, most: int, clock: Clock | None = None) -> None:
        self._most = most
        self._clock = clock if clock is not None else SystemClock()

    async def send(
        self, polls: Sequence[SinkPoll], post: Callable[[Sequence[SinkPoll]], Awaitable[None]]
    ) -> None:
        """Send these in order.

        Args:
            polls: What to send.
            post: Sends a part; raises as `Sink.send` does, `TooLargeError` for what may work in
                smaller parts, `PartlyRejectedError` for what will not.

        Raises:
            SinkUnavailableError: As `post` raised it; what was sent before comes again.
            SinkRejectedError: Some or all were refused; `lost` says how many.
        """
        parts = [polls[start : start + self._most] for start in range(0, len(polls), self._most)]
        parts.reverse()
        splits, until = 0, self._clock.monotonic() + _LONGEST_SEARCH_S
        lost = 0
        first: SinkRejectedError | None = None
        while parts:
            part = parts.pop()
            try:
                await post(part)
            except SinkRejectedError as error:
                is_too_large = isinstance(error, TooLargeError)
                may_search = splits < _MOST_SPLITS and self._clock.monotonic() < until
                is_settled = len(part) == 1 or isinstance(error, PartlyRejectedError)
                if is_settled or not (is_too_large or may_search):
                    lost += len(part) if error.lost is None else error.lost
                    first = first or error
                    continue
                half = len(part) // 2
                parts += [part[half:], part[:half]]
                if is_too_large:
                    self._most = len(part) - half
                else:
                    splits += 1
        if first is not None:
            msg = f"{lost} of {len(polls)} polls refused, {first.message}"
            raise SinkRejectedError(msg, lost=lost) from first
