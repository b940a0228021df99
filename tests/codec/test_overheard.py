"""Other units' answers on a shared line: swallowed and counted, never read as requests."""

from __future__ import annotations

import pytest

from energymeter.codec import Frame, Framer, Framing, Side, make_framer

FRAMINGS = [Framing.RTU, Framing.ASCII]

READ = "03 0000 0002"
READ_ANSWER = "03 04 1234 5678"


def framed(framing: Framing, unit: int, digits: str) -> bytes:
    return make_framer(framing, Side.CLIENT).encode(0, unit, bytes.fromhex(digits))


def messages(frames: list[Frame]) -> list[str]:
    return [f"{frame.unit}: {frame.pdu.hex().upper()}" for frame in frames]


def hear(
    framer: Framer, framing: Framing, unit: int, digits: str, *, gap: bool = True
) -> list[str]:
    """What comes of a frame on the line, with a silence behind."""
    frames = framer.feed(framed(framing, unit, digits))
    return messages(frames + (framer.silence() if gap else []))


ORDINARY = [
    pytest.param(READ, READ_ANSWER, id="registers"),
    pytest.param(
        "04 0000 0003", "04 06 0000 0003 1234", id="registers that begin like the request"
    ),
    pytest.param("01 0013 0013", "01 03 CD6B05", id="bits, both 5 bytes"),
    pytest.param("01 0300 0013", "01 03 CD6B05", id="bits, an address like a byte count"),
    pytest.param("02 0000 0001", "02 01 01", id="one bit"),
    pytest.param("03 0000 007D", "03 FA" + "00" * 250, id="125 registers"),
    pytest.param(READ, "83 02", id="a refusal"),
    pytest.param("06 0001 0003", "06 0001 0003", id="a write that is repeated"),
    pytest.param("05 00AC FF00", "05 00AC FF00", id="a coil"),
    pytest.param("08 0000 A537", "08 0000 A537", id="an echo"),
    pytest.param("08 000B 0000", "08 000B 0000", id="a counter that is 0"),
    pytest.param("0F 0013 000A 02 CD01", "0F 0013 000A", id="coils written"),
    pytest.param("10 0001 0002 04 000A 0102", "10 0001 0002", id="registers written"),
    pytest.param("11", "11 03 2AFF01", id="a server id"),
    pytest.param("16 0004 00F2 0025", "16 0004 00F2 0025", id="a mask"),
    pytest.param("17 0003 0001 000E 0001 02 00FF", "17 02 00FE", id="read and write"),
    pytest.param("2B 0E 01 00", "2B 0E 01 01 00 00 01 00 01 41", id="identification"),
    pytest.param("07", "07 6D", id="exception status"),
    pytest.param("15 09 06 0004 0007 0001 06AF", "15 09 06 0004 0007 0001 06AF", id="a file"),
    pytest.param("03 0000 0002", "03 08 0000 0001 0000 0002", id="twice the registers (Enron)"),
    pytest.param("03 0000 007F", "03 FA" + "11" * 250, id="more asked than is allowed"),
]
ENDED_BY_SILENCE = [
    pytest.param("08 0000 A537 1122", "08 0000 A537 1122", id="a long echo"),
    pytest.param("41 0102", "41 030405", id="a function nobody knows"),
]
EXCHANGES = ORDINARY + ENDED_BY_SILENCE


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("request_", "answer"), EXCHANGES)
def test_answer_of_another_unit_is_swallowed_and_the_next_request_heard(
    framing: Framing, request_: str, answer: str
) -> None:
    framer = make_framer(framing, Side.SERVER)
    heard = f"5: {bytes.fromhex(request_).hex().upper()}"

    assert hear(framer, framing, 5, request_) == [heard]
    assert hear(framer, framing, 5, answer) == []
    assert framer.foreign_bytes == len(framed(framing, 5, answer))
    assert hear(framer, framing, 5, request_) == [heard]
    assert (framer.noise_bytes, framer.pending_bytes) == (0, 0)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("request_", "answer"), EXCHANGES)
def test_answer_of_another_unit_is_swallowed_byte_by_byte(
    framing: Framing, request_: str, answer: str
) -> None:
    framer = make_framer(framing, Side.SERVER)
    hear(framer, framing, 5, request_)

    frames = [f for byte in framed(framing, 5, answer) for f in framer.feed(bytes((byte,)))]

    assert frames + framer.silence() == []
    assert framer.foreign_bytes == len(framed(framing, 5, answer))


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("request_", "answer"), ORDINARY)
def test_request_answer_and_request_in_one_piece_are_told_apart(
    framing: Framing, request_: str, answer: str
) -> None:
    framer = make_framer(framing, Side.SERVER)
    line = framed(framing, 5, request_) + framed(framing, 5, answer) + framed(framing, 6, READ)

    frames = framer.feed(line) + framer.silence()

    assert [frame.unit for frame in frames] == [5, 6]
    assert framer.foreign_bytes == len(framed(framing, 5, answer))


