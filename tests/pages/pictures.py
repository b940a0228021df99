"""Takes the pictures of the documents: `python -m tests.pages.pictures FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from tests.pages.conftest import stage
from tests.pages.visiting import DESK, PHONE, Visitor

_SHOTS = (
    ("overview-light", "/", DESK, "light"),
    ("overview-dark", "/", DESK, "dark"),
    ("overview-phone", "/", PHONE, "dark"),
    ("meter-light", "/meter/grid", (1400, 1480), "light"),
    ("meter-phone", "/meter/office", PHONE, "light"),
    ("link-dark", "/link/gateway", DESK, "dark"),
)


def main() -> None:
    """Look at the demo for a while, then take them."""
    folder = Path(sys.argv[1])
    with (
        tempfile.TemporaryDirectory() as made,
        stage("demo", made) as (address, _),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        with Visitor(browser) as first:
            _settle(first.go(f"{address}/", ".em-meters tbody tr"), 12_000)
        for name, path, size, colours in _SHOTS:
            with Visitor(browser, size) as visitor:
                visitor.page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
                _settle(visitor.go(address + path), 4_000)
                visitor.page.screenshot(path=folder / f"{name}.png")
        browser.close()


def _settle(page: Page, milliseconds: int) -> None:
    page.wait_for_timeout(milliseconds)


if __name__ == "__main__":
    main()
