"""One direction of a TCP connection, put back in order from what a capture holds of it.

Segments may be missing, doubled, overlapping and out of order. Knows no Modbus.
Source: RFC 9293, section 3.4.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["Stretch", "TcpStream"]

_MODULUS: Final = 1 << 32

_FARTHEST: Final = 1 << 24
"""Nobody is so many bytes ahead or behind; it is another connection with the same ports."""


class Stretch(NamedTuple):
    """Bytes in order."""

    missing_bytes: int
    """How many the capture lacks in front of them."""

    data: bytes


class TcpStream:
    """Sorts the segments of one direction."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._held: dict[int, bytes] = {}
        """Segments that came too early, by sequence number."""

    def begin(self, sequence: int) -> None:
        """The first byte will have this number."""
        self._next = sequence % _MODULUS
        self._held.clear()

    def put(self, sequence: int, data: bytes) -> Stretch:
        """Take a segment in and return what has come to be in order."""
        if self._next is None:
            self.begin(sequence)
        if abs(self._ahead(sequence)) > _FARTHEST:
            self.begin(sequence)
        if self._ahead(sequence) + len(data) <= 0:
            return Stretch(0, b"")
        if len(data) > len(self._held.get(sequence, b"")):
            self._held[sequence] = data
        return Stretch(0, self._drain())

    def skip_to(self, sequence: int) -> Stretch:
        """The other side has got all before this number; what is not here, the capture lacks."""
        if self._next is None:
            self.begin(sequence)
        missing = 0
        data = b""
        while 0 < (left := self._ahead(sequence)) <= _FARTHEST:
            gap = min([left, *(self._ahead(start) for start in self._held)])
            missing += gap
            self._next = (self._next + gap) % _MODULUS  # type: ignore[operator]
            data += self._drain()
        return Stretch(missing, data)

    def finish(self) -> Stretch:
        """Nothing will come any more: return what is held."""
        if not self._held:
            return Stretch(0, b"")
        return self.skip_to(max(self._held, key=self._ahead) + 1)

    def _ahead(self, sequence: int) -> int:
        """How far a number is ahead of what comes next; negative: it has been."""
        assert self._next is not None  # noqa: S101 - narrows the type
        return (sequence - self._next + _MODULUS // 2) % _MODULUS - _MODULUS // 2

    def _drain(self) -> bytes:
        assert self._next is not None  # noqa: S101 - narrows the type
        data = b""
        for start in sorted(self._held, key=self._ahead):
            ahead = self._ahead(start)
            if ahead > 0:
                break
            fresh = self._held.pop(start)[-ahead:]
            data += fresh
            self._next = (self._next + len(fresh)) % _MODULUS
        return data
