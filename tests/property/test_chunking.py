"""However a stream of bytes is cut, the frames, the fault and the account of bytes are the same."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.support.traffic import MESSAGES, UNITS

from energymeter.codec import (
    ClientState,
    EchoRemover,
    Frame,
    Framer,
    Framing,
    MbapFramer,
    ReadRequest,
    Side,
    crc16,
    make_framer,
)
from energymeter.errors import MeterError

HEADER_BYTES = 7

FRAMES = st.builds(
    Frame,
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFF),
    st.one_of(st.binary(min_size=1, max_size=12), st.binary(min_size=240, max_size=253)),
)
HEADERS = st.builds(
    lambda transaction, protocol, length, rest: (
        transaction.to_bytes(2, "big")
        + protocol.to_bytes(2, "big")
        + length.to_bytes(2, "big")
        + rest
    ),
    st.integers(0, 0xFFFF),
    st.sampled_from([0, 0, 0, 1, 0xFFFF]),
    st.sampled_from([0, 1, 2, 6, 254, 255, 0xFFFF]),
    st.binary(max_size=20),
)
GARBAGE = st.one_of(st.just(b""), st.binary(max_size=40), HEADERS, HEADERS)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Frame], bytes]:
    """Frames at the front of a stream, and the whole stream."""
    framer = MbapFramer()
    frames = draw(st.lists(FRAMES, max_size=5))
    stream = b"".join(framer.encode(*frame) for frame in frames) + draw(GARBAGE)
    if draw(st.booleans()):
        stream += framer.encode(*draw(FRAMES))
    return frames, stream


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[first:last] for first, last in itertools.pairwise(edges)]


def bytes_in(frames: list[Frame]) -> int:
    return sum(HEADER_BYTES + len(frame.pdu) for frame in frames)


def fault_of(framer: MbapFramer) -> tuple[str, bytes] | None:
    return None if framer.error is None else (framer.error.message, framer.error.data)


@given(streams(), st.lists(st.integers(0, 1500), max_size=30))
@settings(max_examples=400, deadline=None)
def test_any_chunking_gives_the_same_frames_and_the_same_fault(
    case: tuple[list[Frame], bytes], places: list[int]
) -> None:
    sent, stream = case
    whole, chunked = MbapFramer(), MbapFramer()

    at_once = whole.feed(stream)
    in_chunks: list[Frame] = []
    fed = 0
    for chunk in cut(stream, places):
        in_chunks += chunked.feed(chunk)
        fed += len(chunk)
        assert bytes_in(in_chunks) + chunked.noise_bytes + chunked.pending_bytes == fed

    assert at_once[: len(sent)] == sent
    assert in_chunks == at_once
    assert fault_of(chunked) == fault_of(whole)
    assert (chunked.noise_bytes, chunked.pending_bytes) == (whole.noise_bytes, whole.pending_bytes)


@given(streams())
@settings(max_examples=100, deadline=None)
def test_single_bytes_give_what_one_chunk_gives(case: tuple[list[Frame], bytes]) -> None:
    _, stream = case
    whole, chunked = MbapFramer(), MbapFramer()

    at_once = whole.feed(stream)
    one_by_one = [frame for byte in stream for frame in chunked.feed(bytes((byte,)))]

    assert one_by_one == at_once
    assert fault_of(chunked) == fault_of(whole)
    assert bytes_in(at_once) + whole.noise_bytes + whole.pending_bytes == len(stream)


@given(streams(), st.lists(st.integers(0, 1500), max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_chunking_settles_the_same_questions_in_the_same_way(
    case: tuple[list[Frame], bytes], places: list[int]
) -> None:
    sent, stream = case
    asked = [(frame.transaction, frame.unit) for frame in sent]

    def settle(chunks: list[bytes]) -> list[tuple[int, object]]:
        state: ClientState[int] = ClientState(MbapFramer())
        for token in range(1, 4):
            state.ask(asked[0][1] if asked else 1, ReadRequest(3, 0, token), token)
        answers: list[tuple[int, bytes | MeterError]] = []
        for chunk in chunks:
            answers += state.receive(chunk)
        return [
            (token, outcome if isinstance(outcome, bytes) else (type(outcome), str(outcome)))
            for token, outcome in answers
        ]

    assert settle(cut(stream, places)) == settle([stream])


# Serial lines

SERIAL = [
    pytest.param(framing, side, id=f"{framing}, {side}")
    for framing in (Framing.RTU, Framing.ASCII)
    for side in Side
]
NOISE = st.one_of(
    st.binary(max_size=12),
    st.lists(st.sampled_from(b"\x00\x01\x02\x03\x08\x10\x2b\x83\xc8\xff:0A\r\n"), max_size=12).map(
        bytes
    ),
)


def wire_bytes(framing: Framing, frames: list[Frame]) -> int:
    """How many bytes frames have on the wire."""
    if framing is Framing.ASCII:
        return sum(7 + 2 * len(frame.pdu) for frame in frames)
    return sum(3 + len(frame.pdu) for frame in frames)


def counted(framer: Framer) -> tuple[int, int, int]:
    return framer.noise_bytes, framer.foreign_bytes, framer.pending_bytes


def framed(framing: Framing, unit: int, pdu: bytes) -> bytes:
    return make_framer(framing, Side.CLIENT).encode(0, unit, pdu)


@st.composite
def lines(draw: st.DrawFn, framing: Framing, side: Side) -> bytes:
    """What may be on a serial line: frames of both directions, some spoiled, noise between."""
    stream = b""
    for _ in range(draw(st.integers(0, 6))):
        ear = side if draw(st.integers(0, 3)) else draw(st.sampled_from(list(Side)))
        frame = framed(framing, draw(UNITS), draw(MESSAGES[ear]))
        fate = draw(st.integers(0, 7))
        if fate == 0:
            place = draw(st.integers(0, len(frame) - 1))
            frame = frame[:place] + bytes((frame[place] ^ 0x10,)) + frame[place + 1 :]
        elif fate == 1:
            frame = frame[: draw(st.integers(0, len(frame)))]
        elif fate == 2:
            frame += frame
        stream += frame
        if draw(st.booleans()):
            stream += draw(NOISE)
    return stream


@pytest.mark.parametrize(("framing", "side"), SERIAL)
@given(data=st.data(), places=st.lists(st.integers(0, 800), max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_chunking_of_a_serial_line_gives_the_same_frames_and_the_same_account(
    framing: Framing, side: Side, data: st.DataObject, places: list[int]
) -> None:
    stream = data.draw(lines(framing, side))
    whole, chunked = make_framer(framing, side), make_framer(framing, side)

    at_once = whole.feed(stream)
    in_chunks: list[Frame] = []
    fed = 0
    for chunk in cut(stream, places):
        in_chunks += chunked.feed(chunk)
        fed += len(chunk)
        assert wire_bytes(framing, in_chunks) + sum(counted(chunked)) == fed

    assert in_chunks == at_once
    assert counted(chunked) == counted(whole)
    assert chunked.silence() == (rest := whole.silence())
    assert counted(chunked) == counted(whole)
    assert wire_bytes(framing, at_once + rest) + sum(counted(whole)) == len(stream)
    assert whole.pending_bytes == 0
    assert whole.error is None


@pytest.mark.parametrize(("framing", "side"), SERIAL)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_single_bytes_of_a_serial_line_give_what_one_chunk_gives(
    framing: Framing, side: Side, data: st.DataObject
) -> None:
    stream = data.draw(lines(framing, side))
    whole, single = make_framer(framing, side), make_framer(framing, side)

    at_once = whole.feed(stream)
    one_by_one = [frame for byte in stream for frame in single.feed(bytes((byte,)))]

    assert one_by_one == at_once
    assert counted(single) == counted(whole)
    assert single.silence() == whole.silence()


@pytest.mark.parametrize(("framing", "side"), SERIAL)
@given(data=st.data(), unit=st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_every_message_goes_over_the_line_and_comes_out_at_once(
    framing: Framing, side: Side, data: st.DataObject, unit: int
) -> None:
    pdu = data.draw(MESSAGES[side])
    framer = make_framer(framing, side)

    assert framer.feed(framed(framing, unit, pdu)) == [Frame(0, unit, pdu)]
    assert counted(framer) == (0, 0, 0)


@pytest.mark.parametrize(("framing", "side"), SERIAL)
@given(
    function=st.sampled_from([9, 10, 13, 18, 19, 25, 65, 100, 127]),
    data=st.binary(max_size=252),
    unit=st.integers(0, 255),
)
@settings(max_examples=60, deadline=None)
def test_message_of_an_unknown_function_comes_out_at_silence_at_the_latest(
    framing: Framing, side: Side, function: int, data: bytes, unit: int
) -> None:
    pdu = bytes((function,)) + data
    framer = make_framer(framing, side)

    assert framer.feed(framed(framing, unit, pdu)) + framer.silence() == [Frame(0, unit, pdu)]


def has_a_right_crc(stream: bytes, ends: int) -> bool:
    """Whether something that begins before `ends` is a frame, as far as its CRC goes."""
    return any(
        crc16(stream[first:last]) == 0
        for first in range(ends)
        for last in range(first + 4, len(stream) + 1)
    )


@pytest.mark.parametrize("side", Side)
@given(data=st.data(), noise=NOISE, unit=UNITS)
@settings(max_examples=150, deadline=None)
def test_rtu_frame_behind_any_noise_comes_out_after_silence_at_the_latest(
    side: Side, data: st.DataObject, noise: bytes, unit: int
) -> None:
    frame = Frame(0, unit, data.draw(MESSAGES[side].filter(lambda pdu: len(pdu) < 60)))
    stream = noise + framed(Framing.RTU, unit, frame.pdu)
    assume(not has_a_right_crc(stream, len(noise)))
    framer = make_framer(Framing.RTU, side)

    assert framer.feed(stream) + framer.silence() == [frame]
    assert counted(framer) == (len(noise), 0, 0)


@given(noise=NOISE, unit=UNITS, pdu=MESSAGES[Side.CLIENT])
@example(noise=b":", unit=1, pdu=b"\x11\x00")
@settings(max_examples=100, deadline=None)
def test_ascii_frame_behind_any_noise_comes_out_with_its_last_byte(
    noise: bytes, unit: int, pdu: bytes
) -> None:
    framer = make_framer(Framing.ASCII, Side.CLIENT)

    assert framer.feed(noise + framed(Framing.ASCII, unit, pdu)) == [Frame(0, unit, pdu)]
    assert counted(framer) == (len(noise), 0, 0)


@given(data=st.data(), beginning=MESSAGES[Side.CLIENT], places=st.lists(st.integers(0, 300)))
@settings(max_examples=150, deadline=None)
def test_awaited_answer_comes_out_with_its_last_byte_behind_another_ones_beginning(
    data: st.DataObject, beginning: bytes, places: list[int]
) -> None:
    answer = Frame(0, 1, data.draw(MESSAGES[Side.CLIENT].filter(lambda pdu: len(pdu) < 60)))
    other = framed(Framing.RTU, 2, beginning)
    other = other[: data.draw(st.integers(0, min(40, len(other) - 1)))]
    stream = other + framed(Framing.RTU, 1, answer.pdu)
    # What looks like the awaited answer may hold it up.
    assume(bytes((1, answer.pdu[0] & 0x7F)) not in other + stream[len(other) : len(other) + 1])
    assume(bytes((1, answer.pdu[0] | 0x80)) not in other + stream[len(other) : len(other) + 1])
    assume(not has_a_right_crc(stream, len(other)))
    framer = make_framer(Framing.RTU, Side.CLIENT)
    framer.expect(1, answer.pdu[0] & 0x7F)

    frames = [frame for chunk in cut(stream, places) for frame in framer.feed(chunk)]

    assert frames == [answer]
    assert counted(framer) == (len(other), 0, 0)


@pytest.mark.parametrize("framing", [Framing.RTU, Framing.ASCII])
@given(
    data=st.data(),
    asked=MESSAGES[Side.SERVER],
    unit=UNITS,
    places=st.lists(st.integers(0, 600), max_size=30),
)
@settings(max_examples=100, deadline=None)
def test_any_chunking_of_echo_and_answers_gives_the_answers(
    framing: Framing, data: st.DataObject, asked: bytes, unit: int, places: list[int]
) -> None:
    answers = data.draw(st.lists(st.builds(Frame, st.just(0), UNITS, MESSAGES[Side.CLIENT])))
    framer = EchoRemover(make_framer(framing, Side.CLIENT))
    echo = framer.encode(0, unit, asked)
    stream = echo + b"".join(framed(framing, answer.unit, answer.pdu) for answer in answers)

    frames: list[Frame] = []
    fed = 0
    for chunk in cut(stream, places):
        frames += framer.feed(chunk)
        fed += len(chunk)
        known = wire_bytes(framing, frames) + sum(counted(framer)) + framer.echo_bytes
        assert known == fed

    assert frames == answers
    assert framer.echo_bytes == len(echo)