@pytest.mark.parametrize("framing", FRAMINGS)
def test_request_that_was_answered_here_makes_no_answer_foreign(framing: Framing) -> None:
    framer = make_framer(framing, Side.SERVER)
    write = "06 0001 0003"

    for _ in range(3):
        assert hear(framer, framing, 5, write) == ["5: 0600010003"]
        framer.encode(0, 5, bytes.fromhex(write))
    assert framer.foreign_bytes == 0


@pytest.mark.parametrize("framing", FRAMINGS)
def test_answer_given_here_for_another_unit_leaves_the_request_open(framing: Framing) -> None:
    framer = make_framer(framing, Side.SERVER)
    line = framed(framing, 1, READ) + framed(framing, 5, READ)
    framer.feed(line)

    framer.encode(0, 1, bytes.fromhex(READ_ANSWER))

    assert hear(framer, framing, 5, READ_ANSWER) == []
    assert framer.foreign_bytes > 0


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    "request_",
    [
        READ,
        "03 0400 0002",
        "03 0404 0001",
        "01 0300 0013",
        "10 0001 0001 02 000A",
        "11",
        "2B0E0100",
    ],
)
def test_read_that_is_asked_again_is_heard_again(framing: Framing, request_: str) -> None:
    framer = make_framer(framing, Side.SERVER)
    heard = f"5: {bytes.fromhex(request_).hex().upper()}"

    for _ in range(3):
        assert hear(framer, framing, 5, request_) == [heard]
    assert framer.foreign_bytes == 0


@pytest.mark.parametrize("framing", FRAMINGS)
def test_read_of_other_registers_is_heard_at_once_when_no_answer_came(framing: Framing) -> None:
    framer = make_framer(framing, Side.SERVER)
    hear(framer, framing, 5, READ)

    # As an answer this one would have 22 bytes, but 4 were asked for.
    assert hear(framer, framing, 5, "03 1600 0002", gap=False) == ["5: 0316000002"]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_write_that_is_repeated_is_swallowed_once(framing: Framing) -> None:
    framer = make_framer(framing, Side.SERVER)
    write = "06 0001 0003"

    heard = [bool(hear(framer, framing, 5, write)) for _ in range(4)]

    assert heard == [True, False, True, False]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_write_of_another_value_is_a_request(framing: Framing) -> None:
    framer = make_framer(framing, Side.SERVER)
    hear(framer, framing, 5, "06 0001 0003")

    assert hear(framer, framing, 5, "06 0001 0004") == ["5: 0600010004"]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_request_for_another_unit_ends_the_wait_for_an_answer(framing: Framing) -> None:
    framer = make_framer(framing, Side.SERVER)
    hear(framer, framing, 5, "06 0001 0003")
    hear(framer, framing, 6, READ)

    assert hear(framer, framing, 5, "06 0001 0003") == ["5: 0600010003"]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_nobody_answers_a_broadcast(framing: Framing) -> None:
    framer = make_framer(framing, Side.SERVER)

    for _ in range(2):
        assert hear(framer, framing, 0, "06 0001 0003") == ["0: 0600010003"]
    assert framer.foreign_bytes == 0


@pytest.mark.parametrize("framing", FRAMINGS)
def test_client_hears_every_answer(framing: Framing) -> None:
    framer = make_framer(framing, Side.CLIENT)

    for _ in range(2):
        assert hear(framer, framing, 5, "06 0001 0003") == ["5: 0600010003"]
    assert framer.foreign_bytes == 0


def test_beginning_of_an_answer_that_would_be_a_good_request_is_waited_for() -> None:
    # Six registers whose first bytes are a read of unit 5 with a right CRC.
    inside = framed(Framing.RTU, 5, "03 0C00 0001")
    answer = framed(Framing.RTU, 5, "03 0C" + inside[3:].hex() + "00" * 7)
    assert answer.startswith(inside)
    framer = make_framer(Framing.RTU, Side.SERVER)
    hear(framer, Framing.RTU, 5, "03 0000 0006")

    assert framer.feed(answer[:-1]) == []
    assert framer.feed(answer[-1:]) == []
    assert framer.foreign_bytes == len(answer)


def test_answer_that_breaks_off_ends_with_silence_and_the_retry_is_heard() -> None:
    framer = make_framer(Framing.RTU, Side.SERVER)
    hear(framer, Framing.RTU, 5, READ)
    framer.feed(framed(Framing.RTU, 5, READ_ANSWER)[:6])

    assert framer.silence() == []
    assert hear(framer, Framing.RTU, 5, READ) == ["5: 0300000002"]
    assert (framer.noise_bytes, framer.foreign_bytes) == (6, 0)


def test_answer_behind_noise_is_swallowed() -> None:
    framer = make_framer(Framing.RTU, Side.SERVER)
    hear(framer, Framing.RTU, 5, READ)

    assert framer.feed(b"\xff\xff" + framed(Framing.RTU, 5, READ_ANSWER)) == []
    assert (framer.noise_bytes, framer.foreign_bytes, framer.pending_bytes) == (2, 9, 0)
