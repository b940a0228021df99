"""kill -9 at random moments: nothing acknowledged is lost, and sinks get what they had not."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

from tests.e2e.quick import QuickStart, quick_start
from tests.e2e.running import (
    Meters,
    Receiver,
    Running,
    acknowledged,
    eventually,
    meters,
    receiver,
    stored_since,
)

from energymeter.store import SqliteStore

SITES = 2
"""At work side by side, on as many processors."""

KILLS = 22
"""Of each site, at any moment from its first instruction on; after one that shows how long it
takes to store the first polls."""

LATE_KILLS = 2
"""Of each site besides, started as an operator does and killed after it has stored something."""

LONGEST = 1.6
"""How long a service lives at most, in multiples of that time."""

LONGEST_S = 3.0
"""And in seconds, whatever else the computer has to do."""

RESUMES_WITHIN_S = 5.0


def test_fifty_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    with meters(6) as simulated, quick_start() as quick, ThreadPoolExecutor(SITES) as sites:
        lives = []
        for number in range(SITES):
            folder = tmp_path / f"site-{number}"
            folder.mkdir()
            lives.append(sites.submit(_life, folder, simulated, quick, Random(seed + number)))
        times_s = [took_s for life in lives for took_s in life.result()]
    print(f"it resumed after {', '.join(f'{took_s:.2f}' for took_s in times_s)} s")
    # The computer may have much else to do at one of these moments.
    assert median(times_s) <= RESUMES_WITHIN_S


def _life(folder: Path, simulated: Meters, quick: QuickStart, chance: Random) -> list[float]:
    """A site is killed again and again, then ended in good order, and looked over.

    Returns:
        How long it took each time to resume.
    """
    service = Running(folder)
    with receiver() as hook:
        service.write(
            'name = "plant"\n[web]\nlisten = "{listen}"\n'
            f'[[sink]]\ntype = "webhook"\nurl = "http://127.0.0.1:{hook.port}/"\n'
            '[[sink]]\ntype = "json"\npath = "polls.jsonl"\n' + simulated.entries("100ms")
        )
        try:
            known = _killed_at_any_moment(service, quick, chance)
            times_s = _killed_at_work(service, chance, known)
            service.start()
            eventually(lambda: (service.get("/health") or {}).get("state") == "ok", "all is well")
            assert service.stop() == 0
        except BaseException:
            print(service.text()[-6000:])
            raise
        finally:
            service.close()
        _nothing_is_lost(service, hook, known)
    return times_s


def _killed_at_any_moment(service: Running, quick: QuickStart, chance: Random) -> set[str]:
    known: set[str] = set()
    grew = 0
    begun = datetime.now(UTC)
    pid = quick.start(service.folder)
    usual_s = eventually(partial(stored_since, service.store, begun), "it stores")
    quick.kill(pid)
    for _ in range(KILLS):
        pid = quick.start(service.folder)
        time.sleep(min(chance.uniform(0.0, LONGEST) * usual_s, LONGEST_S))
        before = len(known)
        known |= _acknowledged(service.store)
        quick.kill(pid)
        assert known <= _acknowledged(service.store)
        grew += len(known) > before
    # Many did live long enough to be worth the killing.
    assert grew >= KILLS // 8
    return known


def _killed_at_work(service: Running, chance: Random, known: set[str]) -> list[float]:
    times_s = []
    for _ in range(LATE_KILLS):
        begun = datetime.now(UTC)
        service.start()
        resumes = partial(stored_since, service.store, begun)
        times_s.append(eventually(resumes, "it resumes", 30.0))
        time.sleep(chance.uniform(0.0, 0.5))
        known |= acknowledged(service.store)
        service.kill()
        assert known <= acknowledged(service.store)
    return times_s


def _nothing_is_lost(service: Running, hook: Receiver, known: set[str]) -> None:
    stored = acknowledged(service.store)
    assert known <= stored
    with SqliteStore(service.store) as store:
        assert store.check() == []
    assert stored - set(hook.ids) == set()
    lines = (service.folder / "polls.jsonl").read_text("utf-8").splitlines()
    assert stored - {json.loads(line)["id"] for line in lines} == set()


def _acknowledged(path: Path) -> set[str]:
    """Also where there is no store yet: it may be killed before it has made one."""
    return acknowledged(path) if path.exists() and path.stat().st_size else set()
