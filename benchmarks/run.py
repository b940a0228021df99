"""Measure the promises of energymeter beside its peers: `python benchmarks/run.py --help`.

The work is in the package `benchmarks.harness`; this file only makes it findable from any folder.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    runpy.run_module("benchmarks.harness", run_name="__main__", alter_sys=True)
