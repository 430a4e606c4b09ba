"""`dlc explain`: what the code of an error or a warning means."""

from __future__ import annotations

import re

import click

CODE = re.compile(r"\b[EW]\d{4}\b")


@click.command(short_help="Say what the code of an error means.")
@click.argument("code", nargs=-1)
def command(code: tuple[str, ...]) -> None:
    """Say what the code of an error or a warning means, with a spec that has it and the same spec fixed.
    Without a code, list them all, and with its beginning, as in E03, those that begin so."""
    from dlc.reference import terminal

    terminal.show("\n".join([page(one) for one in code]) if code else listed())


def listed(begin: str = "") -> str:
    from dlc.reference import errors

    return f"{errors.listed(begin=begin)}\n`dlc explain CODE` says more of one.\n"


def page(text: str) -> str:
    """The page of a code, which a message may stand around, or the list of those that begin so."""
    from dlc.cli.command_errors import refuse
    from dlc.compiler.diagnostics.codes import codes
    from dlc.compiler.diagnostics.suggest import did_you_mean
    from dlc.reference import errors
    from dlc.reference.words import find

    found = CODE.search(text.upper())
    wanted = found[0] if found else text.strip().upper()
    if wanted in codes():
        return errors.explained(wanted)
    if wanted and any(known.startswith(wanted) for known in codes()):
        return listed(wanted)
    if find(text):
        refuse(f"`{text}` is a word, no code", f"write `dlc doc {text}`")
    numbered = f"E{wanted:0>4}"  # of 203
    meant = f"did you mean `{numbered}`?" if numbered in codes() else did_you_mean(wanted, codes())
    refuse(f"there is no code `{text}`", meant or "`dlc explain` lists them all")
