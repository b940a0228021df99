"""What all registers of a meter hold: read politely, kept as text, a register a line.

Described in docs/reference/recording-format.md.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from energymeter._version import __version__
from energymeter.client import UnitClient
from energymeter.clock import Clock, SystemClock
from energymeter.codec import ExceptionCode, ReadRequest, Table
from energymeter.discovery.asking import Asker
from energymeter.discovery.rawmap import read_range
from energymeter.errors import ConfigError, ExceptionReplyError, RequestTimeout

__all__ = ["DumpReader", "MapDump", "is_dump", "parse_dump", "render_dump"]

_MAGIC: Final = "energymeter dump 1"

_SLICE_WORDS: Final = 50
"""Longest read: there are meters that refuse more, whatever their manual says."""

_BUSY_TRIES: Final = 5
_BUSY_PAUSE_S: Final = 0.1
"""How long a busy meter is left alone at first; twice as long each time."""

_NO_LIMIT: Final = 10**9


class MapDump(NamedTuple):
    """The registers of a unit, as they were read."""

    wire: str
    """Where the unit is, as a URL."""

    unit: int
    taken: datetime
    """When reading began, aware."""

    asked: Mapping[Table, range]
    """The addresses that were asked for."""

    words: Mapping[Table, Mapping[int, int]]
    """What was answered, by address, ascending; what is asked for and not here was refused."""


class DumpReader:
    """Reads all registers of a span that answer.

    What is refused is halved until pairs are left. A busy meter is waited for, a read that gets
    no answer is repeated, and there is a pause between reads. No register is asked for alone,
    unless wanted: there are meters that answer that with anything, for any address. So one whose
    neighbours are both missing is not found.

    Args:
        unit: Whom to ask.
        wire: Where it is, for the dump.
        number: Its number, for the dump.
        pause_s: How long the meter is left alone between two reads.
        asks_alone: Whether registers are asked for one by one where pairs are refused.
        clock: For pauses, and the time of the dump.
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        unit: UnitClient,
        *,
        wire: str,
        number: int,
        pause_s: float = 0.02,
        asks_alone: bool = False,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._asks_alone = asks_alone
        self._asker = Asker(_PatientUnit(unit, pause_s, clock), max_requests=_NO_LIMIT)
        self._asked: dict[Table, range] = {}
        self._words: dict[Table, dict[int, int]] = {}
        self._head = (wire, number, clock.now())

    @property
    def dump(self) -> MapDump:
        """What was read so far; the whole when `read` has returned."""
        return MapDump(*self._head, self._asked, self._words)

    @property
    def requests(self) -> int:
        """Reads sent so far."""
        return self._asker.requests

    @property
    def last_refusal(self) -> ExceptionReplyError | None:
        """Why the meter refused what it refused last; None: it refused nothing."""
        return self._asker.last_refusal

    async def read(
        self,
        tables: Sequence[Table],
        first: int,
        last: int,
        on_progress: Callable[[int, int], object] = lambda _done, _all: None,
    ) -> None:
        """Read a span of each table.

        Args:
            tables: Of registers, not of bits.
            first: First address.
            last: Last address, itself included.
            on_progress: Told how many registers were asked for so far, and of how many.

        Raises:
            MeterError: As `Asker.read`; `dump` holds what was read until then.
        """
        size = last + 1 - first
        for number, table in enumerate(tables):
            words = self._words.setdefault(table, {})
            for start in range(first, last + 1, _SLICE_WORDS):
                end = min(start + _SLICE_WORDS, last + 1)
                # Halves of an even number from an even address on are never a single register.
                low, high = start // 2 * 2, (end + 1) // 2 * 2 - 1
                found = (await read_range(self._asker, table, low, high)).words
                words.update((n, found[n]) for n in range(start, end) if n in found)
                self._asked[table] = range(first, end)
                on_progress(number * size + end - first, len(tables) * size)
            await self._fill_gaps(table, words)

    async def _fill_gaps(self, table: Table, words: dict[int, int]) -> None:
        """Find what was one of a refused pair: with its neighbour on the other side."""
        asked = self._asked[table]
        known = dict(words)
        first = asked[0] if asked[0] in known else max(0, asked[0] - 1)
        for address in range(first, asked[-1] + 1):
            if address not in known and address - 1 in known:
                known |= await self._read(table, address - 1, 2)
            if address not in known and (address % 2 or address + 1 in known):
                known |= await self._read(table, address, 2)
            if address not in known and self._asks_alone:
                known |= await self._read(table, address, 1)
        self._words[table] = {address: known[address] for address in asked if address in known}

    async def _read(self, table: Table, address: int, count: int) -> dict[int, int]:
        data = await self._asker.read(table, address, count)
        if data is None:
            return {}
        return dict(
            zip(range(address, address + count), struct.unpack(f">{count}H", data), strict=True)
        )


