"""The memory that the files of rows take once they are decoded, and what tells that they have changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.definitions.file_sources import Files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.types import Tensor
    from dlc.runtime.data.columns.column_match import Match
    from dlc.runtime.data.source import Opened

MASK_BYTES = 32  # of memory for the class number of a pixel: an int64, and what checks it
FLOAT_BYTES = 5  # of memory for a number: as uint8, and as float32
EXPANSION = 8  # how many times the size of a file its content takes where its shape is not known
SAMPLED = 1_000  # files whose sizes are looked at for an estimate


def bytes_decoded(declared: Tensor, shape: Sequence[int]) -> int:
    """The bytes that an array of this shape takes while it is read for a field of this type."""
    width = MASK_BYTES if declared.classes else 1 if declared.is_integer else FLOAT_BYTES
    return width * int(np.prod(shape, dtype=np.int64))


def bytes_of_files(opened: Opened, matches: Sequence[Match]) -> int:
    """The bytes that the files of a row take while they are decoded; 0 if there are no files."""
    return sum(_bytes_of(opened, m) for m in matches if _has_files(opened, m))


def size_of_files(opened: Opened, matches: Sequence[Match]) -> int:
    """The bytes that the files of all rows take while they are decoded; 0 if there are no files."""
    found = [m for m in matches if _has_files(opened, m)]
    if not found:
        return 0
    count = opened.count if opened.of_files else sum(1 for _ in _paths(opened, found[0]))
    return count * bytes_of_files(opened, found)


def identities_of_files(opened: Opened, matches: Sequence[Match]) -> list[tuple[str, int, int]]:
    """The path, the size and the time of the last change of each file."""
    found = []
    for m in (m for m in matches if _has_files(opened, m)):
        for path in _paths(opened, m):
            try:
                about = os.stat(path)
            except (OSError, ValueError):  # told when it is read
                found.append((path, -1, 0))
            else:
                found.append((path, about.st_size, about.st_mtime_ns))
    return found


def _has_files(opened: Opened, m: Match) -> bool:
    """Whether files fill a field."""
    return isinstance(m.wanted.source, Files) or (opened.of_files and m.wanted.declared.rank > 0)


def _bytes_of(opened: Opened, m: Match) -> int:
    shape = [size for size in m.wanted.declared.shape if isinstance(size, int)]
    if len(shape) == m.wanted.declared.rank:
        return bytes_decoded(m.wanted.declared, shape)
    sizes = []
    for path, _ in zip(_paths(opened, m), range(SAMPLED), strict=False):
        try:
            sizes.append(os.stat(path).st_size)
        except (OSError, ValueError):
            continue
    return bytes_decoded(m.wanted.declared, [EXPANSION * int(np.mean(sizes or [0]))])


def _paths(opened: Opened, m: Match) -> Iterator[str]:
    """The path of the file of each row that has one."""
    source = m.wanted.source
    root = str(opened.root_of(source.root)) if isinstance(source, Files) else ""
    for [column] in opened.pieces(m.indices[:1]):
        folder = root if column.files is None else column.files.root
        yield from (os.path.join(folder, name) for name in column.values.to_pylist() if name)
