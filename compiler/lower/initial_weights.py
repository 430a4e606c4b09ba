"""The numbers that weights begin with."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import class_counts, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.ir.graph import Graph, Weight


HELP_WAITING = (
    "train the spec, or give trained weights: `--weights`; in Python, `program.fit(data)` learns it"
)
HELP_CLASSES = (  # no weights hold the names of classes
    "train it and export the run: `dlc export runs/NAME/latest`; in Python, `program.fit(data)` learns it"
)


def draw(graph: Graph, seed: int, known: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Initial values by name, but for those that are known.
    Each weight has a generator of its own, so one does not depend on the others."""
    known = known or {}
    return {w.name: known[w.name] if w.name in known else draw_one(w, seed) for w in graph.weights}


def draw_one(weight: Weight, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, zlib.crc32(weight.name.encode())])
    shape = tuple(map(number, weight.value.type.shape))
    return np.asarray(weight.initial.draw(np, rng, shape, weight.fans), dtype(weight), order="C")


def dtype(weight: Weight) -> Any:
    """The dtype in which a weight is held: float32, or float64 for what is learnt from large numbers."""
    return np.float64 if weight.value.type.element == "float64" else np.float32


def check_known(graph: Graph, known: Mapping[str, np.ndarray] | None = None) -> None:
    """Refuse a graph that waits for the training rows: class counts, and what operators learn."""
    waiting, help = [], HELP_WAITING
    unknown = {w.value for w in graph.weights if w.role == "learnt" and w.name not in (known or {})}
    for node in graph.nodes:
        values = (*node.results, *node.weights.values())
        counts = sorted(count for v in values for size in v.type.shape for count in class_counts(size))
        if counts:
            help = HELP_CLASSES
        if counts or not unknown.isdisjoint(node.weights.values()):
            what = (
                f"the classes of `{counts[0].field}` are"
                if counts
                else f"what `{node.operator.name}` learns is"
            )
            message = f"`{node.name}` waits for the training rows: {what} not known yet"
            waiting.append(Diagnostic("E0801", message, (Label(node.site.span),)))
    if waiting:
        raise CompileError([replace(waiting[0], help=help), *waiting[1:]])
