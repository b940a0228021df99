"""`energymeter completion`: what a shell needs to complete the command line, and the words for it.

A shell calls `energymeter` itself with what was typed so far; click finds the parameter that is
meant, and the functions here know the words that only exist at run time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from energymeter.cli.app import COMPLETING

if TYPE_CHECKING:
    from energymeter.store import Store

__all__ = ["command", "meter_names", "profile_names", "quantity_names"]

_SHELLS: Final = ("bash", "zsh", "fish")
_PROGRAM: Final = "energymeter"
_BREAKS: Final = re.compile(r"[:=]+")
_PLAIN: Final = re.compile(r"([^\w@%+=:,./-])")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> int:
    """Print the script that lets a shell complete commands, options, profiles and meters.

    For now: eval "$(energymeter completion bash)", likewise with zsh; with fish: energymeter
    completion fish | source. For good, put that line into ~/.bashrc or ~/.zshrc, or the script
    into ~/.config/fish/completions/energymeter.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has all of them
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, _PROGRAM, COMPLETING).source())
    return 0


def profile_names(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Profiles whose name, with the vendor or without, begins like this; else files."""
    from energymeter.cli.options import profile_library  # noqa: PLC0415 - options imports this

    with ctx.scope(cleanup=False):
        names = profile_library().names()
    wanted = incomplete.lower()
    models = [name.partition("/")[2] for name in names]
    alone = [model for model in models if models.count(model) == 1]
    # An empty word: the full names say all there is, once.
    found = [*names, *alone] if wanted else names
    items = _items(wanted, found)
    return items or [CompletionItem(incomplete, type="file")]


def meter_names(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Meters of the store that is meant."""

    def read(store: Store) -> Iterable[str]:
        from energymeter.store.courses import meters_in  # noqa: PLC0415 - NumPy takes its time

        return meters_in(store.meters())

    return _items(incomplete, _in_store(ctx, read))


def quantity_names(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """What the store has of the meter that is named."""

    def read(store: Store) -> Iterable[str]:
        from energymeter.store.courses import courses_of  # noqa: PLC0415 - NumPy takes its time

        layouts = store.meters()
        keys = courses_of(layouts, ctx.params.get("meter") or "")
        return (series.name for key in keys for series in layouts[key].series)

    return _items(incomplete, _in_store(ctx, read))


def _in_store(ctx: click.Context, read: Any) -> list[str]:  # noqa: ANN401 - a function of a store
    from energymeter.cli.kept import open_store  # noqa: PLC0415 - kept imports much
    from energymeter.errors import MeterError  # noqa: PLC0415

    store, site = ctx.params.get("store"), ctx.params.get("site")
    # In the middle of a line there is nobody to tell what is wrong with the store.
    site = None if site is None else Path(site)
    with suppress(MeterError, OSError), open_store(store, site) as opened:
        return list(read(opened))
    return []


def _items(incomplete: str, words: Iterable[str]) -> list[CompletionItem[str]]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


class _Bash(BashComplete):
    """Knows that bash cuts words at `:` and `=`, and that it does not quote what it inserts."""

    name = "bash"

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - as click has it
        super().__init__(*arguments)
        self._kept = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ["COMP_WORDS"])
        place = int(os.environ["COMP_CWORD"])
        words = [*words[: place + 1], *[""] * (place + 1 - len(words))]
        joined: list[str] = []
        for number, word in enumerate(words):
            follows = number > 0 and _BREAKS.fullmatch(words[number - 1])
            if joined and (_BREAKS.fullmatch(word) or follows):
                joined[-1] += word
            else:
                joined.append(word)
        incomplete = joined[-1]
        value = incomplete.partition("=")[2] if incomplete.startswith("-") else incomplete
        self._kept = value[: max(value.rfind(":"), value.rfind("=")) + 1]
        return joined[1:-1], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        value = str(item.value)
        if item.type == "plain":
            # Once for the script's `read`, once for the line it is put into.
            value = _PLAIN.sub(r"\\\\\1", value.removeprefix(self._kept))
        return f"{item.type},{value}"


add_completion_class(_Bash)
