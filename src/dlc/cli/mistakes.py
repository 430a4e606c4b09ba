"""What a person sees when a command cannot do its work."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dlc.compiler.diagnostics import CompileError
from dlc.runtime.errors import ArtifactError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn, TextIO

    from dlc.compiler.diagnostics import Diagnostic

STOPPED = 130  # what shells expect of a command ended by Ctrl-C

# Packages that only training needs; the rest comes with dlc.
EXTRAS = {"torch": 'this command needs torch: pip install "dlc[train]"'}


@contextmanager
def told(ctx: click.Context) -> Iterator[None]:
    """Say what went wrong within, and leave with the exit code of it.
    A traceback is shown for our mistakes alone."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except CompileError as error:
        show(error.diagnostics, sys.stderr)
        ctx.exit(1)
    except (ArtifactError, DeviceError) as error:
        complain(str(error))
        ctx.exit(1)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        ctx.exit(STOPPED)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        complain(say_os_error(error))
        ctx.exit(1)
    except ImportError as error:
        if error.name not in EXTRAS:
            ours(error)
        else:
            complain(EXTRAS[error.name])
        ctx.exit(1)
    except Exception as error:  # noqa: BLE001  all that is left is a mistake of ours
        ours(error)
        ctx.exit(1)


def complain(message: str, help: str = "") -> None:
    """One line on what went wrong, with no place in a spec."""
    head = "\033[1;31merror\033[0m" if colored(sys.stderr) else "error"
    click.echo(f"{head}: {message}" + (f"\n  = help: {help}" if help else ""), err=True)


def note(found: Iterable[object]) -> None:
    """A line on standard error for each thing that is no error, and that a person should know."""
    for some in found:
        click.echo(f"note: {some}", err=True)


def refuse(message: str, help: str = "") -> NoReturn:
    """Say what went wrong and leave."""
    complain(message, help)
    sys.exit(1)


def say_os_error(error: OSError) -> str:
    """`x.csv: no such file or directory`."""
    name = error.filename if error.filename is not None else ""
    words = (error.strerror or str(error) or type(error).__name__).lower()
    return f"{name}: {words}" if name else words


def ours(error: Exception) -> None:
    """A mistake of dlc itself, the only one that is told with a traceback."""
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True)
    complain("this is a mistake in dlc, not in your file", "please report it, with the lines above")


def show(diagnostics: Iterable[Diagnostic], stream: TextIO) -> None:
    """Draw each diagnostic, an empty line behind it."""
    from dlc.compiler.render import render

    color = colored(stream)
    for diagnostic in diagnostics:
        click.echo(render(diagnostic, color=color) + "\n", file=stream, color=color)


def colored(stream: TextIO) -> bool:
    """Colours are for terminals, unless the person asked for none (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
