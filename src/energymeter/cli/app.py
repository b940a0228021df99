"""The `energymeter` command: finds the subcommand, and turns errors into one sentence.

A subcommand's module is imported when it is called, so that `--help` stays quick.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Final

import click
from click.exceptions import NoArgsIsHelpError

from energymeter._version import __version__
from energymeter.errors import ConfigError, MeterError, UnknownHostError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMPLETING", "cli", "main"]

_COMMANDS: Final[dict[str, str]] = {
    "read": "Read a meter once, or keep a table renewed.",
    "poll": "Read a meter on a fixed beat and print the values.",
    "simulate": "Be a meter, or many, on any wire, with values that move.",
    "demo": "Simulate a site of twelve meters and run the service on it.",
    "profile": "List, show, check, make and convert meter profiles.",
    "plan": "Show the cheapest requests that read a meter, and their cost.",
    "doctor": "Find out why a meter does not answer, or answers nonsense.",
    "scan": "List the units that answer, and what they are.",
    "find": "Find out how a meter's map is to be read.",
    "run": "Poll the meters of a site, keep what they say, pass it on.",
    "site": "Check, make and describe site files.",
    "dump": "Read a whole map of registers, politely.",
    "diff": "Compare two dumps or two recordings.",
    "replay": "Be the meter that was recorded.",
    "status": "Show how a running service is doing.",
    "top": "Watch all meters of a running service on a screen.",
    "history": "Print what the store has of one value.",
    "store": "Check a store, or copy it while it is in use.",
    "export": "Write the history to Parquet or CSV.",
    "frame": "Explain a Modbus frame in words.",
    "completion": "Print the script that lets a shell complete all this.",
}
"""Every subcommand, in the order of a newcomer's needs; `cli/NAME.py` holds each."""


COMPLETING: Final = "_ENERGYMETER_COMPLETE"
"""A shell that wants to know how a line could go on sets this."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"energymeter.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - shells ask seldom

        # Of the modules behind them none is needed.
        return [
            CompletionItem(name, help=text)
            for name, text in _COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="energymeter")
def cli() -> None:
    """Read any energy meter over Modbus, and stand in for it when there is none."""


def main() -> None:
    """Run the command line and exit: 0 done, 1 the meter or the wire failed, 2 wrong usage."""
    if COMPLETING in os.environ:
        importlib.import_module("energymeter.cli.completion")  # knows more of bash than click
    try:
        code = cli.main(prog_name="energymeter", standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.UsageError as error:
        # One line instead of click's four.
        path = error.ctx.command_path if error.ctx is not None else "energymeter"
        text = error.format_message().rstrip(".")
        click.echo(f"{path}: {text[:1].lower()}{text[1:]} (see {path} --help)", err=True)
        sys.exit(2)
    except (ConfigError, UnknownHostError) as error:
        _complain(error)
        sys.exit(2)
    except MeterError as error:
        _complain(error)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(error: MeterError) -> None:
    click.echo(f"energymeter: {error}", err=True)
