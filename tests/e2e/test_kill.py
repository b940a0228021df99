"""kill -9 at random moments: nothing acknowledged is lost, and sinks get what they had not."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime
from functools import partial

from tests.e2e.running import Running, acknowledged, eventually, meters, receiver, stored_since

from energymeter.store import SqliteStore

KILLS = 50
RESUMES_WITHIN_S = 5.0


def test_fifty_kills_lose_nothing_that_was_acknowledged(running: Running) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    slowest_s = 0.0
    with meters(6) as simulated, receiver() as hook:
        running.write(
            'name = "plant"\n[web]\nlisten = "{listen}"\n'
            f'[[sink]]\ntype = "webhook"\nurl = "http://127.0.0.1:{hook.port}/"\n'
            '[[sink]]\ntype = "json"\npath = "polls.jsonl"\n' + simulated.entries("100ms")
        )
        known: set[str] = set()
        for _ in range(KILLS):
            begun = datetime.now(UTC)
            running.start()
            took_s = eventually(partial(stored_since, running.store, begun), "it resumes", 30.0)
            slowest_s = max(slowest_s, took_s)
            time.sleep(chance.uniform(0.0, 0.8))
            known |= acknowledged(running.store)
            running.kill()
            assert known <= acknowledged(running.store)
        running.start()
        eventually(lambda: (running.get("/health") or {}).get("state") == "ok", "all is well")
        assert running.stop() == 0
        stored = acknowledged(running.store)
        passed_on = set(hook.ids)
    assert known
    assert known <= stored
    with SqliteStore(running.store) as store:
        assert store.check() == []
    assert stored - passed_on == set()
    lines = (running.folder / "polls.jsonl").read_text("utf-8").splitlines()
    assert stored - {json.loads(line)["id"] for line in lines} == set()
    assert slowest_s <= RESUMES_WITHIN_S
