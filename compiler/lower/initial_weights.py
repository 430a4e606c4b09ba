"""Initial values of weights."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import class_counts, number
from dlc.compiler.operators.operands import DTYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.ir.graph import Graph, Weight


HELP_WAITING = (
    "train the spec, or give trained weights: `--weights`; in Python, `program.fit(data)` fits them"
)
HELP_CLASSES = (  # files of weights do not have the names of classes
    "train it and export the run: `dlc export runs/NAME/latest`; in Python, `program.fit(data)` reads them"
)


def draw(graph: Graph, seed: int, known: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Initial values by name; known arrays are used as they are, and average nets start as their nets.
    Each weight has its own generator, so that its values do not depend on other weights."""
    made = dict(known or {})
    made |= {w.name: draw_one(w, seed) for w in graph.weights if w.name not in made and not w.follows}
    made = with_average_nets(graph, made)
    return {w.name: made[w.name] for w in graph.weights}


def with_average_nets(graph: Graph, known: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The known arrays, and those of average nets, which start as their nets if those are known."""
    following = [w for w in graph.weights if w.follows in known and w.name not in known]
    return {**known, **{w.name: known[w.follows].astype(dtype(w)) for w in following}}


def draw_one(weight: Weight, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, zlib.crc32(weight.name.encode())])
    shape = tuple(map(number, weight.value.type.shape))
    return np.asarray(weight.initial.draw(np, rng, shape, weight.fans), dtype(weight), order="C")


def dtype(weight: Weight) -> Any:
    """The dtype of a weight: float32, or float64 for weights that are fitted to large numbers. Constants may
    hold integers and booleans."""
    return np.dtype(DTYPES[weight.value.type.element][0]).type


def check_known(graph: Graph, known: Mapping[str, np.ndarray] | None = None) -> None:
    """Reject a graph with class counts or fitted weights that are not known before training."""
    waiting, help = [], HELP_WAITING
    fitted = [w for w in graph.weights if w.role == "fitted"]
    unknown = {w.value for w in fitted if {w.name, w.follows}.isdisjoint(known or ())}
    for node in graph.nodes:
        values = (*node.results, *node.weights.values())
        sizes = [size for v in values for size in v.type.shape]
        sizes += [v.type.classes.count for v in node.operands if v.type.classes]
        counts = sorted(count for size in sizes for count in class_counts(size))
        if counts:
            help = HELP_CLASSES
        if counts or not unknown.isdisjoint(node.weights.values()):
            what = (
                f"the classes of `{counts[0].field}` are"
                if counts
                else f"the fitted weights of `{node.operator.name}` are"
            )
            message = f"`{node.name}` needs the training rows: {what} not known yet"
            waiting.append(Diagnostic("E0801", message, (Label(node.site.span),)))
    if waiting:
        raise CompileError([replace(waiting[0], help=help), *waiting[1:]])
