"""The outputs of the artifact, and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.export_section import runtime_opset
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.dims.dim import is_free
from dlc.compiler.elaborate.tensor_operands import not_a_tensor
from dlc.compiler.elaborate.values import Halt, OutputRef
from dlc.compiler.ir.graph import Output, Value
from dlc.compiler.output_kinds import kind_of

if TYPE_CHECKING:
    from dlc.compiler.definitions.export_section import Export
    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.ir.graph import GraphInput
    from dlc.compiler.types import Tensor


def exported(
    state: Elaboration, ev: Evaluator, export: Export, *, lost_decoder: bool = False
) -> tuple[tuple[str, Output | Value], ...]:
    """The outputs of the artifact: all outputs, or the outputs and tensors that `export` names. They may read
    targets after an error in `decode` (`lost_decoder`)."""
    outputs = {o.name: o for o in state.outputs(ev.scope.file)}
    check_opset(state, export)
    if export.outputs == ():
        state.problems.report("E0403", export.spans["outputs"], "the artifact would have no output",
                              help="name its outputs, or leave `outputs` out for all outputs: "
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
    check_names(state, chosen)
    if not lost_decoder:
        check_targets(state, chosen)
        check_decoded(state, chosen)
    return tuple(chosen)


def check_decoded(state: Elaboration, chosen: list[tuple[str, Any]]) -> None:
    """Check that the output that is decoded is exported."""
    decoder = state.decoder
    if decoder and decoder.output.name not in dict(chosen) and not state.problems.failed:
        name = decoder.output.name
        state.problems.report("E0403", decoder.output.expr.span, f"`{name}` is decoded, and not exported",
                              help=f"write `{name}` into `outputs`, or leave `decode` out")  # fmt: skip


def check_opset(state: Elaboration, export: Export) -> None:
    """Check that the requested runtime supports the requested opset."""
    newest = runtime_opset(export.target)
    if export.opset and newest and "target" in export.spans and export.opset > newest[0]:
        state.problems.report("E0403", export.spans["opset"],
                              f"{export.target} supports opset {newest[0]} for certain; "
                              f"{export.opset} is newer",
                              help="leave `opset` out: `target` chooses it")  # fmt: skip


def export_value(ev: Evaluator, entry: Any, outputs: dict[str, Output]) -> Any:
    value = ev.evaluate(entry.expr)
    if isinstance(value, OutputRef):
        if value.name not in outputs:
            raise Halt
        return outputs[value.name]
    if not isinstance(value, Value):
        raise not_a_tensor(ev, value, entry.expr.span)
    if value not in ev.builder.input_dependent:
        message = f"`{entry.name}` is the same for every sample: it depends on no input"
        raise ev.fail("E0507", entry.expr.span, message, help="the weights are stored beside the model")
    return value


def check_names(state: Elaboration, chosen: list[tuple[str, Any]]) -> None:
    """Check that the names in the artifact are unique."""
    seen: dict[str, str] = {}
    inputs = {i.name for i in state.inputs}
    values = dict(chosen)
    for name, value in chosen:
        for answer in answer_names(name, value):
            if answer in inputs:
                state.problems.report("E0607", value.site.span,
                                      f"the artifact would have an input and an output `{answer}`",
                                      help=f"give it another name: `{answer}_out = {answer} -> identity`"
                                      if answer == name else "rename one of them")  # fmt: skip
            elif answer in seen:
                declared = isinstance(value, Output) and isinstance(values[seen[answer]], Output)
                state.problems.report("E0607", value.site.span,
                                      f"the artifact would have two outputs `{answer}`, "
                                      f"from `{seen[answer]}` and from `{name}`",
                                      help="rename one of them" if declared
                                           else "leave one out: a class or binary output exports its "
                                                "probabilities too")  # fmt: skip
            seen[answer] = name


def answer_names(name: str, value: Output | Value) -> tuple[str, ...]:
    """The names in the artifact of one export."""
    return kind_of(value.answered).answer_names(name) if isinstance(value, Output) else (name,)


def check_targets(state: Elaboration, chosen: list[tuple[str, Any]]) -> None:
    """Check that no export depends on a target, which is known only in training."""
    # the target on which each value depends; the last one if there are several
    depends: dict[Value, GraphInput] = {target: target for target in state.targets.values()}
    for node in state.builder.nodes if depends else ():
        target = next((depends[v] for v in reversed(node.operands) if v in depends), None)
        if target is not None:
            depends.update(dict.fromkeys(node.results, target))
    for name, value in chosen:
        if isinstance(value, Output) and value.decoder:
            continue  # `passes/decoding.py` reads its own answers in place of the target
        target = depends.get(value.flowed if isinstance(value, Output) else value)
        if target is not None:
            state.problems.report("E0608", value.site.span,
                                  f"`{name}` depends on the target `{target.field}`, known only in training",
                                  help=help_for(state, name, value, target))  # fmt: skip


def help_for(state: Elaboration, name: str, value: Output | Value, target: GraphInput) -> str:
    """The help for an export that depends on a target."""
    own = isinstance(value, Output) and value.target == target.field and can_be_decoded(value.declared)
    if own and state.decoder is None:
        return f"make its answer step by step: `export {{ decode = greedy({name}, max=32) }}`"
    return "leave it out of `export { outputs = ... }`, or compute it from inputs"


def can_be_decoded(declared: Tensor) -> bool:
    """Whether an output can be answered step by step: a sequence of classes of any length."""
    free = declared.rank == 1 and is_free(declared.shape[0])
    return declared.element == "class" and free and not declared.blank
