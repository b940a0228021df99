"""Without transactions an answer belongs to a question by unit, shape and order, or to none."""

from __future__ import annotations

import pytest

from energymeter.codec import (
    MbapFramer,
    OrderedState,
    ReadIdentificationRequest,
    ReadRequest,
    ReadWriteRequest,
    ReportServerIdRequest,
    Request,
    RtuFramer,
    Side,
    WriteCoil,
    WriteRegister,
    WriteRegistersRequest,
)
from energymeter.codec.ordered_state import DoubtfulAnswerError
from energymeter.errors import ExceptionReplyError

FOUR = ReadRequest(3, 0, 4)
FOUR_ELSEWHERE = ReadRequest(3, 50, 4)
SIX = ReadRequest(3, 0, 6)
INPUTS = ReadRequest(4, 0, 4)
COILS = ReadRequest(1, 0, 16)
WRITE = WriteRegister(7, 1)
REFUSED = bytes.fromhex("83 02")


def make_state() -> OrderedState[str]:
    return OrderedState(RtuFramer(Side.CLIENT))


def said(pdu: bytes, unit: int = 1) -> bytes:
    return RtuFramer(Side.SERVER).encode(0, unit, pdu)


def answer(request: Request, fill: int = 0x11) -> bytes:
    """A good answer to a read, all bytes the same."""
    assert request.answer_bytes is not None
    return bytes((request.function, request.answer_bytes - 2)) + bytes((fill,)) * (
        request.answer_bytes - 2
    )


def give_up(state: OrderedState[str], *requests: Request, unit: int = 1) -> None:
    """Ask, and wait in vain."""
    for request in requests:
        transaction, _ = state.ask(unit, request, "given up", is_fence=False)
        state.forget(transaction)


def pass_fence(state: OrderedState[str], request: Request, unit: int = 1) -> ReadRequest:
    """Ask the fence there has to be, and have it answered."""
    fence = state.fence(unit, request)
    assert fence is not None
    state.ask(unit, fence, "fence", is_fence=True)
    assert state.receive(said(answer(fence, 0x77), unit)) == [("fence", answer(fence, 0x77))]
    return fence


# The ordinary course


def test_the_answer_settles_the_question_once() -> None:
    state = make_state()
    state.ask(1, FOUR, "asked")

    assert state.receive(said(answer(FOUR))) == [("asked", answer(FOUR))]
    assert state.receive(said(answer(FOUR))) == []
    assert (state.in_flight, state.foreign_answers) == (0, 1)


def test_a_question_on_its_way_is_waited_for_until_it_is_forgotten() -> None:
    state = make_state()
    transaction, _ = state.ask(1, FOUR, "asked")

    assert state.waiting() == [(transaction, "asked")]
    state.forget(transaction)
    state.forget(transaction)
    assert (state.waiting(), state.in_flight) == ([], 0)


def test_a_question_in_good_times_needs_no_fence() -> None:
    state = make_state()
    state.ask(1, FOUR, "asked")
    state.receive(said(answer(FOUR)))

    assert state.is_clear(1, FOUR_ELSEWHERE)
    assert state.fence(1, FOUR_ELSEWHERE) is None


def test_a_refusal_is_handed_out_as_what_it_is() -> None:
    state = make_state()
    state.ask(1, FOUR, "asked")
    ((token, error),) = state.receive(said(REFUSED))

    assert token == "asked"
    assert isinstance(error, ExceptionReplyError)
    assert (error.code, error.unit) == (2, 1)


def test_what_another_unit_says_is_dropped_and_counted() -> None:
    state = make_state()
    state.ask(1, FOUR, "asked")

    assert state.receive(said(answer(FOUR), unit=2)) == []
    assert state.foreign_answers == 1
    assert state.receive(said(answer(FOUR))) == [("asked", answer(FOUR))]


def test_what_fits_no_question_does_not_settle_one_but_is_remembered_as_the_reason() -> None:
    state = make_state()
    transaction, _ = state.ask(1, FOUR, "asked")

    assert state.receive(said(answer(SIX))) == []
    assert "expected were 10" in state.misfit(transaction)
    assert state.receive(said(answer(FOUR))) == [("asked", answer(FOUR))]
    assert state.misfit(transaction) == ""


def test_giving_up_the_connection_hands_the_token_back() -> None:
    state = make_state()
    state.ask(1, FOUR, "asked")

    assert state.abandon() == ["asked"]
    assert state.abandon() == []


