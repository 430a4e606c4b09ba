"""A text file as windows of characters or words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.runtime.data import bounds, data_errors, encodings, formats
from dlc.runtime.data.source import Column, Opened, display_path, need_file
from dlc.runtime.data.text_units import UNIT_BYTES, units_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dlc.compiler.definitions.sections import TextSource

NAMES = ("the window", "the window one later")


class TextFile(Opened):
    """Row i has the units from i * window on, and those from i * window + 1 on."""

    def __init__(self, source: TextSource, folder: Path) -> None:
        path = need_file(folder / source.path, source)
        self.file, self.definition = display_path(source.path), source
        bounds.check(UNIT_BYTES * reading.check(path), bounds.memory_limit(), self.file, source)
        self._units, _ = units_of(_as_column(self._read(path)), source.unit)
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

    def _read(self, path: Path) -> bytes:
        """The text in UTF-8, with `\\n` as newline."""
        with reading.open_file(path) as file:
            content = file.read()
        try:
            return reading.text_of(content).encode()
        except UnicodeDecodeError:
            pass
        why, help = _no_text(content)
        message = f"{self.file} cannot be read as a text: {why}"
        raise data_errors.fail(data_errors.BROKEN, message, (self.definition, "read here"), help=help)


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
