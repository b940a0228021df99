"""The examples of the reference page are what they say they are."""

from __future__ import annotations

from pathlib import Path

from tests.docs.blocks import ROOT, blocks_of

from energymeter.codec import Table
from energymeter.recording.exchanges import exchanges_of
from energymeter.recording.format import parse_recording
from energymeter.recording.mapdump import parse_dump

PAGE: Path = ROOT / "docs" / "reference" / "recording-format.md"


def test_the_recording_on_the_page_is_one() -> None:
    recording, _ = blocks_of(PAGE, "text")
    header, events, is_cut_off = parse_recording(recording.text.encode())
    first, second = exchanges_of(header.framing, events)
    assert first.answer is not None
    assert (second.question.unit, second.answer) == (3, None)
    assert len(events) == 7
    assert not is_cut_off


def test_the_dump_on_the_page_is_one() -> None:
    _, dump = blocks_of(PAGE, "text")
    found = parse_dump(dump.text.encode())
    assert found.asked == {Table.HOLDING: range(100), Table.INPUT: range(501)}
    assert found.words == {Table.HOLDING: {}, Table.INPUT: {0: 0x4366, 1: 0x8000}}
