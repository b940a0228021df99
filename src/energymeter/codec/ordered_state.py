"""Which answer belongs to which question where the wire does not say: by unit, shape and order.

Serial frames carry no transaction. What can be relied on: a unit answers its questions one after
the other, in the order in which they were asked, or not at all. So questions that were given up
are remembered, and an answer belongs to the oldest question it fits. It is handed out only when
that is the question of the moment; the answers of older ones are late, dropped and counted.

Two questions of one unit whose answers have the same shape cannot be told apart. Before such a
second one is asked, `fence` gives a small question of another shape: once that is answered, the
unit has passed everything that was asked before.
No socket, no clock, no log.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, Generic, TypeVar

from energymeter.codec.client_state import judge
from energymeter.codec.codes import Function
from energymeter.codec.decode import is_exception, reply_mismatch
from energymeter.codec.framing import Framer
from energymeter.codec.messages import ReadRequest, Request
from energymeter.errors import MeterError

__all__ = ["OrderedState"]

Token = TypeVar("Token")

_FENCE_COUNTS: Final = {True: (1, 9, 17), False: (2, 4, 1)}
"""Counts whose answers differ in size: of bits, and of registers (even ones are never refused)."""


class _Question(Generic[Token]):
    """One question of a unit, on its way or given up."""

    __slots__ = ("is_fence", "misfit", "request", "token", "transaction", "unit")

    def __init__(
        self, transaction: int, unit: int, request: Request, token: Token, *, is_fence: bool
    ) -> None:
        self.transaction = transaction
        self.unit = unit
        self.request = request
        self.is_fence = is_fence
        self.token: Token | None = token
        """None once nobody waits for the answer any more."""
        self.misfit = ""
        """What is wrong with an answer that came meanwhile and fits no question."""


class OrderedState(Generic[Token]):
    """Questions under way on a line without transactions, and those it may still answer late.

    Args:
        framer: Cuts the incoming bytes of this connection.
    """

    __slots__ = ("_asked", "_current", "foreign_answers", "framer", "last_transaction")

    def __init__(self, framer: Framer) -> None:
        self.framer = framer
        self.foreign_answers = 0
        """Answers dropped because nobody waits for them (any more)."""
        self.last_transaction = 0
        self._asked: defaultdict[int, list[_Question[Token]]] = defaultdict(list)
        self._current: dict[int, _Question[Token]] = {}

    @property
    def in_flight(self) -> int:
        """Questions that have no answer yet and are waited for."""
        return len(self._current)

    def renewed(self, framer: Framer) -> OrderedState[Token]:
        """The state of the connection after this one.

        A converter may deliver what was asked before over the new connection.
        """
        state: OrderedState[Token] = OrderedState(framer)
        state.last_transaction = self.last_transaction
        state.foreign_answers = self.foreign_answers
        state._asked = self._asked
        return state

    def fence(self, unit: int, request: Request) -> ReadRequest | None:
        """What to ask first, so that no late answer can pass for the answer to `request`.

        None: nothing, it can be asked at once.
        """
        asked = self._asked.get(unit)
        if not asked or request.function > Function.READ_INPUT_REGISTERS:
            return None  # the answers to writes repeat what was written
        sizes = {old.request.answer_bytes for old in asked if _same_function(old, request)}
        if request.answer_bytes not in sizes:
            return None
        assert isinstance(request, ReadRequest)  # noqa: S101 - functions 1 to 4 are reads
        counts = _FENCE_COUNTS[request.function <= Function.READ_DISCRETE_INPUTS]
        fences = [ReadRequest(request.function, _room(request.address, n), n) for n in counts]
        # Fences given up before may be answered late too, but what they say is never used.
        return next(one for one in fences if one.answer_bytes != request.answer_bytes)

    def ask(
        self, unit: int, request: Request, token: Token, *, is_fence: bool = False
    ) -> tuple[int, bytes]:
        """Register a question; returns its transaction and the bytes to send."""
        transaction = self.last_transaction = (self.last_transaction + 1) & 0xFFFF
        question = _Question(transaction, unit, request, token, is_fence=is_fence)
        self._asked[unit].append(question)
        self._current[transaction] = question
        self.framer.silence()  # what is left of an answer will not become one any more
        self.framer.expect(unit, request.function)
        return transaction, self.framer.encode(transaction, unit, request.pdu)

    def forget(self, transaction: int) -> None:
        """Stop waiting for an answer; should it come late it is recognised and dropped."""
        question = self._current.pop(transaction, None)
        if question is not None:
            question.token = None

    def receive(self, data: bytes) -> list[tuple[Token, bytes | MeterError]]:
        """Take bytes in; returns what they settle: the answer's PDU, or why there is none."""
        return self._settle([(unit, pdu) for _, unit, pdu in self.framer.feed(data)])

    def silence(self) -> list[tuple[Token, bytes | MeterError]]:
        """Learn that nothing came for a while; returns what that settles."""
        return self._settle([(unit, pdu) for _, unit, pdu in self.framer.silence()])

    def misfit(self, transaction: int) -> str:
        """Why what came meanwhile from the unit asked is not the answer; empty: nothing came."""
        question = self._current.get(transaction)
        return "" if question is None else question.misfit

    def waiting(self) -> list[tuple[int, Token]]:
        """The questions under way, oldest first: transaction and token."""
        return [
            (transaction, question.token)
            for transaction, question in self._current.items()
            if question.token is not None
        ]

    def abandon(self) -> list[Token]:
        """Give all questions up, the connection being gone; returns their tokens."""
        tokens = [token for _, token in self.waiting()]
        for transaction in list(self._current):
            self.forget(transaction)
        return tokens

    def _settle(self, answers: list[tuple[int, bytes]]) -> list[tuple[Token, bytes | MeterError]]:
        settled: list[tuple[Token, bytes | MeterError]] = []
        for unit, pdu in answers:
            question = self._question_of(unit, pdu)
            if question is None or question.token is None:
                self.foreign_answers += 1
                continue
            del self._current[question.transaction]
            settled.append((question.token, judge(unit, pdu, question.unit, question.request)))
            question.token = None
        return settled

    def _question_of(self, unit: int, pdu: bytes) -> _Question[Token] | None:
        """The question this settles; the oldest it fits is forgotten, with all before it."""
        asked = self._asked.get(unit)
        if not asked:
            return None
        newest = asked[-1]
        oldest = next((place for place, old in enumerate(asked) if _fits(old.request, pdu)), None)
        if oldest is None:
            # It is not made an error of the question under way, whose own answer may still come
            # and would then be taken for that of the next one.
            newest.misfit = reply_mismatch(newest.request, pdu) or ""
            return None
        question = asked[oldest]
        del asked[: oldest + 1]
        # An older fence may have been the one that was answered now. The unit has passed that
        # one, which is all that a fence is for; the newest stays to be answered late.
        return newest if newest.is_fence else question


def _fits(request: Request, pdu: bytes) -> bool:
    return is_exception(request, pdu) or reply_mismatch(request, pdu) is None


def _same_function(question: _Question[Token], request: Request) -> bool:
    return question.request.function == request.function


def _room(address: int, count: int) -> int:
    """An address from which so many items can be read, near the one given."""
    return min(address, 0x10000 - count)
