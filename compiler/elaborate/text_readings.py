"""Operators that read text: the names of what they learn, and their results among the fields of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from dlc.compiler import reading
from dlc.compiler.definitions.definition import Reject
from dlc.compiler.diagnostics.source import name_of
from dlc.compiler.ir.graph import GraphInput
from dlc.compiler.operators.lengths import LENGTH
from dlc.compiler.passes.lengths import length_name
from dlc.compiler.vocabularies import Reading, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dlc.compiler.diagnostics.source import Site, Span
    from dlc.compiler.elaborate.level import Level
    from dlc.compiler.elaborate.values import Halt
    from dlc.compiler.ir.graph import Value
    from dlc.compiler.ir.names import UniqueNames
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.program import Facts

UNREADABLE = "E0808"


class TextReadings(ABC):
    """The part of the graph builder for text."""

    level: Level
    _value_names: UniqueNames

    def __init__(self, facts: Facts, tokenizer_in: Callable[[str], str]) -> None:
        self.vocabularies = dict(facts.vocabularies)
        self._tokenizer_in = tokenizer_in
        self._readers: dict[str, Operator] = {}  # by the key of what they learn

    @abstractmethod
    def site(self, span: Span) -> Site:
        """The location of a value."""

    @abstractmethod
    def fail(self, code: str, span: Span, message: str, *, help: str = "") -> Halt:
        """Report an error."""

    def read_by(self, operator: Operator, text: Value, span: Span) -> Operator:
        """The operator with the reading of a text."""
        assert isinstance(text, GraphInput), "no other operator takes text"
        name = self.level.names.next(operator.name)
        self.level.names.take(name)
        prefix = self.level.prefix if self.level.follows is None else self.level.follows
        key = f"{prefix}{name}"
        if self._readers.setdefault(key, operator) != operator:
            message = f"`{key}` was {self._readers[key]} at its first use, {operator} here"
            help = "give it the same settings at every use, or use a `block`, which learns anew"
            raise self.fail("E0505", span, message, help=help)
        if operator.tokenizer and key not in self.vocabularies:
            self.vocabularies[key] = self._from_file(operator.tokenizer, span)
        field = self._value_names.next(f"{text.field}_{operator.reads}")
        return operator.knowing(reading=Reading(key, field, self.vocabularies.get(key)))

    def _from_file(self, written: str, span: Span) -> Vocabulary:
        """The vocabulary of a tokenizer. Its path is relative to the file that names it."""
        from dlc.compiler import tokenizer_files

        path = name_of(span.source, written)
        try:
            text = self._tokenizer_in(path)
            return Vocabulary(tokenizer_files.count_of(text), tokenizer=text)
        except OSError as error:
            help = "paths are relative to the spec"
            raise self.fail(UNREADABLE, span, f"{path} {reading.why(error)}", help=help) from None
        except ValueError as error:
            raise self.fail(UNREADABLE, span, f"{path} is not a tokenizer: {error}") from None

    def text_results(self, operator: Operator, span: Span) -> tuple[Value, ...]:
        """The results of a node that reads text: its classes, and their number. Among the rows of training
        they are fields."""
        assert operator.reading is not None
        site, field = self.site(span), operator.reading.field
        lengths = (GraphInput(length_name(field), LENGTH, site, "length", length_name(field)),)
        found = (GraphInput(field, operator.results[0], site, "input", field), *lengths)
        for value in found[: len(operator.results)]:
            self._value_names.take(value.name)
        return found[: len(operator.results)]


def refuse_text(operator: Operator, operands: Sequence[Value]) -> None:
    """`Reject` text in an operator that takes any other value."""
    for place, value in enumerate(operands):
        if value.type.element == "string" and not operator.reads_text:
            message = f"`{operator.symbol or operator.name}` does not take text, found {value.type}"
            help = "a `vocabulary` or `tokenize` turns text into classes"
            raise Reject(message, at=place, code="E0202", help=help)
