"""Which answer belongs to which question where the wire does not say: by unit, shape and order.

Serial frames carry no transaction. What is relied on: a unit answers its questions one after
the other, in the order in which they were asked, or not at all; and what it says again, it says
before anything else. So questions that were given up are remembered, and an answer belongs to the
oldest question of its unit that it fits. It is handed out only when that is the question of the
moment; the answers of older ones are late, dropped and counted.

Two questions whose answers have the same shape cannot be told apart. Before such a second one is
asked, `fence` gives a small question of another shape: once that is answered, the unit has passed
all that was asked before. An answer that is, byte for byte, what the unit said last to another
question may be that once more: it comes out as a `DoubtfulAnswerError`, and behind a fence the same
question will be answered beyond doubt.
No socket, no clock, no log: moments are told to it.
"""

from __future__ import annotations

import math
from typing import Final, Generic, TypeVar

from energymeter.codec.client_state import judge
from energymeter.codec.decode import is_exception, reply_mismatch
from energymeter.codec.framing import Frame, Framer
from energymeter.codec.messages import ReadRequest, Request
from energymeter.errors import MeterError, MismatchError

__all__ = ["DoubtfulAnswerError", "OrderedState"]

Token = TypeVar("Token")

_FENCE_FUNCTIONS: Final = (3, 4, 1, 2)
"""What a fence may ask for, the likeliest to be answered first. A refusal will do as well."""

_FENCE_SIZES: Final = range(1, 31)
"""A fence asks for so many pairs of registers (odd counts some meters refuse), or bytes of bits."""

_REFUSAL: Final = 0x80
"""What is added to the function when it is refused."""

_CALM_ANSWERS: Final = 100
"""A unit that said what it was not asked is believed as before after so many answers."""


class DoubtfulAnswerError(MismatchError):
    """It may be the answer before, said once more; ask again behind a fence."""


class _Question(Generic[Token]):
    """One question of a unit, on its way or given up."""

    __slots__ = ("expires", "is_fence", "lags", "request", "token", "transaction", "unit")

    def __init__(  # noqa: PLR0913, PLR0917 - flat, for it runs once a request
        self,
        transaction: int,
        unit: int,
        request: Request,
        token: Token,
        is_fence: bool,
        expires: float,
    ) -> None:
        self.transaction = transaction
        self.unit = unit
        self.request = request
        self.is_fence = is_fence
        self.expires = expires
        self.token: Token | None = token
        """None once nobody waits for the answer any more."""
        self.lags = False
        """Whether what was taken for its answer may have been the one before, so that answers to
        this very request may still come, any number of them."""


