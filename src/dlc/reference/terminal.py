"""Markdown as a terminal shows it: text in lines, what is fenced moved in, headings in bold."""

from __future__ import annotations

import re
import sys
import textwrap

import click

WIDTH = 100
FENCE = "```"
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def show(markdown: str) -> None:
    """Print a page."""
    from dlc.cli.command_errors import colored

    color = colored(sys.stdout)
    click.echo(drawn(markdown, color=color), nl=False, color=color)


def drawn(markdown: str, *, color: bool = False) -> str:
    """The page as text."""
    lines: list[str] = []
    fenced = False
    for line in markdown.splitlines():
        if line.startswith(FENCE):
            fenced = not fenced
        else:
            lines += [f"    {line}".rstrip()] if fenced else prose(line, color)
    return "".join(f"{line}\n" for line in lines)


def prose(line: str, color: bool) -> list[str]:
    """A line of text in lines that fit; what is listed hangs behind its sign."""
    line = LINK.sub(r"\1", line)
    if line.startswith("#"):
        title = line.lstrip("# ")
        return [f"\033[1m{title}\033[0m" if color else title]
    hanging = "  " if line.startswith("- ") else ""
    return textwrap.wrap(line, WIDTH, subsequent_indent=hanging, break_on_hyphens=False) or [""]
