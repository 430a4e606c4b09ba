"""The command line. Each command is a module, which is imported when the command is used."""

from __future__ import annotations

import gc
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from typing import Any, NoReturn

# Short-lived commands, which run without garbage collection to save time.
SHORT = ("check", "show", "diff", "runs", "fmt", "explain", "doc")

# Commands that take words as arguments, not files.
WORDS = ("explain", "doc")

# The commands, with the modules that define them as `command`.
COMMANDS = {
    "check": "check",
    "show": "show",
    "diff": "diff",
    "data": "data",
    "train": "train",
    "runs": "runs",
    "export": "export",
    "verify": "verify",
    "eval": "evaluate",
    "predict": "predict",
    "test": "testing",
    "gradcheck": "gradcheck",
    "fmt": "fmt",
    "new": "new",
    "cache": "caching",
    "emit": "emit",
    "explain": "explain",
    "doc": "doc",
    "report": "report",
    "doctor": "doctor",
}


class Commands(click.Group):
    """Finds commands by name, and turns their exceptions into a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        if cmd_name not in SHORT:
            gc.enable()
        return import_module(f"dlc.cli.{COMMANDS[cmd_name]}").command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from dlc.compiler.diagnostics.suggest import did_you_mean

            hint = did_you_mean(args[0], COMMANDS) or "`dlc --help` lists the commands"
            ctx.fail(f"there is no command `{args[0]}`; {hint}")
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **settings: Any) -> Any:
        from dlc.cli.command_errors import errors_reported

        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # for characters that its encoding lacks
        with errors_reported():
            return super().main(*args, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from dlc.cli.command_errors import errors_reported

        for argument in args:
            check_argument(argument, may_be_empty=args[0] in WORDS)
        with errors_reported():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        from dlc.cli.command_errors import errors_reported

        with errors_reported():  # before click converts the exception
            return super().invoke(ctx)


def check_argument(argument: str, *, may_be_empty: bool) -> None:
    """Refuse arguments that no command takes: bytes that are not UTF-8, and empty ones unless allowed."""
    from dlc.cli.command_errors import refuse

    is_empty = not argument or (argument.startswith("--") and argument.find("=") == len(argument) - 1)
    if is_empty and not may_be_empty:
        refuse(
            f"`{argument}` has no value" if argument else "an argument is empty",
            "give it a value; an unset shell variable gives an empty one",
        )
    if not argument.isprintable() and any("\udc80" <= letter <= "\udcff" for letter in argument):
        shown = os.fsencode(argument).decode("utf-8", "backslashreplace")
        refuse(f"`{shown}` is not UTF-8 text", "give it a name in UTF-8")


def show_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from dlc import __version__

        click.echo(f"dlc {__version__}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version.",
)
def commands() -> None:
    """From a .dl file to a trained, verified ONNX file."""


def main() -> NoReturn:
    """Run the command line. The process ends without unloading libraries, because threads that are still
    starting would abort it."""
    gc.disable()
    code: object = 0
    try:
        commands(prog_name="dlc")
    except SystemExit as end:
        code = end.code
    failed = flush_output()
    os._exit((code if isinstance(code, int) else int(code is not None)) or failed)


def flush_output() -> int:
    """Flush standard output and standard error; 1 if some output could not be written."""
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except BrokenPipeError:
        pass  # the reader of the pipe has ended
    except OSError as error:
        from dlc.cli.command_errors import os_error_text, print_error

        with suppress(OSError):
            print_error(os_error_text(error))
        return 1
    return 0
