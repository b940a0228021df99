"""From entries of a site file to sinks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from energymeter.errors import ConfigError
from energymeter.sinks.registry import is_pushed, make_sink, sink_name
from energymeter.site.sinks import SinkEntry

ENTRIES: list[dict[str, Any]] = [
    {"type": "influx", "url": "http://127.0.0.1:1", "org": "o", "bucket": "b"},
    {"type": "webhook", "url": "http://127.0.0.1:1"},
    {"type": "csv", "folder": "x"},
    {"type": "json"},
    {"type": "mqtt", "host": "127.0.0.1"},
]


def entry_of(content: dict[str, Any]) -> SinkEntry:
    found: SinkEntry = TypeAdapter(SinkEntry).validate_python(content)
    return found


@pytest.mark.parametrize("content", ENTRIES, ids=lambda content: content["type"])
def test_each_kind_that_is_sent_readings_has_a_sink(content: dict[str, Any]) -> None:
    entry = entry_of(content)
    assert is_pushed(entry)
    sink = make_sink(entry, "plant")
    assert all(hasattr(sink, name) for name in ("open", "send", "close"))


def test_prometheus_is_asked_and_not_sent_to() -> None:
    assert not is_pushed(entry_of({"type": "prometheus"}))


def test_a_sink_is_called_by_its_name_or_type() -> None:
    assert sink_name(entry_of({"type": "json"})) == "json"
    assert sink_name(entry_of({"type": "json", "name": "lines"})) == "lines"


@pytest.mark.parametrize("kind", ["influx", "webhook"])
def test_a_missing_driver_is_one_sentence(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    content = next(each for each in ENTRIES if each["type"] == kind)
    entry = entry_of(content)
    assert is_pushed(entry)
    with pytest.raises(ConfigError) as caught:
        make_sink(entry, "plant")
    assert str(caught.value) == (f"the {kind} sink needs httpx: pip install 'energymeter[http]'")


def test_drivers_are_imported_by_nobody_else(tmp_path: Path) -> None:
    program = (
        "import sys, energymeter.sinks.registry, energymeter.sinks.csv_file;"
        "import energymeter.sinks.json_lines, energymeter.sinks.http;"
        "sys.exit(bool({'httpx', 'aiomqtt'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    assert done.returncode == 0
