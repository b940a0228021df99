"""How often somebody may try a password: less and less. No I/O.

Each address may try a few times, then waits longer after each failure. Those of many addresses
together are limited too, except where somebody logged in before: who attacks from everywhere does
not lock out who belongs here. What is remembered is bounded.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

from energymeter.clock import Clock

__all__ = ["Attempts"]

_FREE: Final = 5
"""Failures of one address that cost no wait."""

_LONGEST_S: Final = 300.0
_FORGET_S: Final = 86_400.0
_MOST_ADDRESSES: Final = 4096
_MOST_KNOWN: Final = 256

_MOST_AT_ONCE: Final = 20.0
"""Failures of all addresses that cost no wait."""

_EACH_S: Final = 10.0
"""After those, one attempt in so many seconds."""


class _Record:
    __slots__ = ("failures", "free_at_s", "tried_s")

    def __init__(self) -> None:
        self.failures = 0
        self.free_at_s = 0.0
        self.tried_s = 0.0


class Attempts:
    """Counts attempts.

    Args:
        clock: Says when they were.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._left = _MOST_AT_ONCE
        self._left_at_s = clock.monotonic()

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._records) + len(self._known)

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before it may try; 0.0: it may."""
        now_s, key = self._clock.monotonic(), _network(address)
        record = self._records.get(key)
        own_s = 0.0 if record is None else record.free_at_s - now_s
        if key in self._known:
            return max(own_s, 0.0)
        self._refill(now_s)
        others_s = 0.0 if self._left >= 1.0 else (1.0 - self._left) * _EACH_S
        return max(own_s, others_s, 0.0)

    def begin(self, address: str) -> int:
        """Somebody tries; until `succeeded` it counts as a failure.

        Returns:
            How often this address failed now.
        """
        now_s, key = self._clock.monotonic(), _network(address)
        record = self._records.get(key)
        if record is None or now_s - record.tried_s > _FORGET_S:
            record = self._records[key] = _Record()
        self._records.move_to_end(key)
        while len(self._records) > _MOST_ADDRESSES:
            self._records.popitem(last=False)
        record.failures += 1
        record.tried_s = now_s
        if record.failures >= _FREE:
            pause_s = min(2.0 ** min(record.failures - _FREE, 30), _LONGEST_S)
            record.free_at_s = now_s + pause_s
        if key not in self._known:
            self._refill(now_s)
            self._left = max(self._left - 1.0, 0.0)
        return record.failures

    def succeeded(self, address: str) -> None:
        """The attempt just made was right: this address starts afresh."""
        key = _network(address)
        if key not in self._known:
            self._left = min(self._left + 1.0, _MOST_AT_ONCE)
        self._records.pop(key, None)
        self._known[key] = None
        self._known.move_to_end(key)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def _refill(self, now_s: float) -> None:
        came = (now_s - self._left_at_s) / _EACH_S
        self._left = min(self._left + came, _MOST_AT_ONCE)
        self._left_at_s = now_s


def _network(address: str) -> str:
    """What one attacker has for the asking: an address, of IPv6 a network of 64 bits."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found)
