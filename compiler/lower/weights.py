"""The numbers that weights begin with."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics import CompileError, Diagnostic, Label
from dlc.compiler.dims import names, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.ir import Graph, Weight
    from dlc.compiler.source import Span


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


def arrays(graph: Graph, given: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Weights given as arrays or as tensors, wherever they are, in the dtypes of the graph."""
    dtypes = {w.name: dtype(w) for w in graph.weights}
    return {name: array(weight, dtypes.get(name, np.float32)) for name, weight in given.items()}


def array(weight: Any, dtype: Any) -> np.ndarray:
    if hasattr(weight, "detach"):
        weight = weight.detach().cpu().double().numpy()
    return np.asarray(weight, dtype, order="C")


def check_known(graph: Graph, known: Mapping[str, np.ndarray] | None = None) -> None:
    """Refuse a graph that waits for the training rows: class counts, and what operators learn."""
    waiting = []
    for node in graph.nodes:
        counts = sorted(
            {
                n
                for v in (*node.results, *node.weights.values())
                for s in v.type.shape
                for n in names(s)
                if n.endswith(".classes")
            }
        )
        learnt = [
            w.name
            for w in graph.weights
            if w.role == "learnt" and w.value in node.weights.values() and w.name not in (known or {})
        ]
        if counts or learnt:
            what = (
                f"the classes of `{counts[0].removesuffix('.classes')}` are"
                if counts
                else f"what `{node.operator.name}` learns is"
            )
            waiting.append(Diagnostic("E0801",
                                      f"`{node.name}` waits for the training rows: {what} not known yet",
                                      (Label(node.site.span),),
                                      help="train the spec, or give weights: "
                                           "`program.fit(data)`"))  # fmt: skip
    if waiting:
        raise CompileError(waiting)


def check_given(graph: Graph, given: Mapping[str, np.ndarray]) -> None:
    """Refuse weights that are not those of the graph."""
    wanted = {w.name: w.value.type.shape for w in graph.weights}
    problems = differences(wanted, {name: tuple(array.shape) for name, array in given.items()})
    if problems:
        raise of_another("these are not the weights of this spec", problems)


def differences(
    wanted: Mapping[str, tuple], given: Mapping[str, tuple], whose: str = "the spec"
) -> list[str]:
    """In what weights, by their shapes, are not those that are wanted."""
    return [
        *(f"`{n}` is missing" for n in wanted if n not in given),
        *(f"`{n}` is no weight of {whose}" for n in given if n not in wanted),
        *(
            f"`{n}` has the shape {list(given[n])} instead of {list(s)}"
            for n, s in wanted.items()
            if n in given and given[n] != s
        ),
    ]


def of_another(what: str, problems: list[str], span: Span | None = None, help: str = "") -> CompileError:
    more = f", and {len(problems) - 5} more" if len(problems) > 5 else ""
    help = help or "`dlc show --weights` lists the names and shapes that the spec has"
    return CompileError.of("E0803", f"{what}: {'; '.join(problems[:5])}{more}", span, help=help)
