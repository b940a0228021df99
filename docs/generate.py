"""Write the reference pages that can be made from the program itself.

Run: python docs/generate.py [--check]. With --check nothing is written; the exit code is 1 when
a page is not what would be written now.
"""

from __future__ import annotations

import ast
import inspect
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from energymeter import errors, profiles
from energymeter.cli.app import cli
from energymeter.codec.codes import EXCEPTION_EXPLANATIONS, exception_name
from energymeter.profiles import Profile, ProfileLibrary, catalogue
from energymeter.simulator.faults.catalogue import fault_list_page
from energymeter.values.quantities import Quantity, quantities
from energymeter.web.api_page import api_page
from energymeter.web.catalogue import metrics_page

REFERENCE = Path(__file__).parent / "reference"
NOTICE = "<!-- Made by docs/generate.py; do not edit. -->"
HELP_WIDTH = 88

COMMANDS_HEAD = """# Commands

This page is the `--help` output of every command.

| exit code | meaning |
|---|---|
| 0 | success; for `read`: every value was read |
| 1 | the meter or the wire failed, at least in part; the output cannot be written; a bad `frame` |
| 2 | wrong usage: an option, a file, a profile, a port, a host name that does not resolve |
| 3 | for `status` and `top`: the service cannot be reached |
| 130 | stopped with Ctrl-C before the command was done |

Values go to stdout, everything else to stderr. An error is one line that starts with the
program's name. `python -m energymeter` is the same program.
"""

MAIN_PY = """## main.py

`python main.py --host HOST --port PORT`, from the root of the checkout: the original reader's
script with its original arguments, polling the device it imports. It polls until Ctrl-C; the
exit code is 2 for invalid arguments.
"""

ERRORS_HEAD = """# Errors

Every error this library raises deliberately is a `MeterError`. Distinguish errors by class, not by
text. `retryable` is an attribute of the class: whether the same call may succeed later without a
change by the caller. Every error has `message`, `endpoint` and `unit`; the last two are None
where they are unknown. `asyncio.CancelledError` is never turned into one of these.
"""

CODES_HEAD = """## Exception codes

What `ExceptionReplyError.code` can be. `is_busy` is true for 5 and 6.

| code | name | what it means |
|---|---|---|
"""

KEYS_HEAD = """# Profile keys

Every key of a profile file, and every quantity that names can start with. How they work together is
stands in the [profile format](profile-format.md). `needed`: there is no default. Where the default
is empty, the key is optional.
"""

_KINDS = {
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "object": "table",
    "string": "text",
}

QUANTITIES_HEAD = """## Quantities

What a point's name can begin with. Values outside the range are rejected as impossible.
A setting describes the configuration or identity of the meter.

| quantity | base unit | range | nature |
|---|---|---|---|
"""


def commands_page() -> str:
    """The help of the program and of each command."""
    context = click.Context(cli, info_name="energymeter")
    parts = [NOTICE, COMMANDS_HEAD, _help_block("energymeter", cli, None)]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is None:
            message = f"the command {name} is listed but does not exist"
            raise LookupError(message)
        parts.append(_help_block(name, command, context))
        if isinstance(command, click.Group):
            inner = click.Context(command, info_name=name, parent=context)
            parts += [
                _help_block(f"{name} {sub}", found, inner)
                for sub in command.list_commands(inner)
                if (found := command.get_command(inner, sub)) is not None
            ]
    return "\n".join([*parts, MAIN_PY]).rstrip() + "\n"


def _help_block(name: str, command: click.Command, parent: click.Context | None) -> str:
    title = "energymeter" if parent is None else f"energymeter {name}"
    context = click.Context(
        command,
        info_name=name.rpartition(" ")[2],
        parent=parent,
        terminal_width=HELP_WIDTH,
        max_content_width=HELP_WIDTH,
        help_option_names=["-h", "--help"],
    )
    return f"## {title}\n\n```text\n{command.get_help(context).strip()}\n```\n"


def errors_page() -> str:
    """The exception tree and what the docstrings say of each class."""
    classes = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.MeterError)
    ]
    tree = "\n".join(_tree(errors.MeterError, 0))
    rows = [
        f"| {code} | {exception_name(code)} | {text} |"
        for code, text in EXCEPTION_EXPLANATIONS.items()
    ]
    return "\n".join(
        [
            NOTICE,
            ERRORS_HEAD,
            f"```text\n{tree}\n```\n",
            *(_entry(error) for error in classes),
            CODES_HEAD + "\n".join(rows),
        ]
    ).rstrip() + "\n"  # fmt: skip


def _tree(error: type[errors.MeterError], depth: int) -> list[str]:
    remarks = [*_builtin_bases(error), *(["retryable"] if error.retryable else [])]
    remark = f"  ({', '.join(remarks)})" if remarks else ""
    lines = [f"{'   ' * depth}{error.__name__}{remark}"]
    for child in error.__subclasses__():
        lines += _tree(child, depth + 1)
    return lines


