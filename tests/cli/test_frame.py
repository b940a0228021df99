"""`energymeter frame`: bytes in words."""

from __future__ import annotations

import pytest
from tests.cli.programs import call

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    "digits",
    [
        ("000100000006010300000002",),
        ("00 01 00 00 00 06 01 03 00 00 00 02",),
        ("00", "01", "00", "00", "00", "06", "01", "03", "00", "00", "00", "02"),
        ("00:01:00:00:00:06:01:03:00:00:00:02",),
        ("0x00,0x01,0x00,0x00,0x00,0x06,0x01,0x03,0x00,0x00,0x00,0x02",),
        (r"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x02",),
    ],
)
def test_tcp_request_in_any_notation(capsys: Capture, digits: tuple[str, ...]) -> None:
    outcome = call(capsys, "frame", *digits)
    assert (outcome.code, outcome.err) == (0, "")
    summary = outcome.out.splitlines()[0]
    assert summary == "Modbus TCP, unit 1: request to read holding registers 0..1"


def test_a_line_with_a_colon_is_ascii(capsys: Capture) -> None:
    outcome = call(capsys, "frame", ":010300000002FA")
    assert (outcome.code, outcome.err) == (0, "")
    assert "request to read holding registers 0..1" in outcome.out.splitlines()[0]
    assert "LRC, right" in outcome.out
    assert call(capsys, "frame", ":010300000002FB").code == 1


@pytest.mark.parametrize(
    ("digits", "code", "words"),
    [
        (
            "01 03 00 00 00 02 C4 0B",
            0,
            ("RTU, unit 1", "read holding registers 0..1", "CRC, right"),
        ),
        ("01 03 04 00 01 00 02 2A 32", 0, ("RTU", "2 registers: 1 2")),
        ("0A 03 00 10 00 02 C4 0B", 1, ("wrong CRC", "expected")),
        ("00 01 00 00 00 03 01 83 02", 0, ("Modbus TCP", "exception 2, illegal data address")),
        ("00 01 00 00 00 06 01 03 00", 1, ("cut short", "3 bytes are missing")),
        ("DE AD BE EF", 1, ("no Modbus frame",)),
    ],
)
def test_frames(capsys: Capture, digits: str, code: int, words: tuple[str, ...]) -> None:
    outcome = call(capsys, "frame", digits)
    assert (outcome.code, outcome.err) == (code, "")
    for word in words:
        assert word in outcome.out


def test_all_bytes_are_accounted_for(capsys: Capture) -> None:
    digits = "00 01 00 00 00 06 01 03 00 00 00 02"
    lines = call(capsys, "frame", digits).out.splitlines()[1:]
    assert " ".join(line[2:20].strip() for line in lines) == digits
