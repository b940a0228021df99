"""What came back is named for what it is."""

from __future__ import annotations

import pytest
from tests.server.wires import ascii_frame, mbap, read, rtu, words

from energymeter.codec import Framing
from energymeter.doctor.sound import Nature, judge_sound, requests_in
from energymeter.doctor.stranger import CALLS, name_stranger, quote

ASKED = rtu(1, read(0, 2))
ANSWER = rtu(1, words(0, 2))


@pytest.mark.parametrize(
    ("sent", "heard", "nature", "framing"),
    [
        (ASKED, b"", Nature.NOTHING, None),
        (ASKED, ANSWER, Nature.FRAMES, Framing.RTU),
        (ASKED, b"\x00\xf7" + ANSWER, Nature.FRAMES, Framing.RTU),
        (ASKED, rtu(1, b"\x83\x02"), Nature.FRAMES, Framing.RTU),
        (ASKED, ascii_frame(1, words(0, 2)), Nature.FRAMES, Framing.ASCII),
        (mbap(1, read(0, 2)), mbap(1, words(0, 2)), Nature.FRAMES, Framing.MBAP),
        (mbap(1, read(0, 2)), mbap(1, words(0, 2))[:-1], Nature.NOISE, None),
        (mbap(1, read(0, 2)), ANSWER, Nature.FRAMES, Framing.RTU),
        (ASKED, ANSWER[:-1] + b"\x00", Nature.BAD_CHECKSUM, None),
        (ASKED, ANSWER[:-2], Nature.NOISE, None),
        (ASKED, b"\xff\x00\xff", Nature.NOISE, None),
        (ASKED, b"HTTP/1.1 400 Bad Request\r\n", Nature.STRANGER, None),
    ],
)
def test_bytes_are_judged(sent: bytes, heard: bytes, nature: Nature, framing: Framing) -> None:
    sound = judge_sound(sent, heard)

    assert (sound.nature, sound.framing) == (nature, framing)
    assert not sound.is_echoed


def test_an_echo_is_taken_off_before_the_rest_is_judged() -> None:
    alone, answered = judge_sound(ASKED, ASKED), judge_sound(ASKED, ASKED + ANSWER)

    assert (alone.is_echoed, alone.nature) == (True, Nature.NOTHING)
    assert (answered.is_echoed, answered.nature) == (True, Nature.FRAMES)
    assert answered.data == ANSWER


def test_questions_of_others_are_heard_and_answers_are_not_taken_for_them() -> None:
    assert [frame.unit for frame in requests_in(rtu(5, read(0, 8)) + rtu(6, read(0, 8)))] == [5, 6]
    assert requests_in(ANSWER) == ()
    assert requests_in(b"\x00\xff\x13") == ()


@pytest.mark.parametrize(
    ("greeting", "name"),
    [
        (b"SSH-2.0-dropbear\r\n", "an SSH server"),
        (b"HTTP/1.1 400 Bad Request\r\n", "a web server"),
        (b"220 ProFTPD ready\r\n", "an FTP or mail server"),
        (b"\xff\xfd\x18\xff\xfd\x20", "a telnet server"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "TLS"),
        (b"\x20\x02\x00\x05", "an MQTT broker"),
        (b"RFB 003.008\n", "a screen sharing server (VNC)"),
        (b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76", "a meter that sends SML by itself"),
        (b"/EBZ5DD3\r\n1-0:0.0.0*255(1)", "a meter that sends its values as text by itself"),
        (b'{"error": "bad request"}', "a server that speaks JSON"),
        (b"\r\nlogin: ", "a login prompt"),
    ],
)
def test_strangers_are_named(greeting: bytes, name: str) -> None:
    found = name_stranger(greeting)

    assert found is not None
    assert found.startswith(name)


@pytest.mark.parametrize("unit", range(1, 248))
def test_no_answer_of_a_meter_is_taken_for_a_stranger(unit: int) -> None:
    for pdu in (words(0, 2), words(0, 1), b"\x83\x02", b"\x84\x0b", b"\x04" + words(0, 2)[1:]):
        assert judge_sound(rtu(unit, read(0, 2)), rtu(unit, pdu)).nature is Nature.FRAMES
        assert judge_sound(mbap(unit, read(0, 2)), mbap(unit, pdu)).nature is Nature.FRAMES


def test_calls_of_other_protocols_are_no_modbus() -> None:
    for call in CALLS:
        assert requests_in(call.data) == ()
        assert judge_sound(b"", call.data).framing is None


def test_what_came_is_quoted_as_text_or_as_bytes() -> None:
    assert quote(b"SSH-2.0-OpenSSH_9.7\r\nmore") == "'SSH-2.0-OpenSSH_9.7'"
    assert quote(b"\x01\xff") == "01 ff"
    assert quote(bytes(200)).endswith(" ...")
    assert len(quote(b"x" * 500)) < 60
