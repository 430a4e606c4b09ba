"""Evaluation of expressions to static values, stages and tensors of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import static, syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import STAGES, Definition
from dlc.compiler.definitions.parameter_types import Reject, describe
from dlc.compiler.dims.dim import BATCH_SIZE, Dim, free
from dlc.compiler.elaborate import attributes, calls, declarations, flow, infix_operators, unknown_names
from dlc.compiler.elaborate.context import Evaluator
from dlc.compiler.elaborate.scope import Scope, find_operator
from dlc.compiler.elaborate.tensor_operands import operand, operands
from dlc.compiler.elaborate.values import (
    BlockStage,
    Broken,
    Halt,
    Operand,
    Pipeline,
    Stage,
    Template,
    is_tensor,
)
from dlc.compiler.ir.graph import Value
from dlc.compiler.operators.indexing import Slice

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.source import Span


class ExpressionEvaluator(Evaluator):
    """The evaluator: one method for each class of expression."""

    def evaluate(self, expr: syntax.Expr, *, after_arrow: bool = False) -> Any:
        self.builder.count_work(expr.span)
        return self.builder.within(expr.span, self._evaluate, expr, after_arrow)

    def _evaluate(self, expr: syntax.Expr, after_arrow: bool) -> Any:
        try:
            if after_arrow and isinstance(expr, syntax.Call):
                return calls.call(self, expr, after_arrow=True)
            return getattr(self, f"_{type(expr).__name__.lower()}")(expr)
        except Reject as reject:
            raise self.reject(expr.span, reject) from None

    # --- leaves -------------------------------------------------------------------------------------------

    def _literal(self, expr: syntax.Literal) -> Any:
        return expr.value

    def _name(self, expr: syntax.Name, otherwise: str = "") -> Any:
        value = self.lookup(expr.id, expr.span, otherwise)
        if isinstance(value, Broken):
            raise Halt
        if isinstance(value, Template):
            return BlockStage(value, (), None, expr.span)
        if isinstance(value, type) and issubclass(value, Definition):
            return calls.bare_stage(self, value, expr.span)
        return value

    def lookup(self, name: str, span: Span, otherwise: str = "", call: syntax.Call | None = None) -> Any:
        scope, file = self.scope, self.scope.file
        if name in scope.names and self.state.recovery.may_rebind(name, span):
            raise Halt
        tables = (scope.names, file.params, file.templates, file.outputs, file.weights)
        if (table := next((t for t in tables if name in t), None)) is not None:
            found = table[name]
        elif name in file.groups and scope.top:
            found = file.groups[name]
        elif name in file.inputs:
            found = file.inputs[name].value if scope.top else file.inputs[name]
        elif (operator := find_operator(name, losses=self.losses)) is not None:
            found = operator
        elif name in file.free:
            found = free(name)
        elif self.losses and name == str(BATCH_SIZE):
            found = BATCH_SIZE
        else:
            raise unknown_names.unresolved(self, name, span, otherwise, call)
        found = self._weight(found) if isinstance(found, syntax.Weight) else found
        return self.builder.declared(found) if table is file.weights and isinstance(found, Value) else found

    def _weight(self, statement: syntax.Weight) -> Value:
        """A weight of the file, created at its first use if that precedes its declaration."""
        level, self.builder.level = self.builder.level, self.builder.root
        try:
            return declarations.weight(self.within(Scope(self.scope.file, top=True)), statement)
        finally:
            self.builder.level = level

    def _listexpr(self, expr: syntax.ListExpr) -> list[Any]:
        return self.counted(self.evaluate_all(expr.items), expr.span)

    def _tupleexpr(self, expr: syntax.TupleExpr) -> tuple[Any, ...]:
        return self.counted(tuple(self.evaluate_all(expr.items)), expr.span)

    # --- static control -----------------------------------------------------------------------------------

    def _conditional(self, expr: syntax.Conditional) -> Any:
        return self.evaluate(self.chosen(expr))

    def condition(self, expr: syntax.Expr) -> bool:
        value = self.evaluate(expr)
        if is_tensor(value):
            raise self.fail("E0208", expr.span,
                            "a condition is decided when the file is compiled, and this is "
                            f"{describe(value)}",
                            help="choose between tensors with `where(condition, a, b)`")  # fmt: skip
        try:
            truth = static.truth(value)
        except Reject as reject:
            raise self.reject(expr.span, reject) from None
        self.scope.decided.append((expr, truth))
        return truth

    # --- flow ---------------------------------------------------------------------------------------------

    def _flow(self, expr: syntax.Flow) -> Any:
        first, *rest = expr.steps
        try:
            value = self.evaluate(first)
        except Halt:
            self._check_stages(rest)
            raise
        for index, step in enumerate(rest):
            try:
                value = self._step(value, expr.steps[index], step, last=index == len(rest) - 1)
            except Halt:
                self._check_stages(rest[index + 1 :])
                raise
        return value

    def _step(self, value: Any, before: syntax.Expr, step: syntax.Expr, *, last: bool) -> Any:
        stage = self._stage(step, last=last)
        if flow.is_sink(stage):
            if not last:
                raise self.fail("E0503", step.span, "an output ends a flow; nothing can follow it",
                                help="bind the tensor to a name first, and use that name twice")  # fmt: skip
            return flow.into_outputs(self, value, before, stage, step)
        if isinstance(value, Stage):
            return Pipeline(((value, before.span), (stage, step.span)))
        return flow.apply(self, stage, operands(self, value, before), step.span)

    def _stage(self, step: syntax.Expr, *, last: bool = False) -> Any:
        """The expression after an arrow: a stage, or outputs."""
        if last and isinstance(step, syntax.Name):
            otherwise = (
                f"declare it, `output {step.id}: ...`, or give the tensor a name: `{step.id} = x -> ...`"
            )
            stage = self._name(step, otherwise)
        else:
            stage = self.evaluate(step, after_arrow=True)
        if isinstance(stage, Stage) or flow.is_sink(stage):
            return stage
        if is_tensor(stage) and isinstance(step, syntax.Call) and isinstance(step.function, syntax.Name):
            raise calls.already_applied(self, step, step.function.id)
        if isinstance(stage, str) and self.state.problems.seen("E0105", step.span):
            raise Halt
        help = sink_help(stage, step)
        raise self.fail("E0501", step.span, f"a tensor cannot flow into {describe(stage)}", help=help)

    def _check_stages(self, steps: Any) -> None:
        """Report errors in the steps after a failed step, as far as they do not depend on the tensor."""
        for step in steps:
            try:
                self._stage(step)
            except Halt:
                continue

    # --- infix operators ----------------------------------------------------------------------------------

    def _unary(self, expr: syntax.Unary) -> Any:
        return infix_operators.unary(self, expr)

    def _binary(self, expr: syntax.Binary) -> Any:
        return infix_operators.binary(self, expr)

    # --- calls, attributes, indexing ----------------------------------------------------------------------

    def _call(self, expr: syntax.Call) -> Any:
        return calls.call(self, expr)

    def _attribute(self, expr: syntax.Attribute) -> Any:
        return attributes.read(self, expr)

    def _index(self, expr: syntax.Index) -> Any:
        name = expr.value.id if isinstance(expr.value, syntax.Name) else ""
        if find_operator(name, losses=True):
            given = expr.span.text.removeprefix(name).strip()[1:-1]
            raise self.fail("E0401", expr.span, f"the settings of `{name}` are written in parentheses",
                            help=f"write `{name}({given})`")  # fmt: skip
        value = self.evaluate(expr.value)
        if isinstance(value, (list, tuple)):
            return self._index_list(value, expr)
        if not is_tensor(value):
            raise self.fail("E0205", expr.span, f"{describe(value)} has no entries to index")
        tensor = operand(self, value, expr.value.span)
        return self.builder.apply(Slice(entries=self._entries(expr, tensor)), [tensor], expr.span)[0]

    def _slice(self, expr: syntax.Slice) -> Any:
        raise self.fail(
            "E0209", expr.span, "a slice, `start:stop`, is allowed only in the index of a tensor or list"
        )

    def _ellipsis_(self, expr: syntax.Ellipsis_) -> Any:
        raise self.fail("E0209", expr.span, "`...` is allowed only in the index of a tensor")

    def _index_list(self, value: Any, expr: syntax.Index) -> Any:
        if len(expr.items) != 1:
            raise self.fail("E0205", expr.span, "a list takes one index")
        index = self._entry(expr.items[0])
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, Dim) for part in parts) or (len(parts) == 3 and parts[2] == 0):
            raise self.fail(
                "E0209",
                expr.items[0].span,
                "the index of a list is made of known whole numbers, with a step other than 0",
            )
        if isinstance(index, tuple):
            return self.counted(value[slice(*index)], expr.span)
        if not -len(value) <= index < len(value):
            raise self.fail(
                "E0209", expr.items[0].span, f"the list has {len(value)} entries, there is no number {index}"
            )
        return value[index]

    def _entries(self, expr: syntax.Index, tensor: Operand) -> tuple[Any, ...]:
        rank = tensor.value.type.rank if isinstance(tensor.value, Value) else 0
        dots = [i for i, item in enumerate(expr.items) if isinstance(item, syntax.Ellipsis_)]
        if len(dots) > 1:
            raise self.fail("E0209", expr.items[dots[1]].span, "`...` is allowed once in an index")
        entries = [self._entry(item) for item in expr.items if not isinstance(item, syntax.Ellipsis_)]
        missing = rank - len(entries)
        if missing < 0:
            help = "the batch is never written: indices begin with the sample's first axis"
            if missing == -1 and rank and expr.items[0].span.text == ":":
                rest = ", ".join(item.span.text for item in expr.items[1:])
                help = f"the batch is never written: write `{expr.value.span.text}[{rest}]`"
            raise self.fail("E0209", expr.span,
                            f"{len(entries)} indices for a sample with {rank} "
                            f"{'axis' if rank == 1 else 'axes'}", help=help)  # fmt: skip
        position = dots[0] if dots else len(entries)
        return (*entries[:position], *[(None, None, None)] * missing, *entries[position:])

    def _entry(self, item: syntax.Expr) -> Any:
        if isinstance(item, syntax.Slice):
            return tuple(
                None if part is None else self._index_value(part)
                for part in (item.start, item.stop, item.step)
            )
        return self._index_value(item)

    def _index_value(self, expr: syntax.Expr) -> Any:
        value = self.evaluate(expr)
        if isinstance(value, bool) or not isinstance(value, (int, Dim)):
            raise self.fail("E0209", expr.span, f"an index is a whole number, found {describe(value)}",
                            help="`gather` takes entries by a tensor of numbers")  # fmt: skip
        return value


def sink_help(found: Any, step: syntax.Expr) -> str:
    """The fix for a value that is not allowed after an arrow."""
    if isinstance(found, (list, tuple)) and found and all(isinstance(s, Stage) for s in found):
        return "write stages one after the other, `x -> f -> g`; `branch(f, g)` applies each of them to `x`"
    if isinstance(found, str) and (word := aliases.named(found, *STAGES)):
        return f"names are written without quotes: write `{word}`"
    if is_tensor(found) and isinstance(step, syntax.Name):
        return f"a flow ends in an output; a name is given with `=`: `{step.id} = ...`"
    return "`->` is followed by an operator, a block, a stage or an output"
