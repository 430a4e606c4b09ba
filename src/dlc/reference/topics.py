"""Topics for readers who do not know the words of the language: `dlc doc regularization`, `dlc doc gpu`.

A topic lists the words that belong to it. Other texts are searched for in the documentation of all words.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.unimplemented import UNIMPLEMENTED
from dlc.compiler.reading import shipped
from dlc.compiler.record import record
from dlc.reference.language import Entry
from dlc.reference.words import Key, find, keys, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dlc.reference.words import Word

MAX_FOUND = 12  # words that a search lists
TOPIC = re.compile(r"^## (?P<names>.+)\n\n(?P<words>.+)\n(?:\n(?P<text>[^#\n].*)\n)?", re.MULTILINE)
SUFFIXES = (
    "izations", "ization", "isation", "ations", "ation", "ating", "ings", "ing", "ized", "ated", "izer",
    "ize", "ise", "ates", "ate", "ions", "ion", "ers", "er", "ed", "es", "al", "ly", "ment", "s", "e",
)  # fmt: skip
STOP_WORDS = frozenset(
    {"a", "and", "do", "for", "from", "how", "i", "in", "is", "of", "on", "or", "the", "to", "with"}
)
MIN_STEM = 4  # letters of a word without its ending
NAME, SUMMARY, TEXT = 12, 4, 1  # scores of a match, by the part of the documentation


@record
class Topic:
    """Names of a topic, the words of the language that belong to it, and an optional sentence.

    `# Heading` among the words means all words listed under that heading.
    """

    names: tuple[str, ...]
    words: tuple[str, ...]
    text: str = ""


@cache
def topics() -> tuple[Topic, ...]:
    text = shipped(__file__, "topics.md")
    return tuple(
        Topic(tuple(found["names"].split(", ")), tuple(found["words"].split(", ")), found["text"] or "")
        for found in TOPIC.finditer(text)
    )


def topic(name: str) -> Topic | None:
    """The topic of that name, in the singular or plural."""
    plain = _stems(name)
    return next((t for t in topics() if any(_stems(n) == plain for n in t.names)), None)


def page(name: str) -> str:
    """The page for a text that is not a word of the language; empty if nothing is found."""
    unbuilt = not_built(name)
    found = topic(name) or next((t for t in topics() if unbuilt and name in t.words), None)
    listed = list(_words(found.words)) if found else [(word.name, word) for word in search(name)]
    if not (found or unbuilt or listed):
        return ""
    parts = [f"# {name}"]
    if unbuilt:
        parts.append(f"{unbuilt}: it will come with a later version of dlc.")
    if found and found.text:
        parts.append(found.text)
    if listed:
        parts.append("\n".join(f"- `{called}`: {word.summary}" for called, word in listed))
    planned = [w for w in found.words if w != name and not find(w) and not_built(w)] if found else []
    if planned:
        parts.append(f"Not built yet: {', '.join(f'`{w}`' for w in planned)}.")
    if listed:
        parts.append("`dlc doc WORD` explains one.")
    return "\n\n".join(parts) + "\n"


def not_built(name: str) -> str:
    """`window` of `csv` and `parquet` is not built yet; empty for words that are built or not planned."""
    owners = [owner for owner, named in UNIMPLEMENTED.items() if name in named]
    if not owners:
        return ""
    settings = [f"`{owner}`" for owner in owners if owner not in Definition.families]
    named = " and ".join(filter(None, (", ".join(settings[:-1]), *settings[-1:])))
    of = f" of {named}" if settings and len(settings) == len(owners) else ""
    return f"`{'.' * (owners == ['attribute'])}{name}`{of} is not built yet"


def _words(named: Iterable[str]) -> Iterator[tuple[str, Word]]:
    """The built words of a topic, each once, with the name by which `dlc doc` finds it."""
    all_words, of_sections = words(), list(keys())
    known = {f"{w.page}.{w.name}": w for w in of_sections}
    known |= {w.name: w for w in (*reversed(of_sections), *reversed(all_words))}
    seen: set[str] = set()
    for name in named:
        of_heading = [(w.name, w) for w in all_words if f"# {w.heading}" == name]
        for called, word in of_heading or ([(name, known[name])] if name in known else []):
            if called not in seen:
                seen.add(called)
                yield called, word


# --- search -----------------------------------------------------------------------------------------------


def search(text: str) -> list[Word]:
    """The words whose documentation contains all words of a text, best match first."""
    wanted = _stems(text)
    ranked: list[tuple[int, int, Word]] = []
    for index, word in enumerate((*words(), *keys()) if wanted else ()):
        scores = [_score(stem, word) for stem in wanted]
        if all(scores):
            ranked.append((-sum(scores), index, word))
    ranked.sort(key=lambda found: found[:2])
    return list({word.name: word for *_, word in ranked[:MAX_FOUND]}.values())


def _score(stem: str, word: Word) -> int:
    in_name = stem in _stems(word.name.replace("_", " "))
    return NAME * in_name + SUMMARY * (stem in _stems(word.summary)) + TEXT * (stem in _stems(_text(word)))


def _text(word: Word) -> str:
    """The documentation of a word: its docstring or entry, and its settings."""
    of = word.of
    if isinstance(of, Key):
        return of.setting.doc
    if isinstance(of, Entry):
        return " ".join(of.text)
    settings = of.settings.values() if isinstance(of, type) else ()
    return " ".join([of.__doc__ or "", *(f"{s.name} {s.doc}" for s in settings)])


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in STOP_WORDS)


def stem(word: str) -> str:
    """A word without its ending: `normalization`, `normalize` and `normalized` have the same stem."""
    endings = (
        s for s in SUFFIXES if word.endswith(s) and len(word) - len(s) >= MIN_STEM and s + word[-2:] != "sss"
    )
    return word.removesuffix(next(endings, ""))
