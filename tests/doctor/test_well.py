"""A meter that is well is told so, on every wire, and nothing but reads is sent to any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from tests.doctor.bench import (
    PM8000,
    SDM120,
    SDM630,
    SHORT_S,
    Line,
    Session,
    Shy,
    case_of,
    meter,
    served,
    tables_of,
    talker,
)
from tests.doctor.haste import run_hastily
from tests.support.loops import on_each_loop, run
from tests.transports.ptys import NullModem

from energymeter.codec import Framing, Side, make_framer
from energymeter.doctor import Case, Diagnosis, Layer, Mark, Step, Verdict, examine
from energymeter.profiles import Profile

STREAMS: Final = ("tcp", "rtu+tcp", "ascii+tcp")
PACKETS: Final = ("udp", "rtu+udp")


@pytest.mark.parametrize("scheme", [*STREAMS, *PACKETS])
def test_a_good_meter_is_well_on_a_network(scheme: str) -> None:
    async def main() -> Diagnosis:
        async with meter(SDM630, listen=f"{scheme}://127.0.0.1:0") as url:
            return await examine(case_of(url, SDM630))

    diagnosis = run(main()) if scheme in PACKETS else run_hastily(main())

    assert diagnosis.is_well
    assert all(step.mark is Mark.FINE for step in diagnosis.steps)
    assert diagnosis.sentence.startswith("all is well: eastron/sdm630, unit 1 at ")
    assert diagnosis.command.startswith(f"energymeter read {scheme}://127.0.0.1:")
    assert diagnosis.seconds < 3


@on_each_loop
def test_a_good_meter_is_well_on_a_serial_port(loop: str) -> None:
    async def main() -> Diagnosis:
        async with NullModem() as modem, meter(SDM630, listen=f"rtu://{modem.other.path}"):
            return await examine(
                case_of(f"rtu://{modem.one.path}", SDM630, timeout_s=SHORT_S, limit_s=30)
            )

    diagnosis = run(main(), loop)

    assert diagnosis.is_well, diagnosis.sentence
    assert diagnosis.steps[0].layer is Layer.DEVICE


def test_steps_are_told_as_they_are_made_from_the_ground_up() -> None:
    told: list[Step] = []
    tried: list[str] = []

    async def main() -> Diagnosis:
        async with meter(PM8000) as url:
            return await examine(case_of(url, PM8000, tell=tried.append), on_step=told.append)

    diagnosis = run_hastily(main())

    assert tuple(told) == diagnosis.steps
    places = [list(Layer).index(step.layer) for step in told]
    assert places == sorted(places)
    assert tried[0] == "looking up 127.0.0.1"


@pytest.mark.parametrize("profile", [SDM630, PM8000, SDM120])
def test_without_a_profile_those_that_fit_are_named(profile: Profile) -> None:
    async def main() -> Diagnosis:
        async with meter(profile) as url:
            return await examine(case_of(url))

    diagnosis = run_hastily(main())

    assert diagnosis.is_well
    assert f"and {profile.name} fits" in diagnosis.sentence
    assert f"--profile {profile.name} --unit 1" in diagnosis.command


def test_a_meter_nobody_knows_is_no_fault_of_the_wire() -> None:
    async def main() -> Diagnosis:
        async with meter(PM8000, "holes=2000-65535") as url:
            return await examine(case_of(url))

    diagnosis = run_hastily(main())

    assert diagnosis.is_well
    assert "is all right, but which meter it is could not be told" in diagnosis.sentence
    assert diagnosis.command.startswith("energymeter find tcp://")


def test_a_meter_that_says_nothing_to_what_it_has_not_got_is_well() -> None:
    async def main() -> Diagnosis:
        async with served(Shy(tables_of(SDM630))) as url:
            return await examine(case_of(url, SDM630))

    diagnosis = run_hastily(main())

    assert diagnosis.is_well
    assert "62 of 62 values make sense" in diagnosis.steps[-1].seen


def test_what_is_odd_and_does_no_harm_is_a_note() -> None:
    async def main() -> Diagnosis:
        async with meter(SDM630, "noise:0.5", listen="rtu+tcp://127.0.0.1:0") as url:
            return await examine(case_of(url, SDM630))

    diagnosis = run_hastily(main())

    assert diagnosis.is_well
    assert [step.verdict for step in diagnosis.steps].count(Verdict.NOTED) == 1
    assert "came with noise around them" in diagnosis.sentence


def test_a_meter_that_uses_up_the_time_out_is_a_note() -> None:
    async def main() -> Diagnosis:
        async with meter(PM8000, "latency=700ms") as url:
            return await examine(case_of(url, PM8000))

    diagnosis = run_hastily(main())

    assert diagnosis.is_well
    assert "--timeout 2 gives room" in diagnosis.sentence


def test_the_examination_ends_in_time_whatever_the_meter_does() -> None:
    async def main() -> Diagnosis:
        async with meter(PM8000, "latency=900ms") as url:
            return await examine(case_of(url, PM8000, limit_s=12))

    diagnosis = run_hastily(main())

    assert diagnosis.seconds == pytest.approx(12, abs=0.5)
    assert diagnosis.broken is not None
    assert diagnosis.broken.verdict is Verdict.NOT_FINISHED
    assert "give a longer --timeout" in diagnosis.sentence


def test_one_connection_at_a_time_is_held() -> None:
    open_now = most = 0

    class Counting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)

        def connection_lost(self, exc: Exception | None) -> None:
            nonlocal open_now
            open_now -= 1

    async def main() -> Diagnosis:
        server = await asyncio.get_running_loop().create_server(Counting, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        diagnosis = await examine(case_of(f"127.0.0.1:{port}", PM8000))
        server.close()
        return diagnosis

    assert run_hastily(main()).broken is not None
    assert most == 1
    assert open_now == 0


def _functions_in(data: bytes) -> set[int]:
    """The functions of a message, in the first framing whose checksum or length is right."""
    for framing in (Framing.RTU, Framing.ASCII, Framing.MBAP):
        framer = make_framer(framing, Side.SERVER)
        frames = [*framer.feed(data), *framer.silence()]
        if frames and framer.error is None and not framer.noise_bytes:
            return {frame.pdu[0] for frame in frames}
    return set()


@pytest.mark.parametrize("scheme", ["tcp", "rtu+tcp"])
def test_only_reads_are_sent_even_where_nobody_answers(scheme: str) -> None:
    heard: list[bytes] = []

    def keep(session: Session, data: bytes) -> None:
        heard.append(data)

    async def main() -> Diagnosis:
        async with talker(keep, scheme=scheme) as url:
            return await examine(case_of(url, SDM630))

    assert run_hastily(main()).broken is not None
    functions = [_functions_in(data) for data in heard]
    assert set().union(*functions) == {3, 4}
    others = {data[:4] for data, found in zip(heard, functions, strict=True) if not found}
    assert others == {b"\x10\x0c\x00\x04", b"GET "}


@pytest.mark.parametrize(
    "act",
    [lambda case: case, lambda case: replace(case, tree=None)],
    ids=["with all profiles", "with none"],
)
def test_a_serial_line_without_hardware_is_well(act: Callable[[Case], Case]) -> None:
    async def main() -> Diagnosis:
        line = Line(tables_of(SDM630), "9600 8E1")
        case = case_of("rtu:///dev/ttyUSB0?parity=E", SDM630, surroundings=line)
        return await examine(act(case))

    assert run_hastily(main()).is_well
