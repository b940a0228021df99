"""Strategies for messages of every function, as they go over a serial line in each direction."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from energymeter.codec import (
    Diagnostics,
    ExceptionResponse,
    IdentificationResponse,
    MaskWrite,
    ReadIdentificationRequest,
    ReadRequest,
    ReadWriteRequest,
    ServerIdResponse,
    Side,
    WriteCoil,
    WriteCoilsRequest,
    WriteRegister,
    WriteRegistersRequest,
    WrittenResponse,
)

__all__ = ["MESSAGES", "UNITS"]

UNITS: Final = st.one_of(st.sampled_from([1, 2, 3]), st.integers(0, 255))

_WORDS: Final = st.integers(0, 0xFFFF)
_LOW: Final = st.one_of(st.integers(0, 0x400), st.integers(0, 0xF000))


def _words(most: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(_WORDS, min_size=1, max_size=most).map(tuple)


_ECHOES: Final = st.one_of(
    st.builds(lambda address, value: WriteCoil(address, value=value).pdu, _LOW, st.booleans()),
    st.builds(lambda address, word: WriteRegister(address, word).pdu, _LOW, _WORDS),
    st.builds(lambda address, a, b: MaskWrite(address, a, b).pdu, _LOW, _WORDS, _WORDS),
    st.builds(
        lambda code, data: Diagnostics(code, data).pdu, _LOW, st.binary(min_size=2, max_size=2)
    ),
)
_REQUESTS: Final = st.one_of(
    st.builds(
        lambda f, address, n: ReadRequest(f, address, n).pdu,
        st.integers(1, 4),
        _LOW,
        st.integers(1, 125),
    ),
    _ECHOES,
    st.builds(lambda address, words: WriteRegistersRequest(address, words).pdu, _LOW, _words(123)),
    st.builds(
        lambda address, bits: WriteCoilsRequest(address, tuple(bits)).pdu,
        _LOW,
        st.lists(st.booleans(), min_size=1, max_size=40),
    ),
    st.builds(
        lambda address, words: (
            ReadWriteRequest(
                read_address=address, read_count=3, write_address=address, words=words
            ).pdu
        ),
        _LOW,
        _words(20),
    ),
    st.builds(
        lambda code, one: ReadIdentificationRequest(code, one).pdu,
        st.integers(1, 4),
        st.integers(0, 6),
    ),
    st.sampled_from([b"\x07", b"\x0b", b"\x0c", b"\x11", b"\x18\x04\xde"]),
)


def _counted(function: int, data: bytes) -> bytes:
    return bytes((function, len(data))) + data


_OBJECTS: Final = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=30)), max_size=5).map(
    tuple
)
_ANSWERS: Final = st.one_of(
    st.builds(_counted, st.sampled_from([1, 2]), st.binary(min_size=1, max_size=250)),
    st.builds(
        lambda function, half: _counted(function, half + half[::-1]),
        st.sampled_from([3, 4, 23]),
        st.binary(min_size=1, max_size=125),
    ),
    _ECHOES,
    st.builds(
        lambda f, address, n: WrittenResponse(f, address, n).pdu,
        st.sampled_from([15, 16]),
        _LOW,
        st.integers(1, 100),
    ),
    st.builds(lambda data: ServerIdResponse(data).pdu, st.binary(max_size=100)),
    st.builds(
        lambda objects: IdentificationResponse(code=1, conformity=1, objects=objects).pdu, _OBJECTS
    ),
    st.builds(
        lambda f, code: ExceptionResponse(f, code).pdu, st.integers(1, 127), st.integers(0, 255)
    ),
    st.builds(lambda data: b"\x0c" + bytes((len(data),)) + data, st.binary(max_size=100)),
)

MESSAGES: Final[dict[Side, st.SearchStrategy[bytes]]] = {
    Side.SERVER: _REQUESTS,
    Side.CLIENT: _ANSWERS,
}
"""By who hears them; each has a length that its bytes tell."""
