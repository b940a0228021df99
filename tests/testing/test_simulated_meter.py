"""The simulated meter, used as somebody would who tests a program of his own."""

from __future__ import annotations

import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.loops import on_each_loop, run
from tests.transports.pki import Pki

from energymeter import BlockingLink, Link, MeterReader, RequestTimeout
from energymeter.errors import ConfigError, ProfileError
from energymeter.testing import MeterDouble
from energymeter.testing.plugin import MeterFactory

READ_VOLTAGE = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 3027, 2)
"""A PM8000's voltage_phase_a."""


def voltage(meter: MeterDouble) -> float:
    """What a program without anything of ours reads, over TCP."""
    with socket.create_connection((meter.host, meter.port), timeout=5) as connection:
        connection.sendall(READ_VOLTAGE)
        value: float = struct.unpack(">f", connection.recv(260)[-4:])[0]
    return value


def test_meter_of_any_profile_is_on_a_port_of_its_own(simulated_meter: MeterFactory) -> None:
    meters = [simulated_meter("pm8000", seed=1), simulated_meter("electric"), simulated_meter()]

    assert len({meter.port for meter in meters}) == 3
    assert [meter.url for meter in meters] == [f"tcp://127.0.0.1:{meter.port}" for meter in meters]
    assert voltage(meters[0]) == pytest.approx(meters[0].values["voltage_phase_a"])


def test_profile_may_be_a_file_or_an_object(simulated_meter: MeterFactory, tmp_path: Path) -> None:
    path = tmp_path / "acme" / "m1.toml"
    path.parent.mkdir()
    path.write_text(
        'name = "acme/m1"\nvendor = "Acme"\nmodel = "M1"\n'
        '[[points]]\nname = "frequency"\naddress = 7\ntype = "float32"\nunit = "Hz"\n'
    )
    from_file = simulated_meter(path)
    from_object = simulated_meter(from_file.unit.profile)

    for meter in (from_file, from_object):
        with BlockingLink(meter.url) as link:
            assert set(link.read(meter.unit.profile).as_dict()) == {"frequency"}


def test_unknown_profile_is_told_in_words(simulated_meter: MeterFactory) -> None:
    with pytest.raises(ProfileError, match="did you mean"):
        simulated_meter("pm800")


def test_values_stand_still_until_they_are_moved(simulated_meter: MeterFactory) -> None:
    meter = simulated_meter("pm8000", seed=1)
    before = meter.values
    time.sleep(1.1)

    assert meter.values == before
    meter.advance(3600)
    assert meter.values["active_energy_import_total"] > before["active_energy_import_total"]
    assert meter.values["voltage_phase_a"] != before["voltage_phase_a"]


def test_same_seed_gives_the_same_values(simulated_meter: MeterFactory) -> None:
    one, twin, other = (simulated_meter("pm8000", seed=seed) for seed in (1, 1, 2))
    for meter in (one, twin, other):
        meter.advance(60)

    assert one.values == twin.values
    assert one.values != other.values


def test_quantity_is_held_until_it_is_released(simulated_meter: MeterFactory) -> None:
    meter = simulated_meter("pm8000")
    meter.set("voltage_phase_a", 253.5)
    meter.advance(60)

    assert voltage(meter) == 253.5
    meter.release("voltage_phase_a")
    assert 200 < voltage(meter) < 253


def test_quantity_is_set_by_the_name_of_its_point_too(simulated_meter: MeterFactory) -> None:
    meter = simulated_meter("pm8000")
    meter.set("active_energy_import", 5_000_000)

    with BlockingLink(meter.url) as link:
        report = link.read(meter.unit.profile)
    assert (report["active_energy_import"].value, report["active_energy_import"].unit) == (
        *(5_000_000, "Wh"),
    )


def test_frozen_quantities_stay_and_the_others_move(simulated_meter: MeterFactory) -> None:
    meter = simulated_meter("pm8000")
    before = meter.values
    meter.freeze("voltage_phase_a")
    meter.advance(60)

    assert meter.values["voltage_phase_a"] == before["voltage_phase_a"]
    assert meter.values["voltage_phase_b"] != before["voltage_phase_b"]


def test_whole_meter_is_frozen_and_released(simulated_meter: MeterFactory) -> None:
    meter = simulated_meter("pm8000")
    before = meter.values
    meter.freeze()
    meter.advance(60)
    frozen = meter.values
    meter.release()

    assert frozen == before
    assert meter.values != before


