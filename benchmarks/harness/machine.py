"""What a figure depends on: versions and hardware, and nothing that names a host or a user."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.harness.model import Json

__all__ = ["describe_machine"]

PACKAGES = ("energymeter", "pymodbus", "pyModbusTCP", "serialx", "uvloop")


def describe_machine() -> Json:
    """Versions of everything compared, and the machine it ran on; None for what is not there."""
    return {
        "python": platform.python_version(),
        **{name: _package_version(name) for name in PACKAGES},
        "libmodbus": _libmodbus_version(),
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "tcp_congestion_control": _congestion_control(),
    }


def _congestion_control() -> str | None:
    """Loopback is TCP too: how its sender is paced differs from machine to machine."""
    try:
        return Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    except OSError:
        return None


def _package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        if name != "energymeter":
            return None
    # Run from a checkout that is on the path but not installed.
    try:
        return str(importlib.import_module("energymeter._version").__version__)
    except ModuleNotFoundError:
        return None


def _libmodbus_version() -> str | None:
    tool = shutil.which("pkg-config")
    if tool is None:
        return None
    done = subprocess.run(
        [tool, "--modversion", "libmodbus"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None


def _cpu_model() -> str | None:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or None
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()
