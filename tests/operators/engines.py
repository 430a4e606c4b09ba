"""Runs a small spec in PyTorch, ONNX Runtime and `onnx.reference`, and compares their answers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from reference import REPAIRED

from dlc.compiler import Source, compile
from dlc.compiler.definitions.export_section import RUNTIMES
from dlc.compiler.dims.dim import evaluate, names
from dlc.compiler.ir.graph import Graph, GraphInput, Value
from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower import torch as to_torch
from dlc.compiler.passes import graph_rewrite
from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.program import Facts
from dlc.compiler.types import Tensor
from dlc.compiler.vocabularies import Vocabulary
from dlc.runtime.artifact import session as onnxruntime_session
from dlc.runtime.artifact.model_scan import ModelScan
from dlc.runtime.artifact.samples import draw_texts

OPSETS = (RUNTIMES[0][1], RUNTIMES[-1][1])  # every form that depends on the opset is that of one of these
BETWEEN = tuple(opset for _, opset, _, _ in RUNTIMES[1:-1])
BATCHES = (0, 1, 2, 7)
LIMIT = 1e-5  # how far engines may be apart where nothing else is said
Arrays = Mapping[str, np.ndarray]
WORDS = Vocabulary(4, ("red", "Red", "green", "New York"), (1, 1, 2, 3))
KNOWN = Facts(vocabularies={"vocabulary": WORDS, "tokenize": WORDS})
DTYPES = {"float": "float32", "class": "int64", "string": "object"}


@dataclass(frozen=True)
class Bounds:
    """The bounds of random inputs."""

    low: float = -2.0
    high: float = 2.0


def compile_flow(flow: str, takes: tuple[str, ...]) -> tuple[tuple[Value, ...], Graph]:
    """The value of `y = FLOW` for inputs `a`, `b`, ... of these types, and its graph."""
    inputs = [f"input {name}: {type}" for name, type in zip("abcdefgh", takes, strict=False)]
    program = compile(Source("example.dl", "\n".join([*inputs, f"y = {flow}", ""])), facts=KNOWN)
    made = program.bindings["y"]
    return made if isinstance(made, tuple) else (made,), program.graph


def inference(graph: Graph, values: tuple[Value, ...]) -> Graph:
    """The inference form, with these values as outputs `y0`, `y1`, ... What is read outside of the artifact
    is an input."""
    outputs = {f"y{i}": value for i, value in enumerate(values)}
    read = [
        v for node in graph.nodes if node.operator.outside for v in node.results if isinstance(v, GraphInput)
    ]
    nodes = tuple(node for node in graph.nodes if not node.operator.outside)
    graph = replace(graph, inputs=(*graph.inputs, *read), nodes=nodes)
    return prune(graph_rewrite.at_inference(graph), outputs)


def sizes(graph: Graph) -> Iterator[dict[str, int]]:
    """Two values for each free dimension, all different, even and odd."""
    free = sorted({name for v in graph.inputs for size in v.type.shape for name in names(size)})
    yield {name: 5 + i for i, name in enumerate(free)}
    if free:
        yield {name: 10 + i for i, name in enumerate(free)}


def draw_input(rng: np.random.Generator, type: Tensor, shape: tuple[int, ...], bounds: Bounds) -> np.ndarray:
    dtype = DTYPES.get(type.element, type.element)
    if type.element == "class":
        assert type.classes is not None and isinstance(type.classes.count, int)
        return rng.integers(0, type.classes.count, shape)
    if type.element == "string":
        return draw_texts(rng, WORDS.spellings, shape)
    if type.element == "bool":
        return rng.random(shape) < 0.5
    if type.is_integer:
        least = max(bounds.low, np.iinfo(dtype).min)
        return rng.integers(int(least), int(bounds.high) + 1, shape).astype(dtype)
    return rng.uniform(bounds.low, bounds.high, shape).astype(dtype)


def draw_weights(rng: np.random.Generator, graph: Graph) -> dict[str, np.ndarray]:
    """Random weights; variances and standard deviations are positive."""
    weights = {}
    for weight in graph.weights:
        drawn = rng.standard_normal(weight.value.type.shape)
        positive = weight.name.endswith(("running_var", "std", "range"))
        weights[weight.name] = np.asarray(np.abs(drawn) + 0.5 if positive else drawn, np.float32)
    return weights


def versions(opset: int) -> dict[str, Any]:
    """The versions that artifacts with this opset have."""
    _, _, ml_opset, ir_version = next(row for row in RUNTIMES if row[1] == opset)
    return {"opset": opset, "ml_opset": ml_opset, "ir_version": ir_version}


def models(graph: Graph, weights: Mapping[str, np.ndarray],
           opsets: tuple[int, ...] = OPSETS) -> dict[str, Any]:  # fmt: skip
    """Engines by name: each takes a dict of arrays and returns a dict of arrays."""
    engines: dict[str, Any] = {}
    for opset in opsets:
        written = to_onnx.model(graph, weights, **versions(opset), name="example")
        content = to_onnx.serialize(written)
        ModelScan(content, Path()).graph()  # rejects operators that artifacts may not contain
        proto = onnx.load_model_from_string(content)
        onnx.checker.check_model(proto, full_check=True)
        engines[f"ONNX Runtime, opset {opset}"] = run_onnxruntime(proto)
        engines[f"onnx.reference, opset {opset}"] = run_reference(proto)
    return engines


def run_onnxruntime(proto: onnx.ModelProto) -> Any:
    session = onnxruntime_session.open_session(proto.SerializeToString())
    return lambda feed: onnxruntime_session.run(session, feed)


def run_reference(proto: onnx.ModelProto) -> Any:
    evaluator = ReferenceEvaluator(proto, new_ops=REPAIRED)

    def evaluated(feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the mean of a window without numbers
            return dict(zip(evaluator.output_names, evaluator.run(None, dict(feed)), strict=True))

    return evaluated


def agree(graph: Graph, bounds: Bounds | None = None, seed: int = 0, within: float = LIMIT,
          opsets: tuple[int, ...] = OPSETS) -> None:  # fmt: skip
    """All engines agree with the torch module, at several batch sizes and free dimensions."""
    for engine, found, wanted in answers(graph, bounds or Bounds(), seed, opsets):
        compare(engine, found, wanted, within)


def answers(graph: Graph, bounds: Bounds, seed: int = 0,
            opsets: tuple[int, ...] = OPSETS) -> Iterator[tuple[str, Arrays, Arrays]]:  # fmt: skip
    """The results of each engine and of torch for random inputs."""
    rng = np.random.default_rng(seed)
    weights = draw_weights(rng, graph)
    module = to_torch.Model(graph, graph.weights, weights)
    least = max((node.operator.least_opset for node in graph.nodes), default=0)
    engines = models(graph, weights, tuple(dict.fromkeys(max(opset, least) for opset in opsets)))
    for free in sizes(graph):
        for batch in BATCHES:
            feed = {}
            for value in graph.inputs:
                shape = (batch, *(evaluate(size, free) for size in value.type.shape))
                feed[value.name] = draw_input(rng, value.type, shape, bounds)
            with torch.no_grad():
                given = {n: x if x.dtype == object else torch.from_numpy(x) for n, x in feed.items()}
                wanted = {n: t.numpy() for n, t in module(given).items()}
            for name, value in graph.outputs.items():
                sizes_of = zip(wanted[name].shape[1:], value.type.shape, strict=True)
                # the number of words is read from the text
                shape = (
                    have if names(size) - free.keys() else evaluate(size, free) for have, size in sizes_of
                )
                expected = (batch, *shape)
                assert wanted[name].shape == expected
                assert wanted[name].dtype == np.dtype(DTYPES.get(value.type.element, value.type.element))
            yield from ((engine, run(feed), wanted) for engine, run in engines.items())


def compare(engine: str, found: Arrays, wanted: Arrays, within: float = LIMIT) -> None:
    """Real numbers differ by at most `within` of the largest, or of 1 if that is less; others are equal."""
    assert found.keys() == wanted.keys()
    for name, want in wanted.items():
        have = np.asarray(found[name])
        assert (have.shape, have.dtype) == (want.shape, want.dtype), engine
        if want.dtype.kind == "f":
            largest = np.abs(want[np.isfinite(want)]).max(initial=1)
            np.testing.assert_allclose(have, want, 0, within * largest, err_msg=f"torch and {engine}")
        else:
            np.testing.assert_array_equal(have, want, err_msg=f"torch and {engine}")
