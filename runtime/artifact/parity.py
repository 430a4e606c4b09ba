"""The proof that the artifact answers as the torch module does."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dlc.compiler.diagnostics import CompileError, Diagnostic, Label
from dlc.compiler.lower.torch import Model
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.artifact.ties import ties
from dlc.runtime.artifact.write import onnx_model, save

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlc.compiler.ir import Graph, Node
    from dlc.compiler.program import Program
    from dlc.compiler.types import Tensor

TOLERANCE = 1e-4  # of the largest absolute value of the output, which counts as 1 at least


@dataclass(frozen=True)
class Difference:
    """The worst difference of an output, relative to the largest value that it takes."""

    output: str
    worst: float


def declared_types(program: Program, graph: Graph) -> dict[str, Tensor]:
    """The raw types of the inputs that the graph reads."""
    read = {v.name for v in graph.inputs}
    return {i.name: i.declared for i in program.inputs if i.name in read}


def to_torch(types: Mapping[str, Tensor], raw: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Raw inputs as the torch module takes them: names become numbers."""
    return {name: tensor_of(types[name], raw[name]) for name in types}


def tensor_of(type: Tensor, raw: np.ndarray) -> torch.Tensor:
    if raw.dtype == object or raw.dtype.kind in "US":
        places = {name: i for i, name in enumerate(type.classes.names)}  # type: ignore[union-attr, arg-type]
        numbers = np.array([places.get(str(v), -1) for v in raw.ravel()], np.int64).reshape(raw.shape)
        return torch.from_numpy(numbers == 1 if type.element == "binary" else numbers)
    if raw.dtype.name == "bfloat16":
        return torch.from_numpy(raw.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(np.ascontiguousarray(raw))


def answers_of(model: Model, inputs: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    with torch.no_grad():
        return {
            n: (v.float() if v.dtype is torch.bfloat16 else v).cpu().numpy() for n, v in model(inputs).items()
        }


def compare(
    program: Program, expected: Mapping[str, np.ndarray], found: Mapping[str, Any]
) -> list[Difference]:
    """The difference of every output that has real values, and of every choice that is not a tie."""
    return [
        Difference(name, worst(program, name, want, np.asarray(found[name]), expected))
        for name, want in expected.items()
    ]


def worst(
    program: Program, name: str, want: np.ndarray, have: np.ndarray, expected: Mapping[str, np.ndarray]
) -> float:
    if want.shape != have.shape:
        return float("inf")
    if want.dtype.kind == "f" and have.dtype.kind not in "OUS":
        return relative(want, have)
    names = names_of(program, name)
    if names:
        want = np.array(names, dtype=object)[want.astype(np.int64)]
    differ = want.astype(have.dtype) != have if have.dtype != object else want != have
    differ &= ~ties(name, expected, want.shape)
    if have.dtype.kind in "iu" and name not in {
        o.name for o in program.outputs if o.declared.element == "class"
    }:
        differ &= np.abs(want.astype(np.float64) - have.astype(np.float64)) > 1
    return float("inf") if differ.any() else 0.0


def relative(want: np.ndarray, have: np.ndarray) -> float:
    """The largest difference over the largest value; values that are not finite have to be alike."""
    want, have = want.astype(np.float64), have.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(finite, np.isfinite(have)) or not np.array_equal(
        want[~finite], have[~finite], equal_nan=True
    ):
        return float("inf")
    if not finite.any():
        return 0.0
    return float(np.abs(want[finite] - have[finite]).max() / max(np.abs(want[finite]).max(), 1.0))


def names_of(program: Program, name: str) -> tuple[str, ...] | None:
    output = next((o for o in program.outputs if o.name == name), None)
    return output.declared.classes.names if output and output.declared.classes else None


def check(program: Program, model: Model, artifact: Path, types: Mapping[str, Tensor],
          batches: Iterable[tuple[str, Mapping[str, np.ndarray]]]) -> float:  # fmt: skip
    """Run the artifact and the module on every batch; the worst difference, or an error naming the place."""
    session = open_session(artifact)
    largest = 0.0
    for what, raw in batches:
        expected = answers_of(model, to_torch(types, raw))
        for difference in compare(program, expected, run(session, raw)):
            if not difference.worst <= TOLERANCE:
                raise CompileError([parted(program, model, types, raw, what, difference)])
            largest = max(largest, difference.worst)
    return largest


def parted(
    program: Program,
    model: Model,
    types: Mapping[str, Tensor],
    raw: Mapping[str, np.ndarray],
    what: str,
    difference: Difference,
) -> Diagnostic:
    """The error for a difference past the tolerance, at the first line of the spec where the two part."""
    node = first_difference(program, model, types, raw)
    size = (
        "another answer"
        if difference.worst == float("inf")
        else f"a relative difference of {difference.worst:.1e}"
    )
    message = f"torch and ONNX Runtime part in `{difference.output}`: {size} on {what}, and {TOLERANCE:.0e} is allowed"
    labels = (
        (Label(node.site.span, f"first here, in `{node.name}`"),)
        if node
        else (Label(program.output(difference.output).site.span),)
        if any(o.name == difference.output for o in program.outputs)
        else ()
    )
    return Diagnostic(
        "E0811",
        message,
        labels,
        help="the artifact was not written; please report the spec as a mistake in dlc",
    )


def first_difference(
    program: Program, model: Model, types: Mapping[str, Tensor], raw: Mapping[str, np.ndarray]
) -> Node | None:
    """The first node whose result differs when every result is an output."""
    from dlc.compiler.passes import forms

    graph = forms.inference(program)
    results = {
        f"result_{i}": v
        for i, n in enumerate(graph.nodes)
        for v in n.results[:1]
        if v.type.element != "string"
    }
    if not results:
        return None
    graph = replace(graph, outputs=results)
    values = {
        w.name: (model._parameters.get(w.name) if w.name in model._parameters else model._buffers[w.name])
        for w in graph.weights
    }
    weights = {n: v.detach().cpu().numpy() for n, v in values.items() if v is not None}
    expected = answers_of(Model(graph, graph.weights, weights), to_torch(types, raw))
    with tempfile.TemporaryDirectory() as folder:
        save(onnx_model(program, graph, weights, {}), Path(folder) / "all.onnx")
        found = run(open_session(Path(folder) / "all.onnx", plain=True), raw)
    producers = graph.producers()
    for name, want in expected.items():
        have = np.asarray(found[name])
        same = want.shape == have.shape and (
            relative(want, have) <= TOLERANCE if want.dtype.kind == "f" else np.array_equal(want, have)
        )
        if not same:
            return producers[results[name]]
    return None
