"""What `mkdocs build` adds to the pages of this folder: pages of words and errors, the menu, and the form
of links to files outside of it. Nothing is written here."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from write_reference import reference

from dlc.compiler.diagnostics.codes import codes
from dlc.reference import errors
from dlc.reference.pages import page, signed
from dlc.reference.words import Word, words

# The menu begins with these; other pages of docs/ follow. Pages of words and codes are found in their lists.
FIRST = ("README.md", "language.md", "reference.md", "errors/README.md", "training.md", "artifact.md")
LINK = re.compile(r"\[([^\]]+)\]\(((?!\w+:)[^)#]+)(#[^)]*)?\)")
CODES = "../compiler/diagnostics/codes"  # the folder in git
ERRORS = "errors/README.md"  # the list of it in the site

HEAD = """# Errors and warnings

What every code means, with a spec that has it and the same spec corrected; `dlc explain CODE` prints it.
Codes that begin with W are warnings: `# allow W0410: why` at the end of a line silences one there.
"""


def on_config(config: Any) -> Any:
    """The menu from the pages that there are."""
    there = [path.name for path in sorted(Path(config.docs_dir).glob("*.md"))]
    config.nav = [*FIRST, *(name for name in there if name not in FIRST)]
    return config


def on_files(files: Any, config: Any) -> Any:
    """The pages that are made from the definitions; that of the reference with links to them."""
    from mkdocs.structure.files import File

    files.remove(files.get_file_from_path("reference.md"))
    for path, text in generated():
        files.append(File.generated(config, path, content=text))
    return files


def generated() -> Iterator[tuple[str, str]]:
    """Each generated page with its path."""
    yield "reference.md", reference(linked)
    for name, found in by_page().items():
        yield f"reference/{name}.md", page(found)
    yield ERRORS, f"{HEAD}\n{errors.listed('[{0}]({0}.md):')}"
    for code in codes():
        yield f"errors/{code}.md", errors.explained(code)


def linked(word: Word) -> str:
    return f"[{signed(word).removesuffix(':')}](reference/{word.page}.md):"


def by_page() -> dict[str, list[Word]]:
    """The words of each page: those that share a name."""
    found: dict[str, list[Word]] = {}
    for word in words():
        alike = found.setdefault(word.page, [])
        if not any(word.of is other.of for other in alike):
            alike.append(word)
    return found


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to the codes lead to their list; other links out of docs/ become text."""
    folder = posixpath.dirname(page.file.src_uri)

    def within(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        if target == CODES:
            return f"[{match[1]}]({posixpath.relpath(ERRORS, folder)})"
        return match[1] if target.startswith("..") else match[0]

    return LINK.sub(within, markdown)
