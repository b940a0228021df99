"""Without transactions too, no answer is ever handed out as that to another question.

The model is a bus of units that answer in order, and else do what they like: a question or its
answer may be lost, the answer may be a refusal, it may come after the client has given up, any
time later, or twice. Connections are lost in between. Whenever a unit behaves again, it is heard
again, after a bounded number of questions.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from energymeter.codec import (
    OrderedState,
    ReadRequest,
    Request,
    RtuFramer,
    Side,
    WriteRegister,
    WriteRegistersRequest,
)
from energymeter.codec.ordered_state import DoubtfulAnswerError
from energymeter.errors import ExceptionReplyError, MeterError

UNITS = (1, 2)
HOLE = 30
"""An address all units refuse to read."""

LATEST_S = 60.0
MAX_OUTSTANDING = 200
MAX_FENCES = 8

REQUESTS: st.SearchStrategy[Request] = st.sampled_from(
    [
        ReadRequest(3, 0, 2),
        ReadRequest(3, 1, 2),
        ReadRequest(3, 2, 2),
        ReadRequest(3, 0, 5),
        ReadRequest(3, HOLE, 2),
        ReadRequest(4, 1, 2),
        ReadRequest(1, 0, 16),
        ReadRequest(1, 1, 16),
        WriteRegister(0, 1),
        WriteRegistersRequest(0, (0, 0)),
        WriteRegistersRequest(0, (1, 1)),
    ]
)
UNIT = st.sampled_from((1, 1, 1, 2))


class Said(NamedTuple):
    """An answer on its way, and the question it is of."""

    unit: int
    pdu: bytes
    question: int
    request_pdu: bytes
    expires: float


def truth(request_pdu: bytes) -> bytes:
    """What a unit says; what is at some addresses is the same."""
    function, address = request_pdu[0], request_pdu[2]
    if function >= 5:
        return request_pdu[:5]
    if address == HOLE:
        return bytes((function | 0x80, 2))
    count = int.from_bytes(request_pdu[3:5], "big")
    size = 2 * count if function > 2 else -(-count // 8)
    return bytes((function, size)) + bytes((address % 2,)) * size


class Bus(RuleBasedStateMachine):
    """A client that does as a link does, and units that do what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.state: OrderedState[int] = OrderedState(RtuFramer(Side.CLIENT))
        self.now = 0.0
        self.asked = 0
        self.is_behind = False
        self.on_their_way: dict[int, deque[Said]] = {unit: deque() for unit in UNITS}
        self.expires: dict[int, float] = {}
        """By question: what comes later than this is beyond what is promised, so it does not."""

    @rule(unit=UNIT, requests=st.lists(REQUESTS, min_size=1, max_size=8), data=st.data())
    def ask(self, unit: int, requests: list[Request], data: st.DataObject) -> None:
        for request in requests:
            self.exchange(unit, request, data)

    @rule(unit=UNIT, requests=st.lists(REQUESTS, min_size=2, max_size=12))
    def a_unit_falls_behind(self, unit: int, requests: list[Request]) -> None:
        self.is_behind = True
        for request in requests:
            self.exchange(unit, request, None)
        self.is_behind = False

    @rule(unit=UNIT, count=st.integers(1, 4))
    def something_comes_while_nobody_asks(self, unit: int, count: int) -> None:
        for _ in range(min(count, len(self.on_their_way[unit]))):
            assert self.deliver(unit) is None

    @rule()
    def the_connection_is_lost(self) -> None:
        self.state.abandon()
        self.state = self.state.renewed(RtuFramer(Side.CLIENT))

    @rule()
    def a_long_time_passes(self) -> None:
        self.pass_time(LATEST_S + 1)

    @rule(unit=UNIT, request=REQUESTS, is_flushed=st.booleans())
    def a_unit_that_behaves_is_heard(self, unit: int, request: Request, is_flushed: bool) -> None:
        while is_flushed and self.on_their_way[unit]:
            assert self.deliver(unit) is None
        assert any(self.exchange(unit, request, None) for _ in range(3))

    @invariant()
    def what_is_remembered_stays_small(self) -> None:
        assert all(self.state.outstanding(unit) <= MAX_OUTSTANDING for unit in UNITS)

    def exchange(self, unit: int, request: Request, data: st.DataObject | None) -> bool:
        """Ask as a link does; returns whether there was an answer."""
        if not self.pass_fences(unit, request, data):
            return False
        outcome = self.one(unit, request, data, is_fence=False)
        if isinstance(outcome, DoubtfulAnswerError):
            assert request.function <= 4, "a write must not be carried out twice"
            if not self.pass_fences(unit, request, data):
                return False
            outcome = self.one(unit, request, data, is_fence=False)
        return outcome is not None and not isinstance(outcome, DoubtfulAnswerError)

    def pass_fences(self, unit: int, request: Request, data: st.DataObject | None) -> bool:
        for _ in range(MAX_FENCES):
            if self.state.is_clear(unit, request):
                assert self.state.fence(unit, request, self.now) is None
            fence = self.state.fence(unit, request, self.now)
            if fence is None:
                return True
            if self.one(unit, fence, data, is_fence=True) is None:
                return False
        return False

    def one(
        self, unit: int, request: Request, data: st.DataObject | None, *, is_fence: bool
    ) -> bytes | MeterError | None:
        """One question and what comes of it; without `data` the unit behaves."""
        self.asked += 1
        question = self.asked
        self.expires[question] = self.now + LATEST_S
        for late in self.on_their_way.values():
            while late and self.expires[late[0].question] <= self.now:
                late.popleft()
        transaction, sent = self.state.ask(
            unit, request, question, is_fence=is_fence, expires=self.expires[question]
        )
        assert sent[0] == unit
        said = Said(unit, truth(sent[1:-2]), question, sent[1:-2], self.now + LATEST_S)
        self.answer(said, data)
        waiting = self.on_their_way[unit]
        if data is None:
            pieces = [] if self.is_behind else [unit] * len(waiting)
        else:
            pieces = data.draw(st.lists(UNIT, max_size=4), label="comes in time")
        for one in pieces:
            if not self.on_their_way[one]:
                continue
            said = self.on_their_way[one][0]
            outcome = self.deliver(one)
            if outcome is not None:
                if not is_fence and not isinstance(outcome, DoubtfulAnswerError):
                    self.judge(said, question, request, outcome)
                return outcome
        self.state.forget(transaction)
        self.pass_time(1.0)
        return None

    def pass_time(self, seconds: float) -> None:
        """Let time pass; what would come later than anything comes is lost."""
        self.now += seconds
        for waiting in self.on_their_way.values():
            while waiting and waiting[0].expires <= self.now:
                waiting.popleft()

    def answer(self, said: Said, data: st.DataObject | None) -> None:
        """The unit decides what it does about a question."""
        times = 1
        if data is not None:
            fate = data.draw(st.sampled_from(["right", "lost", "fails", "twice"]), label="fate")
            times = {"lost": 0, "twice": 2}.get(fate, 1)
            if fate == "fails":
                said = said._replace(pdu=bytes((said.pdu[0] | 0x80, 4)))
        self.on_their_way[said.unit].extend([said] * times)

    def deliver(self, unit: int) -> bytes | MeterError | None:
        said = self.on_their_way[unit].popleft()
        settled = self.state.receive(RtuFramer(Side.SERVER).encode(0, unit, said.pdu))
        assert len(settled) <= 1
        if not settled:
            return None
        token, outcome = settled[0]
        assert token == self.asked
        return outcome

    def judge(
        self, said: Said, question: int, request: Request, outcome: bytes | MeterError
    ) -> None:
        if isinstance(outcome, ExceptionReplyError):
            assert said.pdu == bytes((request.function | 0x80, outcome.code))
        else:
            assert outcome == said.pdu
        if request.function > 4:
            assert said.question == question
        else:
            # It is the answer to this question, or to the same asked before, or no different.
            assert said.request_pdu == request.pdu or said.pdu == truth(request.pdu)


Bus.TestCase.settings = settings(max_examples=400, stateful_step_count=20, deadline=None)
test_no_answer_is_handed_out_as_that_to_another_question = Bus.TestCase
