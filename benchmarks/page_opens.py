"""Opens the overview in a running browser until its rows are there; prints one JSON line.

The first load brings the scripts, the second is that of somebody who was there before. Several
windows that share nothing, one after the other; the medians are told.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from statistics import median

from playwright.sync_api import Browser, WebSocket, sync_playwright

ROWS = ".em-meters tbody tr"
WINDOWS = 3
SETTLE_S = 4.0
"""A browser is busy for a while after its start, and after a page has come."""


def visit(browser: Browser, url: str) -> tuple[float, float, int, int]:
    """Open it twice in a window of its own: seconds, seconds again, bytes again, and rows."""
    received: list[int] = []

    def opened(socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: received.append(len(data)))

    times = []
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.on("websocket", opened)
    page.goto("about:blank")
    for _ in range(2):
        time.sleep(SETTLE_S)
        received.clear()
        begun = time.perf_counter()
        page.goto(url)
        page.wait_for_selector(ROWS)
        times.append(time.perf_counter() - begun)
    rows = page.locator(ROWS).count()
    page.close()
    return times[0], times[1], sum(received), rows


def main() -> None:
    """Open it, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sys.exit("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        url = f"http://127.0.0.1:{asked.port}/"
        firsts, agains, sizes, rows = zip(
            *(visit(browser, url) for _ in range(WINDOWS)), strict=True
        )
        browser.close()
    result = {
        "first_s": round(median(firsts), 3),
        "again_s": round(median(agains), 3),
        "socket_bytes": max(sizes),
        "rows": min(rows),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
