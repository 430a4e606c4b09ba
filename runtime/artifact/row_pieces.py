"""The rows of a source for an artifact: read in pieces, and given in chunks that run together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dlc.runtime.artifact import tokens
from dlc.runtime.data import decoded_rows
from dlc.runtime.data.columns.joined_columns import joined
from dlc.runtime.data.columns.unknown_classes import UnknownCounts
from dlc.runtime.data.pieces import pieces_of
from dlc.runtime.data.rows.dataset import InMemoryRows
from dlc.runtime.data.sequences.ragged import joined_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.runtime.artifact.opened import OpenArtifact
    from dlc.runtime.data.columns.unknown_classes import UnknownValues
    from dlc.runtime.data.complete import LeftOut
    from dlc.runtime.data.requirements import RequiredField
    from dlc.runtime.data.source import Column, Opened


class RowBlock(NamedTuple):
    """Some rows, and the columns of the source that are kept beside their answers."""

    rows: InMemoryRows
    kept: list[Column]

    @property
    def count(self) -> int:
        return self.rows.count or 0

    def part(self, start: int, stop: int) -> RowBlock:
        """Successive rows, which share the memory of all."""
        return RowBlock(self.rows.part(start, stop), [column.part(start, stop) for column in self.kept])

    def before(self, other: RowBlock) -> RowBlock:
        """These rows and then those of another block, in memory of their own."""
        one, two = self.rows, other.rows
        arrays = {name: joined_rows([one[name], two[name]]) for name in one}
        lengths = {name: np.concatenate([of, two.lengths[name]]) for name, of in one.lengths.items()}
        kept = [joined(pair) for pair in zip(self.kept, other.kept, strict=True)]
        return RowBlock(InMemoryRows(arrays, self.count + other.count, lengths=lengths), kept)


class Chunk(NamedTuple):
    """Rows that run together, and the number of the first one."""

    first: int
    rows: InMemoryRows
    kept: list[Column]


class RowPieces:
    """The rows of a source for an artifact. What is told about all of them is known once they are read:
    `count`, `what` a row is, the notes, and the `unknown_values` of class inputs. `numbers` are those of the
    rows in the source, None for all; they are known only of rows that are read whole."""

    def __init__(
        self, artifact: OpenArtifact, opened: Opened, wanted: Sequence[RequiredField],
        kept: Sequence[int] = (), *, drop: bool = False, empty: bool = False, share: int | None = None,
    ) -> None:  # fmt: skip
        """`kept` are the indices of columns that are kept. `drop` leaves out rows that miss a value. No rows
        are an error unless `empty` is true. `share` are the bytes that rows may take in memory."""
        self._artifact, self._opened, self._wanted, self._kept = artifact, opened, wanted, kept
        self._drop, self._empty, self._share = drop, empty, share
        classes = [w.name for w in wanted if w.declared.element == "class" and not w.is_target]
        self._unknown, self._left_out, self._notes = UnknownCounts(classes), None, ()
        self.count, self.what, self.numbers = 0, "row", None

    def __iter__(self) -> Iterator[RowBlock]:
        """The rows in pieces as they are read."""
        for piece in pieces_of(self._opened, self._wanted, self._kept, self._share, drop=self._drop):
            rows, left_out = decoded_rows(piece, self._wanted, drop=self._drop, empty=self._empty)
            self._add(rows, left_out)
            rows.count_unknown(self._unknown, piece.step)
            kept = piece.read(self._kept)
            kept = kept if rows.numbers is None else [column.take(rows.numbers) for column in kept]
            block = RowBlock(tokens.in_rows(self._artifact, rows), kept)
            del piece, rows, kept  # before the next piece is read
            yield block
            del block

    def _add(self, rows: InMemoryRows, left_out: LeftOut | None) -> None:
        self.count += rows.count or 0
        self.what, self.numbers, self._notes = rows.what, rows.numbers, rows.notes
        if left_out is not None:
            self._left_out = left_out if self._left_out is None else self._left_out + left_out

    def chunks(self, most: int) -> Iterator[Chunk]:
        """The rows in chunks of `most`, or fewer if rows are large; the last one may be smaller. The pieces
        do not matter, because the last digits of answers may depend on the rows of a run. Without rows, one
        empty chunk, which gives the shapes of the answers."""
        first, held, empty = 0, None, None
        for block in self:
            size, begin = min(most, block.rows.inspected(block.rows.types)), 0
            empty = None if block.count else block
            if held is not None:
                begin = min(max(size - held.count, 0), block.count)
                held = held.before(block.part(0, begin))
                if held.count < size:
                    continue
                yield Chunk(first, *held)
                first, held = first + held.count, None
            whole = begin + (block.count - begin) // size * size
            for start in range(begin, whole, size):
                yield Chunk(first, *block.part(start, start + size))
                first += size
            rest = block.part(whole, block.count)
            held = rest.part(0, 0).before(rest) if rest.count else None
            del block, rest  # before the next piece is read
        if held is not None:
            yield Chunk(first, *held)
        elif not first and empty is not None:
            yield Chunk(0, *empty)

    @property
    def notes(self) -> list[str]:
        """Notes that count the rows that were left out. `CompileError` if none is left."""
        left_out = self._left_out.note(self._opened, self.what) if self._left_out else []
        return [*self._notes, *left_out]

    @property
    def unknown_values(self) -> list[UnknownValues]:
        return self._unknown.values()
