"""How the units of a link are doing: how fast each answers, which are silent, who may be asked.

A unit that is silent costs its neighbours time. It is left alone longer and longer, with
jitter; all silent units of a link together get at most a small share of it (DESIGN 7: 2 %), each
in its turn. As long as nobody else on the link is alive there is nobody to protect, and every
question is asked. No socket; the time is handed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from energymeter.client.backoff import Backoff

__all__ = ["LinkHealth", "UnitHealth"]

SILENT_SHARE: Final = 0.02
"""Part of a link's time that its silent units may cost, all together."""

_SILENT_AFTER: Final = 6
"""Time-outs in a row that make a unit silent, as two polls in vain do; one is enough for a unit
that never answered."""

_ALIVE_S: Final = 120.0
"""How long after its last answer a unit counts as alive, for the others' sake."""

_LATENCY_FACTOR: Final = 4.0
"""Time-out of a known unit, in multiples of its slowest recent answer."""

_SHORTEST_TIMEOUT_S: Final = 0.2
"""No unit is given less time: some are late once in a while."""

_DEAFNESS_S: Final = 0.6
"""After a question that a silent unit did not answer, other units on a serial line may be deaf for
half a second (libmodbus 3.1): they wait for that answer, to pass it over."""

_LATENCY_DECAY: Final = 0.01
"""How much of the distance to a faster answer the slowest one sinks, an answer."""

_LATENCY_WEIGHT: Final = 0.1
"""What an answer counts in the mean latency."""

_FULL_PATIENCE_EVERY: Final = 4
"""Of the attempts at a silent unit each fourth waits as long as the user wants, not a part."""

_UNIT_BACKOFF: Final = Backoff(first_s=1.0, longest_s=60.0)


@dataclass(slots=True)
class UnitHealth:
    """What is known of one unit. Times are of the link's monotonic clock, seconds."""

    requests: int = 0
    """Questions sent, those asked only to tell answers apart among them."""

    answers: int = 0
    """Good ones and refusals."""

    refusals: int = 0
    timeouts: int = 0
    faults: int = 0
    """Questions that were answered wrongly, or cut off by a loss of the connection."""

    latency_s: float = 0.0
    """How long it thinks on average, without the time on a serial line; 0.0: no answer yet."""

    slowest_s: float = 0.0
    """The slowest recent answer, likewise, or the longest time-out since."""

    last_answer_at: float | None = None
    silent_since: float | None = None
    """The first time-out of those in a row; None: the last question was answered."""

    timeouts_in_row: int = 0
    retry_at: float = 0.0
    """A silent unit is left alone until then."""

    paid_until: float = 0.0
    """Until then this unit has used up the share of time that silent units may cost."""

    @property
    def is_silent(self) -> bool:
        """Whether it has been silent for long enough to be left alone."""
        return self.timeouts_in_row >= (1 if self.last_answer_at is None else _SILENT_AFTER)

    def answered(self, now: float, latency_s: float) -> None:
        """An answer came, whatever it said."""
        if self.answers:
            self.latency_s += (latency_s - self.latency_s) * _LATENCY_WEIGHT
        else:
            self.latency_s = latency_s
        self.answers += 1
        self.last_answer_at = now
        slowest_s = self.slowest_s
        if latency_s > slowest_s:
            self.slowest_s = latency_s
        else:
            self.slowest_s = slowest_s + (latency_s - slowest_s) * _LATENCY_DECAY
        if self.timeouts_in_row:
            self.timeouts_in_row = 0
            self.silent_since = None
            self.retry_at = self.paid_until = 0.0


class LinkHealth:
    """The units of one link.

    Args:
        since: The moment from which on it is watched.
        backoff: How long a silent unit is left alone.
        chance: Gives numbers from 0.0 to 1.0, for the jitter.
        is_numbered: Whether answers carry the number of their question. Without, a bystander may
            take what comes soon after a question to a silent unit for that one's answer.
    """

    def __init__(
        self,
        since: float = 0.0,
        *,
        backoff: Backoff = _UNIT_BACKOFF,
        chance: Callable[[], float] = random.random,
        is_numbered: bool = True,
    ) -> None:
        self.units: dict[int, UnitHealth] = {}
        """By number; a unit is here once it was asked."""
        self.busy_s = 0.0
        """Time that questions were under way so far, seconds, with the silence a serial line needs
        before each; several at once count each."""
        self._since = since
        self._backoff = backoff
        self._chance = chance
        self._shortest_silence_s = _SHORTEST_TIMEOUT_S if is_numbered else _DEAFNESS_S

    def utilisation(self, now: float) -> float:
        """The part of the time so far that the link was busy; 1.0: always, with one in flight."""
        return self.busy_s / (now - self._since) if now > self._since else 0.0

    def of(self, unit: int) -> UnitHealth:
        """What is known of a unit."""
        health = self.units.get(unit)
        if health is None:
            health = self.units[unit] = UnitHealth()
        return health

    def has_neighbour(self, health: UnitHealth, now: float) -> bool:
        """Whether some other unit is alive."""
        return any(
            other.last_answer_at is not None
            and now - other.last_answer_at < _ALIVE_S
            and not other.is_silent
            for other in self.units.values()
            if other is not health
        )

    def wait_s(self, health: UnitHealth, now: float) -> float:
        """How long a unit is still to be left alone; 0.0: it may be asked."""
        if not health.is_silent or now >= health.retry_at or not self.has_neighbour(health, now):
            return 0.0
        return health.retry_at - now

    def patience_s(self, health: UnitHealth, longest_s: float, now: float) -> float:
        """How long to wait for an answer of this unit.

        The longest the user wants, unless others wait behind it: then a few times what a
        unit needed of late; of a silent unit, what its neighbours need, and sometimes all.
        """
        if health.timeouts_in_row == 0 and health.answers:
            known_s, shortest_s = health.slowest_s, _SHORTEST_TIMEOUT_S
        elif health.is_silent and health.timeouts_in_row % _FULL_PATIENCE_EVERY:
            living = (unit.slowest_s for unit in self.units.values() if not unit.is_silent)
            known_s = max(living, default=longest_s)
            shortest_s = self._shortest_silence_s
        else:
            return longest_s
        learned_s = max(shortest_s, _LATENCY_FACTOR * known_s)
        if learned_s >= longest_s or not self.has_neighbour(health, now):
            return longest_s
        return learned_s

    def timed_out(self, health: UnitHealth, now: float, cost_s: float) -> None:
        """A question was given up after so long."""
        health.timeouts += 1
        health.timeouts_in_row += 1
        if health.silent_since is None:
            health.silent_since = now - cost_s
        # What was learned may have been too short: it learns the other way too.
        health.slowest_s = max(health.slowest_s, cost_s)
        if not (health.is_silent and self.has_neighbour(health, now)):
            return
        pause_s = self._backoff.pause_s(health.timeouts_in_row, self._chance())
        # Each silent unit pays behind the others, so none is passed over for another; one that
        # answers again owes nothing any more.
        paid_until = max(unit.paid_until for unit in self.units.values() if unit.is_silent)
        health.paid_until = max(paid_until, now) + cost_s / SILENT_SHARE
        health.retry_at = max(now + pause_s, health.paid_until)
