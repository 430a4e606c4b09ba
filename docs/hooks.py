"""Hooks of `mkdocs build`: generated pages for words and errors, the menu, and links out of `docs/`.
They write no files into this folder."""

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

# The first entries of the menu; other pages follow. Pages of words and codes are linked from their lists.
FIRST = (
    "README.md",
    "language.md",
    "reference.md",
    "errors/README.md",
    "files.md",
    "training.md",
    "watching.md",
    "steps.md",
    "pictures.md",
    "text.md",
    "decoding.md",
    "artifact.md",
)
LINK = re.compile(r"\[([^\]]+)\]\(((?!\w+:)[^)#]+)(#[^)]*)?\)")
CODES = "../compiler/diagnostics/codes"  # the folder in git
ERRORS = "errors/README.md"  # the page of the site that lists them

HEAD = """# Errors and warnings

All codes. Each page has a spec with the error and the corrected spec; `dlc explain CODE` prints it.
Codes that begin with W are warnings: `# allow W0410: why` at the end of a line silences one there.
"""


def on_config(config: Any) -> Any:
    """Set the menu from the existing pages."""
    docs = Path(config.docs_dir)
    existing = [path.name for path in sorted(docs.glob("*.md"))]
    checkpoints = [path.relative_to(docs).as_posix() for path in sorted(docs.glob("checkpoints/*.md"))]
    config.nav = [*FIRST, {"Checkpoints": checkpoints}, *(name for name in existing if name not in FIRST)]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages; the reference page gets links to them."""
    from mkdocs.structure.files import File

    files.remove(files.get_file_from_path("reference.md"))
    for path, text in generated():
        files.append(File.generated(config, path, content=text))
    return files


def generated() -> Iterator[tuple[str, str]]:
    """The path and text of each generated page."""
    yield "reference.md", reference(linked)
    for name, found in by_page().items():
        yield f"reference/{name}.md", page(found)
    yield ERRORS, f"{HEAD}\n{errors.listed('[{0}]({0}.md):')}"
    for code in codes():
        yield f"errors/{code}.md", errors.explained(code)


def linked(word: Word) -> str:
    return f"[{signed(word).removesuffix(':')}](reference/{word.page}.md):"


def by_page() -> dict[str, list[Word]]:
    """The words of each page. Words that share a name share a page."""
    found: dict[str, list[Word]] = {}
    for word in words():
        same_page = found.setdefault(word.page, [])
        if not any(word.of is other.of for other in same_page):
            same_page.append(word)
    return found


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to the codes to their list, and turn other links out of docs/ into text."""
    folder = posixpath.dirname(page.file.src_uri)

    def within(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        if target == CODES:
            return f"[{match[1]}]({posixpath.relpath(ERRORS, folder)})"
        return match[1] if target.startswith("..") else match[0]

    return LINK.sub(within, markdown)
