"""Any bytes give a frame, a message or a protocol error, nothing else, on both sides.

Plain loops over seeded random numbers, split so that several workers share them. The seed is
part of each test's name; with it a failure repeats itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import pytest

from energymeter.codec import (
    ClientState,
    Diagnostics,
    EchoRemover,
    ExceptionResponse,
    Framing,
    MaskWrite,
    MbapFramer,
    ReadIdentificationRequest,
    ReadRequest,
    ReadWriteRequest,
    ReportServerIdRequest,
    Request,
    Response,
    Side,
    WriteCoil,
    WriteCoilsRequest,
    WriteRegister,
    WriteRegistersRequest,
    crc16,
    decode_request,
    decode_response,
    make_framer,
)
from energymeter.codec.codes import ExceptionCode, Function
from energymeter.codec.explain import explain_frame
from energymeter.errors import (
    ExceptionReplyError,
    InvalidRequestError,
    MismatchError,
    RemoteProtocolError,
)
from energymeter.server.image import BitImage, RegisterImage
from energymeter.server.tables import Tables, Write, refusal

FRAMES_A_SEED: Final = 15_000
SEEDS: Final = tuple(range(20261120, 20261120 + 8))
FUNCTIONS: Final = tuple(Function)
READS: Final = (1, 2, 3, 4, 8, 17, 43)
EDGES: Final = (0, 1, 2, 99, 100, 101, 123, 124, 125, 126, 1968, 1969, 2000, 2001, 65410, 65535)

Rng = random.Random


def refuse_some(write: Write) -> None:
    if write.address % 3 == 0:
        raise refusal(ExceptionCode.SERVER_DEVICE_BUSY)


def make_tables(on_write: Callable[[Write], None] | None = None) -> Tables:
    holding = RegisterImage([(0, bytes(range(250))), (1000, bytes(200)), (65500, bytes(72))])
    return Tables(
        holding=holding,
        input=RegisterImage([(0, bytes(131072))]),
        coils=BitImage([(address, address % 3 == 0) for address in (*range(2500), 65535)]),
        discrete=BitImage([(7, True)]),
        on_write=on_write,
        identification={0: b"vendor", 1: b"x" * 200, 2: b"y" * 100, 5: b"z" * 300, 200: b""},
    )


def state_of(tables: Tables) -> tuple[bytes | None, ...]:
    """Everything `make_tables` makes writable."""
    holding = (tables.holding.read(0, 125), tables.holding.read(1000, 100))
    return (*holding, tables.holding.read(65500, 36), tables.coils.read(0, 2500))


def number(rng: Rng) -> int:
    return rng.choice(EDGES) if rng.random() < 0.6 else rng.randrange(0x10000)


def any_request(rng: Rng) -> Request:
    """A request the specification allows; most of them small enough to be served."""
    low = rng.randrange(200)
    count = rng.randrange(1, 20)
    words = tuple(rng.randrange(0x10000) for _ in range(count))
    kind = rng.randrange(12)
    if kind < 4:
        limit = 2000 if kind < 2 else 125
        return ReadRequest(kind + 1, low, rng.randrange(1, limit + 1))
    makers: tuple[Callable[[], Request], ...] = (
        lambda: WriteCoil(low, value=rng.random() < 0.5),
        lambda: WriteRegister(low, words[0]),
        lambda: Diagnostics(rng.choice((0, 0, 1, 10, 65535)), bytes(2 * count)),
        lambda: WriteCoilsRequest(low, tuple(word % 2 == 0 for word in words)),
        lambda: WriteRegistersRequest(low, words),
        lambda: MaskWrite(low, words[0], words[-1]),
        lambda: ReadWriteRequest(
            read_address=low, read_count=rng.randrange(1, 126), write_address=low, words=words
        ),
        lambda: rng.choice(
            (
                ReportServerIdRequest(),
                ReadIdentificationRequest(rng.randrange(1, 5), rng.randrange(256)),
            )
        ),
    )
    return makers[kind - 4]()


def mutate(rng: Rng, data: bytes) -> bytes:
    """The same bytes with one thing wrong."""
    changed = bytearray(data)
    kind = rng.randrange(6)
    if kind == 0 and changed:
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == 1 and changed:
        changed[rng.randrange(len(changed))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
    elif kind == 2:
        del changed[rng.randrange(len(changed) + 1) :]
    elif kind == 3:
        changed += rng.randbytes(rng.randrange(1, 5))
    elif kind == 4 and len(changed) > 3:
        place = rng.randrange(1, len(changed) - 1)
        changed[place : place + 2] = number(rng).to_bytes(2, "big")
    return bytes(changed)


def hostile_pdu(rng: Rng) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        pdu = rng.randbytes(rng.randrange(1, 254))
    elif kind == 1:
        pdu = bytes((rng.choice(FUNCTIONS),)) + rng.randbytes(rng.choice((0, 1, 2, 3, 4, 5, 6, 9)))
    elif kind == 2:
        head = bytes((rng.choice(FUNCTIONS),))
        pdu = head + number(rng).to_bytes(2, "big") + number(rng).to_bytes(2, "big")
    elif kind == 3:
        pdu = any_request(rng).pdu
    else:
        pdu = mutate(rng, any_request(rng).pdu)
    return pdu[:253] or b"\0"


def assert_every_byte_is_explained(frame: bytes) -> None:
    explanation = explain_frame(frame)
    assert b"".join(part.data for part in explanation.parts) == frame, frame.hex()


def understood(pdu: bytes) -> Request | InvalidRequestError:
    try:
        return decode_request(pdu)
    except InvalidRequestError as error:
        return error


def assert_well_formed(pdu: bytes, answer: bytes) -> None:
    """An answer is a refusal with the right code, or what the question's decoder accepts."""
    assert 2 <= len(answer) <= 253, pdu.hex()
    request = understood(pdu)
    if isinstance(request, InvalidRequestError):
        assert answer == bytes((pdu[0] | 0x80, request.code)), pdu.hex()
        return
    if request.function != Function.WRITE_MULTIPLE_COILS:  # whose padding bits say nothing
        assert request.pdu == pdu
    response = decode_response(request, answer)
    if isinstance(response, ExceptionResponse):
        assert response.code in list(ExceptionCode), pdu.hex()
    else:
        assert answer[0] == pdu[0], pdu.hex()
    assert response.pdu == answer


