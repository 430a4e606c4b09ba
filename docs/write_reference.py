"""Writes `reference.md` with its pages from the definitions, and `errors/` from the pages of the codes:
`python docs/write_reference.py`; `--check` only looks."""

from __future__ import annotations

import sys
from pathlib import Path

from dlc.compiler.definitions.unimplemented import LATER
from dlc.compiler.diagnostics.codes import codes
from dlc.reference import errors
from dlc.reference.pages import listed, page
from dlc.reference.words import Word, words

DOCS = Path(__file__).parent
PAGES, ERRORS = "reference", "errors"  # the folders of what is made

REFERENCE = """# Reference

Every word of the language that is built, made from the definitions by `python docs/write_reference.py`;
`dlc doc WORD` says the same. What the language is as a whole says [language.md](language.md), what its
errors mean [errors](errors/README.md).

Settings are given in the order shown or by name; those after `*` by name alone. One without `=` has to be
given. A loss, `loss = mse(price)` in `train`, holds an output against its target, `mse(prediction, target)` a
tensor against another; it is an expression: `mse(a) + 0.1 * mae(b)`. `expect` holds comparisons that
`dlc test` checks, of numbers, shapes and figures: `parameters == 61_706`, `flops <= 1e6`,
`shape(h) == [16, 5, 5]`, `test.accuracy >= 0.98`; with several outputs `test.OUTPUT.accuracy`.
"""

CODES = """# Errors and warnings

What every code means, with a spec that has it and the same spec fixed; `dlc explain CODE` says the same.
Codes that begin with W are warnings: `# allow W0410: why` at the end of a line silences one there.
"""


def reference() -> str:
    return f"{REFERENCE}\n{listed(f'[`{{0}}`]({PAGES}/{{1}}.md):')}\n{unbuilt()}"


def unbuilt() -> str:
    """What the language has and this version has not."""
    owners: dict[tuple[str, ...], list[str]] = {}
    for of, named in LATER.items():
        owners.setdefault(named, []).append(of)
    rows = [f"- {', '.join(of)}: {', '.join(f'`{word}`' for word in named)}" for named, of in owners.items()]
    return "\n".join(["## Not built yet", "", *rows, ""]) if rows else ""


def by_page() -> dict[str, list[Word]]:
    """The words of each page: those that share a name."""
    found: dict[str, list[Word]] = {}
    for word in words():
        alike = found.setdefault(word.page, [])
        if not any(word.of is other.of for other in alike):
            alike.append(word)
    return found


def pages() -> dict[Path, str]:
    """Every page that is made, by its path."""
    made = {
        "reference.md": reference(),
        **{f"{PAGES}/{name}.md": page(found) for name, found in by_page().items()},
        f"{ERRORS}/README.md": f"{CODES}\n{errors.listed('[{0}]({0}.md):')}",
        **{f"{ERRORS}/{code}.md": errors.explained(code) for code in codes()},
    }
    return {DOCS / name: text for name, text in made.items()}


def main() -> None:
    made = pages()
    changed = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    stale = [path for folder in (PAGES, ERRORS) for path in DOCS.glob(f"{folder}/*") if path not in made]
    if "--check" in sys.argv and changed + stale:
        names = ", ".join(path.relative_to(DOCS).as_posix() for path in changed + stale)
        sys.exit(f"not up to date: {names}: python docs/write_reference.py")
    for path in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path], encoding="utf-8", newline="\n")
    for path in stale:
        path.unlink()
    if changed or stale:
        print(f"wrote {len(changed)} pages, deleted {len(stale)}")


if __name__ == "__main__":
    main()
