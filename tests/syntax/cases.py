"""Golden cases: many texts with their results in one file.

Each case begins with `=== title`; the result follows `---`.
`DLC_REWRITE=1 pytest tests/syntax` updates the results.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent


def read_cases(name: str) -> dict[str, tuple[str, str]]:
    """The text and the recorded result of each case, by title."""
    cases: dict[str, tuple[str, str]] = {}
    for part in ("\n" + (HERE / name).read_text("utf-8")).split("\n=== ")[1:]:
        title, _, rest = part.partition("\n")
        text, _, result = rest.partition("\n---")
        assert title not in cases, f"two cases are called {title}"
        cases[title] = (text, result.strip("\n"))
    return cases


def check_case(name: str, title: str, make: Callable[[str], str]) -> None:
    """Compare the result of a case with the recorded one, or record it."""
    cases = read_cases(name)
    text, recorded = cases[title]
    result = make(text)
    if os.environ.get("DLC_REWRITE"):
        cases[title] = (text, result)
        parts = [f"=== {t}\n{text}\n---\n{result}\n" for t, (text, result) in cases.items()]
        (HERE / name).write_text("\n".join(parts), "utf-8")
    else:
        assert result == recorded