# Late answers


def test_a_late_answer_of_another_shape_is_dropped_and_the_right_one_taken() -> None:
    state = make_state()
    give_up(state, FOUR)
    assert state.fence(1, SIX) is None
    state.ask(1, SIX, "now")

    assert state.receive(said(answer(FOUR))) == []
    assert state.receive(said(answer(SIX))) == [("now", answer(SIX))]
    assert state.outstanding(1) == 0


def test_a_second_question_of_the_same_shape_wants_a_fence_of_another() -> None:
    state = make_state()
    give_up(state, FOUR)
    fence = state.fence(1, FOUR_ELSEWHERE)

    assert fence is not None
    assert fence.answer_bytes != FOUR.answer_bytes
    assert not state.is_clear(1, FOUR_ELSEWHERE)


def test_behind_an_answered_fence_the_same_shape_can_be_asked_again() -> None:
    state = make_state()
    give_up(state, FOUR)
    pass_fence(state, FOUR_ELSEWHERE)

    assert state.fence(1, FOUR_ELSEWHERE) is None
    state.ask(1, FOUR_ELSEWHERE, "now")
    assert state.receive(said(answer(FOUR))) == [("now", answer(FOUR))]


def test_a_late_answer_in_front_of_the_fence_is_not_taken_for_the_fence() -> None:
    state = make_state()
    give_up(state, FOUR)
    fence = state.fence(1, FOUR)
    assert fence is not None
    state.ask(1, fence, "fence", is_fence=True)

    assert state.receive(said(answer(FOUR))) == []
    assert state.receive(said(answer(fence))) == [("fence", answer(fence))]


def test_a_good_answer_says_that_all_before_it_is_over() -> None:
    state = make_state()
    give_up(state, FOUR, INPUTS, COILS)
    state.ask(1, SIX, "now")
    state.receive(said(answer(SIX)))

    assert state.outstanding(1) == 0
    assert state.fence(1, FOUR) is None


def test_a_late_refusal_is_not_taken_for_that_of_the_next_question() -> None:
    state = make_state()
    give_up(state, FOUR)
    state.ask(1, SIX, "now")

    assert state.receive(said(REFUSED)) == []
    assert state.receive(said(answer(SIX))) == [("now", answer(SIX))]


def test_units_do_not_disturb_each_other() -> None:
    state = make_state()
    give_up(state, FOUR, unit=1)

    assert state.fence(2, FOUR) is None
    state.ask(2, FOUR, "two")
    assert state.receive(said(answer(FOUR), unit=1)) == []
    assert state.receive(said(answer(FOUR, 2), unit=2)) == [("two", answer(FOUR, 2))]
    assert state.fence(1, FOUR) is None


def test_a_question_that_was_never_settled_is_given_up_by_the_next_one() -> None:
    state = make_state()
    state.ask(1, FOUR, "forgotten")
    state.ask(1, SIX, "now")

    assert state.receive(said(answer(FOUR)) + said(answer(SIX))) == [("now", answer(SIX))]


def test_a_new_connection_still_knows_what_may_come_late() -> None:
    state = make_state()
    state.ask(1, FOUR, "lost")
    state.abandon()
    state = state.renewed(RtuFramer(Side.CLIENT))

    assert state.fence(1, FOUR) is not None
    pass_fence(state, FOUR)
    assert state.fence(1, FOUR) is None


def test_numbers_go_on_over_a_new_connection() -> None:
    state = make_state()
    first, _ = state.ask(1, FOUR, "lost")
    second, _ = state.renewed(RtuFramer(Side.CLIENT)).ask(1, FOUR, "next")

    assert second == first + 1


def test_after_its_time_a_question_is_not_reckoned_with_any_more() -> None:
    state = make_state()
    transaction, _ = state.ask(1, FOUR, "asked", expires=60.0)
    state.forget(transaction)

    assert state.fence(1, FOUR, now=59.9) is not None
    assert state.fence(1, FOUR, now=60.0) is None
    assert state.outstanding(1) == 0


# Fences that do not work at once


