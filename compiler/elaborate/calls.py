"""Calls: arguments into tensors and settings, each setting checked against its declaration."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.parameter_types import describe
from dlc.compiler.elaborate import blocks, decimal_commas, flow, foreign_calls, settings, unknown_names
from dlc.compiler.elaborate.scope import FUNCTIONS
from dlc.compiler.elaborate.tensor_operands import no_tensor, operands
from dlc.compiler.elaborate.values import DefinedStage, Halt, Operand, Stage, Template, is_tensor, is_tensors
from dlc.compiler.operators.base import Operator
from dlc.compiler.static import MAX_LIST, is_numbers

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.evaluate import Evaluator


def call(ev: Evaluator, expr: syntax.Call) -> Any:
    function = expr.function
    if isinstance(function, syntax.Name):
        if function.id in FUNCTIONS and function.id not in ev.scope.names:
            return plain_function(ev, function.id, expr)
        target = called(ev, function, expr)
        if isinstance(target, type) and issubclass(target, Definition):
            return call_definition(ev, target, expr)
        if isinstance(target, Template):
            return call_block(ev, target, expr)
    if isinstance(function, syntax.Attribute):
        raise unknown_names.method(ev, expr, function)
    stage = ev.evaluate(function)
    if not isinstance(stage, Stage):
        raise ev.fail("E0401", expr.span, f"{describe(stage)} cannot be called",
                      help="operators, blocks, nets and stages can")  # fmt: skip
    return call_stage(ev, stage, expr)


def called(ev: Evaluator, function: syntax.Name, expr: syntax.Call) -> Any:
    """What the name of a call stands for. In a loss, names that are given to it are told too where it has no
    such name itself."""
    try:
        return ev.lookup(function.id, function.span, call=expr)
    except Halt:
        names = [a.value for a in expr.arguments if isinstance(a.value, syntax.Name) and a.name is None]
        for name in names if ev.losses else ():
            with suppress(Halt):
                ev.evaluate(name)
        raise


def call_stage(ev: Evaluator, stage: Stage, expr: syntax.Call) -> Any:
    """A named stage called with its tensors."""
    tensors: list[Operand] = []
    for argument in expr.arguments:
        if argument.name is not None:
            raise ev.fail(
                "E0402",
                argument.name_span or argument.value.span,
                "a stage has its settings already; it takes only tensors",
            )
        tensors += operands(ev, ev.evaluate(argument.value), argument.value)
    if not tensors:
        raise ev.fail(
            "E0401", expr.span, f"{stage.describe()} has its settings already", help="leave out the brackets"
        )
    return flow.apply(ev, stage, tensors, expr.span)


# --- operators, losses, combinators -----------------------------------------------------------------------


def bare_stage(ev: Evaluator, definition: type[Definition], span: Span) -> DefinedStage:
    """A name without brackets, as in `-> relu`."""
    return DefinedStage(fill(ev, definition, None, span)[0], (), span, {})


def call_definition(ev: Evaluator, definition: type[Definition], expr: syntax.Call) -> Any:
    instance, tensors, spans = fill(ev, definition, expr, expr.span)
    stage = DefinedStage(instance, tuple(tensors), expr.span, spans)
    if not tensors:
        return stage
    low = 1 if definition.family == "loss" or not issubclass(definition, Operator) else definition.arity()[0]
    if len(tensors) < low:
        return stage
    return flow.apply(ev, stage, [], expr.span)


def fill(
    ev: Evaluator, definition: type[Definition], call: syntax.Call | None, span: Span
) -> tuple[Any, list[Operand], dict[str, Span]]:
    """An instance of the definition from the arguments of a call, and the tensors among them."""
    if call and (halt := decimal_commas.refuse(ev, definition, call)):
        raise halt
    taken = Arguments(ev, definition, call)
    failed = lost = False
    for argument in call.arguments if call else ():
        if lost and argument.name is None:
            continue  # which setting it fills is not known
        try:
            taken.take(argument)
        except Halt:
            failed, lost = True, lost or argument.name is None
    if failed:
        raise Halt
    return taken.instance(span), taken.tensors, taken.spans


class Arguments:
    """The arguments of a call as settings and tensors, one taken after the other."""

    def __init__(self, ev: Evaluator, definition: type[Definition], call: syntax.Call | None):
        self.ev, self.definition, self.call = ev, definition, call
        every = () if definition.family == "loss" else definition.settings.values()
        self.positional = [s for s in every if not s.keyword]
        self.waiting = list(self.positional)
        self.values: dict[str, Any] = {}
        self.spans: dict[str, Span] = {}
        self.tensors: list[Operand] = []

    def take(self, argument: syntax.Argument) -> None:
        if argument.name is not None:
            self._take_named(argument)
            return
        expr = argument.value
        value = settings.argument_value(self.ev, self.waiting[0] if self.waiting else None, expr)
        if is_tensor(value) or is_tensors(value):
            self.tensors += operands(self.ev, value, expr)
        elif self._is_operand(value):
            self.tensors.append(Operand(value, expr.span))
        elif self.waiting:
            self._take_next(value, expr.span)
        elif isinstance(value, Stage) or (self._takes_numbers() and is_numbers(value)):
            raise no_tensor(self.ev, value, expr.span)
        else:
            usage = self._usage() if self.definition.settings else ""
            raise self.ev.fail("E0404", expr.span,
                               settings.too_many(self.definition, self.positional, value),
                               help=self._translated() or usage)  # fmt: skip

    def _take_named(self, argument: syntax.Argument) -> None:
        declared = settings.named_setting(self.ev, self.definition, argument, self.values, self.call)
        self.values[declared.name] = settings.setting_value(
            self.ev, self.definition, declared, argument.value
        )
        self.spans[declared.name] = argument.value.span
        self.waiting = [s for s in self.waiting if s.name != declared.name]

    def _is_operand(self, value: Any) -> bool:
        """A number stands for a tensor where no setting could take it."""
        return self._takes_numbers() and isinstance(value, (int, float))

    def _takes_numbers(self) -> bool:
        return self.definition.family in ("operator", "loss") and not self.positional

    def _take_next(self, value: Any, span: Span) -> None:
        declared = self.waiting[0] if self.waiting[0].rest else self.waiting.pop(0)
        self.spans.setdefault(declared.name, span)
        checked = settings.check(self.ev, self.definition, declared, value, span, self._translated)
        if declared.rest:
            self.values.setdefault(declared.name, []).append(checked)
        else:
            self.values[declared.name] = checked

    def instance(self, span: Span) -> Definition:
        lacking = [s.name for s in self.definition.settings.values()
                   if s.required and s.name not in self.values]  # fmt: skip
        if lacking:
            wanted = " and ".join(f"`{name}`" for name in lacking)
            help = self._tensor_for_setting() or self._shortest()
            raise self.ev.fail("E0405", span, f"`{self.definition.name}` needs {wanted}", help=help)
        rest = {s.name: tuple(self.values[s.name]) for s in self.definition.settings.values()
                if s.rest and s.name in self.values}  # fmt: skip
        return self.definition(**self.values | rest).placed(span, self.spans)

    def _tensor_for_setting(self) -> str:
        """What to do where a block takes as a tensor what was meant for a setting, `block f(x, units)`."""
        arguments = [a.value for a in self.call.arguments if a.name is None] if self.call else []
        known = self.ev.scope.names
        names = [v.id for v in arguments if isinstance(v, syntax.Name) and is_tensor(known.get(v.id))]
        if self.ev.scope.top or len(names) != 1:
            return ""
        return f"`{names[0]}` is a tensor here; settings of a block stand behind `;`: `(x; {names[0]})`"

    def _translated(self) -> str:
        """What to write where the settings are those of another library, as in `dense(4, 8)`."""
        written = foreign_calls.call(self.ev, self.call) if self.call else ""
        known = aliases.OWN_SIZE.get(self.definition.name)
        return f"write `{written}`{f': {known[1]}' if known else ''}" if written else ""

    def _usage(self) -> str:
        return f"write `{self.definition.signature()}`"

    def _shortest(self) -> str:
        """A call with all that it needs."""
        call = self.definition.usual_call()
        return f"write `{call}`" if call else self._usage()


# --- blocks and nets --------------------------------------------------------------------------------------


def call_block(ev: Evaluator, template: Template, expr: syntax.Call) -> Any:
    stage = blocks.block_stage(ev, template, expr.arguments, expr.span)
    declared = template.declaration.tensors
    return (
        flow.apply(ev, stage, [], expr.span) if stage.given and len(stage.given) >= len(declared) else stage
    )


# --- plain functions --------------------------------------------------------------------------------------


def plain_function(ev: Evaluator, name: str, expr: syntax.Call) -> Any:
    if any(a.name for a in expr.arguments):
        raise ev.fail("E0402", expr.span, f"`{name}` has no settings")
    values = ev.evaluate_all([a.value for a in expr.arguments])
    if name == "range":
        return make_range(ev, values, expr)
    if not values or not all(
        isinstance(v, (list, tuple)) or (name == "len" and isinstance(v, str)) for v in values
    ):
        found = ", ".join(map(describe, values)) or "nothing"
        raise ev.fail("E0403", expr.span, f"`{name}` wants lists, found {found}")
    if name != "zip" and len(values) != 1:
        raise ev.fail("E0404", expr.span, f"`{name}` takes one list, found {len(values)}")
    if name == "zip":
        return ev.measured([tuple(entry) for entry in zip(*values, strict=False)], expr.span)
    return len(values[0]) if name == "len" else ev.measured(list(reversed(values[0])), expr.span)


def make_range(ev: Evaluator, values: list[Any], expr: syntax.Call) -> list[int]:
    if not 1 <= len(values) <= 3 or not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise ev.fail(
            "E0403",
            expr.span,
            f"`range` wants one to three whole numbers, found {', '.join(map(describe, values)) or 'none'}",
        )
    if len(values) == 3 and values[2] == 0:
        raise ev.fail("E0403", expr.span, "the step of a `range` cannot be 0")
    numbers = range(*values)
    if len(numbers) > MAX_LIST:
        raise ev.fail(
            "E0904",
            expr.span,
            f"a `range` of {len(numbers):_} entries is too long",
            help=f"at most {MAX_LIST:_} are possible",
        )
    return ev.measured(list(numbers), expr.span)
