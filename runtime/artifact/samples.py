"""Random raw inputs of an artifact, the same for the same seed on every machine."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from dlc.compiler.dims import Dim, names, substitute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlc.compiler.dims import Size
    from dlc.compiler.ir import Graph
    from dlc.compiler.types import Tensor

FLOATS = {"float": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float64": np.float64}
CANDIDATES = ((5, 8), (16, 24), (32, 48), (64, 96), (224, 256))


def sample(
    types: Mapping[str, Tensor], batch: int, free: Mapping[str, int], seed: int
) -> dict[str, np.ndarray]:
    """One batch of raw inputs: floats between -2 and 2, all whole numbers, every class."""
    return {
        name: draw(generator(seed, name), type, (batch, *(known(s, free) for s in type.shape)))
        for name, type in types.items()
    }


def known(size: Size, free: Mapping[str, int]) -> int:
    """A size as a number."""
    return int(substitute(size, free))  # type: ignore[arg-type]


def generator(seed: int, name: str) -> np.random.Generator:
    """One for each input, so that their order does not matter."""
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))


def draw(rng: np.random.Generator, type: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    even = rng.random(shape)
    if type.element in FLOATS:
        return (even * 4 - 2).astype(np.float32).astype(FLOATS[type.element])
    if type.element in ("class", "binary") and type.classes is not None and type.classes.names:
        return np.array(type.classes.names, dtype=object)[(even * len(type.classes.names)).astype(np.int64)]
    if type.element == "class":
        return (even * int(type.classes.count)).astype(np.int64)  # type: ignore[union-attr, arg-type]
    if type.element in ("bool", "binary"):
        return even >= 0.5
    limits = np.iinfo(type.element)
    low, high = max(limits.min, -1000), min(limits.max, 1000)
    return (low + even * (high - low + 1)).astype(type.element)


def free_names(graph: Graph) -> list[str]:
    return sorted({n for v in graph.inputs for s in v.type.shape for n in names(s)})


def free_sizes(graph: Graph) -> list[dict[str, int]]:
    """Two choices of sizes for the free dimensions with which every value of the graph has a size."""
    wanted = free_names(graph)
    if not wanted:
        return [{}]
    for small, large in CANDIDATES:
        choices = [{n: size for n in wanted} for size in (small, large)]
        if len(wanted) > 1:
            choices[1] = {n: (small if i % 2 else large) for i, n in enumerate(wanted)}
        if all(fits(graph, c) for c in choices):
            return choices
    return [{n: CANDIDATES[-1][0] for n in wanted}]


def fits(graph: Graph, free: Mapping[str, int]) -> bool:
    shapes: Iterable[tuple[Any, ...]] = (v.type.shape for node in graph.nodes for v in node.results)
    return all(
        known(s, free) >= 1
        for shape in shapes
        for s in shape
        if not isinstance(s, Dim) or names(s) <= set(free)
    )
