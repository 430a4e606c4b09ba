"""Data sources, one module for each format. `open_source` selects the module for a definition."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from dlc.compiler.definitions import sections
from dlc.compiler.definitions.file_sources import Audio, FolderOfFiles, Images
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.urls import is_pattern, is_url, without_secrets
from dlc.runtime.data.files import paths

if TYPE_CHECKING:
    from dlc.runtime.data.source import Opened

SUFFIXES = {
    ".csv": sections.Csv,
    ".tsv": sections.Csv,
    ".parquet": sections.Parquet,
    ".pq": sections.Parquet,
    ".npz": sections.Npz,
    ".txt": sections.TextSource,
}

KINDS: tuple[tuple[type[FolderOfFiles], frozenset[str]], ...] = (
    (Images, paths.PICTURES),
    (Audio, paths.RECORDINGS),
)
READ = (
    "csv (.csv, .tsv, also with .gz or .zst), parquet, npz, pictures, recordings, folders of csv or parquet "
    "files, of pictures or of recordings, and folders in the format of MNIST are read"
)
NO_WINDOWS = "a text is read where the spec says how: `source = text(..., window=n)` in `data`"


def source_of(path: Path | str, like: sections.DataSource | None = None) -> sections.DataSource:
    """The source for a path or a URL: by the suffix of the file, or of the files that the path stands for; a
    folder of neither has the format of MNIST. Tables and texts are read with the settings of `like`; the
    cells of a `.tsv` file are separated by tabs."""
    from dlc.runtime.data import data_errors

    if isinstance(path, Path) and (files := folder_of_files(path, like)) is not None:
        return files
    suffix = suffix_of(path)
    if suffix is None:
        return sections.Idx(path=str(path))
    kind, shown = SUFFIXES.get(suffix), without_secrets(str(path))
    if kind is None:
        why = f"`{shorten(suffix)}` is not read" if suffix else "it has no ending that says what it holds"
        raise data_errors.fail(data_errors.NO_FILE, f"{shown}: {why}", help=READ)
    base = sections.TableFile if issubclass(kind, sections.TableFile) else kind
    given = like.values() if like is not None and isinstance(like, base) else {}
    settings = {key: value for key, value in given.items() if key in kind.settings}
    if kind is sections.TextSource and not settings:
        raise data_errors.fail(data_errors.NO_FILE, f"{shown}: `.txt` is not read here", help=NO_WINDOWS)
    if suffix == ".tsv":
        settings["separator"] = "\t"
    return kind(**settings | {"path": str(path)})


def folder_of_files(path: Path, like: sections.DataSource | None) -> FolderOfFiles | None:
    """The source for a folder of pictures or recordings, for one of them, or for those that match a pattern,
    with the settings of `like`; None for other paths."""
    known = type(like) if isinstance(like, FolderOfFiles) else None
    named = next((kind for kind, suffixes in KINDS if paths.suffix_of(path.name) in suffixes), None)
    if path.is_dir():
        other = any(path.glob("*-ubyte*")) or any(path.glob("*.csv")) or any(path.glob("*.parquet"))
        found = (kind for kind, suffixes in KINDS if paths.has_some(path, suffixes))
        kind = known or (None if other else next(found, None))
    elif named is None and is_pattern(str(path)) and suffix_of(path) not in SUFFIXES:
        kind = kind_of_matches(str(path), known)
    else:
        kind = named
    if kind is None:
        return None
    settings = like.values() if isinstance(like, kind) else {}
    return kind(**settings | {"path": str(path)})


def kind_of_matches(pattern: str, known: type[FolderOfFiles] | None) -> type[FolderOfFiles] | None:
    """What the files are that match a pattern, by their suffixes: `known` unless all are of the other kind;
    None if nothing tells."""
    from dlc.runtime.data.files.matching import matched

    files = matched(Path(), pattern, paths.PICTURES | paths.RECORDINGS)
    found = {paths.suffix_of(name) for name in files.names}
    kinds = [kind for kind, suffixes in KINDS if found & suffixes]
    return known if known in kinds or not kinds else kinds[0]


def suffix_of(path: Path | str) -> str | None:
    """The suffix of a file, or of the files that a path stands for, without that of its compression. None for
    a folder without tables."""
    from dlc.runtime.data.locations.location import unpacked_suffix

    folder = isinstance(path, Path) and path.is_dir()
    suffix = unpacked_suffix(PurePath(str(path)).name)
    if not folder and (suffix in SUFFIXES or not (is_url(path) or is_pattern(str(path)))):
        return suffix
    if isinstance(path, Path) and folder and any(path.glob("*-ubyte*")):
        return None
    from dlc.runtime.data.sources.tables import suffixes_in

    found = suffixes_in(str(path))
    return found or (None if folder else suffix)


def open_source(source: sections.DataSource | Opened, folder: Path, part: str = "train") -> Opened:
    """Open a source; its paths are relative to `folder`. `part` selects the part if it has a test set."""
    opened = _opened(source, folder, part) if isinstance(source, sections.DataSource) else source
    opened.folder = folder
    return opened


def _opened(source: sections.DataSource, folder: Path, part: str) -> Opened:
    if isinstance(source, (sections.Csv, sections.Parquet)):
        from dlc.runtime.data.sources.tables import open_table

        return open_table(source, folder)
    if isinstance(source, sections.Npz):
        from dlc.runtime.data.sources.npz import NpzFile

        return NpzFile(source, folder)
    if isinstance(source, sections.Idx):
        from dlc.runtime.data.sources.idx import IdxFolder

        return IdxFolder(source, folder, part)
    if isinstance(source, sections.TextSource):
        from dlc.runtime.data.sources.text import TextFile

        return TextFile(source, folder)
    if isinstance(source, FolderOfFiles):
        from dlc.runtime.data.sources.folder import FileFolder

        return FileFolder(source, folder)
    if isinstance(source, sections.TableSource):
        from dlc.runtime.data.sources.table import TableRows

        return TableRows(source)
    if isinstance(source, sections.Builtin):
        from dlc.runtime.data.sources.builtin import BuiltinSet

        return BuiltinSet(source)
    raise TypeError(f"{source} is not a source of rows")
