"""`dlc explain`: the meaning of an error or warning code."""

from __future__ import annotations

import re

import click

CODE = re.compile(r"\b[EW]\d{4}\b")


@click.command(short_help="Explain the code of an error.")
@click.argument("code", nargs=-1)
def command(code: tuple[str, ...]) -> None:
    """Explain the code of an error or a warning, with a spec that has it and the corrected spec.
    Without a code, list all codes; with the beginning of one, such as E03, list those that start with it."""
    from dlc.reference import terminal

    terminal.show("\n".join([page(one) for one in code]) if code else listed())


def listed(begin: str = "") -> str:
    from dlc.reference import errors

    return f"{errors.listed(begin=begin)}\n`dlc explain CODE` explains one.\n"


def page(text: str) -> str:
    """The page of a code, also if the text is a whole message; or the codes that start with the text."""
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
        refuse(f"`{text}` is a word, not a code", f"write `dlc doc {text}`")
    numbered = f"E{wanted:0>4}"  # E0203 for 203
    hint = f"did you mean `{numbered}`?" if numbered in codes() else did_you_mean(wanted, codes())
    refuse(f"there is no code `{text}`", hint or "`dlc explain` lists all codes")
