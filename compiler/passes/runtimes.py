"""What the runtime of the artifact cannot compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.export_section import OPENVINO
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.passes import specialize

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.program import CompiledProgram

HELP = "declare classes by their count, such as `class(3)`, or leave `target` out"


def check(program: CompiledProgram, problems: Problems) -> None:
    """Report the first value of the artifact that OpenVINO cannot compute, if that is the target: it has no
    text, and no operators of ai.onnx.ml."""
    if program.export.target != OPENVINO:
        return
    graph = specialize.inference(program)
    values = [value for node in graph.nodes if node.operator.uses_ml for value in node.operands]
    values += [value for value in graph.values() if value.type.element == "string"]
    if values:
        value = values[0]
        what = "text" if value.type.element == "string" else "classes with numbers of their own"
        message = f"OpenVINO cannot compute with {what}, such as `{value.name}`"
        problems.add(Diagnostic.at(value.site, "E0403", message, HELP))
