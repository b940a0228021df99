"""Only the answer to a question settles it; late and foreign ones never do."""

from __future__ import annotations

import pytest

from energymeter.codec import ClientState, MbapFramer, ReadRequest, WriteRegister
from energymeter.errors import ExceptionReplyError, MeterError, MismatchError

READ = ReadRequest(3, 0, 1)
ANSWER = bytes.fromhex("03 02 12 34")


def make_state() -> ClientState[str]:
    return ClientState(MbapFramer())


def frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    return MbapFramer().encode(transaction, unit, pdu)


def test_answer_settles_its_question_once() -> None:
    state = make_state()
    transaction, _ = state.ask(1, READ, "asked")

    assert state.receive(frame(transaction, 1, ANSWER)) == [("asked", ANSWER)]
    assert state.in_flight == 0
    assert state.receive(frame(transaction, 1, ANSWER)) == []
    assert state.foreign_answers == 1


def test_answers_may_come_in_any_order() -> None:
    state = make_state()
    first, _ = state.ask(1, READ, "first")
    second, _ = state.ask(2, READ, "second")

    settled = state.receive(frame(second, 2, ANSWER) + frame(first, 1, b"\x03\x02\0\0"))

    assert settled == [("second", ANSWER), ("first", b"\x03\x02\0\0")]


def test_answer_in_pieces_settles_with_its_last_byte() -> None:
    state = make_state()
    transaction, _ = state.ask(1, READ, "asked")
    data = frame(transaction, 1, ANSWER)

    assert state.receive(data[:-1]) == []
    assert state.in_flight == 1
    assert state.receive(data[-1:]) == [("asked", ANSWER)]


def test_late_answer_is_dropped_and_counted() -> None:
    state = make_state()
    late, _ = state.ask(1, READ, "late")
    state.forget(late)
    now, _ = state.ask(1, READ, "now")

    assert state.receive(frame(late, 1, b"\x03\x02\0\0")) == []
    assert state.foreign_answers == 1
    assert state.receive(frame(now, 1, ANSWER)) == [("now", ANSWER)]


def test_answer_nobody_asked_for_is_dropped_and_counted() -> None:
    state = make_state()
    state.ask(1, READ, "asked")

    assert state.receive(frame(0x7777, 1, ANSWER)) == []
    assert (state.foreign_answers, state.in_flight) == (1, 1)


def test_forgetting_twice_does_no_harm() -> None:
    state = make_state()
    transaction, _ = state.ask(1, READ, "asked")
    state.forget(transaction)
    state.forget(transaction)

    assert state.in_flight == 0


@pytest.mark.parametrize(
    ("unit", "pdu"),
    [
        pytest.param(2, "03 02 12 34", id="another unit"),
        pytest.param(2, "83 02", id="another unit refuses"),
        pytest.param(1, "04 02 12 34", id="another function"),
        pytest.param(1, "84 02", id="another function refused"),
        pytest.param(1, "83", id="refusal without a code"),
        pytest.param(1, "03 04 12 34 56 78", id="more registers"),
        pytest.param(1, "03 02 12", id="cut short"),
        pytest.param(1, "03 01 12 34", id="wrong byte count"),
        pytest.param(1, "03", id="function alone"),
    ],
)
def test_answer_that_does_not_fit_its_question_is_a_mismatch(unit: int, pdu: str) -> None:
    state = make_state()
    transaction, _ = state.ask(1, READ, "asked")

    [(token, error)] = state.receive(frame(transaction, unit, bytes.fromhex(pdu)))

    assert token == "asked"
    assert isinstance(error, MismatchError)
    assert error.data == bytes.fromhex(pdu)
    assert error.unit == 1
    assert state.in_flight == 0


@pytest.mark.parametrize("echo", ["06 00 01 00 04", "06 00 02 00 03"])
def test_write_that_is_echoed_differently_is_a_mismatch(echo: str) -> None:
    state = make_state()
    transaction, _ = state.ask(1, WriteRegister(1, 3), "asked")

    [(_, error)] = state.receive(frame(transaction, 1, bytes.fromhex(echo)))

    assert isinstance(error, MismatchError)


@pytest.mark.parametrize("code", [1, 2, 4, 6, 11, 99])
def test_refusal_carries_function_code_and_unit(code: int) -> None:
    state = make_state()
    transaction, _ = state.ask(5, READ, "asked")

    [(_, error)] = state.receive(frame(transaction, 5, bytes((0x83, code))))

    assert isinstance(error, ExceptionReplyError)
    assert (error.function, error.code, error.unit) == (3, code, 5)


def test_transactions_count_up_and_wrap() -> None:
    state = make_state()
    seen = []
    for _ in range(0x10000 + 2):
        transaction, _ = state.ask(1, READ, "asked")
        state.forget(transaction)
        seen.append(transaction)

    assert seen[:3] == [1, 2, 3]
    assert seen[0xFFFE:] == [0xFFFF, 0, 1, 2]


def test_transactions_still_waiting_are_skipped_after_the_wrap() -> None:
    state = make_state()
    for token in ("one", "two", "three"):
        state.ask(1, READ, token)
    state.forget(2)
    for _ in range(4, 0x10000):
        state.forget(state.ask(1, READ, "between")[0])

    after = [state.ask(1, READ, "after")[0] for _ in range(3)]

    assert after == [0, 2, 4]
    assert state.receive(frame(1, 1, ANSWER)) == [("one", ANSWER)]


def test_question_on_the_wire_carries_its_transaction() -> None:
    state = make_state()
    for _ in range(300):
        transaction, data = state.ask(7, READ, "asked")
        assert data == frame(transaction, 7, READ.pdu)
        state.forget(transaction)


def test_waiting_questions_are_listed_oldest_first() -> None:
    state = make_state()
    state.ask(1, READ, "old")
    gone, _ = state.ask(1, READ, "gone")
    state.ask(1, READ, "young")
    state.forget(gone)

    assert state.waiting() == [(1, "old"), (3, "young")]


def test_lost_connection_gives_every_token_back_and_late_answers_stay_foreign() -> None:
    state = make_state()
    first, _ = state.ask(1, READ, "first")
    state.ask(1, READ, "second")

    assert state.abandon() == ["first", "second"]
    assert state.in_flight == 0
    assert state.receive(frame(first, 1, ANSWER)) == []
    assert state.foreign_answers == 1


def test_answers_before_noise_are_settled_and_the_stream_is_over() -> None:
    state = make_state()
    first, _ = state.ask(1, READ, "first")
    second, _ = state.ask(1, READ, "second")

    settled: list[tuple[str, bytes | MeterError]] = state.receive(
        frame(first, 1, ANSWER) + b"HTTP/1.1 400 Bad Request\r\n" + frame(second, 1, ANSWER)
    )

    assert settled == [("first", ANSWER)]
    assert state.framer.error is not None
    assert state.waiting() == [(second, "second")]
