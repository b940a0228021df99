"""Where CI is set, a skipped test is a failed one: nothing there may be missing unnoticed."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

AnyReport = pytest.TestReport | pytest.CollectReport


def _without_skips(report: AnyReport) -> None:
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI is set and nothing may be skipped there. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _without_skips(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _without_skips(report)
    return report
