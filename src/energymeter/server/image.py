"""Tables kept as the bytes that go over the wire, so that a read is a slice.

An update replaces everything at once, so no client ever sees half of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["BitImage", "RegisterImage"]


class RegisterImage:
    """16-bit registers at scattered addresses.

    Args:
        segments: First address and bytes (two a register, high byte first) of each stretch that
            exists. Stretches must not overlap; those that touch are joined.

    Raises:
        ValueError: Stretches overlap, have half a register or leave 0..65535.
    """

    __slots__ = ("_segments",)

    def __init__(self, segments: Iterable[tuple[int, bytes]] = ()) -> None:
        self._segments = _join(segments)

    def read(self, address: int, count: int) -> bytes | None:
        """The bytes of `count` registers; None when one of them does not exist."""
        end = address + count
        for first, last, data in self._segments:
            if first <= address and end <= last:
                return data[2 * (address - first) : 2 * (end - first)]
        return None

    def replace(self, segments: Iterable[tuple[int, bytes]]) -> None:
        """Put a whole new image in place, in one step."""
        self._segments = _join(segments)

    def write(self, address: int, words: Sequence[int]) -> bool:
        """Change registers; returns whether all of them exist (if not, none is changed)."""
        end = address + len(words)
        for index, (first, last, data) in enumerate(self._segments):
            if first <= address and end <= last:
                changed = bytearray(data)
                start = 2 * (address - first)
                changed[start : start + 2 * len(words)] = b"".join(
                    word.to_bytes(2, "big") for word in words
                )
                segments = list(self._segments)
                segments[index] = (first, last, bytes(changed))
                self._segments = tuple(segments)
                return True
        return False


class BitImage:
    """Coils or discrete inputs at scattered addresses.

    Args:
        bits: Address and state of each bit that exists.

    Raises:
        ValueError: An address is outside 0..65535.
    """

    __slots__ = ("_exists", "_states")

    def __init__(self, bits: Iterable[tuple[int, bool]] = ()) -> None:
        self._exists = 0
        self._states = 0
        self.replace(bits)

    def read(self, address: int, count: int) -> bytes | None:
        """`count` bits packed as on the wire; None when one of them does not exist."""
        mask = (1 << count) - 1
        if (self._exists >> address) & mask != mask:
            return None
        return ((self._states >> address) & mask).to_bytes((count + 7) // 8, "little")

    def replace(self, bits: Iterable[tuple[int, bool]]) -> None:
        """Put a whole new image in place."""
        exists = states = 0
        for address, state in bits:
            if not 0 <= address <= 0xFFFF:
                msg = f"the bit at {address} is outside 0..65535"
                raise ValueError(msg)
            exists |= 1 << address
            states |= bool(state) << address
        self._exists, self._states = exists, states

    def write(self, address: int, bits: Sequence[bool]) -> bool:
        """Change bits; returns whether all of them exist (if not, none is changed)."""
        mask = (1 << len(bits)) - 1
        if (self._exists >> address) & mask != mask:
            return False
        value = sum(1 << place for place, bit in enumerate(bits) if bit)
        self._states = self._states & ~(mask << address) | value << address
        return True


def _join(segments: Iterable[tuple[int, bytes]]) -> tuple[tuple[int, int, bytes], ...]:
    joined: list[tuple[int, int, bytes]] = []
    for first, data in sorted(segments):
        last = first + len(data) // 2
        if len(data) % 2 or first < 0 or last > 0x10000:
            msg = f"a stretch of {len(data)} bytes at {first} is not whole registers in 0..65535"
            raise ValueError(msg)
        if joined and first < joined[-1][1]:
            msg = f"the stretch at {first} overlaps the one before it"
            raise ValueError(msg)
        if joined and first == joined[-1][1]:
            before = joined.pop()
            joined.append((before[0], last, before[2] + data))
        else:
            joined.append((first, last, data))
    return tuple(joined)
