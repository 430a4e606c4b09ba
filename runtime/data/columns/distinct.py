"""The distinct values of columns that are read in pieces, and the texts of their training rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.types import MAX_CLASSES
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.columns.classes import no_classes
from dlc.runtime.data.source import texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.ir.graph import Node
    from dlc.runtime.data.source import Column

TEXT = 120  # bytes of memory of a distinct text and its count, apart from its characters


class DistinctValues:
    """The distinct values of a column, each with its first row, and whether a training row has it."""

    def __init__(self) -> None:
        self._texts: dict[str | None, tuple[int, bool]] = {}
        self._numbers: list[np.ndarray] = [np.zeros(0), np.zeros(0, np.int64), np.zeros(0, bool)]
        self._like: Column | None = None

    def add(self, column: Column, rows: np.ndarray, train: np.ndarray) -> None:
        """Rows of the column with these numbers; `train` masks those of training."""
        if column.lengths is not None:
            rows, train = np.repeat(rows, column.lengths), np.repeat(train, column.lengths)
        steps = column.steps
        each = len(steps.values) // max(len(rows), 1) if steps.is_text else steps.values[:1].size
        rows, train = np.repeat(rows, each), np.repeat(train, each)
        self._like = steps
        (self._add_texts if steps.is_text else self._add_numbers)(steps, rows, train)
        if len(self._texts) + len(self._numbers[0]) > 2 * MAX_CLASSES:
            raise no_classes(data_errors.CLASS, f"there are more than {MAX_CLASSES:_} different classes", "")

    def _add_texts(self, column: Column, rows: np.ndarray, train: np.ndarray) -> None:
        encoded = column.values.dictionary_encode(null_encoding="encode")
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        words = encoded.dictionary.to_pylist()
        firsts = np.unique(codes, return_index=True)[1]
        trained = np.bincount(codes[train], minlength=len(words)) > 0
        for word, first, of_train in zip(words, rows[firsts].tolist(), trained.tolist(), strict=True):
            known = self._texts.get(word, (first, False))
            self._texts[word] = known[0], known[1] or of_train

    def _add_numbers(self, column: Column, rows: np.ndarray, train: np.ndarray) -> None:
        there = ~column.missing_numbers.ravel()
        values, rows, train = column.values.ravel()[there], rows[there], train[there]
        found, firsts = np.unique(values, return_index=True)
        mask = np.isin(found, values[train])
        if self._numbers[0].size:
            pairs = zip(self._numbers, (found, rows[firsts], mask), strict=True)
            values, rows, train = map(np.concatenate, pairs)
            found, firsts, places = np.unique(values, return_index=True, return_inverse=True)
            mask = np.bincount(places[train], minlength=len(found)) > 0
        self._numbers = [found, rows[firsts], mask]

    def column(self) -> tuple[Column, np.ndarray, np.ndarray]:
        """The distinct values as a column, their first rows, and the places of those in training rows."""
        assert self._like is not None
        if self._like.is_text:
            places = self._texts.values()
            rows = np.array([row for row, _ in places], np.int64)
            train = np.array([of_train for _, of_train in places], bool)
            values = texts([*self._texts]).values
        else:
            values, rows, train = self._numbers
        found = replace(self._like, values=values, shape=(), nulls=None, lengths=None)
        return found, rows, np.flatnonzero(train)


class TextCounts:
    """The texts of training rows with their counts, or their words with theirs where an operator reads words:
    what it learns from them is the same."""

    def __init__(self, node: Node) -> None:
        self.counts: Counter[str] = Counter()
        self._node, self._words, self._size = node, len(node.results) > 1, 0

    def add(self, texts: Iterable[str]) -> None:
        if self._words:
            texts = (word for text in texts for word in text.split())
        known = len(self.counts)
        self.counts.update(texts)
        if len(self.counts) > known:
            self._size = len(self.counts) * TEXT
            what = f"what `{self._node.operator.name}` learns"
            bounds.check(self._size, bounds.memory_limit(), what, self._node.site.span)
