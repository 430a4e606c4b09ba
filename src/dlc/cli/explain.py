"""`dlc explain`: what the code of an error or a warning means."""

from __future__ import annotations

import click


@click.command(short_help="Say what the code of an error means.")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Say what the code of an error or a warning means, with a spec that has it and the same spec mended.
    Without a code, list them all, and with its beginning, as in E03, those that begin so."""
    from dlc.cli.mistakes import refuse
    from dlc.compiler.codes import codes
    from dlc.compiler.suggest import did_you_mean
    from dlc.reference import errors, terminal
    from dlc.reference.words import find

    wanted = "" if code is None else code.upper()
    if code != "" and wanted not in codes() and any(known.startswith(wanted) for known in codes()):
        terminal.show(f"{errors.listed(begin=wanted)}\n`dlc explain CODE` says more of one.\n")
        return
    if wanted not in codes() and code and find(code):
        refuse(f"`{code}` is a word, no code", f"write `dlc doc {code}`")
    if wanted not in codes():
        refuse(f"there is no code `{code}`", did_you_mean(wanted, codes()) or "`dlc explain` lists them all")
    terminal.show(errors.explained(wanted))
