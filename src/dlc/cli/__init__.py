"""The command line. Each command is a module of its own, imported when it is asked for."""

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

# Commands whose processes are so short that collecting garbage would only cost time.
SHORT = ("check", "show", "fmt", "explain", "doc")

# Commands whose arguments are words, and not files.
WORDS = ("explain", "doc")

# Each command, and the module that holds it as `command`.
COMMANDS = {
    "check": "check",
    "show": "show",
    "train": "train",
    "export": "export",
    "verify": "verify",
    "eval": "evaluate",
    "predict": "predict",
    "test": "testing",
    "gradcheck": "gradcheck",
    "fmt": "fmt",
    "emit": "emit",
    "explain": "explain",
    "doc": "doc",
    "doctor": "doctor",
}
LATER = ("diff",)


class Commands(click.Group):
    """Finds commands by name, and turns what goes wrong in them into a message and an exit code."""

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

            if args[0] in LATER:
                ctx.fail(f"`dlc {args[0]}` is not built yet")
            hint = did_you_mean(args[0], COMMANDS) or "`dlc --help` lists the commands"
            ctx.fail(f"there is no command `{args[0]}`; {hint}")
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **settings: Any) -> Any:
        from dlc.cli.command_errors import told

        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # of what its encoding does not have
        with told():
            return super().main(*args, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from dlc.cli.command_errors import told

        for argument in args:
            check_argument(argument, empty=args[0] in WORDS)
        with told():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        from dlc.cli.command_errors import told

        with told():  # before click makes something else of it
            return super().invoke(ctx)


def check_argument(argument: str, *, empty: bool) -> None:
    """Refuse what no command takes: bytes that are no text, and nothing at all where no word is meant."""
    from dlc.cli.command_errors import refuse

    nothing = not argument or (argument.startswith("--") and argument.find("=") == len(argument) - 1)
    if nothing and not empty:
        refuse(
            f"`{argument}` has no value" if argument else "an argument is empty",
            "give it one; a variable of the shell that is not set leaves nothing behind",
        )
    if not argument.isprintable() and any("\udc80" <= sign <= "\udcff" for sign in argument):
        shown = os.fsencode(argument).decode("utf-8", "backslashreplace")
        refuse(f"`{shown}` is no text in UTF-8", "give it a name in UTF-8")


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
    """The process of the command line. It ends without taking libraries apart:
    their threads may still be starting, and abort the process if they are."""
    gc.disable()
    code: object = 0
    try:
        commands(prog_name="dlc")
    except SystemExit as end:
        code = end.code
    failed = lost()
    os._exit((code if isinstance(code, int) else int(code is not None)) or failed)


def lost() -> int:
    """1 if some of the output could not be written."""
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except BrokenPipeError:
        pass  # who reads has gone
    except OSError as error:
        from dlc.cli.command_errors import complain, say_os_error

        with suppress(OSError):
            complain(say_os_error(error))
        return 1
    return 0
