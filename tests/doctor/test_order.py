"""What is tried first, what is written how: the parts that need no wire."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.doctor.bench import SDM120, SDM630, case_of

from energymeter.codec import Framing, ReadRequest
from energymeter.doctor.line import settings_to_try
from energymeter.doctor.name import meant_address
from energymeter.doctor.patience import comfortable_s
from energymeter.doctor.probe import Event, Exchange, Kind
from energymeter.doctor.shape import Numbering, judge_numbers, varied
from energymeter.doctor.way import with_framing
from energymeter.transports import parse_wire


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("192.0.2.7", None),
        ("meter.example", None),
        ("fe80::1", None),
        ("192.0.2.010", "192.0.2.10"),
        ("192.0.002.09", "192.0.2.9"),
        ("192.0.2.300", "192.0.2.300"),
        ("192.0.2", "192.0.2"),
        ("12345", "12345"),
        pytest.param("9" * 5000, "9" * 5000, id="far too many digits"),
        pytest.param("0" * 5000 + "192.0.2.7", "192.0.2.7", id="far too many zeros"),
    ],
)
def test_what_a_person_means_by_numbers(host: str, meant: str | None) -> None:
    assert meant_address(host) == meant


def test_the_meters_factory_settings_are_tried_first_then_the_users_speed() -> None:
    case = case_of("rtu:///dev/ttyUSB0?baudrate=19200&parity=O", SDM120)

    walk = [str(settings) for settings in settings_to_try(case)]

    assert walk[:3] == ["2400 8N1", "19200 8N1", "19200 8E1"]
    assert "19200 8O1" not in walk
    assert len(walk) == len(set(walk))


def test_ascii_is_looked_for_with_seven_bits_too() -> None:
    case = case_of("ascii:///dev/ttyUSB0?parity=E&bytesize=7")

    assert "19200 7E1" in [str(settings) for settings in settings_to_try(case)]
    case = case_of("rtu:///dev/ttyUSB0")
    assert all(settings.bytesize == 8 for settings in settings_to_try(case))


def test_units_a_device_without_a_bus_has_come_first_on_networks() -> None:
    assert list(case_of("tcp://192.0.2.7").units())[:3] == [255, 0, 2]
    assert 0 not in case_of("rtu+tcp://192.0.2.7").units()
    assert next(case_of("tcp://192.0.2.7", unit=3).units()) == 1


def test_commands_can_be_pasted() -> None:
    case = case_of("tcp://192.0.2.7:1502", SDM630, unit=3, timeout_s=2.0)

    wire = replace(case.wire, ignores_transactions=True)
    assert case.command(wire=wire) == (
        "energymeter read 'tcp://192.0.2.7:1502?ids=ignore' --profile eastron/sdm630 "
        "--unit 3 --timeout 2"
    )
    assert case.command(meter=()).startswith("energymeter doctor tcp://192.0.2.7:1502 --unit 3")


def test_a_time_out_in_the_url_is_raised_there() -> None:
    case = case_of("tcp://192.0.2.7?timeout=1s", SDM630, timeout_s=1.0)

    assert "timeout=5s" in case.command(timeout_s=5.0)
    assert "--timeout" not in case.command(timeout_s=5.0)


def test_another_envelope_takes_over_only_what_it_can_have() -> None:
    tcp = parse_wire("tcp://192.0.2.7?ids=ignore&pause=50ms")
    assert str(with_framing(tcp, Framing.RTU)) == "rtu+tcp://192.0.2.7:502?pause=50ms"
    rtu = parse_wire("rtu+tcp://192.0.2.7:502?baudrate=9600&echo=yes")
    assert str(with_framing(rtu, Framing.MBAP)) == "tcp://192.0.2.7:502"
    line = parse_wire("rtu:///dev/ttyUSB0?baudrate=2400")
    assert str(with_framing(line, Framing.ASCII)) == "ascii:///dev/ttyUSB0?baudrate=2400"


@pytest.mark.parametrize(
    ("seen_s", "wanted_s"), [(0.04, 0.1), (0.3, 0.6), (0.5, 1.0), (0.7, 2.0), (1.8, 4.0)]
)
def test_time_outs_that_are_recommended_have_room(seen_s: float, wanted_s: float) -> None:
    assert comfortable_s(seen_s) == pytest.approx(wanted_s)


def _exchange(number: int, request: ReadRequest, answer_id: int, words: int) -> Exchange:
    asked = number.to_bytes(2, "big") + bytes((0, 0, 0, 6, 1)) + request.pdu
    pdu = bytes((3, 2 * words)) + bytes(2 * words)
    frame = answer_id.to_bytes(2, "big") + (len(pdu) + 1).to_bytes(4, "big") + b"\x01" + pdu
    events = (Event(0.0, Kind.SENT, asked), Event(0.1, Kind.HEARD, frame))
    return Exchange(unit=1, request=request, events=events)


@pytest.mark.parametrize(
    ("ids", "words", "numbering"),
    [
        ((1, 2, 3), (2, 4, 6), Numbering.OWN),
        ((7, 7, 7), (2, 4, 6), Numbering.CONSTANT),
        ((0, 1, 2), (2, 4, 6), Numbering.FOREIGN),
        ((0, 1, 2), (9, 2, 4), Numbering.BEHIND),
        ((1, 2, 3), (9, 2, 4), Numbering.BEHIND),
    ],
)
def test_how_answers_are_numbered_is_seen_from_three(
    ids: tuple[int, ...], words: tuple[int, ...], numbering: Numbering
) -> None:
    first = ReadRequest(3, 0, 2)
    requests = [first, varied(first, 1), varied(first, 2)]

    exchanges = [
        _exchange(number, request, answer_id, count)
        for number, (request, answer_id, count) in enumerate(
            zip(requests, ids, words, strict=True), start=1
        )
    ]

    assert [request.count for request in requests] == [2, 4, 6]
    assert judge_numbers(exchanges) is numbering
