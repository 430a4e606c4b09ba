"""`dlc doc`: what a word of the language means."""

from __future__ import annotations

import click


@click.command(
    short_help="Say what a word of the language means.",
    context_settings={"ignore_unknown_options": True},  # `->` is a word
)
@click.argument("word", required=False)
def command(word: str | None) -> None:
    """Say what an operator, a loss, a section, a setting or another word of the language means, with a spec
    that uses it. Without a word, list them all."""
    from dlc.cli.mistakes import refuse
    from dlc.compiler import foreign
    from dlc.compiler.codes import codes
    from dlc.compiler.later import LATER
    from dlc.compiler.suggest import did_you_mean
    from dlc.reference import pages, terminal
    from dlc.reference.words import find, keys, words

    if word is None:
        terminal.show(f"{pages.listed()}\n`dlc doc WORD` says more of one.\n")
        return
    found = find(word)
    if not found:
        if any(word in named for named in LATER.values()):
            refuse(f"`{word}` is not built yet")
        if word.upper() in codes():
            refuse(f"`{word}` is a code, no word", f"write `dlc explain {word.upper()}`")
        known = [w.name for w in (*words(), *keys())]
        meant = foreign.operator(word) or foreign.member(word, known) or did_you_mean(word, known)
        refuse(f"there is no word `{word}`", meant or "`dlc doc` lists them all")
    terminal.show(pages.page(found))
