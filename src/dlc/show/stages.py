"""The text of every stage of a program. What engines are given needs their packages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.dims import number
from dlc.compiler.passes import forms
from dlc.compiler.printer import print_graph
from dlc.show.outline import answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.program import Program


def graph(program: Program) -> str:
    """Everything as written: the flow, and the loss behind it."""
    return print_graph(
        replace(program.graph, outputs={**answers(program), **program.graph.outputs}), program.name
    )


def training(program: Program) -> str:
    if not program.phases:
        return graph(program)
    return print_graph(forms.training(program, program.objective), program.name)


def inference(program: Program) -> str:
    return print_graph(forms.inference(program), program.name)


def torch(program: Program) -> str:
    """Both forms as PyTorch gets them; one where nothing is trained."""
    from dlc.compiler.lower.text import print_torch
    from dlc.compiler.lower.torch import trace

    found = {"inference": forms.inference(program)}
    if program.phases:
        found = {"training": forms.training(program, program.objective), **found}
    return "\n".join(print_torch(trace(graph), name) for name, graph in found.items())


def onnx(program: Program) -> str:
    """The model that is exported, its weights left out."""
    import numpy as np

    from dlc.compiler.lower.text import print_onnx
    from dlc.compiler.lower.weights import check_known
    from dlc.runtime.artifact.write import onnx_model

    graph = forms.inference(program)
    weights = {w.name: np.ones(1, np.float32) for w in graph.weights}
    check_known(graph, weights)
    weights = {w.name: np.ones([number(s) for s in w.value.type.shape], np.float32) for w in graph.weights}
    return print_onnx(onnx_model(program, graph, weights, {}))


STAGES: dict[str, Callable[[Program], str]] = {
    "graph": graph,
    "training": training,
    "inference": inference,
    "torch": torch,
    "onnx": onnx,
}
