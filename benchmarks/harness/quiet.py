"""Keeps other work on the machine out of the figures: waits for quiet, repeats what was disturbed.

Two processes under test fill a small machine. A third one takes its time from one of them, and not
from each candidate alike, so even a ratio of two figures is worth nothing while it runs.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.harness.model import Json, Row
from benchmarks.harness.process import TICKS_PER_S, Server

__all__ = ["Quiet", "disturbances"]

DISTURBED_CORES = 0.08
"""Others may use this much of one core, all cores added, before a figure counts as disturbed."""
LOOK_S = 0.4
"""How long the machine is watched to tell whether it is quiet."""
ATTEMPTS = 4


class Quiet:
    """Runs loads at quiet moments, as long as its patience lasts.

    Args:
        patience_s: Seconds it may spend on waiting and repeating, all loads together. When they
            are used up loads run as they come; `others_cores` in each result still tells.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s

    def run(self, load: Callable[[], Json], server: Server | None) -> Json:
        """Run `load`, again if it was disturbed, and return the least disturbed result.

        Adds to the result `server_cpu_share`, and `others_cores`: the share of a core that
        anybody else used meanwhile.
        """
        best: Json | None = None
        for _ in range(ATTEMPTS):
            self._wait(server)
            begin = time.monotonic()
            result = _accounted(load, server)
            if best is None or result["others_cores"] < best["others_cores"]:
                best = result
            if best["others_cores"] <= DISTURBED_CORES or self._patience_s <= 0:
                break
            self._patience_s -= time.monotonic() - begin
        assert best is not None
        return best

    def _wait(self, server: Server | None) -> None:
        """Return when nobody but our own server is busy."""
        while self._patience_s > 0:
            before = _others_seconds(server)
            time.sleep(LOOK_S)
            if (_others_seconds(server) - before) / LOOK_S <= DISTURBED_CORES:
                return
            self._patience_s -= LOOK_S


def disturbances(rows: Sequence[Row]) -> list[str]:
    """One sentence when something else ran during loads that were kept, otherwise nothing."""
    others = [run["others_cores"] for row in rows for run in row.details if "others_cores" in run]
    disturbed = [share for share in others if share > DISTURBED_CORES]
    if not disturbed:
        return []
    return [
        (
            f"{len(disturbed)} of {len(others)} loads were disturbed: something else used up to "
            f"{max(disturbed):.2f} of a core meanwhile; `others_cores` in the file says which."
        )
    ]


def _accounted(load: Callable[[], Json], server: Server | None) -> Json:
    begin, others, loads = time.monotonic(), _others_seconds(server), _children_seconds()
    served = server.cpu_seconds() if server else 0.0
    result = load()
    elapsed = time.monotonic() - begin
    others = _others_seconds(server) - others - (_children_seconds() - loads)
    if server:
        result["server_cpu_share"] = round((server.cpu_seconds() - served) / elapsed, 3)
    result["others_cores"] = round(max(0.0, others) / elapsed, 2)
    return result


def _others_seconds(server: Server | None) -> float:
    """CPU time of everybody but the server under test; loads count once they have ended."""
    return _busy_seconds() - (server.cpu_seconds() if server else 0.0)


def _children_seconds() -> float:
    """CPU time of every load that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _busy_seconds() -> float:
    """CPU time the machine has spent on anything, or lost to its host, all cores added."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(word) for word in Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S