def test_a_refused_fence_is_followed_by_one_whose_refusal_cannot_be_mistaken() -> None:
    state = make_state()
    give_up(state, FOUR)
    first = state.fence(1, FOUR)
    assert first is not None
    state.ask(1, first, "fence", is_fence=True)

    ((token, error),) = state.receive(said(REFUSED))
    assert token == "fence"
    assert isinstance(error, ExceptionReplyError)
    second = state.fence(1, FOUR)
    assert second is not None
    assert second.function != FOUR.function
    state.ask(1, second, "fence", is_fence=True)
    ((token, error),) = state.receive(said(bytes((second.function | 0x80, 1))))
    assert token == "fence"
    assert isinstance(error, ExceptionReplyError)
    assert state.fence(1, FOUR) is None
    assert state.outstanding(1) == 0


def test_a_unit_that_refuses_everything_is_heard_after_a_lost_answer() -> None:
    state = make_state()
    give_up(state, FOUR)
    while (fence := state.fence(1, FOUR)) is not None:
        state.ask(1, fence, "fence", is_fence=True)
        state.receive(said(bytes((fence.function | 0x80, 2))))
    state.ask(1, FOUR, "now")

    ((token, error),) = state.receive(said(REFUSED))
    assert token == "now"
    assert isinstance(error, ExceptionReplyError)


def test_a_fence_without_an_answer_is_followed_by_another_kind() -> None:
    state = make_state()
    give_up(state, FOUR)
    kinds: list[int] = []
    for _ in range(4):
        fence = state.fence(1, FOUR)
        assert fence is not None
        kinds.append(fence.function)
        transaction, _ = state.ask(1, fence, "fence", is_fence=True)
        state.forget(transaction)

    assert kinds == [3, 4, 1, 2]


def test_of_a_dead_unit_no_more_is_remembered_than_it_was_asked_in_a_minute() -> None:
    state = make_state()
    for now in range(1000):
        request = state.fence(1, FOUR, now) or FOUR
        transaction, _ = state.ask(
            1, request, "in vain", is_fence=request is not FOUR, expires=now + 60.0
        )
        state.forget(transaction)
        assert state.outstanding(1) <= 60

    pass_fence(state, FOUR)
    assert state.fence(1, FOUR) is None
    assert state.outstanding(1) == 0


def test_answers_that_come_after_many_were_given_up_are_all_known() -> None:
    state = make_state()
    give_up(state, FOUR)
    late = []
    for _ in range(12):
        fence = state.fence(1, FOUR)
        assert fence is not None
        transaction, _ = state.ask(1, fence, "fence", is_fence=True)
        state.forget(transaction)
        late.append(bytes((fence.function | 0x80, 2)) if fence.function == 3 else answer(fence))
    assert state.receive(said(answer(FOUR))) == []
    assert state.fence(1, FOUR) is None
    state.ask(1, FOUR, "now")

    assert [state.receive(said(one)) for one in late] == [[]] * 12
    assert state.receive(said(answer(FOUR, 0x55))) == [("now", answer(FOUR, 0x55))]


def test_a_unit_that_answers_no_fence_is_asked_again_after_its_time() -> None:
    state = make_state()
    transaction, _ = state.ask(1, FOUR, "lost", expires=60.0)
    state.forget(transaction)
    for now in range(1, 60):
        fence = state.fence(1, FOUR, now=now)
        assert fence is not None
        transaction, _ = state.ask(1, fence, "fence", is_fence=True, expires=now + 60.0)
        state.forget(transaction)

    assert state.fence(1, FOUR, now=60.0) is None
    state.ask(1, FOUR, "now")
    assert state.receive(said(answer(FOUR))) == [("now", answer(FOUR))]


def test_a_fence_stays_inside_the_addresses_there_are() -> None:
    state = make_state()
    last = ReadRequest(3, 65532, 4)
    give_up(state, last)
    fence = state.fence(1, last)

    assert fence is not None
    assert fence.address + fence.count <= 0x10000


@pytest.mark.parametrize("request_", [FOUR, INPUTS, COILS, ReadRequest(2, 0, 16)])
def test_a_fence_asks_first_for_the_same_table(request_: ReadRequest) -> None:
    state = make_state()
    give_up(state, request_)
    fence = state.fence(1, request_)

    assert fence is not None
    assert fence.function == request_.function
    assert fence.answer_bytes != request_.answer_bytes


# What is not a read


