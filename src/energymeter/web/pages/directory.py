"""Which meters there are, and which of them somebody wants to see. Thousands, in a millisecond."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from energymeter.service.snapshot import MeterState, Snapshot
from energymeter.web.pages.glance import Glances, Standing, standing_of, sum_of

__all__ = ["ORDERS", "PAGE", "STATES", "Directory", "Order", "Wish"]

PAGE: Final = 50
"""Rows of a page; no more than these are sent and renewed."""

Order = Literal["site", "name", "trouble", "largest"]
ORDERS: Final[Mapping[str, str]] = {
    "site": "as in the site file",
    "name": "by name",
    "trouble": "trouble first",
    "largest": "largest first",
}
STATES: Final[Mapping[str, str]] = {
    "": "any state",
    "ok": "answering",
    "trouble": "in trouble",
    "silent": "silent",
    "stale": "stale",
    "waiting": "not asked yet",
}

_WORST: Final[Mapping[Standing, int]] = {"silent": 0, "stale": 1, "waiting": 2, "ok": 3}
_MOST_LABELS: Final = 200


class Wish(NamedTuple):
    """What somebody wants to see of the meters."""

    text: str = ""
    """Words that all have to stand in its name, labels, profile or link."""

    state: str = ""
    kind: str = ""
    label: str = ""
    """`name=value`."""

    order: str = "site"
    page: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether it wants them all."""
        return not (self.text.strip() or self.state or self.kind or self.label)


class Directory:
    """Looks meters up.

    Args:
        snapshot: Where they stand.
        glances: Which value of each counts.
    """

    def __init__(self, snapshot: Snapshot, glances: Glances) -> None:
        self._snapshot = snapshot
        self._glances = glances
        self._meters: Mapping[str, MeterState] = {}
        self._links: Mapping[str, str] = {}
        self._texts: list[tuple[str, str]] = []
        self.kinds: list[str] = []
        self.labels: list[str] = []

    def renew(self) -> bool:
        """See which meters there are; returns whether others than before."""
        meters = self._snapshot.meters
        if meters is self._meters and len(meters) == len(self._texts):
            return False
        self._meters = meters
        self._links = {
            meter: link.name for link in self._snapshot.links.values() for meter in link.meters
        }
        self._texts = [(name, self._text(state)) for name, state in meters.items()]
        self.kinds = sorted({state.info.profile.kind for state in meters.values()})
        labels = Counter(
            f"{key}={value}"
            for state in meters.values()
            for key, value in state.info.labels.items()
        )
        self.labels = sorted(label for label, _ in labels.most_common(_MOST_LABELS))
        self._glances.keep_only(meters)
        return True

    def link_of(self, meter: str) -> str:
        """The name of a meter's link."""
        return self._links.get(meter, "")

    def found(self, wish: Wish, now: datetime) -> Sequence[str]:
        """The names of all meters that are wanted, in the order that is wanted."""
        names = [name for name, _ in self._texts]
        words = wish.text.casefold().split()
        if words:
            names = [name for name, text in self._texts if all(word in text for word in words)]
        meters = self._meters
        if wish.kind:
            names = [name for name in names if meters[name].info.profile.kind == wish.kind]
        if wish.label:
            key, _, value = wish.label.partition("=")
            names = [name for name in names if meters[name].info.labels.get(key) == value]
        if wish.state or wish.order == "trouble":
            names = self._by_state(names, wish, now)
        if wish.order == "name":
            names.sort(key=str.casefold)
        elif wish.order == "largest":
            names.sort(key=lambda name: self._amount(name, now), reverse=True)
        return names

    def _by_state(self, names: list[str], wish: Wish, now: datetime) -> list[str]:
        standings = {name: standing_of(self._meters[name], now) for name in names}
        if wish.state == "trouble":
            names = [name for name in names if standings[name] in ("silent", "stale")]
        elif wish.state:
            names = [name for name in names if standings[name] == wish.state]
        if wish.order == "trouble":
            names.sort(key=lambda name: _WORST[standings[name]])
        return names

    def _amount(self, name: str, now: datetime) -> tuple[bool, float]:
        state = self._meters[name]
        glance = self._glances.of(state.info)
        value = sum_of(state, glance.main, now).value
        # Watts and litres a minute have no order; powers go first.
        return glance.is_power, float("-inf") if value is None else abs(value)

    def _text(self, state: MeterState) -> str:
        info = state.info
        labels = " ".join(f"{key}={value}" for key, value in info.labels.items())
        link = self._links.get(info.name, "")
        profile = info.profile
        parts = info.name, labels, profile.name, profile.model, link, profile.kind
        return " ".join(parts).casefold()
