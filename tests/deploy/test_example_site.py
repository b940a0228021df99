"""The example of a site file can be read, and fits the unit file beside it."""

from __future__ import annotations

from pathlib import Path

from energymeter.site.load import load_site
from energymeter.site.model import SqliteStoreEntry

SITE = Path(__file__).parents[2] / "deploy" / "site.toml"
STATE = Path("/var/lib/energymeter")


def test_the_example_is_a_site() -> None:
    site = load_site(SITE)
    assert [meter.name for meter in site.meter] == ["machine-1", "machine-2", "main"]
    assert [sink.type for sink in site.sink] == ["prometheus"]


def test_it_writes_where_the_unit_file_lets_it() -> None:
    site = load_site(SITE)
    assert isinstance(site.store, SqliteStoreEntry)
    assert site.store.path.parent == site.state.parent == STATE
    unit = (SITE.parent / "energymeter.service").read_text("utf-8")
    assert f"WorkingDirectory={STATE}\n" in unit


def test_it_listens_on_loopback_as_long_as_nobody_writes_a_token() -> None:
    web = load_site(SITE).web
    assert web is not None
    assert web.is_local
