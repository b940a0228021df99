"""Which answer belongs to which question: the client's side of a connection, without the wire.

Late and foreign answers are never handed out. An answer whose transaction nobody waits for is
dropped and counted; one with the right transaction but another unit, function, size or echo is
turned into a `MismatchError` for the question it pretends to answer.
No socket, no clock, no log: time-outs are told to it with `forget`.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from energymeter.codec.codes import EXCEPTION_EXPLANATIONS, exception_name
from energymeter.codec.decode import is_exception, reply_mismatch
from energymeter.codec.framing import Framer
from energymeter.codec.messages import Request
from energymeter.errors import ExceptionReplyError, MeterError, MismatchError

__all__ = ["ClientState", "judge"]

Token = TypeVar("Token")


class ClientState(Generic[Token]):
    """Questions under way on one connection.

    Args:
        framer: Cuts the incoming bytes of this connection.
        last_transaction: Where counting goes on; give that of the connection before, so that
            an answer to one of its questions cannot pass for an answer to one of these.

    `Token` is whatever the caller wants back with the answer, a future for example.
    """

    __slots__ = ("_waiting", "foreign_answers", "framer", "last_transaction")

    def __init__(self, framer: Framer, last_transaction: int = 0) -> None:
        self.framer = framer
        self.foreign_answers = 0
        """Answers dropped because nobody waits for them (any more)."""
        self._waiting: dict[int, tuple[Token, int, Request]] = {}
        self.last_transaction = last_transaction
        """The transaction of the newest question."""

    def renewed(self, framer: Framer) -> ClientState[Token]:
        """The state of the connection after this one; transactions go on where this one is."""
        return ClientState(framer, self.last_transaction)

    @property
    def in_flight(self) -> int:
        """Questions that have no answer yet."""
        return len(self._waiting)

    def ask(self, unit: int, request: Request, token: Token) -> tuple[int, bytes]:
        """Register a question; returns its transaction and the bytes to send."""
        transaction = (self.last_transaction + 1) & 0xFFFF
        while transaction in self._waiting:
            transaction = (transaction + 1) & 0xFFFF
        self.last_transaction = transaction
        self._waiting[transaction] = (token, unit, request)
        return transaction, self.framer.encode(transaction, unit, request.pdu)

    def forget(self, transaction: int) -> None:
        """Stop waiting for an answer; should it come late it is dropped."""
        self._waiting.pop(transaction, None)

    def receive(self, data: bytes) -> list[tuple[Token, bytes | MeterError]]:
        """Take bytes in; returns what they settle: the answer's PDU, or why there is none."""
        settled: list[tuple[Token, bytes | MeterError]] = []
        for transaction, unit, pdu in self.framer.feed(data):
            waiting = self._waiting.pop(transaction, None)
            if waiting is None:
                self.foreign_answers += 1
                continue
            token, asked_unit, request = waiting
            # The two lines every good answer to a read takes; all else is sorted out below.
            if (
                unit == asked_unit
                and pdu[0] == request.function
                and request.function <= 4
                and len(pdu) == request.answer_bytes
                and pdu[1] == len(pdu) - 2
            ):
                settled.append((token, pdu))
            else:
                settled.append((token, judge(unit, pdu, asked_unit, request)))
        return settled

    def waiting(self) -> list[tuple[int, Token]]:
        """The questions under way, oldest first: transaction and token."""
        return [(transaction, entry[0]) for transaction, entry in self._waiting.items()]

    def abandon(self) -> list[Token]:
        """Forget all questions, the connection being gone; returns their tokens."""
        tokens = [token for token, _, _ in self._waiting.values()]
        self._waiting.clear()
        return tokens


def judge(unit: int, pdu: bytes, asked_unit: int, request: Request) -> bytes | MeterError:
    """The answer as it is handed out: its PDU, the unit's refusal, or what is wrong with it."""
    if unit != asked_unit:
        msg = f"an answer from unit {unit} came instead of unit {asked_unit}; it was not used"
        return MismatchError(msg, data=pdu, unit=asked_unit)
    if is_exception(request, pdu):
        code = pdu[1]
        reason = EXCEPTION_EXPLANATIONS.get(code, "a code the specification does not define")
        msg = f"function {request.function} refused: {exception_name(code)} ({code}), {reason}"
        return ExceptionReplyError(msg, function=request.function, code=code, unit=unit)
    problem = reply_mismatch(request, pdu)
    if problem is not None:
        return MismatchError(f"{problem}; it was not used", data=pdu, unit=unit)
    return pdu
