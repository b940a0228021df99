from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import gc
from energymeter.eventloop import spare_collector
kept = [[] for _ in range(1000)]
spare_collector()
print(gc.get_freeze_count() >= 1000, gc.get_threshold()[0])
"""


def test_what_stays_until_the_end_is_taken_out_of_the_collectors_sight() -> None:
    # In a process of its own: the collector is one for all tests.
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["True", "20000"]
