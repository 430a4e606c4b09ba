"""Lists of the files of a folder, and names of files below a root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from dlc.runtime.data.data_errors import NO_FILE
from dlc.runtime.data.files.bad_file import OUTSIDE, BadFile
from dlc.runtime.data.locations.listing import LocalTree, walk

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable
    from pathlib import Path

# The suffixes of files that a folder of pictures or recordings has. The content decides the format.
PICTURES = frozenset(
    [
        ".apng",
        ".avif",
        ".avifs",
        ".blp",
        ".bmp",
        ".bw",
        ".cur",
        ".dcx",
        ".dds",
        ".dib",
        ".fit",
        ".fits",
        ".flc",
        ".fli",
        ".ftc",
        ".ftu",
        ".gbr",
        ".gif",
        ".icb",
        ".icns",
        ".ico",
        ".iim",
        ".im",
        ".j2c",
        ".j2k",
        ".jfif",
        ".jp2",
        ".jpc",
        ".jpe",
        ".jpeg",
        ".jpf",
        ".jpg",
        ".jpx",
        ".mpo",
        ".msp",
        ".pbm",
        ".pcd",
        ".pcx",
        ".pfm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".psd",
        ".pxr",
        ".qoi",
        ".ras",
        ".rgb",
        ".rgba",
        ".sgi",
        ".tga",
        ".tif",
        ".tiff",
        ".vda",
        ".vst",
        ".webp",
        ".xbm",
        ".xpm",
    ]
)
RECORDINGS = frozenset(
    [".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".w64", ".wav"]
)
LITTER = frozenset(("thumbs.db", "desktop.ini", "__macosx"))  # what systems leave in folders
SEARCHED = 10_000  # files of a folder whose kind is asked for
NAMED = 3  # other files of a folder


@dataclass
class Listed:
    """The files below a folder with one of some suffixes, as names relative to it with `/`, sorted by the
    parts of their paths; and `others`, the first few files without one."""

    names: list[str]
    others: list[str]
    count_of_others: int


def listed(root: Path, suffixes: Container[str]) -> Listed:
    """The files below `root`. Hidden files and folders, and what systems leave in folders, are skipped. Links
    are followed, unless they lead back. OSError."""
    return sorted_files(*found_in(root, suffixes))


def found_in(root: Path, suffixes: Container[str]) -> tuple[list[str], list[str]]:
    """The names of the files below `root` with one of the suffixes, and those of the others. OSError."""
    names, others = list[str](), list[str]()
    for name, _ in walk(LocalTree(root, ""), "", is_litter):
        taken = suffix_of(name) in suffixes and is_text(name)
        (names if taken else others).append(name)
    return names, others


def sorted_files(names: Iterable[str], others: Collection[str]) -> Listed:
    names, first = (sorted(some, key=lambda name: name.split("/")) for some in (names, others))
    return Listed(names, first[:NAMED], len(others))


def is_litter(name: str) -> bool:
    """Whether a file or folder is hidden, or was left by a system."""
    return name.startswith(".") or name.lower() in LITTER


def has_some(root: Path, suffixes: Container[str]) -> bool:
    """Whether a folder, or one of its folders, has a file with one of these suffixes."""
    places = chain(islice(root.iterdir(), SEARCHED), islice(root.glob("*/*"), SEARCHED))
    return any(suffix_of(path.name) in suffixes for path in places)


def suffix_of(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def is_text(name: str) -> bool:
    """Whether a name is Unicode: other names cannot be written to tables."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def folder_of(name: str, place: int | None = None) -> str | None:
    """The folder that a file is in, or the one at this place of its path, from 1; None if there is none."""
    folders = PurePosixPath(name.replace("\\", "/")).parts[:-1]
    folders = tuple(part for part in folders if part not in ("/", "."))
    if place is None:
        return folders[-1] if folders else None
    return folders[place - 1] if len(folders) >= place else None


def below(root: str, name: str) -> str:
    """The path of a file that a table names, which has to be below `root`. `BadFile` if it is not."""
    path = os.path.normpath(os.path.join(root, name.strip()))
    top = os.path.normpath(root)
    if "\0" in path or os.path.commonpath([os.path.abspath(path), os.path.abspath(top)]) != os.path.abspath(
        top
    ):
        raise BadFile(OUTSIDE, code=NO_FILE)
    return path
