"""Examples of operators with rows of several lengths in one batch, padded, compared with each row alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import torch
from engines import Bounds, draw_input, draw_weights

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.dims.dim import evaluate, names
from dlc.compiler.ir.graph import Graph, Value
from dlc.compiler.lower.torch import Model
from dlc.compiler.operators.base import Example
from dlc.compiler.passes.graph_rewrite import at_inference, prune
from dlc.compiler.passes.lengths import with_lengths
from dlc.compiler.program import CompiledProgram, Facts
from dlc.compiler.types import Tensor

LENGTHS = (4, 7, 1, 6)
FIXED = 5  # the size of other free dimensions
GARBAGE = (np.nan, np.inf, -np.inf, 1e30)
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """An example and the dimension along which its rows differ."""

    name: str
    row: Example
    flow: str
    dim: str

    @property
    def label(self) -> str:
        return f"{self.name}: {', '.join(self.row.operands)} -> {self.row.call} along {self.dim}"


def free_dims(row: Example) -> list[str]:
    """The free dimensions of the operands of an example."""
    text = "\n".join(f"input {name}: {type}" for name, type in zip("abcdefgh", row.operands, strict=False))
    graph = compile(Source("dims.dl", text + "\n")).graph
    return sorted({str(name) for value in graph.inputs for size in value.type.shape for name in names(size)})


def compiled(case: Case, train: str = "") -> CompiledProgram:
    """The program of an example. An input of the dimension alone names its lengths."""
    inputs = [f"input {name}: {type}" for name, type in zip("abcdefgh", case.row.operands, strict=False)]
    text = "\n".join([f"input steps: float[{case.dim}]", *inputs, train or f"y = {case.flow}", ""])
    return compile(Source("case.dl", text), facts=Facts(lengths=frozenset({case.dim})))


def refused(case: Case, train: str = "") -> str:
    """The message of E0519; empty if there is none."""
    try:
        compiled(case, train)
    except CompileError as error:
        assert {d.code for d in error.diagnostics} == {"E0519"}, str(error)
        return error.diagnostics[0].message
    return ""


def forms(program: CompiledProgram, inference: bool) -> tuple[Graph, Graph]:
    """The graph of `y` with lengths and without."""
    made = program.bindings["y"]
    made = made if isinstance(made, tuple) else (made,)
    outputs = {f"y{i}": value for i, value in enumerate(made)}
    alone = prune(at_inference(program.graph) if inference else program.graph, outputs)
    return with_lengths(program, alone), alone


class Rows:
    """Rows of several lengths for a graph: each alone, and all in one padded batch."""

    def __init__(self, graph: Graph, dim: str, bounds: Bounds, seed: int = 0) -> None:
        self.dim, rng = dim, np.random.default_rng(seed)
        self.values = [v for v in graph.inputs if v.name != "steps"]
        self.free = {str(n) for v in graph.values() for size in v.type.shape for n in names(size)}
        self.lengths = [n for n in LENGTHS if self.fits(graph, n)]
        self.rows = [self.draw(rng, bounds, length) for length in self.lengths]

    def sizes(self, length: int) -> dict[str, int]:
        return {name: length if name == self.dim else FIXED for name in self.free}

    def fits(self, graph: Graph, length: int) -> bool:
        """Whether no axis would be empty."""
        sizes = (size for value in graph.values() for size in value.type.shape)
        return all(int(evaluate(size, self.sizes(length))) >= 1 for size in sizes)

    def shape(self, type: Tensor, length: int) -> tuple[int, ...]:
        return tuple(int(evaluate(size, self.sizes(length))) for size in type.shape)

    def draw(self, rng: np.random.Generator, bounds: Bounds, length: int) -> Arrays:
        return {v.name: draw_input(rng, v.type, (1, *self.shape(v.type, length)), bounds) for v in self.values}

    def batch(self, garbage: bool) -> Arrays:
        """All rows, padded with anything, or with copies of the last step."""
        made: Arrays = {}
        for value in self.values:
            rows = [self.pad(value.type, row[value.name][0], garbage) for row in self.rows]
            made[value.name] = np.stack(rows)
        return made | {"steps_length": np.array(self.lengths)}

    def pad(self, type: Tensor, row: np.ndarray, garbage: bool) -> np.ndarray:
        for axis, size in enumerate(self.shape(type, max(self.lengths))):
            places = np.minimum(np.arange(size), row.shape[axis] - 1)
            more, row = row.shape[axis], row.take(places, axis)
            if garbage and row.dtype.kind == "f":
                view = np.moveaxis(row, axis, 0)
                for place, value in zip(range(more, size), cycle(GARBAGE)):  # noqa: B905
                    view[place] = value
        return row

    def valid(self, type: Tensor, length: int) -> tuple[slice, ...]:
        return tuple(slice(size) for size in self.shape(type, length))


def tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def weights_of(graph: Graph) -> Arrays:
    return draw_weights(np.random.default_rng(1), graph)


def model(graph: Graph, weights: Arrays) -> Model:
    return Model(graph, graph.weights, weights)


def each_row(rows: Rows, made: Mapping[str, np.ndarray], outputs: Mapping[str, Value]) -> Iterator[Arrays]:
    """The valid part of each row; what is behind it is 0."""
    for k, length in enumerate(rows.lengths):
        part = {}
        for name, value in outputs.items():
            row = made[name][k].copy()
            part[name] = row[rows.valid(value.type, length)].copy()
            row[rows.valid(value.type, length)] = 0
            padding = row[row != 0]
            assert set(padding.tolist()) <= ({-1} if value.type.element == "class" else set()), "padding"
        yield part
