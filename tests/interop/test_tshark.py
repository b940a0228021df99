"""Wireshark reads our captures without a complaint, and we read what its tools write."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.recording.packets import LINKS, Connection, pcap
from tests.recording.traffic import answer, ask, frame, simulated, talk
from tests.support.loops import run

from energymeter.client import Link
from energymeter.codec import Framing
from energymeter.errors import ExceptionReplyError
from energymeter.profiles import ProfileLibrary
from energymeter.reader import MeterReader
from energymeter.recording import PcapWriter, Recorder
from energymeter.recording.capture import parse_capture
from energymeter.recording.exchanges import exchanges_of
from energymeter.recording.traffic import load_traffic
from energymeter.transports import parse_wire

COMPLAINTS = (
    "_ws.malformed || tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0"
    " || _ws.expert.severity >= 0x600000"  # warnings and errors
)

PROFILE = ProfileLibrary(()).load("eastron/sdm120")


def program(name: str) -> str:
    """Where a program of Wireshark's is; skips where there is none."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install tshark")
    return path


def tshark(path: Path, *arguments: str) -> list[str]:
    """What tshark says of a capture, line by line; checksums are looked at."""
    checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    done = subprocess.run(
        [program("tshark"), "-r", str(path), *checks, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


def fields(path: Path, chosen: str, *names: str) -> list[list[str]]:
    """These fields of the chosen packets."""
    arguments = [part for name in names for part in ("-e", name)]
    return [line.split("\t") for line in tshark(path, "-Y", chosen, "-T", "fields", *arguments)]


async def everything(link: Link) -> None:
    """A reading, a refusal, an identification and an echo."""
    unit = link.unit(1)
    await MeterReader(unit, PROFILE).read()
    with pytest.raises(ExceptionReplyError):
        await unit.read_holding_registers(60_000, 2)
    with pytest.raises(ExceptionReplyError):
        await unit.write_registers(60_000, [1, 2])
    await unit.echo(b"\x12\x34")
    await unit.report_server_id()


@pytest.mark.parametrize("wire", ["tcp", "rtu+tcp", "ascii+tcp"])
def test_every_frame_is_listed_and_none_is_malformed(wire: str, tmp_path: Path) -> None:
    path, recording = tmp_path / "a.pcap", tmp_path / "a.rec"

    async def scenario() -> None:
        async with simulated(f"{wire}://127.0.0.1:0") as url:
            framing = parse_wire(url).framing
            with (
                PcapWriter(path, framing=framing) as writer,
                Recorder(recording, framing=framing) as recorder,
            ):
                await talk(url, everything, writer, recorder)

    run(scenario())

    exchanges = load_traffic(recording).exchanges()
    assert tshark(path, "-Y", COMPLAINTS) == []
    listed = fields(path, "modbus", "mbtcp.unit_id", "modbus.func_code")
    expected = [
        [str(exchange.question.unit), str(exchange.question.pdu[0])]
        for exchange in exchanges
        for _ in ("question", "answer")
    ]
    assert listed == expected
    assert len(exchanges) >= 6
    # Each answer that is no refusal is known to belong to its question.
    good = [exchange for exchange in exchanges if not exchange.is_refused]
    assert len(tshark(path, "-Y", "modbus.request_frame")) == len(good)


def test_each_connection_is_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with PcapWriter(path, framing=Framing.RTU) as tap:
        for number in range(3):
            tap.opened(number)
            tap.sent(number, frame(ask(number), framing=Framing.RTU))
            tap.received(number + 0.5, frame(answer(number), framing=Framing.RTU))
            tap.lost(number + 0.75, "over")
    assert fields(path, "modbus", "tcp.stream") == [[str(n)] for n in (0, 0, 1, 1, 2, 2)]
    assert tshark(path, "-Y", COMPLAINTS) == []


@pytest.mark.parametrize("kind", ["pcapng", "pcap", "nsecpcap"])
def test_what_editcap_writes_is_read(kind: str, tmp_path: Path) -> None:
    source, target = tmp_path / "a.pcap", tmp_path / "b"
    with PcapWriter(source, framing=Framing.MBAP) as tap:
        tap.opened(0.0)
        for number in range(5):
            tap.sent(number, frame(ask(number), transaction=number))
            tap.received(number + 0.25, frame(answer(number), transaction=number))
    subprocess.run(
        [program("editcap"), "-F", kind, str(source), str(target)], check=True, timeout=60
    )

    (ours,), (theirs,) = (parse_capture(path.read_bytes()) for path in (source, target))

    assert theirs.recording.events == ours.recording.events
    assert len(exchanges_of(Framing.MBAP, theirs.recording.events)) == 5


@pytest.mark.parametrize("link", LINKS)
def test_what_our_tests_take_for_a_capture_is_one(link: str, tmp_path: Path) -> None:
    connection = Connection()
    connection.open()
    connection.ask(frame(ask(0)))
    connection.reply(frame(answer(7)))
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(connection.packets, link))
    assert fields(path, "modbus", "tcp.srcport") == [["50000"], ["502"]]
