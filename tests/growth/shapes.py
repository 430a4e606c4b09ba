"""Templates for specs of any size. Each template grows in another part.

The text in `« »` is repeated, one copy per line, or joined by the text after `¦`. `¦+` makes a sum with
shallow nesting. `$i` counts from 0, `$j` from 1, and `$n` is the number of copies.
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
REPEATED = re.compile("«(.*?)(?:¦(.*?))?»", re.DOTALL)


def shapes(name: str) -> dict[str, str]:
    """The templates of a file, by title."""
    parts = f"\n{(HERE / name).read_text('utf-8')}".split("\n=== ")[1:]
    return {title: text for title, _, text in (part.partition("\n") for part in parts)}


def grown(shape: str, size: int) -> str:
    """The spec of a template with `size` copies of its repeated parts."""

    def repeat(match: re.Match[str]) -> str:
        parts = [match[1].replace("$i", str(i)).replace("$j", str(i + 1)) for i in range(size)]
        return summed(parts) if match[2] == "+" else ("\n" if match[2] is None else match[2]).join(parts)

    return REPEATED.sub(repeat, shape).replace("$n", str(size))


def summed(terms: list[str]) -> str:
    while len(terms) > 1:
        terms = [f"({' + '.join(terms[at : at + 8])})" for at in range(0, len(terms), 8)]
    return terms[0]
