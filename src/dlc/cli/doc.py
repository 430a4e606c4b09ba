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
    that uses it. Of a topic, as `classification` or `missing values`, list the words that belong to it.
    Without a word, list them all."""
    from dlc.reference import pages, terminal, topics
    from dlc.reference.words import find

    if not word:
        terminal.show(f"{pages.listed()}\n`dlc doc WORD` says more of one.\n")
        return
    phrase = " ".join(word)
    unknown = not all(map(find, word)) and topics.search(phrase)
    together = len(word) > 1 and (topics.topic(phrase) or unknown)
    terminal.show("\n".join([page(one) for one in ([phrase] if together else word)]))


def page(text: str) -> str:
    """The page of a word, of a setting, or of a topic; what is written behind it, as in `dense(3)`, does not
    matter."""
    from dlc.cli.mistakes import refuse
    from dlc.compiler.codes import codes
    from dlc.reference import pages, topics
    from dlc.reference.words import find, settings

    word = text.strip()
    word = word if find(word) else word.partition("(")[0].strip()
    if found := find(word):
        return pages.page(found)
    if topics.topic(word):
        return topics.page(word)
    if owned := settings(word):
        unbuilt = topics.later(word)
        return pages.of_settings(word, owned) + (f"\n{unbuilt}.\n" if unbuilt else "")
    if topics.later(word):
        return topics.page(word)
    if word.upper() in codes():
        refuse(f"`{word}` is a code, no word", f"write `dlc explain {word.upper()}`")
    help = elsewhere(word)
    if not help and (said := topics.page(word)):
        return said
    refuse(f"there is no word `{text}`", help or meant(word) or "`dlc doc` lists them all")


def elsewhere(word: str) -> str:
    """What a word is called here that is written so elsewhere, as `nn.Linear` is in PyTorch."""
    from dlc.compiler import foreign
    from dlc.compiler.definition import STAGES, Definition
    from dlc.reference.words import find, settings

    last = word.rpartition(".")[2]
    if last != word and find(last):
        return f"did you mean `{last}`?"
    families = [f for f in Definition.families if f not in STAGES]
    names = [setting.name for _, setting in settings()]
    return foreign.operator(last) or foreign.member(last, *families) or foreign.setting(last, names)


def meant(word: str) -> str:
    """The word that is near to a typo."""
    from dlc.compiler.foreign import ABSENT
    from dlc.compiler.suggest import did_you_mean
    from dlc.reference.words import keys, settings, words

    known = [w.name for w in (*words(), *keys())]
    names = [setting.name for _, setting in settings()]
    candidates = [*known, *names] if len(word) > SHORT else known
    return "" if word in ABSENT else did_you_mean(word, candidates)
