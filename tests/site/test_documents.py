"""The pages about the site file: nothing is left out, and what is printed there works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from tests.docs.blocks import ROOT, blocks_of
from tests.site.files import loaded, view_of
from tests.site.reference import PARTS, SHARED, table_of

from energymeter.site import site_warnings
from energymeter.site.units import parse_bytes, parse_duration

REFERENCE: Final = ROOT / "docs" / "reference" / "site-file.md"
HOWTO: Final = ROOT / "docs" / "howto" / "write-a-site-file.md"
SINKS: Final = [name for name, part in PARTS.items() if "meters" in part["properties"]]
OTHERS: Final = [name for name in PARTS if name not in SINKS]


@pytest.mark.parametrize("name", OTHERS)
def test_every_key_is_in_the_reference_as_the_model_has_it(name: str) -> None:
    assert table_of(name) in REFERENCE.read_text("utf-8")


@pytest.mark.parametrize("name", SINKS)
def test_every_key_of_a_sink_is_in_the_reference_as_the_model_has_it(name: str) -> None:
    page = REFERENCE.read_text("utf-8")
    kind = PARTS[name]["properties"]["type"]["const"]

    section = page.partition(f"\n### {kind}\n")[2].partition("\n### ")[0]
    assert table_of(name, leave=SHARED) in section


def test_what_sinks_have_in_common_is_in_the_reference() -> None:
    assert table_of("CsvEntry", only=SHARED) in REFERENCE.read_text("utf-8")
    for name in SINKS:
        own = set(table_of(name, only=SHARED).splitlines())
        assert own <= set(table_of("CsvEntry", only=SHARED).splitlines())


def test_durations_and_sizes_are_written_as_the_reference_says() -> None:
    rows = dict(re.findall(r"^\| (duration|size) \|(.+)\|$", REFERENCE.read_text(), re.MULTILINE))

    durations = [parse_duration(text) for text in re.findall(r"`([^`]+)`", rows["duration"])]
    assert durations == [0.5, 10, 900, 3600, 604_800, 1_209_600, 31_536_000]
    sizes = [parse_bytes(text) for text in re.findall(r"`([^`]+)`", rows["size"])]
    assert sizes == [500_000, 100_000_000, 2_000_000_000]


def test_the_file_of_the_reference_is_a_sound_site(tmp_path: Path) -> None:
    block = next(block for block in blocks_of(REFERENCE, "text") if "[[meter]]" in block.text)

    view = view_of(tmp_path, block.text)

    assert len(view.meters()) == 10
    assert site_warnings(view) == []


def test_the_blocks_of_the_howto_are_a_sound_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "hunter2")
    monkeypatch.setenv("ENERGYMETER_TOKEN", "hunter2")
    text = "\n".join(b.text for b in blocks_of(HOWTO, "text") if b.text.startswith("["))

    view = view_of(tmp_path, text)

    assert len(view.meters()) == 33
    assert site_warnings(view) == []
    assert len(loaded(tmp_path, text).sink) == 2
