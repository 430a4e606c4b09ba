"""`dlc doc`: the documentation of a word of the language."""

from __future__ import annotations

import click

SHORT = 2  # words of at most this many letters are not matched with names of settings
LONG = 5  # only longer words are replaced by a word that differs in one letter


@click.command(
    short_help="Explain a word of the language.",
    context_settings={"ignore_unknown_options": True},  # `->` is a word
)
@click.argument("word", nargs=-1)
def command(word: tuple[str, ...]) -> None:
    """Explain an operator, a loss, a section, a setting or another word of the language, with a spec that
    uses it. For a topic, such as `classification` or `missing values`, list the words that belong to it.
    Without a word, list all words."""
    from dlc.reference import pages, terminal, topics
    from dlc.reference.words import find

    if not word:
        terminal.show(f"{pages.listed()}\n`dlc doc WORD` explains one.\n")
        return
    phrase = " ".join(word)
    unknown = not all(map(find, word)) and topics.search(phrase)
    is_phrase = len(word) > 1 and (topics.topic(phrase) or unknown)
    terminal.show("\n".join([page(one) for one in ([phrase] if is_phrase else word)]))


def page(text: str) -> str:
    """The page of a word, a setting or a topic. Arguments, as in `dense(3)`, are ignored."""
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
        unbuilt = topics.not_built(word)
        return pages.of_settings(word, owned) + (f"\n{unbuilt}.\n" if unbuilt else "")
    if topics.not_built(word):
        return topics.page(word)
    if word.upper() in codes():
        refuse(f"`{word}` is a code, not a word", f"write `dlc explain {word.upper()}`")
    if known := known_as(word) or misspelt(word):
        return f"`{word}` is `{known}` here.\n\n{page(known)}"
    help = alias_hint(word)
    if not help and (found_topic := topics.page(word)):
        return found_topic
    refuse(f"there is no word `{text}`", help or spelling_hint(word) or "`dlc doc` lists all words")


def known_as(word: str) -> str:
    """The word of dlc for a name of another library: `dense` for `nn.Linear`; empty if there is none."""
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
    """The only word that differs in one letter, as `standardize` from `standardise`; not for short words."""
    from dlc.compiler.definitions.aliases import ABSENT
    from dlc.compiler.diagnostics.suggest import EditDistance
    from dlc.reference.words import keys, words

    names = {w.name for w in (*words(), *keys())}
    near = [n for n in names if abs(len(n) - len(word)) <= 1 and EditDistance(word).to(n, 1) == 1]
    return near[0] if len(near) == 1 and len(word) > LONG and word not in ABSENT else ""


def alias_hint(word: str) -> str:
    """How to write a name of another library, such as `nn.Linear` of PyTorch."""
    from dlc.compiler.definitions import aliases
    from dlc.compiler.definitions.definition import STAGES, Definition
    from dlc.reference.words import find, settings

    last = word.rpartition(".")[2]
    if last != word and find(last):
        return f"did you mean `{last}`?"
    families = [f for f in Definition.families if f not in STAGES]
    names = [setting.name for _, setting in settings()]
    return aliases.operator(last) or aliases.member(last, *families) or aliases.setting(last, names)


def spelling_hint(word: str) -> str:
    """The word that is similar to a mistyped one."""
    from dlc.compiler.definitions.aliases import ABSENT
    from dlc.compiler.diagnostics.suggest import did_you_mean
    from dlc.reference.words import keys, settings, words

    known = [w.name for w in (*words(), *keys())]
    names = [setting.name for _, setting in settings()]
    candidates = [*known, *names] if len(word) > SHORT else known
    return "" if word in ABSENT else did_you_mean(word, candidates)
