"""Random raw inputs of an artifact. The same seed gives the same values on every machine."""

from __future__ import annotations

import zlib
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import evaluate, names, number, substitute
from dlc.compiler.lower.dim_bindings import as_linear
from dlc.runtime.class_labels import raw_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.types import Tensor

FLOATS = {"float": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float64": np.float64}
UNPROVED = "E0812"
CANDIDATES = ((5, 8), (2, 3), (1, 2), (1, 1), *((16 << k, 24 << k) for k in range(10)))
MISSING = 0.25  # share of missing values in an input that allows them
MAX_VALUES = 2 * 10**7  # of one sample of an input
EITHER = (-2.0, 2.0)  # floats of both signs
OTHER_WORDS = ("zq", "Zq", "É", "été", "!", "x" * 40)
SPACES = (" ", "  ", "\n", "\t", "\r\n", "\u3000")
MOST_WORDS = 40  # more than the words of a line that an artifact cuts in one table
POSITIVE = (0.0, 10.0)  # for functions without a value for negative numbers, such as the logarithm


def sample(
    types: Mapping[str, Tensor],
    batch: int,
    seed: int,
    between: tuple[float, float] = EITHER,
    longest: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, np.ndarray]:
    """One batch of raw inputs of known shapes: floats in the range `between`, integers, and classes,
    including values that are not one of the classes. `longest` are inputs of lengths, with the maximum."""
    drawn = {n: draw(generator(seed, n), t, (batch, *t.shape), between) for n, t in types.items()}
    return drawn | {n: draw_lengths(generator(seed, n), batch, most) for n, most in longest.items()}


def draw_lengths(rng: np.random.Generator, batch: int, longest: int) -> np.ndarray:
    """The lengths of rows: the first row is the longest."""
    lengths = (rng.random(batch) * (longest + 1)).astype(np.int64)
    lengths[:1] = longest
    return lengths


def longest_rows(
    lengths: Mapping[str, str], declared: Mapping[str, Tensor], known: Mapping[str, Tensor]
) -> dict[str, int]:
    """The length of the longest row for inputs of lengths, each of a dimension: from declared types, and the
    same types with known sizes."""
    sizes = {
        str(size): number(known_size)
        for name, type in declared.items()
        for size, known_size in zip(type.shape, known[name].shape, strict=True)
    }
    return {name: sizes[dim] for name, dim in lengths.items()}


def sized(types: Mapping[str, Tensor], free: Mapping[str, int]) -> dict[str, Tensor]:
    """The types with numbers for their free dimensions."""
    return {n: t.with_shape(*(known_size(s, free) for s in t.shape)) for n, t in types.items()}


def known_size(size: Size, free: Mapping[str, int]) -> int:
    """A size as a number."""
    return number(substitute(size, free))


def generator(seed: int, name: str) -> np.random.Generator:
    """The random generator of one input; it does not depend on the order of the inputs."""
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))


def draw(rng: np.random.Generator, type: Tensor, shape: tuple, between: tuple[float, float]) -> np.ndarray:
    even = rng.random(shape)
    if type.element in FLOATS:
        low, high = between
        drawn = (low + even * (high - low)).astype(np.float32).astype(FLOATS[type.element])
        return with_missing(rng, drawn) if type.missing else drawn
    if type.element == "class" and type.classes is not None:
        values = raw_labels(type.classes)
        return values[(even * len(values)).astype(np.int64)]
    if type.element == "binary" and type.classes is not None and type.classes.names:
        return np.array(type.classes.names, dtype=object)[(even * 2).astype(np.int64)]
    if type.element in ("bool", "binary"):
        return even >= 0.5
    if type.element == "string":
        return draw_texts(rng, type.words, shape)
    limits = np.iinfo(type.element)
    low, high = max(limits.min, -1000), min(limits.max, 1000)
    return (low + even * (high - low + 1)).astype(type.element)


