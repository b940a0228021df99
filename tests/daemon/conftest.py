"""A daemon in the tests' own process leaves that process as it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from energymeter.daemon import daemon as daemon_module


@pytest.fixture(autouse=True)
def _process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    monkeypatch.setattr(daemon_module, "spare_collector", lambda: None)
    monkeypatch.setattr(daemon_module, "_LOOK_S", 0.05)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    logging.captureWarnings(capture=False)
    logging.getLogger("uvicorn.access").disabled = False
