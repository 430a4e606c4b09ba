"""Writes `reference.md` from the definitions: `python docs/write_reference.py`; `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from dlc.compiler.definitions.unimplemented import LATER
from dlc.reference.pages import listed, signed
from dlc.reference.words import Word

PAGE = Path(__file__).parent / "reference.md"
REFERENCE = """# Reference

Every word of the language that is built, with its signature. `dlc doc WORD` prints the page of a word: its
settings, shapes, a spec that uses it, its forms in PyTorch and ONNX. `mkdocs build` makes a site
of all pages. The language as a whole is described in [language.md](language.md), its errors in
[pages of their own](../compiler/diagnostics/codes). This list is made from the definitions by
`python docs/write_reference.py`.

Settings are given in the order shown or by name; those after `*` by name alone. One without `=` has to be
given. A loss, `loss = mse(price)` in `train`, holds an output against its target, `mse(prediction, target)` a
tensor against another; it is an expression: `mse(a) + 0.1 * mae(b)`. `expect` holds comparisons that
`dlc test` checks, of numbers, shapes and figures: `parameters == 61_706`, `flops <= 1e6`,
`shape(h) == [16, 5, 5]`, `test.accuracy >= 0.98`; with several outputs `test.OUTPUT.accuracy`.
"""


def reference(shown: Callable[[Word], str] = signed) -> str:
    return f"{REFERENCE}\n{listed(shown)}\n{unbuilt()}"


def unbuilt() -> str:
    """What the language has and this version has not."""
    owners: dict[tuple[str, ...], list[str]] = {}
    for of, named in LATER.items():
        owners.setdefault(named, []).append(of)
    rows = [f"- {', '.join(of)}: {', '.join(f'`{word}`' for word in named)}" for named, of in owners.items()]
    return "\n".join(["## Not built yet", "", *rows, ""]) if rows else ""


def main() -> None:
    made = reference()
    if "--check" not in sys.argv:
        PAGE.write_text(made, encoding="utf-8", newline="\n")
    elif PAGE.read_text("utf-8") != made:
        sys.exit("docs/reference.md is not up to date: python docs/write_reference.py")


if __name__ == "__main__":
    main()
