"""Asks one path of an HTTP server over and over, on several connections; prints one JSON line.

HTTP by hand, on the loop's own protocols: a client library would be slower than what it measures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from statistics import median, quantiles
from typing import cast

from benchmarks.harness.loops import LOOPS, run_on

WARM_UP_S = 0.5
LENGTH = re.compile(rb"content-length: (\d+)\r\n", re.IGNORECASE)


class Caller(asyncio.Protocol):
    """One connection with one request under way.

    Args:
        request: What is asked, whole.
    """

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._seen = b""
        self._begun = 0.0
        self.times: list[float] = []
        self.bytes = 0
        self.failed = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of another class
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Ask again once the answer is whole."""
        self._seen += data
        head, mark, body = self._seen.partition(b"\r\n\r\n")
        if not mark:
            return
        length = LENGTH.search(head + b"\r\n")
        if b" 200 " not in head[:16] or length is None:
            self.failed = head[:60].decode("latin-1")
            self._close()
        elif len(body) >= int(length[1]):
            self.times.append(time.perf_counter() - self._begun)
            self.bytes = len(body)
            self._ask()

    def connection_lost(self, _reason: Exception | None) -> None:
        """Nothing to do: what is missing shows in the count."""

    def stop(self) -> None:
        """Ask no more."""
        self._request = b""

    def _ask(self) -> None:
        self._seen = b""
        if not self._request:
            self._close()
            return
        assert self._transport is not None
        self._begun = time.perf_counter()
        self._transport.write(self._request)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def load(port: int, path: str, connections: int, seconds: float) -> None:
    """Ask for so long, and print what came of it."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    callers = [Caller(request) for _ in range(connections)]
    waiting = iter(callers)
    for _ in range(connections):
        await loop.create_connection(lambda: next(waiting), "127.0.0.1", port)
    await asyncio.sleep(WARM_UP_S)
    before = [len(caller.times) for caller in callers]
    begun, used = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    took, used = time.perf_counter() - begun, time.process_time() - used
    times = [t for caller, count in zip(callers, before, strict=True) for t in caller.times[count:]]
    for caller in callers:
        caller.stop()
    failed = next((caller.failed for caller in callers if caller.failed), "")
    if failed or len(times) < 2:
        raise SystemExit(failed or "no answer came in time")
    print(
        json.dumps(
            {
                "per_s": len(times) / took,
                "median_ms": 1000 * median(times),
                "p99_ms": 1000 * quantiles(times, n=100)[98],
                "bytes": callers[0].bytes,
                "cpu_share": used / took,
            }
        )
    )


def main() -> None:
    """Read the command line and ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    asked = parser.parse_args()
    run_on(asked.loop, load(asked.port, asked.path, asked.connections, asked.seconds))


if __name__ == "__main__":
    main()
