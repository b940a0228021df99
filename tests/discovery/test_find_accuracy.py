"""The promise about `find`, on a sample; all of it: benchmarks/find_accuracy.py."""

from __future__ import annotations

import pytest
from benchmarks.find_accuracy import profiles, table, trials


def test_truth_is_ranked_first_for_nearly_all_shipped_profiles(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = list(trials(profiles(), [1], sample=1))

    with capsys.disabled():
        print("\n" + table(done))
    assert len(done) >= 92
    assert sum(trial.is_right for trial in done) / len(done) >= 0.95
    assert not [trial for trial in done if trial.is_sure and not trial.is_right]
