"""Every kind of fault there is, in one table: the help, the documents and REST are made from it."""

from __future__ import annotations

from typing import Final

from energymeter.codec import ExceptionCode
from energymeter.simulator.faults import answers, doors, frames, pieces, values
from energymeter.simulator.faults.amount import Amount, Measure
from energymeter.simulator.faults.kind import Kind, Stage, Where

__all__ = ["KINDS"]


def _number(number: float) -> Amount:
    return Amount(number, number)


_DOWN: Final = Kind(
    name="down",
    line="the device is off: open connections drop at the next request, none is admitted",
    stage=Stage.GATE,
    effect=doors.be_down,
    bars=doors.is_whole_device,
)

_ALL: Final = (
    _DOWN,
    Kind(
        name="reboot",
        line="the device restarts once: down for so long, then as after switching on",
        stage=Stage.GATE,
        effect=doors.reboot_then,
        happen=doors.reboot_now(_DOWN),
        measure=Measure.DURATION,
        usual=_number(5.0),
        times=1,
    ),
    Kind(
        name="refuse",
        line="no further connection is admitted; those that are there stay",
        stage=Stage.GATE,
        bars=doors.keep_out,
        where=Where.CONNECTED,
    ),
    Kind(
        name="one_client",
        line="only so many clients are admitted at a time",
        stage=Stage.GATE,
        bars=doors.has_enough,
        measure=Measure.COUNT,
        usual=_number(1),
        where=Where.CONNECTED,
    ),
    Kind(
        name="dead",
        line="the unit is off: nothing is done, nothing is said",
        stage=Stage.GATE,
        effect=answers.lose,
    ),
    Kind(
        name="swallow",
        line="the request is lost on its way, as in a gateway: nothing is done, nothing is said",
        stage=Stage.GATE,
        effect=answers.lose,
    ),
    Kind(
        name="counter_reset",
        line="the counters start again at zero",
        stage=Stage.GATE,
        effect=values.reset,
        happen=values.reset_all,
        times=1,
    ),
    Kind(
        name="exception",
        line="the unit refuses with this exception, and does nothing",
        stage=Stage.REFUSAL,
        effect=answers.refuse,
        concerns=answers.is_served,
        measure=Measure.CODE,
        usual=_number(ExceptionCode.SERVER_DEVICE_FAILURE),
    ),
    Kind(
        name="busy",
        line="exception 6, or 5: come again later",
        stage=Stage.REFUSAL,
        effect=answers.refuse,
        concerns=answers.is_served,
        measure=Measure.CODE,
        usual=_number(ExceptionCode.SERVER_DEVICE_BUSY),
    ),
    Kind(
        name="gateway_busy",
        line="exception 10 from the gateway: it has no way to the unit",
        stage=Stage.REFUSAL,
        effect=answers.refuse,
        usual=_number(ExceptionCode.GATEWAY_PATH_UNAVAILABLE),
    ),
    Kind(
        name="gateway_failed",
        line="exception 11 from the gateway: the unit did not answer it",
        stage=Stage.REFUSAL,
        effect=answers.refuse,
        usual=_number(ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND),
    ),
    Kind(
        name="holes",
        line="exception 2 for whatever touches these addresses",
        stage=Stage.REFUSAL,
        effect=answers.refuse_address,
        concerns=answers.touches_amount,
        measure=Measure.ADDRESSES,
        is_amount_needed=True,
    ),
    Kind(
        name="max_read",
        line="exception 3 for reads of more registers than this",
        stage=Stage.REFUSAL,
        effect=answers.refuse_length,
        concerns=answers.is_longer,
        measure=Measure.COUNT,
        is_amount_needed=True,
    ),
    Kind(
        name="frozen",
        line="the values stand still from the first such read on",
        stage=Stage.CONTENT,
        effect=values.freeze,
        concerns=values.is_read,
    ),
    Kind(
        name="counter_zero",
        line="the counters read zero, once",
        stage=Stage.CONTENT,
        effect=values.zero,
        concerns=values.reads_counter,
        times=1,
    ),
    Kind(
        name="counter_jump",
        line="the counters read so much more, as long as the fault is there",
        stage=Stage.CONTENT,
        effect=values.jump,
        concerns=values.reads_counter,
        measure=Measure.NUMBER,
        usual=_number(9113),
    ),
    Kind(
        name="reindexed",
        line="these addresses are left out of a read without a word; what follows moves up",
        stage=Stage.CONTENT,
        effect=answers.move_up,
        concerns=answers.spans_hidden,
        measure=Measure.ADDRESSES,
        is_amount_needed=True,
    ),
    Kind(
        name="silence",
        line="the answer is lost on its way: what was asked is done, nothing is said",
        stage=Stage.CONTENT,
        effect=answers.silence,
    ),
    Kind(
        name="wrong_unit",
        line="the answer comes from another unit, the next one or this one",
        stage=Stage.ENVELOPE,
        effect=frames.answer_other_unit,
        measure=Measure.UNITS,
    ),
    Kind(
        name="wrong_function",
        line="the answer is one to another function",
        stage=Stage.ENVELOPE,
        effect=frames.answer_other_function,
    ),
    Kind(
        name="wrong_id",
        line="the transaction number is one behind",
        stage=Stage.ENVELOPE,
        effect=frames.shift_id,
        where=Where.NUMBERED,
    ),
    Kind(
        name="constant_id",
        line="the transaction number is always this one, 0 unless given",
        stage=Stage.ENVELOPE,
        effect=frames.keep_id,
        measure=Measure.COUNT,
        usual=_number(0),
        where=Where.NUMBERED,
    ),
    Kind(
        name="previous",
        line="the answer to the request before is sent instead, the very first is silence",
        stage=Stage.SPOILING,
        effect=frames.send_previous,
    ),
    Kind(
        name="wrong_crc",
        line="the checksum is wrong; on tcp, udp and tls, which have none, the header",
        stage=Stage.SPOILING,
        effect=frames.spoil_checksum,
    ),
    Kind(
        name="garbage",
        line="random bytes instead of the answer, as many as it has",
        stage=Stage.SPOILING,
        effect=frames.send_garbage,
    ),
    Kind(
        name="short",
        line="the answer ends too early: after half of it, or after so many bytes",
        stage=Stage.SPOILING,
        effect=frames.cut_short,
        measure=Measure.COUNT,
    ),
    Kind(
        name="noise",
        line="random bytes before or after the answer, 1 to 8 or so many",
        stage=Stage.SPOILING,
        effect=frames.send_noise,
        measure=Measure.COUNT,
    ),
    Kind(
        name="echo",
        line="the request comes back first, as from a converter that hears itself",
        stage=Stage.WRITING,
        effect=pieces.echo_request,
    ),
    Kind(
        name="duplicate",
        line="the answer comes twice, the second time so long after the first",
        stage=Stage.WRITING,
        effect=pieces.send_twice,
        measure=Measure.DURATION,
        usual=_number(0.01),
    ),
    Kind(
        name="glued",
        line="the answer waits and goes out in one write with the next one",
        stage=Stage.WRITING,
        effect=pieces.hold_back,
        concerns=pieces.is_alone,
    ),
    Kind(
        name="split",
        line="the answer comes in two to four pieces with such pauses between them",
        stage=Stage.WRITING,
        effect=pieces.split,
        measure=Measure.DURATION,
        usual=_number(0.02),
    ),
    Kind(
        name="hang_up",
        line="the connection drops in the middle of the answer, or after so many bytes of it",
        stage=Stage.WRITING,
        effect=pieces.hang_up,
        measure=Measure.COUNT,
        where=Where.CONNECTED,
    ),
    Kind(
        name="latency",
        line="every answer takes so long",
        stage=Stage.TIMING,
        effect=pieces.take_longer,
        measure=Measure.DURATION,
        usual=_number(0.02),
    ),
    Kind(
        name="late",
        line="the answer comes so much later; the next ones wait behind it",
        stage=Stage.TIMING,
        effect=pieces.take_longer,
        measure=Measure.DURATION,
        usual=_number(1.0),
    ),
    Kind(
        name="slow",
        line="so much more for each request that waits and each further client",
        stage=Stage.TIMING,
        effect=pieces.grow_with_load,
        measure=Measure.DURATION,
        usual=_number(0.02),
    ),
)

KINDS: Final = {kind.name: kind for kind in _ALL}
"""By name, in the order of their stages, in which they also act."""
