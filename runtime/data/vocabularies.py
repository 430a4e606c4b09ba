"""Vocabularies of texts, learnt from the training rows, and the classes that texts are read as."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.passes.lengths import length_name
from dlc.runtime import subwords
from dlc.runtime.data import data_errors
from dlc.runtime.data.classes import no_classes
from dlc.runtime.data.data_errors import Refused
from dlc.runtime.data.encode import text_values
from dlc.runtime.data.field_columns import refusal_error
from dlc.runtime.data.ragged import Ragged, step_indices
from dlc.runtime.data.rows import InMemoryRows
from dlc.runtime.subwords import Subwords

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dlc.compiler.ir.graph import Node
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.vocabularies import Vocabulary
    from dlc.runtime.data.column_match import Match
    from dlc.runtime.data.field_columns import FieldColumns
    from dlc.runtime.data.requirements import RequiredField

UNREADABLE = "E0808"


def learn(filled: FieldColumns, train: np.ndarray) -> dict[str, Vocabulary]:
    """What the operators of text learn from the training rows, by key. Uses of a net share it."""
    groups: dict[str, list[tuple[Match, Node]]] = {}
    for m in filled.fields:
        for node in m.wanted.readers:
            assert node.operator.reading is not None
            groups.setdefault(node.operator.reading.key, []).append((m, node))
    found: dict[str, Vocabulary] = {}
    problems: list[Diagnostic] = []
    for key, uses in groups.items():
        reading = uses[0][1].operator.reading
        if reading is not None and reading.vocabulary is not None:
            found[key] = reading.vocabulary
            continue
        texts: Counter[str] = Counter()
        try:
            for m, _ in uses:
                texts.update(texts_of(filled, m, train))
            found[key] = learnt(uses[0][1], texts)
        except Refused as refused:
            problems.append(refusal_error(filled, uses[0][0].wanted, uses[0][0].indices[0], refused))
    if problems:
        raise CompileError(problems)
    return found


def learnt(node: Node, texts: Counter[str]) -> Vocabulary:
    """The vocabulary of texts with these counts. `Refused` if there is nothing to learn."""
    operator = node.operator
    try:
        if not operator.outside:
            found = operator.learn(texts)
        else:
            found = subwords.learn(texts.elements(), operator.subwords) if any(texts) else None
    except ValueError as error:
        raise no_classes(data_errors.CLASS, str(error), "") from None
    if found is None:
        what = "all texts are missing, so there is nothing to learn"
        raise no_classes(data_errors.MISSING_VALUE, what, "remove the column")
    return found


def texts_of(filled: FieldColumns, m: Match, train: np.ndarray) -> Iterable[str]:
    """The texts of a field in the training rows."""
    for _, column in filled.sources(m):
        rows = filled.layout(m, train).rows
        rows = np.arange(filled.count) if rows is None else rows
        if column.lengths is not None:
            starts = np.cumsum(column.lengths) - column.lengths
            rows = step_indices(starts[rows], column.lengths[rows])
        yield from text_values(column.steps)[rows].ravel().tolist()


def with_classes(rows: InMemoryRows, wanted: Sequence[RequiredField],
                 known: Mapping[str, Vocabulary]) -> InMemoryRows:  # fmt: skip
    """The rows with the classes that their texts are read as."""
    arrays: dict[str, np.ndarray | Ragged] = {}
    lengths: dict[str, np.ndarray] = {}
    for node, texts in ((node, rows[w.name]) for w in wanted if w.name in rows for node in w.readers):
        operator, field = node.operator, node.results[0].name
        assert operator.reading is not None
        operator = operator.with_vocabulary(known[operator.reading.key])
        if len(node.results) > 1:
            assert isinstance(texts, np.ndarray)
            arrays[field] = tokens = ragged(tokens_of(node, operator, texts.tolist()))
            lengths[length_name(field)] = tokens.lengths
        elif isinstance(texts, Ragged):
            arrays[field] = texts.mapped(lambda steps, operator=operator: operator.from_text(np, steps))
            lengths[length_name(field)] = texts.lengths
        else:
            arrays[field] = operator.from_text(np, texts)
    return rows.with_arrays(arrays, lengths) if arrays else rows


def tokens_of(node: Node, operator: Operator, texts: list[str]) -> list[list[int]]:
    """The tokens of each text."""
    if not operator.outside:
        return operator.tokens(texts)
    try:
        return Subwords(operator.vocabulary.tokenizer, operator.max_length).tokens(texts)
    except ValueError as error:
        message = f"`tokenizers` cannot read texts by this tokenizer: {error}"
        raise CompileError([Diagnostic.at(node.site, UNREADABLE, message)]) from None


def ragged(tokens: Sequence[Sequence[int]]) -> Ragged:
    """Rows of tokens."""
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    every = np.fromiter((token for row in tokens for token in row), np.int64, int(lengths.sum()))
    return Ragged(every, lengths)
