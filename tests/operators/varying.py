"""Examples of operators with rows of several lengths in one padded batch, compared with each row alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle

import numpy as np
import torch
from engines import Bounds, draw_input, draw_weights

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.dims.dim import evaluate, names
from dlc.compiler.ir.graph import Graph, Value
from dlc.compiler.lower.precision import wide
from dlc.compiler.lower.torch import Model, trace
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
    """An example, as a spec, and the dimension along which its rows differ."""

    name: str
    row: Example
    text: str
    dim: str

    @property
    def label(self) -> str:
        return f"{self.row.call} along {self.dim} of {', '.join(self.row.operands)}"


def declared(row: Example) -> str:
    return "".join(f"input {name}: {type}\n" for name, type in zip("abcdefgh", row.operands, strict=False))


def free_dims(row: Example) -> list[str]:
    """The free dimensions of the operands of an example."""
    return free_dims_of(declared(row))


@cache
def free_dims_of(inputs: str) -> list[str]:
    graph = compile(Source("dims.dl", inputs)).graph
    return sorted({str(name) for value in graph.inputs for size in value.type.shape for name in names(size)})


def cases(name: str, row: Example, statement: str) -> Iterator[Case]:
    """One for each free dimension. An input of the dimension alone names the lengths."""
    for dim in free_dims(row):
        yield Case(name, row, f"input steps: float[{dim}]\n{declared(row)}{statement}\n", dim)


def compiled(case: Case) -> CompiledProgram:
    return compile(Source("case.dl", case.text), facts=Facts(lengths=frozenset({case.dim})))


def is_refused(case: Case) -> bool:
    """Whether it is an error, E0519."""
    try:
        compiled(case)
    except CompileError as error:
        (found,) = error.diagnostics
        assert found.code == "E0519"
        assert "differ in length along `" in found.message
        assert case.dim in found.message
        return True
    return False


def forms(program: CompiledProgram, *, inference: bool) -> tuple[Graph, Graph]:
    """The graph of `y` with lengths and without."""
    made = program.bindings["y"]
    made = made if isinstance(made, tuple) else (made,)
    outputs = {f"y{i}": value for i, value in enumerate(made)}
    alone = prune(at_inference(program.graph) if inference else program.graph, outputs)
    return with_lengths(program, alone), alone


class Rows:
    """Rows of several lengths for a graph: each alone, and all in one padded batch."""

    def __init__(self, graph: Graph, case: Case, seed: int = 0, lengths: Sequence[int] = LENGTHS) -> None:
        self.dim, rng = case.dim, np.random.default_rng(seed)
        self.values = [v for v in graph.inputs if v.name != "steps"]
        self.free = {str(n) for v in graph.values() for size in v.type.shape for n in names(size)} | {
            case.dim
        }
        self.lengths = [n for n in lengths if self.fits(graph, n)]
        bounds = Bounds(case.row.low, case.row.high)
        self.rows = [self.draw(rng, bounds, length) for length in self.lengths]
        assert len(self.lengths) > 1

    def sizes(self, length: int) -> dict[str, int]:
        return {name: length if name == self.dim else FIXED for name in self.free}

    def fits(self, graph: Graph, length: int) -> bool:
        """Whether no axis would be empty, or none shorter than that in a row without steps."""
        return all(
            size >= min(length, 1) for value in graph.values() for size in self.shape(value.type, length)
        )

    def shape(self, type: Tensor, length: int) -> tuple[int, ...]:
        return tuple(int(evaluate(size, self.sizes(length))) for size in type.shape)

    def draw(self, rng: np.random.Generator, bounds: Bounds, length: int) -> Arrays:
        return {
            v.name: draw_input(rng, v.type, (1, *self.shape(v.type, length)), bounds) for v in self.values
        }

    def batch(self, graph: Graph, *, garbage: bool) -> Arrays:
        """All rows as inputs of a graph, padded with anything, or with copies of the last step."""
        made = {v.name: np.stack([self.padded(v.type, row[v.name][0], garbage) for row in self.rows])
                for v in self.values}  # fmt: skip
        made["steps_length"] = np.array(self.lengths)
        return {value.name: made[value.name] for value in graph.inputs}

    def padded(self, type: Tensor, row: np.ndarray, garbage: bool) -> np.ndarray:
        if not row.size:
            return np.full(
                self.shape(type, max(self.lengths)), np.nan if row.dtype.kind == "f" else 0, row.dtype
            )
        for axis, size in enumerate(self.shape(type, max(self.lengths))):
            end = row.shape[axis]
            row = row.take(np.minimum(np.arange(size), end - 1), axis)
            if garbage and row.dtype.kind == "f":
                steps = np.moveaxis(row, axis, 0)
                for place, number in zip(range(end, size), cycle(GARBAGE), strict=False):
                    steps[place] = number
        return row

    def valid(self, type: Tensor, k: int) -> tuple[slice, ...]:
        """Where a row is in a padded batch."""
        return tuple(slice(size) for size in self.shape(type, self.lengths[k]))

    def parts(self, made: Mapping[str, np.ndarray], outputs: Mapping[str, Value]) -> Iterator[Arrays]:
        """Each row of results without its padding, which has to be 0, or class -1."""
        for k in range(len(self.lengths)):
            found: Arrays = {}
            for name, value in outputs.items():
                row, valid = made[name][k], self.valid(value.type, k)
                padding = np.ones(row.shape, bool)
                padding[valid] = False
                assert not np.any(row[padding] + (value.type.element == "class")), "its padding is not 0"
                found[name] = row[valid]
            yield found


def tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def run(graph: Graph, weights: Arrays, feed: Arrays) -> Arrays:
    made = Model(graph, graph.weights, weights)(tensors(feed))
    return {n: torch.as_tensor(t).detach().numpy() for n, t in made.items()}


def weights_of(graph: Graph) -> Arrays:
    return draw_weights(np.random.default_rng(1), graph)


# --- gradients --------------------------------------------------------------------------------------------


def equal_gradients(padded: Graph, alone: Graph, case: Case) -> None:
    """The gradients of a weighted sum of all results: of operands those of each row alone, and 0 in padding;
    of weights the sum over the rows."""
    rows, rng = Rows(alone, case), np.random.default_rng(2)
    floats = {name: value.type for name, value in alone.outputs.items() if value.type.is_float}
    whole = {n: np.zeros((len(rows.rows), *rows.shape(t, max(rows.lengths)))) for n, t in floats.items()}
    factors = []
    for k, length in enumerate(rows.lengths):
        factors.append({n: rng.uniform(0.5, 2, (1, *rows.shape(t, length))) for n, t in floats.items()})
        for name, type in floats.items():
            whole[name][(k, *rows.valid(type, k))] = factors[k][name][0]
    check_gradients(rows, padded, alone, whole, factors)


def check_gradients(
    rows: Rows, padded: Graph, alone: Graph, whole: Arrays, factors: Sequence[Arrays]
) -> None:
    weights = weights_of(alone)
    found = gradients(padded, rows.batch(padded, garbage=False), weights, whole)
    singles = [gradients(alone, r, weights, f) for r, f in zip(rows.rows, factors, strict=True)]
    for weight in weights:
        close(found[weight], np.sum([single[weight] for single in singles], axis=0))
    for value in rows.values:
        for k, single in enumerate(singles if value.type.is_float else ()):
            want = np.zeros_like(found[value.name][k])
            want[rows.valid(value.type, k)] = single[value.name][0]
            close(found[value.name][k], want)


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, 1e-9, 1e-9)


def gradients(graph: Graph, feed: Arrays, weights: Arrays, factors: Arrays) -> Arrays:
    """The gradients of the sum of results times factors, in float64, by the name of an input or a weight."""
    arrays = [feed[v.name] for v in graph.inputs] + [weights[w.name] for w in graph.weights]
    names = [*(v.name for v in graph.inputs), *(w.name for w in graph.weights)]
    given = {n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in zip(names, arrays, strict=True)}
    given = {n: t.double().requires_grad_() if t.is_floating_point() else t for n, t in given.items()}
    made = wide(trace(graph))(*given.values())
    floats = {n: t for n, t in given.items() if t.requires_grad}
    total = sum(((made[n] * torch.as_tensor(f)).sum() for n, f in factors.items()), torch.zeros(()))
    if not total.requires_grad:
        return {n: np.zeros(t.shape) for n, t in floats.items()}
    found = torch.autograd.grad(total, list(floats.values()), allow_unused=True, materialize_grads=True)
    return {n: g.numpy() for n, g in zip(floats, found, strict=True)}