def _builtin_bases(error: type[errors.MeterError]) -> list[str]:
    return [
        base.__name__
        for base in error.__bases__
        if base.__module__ == "builtins" and base is not Exception
    ]


def _entry(error: type[errors.MeterError]) -> str:
    text, _, attributes = inspect.cleandoc(error.__doc__ or "").partition("\n\nAttributes:\n")
    lines = [f"## {error.__name__}", "", text, ""]
    if attributes:
        lines += [f"- {item}" for item in _attributes(attributes)]
        lines.append("")
    return "\n".join(lines)


def _attributes(block: str) -> list[str]:
    """`name: text` of each attribute, continued lines joined."""
    items: list[str] = []
    for line in block.splitlines():
        if line.startswith("     "):
            items[-1] += " " + line.strip()
        elif line.strip():
            name, _, text = line.strip().partition(": ")
            items.append(f"`{name}`: {text}")
    return items


def keys_page() -> str:
    """The keys of a profile from the model itself, and the quantities."""
    schema = Profile.model_json_schema()
    meanings = _field_docs()
    parts = [NOTICE, KEYS_HEAD, _key_table("A profile", schema, meanings["Profile"])]
    for name, definition in schema["$defs"].items():
        if "properties" in definition:
            parts.append(_key_table(name, definition, meanings[name]))
    rows = [
        f"| `{quantity.name}` | {quantity.unit} | {_range(quantity)} | {_nature(quantity)} |"
        for quantity in quantities()
    ]
    return "\n".join([*parts, QUANTITIES_HEAD + "\n".join(rows)]) + "\n"


def _range(quantity: Quantity) -> str:
    is_bounded = math.isfinite(quantity.low) and math.isfinite(quantity.high)
    return f"{quantity.low:g} to {quantity.high:g}" if is_bounded else ""


def _nature(quantity: Quantity) -> str:
    if quantity.is_setting:
        return "setting"
    return "counter" if quantity.is_counter else "measured"


def meters_page() -> str:
    """The profiles in the package."""
    library = ProfileLibrary([])
    shipped = (library.load(name) for name in library.names())
    return f"{NOTICE}\n{catalogue.meters_page(shipped)}".rstrip() + "\n"


def _key_table(title: str, definition: Mapping[str, Any], meanings: Mapping[str, str]) -> str:
    needed = definition.get("required", [])
    lines = [f"## {title}", "", definition["description"], ""]
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, schema in definition["properties"].items():
        if title == "A profile" and key == "name":
            continue  # it comes from the file's place
        default = "needed" if key in needed else _default(schema.get("default"))
        lines.append(f"| `{key}` | {_kind(schema)} | {default} | {meanings.get(key, '')} |")
    return "\n".join(lines) + "\n"


def _kind(schema: Mapping[str, Any]) -> str:
    """What a JSON Schema allows, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        choices = Profile.model_json_schema()["$defs"][name].get("enum")
        return _choices(choices) if choices else f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        kinds = [_kind(part) for part in schema["anyOf"] if part.get("type") != "null"]
        # A number may be written as text, to keep its digits; that is no other kind.
        return " or ".join(kind for kind in kinds if kind != "text" or "number" not in kinds)
    if "enum" in schema:
        return _choices(schema["enum"])
    if schema["type"] == "integer" and "maximum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    if schema["type"] == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list of two numbers"
    return _KINDS[schema["type"]]


def _choices(values: list[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values if value != "")


def _default(value: Any) -> str:  # noqa: ANN401 - any value of JSON
    if value in ("", None, [], {}) or isinstance(value, dict):
        return ""
    items = value if isinstance(value, list) else [value]
    return ", ".join(str(item).lower() if isinstance(item, bool) else str(item) for item in items)


def _field_docs() -> dict[str, dict[str, str]]:
    """The text below each field of the classes a profile is made of."""
    sources = sorted(Path(profiles.__file__).parent.glob("*.py"))
    bodies = [node for path in sources for node in ast.parse(path.read_text("utf-8")).body]
    return {
        node.name: {
            field.target.id: " ".join(text.value.value.split())
            for field, text in zip(node.body, node.body[1:], strict=False)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
        for node in bodies
        if isinstance(node, ast.ClassDef)
    }


PAGES = {
    "commands.md": commands_page,
    "errors.md": errors_page,
    "metrics.md": lambda: f"{NOTICE}\n{metrics_page()}",
    "fault-list.md": lambda: f"{NOTICE}\n{fault_list_page()}".rstrip() + "\n",
    "meters.md": meters_page,
    "profile-keys.md": keys_page,
    "rest.md": lambda: f"{NOTICE}\n{api_page()}",
}


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them; returns the exit code."""
    is_check = arguments == ["--check"]
    if arguments and not is_check:
        sys.stderr.write("usage: python docs/generate.py [--check]\n")
        return 2
    stale = []
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make()
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if not is_check:
            path.write_text(text, "utf-8")
    verb = "is not current, run python docs/generate.py" if is_check else "written"
    for name in stale:
        sys.stdout.write(f"docs/reference/{name}: {verb}\n")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
