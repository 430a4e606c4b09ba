"""Replace columns of file names by what the files hold: pictures, masks and recordings."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.definitions.file_sources import (
    CHANNELS,
    MASK,
    PICTURE,
    RATE,
    RECORDING,
    Files,
    PathField,
    content_of,
    fitting_types,
    takes_both,
)
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.dims.dim import number
from dlc.runtime.data import bounds
from dlc.runtime.data.data_errors import BROKEN, SHAPE, error, fail
from dlc.runtime.data.files import paths, recording_rows
from dlc.runtime.data.files.bad_file import ABSENT, OUTSIDE, BadFile
from dlc.runtime.data.files.pictures import MaskReader, PictureReader
from dlc.runtime.data.files.recordings import RecordingReader
from dlc.runtime.data.files.roots import no_files, no_root
from dlc.runtime.data.files.sizes import bytes_decoded
from dlc.runtime.data.files.workers import WorkerEnded, read_all
from dlc.runtime.data.source import FileReading, numbers, texts
from dlc.runtime.extras import need_packages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.types import Tensor
    from dlc.runtime.data.columns.column_match import Match
    from dlc.runtime.data.columns.field_columns import FieldColumns
    from dlc.runtime.data.files.workers import FileReader
    from dlc.runtime.data.source import Column, Opened

MAX_NAMED = 5  # broken files that one error names


def with_contents(filled: FieldColumns) -> list[Diagnostic]:
    """Replace, in place, the columns of file names by arrays, and paths by their folders. Returns the errors
    of files that cannot be read; the columns of such a field stay as they are."""
    problems = []
    for m in filled.matches:
        columns = filled.columns[m.wanted.name]
        for place, column in enumerate(columns):
            if not column.is_text:
                continue
            if isinstance(m.wanted.source, PathField) and not filled.opened.of_files:
                columns[place] = folders(column, m.wanted.source.n)
            elif (how := reading_of(filled, m, column)) is not None:
                loaded = Contents(filled, m, place, column, how).read()
                if isinstance(loaded, list):
                    problems += loaded
                else:
                    columns[place] = loaded
    return problems


def folders(column: Column, n: int) -> Column:
    """The n-th folder of each path."""
    names = (None if name is None else paths.folder_of(name, n) for name in column.values.to_pylist())
    return texts([*names], untyped=True)


def reading_of(filled: FieldColumns, m: Match, column: Column) -> FileReading | None:
    """How the files of a column are read; None if its texts are no names of files."""
    opened, source = filled.opened, m.wanted.source
    if column.files is not None and content_of(m.wanted.declared, column.files.holds):
        if opened.for_model and isinstance(source, Files):
            return replace(column.files, fit=source.fit, rate=source.rate or RATE)
        return column.files
    if isinstance(source, Files) and not opened.of_files:
        root, holds = opened.root_of(source.root), held_by(m.wanted.declared, source, column)
        return FileReading(str(root), source.fit, source.rate or RATE, holds)
    return None


def held_by(declared: Tensor, source: Files, column: Column) -> str:
    """What the files of a column hold, where the type of its field takes pictures and recordings: what the
    settings tell, or else the suffix of the first name; empty where nothing tells, or the type does."""
    if not takes_both(declared):
        return ""
    present = np.flatnonzero(~column.missing_texts)
    suffix = paths.suffix_of(column.values[int(present[0])].as_py().strip()) if len(present) else ""
    known = {RECORDING: paths.RECORDINGS, PICTURE: paths.PICTURES}
    return source.holds or next((holds for holds, suffixes in known.items() if suffix in suffixes), "")


class Contents:
    """The files that fill one column of a field."""

    def __init__(
        self, filled: FieldColumns, m: Match, place: int, column: Column, reading: FileReading
    ) -> None:
        self._filled, self._wanted, self._index = filled, m.wanted, m.indices[place]
        self._reading, self._names = reading, column.values.to_pylist()
        self._missing = column.missing_texts
        self._beside = reading.beside
        self._bad: dict[int, BadFile] = {}

    def read(self) -> Column | list[Diagnostic]:
        """The column of arrays, or the errors."""
        declared, holds = self._wanted.declared, self._reading.holds
        rows = np.flatnonzero(~self._missing)
        reader = reader_of(declared, self._reading)
        if reader is None:
            return [self._no_content(declared, holds)]
        if (problem := self._no_root(rows)) is not None:
            return [problem]
        need_packages(content_of(declared, holds), self._wanted.source or self._filled.opened.definition)
        self._check_memory(declared, len(rows))
        files, present = [], []
        for row in rows.tolist():
            if (paths_of := self._paths(row)) is not None:
                files.append(paths_of)
                present.append(row)
        try:
            arrays = self._good(present, read_all(reader, files))
            if isinstance(reader, RecordingReader):
                made = recording_rows.joined(self._fitting(arrays), len(self._names), declared)
            else:
                made = self._joined(arrays, len(self._names))
        except WorkerEnded as ended:
            raise self._ended(ended) from None
        return self._problems() or made

    def _paths(self, row: int) -> tuple[str, ...] | None:
        """The file of a row, and the picture that a mask belongs to."""
        try:
            own = paths.below(self._reading.root, self._names[row])
        except BadFile as bad:
            self._bad[row] = bad
            return None
        return (own,) if self._beside is None else (own, self._beside[self._names[row]])

    def _check_memory(self, declared: Tensor, rows: int, shape: tuple[int, ...] | None = None) -> None:
        """Refuse files that would not fit in memory once they are decoded."""
        sizes = shape if shape is not None else declared.shape
        if not all(isinstance(size, int) for size in sizes):
            return
        size = rows * bytes_decoded(declared, [int(str(size)) for size in sizes])
        opened = self._filled.opened
        bounds.check(size, bounds.memory_limit(), f"{opened.file}, decoded,", opened.definition)

    def _good(
        self, rows: Sequence[int], found: Iterator[np.ndarray | BadFile]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """The arrays, each with its row; the errors of others are collected."""
        for row, some in zip(rows, found, strict=True):
            if isinstance(some, BadFile):
                self._bad[row] = some
                if len(self._bad) > MAX_NAMED:
                    return
            else:
                yield row, some

    def _joined(self, arrays: Iterator[tuple[int, np.ndarray]], count: int) -> Column:
        """One array of all rows; the files need one shape. Rows without a file are missing."""
        whole, first = np.zeros((count, 0), np.uint8), -1
        for row, array in arrays:
            if self._bad:
                continue
            if first < 0:
                self._check_memory(self._wanted.declared, count, array.shape)
                whole, first = np.zeros((count, *array.shape), array.dtype), row
            if array.shape != whole.shape[1:]:
                self._bad[row] = self._other_shape(array, whole.shape[1:], first)
                continue
            if array.dtype != whole.dtype:
                whole = whole.astype(np.result_type(array, whole))
            whole[row] = array
        if not self._missing.any():
            return numbers(whole)
        missing = self._missing.reshape(-1, *(1 for _ in whole.shape[1:]))
        return numbers(whole, nulls=np.broadcast_to(missing, whole.shape))

    def _fitting(self, arrays: Iterator[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
        """The recordings that are as long as the type says, as long as all of them fit in memory."""
        opened, limit, size = self._filled.opened, bounds.memory_limit(), 0
        for row, samples in arrays:
            size += recording_rows.COPIES * samples.nbytes
            bounds.check(size, limit, f"{opened.file}, decoded,", opened.definition)
            try:
                recording_rows.need_length(samples, self._wanted, self._reading.rate)
            except BadFile as bad:
                self._bad[row] = bad
            else:
                yield row, samples

    def _other_shape(self, array: np.ndarray, shape: tuple[int, ...], first: int) -> BadFile:
        other = f'"{shorten(self._names[first])}" has {spelled(shape)}'
        return BadFile(f"has {spelled(array.shape)}, and {other}",
                       f"give `{self._wanted.name}` fixed sizes: pictures are then brought to them",
                       SHAPE)  # fmt: skip

    # --- errors -------------------------------------------------------------------------------------------

    def _no_root(self, rows: np.ndarray) -> Diagnostic | None:
        """The error for names that are relative to a folder which is not there."""
        if (source := self._relative) is None or not len(rows):
            return None
        return no_root(self._filled.opened, source, self._some(rows.tolist()))

    def _nowhere(self, bad: BadFile) -> str:
        """The fix for the name of a file that is not in the folder of the files."""
        if (source := self._relative) is None or bad.what not in (ABSENT, OUTSIDE):
            return ""
        lost = [row for row, its in sorted(self._bad.items()) if its.what == bad.what == ABSENT]
        return no_files(self._filled.opened, source, self._some(lost))

    @property
    def _relative(self) -> Files | None:
        """The field, if its files are those that a table names relative to a folder."""
        source = self._wanted.source
        return source if isinstance(source, Files) and not self._filled.opened.of_files else None

    def _some(self, rows: Sequence[int]) -> list[str]:
        return [self._names[row].strip() for row in rows[:MAX_NAMED]]

    def _problems(self) -> list[Diagnostic]:
        """One error that names the files which cannot be used."""
        if not self._bad:
            return []
        (row, bad), *others = sorted(self._bad.items())
        opened = self._filled.opened
        notes = [f"{self._place(other)}: {its.what}" for other, its in others[: MAX_NAMED - 1]]
        notes += ["and others"] if len(others) >= MAX_NAMED else []
        said = f"`{self._wanted.name}` is {self._wanted.declared}"
        at = ((self._wanted.source or self._wanted.span, said), (opened.definition, "read here"))
        where = ", ".join(filter(None, (self._at(row)[0].file, self._place(row))))
        help = bad.help or self._nowhere(bad)
        return [error(bad.code, f"{where}: {self._said(bad)}", *at, help=help, notes=notes)]

    def _said(self, bad: BadFile) -> str:
        what = "the mask" if self._beside is not None else "the file"
        return f"{what} {bad.what}"

    def _place(self, row: int) -> str:
        """The place of a file in messages: its row, its column, and its name."""
        opened, (table, number) = self._filled.opened, self._at(row)
        where = table.row(number)
        if opened.of_files:
            return where
        return f'{where}, {opened.name(self._index)}, "{shorten(self._names[row])}"'

    def _at(self, row: int) -> tuple[Opened, int]:
        """The table that a row is in, and its number there."""
        rows = self._filled.rows
        table, [number] = self._filled.opened.at([row if rows is None else int(rows[row])])
        return table, number

    def _no_content(self, declared: Tensor, holds: str) -> Diagnostic:
        opened = self._filled.opened
        message = f"{opened.file}: a {holds or 'file'} cannot fill {self._wanted}, which is {declared}"
        at = ((self._wanted.source or self._wanted.span, "wanted here"), (opened.definition, "read here"))
        return error(SHAPE, message, *at, help=fitting_types(holds))

    def _ended(self, ended: WorkerEnded) -> Exception:
        """The error of a process that ended while it read files, such as one without memory."""
        status = ended.status or 0
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        names = ", ".join(f'"{shorten(os.path.basename(file))}"' for file in ended.files[:3])
        opened = self._filled.opened
        at = f"at one of {len(ended.files)} files: {names}"
        message = f"{opened.file}: the process that decodes files {how}, {at}"
        return fail(BROKEN, message, (opened.definition, "read here"),
                    help="is there enough memory? A damaged file may also end a decoder")  # fmt: skip


def spelled(shape: Sequence[int]) -> str:
    """The shape of a picture or a mask as messages have it."""
    *channels, height, width = shape
    sizes = f"{width} x {height} pixels"
    return f"{sizes} and {channels[0]} channels" if channels else sizes


def reader_of(declared: Tensor, how: FileReading) -> FileReader | None:
    """What reads the files for a field of this type; None if they cannot fill it."""
    content, shape = content_of(declared, how.holds), declared.shape
    if content == RECORDING:
        return RecordingReader(how.rate, number(shape[0]) if declared.rank == 2 else None)
    if not content:
        return None
    sizes = [size if isinstance(size, int) else None for size in shape[-2:]]
    height, width = sizes if None not in sizes else (None, None)
    if content == MASK:
        outside = next((v for v in declared.ignore if isinstance(v, (int, float))), 0)
        binary = declared.element == "binary" and 255 not in declared.ignore
        return MaskReader(height, width, how.fit, int(outside), binary)
    assert content == PICTURE
    channels: Any = shape[0] if declared.rank == 3 else 1
    if isinstance(channels, int) and channels not in CHANNELS:
        return None
    return PictureReader(channels if isinstance(channels, int) else None, height, width, how.fit)
