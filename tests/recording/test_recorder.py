"""A recorder keeps what a link does, and harms it in no way."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.programs import line_of

from energymeter.clock import ManualClock
from energymeter.codec import Framing
from energymeter.errors import ConfigError, MeterError
from energymeter.profiles import Point
from energymeter.reader import ReadReport
from energymeter.reader.reading import Quality
from energymeter.recording import NotedValue, PcapWriter, Recorder, TapGroup, noted_values
from energymeter.recording.format import (
    Lost,
    Noted,
    Opened,
    Received,
    Sent,
    TimedOut,
    parse_recording,
)

FULL = Path("/dev/full")

ENDLESS = """
import sys
from pathlib import Path
from energymeter.codec import Framing
from energymeter.recording import Recorder
recorder = Recorder(Path(sys.argv[1]), framing=Framing.RTU)
print("recording", flush=True)
while True:
    recorder.sent(1.0, bytes(8))
"""


def test_every_event_is_kept_with_its_time_since_the_start(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    clock = ManualClock(datetime(2026, 1, 31, 12, tzinfo=UTC))
    voltage = NotedValue("voltage", 230.5, "V", "good")

    with Recorder(path, framing=Framing.RTU, wire="rtu:///dev/x", profile="m", clock=clock) as tap:
        tap.opened(0.5)
        tap.sent(1.0, b"\1\4")
        tap.received(1.25, b"\1")
        tap.timed_out(2.0, 7)
        tap.note_values(7, [voltage])
        tap.lost(3.0, "pulled")

    header, events, is_cut_off = parse_recording(path.read_bytes())
    assert header[:4] == (Framing.RTU, clock.now(), "rtu:///dev/x", "m")
    assert events == (
        Opened(0.5),
        Sent(1.0, b"\1\4"),
        Received(1.25, b"\1"),
        TimedOut(2.0, 7),
        Noted(0.0, 7, voltage),
        Lost(3.0, "pulled"),
    )
    assert not is_cut_off


@pytest.mark.parametrize(
    ("wire", "kept"),
    [
        ("tcp://me:secret@192.0.2.7:502", "tcp://192.0.2.7:502"),
        ("tls://token@meter:802?cert=c.pem", "tls://meter:802?cert=c.pem"),
        ("rtu:///dev/ttyUSB0?baudrate=9600", "rtu:///dev/ttyUSB0?baudrate=9600"),
    ],
)
def test_a_login_is_not_kept(wire: str, kept: str, tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    Recorder(path, framing=Framing.MBAP, wire=wire).close()
    assert parse_recording(path.read_bytes()).header.wire == kept
    assert b"secret" not in path.read_bytes()


def test_each_event_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    with Recorder(path, framing=Framing.MBAP) as tap:
        for number in range(3):
            tap.sent(1.0, b"\0")
            assert len(parse_recording(path.read_bytes()).events) == number + 1


def test_what_a_killed_program_leaves_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    command = [sys.executable, "-c", ENDLESS, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as program:
        assert program.stdout is not None
        line_of(program.stdout)
        while path.stat().st_size < 100_000:
            pass
        program.send_signal(signal.SIGKILL)

    events = parse_recording(path.read_bytes()).events

    assert len(events) > 1000
    assert all(isinstance(event, Sent) and event.data == bytes(8) for event in events)


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("kind", [Recorder, PcapWriter])
def test_a_full_disk_does_not_reach_the_link_but_is_told_at_the_end(
    kind: type[Recorder] | type[PcapWriter],
) -> None:
    tap = kind(FULL, framing=Framing.MBAP)
    tap.opened(0.0)
    tap.sent(0.0, bytes.fromhex("000100000006010400000002"))

    with pytest.raises(MeterError) as caught:
        tap.close()

    assert not isinstance(caught.value, ConfigError)
    tap.close()


@pytest.mark.parametrize("kind", [Recorder, PcapWriter])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(
    kind: type[Recorder] | type[PcapWriter], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        kind(tmp_path / "no" / "such" / "folder", framing=Framing.MBAP)


def test_a_group_tells_every_tap_everything(tmp_path: Path) -> None:
    paths = [tmp_path / "a.rec", tmp_path / "b.rec"]
    clock = ManualClock()
    taps = [Recorder(path, framing=Framing.MBAP, clock=clock) for path in paths]

    group = TapGroup(taps)
    group.opened(0.0)
    group.sent(1.0, b"\1")
    group.received(2.0, b"\2")
    group.timed_out(3.0, 4)
    group.lost(5.0, "why")

    for tap in taps:
        tap.close()
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert len(parse_recording(first).events) == 5


def test_values_of_a_reading_are_kept_with_their_quality() -> None:
    report = ReadReport(
        time=datetime(2026, 1, 31, tzinfo=UTC),
        points=[
            Point(name="voltage", tables=("input",), address=0, type="float32", unit="V"),
            Point(name="serial_number", tables=("input",), address=2, type="uint16"),
        ],
        values=[230.10000610351562, None],
        qualities=[Quality.GOOD, Quality.NOT_READ],
    )
    assert list(noted_values(report)) == [
        NotedValue("voltage", 230.1, "V", "good"),
        NotedValue("serial_number", None, "", "not_read"),
    ]
