"""The folder that the file names of a column are relative to, in the errors of names that lead to no file."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import data_errors
from dlc.runtime.data.files import paths
from dlc.runtime.data.files.bad_file import BadFile
from dlc.runtime.data.source import display_path, nearest_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.definitions.file_sources import Files
    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.runtime.data.source import Opened

SEARCHED = 500  # entries of a folder
CURRENT = "the current folder"


def no_root(opened: Opened, source: Files, names: Sequence[str]) -> Diagnostic | None:
    """The error for a root that is no folder, or None if it is one. `names` are some of the files in it."""
    root = opened.root_of(source.root)
    if root.is_dir():
        return None
    what = "is no folder" if root.exists() else "does not exist"
    message = f"{display_path(source.root)}, the folder of the files of {opened.file}, {what}"
    at = (data_errors.span_of(source.spans.get("root")) or source, "looked for here")
    help = elsewhere(opened, root, names) or nearest_file(root) or "`root` is relative to the spec"
    return data_errors.error(data_errors.NO_FILE, message, at, (opened.definition, "read here"), help=help)


def no_files(opened: Opened, source: Files, names: Sequence[str]) -> str:
    """The fix for names that lead to no file, or out of the root: where they were looked for, and where the
    files are."""
    root = opened.root_of(source.root)
    there = elsewhere(opened, root, names)
    if there and not opened.for_model:
        return there
    return f"names are relative to {place_of(opened, source)}{there and ', and '}{there}"


def place_of(opened: Opened, source: Files) -> str:
    """The folder that names are relative to, as messages show it."""
    root = opened.root_of(source.root)
    if root != opened.folder:
        return shorten(display_path(root.as_posix() if opened.for_model else source.root))
    if not opened.for_model:
        return "the folder of the spec"
    return "the folder of the table" if root.name else CURRENT


def elsewhere(opened: Opened, root: Path, names: Sequence[str]) -> str:
    """Which folder near a root has the files of most of these names; empty if none has one."""
    found = {place: [name for name in names if is_in(place, name)] for place in nearby(root)}
    best = max(found, key=lambda place: len(found[place]))
    if not found[best]:
        return ""
    name = f'"{shorten(found[best][0])}"'
    if opened.for_model:
        place = shorten(display_path(best.as_posix())) if best.name else CURRENT
        return f"{name} is a file in {place}"
    place = Path(os.path.relpath(best, opened.folder)).as_posix()
    return f'{name} is a file in {shorten(place)}: `root="{place}"`'


def nearby(root: Path) -> Iterator[Path]:
    """The folder above a root, the folders in the root, and those beside it."""
    above = Path(os.path.normpath(root / ".."))
    yield above
    for folder in (root, above):
        try:
            yield from sorted(place for place in islice(folder.iterdir(), SEARCHED) if place.is_dir())
        except OSError:  # it does not exist, or cannot be listed
            continue


def is_in(place: Path, name: str) -> bool:
    try:
        return os.path.isfile(paths.below(str(place), name))
    except BadFile:
        return False
