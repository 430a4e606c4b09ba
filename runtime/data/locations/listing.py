"""The files that the path of a source stands for: a file, the files of a folder and the folders in it, or
those that match a pattern."""

from __future__ import annotations

import errno
import os
import re
from abc import ABC, abstractmethod
from fnmatch import translate
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from dlc.compiler import reading
from dlc.compiler.urls import PATTERN as MAGIC
from dlc.compiler.urls import is_pattern, is_url, without_secrets
from dlc.runtime.data.locations.location import LocalFile, Location, unpacked_suffix
from dlc.runtime.data.locations.remote import RemoteFile, RemoteStore
from dlc.runtime.data.source import display_path

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

HIDDEN = (".", "_")  # what the names of files begin with that tools keep beside the rows
MISSING = "__HIVE_DEFAULT_PARTITION__"  # the name of a missing value
MAX_FILES = 100_000  # of a source
MAX_FOLDERS = 200_000  # that are searched
MAX_DEPTH = 100  # of a folder below the first one
FILE, FOLDER, PATTERN = "file", "folder", "pattern"


class FolderEntry(NamedTuple):
    """A file or a folder in a folder."""

    name: str
    is_folder: bool
    info: Any = None


class NoMatch(FileNotFoundError):
    """A path that stands for no file. `kind` is `FOLDER` or `PATTERN`, or `FILE` if nothing is there."""

    def __init__(self, path: str, kind: str) -> None:
        super().__init__(2, "no such file", without_secrets(path))
        self.kind = kind


class Tree(ABC):
    """Folders and files. Paths are texts with `/`, below one folder whose path is empty."""

    shown: str  # the name of this folder in messages; empty if it needs none

    @abstractmethod
    def kind(self, path: str) -> str | None:
        """`FILE`, `FOLDER`, or None if nothing is there."""

    @abstractmethod
    def entries(self, path: str) -> list[FolderEntry]:
        """What is in a folder. OSError if it cannot be listed."""

    @abstractmethod
    def file(self, path: str, partition: dict[str, str | None], info: Any = None) -> Location:
        """A file."""

    def identity(self, path: str) -> object:
        """What tells a folder from others, however it was reached."""
        return path


class LocalTree(Tree):
    """Folders of this machine. Links are followed."""

    def __init__(self, root: Path, shown: str) -> None:
        self.root, self.shown = root, shown

    def kind(self, path: str) -> str | None:
        place = self.root / path
        if place.is_dir():
            return FOLDER
        return FILE if os.path.lexists(place) else None

    def entries(self, path: str) -> list[FolderEntry]:
        with os.scandir(self.root / path) as found:
            return [FolderEntry(entry.name, is_folder(entry)) for entry in found]

    def file(self, path: str, partition: dict[str, str | None], info: Any = None) -> Location:
        return LocalFile(self.root / path, beneath(self.shown, path), partition)

    def identity(self, path: str) -> object:
        found = os.stat(self.root / path)
        return found.st_dev, found.st_ino


class RemoteTree(Tree):
    """Folders at a URL."""

    def __init__(self, store: RemoteStore) -> None:
        self.store, self.shown = store, store.shown

    def kind(self, path: str) -> str | None:
        from pyarrow import fs

        with self.store.errors():
            [found] = self.store.system.get_file_info([self.key(path)])
        return {fs.FileType.File: FILE, fs.FileType.Directory: FOLDER}.get(found.type)

    def entries(self, path: str) -> list[FolderEntry]:
        from pyarrow import fs

        with self.store.errors():
            found = self.store.system.get_file_info(fs.FileSelector(self.key(path)))
        return [FolderEntry(info.base_name, not info.is_file, info) for info in found]

    def file(self, path: str, partition: dict[str, str | None], info: Any = None) -> Location:
        return RemoteFile(self.store, self.key(path), beneath(self.shown, path), partition, info)

    def key(self, path: str) -> str:
        return beneath(self.store.base, path)


