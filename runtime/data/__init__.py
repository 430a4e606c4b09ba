"""Data loading: from a data source to the arrays of the training, validation and test rows.

A program or an artifact lists its required fields. `open_source` opens a source, `match` assigns its columns
to fields, `encode` converts values to arrays, and `split_rows` splits the rows as the `data` section says.
Nothing here imports torch.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlc.compiler.definitions import sections
from dlc.compiler.definitions.file_sources import FolderOfFiles
from dlc.compiler.definitions.sections import PARTS
from dlc.compiler.program import Facts
from dlc.runtime.data.complete import complete_rows
from dlc.runtime.data.decode import decode, read_columns
from dlc.runtime.data.files.matching import root_of
from dlc.runtime.data.loading import check_drawn, gather, main_rows, with_own_sources
from dlc.runtime.data.requirements import RequiredField, required_fields
from dlc.runtime.data.rows.dataset import Dataset, InMemoryRows, Rows
from dlc.runtime.data.source import number_of
from dlc.runtime.data.sources import open_source, source_of

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from dlc.compiler.definitions.sections import Data
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data.complete import LeftOut
    from dlc.runtime.data.source import Opened

STANDARD_INPUT = Path("-")

__all__ = [
    "Dataset",
    "InMemoryRows",
    "RequiredField",
    "Rows",
    "decoded_rows",
    "facts",
    "gather",
    "load",
    "open_rows",
    "read_rows",
    "required_fields",
]


def load(
    program: CompiledProgram,
    folder: Path,
    *,
    splits: Sequence[str] = PARTS,
    source: Path | str | sections.DataSource | Opened | None = None,
    fields: Container[str] | None = None,
) -> Dataset:
    """Load the rows of a program. Paths are relative to `folder`, the folder of the spec. `source` replaces
    the source that the spec names; `fields` restricts the fields that are read."""
    return gather(_data_of(program, source), required_fields(program), folder, splits, fields)


def facts(
    program: CompiledProgram,
    folder: Path,
    *,
    source: Path | str | sections.DataSource | Opened | None = None,
    fields: Container[str] | None = None,
) -> Facts:
    """The facts about a program that depend on the data. Only the columns they need are decoded."""
    return facts_and_rows(program, folder, source=source, fields=fields)[0]


def facts_and_rows(
    program: CompiledProgram,
    folder: Path,
    *,
    source: Path | str | sections.DataSource | Opened | None = None,
    fields: Container[str] | None = None,
) -> tuple[Facts, Dataset | None]:
    """`facts`, and the rows if they were encoded to find them; the program with the facts reads the same."""
    wanted = required_fields(program)
    chosen = [w for w in wanted if fields is None or w.name in fields]
    if not any(w.learns or w.readers or (w.declared.free_axis is not None and not w.drawn) for w in chosen):
        return program.facts, None
    data = _data_of(program, source)
    check_drawn(chosen)
    main = main_rows(data, wanted, folder, fields)
    dataset = with_own_sources(main, data, wanted, folder, PARTS if main.are_stored else (), fields)
    found = Facts(dataset.classes, lengths=dataset.lengths, vocabularies=dataset.vocabularies)
    return found, dataset if main.are_stored else None


def read_rows(source: Path | str | sections.DataSource | Opened, wanted: Sequence[RequiredField],
              like: sections.DataSource | None = None, *, drop: bool = False, empty: bool = False,
              ) -> InMemoryRows:  # fmt: skip
    """All rows of one file or data set in the form that an artifact takes: named classes as text, targets as
    numbers.

    A field is found under its own name or under the names of the columns that it was trained on. The suffix
    of the file selects csv, parquet or npz; a folder has the format of MNIST. A file of the kind of `like` is
    read with its settings. `drop` leaves out the rows that miss a value. A source without rows is an error
    unless `empty` is true.
    """
    opened = open_rows(source, like)
    rows, left_out = decoded_rows(opened, wanted, drop=drop, empty=empty)
    rows.notes += tuple(left_out.note(opened, rows.what)) if left_out else ()
    return rows


def decoded_rows(
    opened: Opened, wanted: Sequence[RequiredField], *, drop: bool = False, empty: bool = False
) -> tuple[InMemoryRows, LeftOut | None]:
    """`read_rows` of an opened source or a piece of one, and the number of rows that are left out."""
    known = [replace(w, source=None) if w.drawn else w for w in wanted]
    filled = read_columns(opened, known, empty=empty)
    filled, left_out = complete_rows(filled) if drop else (filled, None)
    rows = decode(filled, raw=True)
    rows.notes, rows.what = filled.notes, filled.what
    return rows, left_out


def open_rows(
    source: Path | str | sections.DataSource | Opened, like: sections.DataSource | None = None
) -> Opened:
    """The source of rows for an artifact, a path or a URL; the path `-` is standard input. A file of the kind
    of `like` is read with its settings."""
    if source == STANDARD_INPUT:
        from dlc.runtime.data.sources.standard_input import open_standard_input

        source = open_standard_input(like if isinstance(like, sections.Csv) else None)
    opened = open_source(_given(source, like) if isinstance(source, (str, Path)) else source, Path())
    opened.folder = source.parent if isinstance(source, Path) else Path()
    opened.own_names = opened.for_model = True
    if opened.is_table and opened.sequences is None:
        opened.sequences = like if isinstance(like, sections.TableFile) else None
    if opened.numbered:
        opened.names = tuple(map(number_of, range(len(opened.sizes))))
    return opened


def _given(path: Path | str, like: sections.DataSource | None) -> sections.DataSource:
    """The source for a path. The masks of `like` are relative to its pictures."""
    source = source_of(path, like)
    if not isinstance(source, FolderOfFiles) or source.masks is None:
        return source
    return source.with_settings(masks=os.path.normpath(Path(root_of(str(path))) / source.masks))


def _data_of(program: CompiledProgram, source: Path | str | sections.DataSource | Opened | None) -> Data:
    """The `data` section; a given source replaces its own."""
    data = program.data or sections.Data()
    if source is None:
        return data
    source = source.absolute() if isinstance(source, Path) else source
    given = source_of(source, data.source) if isinstance(source, (str, Path)) else source
    if not isinstance(given, sections.DataSource) and given.is_table:
        given.sequences = data.table
    return sections.Data(**data.values() | {"source": given}).placed(data.span, data.spans)
