"""What was heard on a link, as frames and noise, and as questions and answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recording.traffic import answer, ask, cut, exchange, frame

from energymeter.codec import Frame, Framing, Side
from energymeter.recording.cutter import Cutter, Piece
from energymeter.recording.exchanges import Exchange, exchanges_of
from energymeter.recording.format import Event, Lost, Opened, Received, Sent, TimedOut
from energymeter.server.delivery import Chunk

in_each_framing = pytest.mark.parametrize("framing", Framing)
on_serial_lines = pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])

WORDS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=20)


def of(*events: Event, framing: Framing = Framing.MBAP) -> list[Exchange]:
    return exchanges_of(framing, [Opened(0.0), *events])


def asked(exchanges: Sequence[Exchange]) -> list[tuple[int, bytes, bytes | None]]:
    return [(found.question.unit, found.question.pdu, found.answer) for found in exchanges]


@in_each_framing
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_byte_is_lost_however_the_stream_is_cut(framing: Framing, data: st.DataObject) -> None:
    replies = data.draw(st.lists(WORDS, max_size=4))
    noise = data.draw(st.lists(st.binary(max_size=6), min_size=5, max_size=5))
    stream = b"".join(
        spoilt + frame(answer(*words), transaction=number, framing=framing)
        for number, (words, spoilt) in enumerate(zip(replies, noise, strict=False))
    )
    places = data.draw(st.lists(st.integers(0, 300), max_size=10))
    cutter = Cutter(framing)

    pieces: list[Piece] = []
    for chunk in cut(stream, places):
        pieces += cutter.received(1.0, chunk)
    pieces += cutter.lost()

    assert b"".join(piece.data for piece in pieces) == stream
    assert {piece.side for piece in pieces} <= {Side.CLIENT}


@in_each_framing
def test_frames_come_with_their_bytes_and_noise_beside_them(framing: Framing) -> None:
    question, reply = frame(ask(0), framing=framing), frame(answer(7), framing=framing)
    cutter = Cutter(framing)

    pieces = cutter.sent(1.0, question)
    pieces += cutter.received(2.0, reply[:4])
    pieces += cutter.received(2.5, reply[4:])

    transaction = 1 if framing.has_transactions else 0
    assert pieces == [
        Piece(1.0, Side.SERVER, question, Frame(transaction, 1, ask(0))),
        Piece(2.5, Side.CLIENT, reply, Frame(transaction, 1, answer(7))),
    ]


@on_serial_lines
def test_what_has_no_right_checksum_is_noise_at_the_next_question(framing: Framing) -> None:
    question, reply = frame(ask(0), framing=framing), bytearray(frame(answer(7), framing=framing))
    reply[-3] ^= 1
    cutter = Cutter(framing)
    cutter.sent(1.0, question)

    pieces = cutter.received(2.0, bytes(reply))
    pieces += cutter.sent(3.0, question)

    noise = [piece for piece in pieces if piece.frame is None]
    assert b"".join(piece.data for piece in noise) == reply
    assert {piece.moment_s for piece in noise} == {2.0}
    assert pieces[-1].frame is not None


def test_small_digits_are_as_good_as_capitals() -> None:
    reply = frame(answer(0xABCD), framing=Framing.ASCII).lower()
    (piece,) = Cutter(Framing.ASCII).received(1.0, reply)
    assert piece.data == reply
    assert piece.frame == Frame(0, 1, answer(0xABCD))


def test_behind_what_is_no_modbus_frames_are_found_again() -> None:
    cutter = Cutter(Framing.MBAP)
    (noise,) = cutter.received(1.0, b"HTTP/1.1 200 OK\r\n")
    (piece,) = cutter.received(2.0, frame(answer(1)))
    assert (noise.frame, noise.data) == (None, b"HTTP/1.1 200 OK\r\n")
    assert piece.frame is not None


@in_each_framing
def test_a_question_has_its_answer_its_time_and_the_bytes_as_they_came(framing: Framing) -> None:
    question, reply = frame(ask(0, 2), framing=framing), frame(answer(1, 2), framing=framing)

    (found,) = of(
        Sent(1.0, question),
        Received(1.5, reply[:3]),
        Received(1.75, reply[3:]),
        framing=framing,
    )

    assert (found.moment_s, found.question.unit, found.question.pdu) == (1.0, 1, ask(0, 2))
    assert (found.answer, found.latency_s) == (answer(1, 2), 0.75)
    assert found.chunks == (Chunk(0.5, reply[:3]), Chunk(0.75, reply[3:]))
    assert not found.is_refused


def test_a_refusal_is_an_answer() -> None:
    (found,) = of(*exchange(1.0, ask(9), b"\x84\x02"))
    assert found.is_refused
    assert found.answer == b"\x84\x02"


def test_a_question_that_timed_out_has_no_answer_and_a_late_one_belongs_to_the_next() -> None:
    late = frame(answer(1), transaction=1)
    right = frame(answer(2), transaction=2)

    first, second = of(
        Sent(1.0, frame(ask(0), transaction=1)),
        TimedOut(2.0, 1),
        Sent(3.0, frame(ask(0), transaction=2)),
        Received(3.25, late),
        Received(3.5, right),
    )

    assert (first.answer, first.chunks) == (None, ())
    assert (second.answer, second.latency_s) == (answer(2), 0.5)
    assert second.chunks == (Chunk(0.25, late), Chunk(0.5, right))


def test_answers_to_questions_under_way_at_once_are_told_apart() -> None:
    replies = [frame(answer(number), transaction=number) for number in (1, 2, 3)]

    found = of(
        *(Sent(1.0, frame(ask(n), transaction=n)) for n in (1, 2, 3)),
        Received(2.0, replies[2] + replies[0][:5]),
        Received(2.5, replies[0][5:] + replies[1]),
    )

    assert asked(found) == [(1, ask(n), answer(n)) for n in (1, 2, 3)]
    assert [each.chunks for each in found] == [
        (Chunk(1.5, replies[0]),),
        (Chunk(1.5, replies[1]),),
        (Chunk(1.0, replies[2]),),
    ]


def test_an_answer_that_begins_before_the_second_question_comes_once() -> None:
    replies = [frame(answer(number), transaction=number) for number in (1, 2)]

    found = of(
        Sent(1.0, frame(ask(1), transaction=1)),
        Received(1.5, replies[0][:6]),
        Sent(1.6, frame(ask(2), transaction=2)),
        Received(2.0, replies[0][6:] + replies[1]),
    )

    assert [b"".join(chunk.data or b"" for chunk in each.chunks) for each in found] == replies


def test_a_connection_that_is_lost_under_a_question_is_part_of_it() -> None:
    begun = frame(answer(1))[:5]
    (found,) = of(Sent(1.0, frame(ask(0))), Received(1.5, begun), Lost(2.0, "it hung up"))
    assert found.answer is None
    assert found.chunks == (Chunk(0.5, begun), Chunk(1.0, None))


def test_a_connection_that_is_lost_after_a_time_out_is_not() -> None:
    (found,) = of(Sent(1.0, frame(ask(0))), TimedOut(2.0, 1), Lost(2.0, "silent, renewed"))
    assert found.chunks == ()


@on_serial_lines
def test_what_is_for_everybody_waits_for_no_answer(framing: Framing) -> None:
    write = bytes.fromhex("0600010005")
    everybody, one = of(
        Sent(1.0, frame(write, unit=0, framing=framing)),
        Sent(2.0, frame(ask(0), framing=framing)),
        Received(2.5, frame(answer(3), framing=framing)),
        framing=framing,
    )
    assert (everybody.question.unit, everybody.answer, everybody.chunks) == (0, None, ())
    assert one.answer == answer(3)
    assert len(one.chunks) == 1


def test_a_last_question_without_anything_is_left_out() -> None:
    assert asked(
        of(*exchange(1.0, ask(0), answer(1)), Sent(2.0, frame(ask(1), transaction=2)))
    ) == [(1, ask(0), answer(1))]


def test_a_frame_whose_length_only_silence_tells_has_the_time_of_its_last_byte() -> None:
    question = frame(b"\x64\1", framing=Framing.RTU)
    reply = frame(b"\x64\1\2\3\4\5", framing=Framing.RTU)
    found = of(
        Sent(1.0, question),
        Received(1.25, reply),
        Sent(5.0, frame(ask(0), framing=Framing.RTU)),
        Received(5.5, frame(answer(0), framing=Framing.RTU)),
        framing=Framing.RTU,
    )
    assert (found[0].answer, found[0].latency_s) == (b"\x64\1\2\3\4\5", 0.25)