class Found(NamedTuple):
    """The files of a source, in their order. `single` if its path names one file."""

    files: list[Location]
    single: bool


def find(path: str, folder: Path, suffixes: Container[str]) -> Found:
    """The files that a path stands for; it is relative to `folder`. Of a folder they are those with one of
    these suffixes. OSError if it cannot be read, FileNotFoundError if there is none."""
    tree, place = tree_of(path, folder)
    kind = tree.kind(place)
    if kind == FILE:
        return Found([tree.file(place, {})], True)
    if kind == FOLDER:
        return Found(sorted_files(files_in(tree, place, place, suffixes), path), False)
    if not is_pattern(place):
        raise NoMatch(path, FILE)
    return Found(sorted_files(matches(tree, place, suffixes), path), False)


def tree_of(path: str, folder: Path) -> tuple[Tree, str]:
    """The tree that a path is in, and its place there."""
    if is_url(path) and not path.lower().startswith("file:"):
        store = RemoteStore(path)
        return RemoteTree(store), store.path
    given = file_of_url(path) if is_url(path) else path
    absolute = PurePath(given).is_absolute()
    whole, base = PurePath(given), base_of(given)
    shown = "" if base == Path() else base.as_posix()
    if absolute:  # only the name of the folder, or of the file
        shown = base.name if is_pattern(given) else ""
    rest = PurePath(*whole.parts[len(base.parts) :]).as_posix() if whole.parts else ""
    return LocalTree(folder / base, shown), "" if rest == "." else rest


def base_of(path: str) -> Path:
    """The folder that a pattern is searched in, and that of another path."""
    return Path(*fixed_parts(PurePath(path))[:-1])


def fixed_parts(path: PurePath) -> tuple[str, ...]:
    """The parts of a path up to the first pattern, with it; all but for a path without one."""
    for number, part in enumerate(path.parts):
        if MAGIC.search(part):
            return path.parts[: number + 1]
    return path.parts


