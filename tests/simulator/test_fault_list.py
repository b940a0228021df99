"""The page that lists the faults is the table of faults."""

from __future__ import annotations

from pathlib import Path

from energymeter.simulator.faults import KINDS
from energymeter.simulator.faults.catalogue import fault_list_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "fault-list.md"
NOTICE = "<!-- Made by docs/generate.py; do not edit. -->"


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == f"{NOTICE}\n{fault_list_page()}".rstrip() + "\n"


def test_every_kind_is_on_the_page() -> None:
    page = fault_list_page()
    assert [name for name in KINDS if f"\n| `{name}` | " not in page] == []
