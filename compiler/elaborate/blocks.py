"""Uses of blocks and nets: their settings, and their expansion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import describe
from dlc.compiler.diagnostics.quoting import MAX_LISTED, listed
from dlc.compiler.elaborate import statements
from dlc.compiler.elaborate.scope import Scope
from dlc.compiler.elaborate.tensor_operands import count_flowing, count_tensors, operands
from dlc.compiler.elaborate.values import BlockStage, Halt, Operand, Template, is_tensor, is_tensors
from dlc.compiler.static import is_numbers

if TYPE_CHECKING:
    from dlc.compiler import syntax
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator


def block_stage(ev: Evaluator, template: Template, arguments: Any, span: Span) -> BlockStage:
    """A block with its settings: the given ones, then defaults. A default can use the settings before it."""
    declaration = template.declaration
    names = dict.fromkeys(s.name.id for s in declaration.settings)
    given: dict[str, Any] = {}
    unfilled = (name for name in names if name not in given)
    tensors: list[Operand] = []
    for argument in arguments:
        if argument.name is not None:
            if argument.name not in names:
                raise unknown_block_setting(ev, template, argument)
            if argument.name in given:
                raise ev.fail(
                    "E0407", argument.name_span or argument.value.span, f"`{argument.name}` is given twice"
                )
            given[argument.name] = ev.evaluate(argument.value)
            continue
        value = ev.evaluate(argument.value)
        is_number = isinstance(value, (int, float)) or is_numbers(value)
        if is_tensor(value) or is_tensors(value) or (is_number and not names):
            tensors += operands(ev, value, argument.value)
        elif (name := next(unfilled, None)) is None:
            raise ev.fail("E0404", argument.value.span,
                          f"{template.what} `{template.name}` has no setting for {describe(value)}",
                          help=f"write `{block_signature(template)}`")  # fmt: skip
        else:
            given[name] = value
    return BlockStage(template, tuple(tensors), defaults(ev, template, given, span), span)


def defaults(ev: Evaluator, template: Template, given: dict[str, Any], span: Span) -> dict[str, Any]:
    scope = Scope(template.home.file)
    for declared in template.declaration.settings:
        name = declared.name.id
        if name in given:
            scope.names[name] = given[name]
        elif declared.default is None:
            raise ev.fail(
                "E0405",
                span,
                f"{template.what} `{template.name}` needs `{name}`",
                help=f"write `{block_signature(template)}`",
            )
        else:
            scope.names[name] = ev.within(scope).evaluate(declared.default)
    return scope.names


def unknown_block_setting(ev: Evaluator, template: Template, argument: syntax.Argument) -> Halt:
    """The error for a setting that a block does not have, once for all its uses; none if the block reads a
    name that is not known either, because its setting is spelled differently."""
    reported, key = ev.state.recovery.unknown_settings, (template, argument.name or "")
    if key in reported or ev.state.problems.tells(f"nothing is called `{argument.name}` here"):
        return Halt()
    reported.add(key)
    names = [s.name.id for s in template.declaration.settings]
    return ev.fail("E0402", argument.name_span or argument.value.span,
                   f"{template.what} `{template.name}` has no setting `{argument.name}`",
                   help=ev.state.nearest.did_you_mean(argument.name or "", lambda: names)
                        or (f"its settings are {listed(names)}" if names
                            else "it has no settings"))  # fmt: skip


def block_signature(template: Template) -> str:
    settings = [
        s.name.id + ("" if s.default is None else f" = {s.default.span.text}")
        for s in template.declaration.settings[:MAX_LISTED]
    ]
    more = ", ..." if len(template.declaration.settings) > MAX_LISTED else ""
    return f"{template.name}({', '.join(settings)}{more})"


def apply(ev: Evaluator, stage: BlockStage, tensors: list[Operand]) -> Any:
    template = stage.template
    declared = template.declaration.tensors
    if len(tensors) != len(declared):
        names = ", ".join(t.id for t in declared)
        raise ev.fail("E0502", stage.span,
                      f"{template.what} `{template.name}` takes "
                      f"{count_tensors(len(declared), len(declared))} ({names}), "
                      f"and {count_flowing(len(tensors), '')} in")  # fmt: skip
    if stage.settings is None:
        stage = block_stage(ev, template, [], stage.span)
    scope = Scope(template.home.file)
    for name, tensor in zip(declared, tensors, strict=True):
        scope.names[name.id] = tensor.output if tensor.output and ev.losses else ev.builder.tensor(tensor)
    scope.names.update(stage.settings or {})
    enter = ev.builder.enter_net if template.is_net else ev.builder.enter_block
    with enter(template, stage.span, scope):
        value = statements.run_body(ev.within(scope, losses=ev.losses), template)
    if ev.losses and not template.is_net:
        ev.scope.blocks.append((template.name, value, scope))
    return value
