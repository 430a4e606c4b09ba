"""Text on the screen: what comes from files of strangers cannot make a terminal do anything."""

from __future__ import annotations

import re
import sys

import click

from dlc.compiler.diagnostics.quoting import printable


def say(text: object = "", *, newline: bool = True, err: bool = False) -> None:
    """A few lines for a person."""
    click.echo(plain(str(text)), nl=newline, err=err)


def pass_on(text: str) -> None:
    """A text that goes into files and pipes as it is."""
    click.echo(plain(text) if sys.stdout.isatty() else text, nl=False)


def plain(text: str) -> str:
    """The lines of a text with escapes in place of what a terminal would obey."""
    parts = re.split("([\n\t])", text.replace("\r\n", "\n"))
    return "".join(part if part in ("\n", "\t") else printable(part) for part in parts)
