"""Run the shell commands of a document as a reader would, line by line, in one sitting.

They are run as printed, with these exceptions, all of them here:

- ports. The documents use 5020 to 5039; two sittings at once, or a machine where one is taken,
  must not fail, so each port of a document is replaced by a free one, the same throughout.
- what ends with `&` is started and left running; for a simulator or a service the next command
  waits until it says where it listens. Everything is ended at the end of the document.
- `python main.py` and everything that only Ctrl-C ends is interrupted after its first output.
- what sets the checkout up (`make`, `python -m venv`, `source`, `pip`) or would run these tests
  again is not run; `test_readme_make_targets_exist` looks at those.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.cli.programs import line_of
from tests.docs.blocks import ROOT, blocks_of

__all__ = ["NOT_RUN", "Sitting", "commands_of", "free_ports", "ports_of"]

NOT_RUN: Final = ("make", "source", "pip")
"""First words of commands that are looked at and not run."""

_PORT: Final = re.compile(r"\b50[23]\d\b")
_LIMIT_S: Final = 20


def commands_of(document: Path) -> list[str]:
    """The shell commands of a document, in order."""
    lines = [line for block in blocks_of(document, "shell") for line in block.text.splitlines()]
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def ports_of(text: str) -> set[str]:
    """The ports a document uses."""
    return set(_PORT.findall(text))


def free_ports(wanted: set[str]) -> dict[str, str]:
    """A free port for each of a document's, all different."""
    listeners = {port: socket.create_server(("127.0.0.1", 0)) for port in sorted(wanted)}
    found = {port: str(listener.getsockname()[1]) for port, listener in listeners.items()}
    for listener in listeners.values():
        listener.close()
    return found


class Sitting:
    """A shell in which a document's commands are run.

    Args:
        folder: The working directory: a copy of what a reader has in the checkout.
        ports: Which port stands for which.
    """

    def __init__(self, folder: Path, ports: dict[str, str]) -> None:
        self._folder = folder
        self._ports = ports
        self._background: list[subprocess.Popen[bytes]] = []
        bin_folder = str(Path(sys.executable).parent)
        self._environment = {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(folder / "config"),
        }
        for name in ("main.py", "examples"):
            (folder / name).symlink_to(ROOT / name)

    def __enter__(self) -> Sitting:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._background:
            process.terminate()
            process.communicate(timeout=_LIMIT_S)

    def with_ports(self, text: str) -> str:
        """A document's text with the ports of this sitting."""
        return _PORT.sub(lambda found: self._ports[found.group()], text)

    def save(self, name: str, text: str) -> None:
        """Save what the reader is told to save."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, command: str) -> None:
        """Run one command; fails when it does."""
        words = shlex.split(self.with_ports(command))
        if words[-1] == "&":
            self._start(words[:-1])
        elif words[:2] == ["python", "main.py"]:
            process = self._open(words)
            assert process.stdout is not None
            assert line_of(process.stdout)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=_LIMIT_S)
        else:
            self.done(words, command)

    def run_python(self, text: str, title: str) -> None:
        """Run a program as a reader would who saved it."""
        self.done([sys.executable, "-c", self.with_ports(text)], title)

    def done(self, words: list[str], title: str) -> None:
        """Run to the end, which has to be a good one."""
        result = subprocess.run(
            words,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        assert result.returncode == 0, f"{title}\n{result.stdout}{result.stderr}"
        # A program may have nothing to say; a command says something, or which file it wrote.
        may_be_silent = words[0] in ("mbpoll", sys.executable)
        assert result.stdout.strip() or may_be_silent or ": wrote " in result.stderr, title

    def _start(self, words: list[str]) -> None:
        process = self._open(words)
        self._background.append(process)
        assert process.stdout is not None
        if words[1] == "run":
            while "/health" not in line_of(process.stdout):
                pass
            return
        first = line_of(process.stdout)
        assert re.search(r" on (127\.0\.0\.1:|\w+(\+\w+)?://|\d+ wires)", first), words
        if " wires" in first:
            while "Ctrl-C" not in line_of(process.stdout):
                pass

    def _open(self, words: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            words,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
