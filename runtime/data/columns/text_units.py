"""Cut texts into characters or words. `class_texts` of the compiler joins them again.

A character is a Unicode code point; words are separated by white space. A column is cut at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlc.compiler import vocabularies
from dlc.compiler.definitions.sections import WORD
from dlc.runtime.data.source import Column

WHITE_SPACE = tuple(character.encode() for character in vocabularies.WHITE_SPACE)
UNIT_BYTES = 64  # of memory, for each byte of text: its units, their classes, and masks


def cut(column: Column, unit: str) -> Column:
    """A column with one text a row as a column of the units of each text. A missing text has none."""
    units, lengths = units_of(column.values.fill_null(""), unit)
    return Column(units, untyped=column.untyped, lengths=lengths, cut=True, integers=column.integers)


def units_of(texts: Any, unit: str) -> tuple[Any, np.ndarray]:
    """The units of all texts, one after the other, and their number in each text. `texts` is an Arrow array
    of large strings without nulls, as the units are."""
    return words_of(texts) if unit == WORD else characters_of(texts)


def characters_of(texts: Any) -> tuple[Any, np.ndarray]:
    """A character begins at each byte that does not continue one in UTF-8."""
    data, ends = bytes_of(texts)
    starts = np.flatnonzero((data & 0xC0) != 0x80)
    return strings(data, starts), np.diff(np.searchsorted(starts, ends))


def words_of(texts: Any) -> tuple[Any, np.ndarray]:
    """A word begins at each byte of one behind white space, and at the start of a text."""
    data, ends = bytes_of(texts)
    inside = ~white_space(data)
    begins = np.ones(len(data), bool)
    begins[1:] = ~inside[:-1]
    begins[ends[ends < len(data)]] = True
    starts = np.flatnonzero(begins & inside)
    return strings(data[inside], np.cumsum(inside)[starts] - 1), np.diff(np.searchsorted(starts, ends))


def white_space(data: np.ndarray) -> np.ndarray:
    """Mask of the bytes of white space, as `str.isspace` defines it."""
    found = np.isin(data, [code[0] for code in WHITE_SPACE if len(code) == 1])
    longer = [code for code in WHITE_SPACE if len(code) > 1]
    leads = np.flatnonzero(np.isin(data, [code[0] for code in longer]))
    for code in longer:
        places = leads
        for offset, byte in enumerate(code):
            places = places[data[places + offset] == byte]
        for offset in range(len(code)):
            found[places + offset] = True
    return found


def bytes_of(texts: Any) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of all texts, and where each of them ends, after a 0. The bytes are shared."""
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets or bytes(8), np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(content or b"", np.uint8)[ends[0] : ends[-1]], ends - ends[0]


def strings(data: np.ndarray, starts: np.ndarray) -> Any:
    """An Arrow array of the texts that begin at these bytes. The bytes are shared."""
    import pyarrow as pa

    ends = pa.py_buffer(np.append(starts, len(data)).astype(np.int64, copy=False))
    return pa.LargeStringArray.from_buffers(len(starts), ends, pa.py_buffer(data))
