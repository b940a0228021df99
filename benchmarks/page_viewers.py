"""Looks at the overview as so many browsers do, without drawing it; prints one JSON line.

The same messages go over the same sockets as with a browser, but nothing is drawn: on a small
machine browsers would take the processor from what is measured.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import re
import sys
import time
import uuid

import aiohttp
import socketio

_QUERY = re.compile(r"query: (\{.*?\}),\n")
ACK_S = 3.0
"""As NiceGUI's own script does."""


class Viewer:
    """One browser.

    Args:
        port: Of the service, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self._socket = socketio.AsyncClient(reconnection=False)
        self._client = ""
        self._next = 0
        self._shown = asyncio.Event()
        self.bytes = 0
        self.messages = 0
        self.page_bytes = 0
        self.open_s = 0.0
        self.open_bytes = 0

    async def open(self) -> None:
        """Load the page, open the socket, and wait for its content."""
        begun = time.perf_counter()
        async with aiohttp.ClientSession() as session, session.get(self._address) as answer:
            text = await answer.text()
            self.page_bytes = len(text)
        query = ast.literal_eval(_QUERY.search(text)[1])  # type: ignore[index]
        self._client = query["client_id"]
        query |= {"document_id": str(uuid.uuid4()), "tab_id": str(uuid.uuid4())}
        query["implicit_handshake"] = "true"
        self._socket.on("*", self._heard)
        words = "&".join(f"{key}={value}" for key, value in query.items())
        await self._socket.connect(
            f"{self._address}?{words}",
            socketio_path="/_nicegui_ws/socket.io",
            transports=["websocket"],
        )
        async with asyncio.timeout(30):
            await self._shown.wait()
        self.open_s, self.open_bytes = time.perf_counter() - begun, self.bytes

    async def look(self, seconds: float) -> None:
        """Look for so long."""
        self.bytes = self.messages = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(min(ACK_S, max(0.0, end - time.monotonic())))
            told = {"client_id": self._client, "next_message_id": self._next}
            await self._socket.emit("ack", told)

    async def close(self) -> None:
        """Leave."""
        await self._socket.disconnect()

    async def _heard(self, _event: str, data: object = None) -> None:
        text = json.dumps(data)
        self.bytes += len(text)
        self.messages += 1
        if isinstance(data, dict):
            self._next = data.get("_id", self._next - 1) + 1
        if "em-meters" in text:
            self._shown.set()


async def look(port: int, count: int, seconds: float) -> None:
    """All look at once."""
    viewers = [Viewer(port) for _ in range(count)]
    for viewer in viewers:
        await viewer.open()
    await asyncio.gather(*(viewer.look(seconds) for viewer in viewers))
    result = {
        "viewers": count,
        "seconds": seconds,
        "page_bytes": viewers[0].page_bytes,
        "open_s": round(max(viewer.open_s for viewer in viewers), 3),
        "open_bytes": viewers[0].open_bytes,
        "bytes_per_s": round(sum(viewer.bytes for viewer in viewers) / seconds / count),
        "messages_per_s": round(sum(v.messages for v in viewers) / seconds / count, 2),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    for viewer in viewers:
        await viewer.close()


def main() -> None:
    """Look, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--viewers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    asyncio.run(look(asked.port, asked.viewers, asked.seconds))


if __name__ == "__main__":
    main()
