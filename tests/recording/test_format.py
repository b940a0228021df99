"""A recording as text: what is written is read again, and what is broken says where."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.codec import Framing
from energymeter.errors import ConfigError
from energymeter.recording.format import (
    Event,
    Header,
    Lost,
    Noted,
    NotedValue,
    Opened,
    Received,
    Sent,
    TimedOut,
    parse_recording,
    render_event,
    render_header,
)

MOMENTS = st.integers(0, 10**12).map(lambda microseconds: microseconds / 1e6)
UNITS = st.integers(0, 255)
TEXTS = st.text(max_size=12)
LINES = st.text(max_size=20).map(
    lambda text: " ".join(text.encode(errors="replace").decode().split())
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS, st.just("-")
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Opened, MOMENTS),
    st.builds(Sent, MOMENTS, st.binary(max_size=20)),
    st.builds(Received, MOMENTS, st.binary(max_size=20)),
    st.builds(TimedOut, MOMENTS, UNITS),
    st.builds(Lost, MOMENTS, LINES),
    st.builds(Noted, MOMENTS, UNITS, st.builds(NotedValue, TEXTS, VALUES, TEXTS, TEXTS)),
)
HEADERS = st.builds(
    Header,
    st.sampled_from(Framing),
    st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)),
    st.none() | LINES,
    st.none() | LINES,
    st.none() | LINES,
)

HEAD = "energymeter recording 1\nframing: rtu\nstarted: 2026-01-31T12:00:00Z\n\n"


@given(HEADERS, st.lists(EVENTS, max_size=8))
def test_what_is_written_is_read_again(header: Header, events: list[Event]) -> None:
    text = render_header(header) + "".join(map(render_event, events))

    found = parse_recording(text.encode())

    assert found.header == header
    assert found.events == tuple(events)
    assert not found.is_cut_off


@given(HEADERS, st.lists(EVENTS, min_size=1, max_size=4), st.data())
def test_what_a_crash_leaves_is_read_up_to_the_last_whole_line(
    header: Header, events: list[Event], data: st.DataObject
) -> None:
    head = render_header(header).encode()
    lines = [render_event(event).encode() for event in events]
    whole = head + b"".join(lines)
    length = data.draw(st.integers(len(head), len(whole)))

    found = parse_recording(whole[:length])

    ends = [len(head) + sum(map(len, lines[: n + 1])) for n in range(len(lines))]
    complete = sum(end <= length for end in ends)
    assert found.events == tuple(events[:complete])
    assert found.is_cut_off == (length not in (len(head), *ends))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_recording_or_an_error(noise: bytes) -> None:
    for data in (noise, HEAD.encode() + noise + b"\n", HEAD.encode() + b"+1.0 # " + noise + b"\n"):
        with contextlib.suppress(ConfigError):
            parse_recording(data)


def test_a_recording_reads_well() -> None:
    header = Header(
        Framing.RTU, datetime(2026, 1, 31, 13, 0, tzinfo=UTC), "rtu:///dev/ttyUSB0", "sdm630", "t 1"
    )
    value = NotedValue("voltage_phase_a", 230.1, "V", "good")
    events: list[Event] = [
        Opened(0),
        Sent(0.25, bytes.fromhex("010400000002")),
        TimedOut(1.25, 3),
        Noted(2, 3, value),
        Noted(2, 3, NotedValue("serial number", None, "", "not_read")),
        Lost(12.345678, "the cable\nwas pulled"),
    ]

    text = render_header(header) + "".join(map(render_event, events))

    assert text == (
        "energymeter recording 1\n"
        "tool: t 1\n"
        "profile: sdm630\n"
        "wire: rtu:///dev/ttyUSB0\n"
        "framing: rtu\n"
        "started: 2026-01-31T13:00:00.000000Z\n"
        "\n"
        "+0.000000 * open\n"
        "+0.250000 > 010400000002\n"
        "+1.250000 ? timeout unit 3\n"
        "+2.000000 # 3 voltage_phase_a 230.1 V good\n"
        '+2.000000 # 3 "serial number" - "" not_read\n'
        "+12.345678 ! lost the cable was pulled\n"
    )


def test_comments_empty_lines_and_line_ends_of_windows_do_no_harm() -> None:
    text = f"{HEAD}# the request\n+1 > 0104\n\n+2.5 < 01\n".replace("\n", "\r\n")
    assert parse_recording(text.encode()).events == (Sent(1.0, b"\1\4"), Received(2.5, b"\1"))


def test_what_a_later_version_adds_to_the_header_is_passed_over() -> None:
    text = HEAD.replace("framing", "weather: fine\nframing")
    assert parse_recording(text.encode()).header.framing is Framing.RTU


def test_numbers_that_are_none_stay_what_they_are() -> None:
    line = render_event(Noted(0.0, 1, NotedValue("x", math.nan, "V", "good")))
    (event,) = parse_recording(f"{HEAD}{line}".encode()).events
    assert isinstance(event, Noted)
    assert isinstance(event.noted.value, float)
    assert math.isnan(event.noted.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 0),
        ("something else\n", 1),
        ("energymeter recording 2\n\n", 1),
        ("energymeter recording 1\nframing: rtu\n", 2),
        ("energymeter recording 1\nframing\n\n", 2),
        ("energymeter recording 1\nframing: rtu\n\n", 3),
        (HEAD.replace("rtu", "morse"), 4),
        (HEAD.replace("2026-01-31T12:00:00Z", "2026-01-31T12:00:00"), 4),
        (HEAD.replace("2026-01-31T12:00:00Z", "0001-01-01T00:00:00+23:00"), 4),
        (f"{HEAD}1.0 > 0104\n", 5),
        (f"{HEAD}+1.0 > 0104\n+1.0 >> 01\n", 6),
        (f"{HEAD}+1.0 > 014\n", 5),
        (f"{HEAD}+1.0 < 01 04\n", 5),
        (f"{HEAD}+-1.0 < 01\n", 5),
        (f"{HEAD}+1.0 ! gone\n", 5),
        (f"{HEAD}+1.0 ? timeout unit 256\n", 5),
        (f"{HEAD}+1.0 ? unit 2\n", 5),
        (f"{HEAD}+1.0 # 1 voltage 1.0 V\n", 5),
        (f"{HEAD}+1.0 # 1 voltage 1.0V V good\n", 5),
        (f"{HEAD}+1.0 # 1 voltage [1] V good\n", 5),
        (f'{HEAD}+1.0 # 1 "voltage 1 V good\n', 5),
        (f"{HEAD}+1.0 # x voltage 1 V good\n", 5),
        (f"{HEAD}+1.0 # 1 x {'[' * 100_000} V good\n", 5),
    ],
)
def test_a_broken_file_gives_one_sentence_with_the_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_recording(text.encode(), "meter.rec")
    assert caught.value.message.startswith(f"meter.rec, line {line}: ")
    assert len(caught.value.message) < 160


def test_bytes_that_are_no_text_are_named_by_their_line() -> None:
    with pytest.raises(ConfigError, match=r"^x, line 6: "):
        parse_recording(HEAD.encode() + b"+1.0 > 01\n\xff\n", "x")


def test_the_start_is_kept_in_utc_whatever_the_zone() -> None:
    started = datetime.fromisoformat("2026-01-31T14:00:00+02:00")
    text = render_header(Header(Framing.MBAP, started))
    assert "started: 2026-01-31T12:00:00.000000Z" in text
    assert parse_recording(text.encode()).header.started == started
    assert parse_recording(text.encode()).header.started.utcoffset() == timedelta(0)
