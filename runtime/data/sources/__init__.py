"""Data sources, one module for each format. `open_source` selects the module for a definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions import sections
from dlc.compiler.diagnostics.quoting import shorten

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.runtime.data.source import Opened

SUFFIXES = {
    ".csv": sections.Csv,
    ".tsv": sections.Csv,
    ".parquet": sections.Parquet,
    ".pq": sections.Parquet,
    ".npz": sections.Npz,
    ".txt": sections.TextSource,
}

READ = "csv (.csv, .tsv, also .csv.gz), parquet, npz and a folder in the format of MNIST are read"
NO_WINDOWS = "a text is read where the spec says how: `source = text(..., window=n)` in `data`"


def source_of(path: Path, like: sections.DataSource | None = None) -> sections.DataSource:
    """The source for a path: by the suffix of a file; a folder has the format of MNIST. Tables and texts
    are read with the settings of `like`; the cells of a `.tsv` file are separated by tabs."""
    from dlc.runtime.data import data_errors

    if path.is_dir():
        return sections.Idx(path=str(path))
    endings = [suffix for suffix in path.suffixes[-2:] if suffix != ".gz"]
    kind = SUFFIXES.get(endings[-1].lower()) if endings else None
    if kind is None:
        why = (
            f"`{shorten(endings[-1])}` is not read" if endings else "it has no ending that says what it holds"
        )
        raise data_errors.fail(data_errors.NO_FILE, f"{path}: {why}", help=READ)
    base = sections.TableFile if issubclass(kind, sections.TableFile) else kind
    given = like.values() if like is not None and isinstance(like, base) else {}
    settings = {key: value for key, value in given.items() if key in kind.settings}
    if kind is sections.TextSource and not settings:
        raise data_errors.fail(data_errors.NO_FILE, f"{path}: `.txt` is not read here", help=NO_WINDOWS)
    if endings[-1].lower() == ".tsv":
        settings["separator"] = "\t"
    return kind(**settings | {"path": str(path)})


def open_source(source: sections.DataSource | Opened, folder: Path, part: str = "train") -> Opened:
    """Open a source; its paths are relative to `folder`. `part` selects the part if it has a test set."""
    if not isinstance(source, sections.DataSource):
        return source
    if isinstance(source, sections.Csv):
        from dlc.runtime.data.sources.csv import CsvFile

        return CsvFile(source, folder)
    if isinstance(source, sections.Parquet):
        from dlc.runtime.data.sources.parquet import ParquetFile

        return ParquetFile(source, folder)
    if isinstance(source, sections.Npz):
        from dlc.runtime.data.sources.npz import NpzFile

        return NpzFile(source, folder)
    if isinstance(source, sections.Idx):
        from dlc.runtime.data.sources.idx import IdxFolder

        return IdxFolder(source, folder, part)
    if isinstance(source, sections.TextSource):
        from dlc.runtime.data.sources.text import TextFile

        return TextFile(source, folder)
    if isinstance(source, sections.TableSource):
        from dlc.runtime.data.sources.table import TableRows

        return TableRows(source)
    if isinstance(source, sections.Builtin):
        from dlc.runtime.data.sources.builtin import BuiltinSet

        return BuiltinSet(source)
    raise TypeError(f"{source} is not a source of rows")
