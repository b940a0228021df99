"""Builds the C programs of benchmarks/c into a temporary directory."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Program", "compile_program"]

SOURCES = Path(__file__).resolve().parent.parent / "c"
FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra"]


@dataclass(frozen=True)
class Program:
    """A compiled program, or the sentence that says why there is none."""

    path: Path | None
    missing: str | None = None


def compile_program(name: str, folder: Path, *, library: str | None = None) -> Program:
    """Compile `c/<name>.c` to `folder/<name>`.

    Args:
        name: Source file without its ending.
        folder: Where the program goes; the caller removes it.
        library: A pkg-config name to compile and link against.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return Program(None, "no C compiler found: install a package that brings `cc` (gcc)")
    extra: list[str] = []
    if library is not None:
        found = _pkg_config(library)
        if found is None:
            return Program(
                None,
                f"{library} was not found by pkg-config: install the packages "
                f"{library}-dev and pkg-config",
            )
        extra = found
    target = folder / name
    command = [compiler, *FLAGS, str(SOURCES / f"{name}.c"), "-o", str(target), *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no message"]
        return Program(
            None, f"{name}.c did not compile: {lines[0].rsplit('error:', 1)[-1].strip()}"
        )
    return Program(target)


def _pkg_config(library: str) -> list[str] | None:
    tool = shutil.which("pkg-config")
    if tool is None:
        return None
    done = subprocess.run(
        [tool, "--cflags", "--libs", library], capture_output=True, text=True, check=False
    )
    return done.stdout.split() if done.returncode == 0 else None