def draw_texts(rng: np.random.Generator, words: Sequence[str], shape: tuple[int, ...]) -> np.ndarray:
    """Random texts of known and other words: none, one or several. The first one is the longest."""
    pool = (*words, *OTHER_WORDS)

    def drawn(count: int) -> str:
        picks = ((int(len(pool) * rng.random()), rng.random()) for _ in range(count))
        return "".join(f"{pool[pick]}{SPACES[max(int(place * 40) - 34, 0)]}" for pick, place in picks)

    counts = [int(rng.random() * MOST_WORDS) for _ in range(prod(shape))]
    texts = [drawn(MOST_WORDS if not at else count) for at, count in enumerate(counts)]
    exact = [pool[int(len(pool) * rng.random())] if rng.random() < 0.3 and at else text
             for at, text in enumerate(texts)]  # fmt: skip
    return np.array(exact, object).reshape(shape)


def with_missing(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """The values with some of them missing, always including the last one."""
    missing_mask = rng.random(values.shape) < MISSING
    missing_mask.ravel()[-1:] = True
    return np.where(missing_mask, np.array(np.nan, values.dtype), values)


def limits_of(nodes: Iterable[Node], inputs: Mapping[str, Tensor]) -> dict[str, int]:
    """The maximum sizes of the axes of inputs of which an operator takes only so many entries."""
    limits: dict[str, int] = {}
    for size, most in (pair for node in nodes for pair in node.operator.size_limits()):
        for name in names(size):
            if linear := as_linear(size, name):
                limit = (most - linear[1]) // linear[0]
                limits[name] = min(limit, limits.get(name, limit))
    sizes = [size for x in inputs.values() for size in x.shape if names(size)]
    return {str(size): number(evaluate(size, limits)) for size in sizes if names(size) <= limits.keys()}


def within_limits(type: Tensor, rows: np.ndarray, limits: Mapping[str, int]) -> np.ndarray:
    """Rows of an input, with as many entries as operators take."""
    return rows[(slice(None), *(slice(limits.get(str(size))) for size in type.shape))]


def free_sizes(graph: Graph) -> list[dict[str, int]]:
    """Two choices of sizes for the free dimensions for which every value of the graph has a positive size.
    All sizes are different if the limits of the operators allow it."""
    wanted = sorted({n for v in graph.inputs for s in v.type.shape for n in names(s)})
    if not wanted:
        return [{}]
    most = [bound for node in graph.nodes for bound in node.operator.size_limits()]
    tried = 0
    for low, high in CANDIDATES:
        small = within(most, {n: low + i for i, n in enumerate(wanted)})
        large = within(most, {n: high - i for i, n in enumerate(wanted)})
        smaller = {n: size - 1 if size == large[n] > 1 else size for n, size in small.items()}
        tried = max(tried, *large.values())
        if fits(graph, most, small) and fits(graph, most, large):
            return [smaller if fits(graph, most, smaller) else small, large]
        if max(values_of(v.type, large) for v in graph.inputs) > MAX_VALUES:
            break
    sizes = ", ".join(f"`{n}`" for n in wanted)
    message = f"no sizes of {sizes} were found at which the artifact can be compared with the model"
    help = f"with sizes up to {tried} some value has no size yet: give it a number, or take smaller kernels"
    raise CompileError.of(UNPROVED, message, graph.inputs[0].site.span, help=help)


def within(most: Sequence[tuple[Size, int]], free: Mapping[str, int]) -> dict[str, int]:
    """The sizes, reduced one by one until none exceeds the maximum of an operator."""
    free = dict(free)
    for size, bound in most:
        while too_long(size, bound, free) and (lower := [n for n in names(size) if free[n] > 1]):
            free[max(lower, key=lambda n: (free[n], n))] -= 1
    return free


def too_long(size: Size, bound: int, free: Mapping[str, int]) -> bool:
    return names(size) <= set(free) and known_size(size, free) > bound


def values_of(type: Tensor, free: Mapping[str, int]) -> int:
    """The number of values in one sample of an input."""
    return int(np.prod([known_size(s, free) for s in type.shape], dtype=np.float64))


def fits(graph: Graph, most: Sequence[tuple[Size, int]], free: Mapping[str, int]) -> bool:
    sizes = (s for node in graph.nodes for v in node.results for s in v.type.shape)
    return not any(too_long(size, bound, free) for size, bound in most) and all(
        known_size(s, free) >= 1 for s in sizes if names(s) and names(s) <= set(free)
    )
