"""Write `reference.md` from the definitions: `python docs/write_reference.py`; `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from dlc.compiler.definitions.unimplemented import UNIMPLEMENTED
from dlc.reference.pages import listed, signed
from dlc.reference.words import Word

PAGE = Path(__file__).parent / "reference.md"
REFERENCE = """# Reference

All words of the language that are built, with their signatures. `dlc doc WORD` prints the page of a word:
its settings, shapes, a spec that uses it, its forms in PyTorch and ONNX. `mkdocs build` makes a site with
all these pages. [language.md](language.md) describes the language as a whole; each error has [its own
page](../compiler/diagnostics/codes). `python docs/write_reference.py` generates this list from the
definitions.

Settings are given in the order shown or by name; those after `*` only by name. A setting without `=` is
required. A loss with one argument, `loss = mse(price)` in `train`, compares an output with its target; with
two, `mse(prediction, target)`, it compares two tensors. A loss is an expression: `mse(a) + 0.1 * mae(b)`.
`expect` lists comparisons of numbers, shapes and metrics, which `dlc test` checks: `parameters == 61_706`,
`flops <= 1e6`, `shape(h) == [16, 5, 5]`, `test.accuracy >= 0.98`; with several outputs
`test.OUTPUT.accuracy`; over several trainings `mean(test.accuracy, seeds=5)`.
"""


def reference(shown: Callable[[Word], str] = signed) -> str:
    return f"{REFERENCE}\n{listed(shown)}\n{unbuilt()}"


def unbuilt() -> str:
    """The words that are planned but not built yet, by owner."""
    owners: dict[tuple[str, ...], list[str]] = {}
    for of, named in UNIMPLEMENTED.items():
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
