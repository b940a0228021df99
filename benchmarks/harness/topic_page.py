"""Pages: what it costs that people look, and how soon a large site is on their screen."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import pairwise

from benchmarks.harness.model import Json, Promise, Report, Row
from benchmarks.harness.options import LOADING_CORE, SERVED_CORE, Options
from benchmarks.harness.process import RunError, Server, module, run_json, serving
from benchmarks.harness.rounds import Candidate, measure_in_rounds, missing_module

__all__ = ["run_page"]

LIVE = "500 meters live"
LARGE = "10,000 meters"

BASE = "% of a core, nobody looks"
ONE = "% of a core more, one viewer"
FOUR = "% of a core more, four viewers"
LATE_BASE = "p99 late ms, nobody looks"
LATE_FOUR = "p99 late ms, four viewers"
PER_S = "bytes a second to a viewer"
OPENS = "seconds to open, first visit"
AGAIN = "seconds to open, again"
SENT = "bytes sent to open"

_SETTLE_S = 12.0
"""After so long what is on the screen has been fetched from the store."""

_WARM_UP_S = 40.0
"""What each meter is like has been learned then, as in the topic of the service."""

_EACH = 20
_LIVE_LINKS = 25
_BUCKET = re.compile(
    r'^energymeter_poll_lateness_seconds_bucket\{le="([^"]+)"\} (\d+)', re.MULTILINE
)


def run_page(options: Options) -> Report:
    """Let viewers look at our service, whose meters are simulated on the other core."""
    missing = missing_module(
        "energymeter.simulator", "energymeter.daemon", "nicegui", "socketio", "playwright"
    )
    seconds = max(20.0, 4 * options.seconds)

    def live(row: Row) -> None:
        with _site(_LIVE_LINKS) as site, _service(site.ports) as service:
            time.sleep(_WARM_UP_S)
            base, late_base = _measured(service, seconds, 0)
            one, _ = _measured(service, seconds, 1, row)
            four, late_four = _measured(service, seconds, 4, row)
        row.add(BASE, 100 * base)
        row.add(ONE, 100 * (one - base))
        row.add(FOUR, 100 * (four - base))
        row.add(LATE_BASE, late_base)
        row.add(LATE_FOUR, late_four)
        row.add(PER_S, row.details[-1]["bytes_per_s"])

    def large(row: Row) -> None:
        with _site(options.service_links) as site, _service(site.ports) as service:
            time.sleep(_WARM_UP_S)
            words = module("page_opens", "--port", str(service.port))
            # A browser has many threads; kept on the core of the simulator it waits for itself.
            result = run_json(words, core=None, timeout_s=120)
        row.add(OPENS, result["first_s"])
        row.add(AGAIN, result["again_s"])
        row.add(SENT, result["socket_bytes"])
        row.details.append(result)

    rows = measure_in_rounds(
        [Candidate(LIVE, live, missing), Candidate(LARGE, large, missing)], options
    )
    busy, many = rows
    ratio = _ratio(busy.median(LATE_FOUR), busy.median(LATE_BASE))
    promises = [
        Promise("pages, 500 meters, one viewer", 5, busy.median(ONE), "at most", "% of a core"),
        Promise("pages, 500 meters, four viewers", 10, busy.median(FOUR), "at most", "% of a core"),
        Promise("pages, p99 lateness of polls, four viewers : none", 1.1, ratio, "at most", "x"),
        Promise("pages, 10,000 meters, open", 2, many.median(OPENS), "at most", "s"),
        Promise("pages, 10,000 meters, bytes to open", 200_000, many.median(SENT), "at most", "B"),
    ]
    settings: Json = {
        "live meters": _LIVE_LINKS * _EACH,
        "meters": options.service_links * _EACH,
        "seconds": seconds,
        "rounds": options.rounds,
    }
    return Report("page", settings, rows, promises)


def _site(links: int) -> AbstractContextManager[Server]:
    words = module("ours_links", "--links", str(links), "--each", str(_EACH))
    return serving(words, core=SERVED_CORE)


def _service(ports: Sequence[int]) -> AbstractContextManager[Server]:
    words = module("ours_page", "--ports", ",".join(map(str, ports)), "--each", str(_EACH))
    return serving(words, core=LOADING_CORE)


def _measured(
    service: Server, seconds: float, viewers: int, row: Row | None = None
) -> tuple[float, float]:
    """The share of a core, and how late 99 of 100 polls were at most in ms, meanwhile."""
    with ThreadPoolExecutor(1) as others:
        looking = others.submit(_look, service, seconds, viewers) if viewers else None
        if looking is not None:
            time.sleep(_SETTLE_S)
        counts, cpu_s, begun = _lateness(service), service.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        share = (service.cpu_seconds() - cpu_s) / (time.monotonic() - begun)
        after = _lateness(service)
        if looking is not None and row is not None:
            row.details.append(looking.result())
    passed = [now - then for (_, now), (_, then) in zip(after, counts, strict=True)]
    return share, _p99_ms(passed, after)


def _look(service: Server, seconds: float, viewers: int) -> Json:
    words = module("page_viewers", "--port", str(service.port), "--viewers", str(viewers))
    words += ["--seconds", str(seconds + _SETTLE_S)]
    return run_json(words, core=SERVED_CORE, timeout_s=seconds + _SETTLE_S + 60)


def _lateness(service: Server) -> list[tuple[float, int]]:
    """Limits of the classes in seconds, and how many polls were not later than each."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics") as answer:
        text = answer.read().decode()
    found = [(float(limit), int(count)) for limit, count in _BUCKET.findall(text)]
    if not found:
        message = "the service does not tell how late its polls are"
        raise RunError(message)
    return found


def _p99_ms(counts: Sequence[int], limits: Sequence[tuple[float, int]]) -> float:
    wanted = 0.99 * counts[-1]
    classes = [
        (0.0, 0),
        *((limit, count) for (limit, _), count in zip(limits, counts, strict=True)),
    ]
    for (low, below), (high, reached) in pairwise(classes):
        if reached >= wanted:
            inside = (wanted - below) / max(reached - below, 1)
            return round(1000 * (low + (min(high, 60.0) - low) * inside), 3)
    return 60_000.0


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other
