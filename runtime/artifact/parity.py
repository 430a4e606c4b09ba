"""The proof that the artifact answers as the torch module does."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics import CompileError, Diagnostic, Label
from dlc.compiler.passes.folding import fold
from dlc.runtime.artifact.compare import TOLERANCE, difference
from dlc.runtime.artifact.reference import Reference
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.artifact.write import onnx_model, save

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from onnxruntime import InferenceSession

    from dlc.compiler.ir import Graph, Node, Value
    from dlc.compiler.program import Program

PARTED = "E0811"
HELP = "the artifact was not written; please report the spec as a mistake in dlc"

Batch = dict[str, np.ndarray]


def check(program: Program, graph: Graph, weights: Mapping[str, np.ndarray], reference: Reference,
          artifact: Path, batches: Iterable[tuple[str, Batch]]) -> float:  # fmt: skip
    """Run the artifact and the module on every batch; the worst difference, or an error naming the place."""
    session = opened(artifact, graph)
    largest = 0.0
    for what, raw in batches:
        found = answers(session, raw, graph)
        for name, answer in reference(raw).items():
            apart = difference(answer.spelled, np.asarray(found[name]), answer.slack)
            if not apart <= TOLERANCE:
                node = first_difference(program, graph, weights, raw)
                raise CompileError([parted(graph, name, what, apart, node)])
            largest = max(largest, apart)
    return largest


def opened(artifact: Path, graph: Graph) -> InferenceSession:
    try:
        return open_session(artifact)
    except Exception as error:
        raise CompileError([refused(error, graph)]) from error


def answers(session: InferenceSession, raw: Batch, graph: Graph) -> Batch:
    try:
        return run(session, raw)
    except Exception as error:
        raise CompileError([refused(error, graph)]) from error


def refused(error: Exception, graph: Graph) -> Diagnostic:
    """The error for a model that ONNX Runtime does not take, at the stage that it names."""
    text = str(error).splitlines()[0]
    named = [n for n in graph.nodes if f"({n.name}/" in text or f"'{n.name}/" in text]
    labels = tuple(Label(n.site.span, f"in `{n.name}`") for n in named[:1])
    message = f"ONNX Runtime does not take what was made of the spec: {text}"
    return Diagnostic(PARTED, message, labels, help=HELP)


def parted(graph: Graph, output: str, what: str, apart: float, node: Node | None) -> Diagnostic:
    """The error for a difference past the tolerance, at the first line of the spec where the two part."""
    size = "another answer" if apart == float("inf") else f"a relative difference of {apart:.1e}"
    message = f"torch and ONNX Runtime part in `{output}`: {size} on {what}, and {TOLERANCE:.0e} is allowed"
    if node is None:  # every stage by itself is right: what is wrong was made of several
        return Diagnostic(PARTED, message, (Label(graph.outputs[output].site.span),), help=HELP)
    return Diagnostic(
        PARTED, message, (Label(node.site.span, f"first here, in `{node.name}`"),), notes_of(node), HELP
    )


def notes_of(node: Node) -> tuple[str, ...]:
    return tuple(f"in: {use.what}, used at {use.span.place}" for use in node.site.uses)


def first_difference(
    program: Program, graph: Graph, weights: Mapping[str, np.ndarray], raw: Batch
) -> Node | None:
    """The first stage whose results differ when every result is an output: each stage by itself, else with
    normalization folded."""
    producers = graph.producers()
    for kept, folded in ((graph, False), (fold(graph, weights)[0], True)):
        results = {f"result_{i}": v for i, v in enumerate(numbers_of(kept))}
        shown = replace(graph, outputs=results)
        expected = Reference(shown, weights)(raw)
        with tempfile.TemporaryDirectory() as folder:
            save(onnx_model(program, shown, weights, {}, folded=folded), Path(folder) / "all.onnx")
            found = run(open_session(Path(folder) / "all.onnx", plain=True), raw)
        for name, answer in expected.items():
            if not difference(answer.values, np.asarray(found[name]), answer.slack) <= TOLERANCE:
                return producers[results[name]]
    return None


def numbers_of(graph: Graph) -> list[Value]:
    return [v for node in graph.nodes for v in node.results if v.type.element != "string"]
