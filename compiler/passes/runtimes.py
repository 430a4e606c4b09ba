"""What the runtime of the artifact cannot compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.export_section import OPENVINO, RUNTIMES, runtime_opset
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.passes import specialize

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.program import CompiledProgram

HELP_TEXT = (
    "`tokenize(subwords)` is applied before the artifact, which then takes numbers; or leave `target` out"
)
HELP = "declare classes by their count, such as `class(3)`, or leave `target` out"

HELP_DRAWN = "write `decode = greedy(...)`, or leave `target` out"


def check(program: CompiledProgram, problems: Problems) -> None:
    """Report what the target of the artifact cannot compute."""
    check_opset(program, problems)
    check_openvino(program, problems)


def check_opset(program: CompiledProgram, problems: Problems) -> None:
    """Report operators that need a later opset than that of the artifact."""
    export = program.export
    opset = export.opset or (runtime_opset(export.target) or (0,))[0]
    oldest = {own: ".".join(map(str, version)) for version, own, *_ in reversed(RUNTIMES)}
    for node in program.graph.nodes:
        least = node.operator.least_opset
        if least > opset:
            message = f"`{node.operator.name}` needs opset {least}, and the artifact has opset {opset}"
            help = f'`target = "onnxruntime>={oldest[least]}"` runs it; or leave `target` and ' \
                   "`opset` out"  # fmt: skip
            problems.add(Diagnostic.at(node.site, "E0403", message, help))


def check_openvino(program: CompiledProgram, problems: Problems) -> None:
    """Report the first value of the artifact that OpenVINO cannot compute, if that is the target: it has no
    text, and no operators of ai.onnx.ml."""
    if program.export.target != OPENVINO:
        return
    for output in specialize.decoded_outputs(program):
        if output.decoder and output.decoder.random:
            message = f"OpenVINO computes other random numbers, so it cannot draw `{output.name}`"
            problems.add(Diagnostic.at(output.site, "E0403", message, HELP_DRAWN))
    graph = specialize.inference(program)
    values = [value for node in graph.nodes if node.operator.uses_ml for value in node.operands]
    values += [value for value in graph.values() if value.type.element == "string"]
    if values:
        value = values[0]
        what = "text" if value.type.element == "string" else "classes with numbers of their own"
        message = f"OpenVINO cannot compute with {what}, such as `{value.name}`"
        help = HELP_TEXT if value in {node.operands[0] for node in program.readers} else HELP
        problems.add(Diagnostic.at(value.site, "E0403", message, help))
    for node in graph.nodes:
        if node.operator.not_in_openvino:
            message = f"OpenVINO cannot compute {node.operator.not_in_openvino}"
            problems.add(Diagnostic.at(node.site, "E0403", message, "leave `lengths` out, or `target`"))
