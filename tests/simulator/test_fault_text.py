"""Faults as people write them, and what they are told when it is wrong."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.errors import ConfigError
from energymeter.simulator.faults import KINDS, Fault, parse_duration, parse_fault
from energymeter.simulator.faults.amount import Amount, Measure


@pytest.mark.parametrize(
    "text",
    [
        "late",
        "late=500ms",
        "late=500ms:0.1",
        "late=500ms:0.1,unit=3",
        "late=20ms-50ms,unit=1-3,unit=7,function=3,address=10-20,wire=2,for=20s,times=3",
        "exception=2",
        "holes=10-20",
        "max_read=50",
        "counter_jump=9113.5",
        "counter_jump=-7",
        "dead:0.25,for=0.5s",
        "wrong_unit=9",
    ],
)
def test_what_is_read_is_written_the_same(text: str) -> None:
    fault = parse_fault(text)
    assert parse_fault(str(fault)) == fault
    assert str(fault) == text.replace("for=0.5s", "for=500ms")


@pytest.mark.parametrize(
    "table",
    [
        {"fault": "late=500ms:0.1,unit=3,unit=5-7,for=20s,times=4"},
        {"fault": "late=500ms", "probability": 0.1, "unit": [3, "5-7"], "for": "20s", "times": 4},
        {
            "fault": "late",
            "amount": "500ms",
            "probability": "0.1",
            "unit": ["3", "5-7"],
            "for": "20s",
            "times": "4",
        },
    ],
)
def test_a_table_says_the_same_as_a_text(table: dict[str, Any]) -> None:
    assert str(parse_fault(table)) == "late=500ms:0.1,unit=3,unit=5-7,for=20s,times=4"


def test_numbers_may_be_numbers() -> None:
    fault = parse_fault({"fault": "exception", "amount": 2, "unit": 3, "address": "4-5"})
    assert str(fault) == "exception=2,unit=3,address=4-5"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("dea", "did you mean dead"),
        ("qqq", "there are: down, "),
        ("", "there is no fault ''"),
        ("late=soon", "'soon' is no duration, write 500ms"),
        ("late=500", "is no duration"),
        ("late=2s-1s", "is not a duration"),
        ("dead=3", "dead has no amount"),
        ("holes", "holes needs an amount"),
        ("max_read=-1", "no number"),
        ("max_read=1-2", "is not a whole number"),
        ("exception=0", "is not an exception code"),
        ("exception=256", "use 0 to 255"),
        ("holes=20-10", "the smaller number first"),
        ("counter_jump=much", "is not a number"),
        ("counter_jump=nan", "is not a number"),
        ("late:0", "more than 0 and up to 1"),
        ("late:1.5", "more than 0 and up to 1"),
        ("late:often", "more than 0 and up to 1"),
        ("late,unit", "unit has no value"),
        ("late,unit=", "unit has no value"),
        ("late,unit=300", "unit: '300' is not possible, use 0 to 255"),
        ("late,units=3", "did you mean unit"),
        ("late,for=0s", "over at once"),
        ("late,for=1s,for=2s", "for is given 2 times"),
        ("late,times=0", "use 1 or more"),
        ("late,times=1.5", "use 1 or more"),
        ({}, "needs the key fault"),
        ({"fault": 3}, "needs the key fault"),
        ({"fault": "late=1s", "amount": "2s"}, "amount is given twice"),
        ({"fault": "late", "unit": 3.5}, "no number and no range"),
        ({"fault": "late", "unit": True}, "no number and no range"),
        ({"fault": "late", "amount": ["1s", "2s"]}, "amount is given 2 times"),
        ({"fault": "late", "for": 20}, "no duration"),
        ({"fault": "late", "probability": True}, "more than 0 and up to 1"),
        ({"fault": "late", "delay": "1s"}, "there is no key 'delay'"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(source: str | dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_fault(source)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("20s", 20.0), ("1.5min", 90.0), ("1h", 3600.0), ("2d", 172800.0)],
)
def test_durations_have_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


RANGES = st.lists(
    st.tuples(st.integers(0, 127), st.integers(0, 127)).map(lambda pair: (min(pair), max(pair))),
    max_size=3,
).map(tuple)
AMOUNTS = {
    Measure.NONE: st.none(),
    Measure.DURATION: st.integers(0, 100_000).map(lambda ms: Amount(ms / 1000, ms / 1000)),
    Measure.COUNT: st.integers(0, 65535).map(lambda n: Amount(n, n)),
    Measure.CODE: st.integers(1, 255).map(lambda n: Amount(n, n)),
    Measure.UNITS: st.integers(0, 255).map(lambda n: Amount(n, n)),
    Measure.ADDRESSES: st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(
        lambda pair: Amount(*sorted(pair))
    ),
    Measure.NUMBER: st.integers(-(10**9), 10**9).map(lambda n: Amount(n / 100, n / 100)),
}


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    kind = KINDS[draw(st.sampled_from(list(KINDS)))]
    return Fault(
        kind=kind,
        amount=draw(AMOUNTS[kind.measure]),
        probability=draw(st.integers(1, 100)) / 100,
        units=draw(RANGES),
        functions=draw(RANGES),
        addresses=draw(RANGES),
        wires=draw(RANGES),
        for_s=draw(st.none() | st.integers(1, 10**6).map(lambda ms: ms / 1000)),
        times=draw(st.none() | st.integers(1, 1000)),
    )


@given(fault=faults())
def test_any_fault_can_be_written_and_read_back(fault: Fault) -> None:
    if fault.amount is None and fault.kind.is_amount_needed:
        return
    again = parse_fault(str(fault))
    assert str(again) == str(fault)
    assert again.kind is fault.kind
    assert math.isclose(again.probability, fault.probability)


@given(text=st.text(max_size=40))
def test_any_text_is_a_fault_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse_fault(text)
