"""Tables in one file or in many: which files a path stands for, and how each is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dlc.compiler.definitions.sections import Csv
from dlc.compiler.urls import is_url
from dlc.runtime.data import data_errors
from dlc.runtime.data.locations import listing
from dlc.runtime.data.locations.listing import shown_path
from dlc.runtime.data.locations.location import LocalFile, unpacked_suffix
from dlc.runtime.data.source import need_file, relative

if TYPE_CHECKING:
    from dlc.compiler.definitions.sections import Parquet
    from dlc.runtime.data.locations.location import Location
    from dlc.runtime.data.source import Opened

SUFFIXES = {"csv": (".csv", ".tsv"), "parquet": (".parquet", ".pq")}
ALL = (*SUFFIXES["csv"], *SUFFIXES["parquet"])
LISTED = {"csv": "`.csv` and `.tsv`, also with `.gz` or `.zst` behind it", "parquet": "`.parquet` and `.pq`"}


def open_table(source: Csv | Parquet, folder: Path) -> Opened:
    """Open the file, or the files, of a source; its path is relative to `folder`."""
    found = files_of(source, folder)
    if found.single:
        return open_file(source, found.files[0])
    from dlc.runtime.data.sources.many import ManyFiles

    return ManyFiles(source, found.files, open_file)


def open_file(source: Csv | Parquet, location: Location) -> Opened:
    """Open one file of a source."""
    if isinstance(source, Csv):
        from dlc.runtime.data.sources.csv import CsvFile

        return CsvFile(source, location)
    from dlc.runtime.data.sources.parquet import ParquetFile

    return ParquetFile(source, location)


def files_of(source: Csv | Parquet, folder: Path) -> listing.Found:
    """The files that the path of a source stands for."""
    shown, place = shown_path(source.path), (source, "looked for here")
    try:
        found = listing.find(source.path, folder, SUFFIXES[source.name])
    except listing.NoMatch as error:
        if error.kind == listing.FILE and not is_url(source.path):
            need_file(folder / source.path, source)  # an error that names a file like it
        what = {
            listing.FILE: f"there is no file or folder {shown}",
            listing.FOLDER: f"the folder {shown} has no {source.name} files",
            listing.PATTERN: f"no file matches {shown}",
        }[error.kind]
        help = f"of a folder, files that end in {LISTED[source.name]} are read: name others by a pattern"
        help = help if error.kind == listing.FOLDER else "" if is_url(source.path) else relative(source)
        raise data_errors.fail(data_errors.NO_FILE, what, place, help=help) from None
    except OSError as error:
        raise data_errors.unreadable(shown, error, source) from None
    if found.single and not found.files[0].is_remote:
        need_file(folder / source.path if not is_url(source.path) else found.files[0].path, source)  # type: ignore[attr-defined]
        found.files[0].name = shown
    return found


def local_files(path: str, folder: Path) -> list[Path]:
    """The tables of this machine that a path stands for; none for other paths."""
    if is_url(path) and not path.lower().startswith("file:"):
        return []
    try:
        files = listing.find(path, folder, ALL).files
    except OSError:
        return []
    return [file.path for file in files if isinstance(file, LocalFile)]


def suffixes_in(path: str) -> str:
    """The suffix of the tables that a path stands for, empty if there are none. Tables of several kinds are
    an error."""
    try:
        files = listing.find(path, Path(), ALL).files
    except listing.NoMatch:
        return ""
    except OSError as error:
        raise data_errors.unreadable(shown_path(path), error, None) from None
    found = {unpacked_suffix(file.name): file for file in files}
    kinds = {name for name, of in SUFFIXES.items() if any(suffix in of for suffix in found)}
    if len(kinds) > 1 or len(found.keys() & {".csv", ".tsv"}) > 1:
        named = " and ".join(sorted(found))
        raise data_errors.fail(data_errors.NO_FILE, f"{shown_path(path)} has files of several kinds: {named}",
                               help="name those of one kind by a pattern, such as `rows/*.csv`")  # fmt: skip
    return next(iter(found), "")
