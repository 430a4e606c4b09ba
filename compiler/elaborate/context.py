"""What all parts of the elaborator share: the state of one elaboration, and the interface of the evaluator.

The parts know this file alone; what implements the interface (`evaluate.py`) knows the parts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from dlc.compiler import static, syntax
from dlc.compiler.diagnostics.suggest import Nearest
from dlc.compiler.elaborate.builder import GraphBuilder
from dlc.compiler.elaborate.error_recovery import Torn
from dlc.compiler.elaborate.values import Halt, OutputRef
from dlc.compiler.ir.graph import Graph, Input, Output
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.parse.parser import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dlc.compiler.definitions.parameter_types import Reject
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.diagnostics.source import Source, Span
    from dlc.compiler.elaborate.scope import FileScope, Scope
    from dlc.compiler.ir.graph import GraphInput, Value
    from dlc.compiler.program import Facts
    from dlc.compiler.types import Tensor

ENTRIES_A_STEP = 20  # of a list, that count as one step of work


class Elaboration:
    """The state of one elaboration. `read` gives the source of an imported path, relative to the importing
    source; `chosen` are the outputs that a command asks for."""

    def __init__(self, problems: Problems, overrides: Mapping[str, Any], facts: Facts,
                 read: Callable[[Source, str], Source], chosen: str | None = None):  # fmt: skip
        self.problems, self.overrides, self.facts, self.read = problems, overrides, facts, read
        self.chosen = chosen
        self.builder = GraphBuilder(problems)
        self.nearest = Nearest()
        self.sources: list[Source] = []
        self.comments: list[tuple[Span, str]] = []
        self.inputs: list[Input] = []
        self.targets: dict[str, GraphInput] = {}
        self.sharing: dict[str, str] = {}  # the field that owns the classes of each `class(auto)` field
        self.waiting: dict[str, OutputRef] = {}  # outputs that nothing has flowed into
        self.input_names: frozenset[str] = frozenset()
        self.top: Scope | None = None
        self.torn = Torn()
        self.dropped = False  # whether a flow of the file ended nowhere
        self.file_names: set[str] = set()
        self.imported: dict[str, FileScope | None] = {}  # by source; none while it is being read
        self.texts: dict[Any, Source] = {}  # of imported files, by the file that imports and the path there

    def top_names(self) -> set[str]:
        """The bindings of the main file, which blocks do not see."""
        return self.file_names

    def parse(self, source: Source) -> syntax.File:
        """The syntax tree of the file, or of one that it imports."""
        before = len(self.problems.found)
        tree = parse(source, self.problems)
        self.torn.note(tree, [d.span for d in self.problems.found[before:] if d.span])
        self.comments += tree.comments
        self.sources.append(source)
        return tree

    def target(self, field: str, type: Tensor, span: Span) -> GraphInput:
        """The data field that an output is held against; outputs that share one share the value."""
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
        return Graph(inputs, tuple(self.builder.weights.values()), self.builder.read(outputs), outputs)

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
                    )
                )
        return tuple(made)


class Evaluator(ABC):
    """Evaluates the expressions of one scope. `losses` says whether losses may stand here."""

    def __init__(self, e: Elaboration, scope: Scope, *, losses: bool = False):
        self.e, self.builder, self.scope, self.losses = e, e.builder, scope, losses

    def within(self, scope: Scope, *, losses: bool = False) -> Evaluator:
        """The same for another scope."""
        return type(self)(self.e, scope, losses=losses)

    def fail(self, code: str, span: Span, message: str, **more: Any) -> Halt:
        return self.builder.fail(code, span, message, **more)

    def refuse(self, span: Span, reject: Reject) -> Halt:
        """Report at a place what an operator or a kind says; to be raised."""
        return self.fail(reject.code, span, reject.message, help=reject.help)

    @abstractmethod
    def evaluate(self, expr: syntax.Expr) -> Any:
        """The value of an expression; `Halt` when it has none, which has then been reported."""

    @abstractmethod
    def lookup(self, name: str, span: Span, otherwise: str = "", call: syntax.Call | None = None) -> Any:
        """What a name stands for, which a `call` calls; `otherwise` is what to do where no other name can
        be meant."""

    @abstractmethod
    def condition(self, expr: syntax.Expr) -> bool:
        """The truth of a condition, which is decided while the file is compiled."""

    def chosen(self, expr: syntax.Conditional) -> syntax.Expr:
        """The side of a conditional that is compiled."""
        return expr.value if self.condition(expr.condition) else expr.other

    def evaluate_all(
        self, items: Sequence[syntax.Expr], evaluate: Callable[[syntax.Expr], Any] | None = None
    ) -> list[Any]:
        """The values of several expressions; what is wrong with each is told before it halts."""
        values: list[Any] = []
        for item in items:
            try:
                values.append((evaluate or self.evaluate)(item))
            except Halt:
                continue
        if len(values) < len(items):
            raise Halt
        return values

    def measured(self, value: Any, span: Span) -> Any:
        """A list, paid for by its length."""
        self.builder.spend(span, static.measure(value) // ENTRIES_A_STEP)
        return value
