"""Shared by all parts of the elaborator: the state of one elaboration, and the interface of the evaluator.

The parts import this file only. `evaluate.py` implements the interface and imports the parts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.diagnostics.suggest import Nearest
from dlc.compiler.elaborate import given_settings
from dlc.compiler.elaborate.builder import GraphBuilder
from dlc.compiler.elaborate.error_recovery import ErrorRecovery
from dlc.compiler.elaborate.values import Halt, OutputRef
from dlc.compiler.ir.graph import Graph, Input, Output
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.parse.parser import parse
from dlc.compiler.passes.unused_constants import without_unused_constants

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dlc.compiler.definitions.decoders import Decoder
    from dlc.compiler.definitions.parameter_types import Reject
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.diagnostics.source import Source, Span
    from dlc.compiler.elaborate.scope import FileScope, Scope
    from dlc.compiler.ir.graph import GraphInput, Value
    from dlc.compiler.program import Facts
    from dlc.compiler.types import Tensor


class Elaboration:
    """The state of one elaboration. `read` returns the source of an imported path, relative to the importing
    source. `type_in` returns the type of a tensor of a file, by the path relative to the spec and its name,
    and `tokenizer_in` the text of a tokenizer.
    `overrides` are values that a command gives to params and, as `SECTION.SETTING`, to settings. `chosen` are
    the outputs that it asks for."""

    def __init__(self, problems: Problems, overrides: Mapping[str, Any], facts: Facts,
                 read: Callable[[Source, str], Source], type_in: Callable[[str, str], Tensor],
                 tokenizer_in: Callable[[str], str], chosen: str | None = None):  # fmt: skip
        self.problems, self.facts, self.read, self.chosen = problems, facts, read, chosen
        self.type_in, self.tensors = type_in, dict(facts.tensors)
        self.settings = given_settings.spelled(overrides, problems)
        self.overrides = {name: v for name, v in overrides.items() if not given_settings.is_setting(name)}
        self.builder = GraphBuilder(problems, facts, tokenizer_in)
        self.nearest = Nearest()
        self.sources: list[Source] = []
        self.comments: list[tuple[Span, str]] = []
        self.inputs: list[Input] = []
        self.targets: dict[str, GraphInput] = {}
        self.ended: frozenset[str] = frozenset()  # the fields whose classes have an end
        self.decoder: Decoder | None = None  # of the output that is decoded
        self.sharing: dict[str, str] = {}  # the field that owns the classes of each `class(auto)` field
        self.unfilled_outputs: dict[str, OutputRef] = {}  # outputs without a value so far
        self.input_names: frozenset[str] = frozenset()
        self.top: Scope | None = None
        self.recovery = ErrorRecovery()
        self.has_dangling_flow = False  # whether a flow of the file has no output at its end
        self.file_names: set[str] = set()
        self.imported: dict[str, FileScope | None] = {}  # by source name; `None` while the file is being read
        self.texts: dict[Any, Source] = {}  # imported files, by importing file and path

    def top_names(self) -> set[str]:
        """The bindings of the main file. Blocks do not see them."""
        return self.file_names

    def parse(self, source: Source) -> syntax.File:
        """The syntax tree of the main file or of an imported file."""
        before = len(self.problems.found)
        tree = parse(source, self.problems)
        self.recovery.record(tree, [d.span for d in self.problems.found[before:] if d.span])
        self.comments += tree.comments
        self.sources.append(source)
        return tree

    def target(self, field: str, type: Tensor, span: Span) -> GraphInput:
        """The data field with which an output is compared. Outputs with the same field share the value."""
        if field not in self.targets:
            self.targets[field] = self.builder.input("target", field, type, span)
        found = self.targets[field]
        if found.type != type:
            raise self.builder.fail(
                "E0511",
                span,
                f"the target `{field}` is {spell_classes(found.type)} for one output and "
                f"{spell_classes(type)} for this one",
            )
        return found

    def graph(self, outputs: Mapping[str, Value]) -> Graph:
        inputs = (*(i.value for i in self.inputs), *self.targets.values())
        weights, nodes = tuple(self.builder.weights.values()), tuple(self.builder.nodes)
        return without_unused_constants(Graph(inputs, weights, nodes, outputs))

    def outputs(self, file: FileScope) -> tuple[Output, ...]:
        made = []
        for o in file.outputs.values():
            if isinstance(o, OutputRef) and o.scores is not None and o.flowed is not None:
                made.append(
                    Output(
                        o.name,
                        o.declared,
                        o.flowed,
                        o.scores,
                        o.target,
                        o.target_value,
                        self.builder.site(o.span),
                        self.decoder if self.decoder and self.decoder.output.name == o.name else None,
                    )
                )
        return tuple(made)


class Evaluator(ABC):
    """Evaluates the expressions of one scope. `losses` is true where losses are allowed."""

    def __init__(self, state: Elaboration, scope: Scope, *, losses: bool = False):
        self.state, self.builder, self.scope, self.losses = state, state.builder, scope, losses

    def within(self, scope: Scope, *, losses: bool = False) -> Evaluator:
        """An evaluator for another scope."""
        return type(self)(self.state, scope, losses=losses)

    def fail(self, code: str, span: Span, message: str, **more: Any) -> Halt:
        return self.builder.fail(code, span, message, **more)

    def reject(self, span: Span, reject: Reject) -> Halt:
        """Report the `Reject` of an operator or parameter type at a span. The caller raises the result."""
        return self.fail(reject.code, span, reject.message, help=reject.help)

    @abstractmethod
    def evaluate(self, expr: syntax.Expr, *, after_arrow: bool = False) -> Any:
        """The value of an expression. Raises `Halt` after an error, which is already reported. If it stands
        after an arrow, tensors flow into it."""

    @abstractmethod
    def lookup(self, name: str, span: Span, otherwise: str = "", call: syntax.Call | None = None) -> Any:
        """The value of a name. `call` is the call of which it is the function. `otherwise` is the help text
        if no similar name exists."""

    @abstractmethod
    def condition(self, expr: syntax.Expr) -> bool:
        """The value of a condition, known at compile time."""

    def chosen(self, expr: syntax.Conditional) -> syntax.Expr:
        """The side of a conditional that is compiled."""
        return expr.value if self.condition(expr.condition) else expr.other

    def evaluate_all(
        self, items: Sequence[syntax.Expr], evaluate: Callable[[syntax.Expr], Any] | None = None
    ) -> list[Any]:
        """The values of several expressions. Errors of all are reported before `Halt`."""
        values: list[Any] = []
        for item in items:
            try:
                values.append((evaluate or self.evaluate)(item))
            except Halt:
                continue
        if len(values) < len(items):
            raise Halt
        return values

    def counted(self, value: Any, span: Span) -> Any:
        """The value. The length of a list is counted as work."""
        self.builder.count_entries(value, span)
        return value
