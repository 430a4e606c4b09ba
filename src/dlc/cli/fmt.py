"""`dlc fmt`: the one layout."""

from __future__ import annotations

import sys

import click

from dlc.cli.terminal_text import say


@click.command(short_help="Bring specs into the one layout.")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option(
    "--check", "only_check", is_flag=True, help="Change nothing; exit with 1 if a file is not in the layout."
)
def command(specs: tuple[str, ...], only_check: bool) -> None:
    """Bring specs into the one layout; comments are kept."""
    from dlc.cli import command_errors
    from dlc.compiler.diagnostics.problems import CompileError

    failed = False
    for spec in specs:
        try:
            changed = layout(spec, write=not only_check)
        except CompileError as error:
            command_errors.show(error.diagnostics, sys.stderr)
            failed = True
            continue
        if changed:
            failed |= only_check
            say(f"{spec} is not in the layout" if only_check else f"{spec} changed")
    sys.exit(1 if failed else 0)


def layout(spec: str, *, write: bool) -> bool:
    """True if the layout of a spec is another one, which is then written if so wished."""
    from dlc.cli.specs import content_of, text_of
    from dlc.compiler import Source
    from dlc.compiler.format.formatter import format
    from dlc.runtime import files

    content = content_of(spec)
    after = format(Source(spec, text_of(spec, content))).encode()
    if content == after:
        return False
    if write:
        files.write(spec, after)
    return True
