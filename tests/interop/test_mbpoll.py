"""mbpoll 1.4 against `energymeter simulate`, both as programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.interop.meters import StandingMeter, Values, read_here
from tests.interop.programs import Program, mbpoll, run_mbpoll, simulate

from energymeter.blocking import BlockingLink
from energymeter.profiles import Profile, ProfileLibrary

FLUIDS = ["water", "gas"]
KINDS = ["electric", *FLUIDS]
TYPE_NUMBERS = {"electric": 0, "water": 1, "gas": 2}

Meter = tuple[Profile, int]
"""What is simulated, and on which port."""

Standing = Callable[[str], Meter]
"""Gives a meter of a kind that stands still."""


@pytest.fixture(scope="module")
def standing() -> Iterator[Standing]:
    """A simulator process of a kind, told to stand still by writing 0 to register 100."""
    programs: dict[str, tuple[Program, Meter]] = {}

    def start(kind: str) -> Meter:
        if kind not in programs:
            program, port = simulate("-t", kind, "--seed", "7")
            programs[kind] = program, (ProfileLibrary().load(f"energymeter/{kind}"), port)
            with BlockingLink("127.0.0.1", port, timeout_s=5) as link:
                link.unit(1).write_register(100, 0)
        return programs[kind][1]

    yield start
    for program, _ in programs.values():
        program.stop()


@pytest.fixture
def moving(request: pytest.FixtureRequest) -> Iterator[Meter]:
    """A simulator process of its own for a test that changes something; its values move."""
    program, port = simulate("-t", request.param)
    with program:
        yield ProfileLibrary().load(f"energymeter/{request.param}"), port


def numbers(printed: dict[int, str]) -> dict[int, int]:
    return {reference: int(value) for reference, value in printed.items()}


def read_same_second(profile: Profile, command: str, port: int) -> tuple[dict[int, str], Values]:
    """What mbpoll and our reader say of a meter that moves once a second, between two moves."""
    for _ in range(20):
        before = read_here(profile, port)
        printed = mbpoll(command, port)
        if read_here(profile, port) == before:
            return printed, before
    pytest.fail("the values never stood still")


@pytest.mark.parametrize(
    ("command", "references"),
    [
        ("-t 4 -r 1 -c 6", range(1, 7)),
        ("-t 4 -r 11 -c 8", range(11, 19)),
        ("-t 4 -r 101 -c 2", range(101, 103)),
    ],
)
def test_documented_commands_work_with_the_port_as_an_option(
    standing: Standing, command: str, references: range
) -> None:
    _, port = standing("electric")

    done = run_mbpoll(*command.split(), "-p", str(port), "-1", "127.0.0.1")

    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"[{reference}]: \t" in done.stdout for reference in references)


@pytest.mark.parametrize("kind", KINDS)
def test_first_documented_command_shows_the_counter_and_the_rate(
    standing: Standing, kind: str
) -> None:
    profile, port = standing(kind)

    raw = numbers(mbpoll("-t 4 -r 1 -c 6", port))

    values = read_here(profile, port)
    counter, rate = (point.name for point in profile.points[:2])
    assert list(raw) == [1, 2, 3, 4, 5, 6]
    assert (raw[2] << 16 | raw[1]) / 100 == values[counter]
    assert (raw[4] << 16 | raw[3]) / 10 == values[rate]
    assert (raw[5], raw[6]) == (0, 0)
    assert values[counter] > 0


def test_second_documented_command_shows_the_electric_block(
    standing: Standing,
) -> None:
    profile, port = standing("electric")

    raw = numbers(mbpoll("-t 4 -r 11 -c 8", port))

    values = read_here(profile, port)
    assert {
        "voltage_phase_a": raw[11] / 10,
        "voltage_phase_b": raw[12] / 10,
        "voltage_phase_c": raw[13] / 10,
        "current_phase_a": raw[14] / 100,
        "current_phase_b": raw[15] / 100,
        "current_phase_c": raw[16] / 100,
        "frequency": raw[17] / 100,
        "power_factor_total": raw[18] / 1000,
    }.items() <= values.items()
    assert 200 < values["voltage_phase_a"] < 260


@pytest.mark.parametrize("kind", FLUIDS)
def test_block_of_the_fluid_meters_is_as_documented(standing: Standing, kind: str) -> None:
    profile, port = standing(kind)

    raw = numbers(mbpoll("-t 4 -r 21 -c 3", port))

    values = read_here(profile, port)
    assert {
        "int_flow_rate": raw[21] / 10,
        "temperature": (raw[22] - 500) / 10,
        "pressure": raw[23] / 100,
    }.items() <= values.items()


@pytest.mark.parametrize("moving", KINDS, indirect=True)
def test_third_documented_command_shows_status_and_type(moving: Meter) -> None:
    profile, port = moving

    raw = numbers(mbpoll("-t 4 -r 101 -c 2", port))

    assert raw == {101: 1, 102: TYPE_NUMBERS[profile.model]}


@pytest.mark.parametrize("kind", KINDS)
def test_input_registers_mirror_the_holding_registers(standing: Standing, kind: str) -> None:
    _, port = standing(kind)

    assert mbpoll("-t 3 -r 1 -c 102", port) == mbpoll("-t 4 -r 1 -c 102", port)


@pytest.mark.parametrize("moving", KINDS, indirect=True)
def test_coils_and_discrete_inputs_say_online_no_alarms_and_communication_ok(
    moving: Meter,
) -> None:
    _, port = moving

    coils = numbers(mbpoll("-t 0 -r 1 -c 11", port))
    inputs = numbers(mbpoll("-t 1 -r 1 -c 13", port))

    assert list(coils.values()) == [1, 1, 1] + [0] * 8
    assert list(inputs.values()) == [1, 1, 1] + [0] * 10


@pytest.mark.parametrize("moving", KINDS, indirect=True)
def test_writing_coil_10_resets_the_counter_and_falls_back_to_off(moving: Meter) -> None:
    _, port = moving
    mbpoll("-t 4 -r 101", port, "0")
    before = numbers(mbpoll("-t 4:int -r 1 -c 2", port))

    mbpoll("-t 0 -r 11", port, "1")

    after = numbers(mbpoll("-t 4:int -r 1 -c 2", port))
    assert before[1] > 0
    assert after == {**before, 1: 0}
    assert numbers(mbpoll("-t 0 -r 11", port)) == {11: 0}


@pytest.mark.parametrize("moving", ["electric"], indirect=True)
def test_writing_0_to_the_status_register_takes_the_meter_offline_and_1_back(
    moving: Meter,
) -> None:
    _, port = moving

    mbpoll("-t 4 -r 101", port, "0")
    offline = mbpoll("-t 4 -r 101", port), mbpoll("-t 1 -r 1", port)
    mbpoll("-t 4 -r 101", port, "1")
    online = mbpoll("-t 4 -r 101", port), mbpoll("-t 1 -r 1", port)

    assert offline == ({101: "0"}, {1: "0"})
    assert online == ({101: "1"}, {1: "1"})


def test_long_integers_read_right_with_the_low_word_first_only(
    standing: Standing,
) -> None:
    profile, port = standing("electric")
    values = read_here(profile, port)

    low_first = numbers(mbpoll("-t 4:int -r 1 -c 2", port))
    high_first = numbers(mbpoll("-t 4:int -B -r 1 -c 2", port))

    energy = low_first[1]
    assert energy / 100 == values["active_energy_import_total"]
    assert low_first[3] / 10 == values["active_power_total"]
    assert high_first[1] & 0xFFFFFFFF == (energy & 0xFFFF) << 16 | energy >> 16


def test_hexadecimal_view_and_wire_addresses_show_the_same_registers(
    standing: Standing,
) -> None:
    _, port = standing("electric")

    decimal = numbers(mbpoll("-t 4 -r 11 -c 8", port))
    hexadecimal = mbpoll("-0 -t 4:hex -r 10 -c 8", port)

    assert {reference + 1: int(value, 16) for reference, value in hexadecimal.items()} == decimal


def test_every_unit_number_is_answered_alike(standing: Standing) -> None:
    _, port = standing("electric")

    answers = [mbpoll(f"-a {unit} -t 4 -r 11 -c 8", port) for unit in (0, 1, 17, 247, 255)]

    assert answers[1:] == answers[:-1]


def test_longest_read_is_served(pm8000: StandingMeter) -> None:
    assert len(mbpoll("-t 4:hex -r 3000 -c 125", pm8000.port)) == 125


def test_floats_of_a_pm8000_have_the_high_word_first() -> None:
    program, port = simulate("--profile", "pm8000")
    with program:
        profile = ProfileLibrary().load("pm8000")
        voltages, values = read_same_second(profile, "-t 4:float -B -r 3028 -c 3", port)

    # mbpoll prints six digits.
    assert voltages == {
        3028: f"{values['voltage_phase_a']:.6g}",
        3030: f"{values['voltage_phase_b']:.6g}",
        3032: f"{values['voltage_phase_c']:.6g}",
    }


def test_all_floats_of_a_standing_pm8000_are_what_our_reader_reads(pm8000: StandingMeter) -> None:
    floats = [point for point in pm8000.profile.points if point.type.is_float]

    printed = mbpoll("-t 4:float -B -r 3000 -c 56", pm8000.port)

    values = pm8000.read()
    assert len(floats) == 19
    assert {point.name: printed[point.address + 1] for point in floats} == {
        point.name: f"{values[point.name]:.6g}" for point in floats
    }


def test_counters_of_a_pm8000_are_what_our_reader_reads(pm8000: StandingMeter) -> None:
    words = mbpoll("-t 4:hex -r 3204 -c 4", pm8000.port)

    energy = int("".join(word.removeprefix("0x") for word in words.values()), 16)
    assert energy == pm8000.read()["active_energy_import"] > 0


def test_address_beyond_the_map_is_refused_in_words(standing: Standing) -> None:
    _, port = standing("electric")

    done = run_mbpoll("-t", "4", "-r", "103", "-p", str(port), "-1", "127.0.0.1")

    assert done.returncode == 1
    assert "Illegal data address" in done.stderr


@pytest.mark.parametrize(
    ("write", "reason"),
    [("-t 4 -r 101 7", "Illegal data value"), ("-t 4 -r 11 2300", "Illegal data address")],
)
def test_write_that_cannot_be_is_refused_in_words(
    standing: Standing, write: str, reason: str
) -> None:
    _, port = standing("electric")
    *options, value = write.split()

    done = run_mbpoll(*options, "-p", str(port), "-1", "127.0.0.1", value)

    assert done.returncode == 1
    assert reason in done.stderr