def test_counters_start_again_at_zero_held_ones_too(simulated_meter: MeterFactory) -> None:
    meter = simulated_meter("pm8000")
    meter.set("active_energy_import_total", 5e6)
    meter.reset_counters()

    assert meter.values["active_energy_import_total"] == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("voltage_fase_a", "did you mean voltage_phase_a"),
        ("colour", "shows no colour"),
        ("meter_type", "is fixed in the simulator"),
    ],
)
def test_what_cannot_be_set_is_told_in_words(
    simulated_meter: MeterFactory, name: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        simulated_meter("electric").set(name, 1)


def test_requests_are_seen_in_order(simulated_meter: MeterFactory) -> None:
    meter = simulated_meter("pm8000")
    with BlockingLink(meter.url) as link:
        link.unit(1).read_holding_registers(3027, 6)
        link.unit(9).read_holding_registers(2999)
        link.unit(1).report_server_id()

    seen = [(each.unit, each.function, each.address, each.count) for each in meter.requests]
    assert seen == [(1, 3, 3027, 6), (9, 3, 2999, 1), (1, 17, None, None)]
    assert meter.requests[0].at_s <= meter.requests[1].at_s <= time.monotonic()
    meter.forget_requests()
    assert meter.requests == ()


def test_requests_of_a_program_in_the_background_are_waited_for(
    simulated_meter: MeterFactory,
) -> None:
    meter = simulated_meter("pm8000")
    program = threading.Timer(0.05, voltage, [meter])
    program.start()
    meter.wait_for_requests(1)

    assert len(meter.requests) == 1
    with pytest.raises(TimeoutError, match=r"1 of 2 requests came within 0\.05 s"):
        meter.wait_for_requests(2, timeout_s=0.05)
    program.join()


@pytest.mark.parametrize(
    "listen", ["rtu+tcp://127.0.0.1:0", "udp://127.0.0.1:0", "rtu+udp://127.0.0.1:0"]
)
def test_meter_listens_in_other_ways(simulated_meter: MeterFactory, listen: str) -> None:
    meter = simulated_meter("pm8000", unit=7, listen=listen)
    meter.set("voltage_phase_a", 231.5)

    with BlockingLink(meter.url) as link:
        assert link.read(meter.unit.profile, 7).as_dict()["voltage_phase_a"] == 231.5
    assert meter.url.startswith(listen.removesuffix("0"))


def test_meter_is_reached_over_tls(simulated_meter: MeterFactory, tmp_path: Path) -> None:
    files = Pki(tmp_path).sign("meter")
    meter = simulated_meter("pm8000", listen=f"tls://127.0.0.1:0?cert={files.cert}&key={files.key}")

    with BlockingLink(f"{meter.url}?ca={files.ca}") as link:
        assert link.read(meter.unit.profile).is_complete
    assert meter.url == f"tls://127.0.0.1:{meter.port}"


def test_serial_line_is_no_port(simulated_meter: MeterFactory) -> None:
    with pytest.raises(ConfigError, match="take a PtyBus"):
        simulated_meter("pm8000", listen="rtu:///dev/ttyUSB0")


@on_each_loop
def test_meter_is_of_use_in_asyncio(simulated_meter: MeterFactory, loop: str) -> None:
    meter = simulated_meter("pm8000", seed=1)

    async def program() -> list[Any]:
        async with Link.to(meter.url, timeout_s=0.1) as link:
            reader = MeterReader(link.unit(1), meter.unit.profile)
            values = []
            for volts in (230.0, 231.0):
                meter.set("voltage_phase_a", volts)
                values.append((await reader.read())["voltage_phase_a"].value)
            with meter.fault("silence"), pytest.raises(RequestTimeout):
                await link.unit(1).read_holding_registers(3027, 2)
            return values

    assert run(program(), loop) == [230.0, 231.0]


def test_double_without_the_fixture_closes_its_port() -> None:
    with MeterDouble("electric") as meter:
        socket.create_connection((meter.host, meter.port), timeout=5).close()
    meter.close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((meter.host, meter.port), timeout=5)


def test_port_that_is_taken_is_told_and_nothing_stays_behind() -> None:
    threads = set(threading.enumerate())
    with MeterDouble("electric") as meter, pytest.raises(ConfigError, match="cannot listen"):
        MeterDouble("electric", listen=meter.url)
    assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize("name", ["water", "gas", "multical-603", "sdm120"])
def test_meters_of_every_kind_can_be_had(simulated_meter: MeterFactory, name: str) -> None:
    meter = simulated_meter(name)
    with BlockingLink(meter.url) as link:
        report = link.read(meter.unit.profile)

    assert report.is_complete
