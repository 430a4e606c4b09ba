"""How commands report errors: messages on standard error, and exit codes."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dlc.cli.terminal_text import plain, say
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.reading import Unreadable
from dlc.runtime.errors import ArtifactError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import NoReturn, TextIO

    from dlc.compiler.diagnostics.diagnostic import Diagnostic

STOPPED = 130  # the exit code that shells expect after Ctrl-C

# Packages that only some models need; the others are installed with dlc.
EXTRAS = {
    "torch": 'this command needs torch: pip install "dlc[train]"',
    "tokenizers": 'subwords need the package `tokenizers`: pip install "dlc[text]"',
}


@contextmanager
def errors_reported() -> Iterator[None]:
    """Report an exception of the body, and exit with its code. Only bugs of dlc have a traceback."""
    try:
        yield
    except click.UsageError as error:
        usage_error(error)
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except CompileError as error:
        show(error.diagnostics, sys.stderr)
        say("".join(f"{note}\n" for note in notes(error)), newline=False, err=True)
        sys.exit(1)
    except (ArtifactError, DeviceError) as error:
        print_error(str(error))
        sys.exit(1)
    except KeyboardInterrupt as stop:
        say("".join(f"{line}\n" for line in ["stopped", *notes(stop)]), newline=False, err=True)
        sys.exit(STOPPED)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        print_error(os_error_text(error), "; ".join(notes(error)))
        sys.exit(1)
    except MemoryError:
        print_error("there is not enough memory for this")
        sys.exit(1)
    except ImportError as error:
        if error.name not in EXTRAS:
            internal_error(error)
        else:
            print_error(EXTRAS[error.name])
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  every other exception is a bug of dlc
        internal_error(error)
        sys.exit(1)


def notes(error: BaseException) -> list[str]:
    """The notes of an exception (`add_note`)."""
    return getattr(error, "__notes__", [])


def print_error(message: str, help: str = "") -> None:
    """Print an error in one line, without a source location."""
    head = "\033[1;31merror\033[0m" if colored(sys.stderr) else "error"
    click.echo(f"{head}: {plain(message)}" + (f"\n  = help: {plain(help)}" if help else ""), err=True)


def note(found: Iterable[object]) -> None:
    """Print a note on standard error for each of these."""
    for item in found:
        say(f"note: {item}", err=True)


def usage_error(error: click.UsageError) -> NoReturn:
    """Report an invalid command line, with the usage of the command, and exit."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        raise error
    if isinstance(error, click.NoSuchOption):
        no_option(error)
    message, ctx = error.format_message().rstrip("."), error.ctx
    usage = " ".join(ctx.get_usage().removeprefix("Usage: ").split()) if ctx else ""
    help = f"`{usage}`; `{ctx.command_path} --help` says more" if ctx else ""
    print_error(message[:1].lower() + message[1:], help)
    sys.exit(error.exit_code)


def no_option(error: click.NoSuchOption) -> None:
    """Report an unknown option and exit, with the setting of a spec or the similar option that is meant.
    Return if there is neither."""
    from dlc.cli.options import setting_meant
    from dlc.compiler.diagnostics.suggest import did_you_mean

    name = error.option_name
    help = setting_meant(name, error.ctx) or did_you_mean(name, error.possibilities or ())
    if help or error.possibilities:
        usage = f"`{error.ctx.command_path} --help` lists the options" if error.ctx else ""
        print_error(f"no such option '{name}'", help or usage)
        sys.exit(error.exit_code)


def refuse(message: str, help: str = "") -> NoReturn:
    """Report an error and exit with code 1."""
    print_error(message, help)
    sys.exit(1)


def os_error_text(error: OSError) -> str:
    """`x.csv: no such file or directory`."""
    name = "" if error.filename is None else os.fsdecode(error.filename)
    if isinstance(error, Unreadable):
        return f"{name} {error.strerror}"
    if error.errno == errno.ENOSPC and not name:
        name = "standard output"  # errors of other files have their name
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    return f"{name}: {reason}" if name else reason


def internal_error(error: Exception) -> None:
    """Report a bug of dlc, with a traceback."""
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True)
    print_error("this is an error in dlc, not in your file", "please report it, with the lines above")


def show(diagnostics: Sequence[Diagnostic], stream: TextIO) -> None:
    """Print each diagnostic, followed by an empty line. If there are very many, print only the first."""
    from dlc.compiler.diagnostics.render import render_all

    color = colored(stream)
    for text in render_all(diagnostics, color=color):
        click.echo(text + "\n", file=stream, color=color)


def colored(stream: TextIO | None) -> bool:
    """Whether to print colours: on a terminal, unless the user disabled them (no-color.org)."""
    if stream is None or not stream.isatty():
        return False
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
