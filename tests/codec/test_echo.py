"""Behind an adapter that echoes: our own bytes are taken out, everything else goes through."""

from __future__ import annotations

import pytest

from energymeter.codec import EchoRemover, Frame, Framing, Side, make_framer

FRAMINGS = [Framing.RTU, Framing.ASCII]
READ = bytes.fromhex("03 006B 0003")
ANSWER = bytes.fromhex("03 06 022B 0000 0064")
WRITE = bytes.fromhex("06 0001 0003")


def make(framing: Framing) -> EchoRemover:
    return EchoRemover(make_framer(framing, Side.CLIENT))


def framed(framing: Framing, pdu: bytes) -> bytes:
    return make_framer(framing, Side.CLIENT).encode(0, 9, pdu)


def account(framer: EchoRemover) -> tuple[int, int, int]:
    return framer.echo_bytes, framer.noise_bytes, framer.pending_bytes


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("asked", "answer"), [(READ, ANSWER), (WRITE, WRITE)])
def test_own_bytes_are_dropped_and_the_answer_comes_out(
    framing: Framing, asked: bytes, answer: bytes
) -> None:
    framer = make(framing)
    sent = framer.encode(0, 9, asked)
    assert sent == framed(framing, asked)

    assert framer.feed(sent) == []
    assert account(framer) == (len(sent), 0, 0)
    assert framer.feed(framed(framing, answer)) == [Frame(0, 9, answer)]
    assert account(framer) == (len(sent), 0, 0)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("piece", range(1, 30))
def test_echo_cut_anywhere_is_dropped(framing: Framing, piece: int) -> None:
    framer = make(framing)
    sent = framer.encode(0, 9, WRITE)
    line = sent + framed(framing, WRITE)

    frames = [f for i in range(0, len(line), piece) for f in framer.feed(line[i : i + piece])]

    assert frames == [Frame(0, 9, WRITE)]
    assert account(framer) == (len(sent), 0, 0)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_echo_that_is_not_whole_is_pending(framing: Framing) -> None:
    framer = make(framing)
    sent = framer.encode(0, 9, READ)

    framer.feed(sent[:5])

    assert account(framer) == (0, 0, 5)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("piece", range(1, 30))
def test_answer_without_an_echo_in_front_goes_through(framing: Framing, piece: int) -> None:
    # It begins like the echo would: with the unit and the function.
    framer = make(framing)
    framer.encode(0, 9, READ)
    line = framed(framing, ANSWER)

    frames = [f for i in range(0, len(line), piece) for f in framer.feed(line[i : i + piece])]

    assert frames == [Frame(0, 9, ANSWER)]
    assert account(framer) == (0, 0, 0)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_something_else_ends_the_wait_for_the_echo(framing: Framing) -> None:
    framer = make(framing)
    sent = framer.encode(0, 9, WRITE)
    framer.feed(b"\xff" + framed(framing, ANSWER))
    framer.silence()

    assert framer.feed(sent) == [Frame(0, 9, WRITE)]
    assert framer.echo_bytes == 0


@pytest.mark.parametrize("framing", FRAMINGS)
def test_silence_ends_the_wait_for_the_echo(framing: Framing) -> None:
    framer = make(framing)
    sent = framer.encode(0, 9, WRITE)
    framer.feed(sent[:4])

    assert framer.silence() == []
    assert account(framer) == (0, 4, 0)
    assert framer.feed(sent) == [Frame(0, 9, WRITE)]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_next_request_awaits_its_own_echo(framing: Framing) -> None:
    framer = make(framing)
    first = framer.encode(0, 9, READ)
    framer.feed(first[:4])
    second = framer.encode(0, 9, WRITE)
    assert framer.pending_bytes == 4

    frames = framer.feed(second + framed(framing, WRITE)) + framer.silence()

    assert frames == [Frame(0, 9, WRITE)]
    assert account(framer) == (len(second), 4, 0)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_echo_comes_once_for_each_request(framing: Framing) -> None:
    framer = make(framing)
    sent = framer.encode(0, 9, WRITE)

    assert [len(framer.feed(sent)) for _ in range(3)] == [0, 1, 1]


def test_what_is_awaited_is_told_to_the_framer_inside() -> None:
    framer = make(Framing.RTU)
    framer.expect(9, 3)

    assert framer.feed(b"\x05\x03\xc8" + framed(Framing.RTU, ANSWER)) == [Frame(0, 9, ANSWER)]


def test_fault_of_the_framer_inside_is_its_fault() -> None:
    framer = make(Framing.MBAP)
    assert framer.error is None

    framer.feed(b"HTTP/1.1")

    assert framer.error is not None
    assert framer.foreign_bytes == 0


def test_answers_of_others_are_counted_by_the_framer_inside() -> None:
    framer = EchoRemover(make_framer(Framing.RTU, Side.SERVER))
    framer.feed(framed(Framing.RTU, READ))

    assert framer.feed(framed(Framing.RTU, ANSWER)) == []
    assert framer.foreign_bytes == len(framed(Framing.RTU, ANSWER))
