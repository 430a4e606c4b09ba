"""A text file as windows of characters or words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import bounds, data_errors, encodings, formats
from dlc.runtime.data.columns.text_units import UNIT_BYTES, units_of
from dlc.runtime.data.locations.location import LocalFile
from dlc.runtime.data.source import Column, Opened, display_path, need_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dlc.compiler.definitions.sections import TextSource

NAMES = ("the window", "the window one later")


class TextFile(Opened):
    """Row i has the units from i * window on, and those from i * window + 1 on."""

    def __init__(self, source: TextSource, folder: Path) -> None:
        path = need_file(folder / source.path, source)
        self.file, self.definition = display_path(source.path), source
        self._units, _ = units_of(_as_column(self._read(LocalFile(path, path.name))), source.unit)
        self._window = source.window
        self.sizes = (self._window, self._window)
        self.count = max(len(self._units) - 1, 0) // self._window
        held = data_errors.counted(len(self._units), source.unit)
        self.no_rows = f"holds {held}, and a window and the one later take {source.window + 1}"

    def as_prompt(self) -> None:
        end = len(self._units)
        while end and self._units[end - 1].as_py() == "\n":
            end -= 1
        self._units, self._window = self._units[:end], max(end, 1)
        self.sizes, self.count, self.no_rows = (end, end), min(end, 1), "holds no text"

    def read(self, indices: Sequence[int]) -> list[Column]:
        total = self.count * self._window
        return [Column(self._units.slice(index, total), (self._window,), cut=True) for index in indices]

    def row(self, number: int) -> str:
        return f"window {number + 1}"

    def name(self, index: int) -> str:
        return NAMES[index]

    def _read(self, location: LocalFile) -> bytes:
        """The text in UTF-8, with `\\n` as newline."""
        try:
            content = bounds.joined(self._pieces(location))
        except OSError as error:
            message = f"{self.file} cannot be read as a text: {shorten(error, 200)}"
            raise data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here")) from None
        try:
            return reading.text_of(content).encode()
        except UnicodeDecodeError:
            pass
        why, help = _no_text(content)
        message = f"{self.file} cannot be read as a text: {why}"
        raise data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here"), help=help)

    def _pieces(self, location: LocalFile) -> Iterator[bytes]:
        """The content, unpacked, as long as its units fit in memory."""
        limit, size = bounds.memory_limit(), location.size()
        bounds.check(UNIT_BYTES * size, limit, self.file, self.definition)
        size = 0
        for piece in bounds.unpacked(location.pieces(), location.size(), self.file, self.definition):
            size += len(piece)
            bounds.check(UNIT_BYTES * size, limit, self.file, self.definition)
            yield piece


def _no_text(content: bytes) -> tuple[str, str]:
    """Why bytes are not text in UTF-8, and the fix."""
    what = next((what for begin, what, _ in formats.BEGINNINGS if content.startswith(begin)), "")
    if what:
        return f"it is {what}", "unpack it, or write its text to a file"
    wide = encodings.wide(content[:64])
    return formats.NO_UTF8, encodings.setting(wide, False) if wide else encodings.no_utf8(content)


def _as_column(text: bytes) -> Any:
    """An Arrow array of one text, which shares its memory."""
    import numpy as np
    import pyarrow as pa

    ends = pa.py_buffer(np.array([0, len(text)], np.int64))
    return pa.LargeStringArray.from_buffers(1, ends, pa.py_buffer(text))
