"""Specs of any size, each of which grows in its own way.

What stands in `« »` is repeated, line by line or joined by what stands behind `¦`; a `+` there makes a sum,
in brackets that nest little. `$i` counts from 0, `$j` from 1, and `$n` is how often.
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
REPEATED = re.compile("«(.*?)(?:¦(.*?))?»", re.DOTALL)


def shapes(name: str) -> dict[str, str]:
    """The shapes of a file by their titles."""
    parts = f"\n{(HERE / name).read_text('utf-8')}".split("\n=== ")[1:]
    return {title: text for title, _, text in (part.partition("\n") for part in parts)}


def grown(shape: str, size: int) -> str:
    """The spec of a shape with so many of what it repeats."""

    def repeat(match: re.Match[str]) -> str:
        parts = [match[1].replace("$i", str(i)).replace("$j", str(i + 1)) for i in range(size)]
        return summed(parts) if match[2] == "+" else ("\n" if match[2] is None else match[2]).join(parts)

    return REPEATED.sub(repeat, shape).replace("$n", str(size))


def summed(terms: list[str]) -> str:
    while len(terms) > 1:
        terms = [f"({' + '.join(terms[at : at + 8])})" for at in range(0, len(terms), 8)]
    return terms[0]
