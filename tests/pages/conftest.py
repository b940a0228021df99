"""A browser, and services to look at: each a process of its own, ended with its input."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.pages.visiting import Visitor

from energymeter.blocking import LoopThread
from energymeter.service.desk import Desk
from energymeter.site.model import WebEntry
from energymeter.web.serve import web_server

TOKEN = "a word nobody guesses"

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 20


@contextmanager
def stage(*arguments: str) -> Iterator[tuple[str, int]]:
    """The address of a stage's service, and its process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.pages.stage", *arguments],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.stdin.close()
        try:
            process.wait(_PATIENCE_S)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@contextmanager
def shown(desk: Desk) -> Iterator[str]:
    """The address of the pages of a desk, served beside the browser."""
    entry = WebEntry.model_validate({"listen": "127.0.0.1:0"})
    server, thread = web_server(entry, desk, prometheus=None), LoopThread()
    thread.run(server.start())
    try:
        yield str(server)
    finally:
        thread.run(server.close())
        thread.close()


@pytest.fixture(scope="module")  # it runs a loop in this thread: other modules want theirs
def browser() -> Iterator[Browser]:
    """Debian's Chromium; where it is not installed nothing can be looked at."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service of the demo's meters, with a day in its store."""
    with stage("demo", str(tmp_path_factory.mktemp("demo"))) as (address, _):
        yield address


@pytest.fixture(scope="session")
def crowd() -> Iterator[str]:
    """Ten thousand meters that are made up."""
    with stage("crowd", "10000") as (address, _):
        yield address


@pytest.fixture(scope="session")
def locked() -> Iterator[str]:
    """A service that lets in only those who know the token."""
    with stage("crowd", "3", TOKEN) as (address, _):
        yield address


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Somebody at a desk."""
    with Visitor(browser) as someone:
        yield someone
        someone.check()
