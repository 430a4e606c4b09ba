"""`dlc doc`: what a word of the language means."""

from __future__ import annotations

import click

SHORT = 2  # letters of a word that is no typo of a setting


@click.command(
    short_help="Say what a word of the language means.",
    context_settings={"ignore_unknown_options": True},  # `->` is a word
)
@click.argument("word", nargs=-1)
def command(word: tuple[str, ...]) -> None:
    """Say what an operator, a loss, a section, a setting or another word of the language means, with a spec
    that uses it. Without a word, list them all."""
    from dlc.reference import pages, terminal

    if not word:
        terminal.show(f"{pages.listed()}\n`dlc doc WORD` says more of one.\n")
        return
    terminal.show("\n".join([page(one) for one in word]))


def page(text: str) -> str:
    """The page of a word, or of a setting; what is written behind it, as in `dense(3)`, does not matter."""
    from dlc.cli.mistakes import refuse
    from dlc.compiler.codes import codes
    from dlc.compiler.later import LATER
    from dlc.reference import pages
    from dlc.reference.words import find, settings

    word = text.strip()
    word = word if find(word) else word.partition("(")[0].strip()
    found, owned = find(word), settings(word)
    if found:
        return pages.page(found)
    if owned:
        return pages.of_settings(word, owned)
    if any(word in named for named in LATER.values()):
        refuse(f"`{word}` is not built yet")
    if word.upper() in codes():
        refuse(f"`{word}` is a code, no word", f"write `dlc explain {word.upper()}`")
    refuse(f"there is no word `{text}`", meant(word) or "`dlc doc` lists them all")


def meant(word: str) -> str:
    """The mend of a word that is written so elsewhere, as `nn.Linear` is in PyTorch, or of a typo."""
    from dlc.compiler import foreign
    from dlc.compiler.definition import STAGES, Definition
    from dlc.compiler.suggest import did_you_mean
    from dlc.reference.words import find, keys, settings, words

    last, known = word.rpartition(".")[2], [w.name for w in (*words(), *keys())]
    names = [setting.name for _, setting in settings()]
    if last != word and find(last):
        return f"did you mean `{last}`?"
    families = [f for f in Definition.families if f not in STAGES]
    return (
        foreign.operator(last)
        or foreign.member(last, *families)
        or foreign.setting(last, names)
        or did_you_mean(last, [*known, *names] if len(last) > SHORT else known)
    )
