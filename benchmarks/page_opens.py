"""Opens the overview in a real browser until its rows are there; prints one JSON line.

The first load brings the scripts, the second is that of somebody who was there before.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time

from playwright.sync_api import WebSocket, sync_playwright

ROWS = ".em-meters tbody tr"


def main() -> None:
    """Open it twice, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sys.exit("chromium is not installed")
    times, received = [], [0]

    def opened(socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: received.append(len(data)))

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.on("websocket", opened)
        page.goto("about:blank")  # the browser has started then
        for _ in range(2):
            received.clear()
            begun = time.perf_counter()
            page.goto(f"http://127.0.0.1:{asked.port}/")
            page.wait_for_selector(ROWS)
            times.append(time.perf_counter() - begun)
        rows = page.locator(ROWS).count()
        result = {
            "first_s": round(times[0], 3),
            "again_s": round(times[1], 3),
            "socket_bytes": sum(received),
            "rows": rows,
        }
        browser.close()
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
