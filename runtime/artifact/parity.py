"""The proof that the artifact answers as the torch module does."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics import CompileError, Diagnostic, Label
from dlc.compiler.passes import forms
from dlc.compiler.passes.folding import fold
from dlc.runtime.artifact.compare import TOLERANCE
from dlc.runtime.artifact.reference import Reference
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.artifact.write import onnx_model, save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.ir import Graph, Node, Value
    from dlc.compiler.program import Program

PARTED = "E0811"
HELP = "the artifact was not written; please report the spec as a mistake in dlc"

Batch = dict[str, np.ndarray]


def check(program: Program, graph: Graph, weights: Mapping[str, np.ndarray], reference: Reference,
          artifact: Path, batches: Sequence[tuple[str, Batch]]) -> float:  # fmt: skip
    """Run the artifact and the module on every batch; the worst difference, or an error naming the place."""
    largest, session = 0.0, None
    for what, raw in batches:
        try:
            session = session or open_session(artifact)
            found = run(session, raw)
        except Exception as error:
            raise CompileError([refused(program, graph, weights, raw, error)]) from error
        for name, answer in reference(raw).items():
            apart = answer.differs(np.asarray(found[name]))
            if not apart <= TOLERANCE:
                node = first_difference(program, graph, weights, raw)
                raise CompileError([parted(graph, name, what, apart, node)])
            largest = max(largest, apart)
    return largest


def refused(
    program: Program, graph: Graph, weights: Mapping[str, np.ndarray], raw: Batch, error: Exception
) -> Diagnostic:
    """The error for a model that ONNX Runtime does not take, at the first stage that is at fault."""
    message = f"ONNX Runtime does not take what was made of the spec: {str(error).splitlines()[0]}"
    node = next((n for n in graph.nodes if not runs(program, up_to(n, graph), weights, raw)), None)
    labels = (Label(node.site.span, f"first here, in `{node.name}`"),) if node else ()
    return Diagnostic(PARTED, message, labels, node.site.way() if node else (), HELP)


def up_to(node: Node, graph: Graph) -> Graph:
    """The graph that makes what the node makes."""
    return forms.prune(replace(graph, outputs={f"result_{i}": v for i, v in enumerate(node.results)}))


def runs(program: Program, graph: Graph, weights: Mapping[str, np.ndarray], raw: Batch) -> bool:
    try:
        run_all(program, graph, weights, {v.name: raw[v.name] for v in graph.inputs}, folded=False)
    except Exception:  # noqa: BLE001  ONNX Runtime's errors have no base of their own
        return False
    return True


def run_all(
    program: Program, graph: Graph, weights: Mapping[str, np.ndarray], raw: Batch, *, folded: bool
) -> Batch:
    """What ONNX Runtime makes of the outputs, without optimizations of its own."""
    with tempfile.TemporaryDirectory() as folder:
        save(onnx_model(program, graph, weights, {}, folded=folded), Path(folder) / "all.onnx")
        return run(open_session(Path(folder) / "all.onnx", plain=True), raw)


def parted(graph: Graph, output: str, what: str, apart: float, node: Node | None) -> Diagnostic:
    """The error for a difference past the tolerance, at the first line of the spec where the two part."""
    size = "another answer" if apart == float("inf") else f"a relative difference of {apart:.1e}"
    message = f"torch and ONNX Runtime part in `{output}`: {size} on {what}, and {TOLERANCE:.0e} is allowed"
    if node is None:  # every stage by itself is right: what is wrong was made of several
        return Diagnostic(PARTED, message, (Label(graph.outputs[output].site.span),), help=HELP)
    return Diagnostic(
        PARTED, message, (Label(node.site.span, f"first here, in `{node.name}`"),), node.site.way(), HELP
    )


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
        found = run_all(program, shown, weights, raw, folded=folded)
        for name, answer in expected.items():
            if not answer.differs(np.asarray(found[name])) <= TOLERANCE:
                return producers[results[name]]
    return None


def numbers_of(graph: Graph) -> list[Value]:
    return [v for node in graph.nodes for v in node.results if v.type.element != "string"]
