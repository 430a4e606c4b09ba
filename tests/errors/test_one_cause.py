"""One slip of a finger in a sound spec is told once: what only follows from it stays silent."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from dlc.compiler import CompileError, Source, compile, reader

if TYPE_CHECKING:
    from collections.abc import Callable

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.dl"))
WORD = re.compile(
    r"#[^\n]*|\"[^\"\n]*\"|[^\W\d]\w*|\d[\w.]*(?:(?<=[eE])[+-]\d+)?|->|==|!=|<=|>=|//|\*\*|\.\.\.|[^\s\w]"
)
SAMPLE = 300


def swapped(word: str, random: Random) -> str:
    """Two neighbouring letters change places."""
    i = random.randrange(len(word) - 1)
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def shortened(word: str, random: Random) -> str:
    i = random.randrange(len(word))
    return word[:i] + word[i + 1 :]


def lengthened(word: str, random: Random) -> str:
    return word + random.choice("xqz")


# How a word is spoilt, whether it has to be a name, and the least share of slips that are told once. Of the
# others, most make two words of a line change their roles: what is meant cannot be told.
SLIPS: dict[str, tuple[Callable[[str, Random], str], bool, float]] = {
    "letters swapped": (swapped, True, 0.98),
    "a letter lost": (shortened, True, 0.98),
    "a letter too many": (lengthened, True, 0.98),
    "a word lost": (lambda word, random: "", False, 0.95),
    "a word twice": (lambda word, random: f"{word} {word}", False, 0.98),
}


def spoilt(slip: Callable[[str, Random], str], of_names: bool, random: Random) -> tuple[Path, str]:
    """A spec with one of its words spoilt."""
    path = random.choice(SPECS)
    text = path.read_text("utf-8")
    words = [w for w in WORD.finditer(text) if not w[0].startswith("#")]
    if of_names:
        words = [w for w in words if re.fullmatch(r"[^\W\d]\w{2,}", w[0])]
    word = random.choice(words)
    return path, text[: word.start()] + slip(word[0], random) + text[word.end() :]


def errors(path: Path, text: str) -> list[str]:
    try:
        compile(Source(path.name, text), read=reader(path.parent))
    except CompileError as error:
        return [f"{d.line}: {d.message}" for d in error.diagnostics if d.severity == "error"]
    return []


@pytest.mark.parametrize("name", SLIPS)
def test_one_slip_is_told_once(name: str) -> None:
    slip, of_names, share = SLIPS[name]
    random = Random(1)
    told = [errors(*spoilt(slip, of_names, random)) for _ in range(SAMPLE)]
    noticed = [found for found in told if found]
    several = [found for found in noticed if len(found) > 1]
    assert len(noticed) > 0.9 * SAMPLE
    assert len(several) <= (1 - share) * len(noticed), "\n".join(map(str, several))
    assert all(len(found) <= 6 for found in several)