@pytest.mark.parametrize("seed", SEEDS)
def test_server_answers_any_frame_with_a_well_formed_message(seed: int) -> None:
    rng = random.Random(seed)
    tables = (make_tables(), make_tables(refuse_some), Tables())
    framer = MbapFramer()
    answered = refused = 0
    for _ in range(FRAMES_A_SEED):
        data = framer.encode(rng.randrange(0x10000), rng.randrange(256), hostile_pdu(rng))
        if rng.random() < 0.2:
            data = mutate(rng, data)
        assert_every_byte_is_explained(data)
        for _, unit, pdu in framer.feed(data):
            asked = rng.choice(tables)
            before = state_of(asked)
            answer = asked.answer(unit, pdu)
            assert_well_formed(pdu, answer)
            # What is refused, and what only reads, changes nothing.
            if answer[0] >= 0x80 or answer[0] in READS:
                assert state_of(asked) == before, pdu.hex()
            refused += answer[0] >= 0x80
            answered += answer[0] < 0x80
        if framer.error is not None or framer.pending_bytes > 200:
            framer = MbapFramer()

    # Both ways were really taken.
    assert answered > FRAMES_A_SEED / 10
    assert refused > FRAMES_A_SEED / 10


def hostile_answer(rng: Rng, request: Request, tables: Tables) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        pdu = rng.randbytes(rng.randrange(1, 254))
    elif kind == 1:
        pdu = bytes((request.function | 0x80,)) + rng.randbytes(rng.choice((0, 1, 1, 1, 2)))
    elif kind == 2:
        data = rng.randbytes(rng.randrange(252))
        pdu = bytes((request.function, len(data))) + data
    elif kind == 3:
        pdu = tables.answer(1, request.pdu)
    else:
        pdu = mutate(rng, tables.answer(1, request.pdu))
    return pdu[:253] or b"\0"


