"""What a read costs on a serial line and on a network, against arithmetic done by hand."""

from __future__ import annotations

import pytest

from energymeter.codec.codes import Table
from energymeter.errors import ConfigError
from energymeter.planner import TCP_COST, Cost, serial_cost, tcp_cost


def test_cost_of_a_read_is_its_request_and_its_words() -> None:
    assert Cost(request_ms=3.0, word_ms=0.5).read_ms(10) == 8.0
    assert TCP_COST.read_ms(125) < 2 * TCP_COST.read_ms(1)


def test_eight_bits_are_a_byte_and_two_bytes_a_word() -> None:
    cost = Cost(request_ms=3.0, word_ms=0.5)

    assert [cost.bits_ms(bits) for bits in (1, 8, 9, 16, 17)] == [3.25, 3.25, 3.5, 3.5, 3.75]
    assert cost.table_ms(Table.COIL, 16) == cost.table_ms(Table.HOLDING, 1)


def test_read_on_a_serial_line_has_two_frames_two_silences_and_the_meters_time() -> None:
    # 8 + 5 + 2 * 10 characters of 10 bits, two silences of 3.5, 20 ms.
    assert serial_cost(9600, 20).read_ms(10) == pytest.approx((33 + 7) * 10 / 9.6 + 20)
    assert serial_cost(9600, 20, 11).read_ms(10) == pytest.approx((33 + 7) * 11 / 9.6 + 20)


@pytest.mark.parametrize(
    ("baud", "silence_ms"), [(1200, 29.1667), (19200, 1.8229), (19201, 1.75), (115200, 1.75)]
)
def test_silence_is_fixed_above_19200_baud(baud: int, silence_ms: float) -> None:
    characters_ms = 13 * 10_000 / baud

    assert serial_cost(baud, 0).request_ms == pytest.approx(
        characters_ms + 2 * silence_ms, rel=1e-4
    )


def test_read_on_a_network_has_the_round_trip_and_the_bytes() -> None:
    # 12 bytes there, 9 + 2 * 10 back, at 100 bytes a millisecond.
    assert tcp_cost(5, 100).read_ms(10) == pytest.approx(5 + 0.41)
    assert tcp_cost(5).read_ms(125) == pytest.approx(5.271)


@pytest.mark.parametrize(
    ("baud", "latency_ms", "bits"),
    [(0, 20, 10), (-9600, 20, 10), (9600, -1, 10), (9600, float("nan"), 10), (9600, 20, 8)],
)
def test_what_is_no_serial_line_is_refused(baud: int, latency_ms: float, bits: int) -> None:
    with pytest.raises(ConfigError):
        serial_cost(baud, latency_ms, bits)


@pytest.mark.parametrize(
    ("latency_ms", "speed"), [(-1, 1), (float("inf"), 1), (5, 0), (5, float("nan"))]
)
def test_what_is_no_network_is_refused(latency_ms: float, speed: float) -> None:
    with pytest.raises(ConfigError):
        tcp_cost(latency_ms, speed)
