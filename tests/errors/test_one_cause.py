"""One typo in a valid spec gives one error, without consequential errors."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from dlc.compiler import CompileError, Source, compile, reader, tensor_reader

if TYPE_CHECKING:
    from collections.abc import Callable

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.dl"))
WORD = re.compile(
    r"#[^\n]*|\"[^\"\n]*\"|[^\W\d]\w*|\d[\w.]*(?:(?<=[eE])[+-]\d+)?|->|==|!=|<=|>=|//|\*\*|\.\.\.|[^\s\w]"
)
SAMPLE = 300


def swapped(word: str, random: Random) -> str:
    """The word with two adjacent letters swapped."""
    i = random.randrange(len(word) - 1)
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def shortened(word: str, random: Random) -> str:
    i = random.randrange(len(word))
    return word[:i] + word[i + 1 :]


def lengthened(word: str, random: Random) -> str:
    return word + random.choice("xqz")


# Kinds of typos: how a word is changed, whether it has to be a name, and the minimum share of typos that give
# one error. Most of the others exchange the roles of two words in a line, and the meaning is ambiguous.
TYPOS: dict[str, tuple[Callable[[str, Random], str], bool, float]] = {
    "letters swapped": (swapped, True, 0.98),
    "a missing letter": (shortened, True, 0.98),
    "an additional letter": (lengthened, True, 0.98),
    "a missing word": (lambda word, random: "", False, 0.95),
    "a word twice": (lambda word, random: f"{word} {word}", False, 0.98),
}


def with_typo(typo: Callable[[str, Random], str], of_names: bool, random: Random) -> tuple[Path, str]:
    """A spec with a typo in one of its words."""
    path = random.choice(SPECS)
    text = path.read_text("utf-8")
    words = [w for w in WORD.finditer(text) if not w[0].startswith("#")]
    if of_names:
        words = [w for w in words if re.fullmatch(r"[^\W\d]\w{2,}", w[0])]
    word = random.choice(words)
    return path, text[: word.start()] + typo(word[0], random) + text[word.end() :]


def errors(path: Path, text: str) -> list[str]:
    try:
        compile(Source(path.name, text), read=reader(path.parent), type_in=tensor_reader(path.parent))
    except CompileError as error:
        return [f"{d.line}: {d.message}" for d in error.diagnostics if d.severity == "error"]
    return []


@pytest.mark.slow
@pytest.mark.parametrize("name", TYPOS)
def test_one_typo_gives_one_error(name: str) -> None:
    typo, of_names, share = TYPOS[name]
    random = Random(1)
    results = [errors(*with_typo(typo, of_names, random)) for _ in range(SAMPLE)]
    with_errors = [found for found in results if found]
    several = [found for found in with_errors if len(found) > 1]
    assert len(with_errors) > 0.9 * SAMPLE
    assert len(several) <= (1 - share) * len(with_errors), "\n".join(map(str, several))
    assert all(len(found) <= 6 for found in several)
