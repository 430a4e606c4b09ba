"""`dlc doc`: what a word of the language means."""

from __future__ import annotations

import click

SHORT = 2  # letters of a word that is no typo of a setting
LONG = 5  # letters that a word has at most which may be another one than the one that is near


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
    from dlc.cli.command_errors import refuse
    from dlc.compiler.diagnostics.codes import codes
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
    if known := known_as(word) or misspelt(word):
        return f"`{word}` is `{known}` here.\n\n{page(known)}"
    help = elsewhere(word)
    if not help and (said := topics.page(word)):
        return said
    refuse(f"there is no word `{text}`", help or meant(word) or "`dlc doc` lists them all")


def known_as(word: str) -> str:
    """The word here for one of another library, as `dense` is for `nn.Linear`; empty if it is none."""
    from dlc.compiler.definitions import aliases
    from dlc.compiler.definitions.definition import STAGES, Definition

    last = word.rpartition(".")[2]
    families = [f for f in Definition.families if f not in STAGES]
    found = aliases.named(last, "operator", "combinator", "loss")
    if found:
        return found if aliases.operator(last) == aliases.written(found) and is_word(found) else ""
    found = aliases.named(last, *families)
    return found if found != last and is_word(found) else ""


def is_word(name: str) -> bool:
    from dlc.reference.words import find

    return bool(name and find(name))


def misspelt(word: str) -> str:
    """The one word that a longer one is a letter away from, as `standardize` is from `standardise`."""
    from dlc.compiler.definitions.aliases import ABSENT
    from dlc.compiler.diagnostics.suggest import EditDistance
    from dlc.reference.words import keys, words

    names = {w.name for w in (*words(), *keys())}
    near = [n for n in names if abs(len(n) - len(word)) <= 1 and EditDistance(word).to(n, 1) == 1]
    return near[0] if len(near) == 1 and len(word) > LONG and word not in ABSENT else ""


def elsewhere(word: str) -> str:
    """What a word is called here that is written so elsewhere, as `nn.Linear` is in PyTorch."""
    from dlc.compiler.definitions import aliases
    from dlc.compiler.definitions.definition import STAGES, Definition
    from dlc.reference.words import find, settings

    last = word.rpartition(".")[2]
    if last != word and find(last):
        return f"did you mean `{last}`?"
    families = [f for f in Definition.families if f not in STAGES]
    names = [setting.name for _, setting in settings()]
    return aliases.operator(last) or aliases.member(last, *families) or aliases.setting(last, names)


def meant(word: str) -> str:
    """The word that is near to a typo."""
    from dlc.compiler.definitions.aliases import ABSENT
    from dlc.compiler.diagnostics.suggest import did_you_mean
    from dlc.reference.words import keys, settings, words

    known = [w.name for w in (*words(), *keys())]
    names = [setting.name for _, setting in settings()]
    candidates = [*known, *names] if len(word) > SHORT else known
    return "" if word in ABSENT else did_you_mean(word, candidates)
