"""mbpoll 1.4 with `-m rtu` against our simulated meters behind a pty."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.interop.meters import Values, read_at
from tests.interop.programs import Program, run_mbpoll, values_of

from energymeter.profiles import ProfileLibrary
from energymeter.testing import PtyBus

METERS = {1: "electric", 2: "pm8000", 17: "electric"}


@pytest.fixture
def bus() -> Iterator[PtyBus]:
    with PtyBus(METERS, seed=7, baudrate=19200) as bus:
        yield bus


def poll(bus: PtyBus, options: str, *written: str) -> subprocess.CompletedProcess[str]:
    """Run mbpoll once at the near end of a line; 1 s for an answer."""
    line = ["-m", "rtu", "-b", "19200", "-P", "none", "-1"]
    return run_mbpoll(*line, *options.split(), bus.path, *written)


def printed(bus: PtyBus, options: str, *written: str) -> dict[int, str]:
    """The same, and all has to be well: reference -> value."""
    done = poll(bus, options, *written)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return values_of(done.stdout)


def numbers(values: dict[int, str]) -> dict[int, int]:
    return {reference: int(value) for reference, value in values.items()}


def read(bus: PtyBus, unit: int) -> Values:
    """All values of a meter, as our own reader has them."""
    return read_at(bus.url, bus.units[unit].profile, unit)


def test_documented_blocks_of_the_electric_map_are_what_our_reader_reads(bus: PtyBus) -> None:
    head = numbers(printed(bus, "-a 1 -t 4 -r 1 -c 6"))
    block = numbers(printed(bus, "-a 1 -t 4 -r 11 -c 8"))
    status = numbers(printed(bus, "-a 1 -t 4 -r 101 -c 2"))
    coils = numbers(printed(bus, "-a 1 -t 0 -r 1 -c 11"))
    inputs = numbers(printed(bus, "-a 1 -t 1 -r 1 -c 13"))

    values = read(bus, 1)
    assert (head[2] << 16 | head[1]) / 100 == values["active_energy_import_total"] > 0
    assert (head[4] << 16 | head[3]) / 10 == values["active_power_total"]
    assert {
        "voltage_phase_a": block[11] / 10,
        "voltage_phase_b": block[12] / 10,
        "voltage_phase_c": block[13] / 10,
        "current_phase_a": block[14] / 100,
        "current_phase_b": block[15] / 100,
        "current_phase_c": block[16] / 100,
        "frequency": block[17] / 100,
        "power_factor_total": block[18] / 1000,
    }.items() <= values.items()
    assert status == {101: 1, 102: 0}
    assert list(coils.values()) == [1, 1, 1] + [0] * 8
    assert list(inputs.values()) == [1, 1, 1] + [0] * 10


def test_all_floats_of_a_pm8000_are_what_our_reader_reads(bus: PtyBus) -> None:
    floats = [point for point in ProfileLibrary().load("pm8000").points if point.type.is_float]

    values = printed(bus, "-a 2 -t 4:float -B -r 3000 -c 56")

    ours = read(bus, 2)
    assert len(floats) == 19
    # mbpoll prints six digits.
    assert {point.name: values[point.address + 1] for point in floats} == {
        point.name: f"{ours[point.name]:.6g}" for point in floats
    }


def test_longest_read_is_whole(bus: PtyBus) -> None:
    assert len(printed(bus, "-a 2 -t 4:hex -r 3000 -c 125")) == 125


def test_every_unit_of_a_list_has_its_own_values(bus: PtyBus) -> None:
    done = poll(bus, "-a 1,17 -t 4 -r 11 -c 8")

    _, first, second = done.stdout.split("-- Polling slave ")
    assert values_of(first) == printed(bus, "-a 1 -t 4 -r 11 -c 8")
    assert values_of(second) == printed(bus, "-a 17 -t 4 -r 11 -c 8")
    assert values_of(first) != values_of(second)


def test_meter_is_taken_offline_and_back_and_its_counter_reset(bus: PtyBus) -> None:
    printed(bus, "-a 1 -t 4 -r 101", "0")
    offline = printed(bus, "-a 1 -t 4 -r 101")
    printed(bus, "-a 1 -t 4 -r 101", "1")
    printed(bus, "-a 1 -t 0 -r 11", "1")

    assert offline == {101: "0"}
    assert printed(bus, "-a 1 -t 4 -r 101") == {101: "1"}
    assert printed(bus, "-a 1 -t 4:int -r 1 -c 1") == {1: "0"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("-a 1 -t 4 -r 103", "Illegal data address"),
        ("-a 3 -t 4 -r 1 -o 0.2", "Connection timed out"),
    ],
)
def test_what_is_not_there_fails_in_words(bus: PtyBus, options: str, reason: str) -> None:
    done = poll(bus, options)

    assert done.returncode == 1
    assert reason in done.stderr


def test_simulate_answers_on_a_serial_line() -> None:
    with PtyBus(baudrate=19200) as bus:
        listen = f"rtu://{bus.far_path}?baudrate=19200"
        options = ["-t", "electric", "--seed", "7", "--unit", "5", "--listen", listen]
        with Program([sys.executable, "-m", "energymeter", "simulate", *options]) as program:
            program.wait_for(r"^wire 1: |^simulating .* on rtu:")
            printed(bus, "-a 5 -t 4 -r 101", "0")  # it stands still
            block = numbers(printed(bus, "-a 5 -t 4 -r 11 -c 8"))
            values = read_at(bus.url, ProfileLibrary().load("electric"), 5)

            assert block[11] / 10 == values["voltage_phase_a"]
            assert block[17] / 100 == values["frequency"]
            assert program.stop() == 0
