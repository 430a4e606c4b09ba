"""The text of every stage of a program. The stages `torch` and `onnx` need these packages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.dims.dim import number
from dlc.compiler.format.printer import print_graph
from dlc.compiler.passes import specialize
from dlc.show.outline import output_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.program import CompiledProgram


def graph(program: CompiledProgram) -> str:
    """The graph as written, including the losses."""
    pairs = ((phase, objective) for phase in program.phases for objective in phase.objectives)
    losses = {" ".join(filter(None, (p.name, o.figure))): o.loss for p, o in pairs}
    outputs = {**output_values(program), **losses}
    return print_graph(replace(program.graph, outputs=outputs), program.name)


def training(program: CompiledProgram) -> str:
    """The training form of each objective; the graph as written if nothing is trained."""
    forms = training_forms(program)
    return "\n".join(print_graph(form, name) for name, form in forms.items()) or graph(program)


def training_forms(program: CompiledProgram) -> dict[str, Graph]:
    """The training form of each objective, under the name of the program, of its phase and of its step."""
    found = {}
    for phase in program.phases:
        for objective in phase.objectives:
            name = " ".join(filter(None, [program.name, phase.name, objective.step]))
            found[name] = specialize.training(program, objective)
    return found


def inference(program: CompiledProgram) -> str:
    return print_graph(specialize.inference(program), program.name)


def torch(program: CompiledProgram) -> str:
    """The training form and the inference form in PyTorch; only the latter if nothing is trained."""
    from dlc.compiler.lower.lowered_text import print_torch
    from dlc.compiler.lower.torch import trace

    forms = training_forms(program)
    found = {name.replace(program.name, "training", 1): form for name, form in forms.items()}
    found["inference"] = specialize.inference(program)
    return "\n".join(print_torch(trace(graph), name) for name, graph in found.items())


def onnx(program: CompiledProgram) -> str:
    """The exported ONNX model without the values of its weights."""
    import numpy as np

    from dlc.compiler.lower.initial_weights import check_known
    from dlc.compiler.lower.lowered_text import print_onnx
    from dlc.runtime.artifact.write import onnx_model

    graph = specialize.inference(program)
    weights = {w.name: np.ones(1, np.float32) for w in graph.weights}
    check_known(graph, weights)
    weights = {w.name: np.ones([number(s) for s in w.value.type.shape], np.float32) for w in graph.weights}
    return print_onnx(onnx_model(program, graph, weights, {}))


STAGES: dict[str, Callable[[CompiledProgram], str]] = {
    "graph": graph,
    "training": training,
    "inference": inference,
    "torch": torch,
    "onnx": onnx,
}
