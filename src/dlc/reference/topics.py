"""What people look for who do not know the words of the language: `dlc doc regularization`, `dlc doc gpu`.

A topic has words that belong to it; for anything else what is said of each word is searched.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.unimplemented import LATER, PLAIN
from dlc.compiler.reading import shipped
from dlc.compiler.record import record
from dlc.reference.language import Entry
from dlc.reference.words import Key, find, keys, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dlc.reference.words import Word

MOST = 12  # words that a search lists
TOPIC = re.compile(r"^## (?P<names>.+)\n\n(?P<words>.+)\n(?:\n(?P<text>[^#\n].*)\n)?", re.MULTILINE)
SUFFIXES = (
    "izations", "ization", "isation", "ations", "ation", "ating", "ings", "ing", "ized", "ated", "izer",
    "ize", "ise", "ates", "ate", "ions", "ion", "ers", "er", "ed", "es", "al", "ly", "ment", "s", "e",
)  # fmt: skip
IDLE = frozenset(
    {"a", "and", "do", "for", "from", "how", "i", "in", "is", "of", "on", "or", "the", "to", "with"}
)
SHORTEST = 4  # letters that are left of a word without its ending
NAME, SUMMARY, TEXT = 12, 4, 1  # what a find counts, by where it is


@record
class Topic:
    """Names of a topic, the words of the language that belong to it, and a sentence where these say too
    little. Of `# Heading` all that is listed there belongs to it."""

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
    """What is said of something that is no word of the language; empty if nothing is."""
    unbuilt = later(name)
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
    waiting = [w for w in found.words if w != name and not find(w) and later(w)] if found else []
    if waiting:
        parts.append(f"Not built yet: {', '.join(f'`{w}`' for w in waiting)}.")
    if listed:
        parts.append("`dlc doc WORD` says more of one.")
    return "\n\n".join(parts) + "\n"


def later(name: str) -> str:
    """`window` of `csv` and `parquet` is not built yet; empty for what is built, or planned nowhere."""
    owners = [owner for owner, named in LATER.items() if name in named]
    if not owners:
        return ""
    settings = [f"`{owner}`" for owner in owners if owner not in (*Definition.families, *PLAIN)]
    named = " and ".join(filter(None, (", ".join(settings[:-1]), *settings[-1:])))
    of = f" of {named}" if settings and len(settings) == len(owners) else ""
    return f"`{'.' * (owners == ['attribute'])}{name}`{of} is not built yet"


def _words(named: Iterable[str]) -> Iterator[tuple[str, Word]]:
    """The words of a topic that are built, each once, with what `dlc doc` finds them by."""
    every, of_sections = words(), list(keys())
    known = {f"{w.page}.{w.name}": w for w in of_sections}
    known |= {w.name: w for w in (*reversed(of_sections), *reversed(every))}
    seen: set[str] = set()
    for name in named:
        of_heading = [(w.name, w) for w in every if f"# {w.heading}" == name]
        for called, word in of_heading or ([(name, known[name])] if name in known else []):
            if called not in seen:
                seen.add(called)
                yield called, word


# --- search -----------------------------------------------------------------------------------------------


def search(text: str) -> list[Word]:
    """The entries that say something of all the words of a text, the best first."""
    wanted = _stems(text)
    ranked: list[tuple[int, int, Word]] = []
    for place, word in enumerate((*words(), *keys()) if wanted else ()):
        scores = [_score(stem, word) for stem in wanted]
        if all(scores):
            ranked.append((-sum(scores), place, word))
    ranked.sort(key=lambda found: found[:2])
    return list({word.name: word for *_, word in ranked[:MOST]}.values())


def _score(stem: str, word: Word) -> int:
    in_name = stem in _stems(word.name.replace("_", " "))
    return NAME * in_name + SUMMARY * (stem in _stems(word.summary)) + TEXT * (stem in _stems(_text(word)))


def _text(word: Word) -> str:
    """All that is said of a word, in its docstring or its entry and of its settings."""
    of = word.of
    if isinstance(of, Key):
        return of.setting.doc
    if isinstance(of, Entry):
        return " ".join(of.text)
    settings = of.settings.values() if isinstance(of, type) else ()
    return " ".join([of.__doc__ or "", *(f"{s.name} {s.doc}" for s in settings)])


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in IDLE)


def stem(word: str) -> str:
    """A word without its ending: `normalization`, `normalize` and `normalized` are one."""
    fits = (
        s for s in SUFFIXES if word.endswith(s) and len(word) - len(s) >= SHORTEST and s + word[-2:] != "sss"
    )
    return word.removesuffix(next(fits, ""))
