"""What the site is made of, for `mkdocs build`: which pages its menu lists, and what becomes of links
to files of the project that are no page."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

# The menu. Other pages of docs/ follow; those of words and codes are found through their lists.
FIRST = ("README.md", "language.md", "reference.md", "errors/README.md", "training.md", "artifact.md")
LINK = re.compile(r"\[([^\]]+)\]\(((?!\w+:)[^)#]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """The menu from the pages that there are."""
    there = [path.name for path in sorted(Path(config.docs_dir).glob("*.md"))]
    config.nav = [*FIRST, *(name for name in there if name not in FIRST)]
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links out of docs/ become text."""
    folder = posixpath.dirname(page.file.src_uri)

    def within(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        return match[1] if target.startswith("..") else match[0]

    return LINK.sub(within, markdown)
