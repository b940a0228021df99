"""The accuracy of `find` and `scan` is measured by the same code here and in the benchmarks."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
