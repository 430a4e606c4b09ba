"""What a person sees when a command cannot do its work."""

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

STOPPED = 130  # what shells expect of a command ended by Ctrl-C

# Packages that only training needs; the rest comes with dlc.
EXTRAS = {"torch": 'this command needs torch: pip install "dlc[train]"'}


@contextmanager
def told() -> Iterator[None]:
    """Say what went wrong within, and leave with the exit code of it.
    A traceback is shown for our errors alone."""
    try:
        yield
    except click.UsageError as error:
        misused(error)
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except CompileError as error:
        show(error.diagnostics, sys.stderr)
        say("".join(f"{note}\n" for note in notes(error)), newline=False, err=True)
        sys.exit(1)
    except (ArtifactError, DeviceError) as error:
        complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        sys.exit(STOPPED)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        complain(say_os_error(error), "; ".join(notes(error)))
        sys.exit(1)
    except MemoryError:
        complain("there is not enough memory for this")
        sys.exit(1)
    except ImportError as error:
        if error.name not in EXTRAS:
            ours(error)
        else:
            complain(EXTRAS[error.name])
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  all that is left is an error of ours
        ours(error)
        sys.exit(1)


def notes(error: BaseException) -> list[str]:
    """What was added to an error on its way up."""
    return getattr(error, "__notes__", [])


def complain(message: str, help: str = "") -> None:
    """One line on what went wrong, with no place in a spec."""
    head = "\033[1;31merror\033[0m" if colored(sys.stderr) else "error"
    click.echo(f"{head}: {plain(message)}" + (f"\n  = help: {plain(help)}" if help else ""), err=True)


def note(found: Iterable[object]) -> None:
    """A line on standard error for each thing that is no error, and that a person should know."""
    for some in found:
        say(f"note: {some}", err=True)


def misused(error: click.UsageError) -> NoReturn:
    """Say what is wrong with a command line, and how the command is used."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        raise error
    if isinstance(error, click.NoSuchOption):
        no_option(error)
    said, ctx = error.format_message().rstrip("."), error.ctx
    usage = " ".join(ctx.get_usage().removeprefix("Usage: ").split()) if ctx else ""
    help = f"`{usage}`; `{ctx.command_path} --help` says more" if ctx else ""
    complain(said[:1].lower() + said[1:], help)
    sys.exit(error.exit_code)


def no_option(error: click.NoSuchOption) -> None:
    """Leave with the place of a setting that is given as an option, or the option that is near to a typo;
    nothing where there is neither."""
    from dlc.cli.options import setting_meant
    from dlc.compiler.diagnostics.suggest import did_you_mean

    name = error.option_name
    help = setting_meant(name, error.ctx) or did_you_mean(name, error.possibilities or ())
    if help or error.possibilities:
        usage = f"`{error.ctx.command_path} --help` lists the options" if error.ctx else ""
        complain(f"no such option '{name}'", help or usage)
        sys.exit(error.exit_code)


def refuse(message: str, help: str = "") -> NoReturn:
    """Say what went wrong and leave."""
    complain(message, help)
    sys.exit(1)


def say_os_error(error: OSError) -> str:
    """`x.csv: no such file or directory`."""
    name = "" if error.filename is None else os.fsdecode(error.filename)
    if isinstance(error, Unreadable):
        return f"{name} {error.strerror}"
    if error.errno == errno.ENOSPC and not name:
        name = "standard output"  # files that are written are named
    words = (error.strerror or str(error) or type(error).__name__).lower()
    return f"{name}: {words}" if name else words


def ours(error: Exception) -> None:
    """An error of dlc itself, the only one that is told with a traceback."""
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True)
    complain("this is an error in dlc, not in your file", "please report it, with the lines above")


def show(diagnostics: Sequence[Diagnostic], stream: TextIO) -> None:
    """Draw each diagnostic, an empty line behind it; of very many the first."""
    from dlc.compiler.diagnostics.render import render_all

    color = colored(stream)
    for text in render_all(diagnostics, color=color):
        click.echo(text + "\n", file=stream, color=color)


def colored(stream: TextIO | None) -> bool:
    """Colours are for terminals, unless the person asked for none (no-color.org)."""
    if stream is None or not stream.isatty():
        return False
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
