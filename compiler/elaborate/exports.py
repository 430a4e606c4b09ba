"""What the artifact answers, and under which names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.sections import runtime_opset
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.elaborate.tensor_operands import no_tensor
from dlc.compiler.elaborate.values import Halt, OutputRef
from dlc.compiler.ir.graph import Output, Value
from dlc.compiler.output_kinds import kind_of

if TYPE_CHECKING:
    from dlc.compiler.definitions.sections import Export
    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.ir.graph import GraphInput


def exported(e: Elaboration, ev: Evaluator, export: Export) -> tuple[tuple[str, Output | Value], ...]:
    """What the artifact answers: all outputs, or the outputs and tensors that `export` names."""
    outputs = {o.name: o for o in e.outputs(ev.scope.file)}
    check_opset(e, export)
    if export.outputs == ():
        e.problems.report("E0403", export.spans["outputs"], "the artifact would have no output",
                          help="name what it answers, or leave `outputs` out for all outputs: "
                               f"{listed(outputs)}")  # fmt: skip
    if export.outputs is None:
        chosen: list[tuple[str, Any]] = list(outputs.items())
    else:
        chosen = []
        for entry in export.outputs:
            try:
                chosen.append((entry.name, export_value(ev, entry, outputs)))
            except Halt:
                continue
    check_names(e, chosen)
    check_targets(e, chosen)
    return tuple(chosen)


def check_opset(e: Elaboration, export: Export) -> None:
    """The runtime that is asked for runs the opset that is asked for."""
    newest = runtime_opset(export.target)
    if export.opset and newest and "target" in export.spans and export.opset > newest[0]:
        e.problems.report("E0403", export.spans["opset"],
                          f"{export.target} is sure to run opset {newest[0]}, and {export.opset} is newer",
                          help="leave `opset` out: `target` chooses it")  # fmt: skip


def export_value(ev: Evaluator, entry: Any, outputs: dict[str, Output]) -> Any:
    value = ev.evaluate(entry.expr)
    if isinstance(value, OutputRef):
        if value.name not in outputs:
            raise Halt
        return outputs[value.name]
    if not isinstance(value, Value):
        raise no_tensor(ev, value, entry.expr.span)
    if value not in ev.builder.fed:
        message = f"`{entry.name}` is the same for every sample: it depends on no input"
        raise ev.fail("E0507", entry.expr.span, message, help="the weights lie beside the model of a run")
    return value


def check_names(e: Elaboration, chosen: list[tuple[str, Any]]) -> None:
    """Names in the artifact are unique."""
    seen: dict[str, str] = {}
    inputs = {i.name for i in e.inputs}
    values = dict(chosen)
    for name, value in chosen:
        for answer in answer_names(name, value):
            if answer in inputs:
                e.problems.report("E0607", value.site.span,
                                  f"the artifact would have an input and an output `{answer}`",
                                  help=f"give it another name: `{answer}_out = {answer} -> identity`"
                                  if answer == name else "rename one of them")  # fmt: skip
            elif answer in seen:
                declared = isinstance(value, Output) and isinstance(values[seen[answer]], Output)
                e.problems.report("E0607", value.site.span,
                                  f"the artifact would have two outputs `{answer}`, from `{seen[answer]}` "
                                  f"and from `{name}`",
                                  help="rename one of them" if declared
                                       else "leave one out: a class or binary output brings its "
                                            "probabilities along")  # fmt: skip
            seen[answer] = name


def answer_names(name: str, value: Output | Value) -> tuple[str, ...]:
    """The artifact's names of one export."""
    return kind_of(value.declared).answer_names(name) if isinstance(value, Output) else (name,)


def check_targets(e: Elaboration, chosen: list[tuple[str, Any]]) -> None:
    """What is exported cannot depend on an answer that only training knows."""
    # on which target each depends, the last of several
    depends: dict[Value, GraphInput] = {target: target for target in e.targets.values()}
    for node in e.builder.nodes if depends else ():
        target = next((depends[v] for v in reversed(node.operands) if v in depends), None)
        if target is not None:
            depends.update(dict.fromkeys(node.results, target))
    for name, value in chosen:
        target = depends.get(value.flowed if isinstance(value, Output) else value)
        if target is not None:
            e.problems.report("E0608", value.site.span,
                              f"`{name}` depends on the target `{target.field}`, which only training knows",
                              help="leave it out of `export { outputs = ... }`, or "
                                   "compute it from inputs")  # fmt: skip
