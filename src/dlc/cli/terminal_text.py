"""Printing text with escapes, so that text from untrusted files cannot control a terminal."""

from __future__ import annotations

import re
import sys

import click

from dlc.compiler.diagnostics.quoting import printable


def say(text: object = "", *, newline: bool = True, err: bool = False) -> None:
    """Print lines for the user, escaped."""
    click.echo(plain(str(text)), nl=newline, err=err)


def pass_on(text: str) -> None:
    """Print a text that may go into a file or pipe; it is escaped only on a terminal."""
    click.echo(plain(text) if sys.stdout.isatty() else text, nl=False)


def plain(text: str) -> str:
    """A text with control characters escaped, except line breaks and tabs."""
    parts = re.split("([\n\t])", text.replace("\r\n", "\n"))
    return "".join(part if part in ("\n", "\t") else printable(part) for part in parts)