@pytest.mark.parametrize(
    "request_",
    [
        WRITE,
        WriteCoil(3, value=True),
        WriteRegistersRequest(7, (1, 2)),
        ReadWriteRequest(read_address=0, read_count=2, write_address=9, words=(1,)),
        ReadIdentificationRequest(),
        ReportServerIdRequest(),
    ],
)
def test_what_was_given_up_is_not_asked_again_without_a_fence(request_: Request) -> None:
    state = make_state()
    give_up(state, request_)
    pass_fence(state, request_)

    assert state.fence(1, request_) is None


def test_a_write_whose_answer_would_be_the_last_one_again_wants_a_fence() -> None:
    state = make_state()
    written = WriteRegistersRequest(7, (1, 2))
    state.ask(1, written, "first")
    state.receive(said(written.pdu[:5]))

    pass_fence(state, WriteRegistersRequest(7, (3, 4)))
    assert state.fence(1, WriteRegistersRequest(7, (3, 4))) is None


def test_a_write_elsewhere_needs_none() -> None:
    state = make_state()
    state.ask(1, WRITE, "first")
    state.receive(said(WRITE.pdu))

    assert state.fence(1, WriteRegister(8, 1)) is None


def test_a_page_of_the_identification_is_not_taken_for_the_next_one() -> None:
    state = make_state()
    page = bytes.fromhex("2b 0e 01 01 ff 01 01 00 01 41")
    state.ask(1, ReadIdentificationRequest(1), "first")
    state.receive(said(page))

    pass_fence(state, ReadIdentificationRequest(1, 1))


# What a unit says twice


def test_the_last_answer_once_more_is_in_doubt_when_something_else_was_asked() -> None:
    state = make_state()
    state.ask(1, FOUR, "first")
    state.receive(said(answer(FOUR)))
    state.ask(1, FOUR_ELSEWHERE, "second")

    ((token, error),) = state.receive(said(answer(FOUR)))
    assert token == "second"
    assert isinstance(error, DoubtfulAnswerError)


def test_after_a_doubt_the_answer_that_comes_is_late_and_behind_a_fence_it_is_right() -> None:
    state = make_state()
    state.ask(1, FOUR, "first")
    state.receive(said(answer(FOUR)))
    state.ask(1, FOUR_ELSEWHERE, "second")
    state.receive(said(answer(FOUR)))
    fence = state.fence(1, FOUR_ELSEWHERE)
    assert fence is not None
    state.ask(1, fence, "fence", is_fence=True)

    assert state.receive(said(answer(FOUR_ELSEWHERE, 5))) == []
    assert state.receive(said(answer(fence))) == [("fence", answer(fence))]
    assert state.fence(1, FOUR_ELSEWHERE) is None
    state.ask(1, FOUR_ELSEWHERE, "second")
    assert state.receive(said(answer(FOUR))) == [("second", answer(FOUR))]


def test_the_same_answer_to_the_same_question_is_not_in_doubt() -> None:
    state = make_state()
    for _ in range(3):
        state.ask(1, FOUR, "again")
        assert state.receive(said(answer(FOUR))) == [("again", answer(FOUR))]


def lagging_state() -> OrderedState[str]:
    """A unit whose last answer may have been the one before, so that one more may come."""
    state = make_state()
    for _ in range(2):
        state.ask(1, FOUR, "again")
        assert state.receive(said(answer(FOUR))) == [("again", answer(FOUR))]
    return state


def test_the_same_question_needs_no_fence_however_often_it_gets_the_same_answer() -> None:
    state = lagging_state()
    for _ in range(5):
        assert state.is_clear(1, FOUR)
        assert state.fence(1, FOUR) is None
        state.ask(1, FOUR, "again")
        assert state.receive(said(answer(FOUR))) == [("again", answer(FOUR))]
    assert state.outstanding(1) == 1


@pytest.mark.parametrize("fill", [0x11, 0x22])
def test_another_question_does_once_the_same_answer_came_twice(fill: int) -> None:
    state = lagging_state()
    state.ask(1, FOUR, "again")
    assert state.receive(said(answer(FOUR, fill))) == [("again", answer(FOUR, fill))]

    assert not state.is_clear(1, FOUR_ELSEWHERE)
    fence = state.fence(1, FOUR_ELSEWHERE)
    assert fence is not None
    state.ask(1, fence, "fence", is_fence=True)
    assert state.receive(said(answer(FOUR, 0x33))) == []
    assert state.receive(said(answer(fence, 0x44))) == [("fence", answer(fence, 0x44))]
    assert state.fence(1, FOUR_ELSEWHERE) is None
    assert state.outstanding(1) == 0


