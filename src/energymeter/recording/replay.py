"""Be the meter that was recorded: the same answers to the same questions, after the same time.

A question that was recorded gets its recorded answers, one after the other, and then the last
one again and again. A read of registers that were recorded, but not in this very read, is put
together from what was known of them at that moment; it is counted and told, for the meter never
gave such an answer. Knows no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, NamedTuple

from energymeter.clock import Clock, SystemClock
from energymeter.codec import (
    ExceptionCode,
    ExceptionResponse,
    Frame,
    Framer,
    Function,
    ReadRequest,
    decode_request,
)
from energymeter.codec.framing import Framing
from energymeter.errors import ConfigError, InvalidRequestError
from energymeter.recording.exchanges import Exchange
from energymeter.recording.recall import Recall
from energymeter.server.delivery import Chunk, Respond

__all__ = ["Replay", "ReplayDelivery", "ReplayHandler", "Turn"]


class Turn(NamedTuple):
    """What one question gets."""

    exchange: Exchange | None
    """What was recorded; None: the answer was put together here."""

    answer: bytes | None
    """The message; None: silence."""

    latency_s: float
    """How long the meter took, seconds."""


class Replay:
    """A recording as somebody who answers.

    Args:
        exchanges: What was recorded, in order.
        speed: Times faster than recorded; 0: as fast as possible.
        loops: Whether answers begin again after the last one. Otherwise the last one stays: a
            counter that falls back is what no meter shows.
        clock: Tells how far the recording has gone on, for what is put together.
        told: Takes a sentence the first time that a question gets what was not recorded.

    Raises:
        ConfigError: There is nothing in the recording.
    """

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        *,
        speed: float = 1.0,
        loops: bool = False,
        clock: Clock | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        if not exchanges:
            msg = "the recording contains no requests, there is nothing to replay"
            raise ConfigError(msg)
        self.speed = speed
        self.recorded = 0
        """Questions that got what was recorded."""
        self.recalled = 0
        """Questions that were answered from registers of other answers."""
        self.unknown = 0
        """Questions about what is not in the recording: refused, or left without an answer."""
        self._loops = loops
        self._clock = clock or SystemClock()
        self._told = told
        self._complained: set[tuple[int, bytes]] = set()
        self._answers: dict[tuple[int, bytes], list[Exchange]] = {}
        self._places: dict[tuple[int, bytes], int] = {}
        for exchange in exchanges:
            key = (exchange.question.unit, exchange.question.pdu)
            self._answers.setdefault(key, []).append(exchange)
        self._latencies_s = _latencies_s(exchanges)
        self._recall = Recall(exchanges)
        self._first_s = exchanges[0].moment_s
        # Nothing says how long it was until the next question: as long as between the others.
        span_s = exchanges[-1].moment_s - self._first_s
        self._span_s = span_s * len(exchanges) / max(1, len(exchanges) - 1)
        self._began_s: float | None = None
        self._rounds = 0

    def turn(self, unit: int, pdu: bytes) -> Turn:
        """What the next question of this kind gets."""
        self._go_on()
        exchange = self._next(unit, pdu)
        if exchange is not None:
            self.recorded += 1
            if not self.speed:
                self._recall.advance(exchange.moment_s)
            return Turn(exchange, exchange.answer, exchange.latency_s or 0.0)
        return Turn(None, self._made_up(unit, pdu), self._latencies_s.get(unit, 0.0))

    def _next(self, unit: int, pdu: bytes) -> Exchange | None:
        recorded = self._answers.get((unit, pdu))
        if recorded is None:
            return None
        place = self._places.get((unit, pdu), 0)
        following = place + 1
        if following == len(recorded):
            following = 0 if self._loops else place
        self._places[unit, pdu] = following
        return recorded[place]

    def _go_on(self) -> None:
        """Bring the registers to the moment that the recording has reached."""
        if not self.speed:
            return
        now = self._clock.monotonic()
        if self._began_s is None:
            self._began_s = now
        elapsed_s = (now - self._began_s) * self.speed
        if self._loops and self._span_s > 0:
            rounds, elapsed_s = divmod(elapsed_s, self._span_s)
            if rounds != self._rounds:
                self._rounds = int(rounds)
                self._recall.restart()
        self._recall.advance(self._first_s + elapsed_s)

    def _made_up(self, unit: int, pdu: bytes) -> bytes | None:
        if unit not in self._latencies_s:
            self.unknown += 1
            self._tell(unit, pdu, f"unit {unit} is not in the recording, it stays silent")
            return None
        try:
            request = decode_request(pdu)
        except InvalidRequestError as error:
            self.unknown += 1
            return ExceptionResponse(error.function, error.code).pdu
        code = ExceptionCode.ILLEGAL_FUNCTION
        if isinstance(request, ReadRequest):
            answer = self._recall.answer(unit, request)
            what = f"unit {unit}, {Function(request.function).phrase} {_span(request)}"
            if answer is not None:
                self.recalled += 1
                text = f"{what}: never read so, put together from other recorded reads"
                self._tell(unit, pdu, text)
                return answer
            code = ExceptionCode.ILLEGAL_DATA_ADDRESS
            self._tell(unit, pdu, f"{what}: not in the recording, refused with exception 2")
        else:
            what = f"unit {unit}, {Function(request.function).phrase} with these values"
            self._tell(unit, pdu, f"{what}: not in the recording, refused with exception 1")
        self.unknown += 1
        return ExceptionResponse(request.function, code).pdu

    def _tell(self, unit: int, pdu: bytes, text: str) -> None:
        if (unit, pdu) not in self._complained:
            self._complained.add((unit, pdu))
            self._told(text)


def _span(request: ReadRequest) -> str:
    last = request.address + request.count - 1
    return f"{request.address}" if request.count == 1 else f"{request.address} to {last}"


def _latencies_s(exchanges: Sequence[Exchange]) -> dict[int, float]:
    """How long each unit took as a rule; 0 for one that never answered."""
    found: dict[int, list[float]] = {}
    for exchange in exchanges:
        latencies = found.setdefault(exchange.question.unit, [])
        if exchange.latency_s is not None:
            latencies.append(exchange.latency_s)
    return {unit: median(latencies) if latencies else 0.0 for unit, latencies in found.items()}


class ReplayHandler:
    """A `Handler` that answers with the messages of a replay, at once and whole."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        """See `Handler.answer`."""
        return self._replay.turn(unit, pdu).answer


class ReplayDelivery:
    """A `Delivery` that gives each answer as it came: late, in pieces, with the noise around it.

    On a wire of another kind than the recorded one the answers are put into its envelope whole,
    and noise is left out.

    Args:
        replay: Who answers; the server's handler is not asked.
        framing: What the server speaks.
        silence_s: Silence a serial line wants before an answer, seconds.
    """

    def __init__(self, replay: Replay, framing: Framing, *, silence_s: float = 0.0) -> None:
        self._replay = replay
        self._framing = framing
        self._silence_s = silence_s

    def admits(self, connections: int) -> bool:
        """See `Delivery.admits`; everybody is."""
        return True

    def answer(self, request: Frame, framer: Framer, respond: Respond) -> Sequence[Chunk]:
        """See `Delivery.answer`."""
        turn = self._replay.turn(request.unit, request.pdu)
        exchange = turn.exchange
        if exchange is not None and exchange.framing is self._framing:
            # The framer has to know who answers here: what else it hears are other units.
            framer.encode(request.transaction, request.unit, turn.answer or b"\0")
            chunks = _renumbered(exchange, request.transaction)
        else:
            chunks = []
            if turn.answer is not None:
                data = framer.encode(request.transaction, request.unit, turn.answer)
                chunks.append(Chunk(turn.latency_s, data))
            if exchange is not None:
                chunks += [chunk for chunk in exchange.chunks if chunk.data is None]
        speed, silence_s = self._replay.speed, self._silence_s
        return [
            Chunk(max(silence_s, delay_s / speed if speed else 0.0), data)
            for delay_s, data in chunks
        ]


_MBAP_BYTES: Final = 7


def _renumbered(exchange: Exchange, transaction: int) -> list[Chunk]:
    """What came, as if the recorded question had had another transaction.

    All numbers move by as much: an answer that came too late stays one to an earlier question.
    """
    shift = transaction - exchange.question.transaction
    if not shift or not exchange.framing.has_transactions:
        return list(exchange.chunks)
    stream = bytearray(b"".join(chunk.data or b"" for chunk in exchange.chunks))
    start = 0
    while start + _MBAP_BYTES < len(stream):
        length = int.from_bytes(stream[start + 4 : start + 6], "big")
        if stream[start + 2 : start + 4] != b"\0\0" or length < 2:
            break  # noise: nobody can tell where the next frame begins
        number = int.from_bytes(stream[start : start + 2], "big") + shift
        stream[start : start + 2] = (number & 0xFFFF).to_bytes(2, "big")
        start += 6 + length
    chunks: list[Chunk] = []
    start = 0
    for delay_s, data in exchange.chunks:
        size = len(data or b"")
        chunks.append(Chunk(delay_s, None if data is None else bytes(stream[start : start + size])))
        start += size
    return chunks
