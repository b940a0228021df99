"""The `energymeter` command: finds the subcommand, and turns errors into one sentence.

A subcommand's module is imported when it is called, so that `--help` stays quick.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click
from click.exceptions import NoArgsIsHelpError

from energymeter._version import __version__
from energymeter.errors import ConfigError, MeterError, UnknownHostError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMPLETING", "cli", "main"]

_COMMANDS: Final[dict[str, str]] = {
    "read": "Read a meter once, or refresh a table of its values.",
    "poll": "Read meters at a fixed interval and print the values.",
    "simulate": "Simulate one or more meters on any transport.",
    "demo": "Simulate a site of twelve meters and run the service on it.",
    "profile": "List, show, check, create and convert meter profiles.",
    "plan": "Show the cheapest requests that read a meter, and their cost.",
    "doctor": "Diagnose why a meter does not answer, or answers nonsense.",
    "scan": "List the units that answer, and the profiles that fit them.",
    "find": "Detect how a register map must be read: shift, orders.",
    "run": "Run the service: poll a site, store and forward readings.",
    "site": "Check, create and describe site files.",
    "dump": "Read and print a range of registers.",
    "diff": "Compare two dumps or two recordings.",
    "replay": "Serve a recording as a meter.",
    "status": "Show how a running service is doing.",
    "top": "Watch all meters of a running service in the terminal.",
    "history": "Print the stored history of one value.",
    "store": "Check a store, or copy it while it is in use.",
    "export": "Write the history to CSV or Parquet.",
    "frame": "Explain a Modbus frame in words.",
    "completion": "Print the completion script for a shell.",
}
"""Every subcommand, in the order of a newcomer's needs; `cli/NAME.py` holds each."""


COMPLETING: Final = "_ENERGYMETER_COMPLETE"
"""A shell that wants to know how a line could go on sets this."""


_UNWRITABLE: Final = (errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC)
"""What a write to stdout or stderr fails with, besides a pipe that nobody reads."""


@contextmanager
def _unread_is_fine() -> Iterator[None]:
    """Whoever reads our output may go away (`| head`): nothing has failed then."""
    try:
        yield
    except (BrokenPipeError, SystemExit) as error:
        # Rich ends the program itself over such an error.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        _forget_output()
        raise click.exceptions.Exit(0) from None


class _LazyGroup(click.Group):
    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - as click has it
    ) -> click.Context:
        with _unread_is_fine():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - likewise
        with _unread_is_fine():
            return super().invoke(ctx)

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
    """Read, poll, diagnose and simulate Modbus energy meters."""


def main() -> None:
    """Run the command line and exit: 0 done, 1 the meter or the wire failed, 2 wrong usage."""
    _prepare_standard_files()
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
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        _forget_output()
        _complain(f"the output cannot be written: {error.strerror}")
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(what: MeterError | str) -> None:
    click.echo(f"energymeter: {what}", err=True)


def _prepare_standard_files() -> None:
    # What our caller has closed (`>&-`) is opened: uvloop aborts over sockets numbered 0 to 2.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, this one
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    # A meter's name may have letters that an old code page has not.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """What is still to be written would fail once more at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
