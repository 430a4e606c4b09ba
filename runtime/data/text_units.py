"""Cut texts into characters or words, and join them again.

A character is a Unicode code point; words are separated by white space. A column is cut at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.definitions.sections import WORD
from dlc.runtime.data.source import Column

if TYPE_CHECKING:
    from collections.abc import Iterable

UNIT_BYTES = 64  # of memory, for each byte of text: its units, their classes, and masks


def cut(column: Column, unit: str) -> Column:
    """A column with one text a row as a column of the units of each text. A missing text has none."""
    units, lengths = units_of(column.values.fill_null(""), unit)
    return Column(units, untyped=column.untyped, lengths=lengths, cut=True)


def units_of(texts: Any, unit: str) -> tuple[Any, np.ndarray]:
    """The units of all texts, one after the other, and their number in each text. `texts` is an Arrow array
    of large strings without nulls, as the units are."""
    return words_of(texts) if unit == WORD else characters_of(texts)


def characters_of(texts: Any) -> tuple[Any, np.ndarray]:
    """Their bytes are shared: a character begins at each byte that does not continue one in UTF-8."""
    import pyarrow as pa

    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets or bytes(8), np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(content or b"", np.uint8)[ends[0] : ends[-1]]
    starts = np.flatnonzero((data & 0xC0) != 0x80)
    bounds = pa.py_buffer(np.append(starts, len(data)).astype(np.int64, copy=False))
    units = pa.LargeStringArray.from_buffers(len(starts), bounds, pa.py_buffer(data))
    return units, np.diff(np.searchsorted(starts, ends - ends[0]))


def words_of(texts: Any) -> tuple[Any, np.ndarray]:
    from dlc.runtime.data.arrow_compute import pc

    pieces = pc.utf8_split_whitespace(texts)
    words, rows = pc.list_flatten(pieces), pc.list_parent_indices(pieces)
    there = pc.not_equal(words, "")  # white space at the ends
    lengths = np.bincount(np.asarray(rows.filter(there)), minlength=len(texts))
    return words.filter(there), lengths


def joined(units: Iterable[Any], unit: str) -> str:
    """The text of these units."""
    return (" " if unit == WORD else "").join(map(str, units))