class _PatientUnit:
    """A `UnitClient` that asks again before it gives up, and never in a hurry."""

    def __init__(self, unit: UnitClient, pause_s: float, clock: Clock) -> None:
        self._unit = unit
        self._pause_s = pause_s
        self._clock = clock
        self._next_s = clock.monotonic()
        self._answered: ReadRequest | None = None
        """A read that brought something, to see whether the meter is still there."""

    async def read(self, request: ReadRequest) -> bytes:
        """See `UnitClient.read`; silence of a meter that answers other reads is a refusal."""
        try:
            return await self._when_not_busy(request)
        except RequestTimeout:
            if self._answered is None:
                raise
        await self._when_not_busy(self._answered)
        try:
            return await self._when_not_busy(request)
        except RequestTimeout as error:
            msg = "the meter does not answer this read, but others"
            code = ExceptionCode.ILLEGAL_DATA_ADDRESS
            raise ExceptionReplyError(msg, function=request.function, code=code) from error

    async def _when_not_busy(self, request: ReadRequest) -> bytes:
        pause_s = _BUSY_PAUSE_S
        for is_last in [False] * (_BUSY_TRIES - 1) + [True]:
            try:
                data = await self._paced(request)
            except ExceptionReplyError as error:
                if is_last or not error.is_busy:
                    raise
                self._next_s = self._clock.monotonic() + pause_s
                pause_s *= 2
            else:
                self._answered = request
                return data
        raise AssertionError  # the last try has returned or raised

    async def _paced(self, request: ReadRequest) -> bytes:
        await self._clock.sleep_until(self._next_s)
        try:
            return await self._unit.read(request)
        finally:
            self._next_s = self._clock.monotonic() + self._pause_s


def render_dump(dump: MapDump) -> str:
    """The dump as text."""
    asked = ", ".join(f"{table} {span[0]}-{span[-1]}" for table, span in dump.asked.items())
    taken = dump.taken.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    lines = [
        _MAGIC,
        f"tool: energymeter {__version__}",
        f"wire: {dump.wire}",
        f"unit: {dump.unit}",
        f"taken: {taken}",
        f"asked: {asked}",
        "",
        *(
            f"{table:<7} {address:>5}  0x{word:04X} {word:>5}  {_text(word)}"
            for table, words in dump.words.items()
            for address, word in words.items()
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _text(word: int) -> str:
    """The two characters a register may hold; a dot for what is none."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in word.to_bytes(2, "big"))


def is_dump(data: bytes) -> bool:
    """Whether a file that begins like this is a dump."""
    return data.startswith(b"energymeter dump ")


_LINE: Final = re.compile(r"(holding|input)\s+([0-9]{1,5})\s+0x([0-9A-Fa-f]{4})(\s.*)?")
_ASKED: Final = re.compile(r"(holding|input) ([0-9]{1,5})-([0-9]{1,5})")


def parse_dump(data: bytes, name: str = "the dump") -> MapDump:
    """Understand a dump; decimals and characters behind the hexadecimal value are not looked at.

    Args:
        data: The file.
        name: What to call it in errors.

    Raises:
        ConfigError: It is none; the message names the line.
    """
    lines = enumerate(data.decode(errors="replace").splitlines(), 1)
    if next(lines, (1, ""))[1] != _MAGIC:
        msg = f"{name}, line 1: no dump of a version this program reads, that is {_MAGIC!r}"
        raise ConfigError(msg)
    head = dict(_head(lines, name))
    missing = [key for key in ("wire", "unit", "taken", "asked") if key not in head]
    if missing:
        msg = f"{name}: the header does not say {', '.join(missing)}"
        raise ConfigError(msg)
    try:
        unit, taken = int(head["unit"]), datetime.fromisoformat(head["taken"])
        spans = [_ASKED.fullmatch(part) for part in head["asked"].split(", ") if part]
        asked = {
            Table(span[1]): range(int(span[2]), int(span[3]) + 1)
            for span in spans
            if span is not None
        }
    except ValueError as error:
        msg = f"{name}: the header makes no sense: {error}"
        raise ConfigError(msg) from error
    words: dict[Table, dict[int, int]] = {table: {} for table in asked}
    for number, line in lines:
        found = _LINE.fullmatch(line)
        if found is not None:
            words.setdefault(Table(found[1]), {})[int(found[2])] = int(found[3], 16)
        elif line.strip() and not line.startswith("#"):
            msg = f"{name}, line {number}: {line[:60]!r} is no register, such as holding 7 0x00FF"
            raise ConfigError(msg)
    return MapDump(head["wire"], unit, taken, asked, words)


def _head(lines: Iterator[tuple[int, str]], name: str) -> Iterator[tuple[str, str]]:
    for number, line in lines:
        if not line:
            return
        key, colon, value = line.partition(":")
        if not colon:
            msg = f"{name}, line {number}: {line[:60]!r} is no line of the header"
            raise ConfigError(msg)
        yield key, value.strip()