def judge(request: Request, outcome: object) -> str:
    """What became of a question; anything but an answer or an error of the meter fails."""
    if isinstance(outcome, ExceptionReplyError):
        assert outcome.function == request.function
        return "refused"
    if isinstance(outcome, MismatchError):
        return "mismatch"
    assert isinstance(outcome, bytes)
    try:
        response = decode_response(request, outcome)
    except RemoteProtocolError:
        # Only these two say more inside than their head can tell.
        assert request.function in (8, 43), outcome.hex()
        return "contradiction"
    assert isinstance(response, Response)
    assert not isinstance(response, ExceptionResponse)
    assert response.pdu == outcome or request.function == 43
    return "answered"


@pytest.mark.parametrize("seed", SEEDS)
def test_client_takes_any_bytes_for_an_answer_or_an_error(seed: int) -> None:
    rng = random.Random(-seed)
    tables = make_tables()
    state: ClientState[Request] = ClientState(MbapFramer())
    seen: dict[str, int] = {}
    foreign = 0
    for _ in range(FRAMES_A_SEED):
        request = any_request(rng)
        transaction, _ = state.ask(1, request, request)
        pdu = hostile_answer(rng, request, tables)
        unit = 1 if rng.random() < 0.95 else rng.randrange(256)
        echoed = transaction if rng.random() < 0.95 else rng.randrange(0x10000)
        data = state.framer.encode(echoed, unit, pdu)
        if rng.random() < 0.1:
            data = mutate(rng, data)
        assert_every_byte_is_explained(data)
        for token, outcome in state.receive(data):
            fate = judge(token, outcome)
            seen[fate] = seen.get(fate, 0) + 1
        if state.framer.error is not None or state.framer.pending_bytes > 200:
            foreign += state.foreign_answers
            state = ClientState(MbapFramer())
        elif rng.random() < 0.5:
            state.forget(transaction)

    # Every way was really taken.
    assert set(seen) == {"answered", "refused", "mismatch", "contradiction"}
    assert min(seen["answered"], seen["refused"], seen["mismatch"]) > FRAMES_A_SEED / 20
    assert foreign + state.foreign_answers > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_explanation_names_every_byte_of_any_bytes(seed: int) -> None:
    rng = random.Random(seed)
    sound = 0
    for _ in range(FRAMES_A_SEED):
        body = bytes((rng.randrange(248),)) + hostile_pdu(rng)
        data = body + crc16(body).to_bytes(2, "little")
        if rng.random() < 0.3:
            data = mutate(rng, data)
        assert_every_byte_is_explained(data)
        sound += explain_frame(data).is_sound

    assert FRAMES_A_SEED / 10 < sound < FRAMES_A_SEED


LINES_A_SEED: Final = 1_500
SERIAL: Final = [
    pytest.param(framing, side, id=f"{framing}, {side}")
    for framing in (Framing.RTU, Framing.ASCII)
    for side in Side
]


def hostile_line(rng: Rng, framing: Framing, side: Side, tables: Tables) -> bytes:
    """A frame, right or with one thing wrong, or what only looks like one."""
    kind = rng.randrange(10)
    if kind == 0:
        return rng.randbytes(rng.randrange(300))
    if kind == 1:
        return bytes(rng.choices(b":0123456789abcdefABCDEF\r\n", k=rng.randrange(600)))
    if kind == 2:
        return bytes((rng.choice((1, 2)), rng.choice(FUNCTIONS), rng.choice((14, 200, 250))))
    encode = make_framer(framing, Side.CLIENT).encode
    unit = rng.choice((0, 1, 2, 255))
    if kind == 3:
        asked = any_request(rng).pdu
        return encode(0, unit, asked) + encode(0, unit, tables.answer(unit, asked))
    if side is Side.CLIENT or kind == 4:
        data = encode(0, unit, hostile_answer(rng, any_request(rng), tables))
    else:
        data = encode(0, unit, hostile_pdu(rng))
    return mutate(rng, data) if kind < 7 else data


