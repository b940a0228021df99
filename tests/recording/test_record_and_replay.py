"""What is recorded of a replay is what was recorded of the meter, byte for byte, on any wire."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.recording.traffic import replayed, simulated, spoken, talk
from tests.support.loops import run

from energymeter.client import Link
from energymeter.errors import MeterError
from energymeter.profiles import ProfileLibrary
from energymeter.reader import MeterReader
from energymeter.recording import PcapWriter, Recorder, noted_values
from energymeter.recording.capture import parse_capture
from energymeter.recording.diff import differences, load_subject
from energymeter.recording.format import (
    Event,
    Noted,
    Received,
    Recording,
    TimedOut,
    parse_recording,
)
from energymeter.recording.traffic import load_traffic
from energymeter.transports import parse_wire

PROFILE = ProfileLibrary(()).load("eastron/sdm120")

ANYWHERE = (
    "exception=4:0.5",
    "holes=20-30",
    "late=10ms",
    "split=5ms",
    "duplicate=5ms",
    "noise,times=2",
    "short,times=1",
    "garbage,times=1",
    "silence,times=1",
    "wrong_unit,times=1",
    "wrong_function,times=1",
    "previous,times=1",
)
FAULTS = {
    "tcp": (None, *ANYWHERE, "wrong_crc,times=1", "wrong_id,times=1", "hang_up:0.4"),
    "rtu+tcp": (None, *ANYWHERE, "wrong_crc,times=1", "echo,times=2", "hang_up:0.4"),
    "udp": (None, "silence,times=1", "noise,times=2", "constant_id,times=1"),
    "ascii+tcp": (None, "silence,times=1", "noise:0.5", "short,times=1"),
    "rtu+udp": (None, "late=10ms"),
}
"""By wire; each is met by some of the reads."""


async def reads(link: Link) -> None:
    """A conversation with all that happens in one, and the same one each time."""
    unit = link.unit(1)
    for address, count in ((0, 10), (12, 2), (0, 10), (20, 12), (0, 1), (500, 3), (0, 10)):
        with suppress(MeterError):
            await unit.read_input_registers(address, count)
    with suppress(MeterError):
        await unit.report_server_id()


async def recorded(url: str, path: Path, *, timeout_s: float = 0.25) -> Recording:
    with Recorder(path, framing=parse_wire(url).framing, wire=url) as tap:
        await talk(url, reads, tap, timeout_s=timeout_s)
    return load(path)


def heard(events: Iterable[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Received))


def load(path: Path) -> Recording:
    return parse_recording(path.read_bytes())


@pytest.mark.parametrize(
    ("wire", "fault"), [(wire, fault) for wire, faults in FAULTS.items() for fault in faults]
)
def test_record_of_the_simulator_is_record_of_the_replay(
    wire: str, fault: str | None, tmp_path: Path
) -> None:
    where = f"{wire}://127.0.0.1:0"

    async def scenario() -> tuple[Recording, Recording]:
        faults = () if fault is None else (fault,)
        async with simulated(where, *faults) as url:
            first = await recorded(url, tmp_path / "a.rec")
        async with replayed(tmp_path / "a.rec", where) as url:
            return first, await recorded(url, tmp_path / "b.rec")

    first, second = run(scenario())

    if fault is not None and fault.startswith("short"):
        # What is cut off and comes after the next question is a matter of moments.
        assert heard(second.events) == heard(first.events)
    else:
        assert spoken(second.events) == spoken(first.events)
    assert len(spoken(first.events)) >= 7
    assert [e.unit for e in second.events if isinstance(e, TimedOut)] == [
        e.unit for e in first.events if isinstance(e, TimedOut)
    ]


def test_values_read_from_a_replay_are_those_that_were_recorded(tmp_path: Path) -> None:
    async def values(url: str, path: Path) -> list[object]:
        with Recorder(path, framing=parse_wire(url).framing, wire=url, profile=PROFILE.name) as tap:

            async def poll(link: Link) -> None:
                reader = MeterReader(link.unit(1), PROFILE)
                for _ in range(3):
                    tap.note_values(1, noted_values(await reader.read()))

            await talk(url, poll, tap)
        events = load(path).events
        return [event.noted for event in events if isinstance(event, Noted)]

    async def scenario() -> tuple[list[object], list[object]]:
        async with simulated("tcp://127.0.0.1:0") as url:
            first = await values(url, tmp_path / "a.rec")
        async with replayed(tmp_path / "a.rec", "rtu+tcp://127.0.0.1:0") as url:
            return first, await values(url, tmp_path / "b.rec")

    first, second = run(scenario())

    assert first == second
    assert len(first) == 3 * len(PROFILE.readable_points)
    assert differences(load_subject(tmp_path / "a.rec"), load_subject(tmp_path / "b.rec")) == []


@pytest.mark.parametrize("wire", ["tcp", "rtu+tcp"])
def test_a_capture_says_what_the_recording_says(wire: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(f"{wire}://127.0.0.1:0", "silence,times=1", "exception=4:0.3") as url:
            framing = parse_wire(url).framing
            with (
                Recorder(tmp_path / "a.rec", framing=framing) as recorder,
                PcapWriter(tmp_path / "a.pcap", framing=framing) as writer,
            ):
                await talk(url, reads, recorder, writer)

    run(scenario())

    assert len(parse_capture((tmp_path / "a.pcap").read_bytes())) >= 1
    said = [
        [(found.question.unit, found.question.pdu, found.answer) for found in traffic.exchanges()]
        for traffic in (load_traffic(tmp_path / "a.rec"), load_traffic(tmp_path / "a.pcap"))
    ]
    assert said[0] == said[1]
