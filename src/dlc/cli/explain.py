"""`dlc explain`: what the code of an error or a warning means."""

from __future__ import annotations

import click


@click.command(short_help="Say what the code of an error means.")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Say what the code of an error or a warning means, with a spec that has it and the same spec mended.
    Without a code, list them all."""
    from dlc.cli.mistakes import refuse
    from dlc.compiler.codes import codes
    from dlc.compiler.suggest import did_you_mean
    from dlc.reference import errors, terminal

    if code is None:
        terminal.show(f"{errors.listed()}\n`dlc explain CODE` says more of one.\n")
        return
    wanted = code.upper()
    if wanted not in codes():
        refuse(f"there is no code `{code}`", did_you_mean(wanted, codes()) or "`dlc explain` lists them all")
    terminal.show(errors.explained(wanted))
