"""What is encoded decodes to itself: every message."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from energymeter.codec import (
    Diagnostics,
    ExceptionResponse,
    Frame,
    IdentificationResponse,
    MaskWrite,
    MbapFramer,
    ReadBitsResponse,
    ReadIdentificationRequest,
    ReadRegistersResponse,
    ReadRequest,
    ReadWriteRequest,
    ReportServerIdRequest,
    Request,
    Response,
    ServerIdResponse,
    WriteCoil,
    WriteCoilsRequest,
    WriteRegister,
    WriteRegistersRequest,
    WrittenResponse,
    decode_request,
    decode_response,
)
from energymeter.codec.codes import Function

WORDS = st.integers(0, 0xFFFF)
BYTES = st.integers(0, 0xFF)


@st.composite
def spans(draw: st.DrawFn, most: int) -> tuple[int, int]:
    """An address and a count that stay inside the table."""
    count = draw(st.integers(1, most))
    return draw(st.integers(0, 0x10000 - count)), count


@st.composite
def bit_writes(draw: st.DrawFn) -> WriteCoilsRequest:
    address, count = draw(spans(1968))
    value = draw(st.integers(0, (1 << count) - 1))
    return WriteCoilsRequest(address, tuple(bool(value >> place & 1) for place in range(count)))


@st.composite
def word_writes(draw: st.DrawFn) -> WriteRegistersRequest:
    address, count = draw(spans(123))
    words = draw(st.lists(WORDS, min_size=count, max_size=count))
    return WriteRegistersRequest(address, tuple(words))


@st.composite
def read_writes(draw: st.DrawFn) -> ReadWriteRequest:
    read_address, read_count = draw(spans(125))
    write_address, count = draw(spans(121))
    words = draw(st.lists(WORDS, min_size=count, max_size=count))
    return ReadWriteRequest(
        read_address=read_address,
        read_count=read_count,
        write_address=write_address,
        words=tuple(words),
    )


BIT_READS = st.builds(lambda f, span: ReadRequest(f, *span), st.sampled_from([1, 2]), spans(2000))
WORD_READS = st.builds(lambda f, span: ReadRequest(f, *span), st.sampled_from([3, 4]), spans(125))
COIL_WRITES = st.builds(
    lambda address, value: WriteCoil(address, value=value), WORDS, st.booleans()
)
REGISTER_WRITES = st.builds(WriteRegister, WORDS, WORDS)
MASK_WRITES = st.builds(MaskWrite, WORDS, WORDS, WORDS)
DIAGNOSTICS = st.builds(
    lambda subfunction, half: Diagnostics(subfunction, half + half),
    WORDS,
    st.binary(min_size=1, max_size=125),
)
IDENTIFICATION_READS = st.builds(ReadIdentificationRequest, st.integers(1, 4), BYTES)
REQUESTS: st.SearchStrategy[Request] = st.one_of(
    BIT_READS,
    WORD_READS,
    COIL_WRITES,
    REGISTER_WRITES,
    MASK_WRITES,
    DIAGNOSTICS,
    bit_writes(),
    word_writes(),
    read_writes(),
    IDENTIFICATION_READS,
    st.just(ReportServerIdRequest()),
)
IDENTIFICATIONS = st.builds(
    IdentificationResponse,
    code=st.integers(1, 4),
    conformity=BYTES,
    objects=st.lists(st.tuples(BYTES, st.binary(max_size=60)), max_size=3).map(tuple),
    next_object=st.none() | BYTES,
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Request, Response]:
    """A question with a good answer to it."""
    request = draw(REQUESTS)
    size = (request.answer_bytes or 2) - 2
    match request:
        case ReadRequest(function=1 | 2):
            data = draw(st.binary(min_size=size, max_size=size))
            return request, ReadBitsResponse(request.function, data)
        case ReadRequest() | ReadWriteRequest():
            data = draw(st.binary(min_size=size, max_size=size))
            return request, ReadRegistersResponse(request.function, data)
        case WriteCoilsRequest(address=address, bits=bits):
            return request, WrittenResponse(15, address, len(bits))
        case WriteRegistersRequest(address=address, words=words):
            return request, WrittenResponse(16, address, len(words))
        case ReportServerIdRequest():
            return request, ServerIdResponse(draw(st.binary(max_size=251)))
        case ReadIdentificationRequest():
            return request, draw(IDENTIFICATIONS)
        case _:
            assert isinstance(request, Response)
            return request, request


@given(REQUESTS)
@settings(max_examples=500, deadline=None)
def test_request_decodes_to_itself(request: Request) -> None:
    assert len(request.pdu) <= 253
    assert decode_request(request.pdu) == request
    assert decode_request(request.pdu).pdu == request.pdu


@given(answers())
@settings(max_examples=500, deadline=None)
def test_response_decodes_to_itself(exchange: tuple[Request, Response]) -> None:
    request, response = exchange

    decoded = decode_response(request, response.pdu)

    assert decoded == response
    assert decoded.pdu == response.pdu


@given(REQUESTS, BYTES)
def test_refusal_decodes_to_itself(request: Request, code: int) -> None:
    refusal = ExceptionResponse(request.function, code)

    assert decode_response(request, refusal.pdu) == refusal


@given(WORDS, BYTES, st.binary(min_size=1, max_size=253))
def test_frame_comes_out_as_it_went_in(transaction: int, unit: int, pdu: bytes) -> None:
    framer = MbapFramer()

    assert framer.feed(framer.encode(transaction, unit, pdu)) == [Frame(transaction, unit, pdu)]


@given(st.integers(1, 2000), st.data())
def test_bits_of_an_answer_are_those_that_were_packed(count: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, (1 << count) - 1))
    packed = value.to_bytes((count + 7) // 8, "little")

    bits = ReadBitsResponse(1, packed).bits(count)

    assert sum(bit << place for place, bit in enumerate(bits)) == value
    assert len(bits) == count


def test_requests_of_every_function_are_among_those_tried() -> None:
    examples: tuple[Request, ...] = (
        *(ReadRequest(function, 0, 1) for function in (1, 2, 3, 4)),
        WriteCoil(0, value=True),
        WriteRegister(0, 0),
        Diagnostics(0, b"\0\0"),
        WriteCoilsRequest(0, (True,)),
        WriteRegistersRequest(0, (0,)),
        ReportServerIdRequest(),
        MaskWrite(0, 0, 0),
        ReadWriteRequest(read_address=0, read_count=1, write_address=0, words=(0,)),
        ReadIdentificationRequest(),
    )

    assert {request.function for request in examples} == set(Function)
    assert [decode_request(request.pdu) for request in examples] == list(examples)
