"""A trace says every frame in a line, and what is none as what it is."""

from __future__ import annotations

import pytest
from tests.recording.traffic import answer, ask, frame

from energymeter.codec import Framing
from energymeter.recording import Tracer
from energymeter.recording.format import (
    Event,
    Lost,
    Noted,
    NotedValue,
    Opened,
    Received,
    Sent,
    TimedOut,
)
from energymeter.recording.trace import play


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.mark.parametrize("framing", Framing)
def test_each_frame_is_a_line_with_time_direction_bytes_and_words(
    framing: Framing, lines: list[str]
) -> None:
    question, reply = frame(ask(0, 2), framing=framing), frame(answer(230, 5), framing=framing)

    def shown(data: bytes) -> str:
        is_text = framing is Framing.ASCII
        return data.decode("ascii").strip() if is_text else data.hex(" ").upper()

    tracer = Tracer(lines.append, framing=framing)

    tracer.sent(100.0, question)
    for place in range(len(reply)):
        tracer.received(100.25 + place / 1000, reply[place : place + 1])

    asked, answered = lines
    assert asked.startswith(f"+0.000000 > {shown(question)}  ")
    assert "request to read input registers 0..1" in asked
    assert answered.startswith(f"+{0.25 + (len(reply) - 1) / 1000:.6f} < {shown(reply)}  ")
    assert "230 5" in answered
    assert "unit 1" in answered


def test_an_answer_is_not_taken_for_a_request(lines: list[str]) -> None:
    tracer = Tracer(lines.append, framing=Framing.MBAP)
    # Three registers read: the message of the answer could be a request to write one.
    tracer.received(0.0, frame(bytes.fromhex("010100")))
    assert "answer" in lines[0]
    assert "request" not in lines[0]


def test_noise_is_shown_as_noise(lines: list[str]) -> None:
    tracer = Tracer(lines.append, framing=Framing.RTU)
    broken = bytearray(frame(answer(5), framing=Framing.RTU))
    broken[-1] ^= 0xFF

    tracer.sent(0.0, frame(ask(0), framing=Framing.RTU))
    tracer.received(0.5, bytes(broken))
    tracer.timed_out(1.0, 1)

    asked, *noise, silent = lines
    assert "request" in asked
    assert all(line.startswith("+0.500000 < ") and "  noise, " in line for line in noise)
    shown = "".join(line.split("  ")[0].removeprefix("+0.500000 < ") + " " for line in noise)
    assert bytes.fromhex(shown) == broken
    assert silent == "+1.000000 ? no answer from unit 1 in time"


def test_what_happens_beside_frames_has_its_lines(lines: list[str]) -> None:
    tracer = Tracer(lines.append, framing=Framing.MBAP, start_s=1.0)
    tracer.opened(1.5)
    tracer.received(1.75, frame(answer(1))[:4])
    tracer.timed_out(2.0, 7)
    tracer.lost(3.0, "the cable was pulled")
    assert lines[0] == "+0.500000 * open"
    assert lines[1] == "+1.000000 ? no answer from unit 7 in time"
    assert lines[2].startswith("+0.750000 < 00 01 00 00  noise, ")
    assert lines[3] == "+2.000000 ! lost: the cable was pulled"


def test_a_recording_plays_to_a_tap_as_if_it_happened(lines: list[str]) -> None:
    events: list[Event] = [
        Opened(0.0),
        Sent(1.0, frame(ask(0))),
        Received(2.0, frame(answer(1))),
        Noted(2.0, 1, NotedValue("voltage", 1, "V", "good")),
        TimedOut(3.0, 1),
        Lost(4.0, "over"),
    ]
    play(events, Tracer(lines.append, framing=Framing.MBAP, start_s=0.0))
    assert [line.split()[:2] for line in lines] == [
        ["+0.000000", "*"],
        ["+1.000000", ">"],
        ["+2.000000", "<"],
        ["+3.000000", "?"],
        ["+4.000000", "!"],
    ]