@pytest.mark.parametrize("seed", SEEDS[:4])
@pytest.mark.parametrize(("framing", "side"), SERIAL)
def test_any_bytes_on_a_serial_line_are_frames_or_counted(
    framing: Framing, side: Side, seed: int
) -> None:
    rng = random.Random(seed)
    tables = make_tables()
    framer = EchoRemover(make_framer(framing, side))
    fed = framed = frames = 0
    sent = b""
    for _ in range(LINES_A_SEED):
        data = sent + hostile_line(rng, framing, side, tables)
        sent = b""
        size = rng.choice((1, 7, 64, 600))
        came = [f for i in range(0, len(data), size) for f in framer.feed(data[i : i + size])]
        fed += len(data)
        if rng.random() < 0.4:
            came += framer.silence()
            assert framer.pending_bytes == 0
        for _, unit, pdu in came:
            assert 1 <= len(pdu) <= 253
            framed += 7 + 2 * len(pdu) if framing is Framing.ASCII else 3 + len(pdu)
            if rng.random() < 0.3:
                sent = framer.encode(0, unit, tables.answer(unit, pdu))
        framer.expect(rng.choice((1, 2)), rng.choice(FUNCTIONS))
        frames += len(came)
        passed_over = framer.noise_bytes + framer.foreign_bytes + framer.echo_bytes
        assert framed + passed_over + framer.pending_bytes == fed
        assert framer.error is None

    assert frames > LINES_A_SEED / 5
    assert framer.noise_bytes > 0
    assert framer.echo_bytes > 0
    assert (framer.foreign_bytes > 0) == (side is Side.SERVER)


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_explanation_names_every_byte_whatever_is_known_of_the_wire(seed: int) -> None:
    rng = random.Random(seed)
    tables = make_tables()
    for _ in range(LINES_A_SEED):
        framing = rng.choice((Framing.RTU, Framing.ASCII))
        data = hostile_line(rng, framing, rng.choice(list(Side)), tables)
        known = rng.choice((None, *Framing))
        explanation = explain_frame(data, framing=known, side=rng.choice((None, *Side)))
        assert b"".join(part.data for part in explanation.parts) == data, data.hex()


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("01 FA", id="answers of 255 bytes at every second place"),
        pytest.param("10 10 10 10 10 F7 F7 F7 F7 F7", id="writes of 256 bytes likewise"),
        pytest.param("08", id="diagnostics that never end"),
        pytest.param("41", id="unknown functions that never end"),
        pytest.param("2B 0E 01 01 00 00 7B" + 246 * "00", id="long identifications"),
    ],
)
def test_what_keeps_a_line_busy_is_worked_off_and_a_frame_behind_it_comes_out(
    pattern: str, side: Side
) -> None:
    framer = make_framer(Framing.RTU, side)
    framer.expect(1, 1)
    noise = (bytes.fromhex(pattern) * 100_000)[:100_000]
    frame = framer.encode(0, 9, b"\x06\0\1\0\2")

    frames = [f for i in range(0, len(noise), 50) for f in framer.feed(noise[i : i + 50])]
    frames += framer.feed(frame) + framer.silence()

    assert [unit for _, unit, _ in frames] == [9]
    assert framer.noise_bytes == len(noise)


def test_at_least_two_hundred_thousand_frames_are_tried() -> None:
    assert 2 * FRAMES_A_SEED * len(SEEDS) >= 200_000