def test_an_answer_of_another_shape_shows_that_nothing_more_will_come() -> None:
    state = lagging_state()
    assert state.fence(1, SIX) is None
    state.ask(1, SIX, "six")

    assert state.receive(said(answer(FOUR, 0x33))) == []
    assert state.receive(said(answer(SIX))) == [("six", answer(SIX))]
    assert state.fence(1, FOUR_ELSEWHERE) is None


def test_the_last_answer_once_more_does_not_show_that_older_questions_are_over() -> None:
    state = make_state()
    state.ask(1, COILS, "coils")
    state.receive(said(answer(COILS)))
    give_up(state, FOUR)
    state.ask(1, COILS, "coils")
    assert state.receive(said(answer(COILS))) == [("coils", answer(COILS))]

    assert state.fence(1, FOUR_ELSEWHERE) is not None


def test_a_refusal_once_more_is_in_doubt_too() -> None:
    state = make_state()
    state.ask(1, FOUR, "first")
    state.receive(said(REFUSED))
    state.ask(1, SIX, "second")

    ((_, error),) = state.receive(said(REFUSED))
    assert isinstance(error, DoubtfulAnswerError)


def test_a_unit_that_says_what_it_was_not_asked_is_asked_with_fences_for_a_while() -> None:
    state = make_state()
    state.ask(1, FOUR, "first")
    state.receive(said(answer(FOUR)) + said(answer(FOUR, 0x12)))

    for _ in range(200):
        if (fence := state.fence(1, FOUR_ELSEWHERE)) is None:
            break
        state.ask(1, fence, "fence", is_fence=True)
        state.receive(said(answer(fence)))
        assert state.fence(1, FOUR_ELSEWHERE) is None
        state.ask(1, FOUR_ELSEWHERE, "asked")
        assert state.receive(said(answer(FOUR))) == [("asked", answer(FOUR))]
    else:
        pytest.fail("it is never believed again")


def test_it_is_asked_with_fences_also_when_that_came_in_the_middle_of_a_question() -> None:
    state = make_state()
    state.ask(1, SIX, "first")
    state.receive(said(answer(FOUR)) + said(answer(SIX)))

    assert state.fence(1, SIX) is not None


def test_a_late_answer_once_more_is_in_doubt_too() -> None:
    state = make_state()
    state.ask(1, FOUR, "first")
    state.receive(said(answer(FOUR)))
    give_up(state, FOUR_ELSEWHERE, SIX)
    assert state.receive(said(answer(FOUR, 0x22))) == []
    assert state.fence(1, FOUR) is None
    state.ask(1, FOUR, "now")

    ((_, error),) = state.receive(said(answer(FOUR, 0x22)))
    assert isinstance(error, DoubtfulAnswerError)


def test_the_last_answer_once_more_is_not_taken_for_the_fence() -> None:
    state = make_state()
    give_up(state, FOUR)
    usual = state.fence(1, FOUR)
    assert usual is not None

    state = make_state()
    state.ask(1, usual, "first")
    state.receive(said(answer(usual)))
    give_up(state, FOUR)
    fence = state.fence(1, FOUR)
    assert fence is not None
    state.ask(1, fence, "fence", is_fence=True)
    assert state.receive(said(answer(usual))) == []


# Gateways whose transactions say nothing


def test_transactions_may_be_ignored() -> None:
    framer = MbapFramer()
    state: OrderedState[str] = OrderedState(framer)
    state.ask(1, FOUR, "first")
    assert state.receive(framer.encode(0, 1, answer(FOUR))) == [("first", answer(FOUR))]

    transaction, _ = state.ask(1, FOUR, "given up")
    state.forget(transaction)
    assert state.fence(1, FOUR) is not None


def test_what_is_left_of_a_frame_is_not_lost_when_the_next_question_is_asked() -> None:
    framer = MbapFramer()
    state: OrderedState[str] = OrderedState(framer)
    transaction, _ = state.ask(1, FOUR, "given up")
    late = framer.encode(0, 1, answer(FOUR))
    state.receive(late[:9])
    state.forget(transaction)
    state.ask(1, SIX, "now")

    assert state.receive(late[9:]) == []
    assert framer.error is None
    assert state.receive(framer.encode(0, 1, answer(SIX))) == [("now", answer(SIX))]
