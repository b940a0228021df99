"""Every kind of fault on the bytes it makes, without sockets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.simulator.faulty import WireBench, answer_of, read_pdu, registers_of

from energymeter.codec import Framing, Side
from energymeter.codec.checksum import crc16
from energymeter.codec.framers import make_framer
from energymeter.errors import ConfigError
from energymeter.server import Chunk
from energymeter.simulator.faults import KINDS, parse_fault
from energymeter.transports import Way

on_each_framing = pytest.mark.parametrize("framing", list(Framing))
WRITE = bytes.fromhex("06 0005 0007")


@on_each_framing
def test_without_faults_the_answer_is_the_honest_one(framing: Framing) -> None:
    bench = WireBench(framing=framing)
    assert bench.chunks() == (Chunk(0.0, bench.encoded(answer_of())),)
    assert bench.chunks(unit=9) == ()


@on_each_framing
def test_a_fault_for_somebody_else_changes_nothing(framing: Framing) -> None:
    bench = WireBench("dead,unit=2", "late=1s,function=4", "garbage,address=50", framing=framing)
    assert bench.chunks() == (Chunk(0.0, bench.encoded(answer_of())),)


# Not answered


@on_each_framing
@pytest.mark.parametrize("kind", ["dead", "swallow"])
def test_dead_and_swallow_do_nothing_and_say_nothing(kind: str, framing: Framing) -> None:
    bench = WireBench(kind, framing=framing)
    assert bench.chunks(WRITE) == ()
    assert bench.meters[1].asked == []


def test_silence_does_what_is_asked_and_says_nothing() -> None:
    bench = WireBench("silence")
    assert bench.chunks(WRITE) == ()
    assert bench.meters[1].asked == [WRITE]


def test_one_dead_unit_leaves_the_others_alone() -> None:
    bench = WireBench("dead,unit=2")
    assert bench.answer(unit=2) is None
    assert bench.answer(unit=1) == bench.answer(unit=3) == answer_of()


# Refused


@on_each_framing
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("exception", 4),
        ("exception=2", 2),
        ("busy", 6),
        ("busy=5", 5),
        ("gateway_busy", 10),
        ("gateway_failed", 11),
    ],
)
def test_a_refusal_is_an_exception_and_nothing_is_done(
    fault: str, code: int, framing: Framing
) -> None:
    bench = WireBench(fault, framing=framing)
    assert bench.answer(WRITE) == bytes((0x86, code))
    assert bench.meters[1].asked == []


def test_a_unit_that_is_not_there_refuses_nothing_but_its_gateway_does() -> None:
    assert WireBench("exception").answer(unit=9) is None
    assert WireBench("gateway_failed").answer(unit=9) == b"\x83\x0b"


def test_the_first_of_two_refusals_is_the_one() -> None:
    assert WireBench("exception=2", "exception=3").answer() == b"\x83\x02"


@pytest.mark.parametrize(
    ("pdu", "is_refused"),
    [
        (read_pdu(8, 2), False),
        (read_pdu(9, 2), True),
        (read_pdu(12, 1), True),
        (read_pdu(13, 1), False),
        (bytes.fromhex("06 000b 0000"), True),
        (bytes.fromhex("08 0000 0000"), False),
    ],
)
def test_holes_refuse_what_touches_them(pdu: bytes, is_refused: bool) -> None:
    answer = WireBench("holes=10-12").answer(pdu)
    assert (answer == bytes((pdu[0] | 0x80, 2))) is is_refused


def test_max_read_refuses_longer_reads_of_registers() -> None:
    bench = WireBench("max_read=5")
    assert bench.answer(read_pdu(0, 5)) == answer_of(0, 5)
    assert bench.answer(read_pdu(0, 6)) == b"\x83\x03"
    assert bench.answer(read_pdu(0, 6, 4)) == b"\x84\x03"


@pytest.mark.parametrize("fault", ["gateway_failed", "gateway_busy", "exception", "busy"])
def test_a_broadcast_is_carried_out_and_never_answered(fault: str) -> None:
    bench = WireBench(fault, framing=Framing.RTU, way=Way.SERIAL)
    assert bench.chunks(WRITE, unit=0) == ()
    assert [meter.asked for meter in bench.meters.values()] == [[WRITE]] * 3


# Other registers


def test_reindexed_moves_later_values_up() -> None:
    bench = WireBench("reindexed=5")
    assert bench.answer(read_pdu(0, 5)) == answer_of(0, 5)
    moved = bench.answer(read_pdu(3, 4)) or b""
    assert registers_of(moved) == (103, 104, 106, 107)
    assert bench.answer(read_pdu(6, 2)) == answer_of(6, 2)


def test_reindexed_leaves_out_a_range() -> None:
    bench = WireBench("reindexed=5-7")
    assert registers_of(bench.answer(read_pdu(4, 4)) or b"") == (104, 108, 109, 110)
    assert registers_of(bench.answer(read_pdu(6, 2)) or b"") == (108, 109)
    assert registers_of(bench.answer(read_pdu(4, 2)) or b"") == (104, 108)


def test_reindexed_at_the_end_of_the_map_is_filled_with_zeros() -> None:
    bench = WireBench("reindexed=199")
    assert registers_of(bench.answer(read_pdu(198, 2)) or b"") == (298, 0)


# The envelope


@on_each_framing
@pytest.mark.parametrize(("fault", "unit"), [("wrong_unit", 2), ("wrong_unit=77", 77)])
def test_wrong_unit_answers_for_another(fault: str, unit: int, framing: Framing) -> None:
    bench = WireBench(fault, framing=framing)
    assert bench.data() == bench.encoded(answer_of(), unit=unit)


@on_each_framing
@pytest.mark.parametrize(("function", "other"), [(3, 4), (4, 3)])
def test_wrong_function_answers_another_question(
    function: int, other: int, framing: Framing
) -> None:
    bench = WireBench("wrong_function", framing=framing)
    assert bench.answer(read_pdu(function=function)) == answer_of(function=other)


def test_wrong_id_is_one_behind() -> None:
    bench = WireBench("wrong_id")
    assert bench.data() == bench.encoded(answer_of(), transaction=0)
    assert bench.data() == bench.encoded(answer_of(), transaction=1)


@pytest.mark.parametrize(("fault", "number"), [("constant_id", 0), ("constant_id=4660", 4660)])
def test_constant_id_never_changes(fault: str, number: int) -> None:
    bench = WireBench(fault)
    assert [bench.data()[:2] for _ in range(3)] == [number.to_bytes(2, "big")] * 3


@pytest.mark.parametrize("kind", ["wrong_id", "constant_id"])
def test_a_transaction_number_is_refused_where_there_is_none(kind: str) -> None:
    with pytest.raises(ConfigError, match="no wire here is one"):
        WireBench(kind, framing=Framing.RTU, way=Way.SERIAL)


# Spoilt bytes


def test_wrong_crc_spoils_the_crc_and_nothing_else() -> None:
    bench = WireBench("wrong_crc", framing=Framing.RTU)
    for _ in range(50):
        data = bench.data()
        assert data[:-2] == bench.encoded(answer_of())[:-2]
        assert crc16(data) != 0


def test_wrong_crc_in_ascii_is_a_wrong_lrc() -> None:
    bench = WireBench("wrong_crc", framing=Framing.ASCII)
    for _ in range(50):
        data = bench.data()
        assert data[:-4] == bench.encoded(answer_of())[:-4]
        assert data[-2:] == b"\r\n"
        assert make_framer(Framing.ASCII, Side.CLIENT).feed(data) == []


def test_wrong_crc_on_tcp_spoils_the_header_and_never_the_values() -> None:
    bench = WireBench("wrong_crc")
    for transaction in range(1, 51):
        data, honest = bench.data(), bench.encoded(answer_of(), transaction=transaction)
        wrong = [place for place in range(len(honest)) if data[place] != honest[place]]
        assert len(wrong) == 1
        assert wrong[0] in (5, 7, 8)


@on_each_framing
def test_garbage_is_as_long_as_the_answer(framing: Framing) -> None:
    bench = WireBench("garbage", framing=framing)
    honest = bench.encoded(answer_of())
    assert len(bench.data()) == len(honest)
    assert bench.data() not in (honest, bench.data())


@on_each_framing
@pytest.mark.parametrize(("fault", "share"), [("short", None), ("short=5", 5), ("short=999", -1)])
def test_short_ends_too_early(fault: str, share: int | None, framing: Framing) -> None:
    bench = WireBench(fault, framing=framing)
    honest = bench.encoded(answer_of())
    assert bench.data() == honest[: len(honest) // 2 if share is None else share]


@on_each_framing
def test_noise_is_around_a_whole_answer(framing: Framing) -> None:
    bench = WireBench("noise=3", framing=framing)
    sides = set()
    for transaction in range(1, 30):
        data, honest = bench.data(), bench.encoded(answer_of(), transaction=transaction)
        assert len(data) == len(honest) + 3
        sides.add(data.startswith(honest))
        assert data.startswith(honest) or data.endswith(honest)
    assert sides == {True, False}


@on_each_framing
def test_previous_is_always_one_behind(framing: Framing) -> None:
    bench = WireBench("previous", framing=framing)
    assert bench.data(read_pdu(0, 1)) == b""
    assert bench.data(read_pdu(10, 1)) == bench.encoded(answer_of(0, 1), transaction=1)
    assert bench.data(read_pdu(20, 1)) == bench.encoded(answer_of(10, 1), transaction=2)


# Pieces


@on_each_framing
def test_echo_sends_the_request_first(framing: Framing) -> None:
    bench = WireBench("echo", framing=framing)
    request, answer = bench.encoded(read_pdu()), bench.encoded(answer_of())
    assert [chunk.data for chunk in bench.chunks()] == [request, answer]


@on_each_framing
def test_duplicate_answers_twice(framing: Framing) -> None:
    bench = WireBench("duplicate=50ms", framing=framing)
    answer = bench.encoded(answer_of())
    assert bench.chunks() == [Chunk(0.0, answer), Chunk(0.05, answer)]


@on_each_framing
def test_glued_answers_leave_in_pairs(framing: Framing) -> None:
    bench = WireBench("glued", framing=framing)
    for first in (1, 3):
        assert bench.chunks(read_pdu(0, 1)) == ()
        both = bench.encoded(answer_of(0, 1), transaction=first)
        both += bench.encoded(answer_of(9, 1), transaction=first + 1)
        assert bench.chunks(read_pdu(9, 1)) == (Chunk(0.0, both),)


def test_what_was_held_back_leaves_even_when_the_fault_is_gone() -> None:
    bench = WireBench("glued,times=1")
    assert bench.chunks() == ()
    held = bench.encoded(answer_of(), transaction=1)
    assert bench.data() == held + bench.encoded(answer_of(), transaction=2)
    assert bench.data() == bench.encoded(answer_of(), transaction=3)


@on_each_framing
def test_split_comes_in_pieces_with_pauses(framing: Framing) -> None:
    bench = WireBench("split=30ms", framing=framing)
    counts = set()
    for transaction in range(1, 30):
        chunks = bench.chunks()
        whole = b"".join(chunk.data or b"" for chunk in chunks)
        assert whole == bench.encoded(answer_of(), transaction=transaction)
        pauses = [b.delay_s - a.delay_s for a, b in pairwise(chunks)]
        assert pauses == pytest.approx([0.03] * len(pauses))
        counts.add(len(chunks))
        bench.wait(1.0)
    assert counts == {2, 3, 4}


@pytest.mark.parametrize(("fault", "count"), [("hang_up", None), ("hang_up=3", 3)])
def test_hang_up_drops_in_the_middle(fault: str, count: int | None) -> None:
    bench = WireBench(fault)
    answer = bench.encoded(answer_of())
    count = len(answer) // 2 if count is None else count
    assert bench.chunks() == [Chunk(0.0, answer[:count]), Chunk(0.0, None)]


def test_hang_up_before_the_first_byte() -> None:
    assert WireBench("hang_up=0").chunks() == (Chunk(0.0, None),)


# Time


@pytest.mark.parametrize("kind", ["late", "latency"])
def test_late_answers_come_after_their_time(kind: str) -> None:
    (chunk,) = WireBench(f"{kind}=500ms").chunks()
    assert chunk.delay_s == 0.5


def test_a_range_of_latency_is_drawn_from() -> None:
    bench = WireBench("latency=20ms-50ms")
    delays = []
    for _ in range(50):
        (chunk,) = bench.chunks()
        delays.append(chunk.delay_s)
        bench.wait(1.0)
    assert len(set(delays)) == 50
    assert 0.02 <= min(delays) < max(delays) <= 0.05


def test_who_is_late_keeps_the_others_on_the_wire_waiting() -> None:
    bench = WireBench("late=500ms,unit=1")
    assert [chunk.delay_s for chunk in bench.chunks(unit=1)] == [0.5]
    assert [chunk.delay_s for chunk in bench.chunks(unit=2)] == [0.5]
    assert [chunk.delay_s for chunk in bench.chunks(unit=1)] == [1.0]
    bench.wait(0.75)
    assert [chunk.delay_s for chunk in bench.chunks(unit=3)] == [0.25]
    bench.wait(1.25)
    assert [chunk.delay_s for chunk in bench.chunks(unit=3)] == [0.0]


def test_answers_still_wait_when_the_late_fault_is_gone() -> None:
    bench = WireBench("late=500ms,times=1")
    bench.chunks()
    assert bench.misbehaviour.faults() == []
    assert [chunk.delay_s for chunk in bench.chunks()] == [0.5]


def test_slow_grows_with_what_waits_and_with_clients() -> None:
    bench = WireBench("latency=1s", "slow=100ms")
    delays = [bench.chunks()[0].delay_s for _ in range(3)]
    assert delays == pytest.approx([1.0, 2.1, 3.3])
    bench.wait(60.0)
    bench.wire.connections = lambda: 4
    assert bench.chunks()[0].delay_s == pytest.approx(1.3)


# Connections


def test_one_client_admits_one() -> None:
    bench = WireBench("one_client")
    assert bench.wire.admits(0)
    assert not bench.wire.admits(1)
    two = WireBench("one_client=2")
    assert two.wire.admits(1)
    assert not two.wire.admits(2)


def test_refuse_admits_nobody_but_answers_who_is_there() -> None:
    bench = WireBench("refuse")
    assert not bench.wire.admits(0)
    assert bench.answer() == answer_of()


def test_down_admits_nobody_and_drops_who_asks() -> None:
    bench = WireBench("down")
    assert not bench.wire.admits(0)
    assert bench.chunks() == (Chunk(0.0, None),)
    assert bench.meters[1].asked == []


@pytest.mark.parametrize("way", [Way.SERIAL, Way.UDP])
def test_down_is_silent_where_nothing_can_be_dropped(way: Way) -> None:
    bench = WireBench("down", framing=Framing.RTU, way=way)
    assert bench.chunks() == ()
    assert bench.wire.admits(0)


def test_one_unit_that_is_down_does_not_take_the_gateway_with_it() -> None:
    bench = WireBench("down,unit=2")
    assert bench.wire.admits(5)
    assert bench.chunks(unit=2) == ()
    assert bench.answer(unit=1) == answer_of()


def test_a_reboot_is_down_for_its_time_and_restarts_the_meters() -> None:
    bench = WireBench("reboot=5s")
    assert [meter.restarts for meter in bench.meters.values()] == [1, 1, 1]
    assert bench.chunks() == (Chunk(0.0, None),)
    bench.wait(4.9)
    assert not bench.wire.admits(0)
    bench.wait(0.2)
    assert bench.wire.admits(0)
    assert bench.answer() == answer_of()


def test_a_reboot_of_one_unit_is_its_own() -> None:
    bench = WireBench("reboot=5s,unit=2")
    assert [meter.restarts for meter in bench.meters.values()] == [0, 1, 0]
    assert bench.answer(unit=2) is None
    assert bench.answer(unit=1) == answer_of()


def test_a_reboot_by_chance_begins_with_a_request() -> None:
    bench = WireBench("reboot=5s:0.2", seed=3)
    answers = [bench.chunks() for _ in range(40)]
    begin = answers.index((Chunk(0.0, None),))
    assert begin > 0
    assert set(answers[begin:]) == {(Chunk(0.0, None),)}
    bench.wait(5.0)
    assert {bench.answer() for _ in range(100)} == {answer_of()}


def test_a_counter_reset_happens_at_once_to_those_it_is_for() -> None:
    bench = WireBench("counter_reset,unit=2-3")
    assert [meter.resets for meter in bench.meters.values()] == [0, 1, 1]
    assert bench.misbehaviour.faults() == []


def test_a_meter_that_answers_every_unit_is_meant_by_any() -> None:
    bench = WireBench()
    (meter,) = (bench.meters[1],)
    bench.misbehaviour.wire({1: meter}, answers_all=True)
    bench.add("counter_reset,unit=9,wire=2")
    assert meter.resets == 1


def test_a_counter_reset_by_chance_is_the_asked_meters() -> None:
    bench = WireBench("counter_reset:0.5")
    while bench.misbehaviour.faults():
        bench.chunks(unit=3)
    assert [meter.resets for meter in bench.meters.values()] == [0, 0, 1]


# The table


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_on_and_a_wire_still_lives(kind: str) -> None:
    needs = {"holes": "=10", "max_read": "=5", "reindexed": "=5"}
    bench = WireBench(kind + needs.get(kind, ""))
    bench.wire.admits(3)
    bench.chunks()
    bench.misbehaviour.clear()
    bench.wait(100.0)
    bench.data()  # what was held back is sent with this one
    assert bench.answer() == answer_of()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_explains_itself_in_one_line(kind: object) -> None:
    line = getattr(kind, "line", "")
    assert 10 < len(line) <= 85
    assert "\n" not in line
    assert line[0].islower()
    assert not line.endswith(".")


@pytest.mark.parametrize("name", ["late", "holes=3", "max_read=1"])
def test_a_kind_is_found_by_its_name(name: str) -> None:
    assert parse_fault(name).kind is KINDS[name.partition("=")[0]]
