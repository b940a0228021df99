"""However a stream of bytes is cut, the frames, the fault and the account of bytes are the same."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from energymeter.codec import ClientState, Frame, MbapFramer, ReadRequest
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
