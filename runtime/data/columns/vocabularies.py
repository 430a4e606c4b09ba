"""Vocabularies of texts, learnt from the training rows, and the classes that texts are read as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.passes.lengths import length_name
from dlc.runtime import subwords
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.classes import no_classes
from dlc.runtime.data.columns.encode import text_values
from dlc.runtime.data.columns.field_columns import refusal_error
from dlc.runtime.data.data_errors import Refused
from dlc.runtime.data.rows.dataset import InMemoryRows
from dlc.runtime.data.sequences.ragged import Ragged, step_indices
from dlc.runtime.subwords import Subwords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dlc.compiler.ir.graph import Node
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.vocabularies import Vocabulary
    from dlc.runtime.data.columns.column_match import Match
    from dlc.runtime.data.columns.field_columns import FieldColumns
    from dlc.runtime.data.requirements import RequiredField

    Use = tuple[Match, Node]  # a field, and an operator that reads its texts

UNREADABLE = "E0808"


def learn(filled: FieldColumns, train: np.ndarray) -> dict[str, Vocabulary]:
    """What the operators of text learn from the training rows, by key. Uses of a net share it."""

    def texts(uses: Sequence[Use]) -> Counter[str]:
        return Counter(text for m, _ in uses for text in texts_of(filled, m, train))

    def error(m: Match, refused: Refused) -> Diagnostic:
        return refusal_error(filled, m.wanted, m.indices[0], refused)

    return learn_from(filled.fields, texts, error)


def uses_of(fields: Sequence[Match]) -> dict[str, list[Use]]:
    """The fields that operators of text read, by the key of what they learn."""
    groups: dict[str, list[Use]] = {}
    for m in fields:
        for node in m.wanted.readers:
            assert node.operator.reading is not None
            groups.setdefault(node.operator.reading.key, []).append((m, node))
    return groups


def learn_from(
    fields: Sequence[Match],
    texts: Callable[[Sequence[Use]], Mapping[str, int] | Iterable[str]],
    error: Callable[[Match, Refused], Diagnostic],
) -> dict[str, Vocabulary]:
    """`learn` from the texts, or their counts, that `texts` gives for uses of an operator."""
    found: dict[str, Vocabulary] = {}
    problems: list[Diagnostic] = []
    for key, uses in uses_of(fields).items():
        reading = uses[0][1].operator.reading
        if reading is not None and reading.vocabulary is not None:
            found[key] = reading.vocabulary
            continue
        try:
            found[key] = learnt(uses[0][1], texts(uses))
        except Refused as refused:
            problems.append(error(uses[0][0], refused))
    if problems:
        raise CompileError(problems)
    return found


def learnt(node: Node, texts: Mapping[str, int] | Iterable[str]) -> Vocabulary:
    """The vocabulary of texts, or of texts with these counts. `Refused` if there is nothing to learn."""
    operator = node.operator
    try:
        if not operator.outside:
            found = operator.learn(texts if isinstance(texts, Mapping) else Counter(texts))
        else:
            texts = iter(texts.elements() if isinstance(texts, Counter) else texts)
            first = next(filter(None, texts), None)
            found = None if first is None else subwords.learn(chain([first], texts), operator.subwords)
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
            arrays[field] = tokens = Ragged.of_numbers(tokens_of(node, operator, texts.tolist()))
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
