"""Names of CSV files: safe, different, and understood again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sinks.polls import START_US

from energymeter.sinks.csv_names import (
    Rotation,
    end_of_file,
    file_name,
    file_stem,
    file_stems,
    period_of,
)

NASTY = st.text(st.sampled_from("aA./\\:*?~ _\x00\n\u0301é") | st.characters(), max_size=150)


@pytest.mark.parametrize("name", ["main", "Main meter (7)", "zähler.1-a", "_x"])
def test_a_usual_name_stays_as_it_is(name: str) -> None:
    assert file_stem(name) == name


@pytest.mark.parametrize(
    "name", ["..", ".", "a/../../b", "C:\\x", "con", "NUL.txt", "a:b", "x.", " ", "é" * 120, "a~b"]
)
def test_a_name_that_could_lead_elsewhere_is_changed(name: str) -> None:
    stem = file_stem(name)
    assert "~" in stem
    assert not set(stem) & set('/\\:*?"<>|\0')
    assert stem.strip(" .") == stem


@given(NASTY)
def test_every_name_is_one_short_name_in_its_folder(name: str) -> None:
    stem = file_stem(name)
    assert Path(stem).name == stem
    assert stem not in ("", ".", "..")
    assert len(file_name(stem, "2026-01-31T12", 1000).encode()) <= 200
    stem.encode()


@given(NASTY, NASTY)
def test_different_names_have_different_files_also_without_capitals(one: str, other: str) -> None:
    if one != other:
        stems = file_stems([one, other])
        assert len({stem.casefold() for stem in stems.values()}) == 2


@pytest.mark.parametrize(
    ("rotate", "period", "end"),
    [
        ("hour", "2026-01-31T12", datetime(2026, 1, 31, 13, tzinfo=UTC)),
        ("day", "2026-01-31", datetime(2026, 2, 1, tzinfo=UTC)),
        ("month", "2026-01", datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("number", [1, 2, 17])
def test_a_file_tells_when_its_period_ended(
    rotate: Rotation, period: str, end: datetime, number: int
) -> None:
    assert period_of(START_US, rotate) == period
    assert end_of_file(file_name("main", period, number), "main") == end


@pytest.mark.parametrize(
    "name",
    [
        "other_2026-01-31.csv",
        "main.csv",
        "main_2026-13-31.csv",
        "main_2026-01-31.txt",
        "main_2026-01-31.csv.bak",
        "main_2026.csv",
        "notes_main_2026-01-31.csv",
    ],
)
def test_a_file_of_somebody_else_is_none_of_ours(name: str) -> None:
    assert end_of_file(name, "main") is None
