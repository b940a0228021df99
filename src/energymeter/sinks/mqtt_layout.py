"""What goes to a broker, and what every arrangement of topics has to answer. No I/O here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from energymeter.service.sink import MeterInfo, SinkPoll
from energymeter.store.base import Series

__all__ = ["Message", "Place", "Switch", "TopicLayout"]


class Message(NamedTuple):
    """One message for a broker."""

    topic: str
    payload: bytes
    """Empty and retained: whatever was retained there is forgotten."""

    retain: bool = True


class Place(NamedTuple):
    """Where a value is found."""

    topic: str
    member: str | None
    """Name of the value in the object `values` of the topic's JSON; None: the topic has the value
    alone."""

    is_repeated: bool
    """Whether each poll of the meter brings it, though it was not read again."""


class Switch(NamedTuple):
    """A topic that says whether something is there."""

    topic: str
    there: str
    """The payload that says so; each other one says no."""


class TopicLayout(Protocol):
    """An arrangement of topics. Keeps what is needed to fill them; knows no connection."""

    hello: Message
    """What we say first on a connection; of the topic of `will`."""

    will: Message
    """What the broker says of us when we are suddenly gone."""

    def leftovers(self) -> tuple[str, ...]:
        """Topic filters of what an earlier run may have left on the broker."""
        ...

    def opening(
        self, meters: Mapping[str, MeterInfo], retained: Mapping[str, bytes]
    ) -> Iterable[Message]:
        """What is said on a new connection, after `hello`.

        Args:
            meters: All meters, by name.
            retained: What was left under `leftovers`, by topic.
        """
        ...

    def of_poll(self, poll: SinkPoll) -> Iterable[Message]:
        """The values of one poll."""
        ...

    def of_meter(self, meter: str, *, is_online: bool) -> Iterable[Message]:
        """Whether a meter answers."""
        ...

    def closing(self) -> Iterable[Message]:
        """What is said last before we leave."""
        ...

    def place(self, meter: str, series: Series) -> Place:
        """Where a value of a meter is found."""
        ...

    def switches(self, meter: str) -> tuple[Switch, ...]:
        """What all has to be there for the values of a meter to be true."""
        ...
