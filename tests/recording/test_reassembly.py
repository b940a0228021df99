"""Whatever becomes of segments on their way, the bytes come out once and in order."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from tests.recording.traffic import cut

from energymeter.recording.reassembly import Stretch, TcpStream

STREAMS = st.binary(min_size=1, max_size=300)
STARTS = st.integers(0, 2**32 - 1)
PLACES = st.lists(st.integers(0, 300), max_size=12)


@given(STREAMS, STARTS, PLACES, PLACES, st.randoms(use_true_random=False))
def test_any_order_doubling_and_overlap_gives_the_same_stream(
    stream: bytes, start: int, places: list[int], others: list[int], random: st.DrawFn
) -> None:
    segments = [
        (begin, chunk)
        for way in (places, others)
        for begin, chunk in zip(
            itertools.accumulate(map(len, cut(stream, way)), initial=0),
            cut(stream, way),
            strict=False,
        )
    ]
    random.shuffle(segments)  # type: ignore[attr-defined]
    tcp = TcpStream()
    tcp.begin(start)

    found = [tcp.put((start + begin) % 2**32, chunk) for begin, chunk in segments]

    assert b"".join(stretch.data for stretch in found) == stream
    assert all(stretch.missing_bytes == 0 for stretch in found)
    assert tcp.finish() == Stretch(0, b"")


@given(STREAMS, STARTS, PLACES, st.data())
def test_what_is_missing_is_counted_and_the_rest_comes_out(
    stream: bytes, start: int, places: list[int], data: st.DataObject
) -> None:
    chunks = cut(stream, places)
    lost = data.draw(st.sets(st.integers(0, len(chunks) - 1)))
    tcp = TcpStream()
    tcp.begin(start)

    found = []
    begin = start
    for number, chunk in enumerate(chunks):
        if number not in lost:
            found.append(tcp.put(begin % 2**32, chunk))
        begin += len(chunk)
    found.append(tcp.skip_to(begin % 2**32))

    kept = b"".join(chunk for number, chunk in enumerate(chunks) if number not in lost)
    assert b"".join(stretch.data for stretch in found) == kept
    assert sum(stretch.missing_bytes for stretch in found) == len(stream) - len(kept)


def test_a_stream_heard_from_its_middle_on_begins_with_its_first_segment() -> None:
    tcp = TcpStream()
    assert tcp.put(5000, b"ab").data == b"ab"
    assert tcp.put(5002, b"cd").data == b"cd"


def test_a_number_far_away_begins_another_stream() -> None:
    tcp = TcpStream()
    tcp.put(5000, b"ab")
    for far in (5000 + 2**30, 5000 - 2**30):
        assert tcp.put(far % 2**32, b"xy").data == b"xy"


def test_a_keep_alive_says_nothing() -> None:
    tcp = TcpStream()
    tcp.put(5000, b"ab")
    assert tcp.put(5001, b"\0") == Stretch(0, b"")
    assert tcp.put(5001, b"") == Stretch(0, b"")
    assert tcp.put(5002, b"c").data == b"c"


def test_at_the_end_what_is_held_comes_out() -> None:
    tcp = TcpStream()
    tcp.begin(0)
    tcp.put(2, b"cd")
    tcp.put(6, b"gh")
    assert tcp.finish() == Stretch(4, b"cdgh")