class _Past(Generic[Token]):
    """What one unit was asked, and what it said last."""

    __slots__ = ("answers", "asked", "heard", "heard_on", "misfit")

    def __init__(self) -> None:
        self.asked: list[_Question[Token]] = []
        """Oldest first; all but perhaps the newest were given up."""
        self.heard = b""
        """Its last answer; empty: none yet."""
        self.heard_on = b""
        """The request that was an answer to; empty: not known for sure."""
        self.misfit = ""
        """What is wrong with an answer that came since the newest question and fits none."""
        self.answers = _CALM_ANSWERS
        """How many good ones since it last said what it was not asked."""

    def fence(self, request: Request) -> ReadRequest | None:
        """See `OrderedState.fence`."""
        tried = {old.request.function for old in self.asked if old.is_fence}
        is_unsafe = self._may_get_another_answer(request)
        if not is_unsafe and request.function not in tried:
            return None
        untried = [one for one in _kinds(request) if one not in tried]
        if untried:
            return self._make_fence(request, untried)
        # Where all was tried in vain and it is safe, only a refusal can be another's, and that is
        # not handed out.
        return self._make_fence(request, _kinds(request)) if is_unsafe else None

    def take(self, pdu: bytes) -> tuple[_Question[Token] | None, bool]:
        """Take an answer in. What the unit has passed with it is forgotten.

        Returns:
            The question it settles, or None; and whether that is in doubt.
        """
        asked = self.asked
        last, last_on = self.heard, self.heard_on
        self.heard, self.heard_on = pdu, b""
        if not asked:
            self.answers = 0
            return None, False
        newest = asked[-1]
        place = self._place_of(pdu)
        if place is None:
            # It is not made an error of the question under way, whose own answer may still come
            # and would then be taken for that of the next one.
            self.answers = 0
            self.misfit = reply_mismatch(newest.request, pdu) or ""
            return None, False
        question = asked[place]
        is_repeated = pdu == last
        if not is_repeated:  # else it may be the last answer once more, which proves nothing
            asked[:] = asked[place if question.lags else place + 1 :]
        if question is not newest:
            # A refusal may be that of the older question or of the fence. Either way the unit
            # has passed the older one, which is what a fence is for; it may be answered late.
            return newest if newest.is_fence and _fits(newest.request, pdu) else None, False
        self.heard_on = question.request.pdu
        self.answers += 1
        if is_repeated and not question.is_fence:
            question.lags = question.lags or self.heard_on == last_on
            return question, self.heard_on != last_on and _is_read(question.request)
        return question, False

    def _place_of(self, pdu: bytes) -> int | None:
        """Where the oldest question is that this fits."""
        for place, question in enumerate(self.asked):
            if _fits(question.request, pdu):
                return place
        return None

    def is_lagging_on(self, request: Request) -> bool:
        """Whether the newest question is this one and lags: then it makes no difference."""
        newest = self.asked[-1]
        return newest.lags and newest.request.pdu == request.pdu

    def _may_get_another_answer(self, request: Request) -> bool:
        asked = self.asked
        if asked and self.is_lagging_on(request):
            asked = asked[:-1]
        if any(_are_alike(old.request, request) for old in asked):
            return True
        # A read that gets the last answer once more is noticed; a write cannot be asked again.
        is_believed = _is_read(request) and self.answers >= _CALM_ANSWERS
        return not is_believed and _fits(request, self.heard)

    def _make_fence(self, request: Request, functions: list[int]) -> ReadRequest:
        address = request.address if isinstance(request, ReadRequest) else 0
        known = {(old.request.function, old.request.answer_bytes) for old in self.asked}
        known.add((request.function, request.answer_bytes))
        for size in _FENCE_SIZES:
            for function in functions:
                fence = _fence(function, address, size)
                if (function, fence.answer_bytes) not in known and not _fits(fence, self.heard):
                    return fence
        return fence  # it is no use before something is forgotten, and does no harm


