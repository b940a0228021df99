"""What the documents tell a reader to type works as printed; see `shell` for the exceptions."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.docs.blocks import DOCUMENTS, ROOT, blocks_of, name_of
from tests.docs.shell import NOT_RUN, Sitting, commands_of, free_ports, ports_of

README = ROOT / "README.md"
SITTINGS = [document for document in DOCUMENTS if commands_of(document)]
EXAMPLE_PORTS = (("electric", "5020"), ("pm8000", "5023"))
"""The meters that runnable Python blocks of documents without shell commands ask for."""


@pytest.mark.parametrize("document", SITTINGS, ids=name_of)
def test_shell_commands_run_as_printed(document: Path, tmp_path: Path) -> None:
    commands = [command for command in commands_of(document) if command.split()[0] not in NOT_RUN]
    if any(command.startswith("mbpoll") for command in commands) and not shutil.which("mbpoll"):
        pytest.skip("mbpoll is not installed")
    with Sitting(tmp_path, free_ports(ports_of(" ".join(commands)))) as sitting:
        for block in blocks_of(document, "python", "toml"):
            if block.file_name is not None:
                sitting.save(block.file_name, block.text)
        for command in commands:
            sitting.run(command)


@pytest.mark.parametrize(
    "document",
    [d for d in DOCUMENTS if any(block.is_runnable for block in blocks_of(d, "python"))],
    ids=name_of,
)
def test_runnable_python_runs(document: Path, tmp_path: Path) -> None:
    runnable = [block for block in blocks_of(document, "python") if block.is_runnable]
    text = " ".join(block.text for block in runnable)
    with Sitting(tmp_path, free_ports(ports_of(text))) as sitting:
        for port in sorted(ports_of(text)):
            name = "pm8000" if port == "5023" else "electric"
            sitting.run(f"energymeter simulate --profile {name} --port {port} &")
        for block in runnable:
            sitting.run_python(block.text, str(block))


def test_readme_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    used = {
        command.split()[1]
        for document in DOCUMENTS
        for command in commands_of(document)
        if command.startswith("make ")
    }
    assert {"demo", "test", "install"} <= used <= targets


def test_the_first_minute_is_two_commands() -> None:
    first = blocks_of(README, "shell")[0]
    assert [line.split()[:2] for line in first.text.splitlines()] == [
        ["make", "demo"],
        ["make", "test"],
    ]


def test_demo_of_the_readme_ends_by_itself(tmp_path: Path) -> None:
    demo = next(line for line in commands_of(README) if line.startswith("make demo"))
    arguments = re.search(r'ARGS="([^"]+)"', demo)
    assert arguments is not None
    with Sitting(tmp_path, {}) as sitting:
        sitting.run(f"energymeter demo {arguments.group(1)}")
