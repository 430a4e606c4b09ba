"""The folder that keeps stores, each under its key."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from dlc.runtime.data.store.layout import HEADER, Damaged
from dlc.runtime.data.store.reader import read_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VARIABLE = "DLC_CACHE"
UNFINISHED = ".unfinished-"  # begins the names of stores that are being written
LOCK = "lock"
NAME = 32  # characters of a key that name its store


@dataclass(frozen=True)
class CachedStore:
    """A store in the cache: its name, its source, its bytes, and when it was last used (seconds)."""

    name: str
    source: str
    size: int
    used: float


def cache_folder() -> Path:
    """`$DLC_CACHE`, else the folder of the system for caches of the user."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "dlc" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "dlc"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dlc"


def place_of(key: str) -> Path:
    """The folder of the store with a key, which need not exist."""
    return cache_folder() / key[:NAME]


@contextmanager
def new_store(key: str) -> Iterator[Path]:
    """A new folder to write the store with a key into. Behind the block it gets its place, unless another
    process was faster; if the block fails, nothing is left of it. OSError if that is not possible."""
    place = place_of(key)
    place.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished()
    folder = Path(mkdtemp(prefix=UNFINISHED, dir=place.parent))
    try:
        with locked(folder):
            yield folder
            (folder / LOCK).unlink()
            with suppress(OSError):  # another process has written the same
                folder.rename(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within the block, `remove_unfinished` of any process leaves the folder alone. The lock ends with the
    process."""
    with (folder / LOCK).open("wb") as file:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_unfinished() -> None:
    """Remove what processes that have ended have left of stores."""
    for folder in cache_folder().glob(f"{UNFINISHED}*"):
        if not is_locked(folder):
            shutil.rmtree(folder, ignore_errors=True)


def is_locked(folder: Path) -> bool:
    if os.name != "posix":
        return True  # a system without such locks: it may be in use
    import fcntl

    try:
        with (folder / LOCK).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime < 60 if folder.exists() else True  # it was just made
    except OSError:
        return True
    return False


def remove(place: Path) -> None:
    """Remove a store. Processes that read it keep their open files."""
    aside = Path(mkdtemp(prefix=UNFINISHED, dir=place.parent))
    with suppress(OSError):
        place.rename(aside / "store")
    shutil.rmtree(aside, ignore_errors=True)


def touch(place: Path) -> None:
    """Note that a store is used now."""
    with suppress(OSError):
        os.utime(place)


def cached_stores() -> list[CachedStore]:
    """The stores of the cache, the latest first."""
    found = []
    for place in cache_folder().glob("*"):
        if place.name.startswith(UNFINISHED) or not (place / HEADER).is_file():
            continue
        try:
            source = read_header(place).source
        except Damaged:
            source = "damaged"
        with suppress(OSError):
            size = sum(file.stat().st_size for file in place.iterdir())
            found.append(CachedStore(place.name, source, size, place.stat().st_mtime))
    return sorted(found, key=lambda store: -store.used)


def empty(names: Iterable[str] = ()) -> list[CachedStore]:
    """Remove the stores whose names begin with one of these, by default all. Returns those that it removed.
    ValueError for a name that no store has."""
    chosen, known = [], cached_stores()
    for name in names:
        found = [store for store in known if store.name.startswith(name)]
        if not found:
            raise ValueError(f"there is no store `{name}` in the cache")
        chosen += found
    removed = [store for store in known if store in chosen or not names]
    for store in removed:
        remove(cache_folder() / store.name)
    if cache_folder().is_dir():
        remove_unfinished()
    return removed
