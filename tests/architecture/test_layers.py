"""The house's rules about imports, read from the source: docs/architecture.md draws them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

SRC: Final = Path(__file__).parents[2] / "src"
OURS: Final = ("energymeter", "flexmodbusreader")

FLOORS: Final = (
    ("errors", "_version"),
    ("codec", "values", "clock", "eventloop"),
    ("profiles", "transports"),
    ("planner", "site", "httpserver"),
    ("client", "server"),
    ("reader", "simulator"),
    ("store",),
    ("discovery", "service"),
    ("doctor", "recording", "sinks"),
    ("web",),
    ("blocking", "pymodbus_unit"),
    ("testing",),
    ("compat",),
    ("devicefile",),
    ("devices", "flexmodbusreader", "daemon", "tui"),
    ("cli",),
    ("energymeter", "__main__"),
)
"""From the ground up. `energymeter` is the root with the public names."""

LATE_ARROWS: Final = {("service", "compat")}
"""Upward, but inside a function: the original's service has its home above."""

THIRD_PARTIES: Final = {
    "pydantic": ("profiles", "simulator", "site", "web", "daemon", "cli"),
    "pydantic_core": ("profiles", "simulator"),
    "numpy": ("simulator", "store"),
    "click": ("cli",),
    "rich": ("cli", "tui"),
    "textual": ("tui",),
    "uvloop": ("eventloop",),
    "yaml": ("profiles",),
    "serialx": ("transports",),
    "cryptography": ("transports",),
    "aiomqtt": ("sinks",),
    "httpx": ("sinks",),
    "psycopg": ("store",),
    "pyarrow": ("store",),
    "fastapi": ("simulator", "web"),
    "fastcrc": ("codec",),
    "starlette": ("web",),
    "uvicorn": ("httpserver",),
    "nicegui": ("web",),
    "pytest": ("testing",),
}

PURE: Final = ("codec", "values", "planner", "profiles", "simulator/physics")
IMPURE: Final = {"asyncio", "time", "random", "logging", "socket", "threading"}

MAX_LINES: Final = 500


class Import(NamedTuple):
    """One imported module."""

    importer: str
    module: str
    is_late: bool
    """Inside a function, or for the type checker only."""


def _files() -> list[Path]:
    return sorted(path for name in OURS for path in (SRC / name).rglob("*.py"))


def _module(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES: Final = {_module(path): path for path in _files()}


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "energymeter" and len(parts) > 1 else parts[0]


def _floor(module: str) -> int:
    room = _room(module)
    return next(floor for floor, rooms in enumerate(FLOORS) if room in rooms)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _walk(node: ast.AST, *, is_late: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        late = is_late or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        late = late or _is_for_types(child)
        yield child, late
        yield from _walk(child, is_late=late)


def _imports_of(module: str, path: Path) -> Iterator[Import]:
    for node, is_late in _walk(ast.parse(path.read_text("utf-8")), is_late=False):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, is_late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = node.module or ""
            for alias in node.names:
                full = f"{home}.{alias.name}"
                yield Import(module, full if full in MODULES else home, is_late)


IMPORTS: Final = [found for name, path in MODULES.items() for found in _imports_of(name, path)]


def _of_ours() -> list[Import]:
    return [found for found in IMPORTS if found.module.split(".")[0] in OURS]


def test_every_room_has_a_floor() -> None:
    known = {room for rooms in FLOORS for room in rooms}
    assert {_room(module) for module in MODULES} == known


def test_imports_lead_downward_or_stay_in_the_room() -> None:
    wrong = [
        f"{found.importer} imports {found.module}"
        for found in _of_ours()
        if _room(found.importer) != _room(found.module)
        and _floor(found.module) >= _floor(found.importer)
        and not (found.is_late and (_room(found.importer), _room(found.module)) in LATE_ARROWS)
    ]
    assert wrong == []


def test_the_physics_stands_alone() -> None:
    home = "energymeter.simulator.physics"
    wrong = [
        f"{found.importer} imports {found.module}"
        for found in _of_ours()
        if found.importer.startswith(home) and not found.module.startswith(home)
    ]
    assert wrong == []


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_know_no_clock_no_chance_no_loop_and_no_log(room: str) -> None:
    home = "energymeter." + room.replace("/", ".")
    inside = [found for found in IMPORTS if f"{found.importer}.".startswith(f"{home}.")]
    assert inside
    wrong = [
        f"{found.importer} imports {found.module}"
        for found in inside
        if found.module.split(".")[0] in IMPURE or found.module == "numpy.random"
    ]
    assert wrong == []


def test_third_parties_stay_in_their_room() -> None:
    wrong = []
    for found in IMPORTS:
        package = found.module.split(".")[0]
        if package in OURS or package in sys.stdlib_module_names:
            continue
        if _room(found.importer) not in THIRD_PARTIES.get(package, ()):
            wrong.append(f"{found.importer} imports {package}")
    assert wrong == []


def test_no_relative_imports() -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert wrong == []


def test_no_circles() -> None:
    below: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in _of_ours():
        if not found.is_late and found.module != found.importer:
            below[found.importer].add(found.module)
    # Modules that import nothing that is left are taken away until only circles remain.
    while free := {module for module, others in below.items() if not others}:
        below = {module: others - free for module, others in below.items() if module not in free}
    assert below == {}


def test_files_stay_short() -> None:
    long = {
        str(path.relative_to(SRC)): lines
        for path in MODULES.values()
        if (lines := len(path.read_text("utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_no_module_has_a_name_of_the_standard_library_at_the_top() -> None:
    tops = {module.split(".")[0] for module in MODULES}
    assert not tops & sys.stdlib_module_names