class OrderedState(Generic[Token]):
    """Questions on a line without transactions: one under way, others it may still answer late.

    Args:
        framer: Cuts the incoming bytes of this connection.
    """

    __slots__ = ("_current", "_pasts", "foreign_answers", "framer", "last_transaction")

    def __init__(self, framer: Framer) -> None:
        self.framer = framer
        self.foreign_answers = 0
        """Answers dropped because nobody waits for them (any more)."""
        self.last_transaction = 0
        self._pasts: dict[int, _Past[Token]] = {}
        self._current: _Question[Token] | None = None

    @property
    def in_flight(self) -> int:
        """Questions that have no answer yet and are waited for, 0 or 1."""
        return int(self._current is not None)

    def renewed(self, framer: Framer) -> OrderedState[Token]:
        """The state of the connection after this one.

        A converter may deliver what was asked before over the new connection.
        """
        state: OrderedState[Token] = OrderedState(framer)
        state.last_transaction = self.last_transaction
        state.foreign_answers = self.foreign_answers
        state._pasts = self._pasts
        return state

    def outstanding(self, unit: int) -> int:
        """Questions this unit may still answer, late or in time."""
        past = self._pasts.get(unit)
        return 0 if past is None else len(past.asked)

    def is_clear(self, unit: int, request: Request) -> bool:
        """A quick check: whether `request` surely needs no fence."""
        past = self._pasts.get(unit)
        if past is None:
            return True
        asked = past.asked
        if asked and (len(asked) > 1 or not past.is_lagging_on(request)):
            return False
        return past.answers >= _CALM_ANSWERS and _is_read(request)

    def fence(self, unit: int, request: Request, now: float = 0.0) -> ReadRequest | None:
        """What to ask first, so that no other answer can pass for the answer to `request`.

        None: nothing, it can be asked at once. Ask again after each fence, until it is None.

        Args:
            unit: Who will be asked.
            request: What will be asked.
            now: The moment; questions that have expired are forgotten.
        """
        past = self._pasts.get(unit)
        if past is None:
            return None
        past.asked = [old for old in past.asked if old.expires > now]
        return past.fence(request)

    def ask(
        self,
        unit: int,
        request: Request,
        token: Token,
        *,
        is_fence: bool = False,
        expires: float = math.inf,
    ) -> tuple[int, bytes]:
        """Register a question; returns its transaction and the bytes to send.

        The one before is given up if it was not settled. From `expires` on no answer to this one
        is reckoned with any more.
        """
        if self._current is not None:
            self._current.token = None
        transaction = self.last_transaction = (self.last_transaction + 1) & 0xFFFF
        past = self._pasts.get(unit)
        if past is None:
            past = self._pasts[unit] = _Past()
        question = self._current = _Question(transaction, unit, request, token, is_fence, expires)
        asked = past.asked
        if asked and past.is_lagging_on(request):
            question.lags = True
            asked[-1] = question
        else:
            asked.append(question)
        past.misfit = ""
        framer = self.framer
        framer.expect(unit, request.function)
        return transaction, framer.encode(transaction, unit, request.pdu)

    def forget(self, transaction: int) -> None:
        """Stop waiting for an answer; should it come late it is recognised and dropped."""
        current = self._current
        if current is not None and current.transaction == transaction:
            current.token = self._current = None

    def receive(self, data: bytes) -> list[tuple[Token, bytes | MeterError]]:
        """Take bytes in; returns what they settle: the answer's PDU, or why there is none."""
        return self._settle(self.framer.feed(data))

    def silence(self) -> list[tuple[Token, bytes | MeterError]]:
        """Learn that nothing came for a while; returns what that settles."""
        return self._settle(self.framer.silence())

    def misfit(self, transaction: int) -> str:
        """Why what came meanwhile from the unit asked is not the answer; empty: nothing came."""
        current = self._current
        if current is None or current.transaction != transaction:
            return ""
        return self._pasts[current.unit].misfit

    def waiting(self) -> list[tuple[int, Token]]:
        """The question under way, if any: transaction and token."""
        current = self._current
        if current is None or current.token is None:
            return []
        return [(current.transaction, current.token)]

    def abandon(self) -> list[Token]:
        """Give the question up, the connection being gone; returns its token, if there is one."""
        tokens = [token for _, token in self.waiting()]
        if self._current is not None:
            self.forget(self._current.transaction)
        return tokens

    def _settle(self, frames: list[Frame]) -> list[tuple[Token, bytes | MeterError]]:
        settled: list[tuple[Token, bytes | MeterError]] = []
        for _, unit, pdu in frames:
            past = self._pasts.get(unit)
            question, is_doubtful = (None, False) if past is None else past.take(pdu)
            if question is None or question.token is None:
                self.foreign_answers += 1
                continue
            token = question.token
            question.token = self._current = None
            if is_doubtful:
                msg = "the answer repeats the previous one, it may be a duplicate"
                settled.append((token, DoubtfulAnswerError(msg, data=pdu, unit=unit)))
            elif pdu[0] < _REFUSAL:
                settled.append((token, pdu))
            else:
                settled.append((token, judge(unit, pdu, unit, question.request)))
        return settled


def _fits(request: Request, pdu: bytes) -> bool:
    """Whether this can be the answer to that, a refusal among them."""
    if _is_read(request):
        size = len(pdu)
        if size == request.answer_bytes:
            return pdu[0] == request.function and pdu[1] == size - 2
        return size == 2 and pdu[0] == request.function | _REFUSAL
    return is_exception(request, pdu) or reply_mismatch(request, pdu) is None


def _are_alike(one: Request, other: Request) -> bool:
    """Whether a good answer to the one can be a good answer to the other."""
    return one.function == other.function and one.answer_bytes == other.answer_bytes


def _is_read(request: Request) -> bool:
    return request.function <= 4


def _kinds(request: Request) -> list[int]:
    """The functions a fence in front of `request` may have, the best first: each once."""
    own = [request.function] if _is_read(request) else []
    return own + [one for one in _FENCE_FUNCTIONS if one not in own]


def _fence(function: int, address: int, size: int) -> ReadRequest:
    count = 8 * size if function <= 2 else 2 * size
    return ReadRequest(function, min(address, 0x10000 - count), count)