def file_of_url(url: str) -> str:
    """The path of a `file:` URL."""
    place = re.sub(r"^file://(localhost)?", "", url, flags=re.IGNORECASE)
    if not place.startswith("/"):
        raise OSError(22, "a `file://` URL has three slashes before the path", url)
    return unquote(place)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the rows, such as `_SUCCESS` and `.part-0.crc`."""
    return name.startswith(HIDDEN) and "=" not in name


def walk(
    tree: Tree, folder: str, is_skipped: Callable[[str], bool] = is_hidden
) -> Iterator[tuple[str, FolderEntry]]:
    """The files of a folder and of the folders in it, with their paths. Files and folders whose names are
    skipped, and links that lead back, are left out. OSError for too many folders."""
    waiting: list[tuple[str, frozenset[object]]] = [(folder, frozenset())]
    count = 0
    while waiting:
        place, above = waiting.pop()
        here = tree.identity(place)
        if here in above:
            continue
        count += 1
        check_bounds(tree, count, len(above))
        for entry in tree.entries(place):
            path = beneath(place, entry.name)
            if is_skipped(entry.name):
                continue
            if entry.is_folder:
                waiting.append((path, above | {here}))
            else:
                yield path, entry


def check_bounds(tree: Tree, count: int, depth: int) -> None:
    """OSError if more folders are searched than may be, or deeper ones."""
    if count > MAX_FOLDERS or depth > MAX_DEPTH:
        what = f"has more than {MAX_FOLDERS:_} folders, or folders {MAX_DEPTH} deep"
        raise reading.Unreadable(errno.E2BIG, what, tree.shown)


def files_in(tree: Tree, folder: str, base: str, suffixes: Container[str]) -> Iterator[tuple[str, Location]]:
    """The files of a folder and of the folders in it, with a suffix."""
    for path, entry in walk(tree, folder):
        if unpacked_suffix(entry.name) in suffixes:
            yield path, tree.file(path, partition_of(path, base), entry.info)


def matches(tree: Tree, pattern: str, suffixes: Container[str]) -> Iterator[tuple[str, Any]]:
    """The files that match a pattern; if only folders do, the files in them."""
    parts = pattern.split("/")
    fixed = next(number for number, part in enumerate(parts) if MAGIC.search(part))
    base = "/".join(parts[:fixed])
    found = [*matching(tree, base, parts[fixed:])] if tree.kind(base) == FOLDER else []
    files = [(path, entry) for path, entry in found if not entry.is_folder]
    for path, entry in files:
        yield path, tree.file(path, partition_of(path, base), entry.info)
    for path, _ in found if not files else ():
        yield from files_in(tree, path, base, suffixes)


def matching(
    tree: Tree, base: str, parts: list[str], is_skipped: Callable[[str], bool] = is_hidden
) -> Iterator[tuple[str, FolderEntry]]:
    """What is below a folder and matches the parts of a pattern, each once. `**` is any number of folders.
    Names that are skipped match only what begins as they do. OSError for too many folders."""
    waiting: list[tuple[str, int, frozenset[object]]] = [(base, 0, frozenset())]
    seen: set[tuple[str, int]] = set()
    folders: set[str] = set()
    while waiting:
        place, number, above = waiting.pop()
        here = tree.identity(place)
        if (place, number) in seen or (here in above and parts[number] == "**"):
            continue
        seen.add((place, number))
        folders.add(place)
        check_bounds(tree, len(folders), len(above))
        part, last = parts[number], number == len(parts) - 1
        anywhere, below = part == "**", above | {here}
        if anywhere and not last:
            waiting.append((place, number + 1, frozenset()))
        for entry in tree.entries(place):
            path = beneath(place, entry.name)
            if anywhere and not is_skipped(entry.name):
                if entry.is_folder:
                    waiting.append((path, number, below))
                elif last:
                    yield path, entry
            elif not anywhere and is_match(entry.name, part, is_skipped):
                if last:
                    yield path, entry
                elif entry.is_folder:
                    waiting.append((path, number + 1, frozenset()))


def is_match(name: str, part: str, is_skipped: Callable[[str], bool]) -> bool:
    """Whether a name matches one part of a pattern. Names that are skipped match what begins as they do."""
    if is_skipped(name) and not part.startswith(name[0]):
        return False
    return re.match(translate(part), name) is not None


def sorted_files(found: Iterator[tuple[str, Any]], path: str) -> list[Location]:
    """The files in the order of their names, folder by folder."""
    files: dict[str, Location] = {}
    for place, file in found:
        files[place] = file
        if len(files) > MAX_FILES:
            raise reading.Unreadable(
                errno.E2BIG, f"stands for more than {MAX_FILES:_} files", without_secrets(path)
            )
    if not files:
        raise NoMatch(path, PATTERN if is_pattern(path) else FOLDER)
    return [files[place] for place in sorted(files, key=lambda place: place.split("/"))]


def partition_of(path: str, base: str) -> dict[str, str | None]:
    """The values that the folders of a file below `base` give: `year=2024/part.csv` has a year."""
    folders = path.removeprefix(base).strip("/").split("/")[:-1]
    pairs = (folder.partition("=") for folder in folders if "=" in folder)
    return {unquote(name): None if value == MISSING else unquote(value) for name, _, value in pairs}


def beneath(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name


def is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself: opening it is an error that names it
        return False


def shown_path(path: str) -> str:
    """A path as messages show it: of an absolute pattern, from the folder on that is searched."""
    if is_pattern(path) and not is_url(path) and PurePath(path).is_absolute():
        fixed = fixed_parts(PurePath(path))
        return PurePath(*PurePath(path).parts[max(len(fixed) - 2, 1) :]).as_posix()
    if path.lower().startswith("file:"):
        return display_path(file_of_url(path).rstrip("/"))
    return without_secrets(path) if is_url(path) else display_path(path.rstrip("/"))
