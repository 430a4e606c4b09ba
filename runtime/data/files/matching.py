"""Files of pictures or recordings that match a pattern, such as `pets/*/*.png`."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from dlc.compiler.urls import is_pattern
from dlc.runtime.data.files import paths
from dlc.runtime.data.locations.listing import LocalTree, base_of, beneath, matching

if TYPE_CHECKING:
    from collections.abc import Container


def root_of(path: str) -> str:
    """The folder that the names of files are relative to: of a pattern, the one that is searched."""
    return str(base_of(path)) if is_pattern(path) else path


def matched(folder: Path, pattern: str, suffixes: Container[str]) -> paths.Listed:
    """The files that match, relative to the root of the pattern, which is relative to `folder`; if only
    folders match, the files in them with one of the suffixes. OSError."""
    root = folder / root_of(pattern)
    parts = [*PurePath(pattern).parts[len(base_of(pattern).parts) :]]
    found = [*matching(LocalTree(root, ""), "", parts, paths.is_litter)] if root.is_dir() else []
    files = [path for path, entry in found if not entry.is_folder]
    if files:
        texts = [*filter(paths.is_text, files)]
        return paths.sorted_files(texts, {*files} - {*texts})
    names, others = set[str](), set[str]()
    for path, _ in found:
        inside = paths.found_in(root / path, suffixes)
        names |= {beneath(path, name) for name in inside[0]}
        others |= {beneath(path, name) for name in inside[1]}
    return paths.sorted_files(names, others)
