"""The rule of tests/conftest.py: where CI is set, a skipped test is a failed one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.interop.programs import ROOT

TESTS = """
import pytest

def test_that_runs():
    pass

def test_that_lacks_something():
    pytest.skip("the tool is not installed")

@pytest.mark.xfail
def test_that_is_expected_to_fail():
    raise ValueError
"""
MODULE = """
import pytest

pytest.skip("nothing of this works here", allow_module_level=True)
"""


def run_pytest(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CI": ci},
    )


@pytest.mark.parametrize(
    ("source", "reason", "elsewhere"),
    [
        (TESTS, "the tool is not installed", "1 passed, 1 skipped, 1 xfailed"),
        (MODULE, "nothing of this works here", "1 skipped"),
    ],
    ids=["a test", "a module"],
)
def test_skip_fails_with_its_reason_in_ci_and_nowhere_else(
    tmp_path: Path, source: str, reason: str, elsewhere: str
) -> None:
    (tmp_path / "test_skipping.py").write_text(source)

    at_home, in_ci = run_pytest(tmp_path, ""), run_pytest(tmp_path, "true")

    assert elsewhere in at_home.stdout
    assert in_ci.returncode != 0
    assert reason in in_ci.stdout
    assert "skipped" not in in_ci.stdout.splitlines()[-1]
