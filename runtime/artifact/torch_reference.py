"""What the artifact is held against: the torch module, and how far rounding may move each of its answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from dlc.compiler.ir.graph import behind_index
from dlc.compiler.lower.torch import Model
from dlc.runtime.artifact.compare import CHOICES, FLOOR, PROBABILITY_FLOOR, TOLERANCE, difference, gaps
from dlc.runtime.training.batches import as_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.ir.graph import Graph, Node, Value

BEHIND = " behind "  # what flows into the choice of an answer, as outputs of their own
NOISE = 10.0  # how much more than in torch rounding may add up to in another order


@dataclass(frozen=True)
class ReferenceOutput:
    """Values as torch has them, the names that the artifact gives in their place, and how far each may be
    moved by rounding."""

    values: np.ndarray
    names: tuple[str, ...] = ()
    slack: np.ndarray | None = None
    floor: float = FLOOR

    @property
    def spelled(self) -> np.ndarray:
        """As the artifact answers."""
        if not self.names:
            return self.values
        return np.array(self.names, dtype=object)[self.values.astype(np.int64)]

    def differs(self, have: np.ndarray) -> float:
        """How far what the artifact gives is from it."""
        return difference(self.spelled, have, self.slack, self.floor)

    def gaps(self, have: np.ndarray) -> np.ndarray:
        return gaps(self.spelled, have, self.slack, self.floor)

    def apart(self, have: np.ndarray) -> np.ndarray:
        """The rows in which what the artifact gives is past the tolerance, whatever rounding may do."""
        places = gaps(self.spelled, have, None, self.floor) > TOLERANCE
        return np.asarray(places.any(axis=tuple(range(1, places.ndim))))

    def decided(self, have: np.ndarray) -> np.ndarray:
        """Where rounding decided it otherwise."""
        if self.slack is None or have.shape != self.values.shape:
            return np.zeros(self.values.shape, bool)
        free = np.isinf(self.slack) | (self.values.dtype.kind in CHOICES)
        return free & (gaps(self.spelled, have, None, self.floor) > TOLERANCE)

    def with_noise(self, exact: ReferenceOutput) -> ReferenceOutput:
        """With slack for what float32 itself is away from a computation in float64: any answer will do
        where that is past the tolerance."""
        slack = np.zeros(self.values.shape) if self.slack is None else self.slack
        off = gaps(exact.values, self.values, None, self.floor)
        if self.values.dtype.kind not in CHOICES:
            with np.errstate(invalid="ignore"):
                noise = np.abs(self.values.astype(np.float64) - exact.values)
            slack = slack + NOISE * noise[np.isfinite(noise)].max(initial=0)
        return replace(self, slack=np.where(off <= TOLERANCE, slack, np.inf))

    def without(self, rows: np.ndarray) -> ReferenceOutput:
        """With any answer allowed in these rows."""
        slack = np.zeros(self.values.shape) if self.slack is None else self.slack.copy()
        slack[rows] = np.inf
        return replace(self, slack=slack)


class Reference:
    """A graph in torch: from raw inputs to answers."""

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray]) -> None:
        self.inputs, self.weights = tuple(v.name for v in graph.inputs), weights
        self.named: dict[str, tuple[str, ...]] = {}
        self.choices: dict[str, Node] = {}
        outputs = dict(graph.outputs)
        producers = graph.producers()
        for name, value in graph.outputs.items():
            node = behind_index(value, producers)
            if node is not None and (labels := node.operator.labels()):
                self.named[name] = tuple(label for label in labels if isinstance(label, str))
                node = producers.get(node.operands[0])
            if node is not None and node.operator.tolerance(np) is not None:
                self.choices[name] = node
                outputs |= {f"{name}{BEHIND}{i}": operand for i, operand in enumerate(node.operands)}
        self.floors = {n: PROBABILITY_FLOOR for n, v in graph.outputs.items() if is_probability(v, producers)}
        self.outputs = tuple(graph.outputs)
        self.model = Model(replace(graph, outputs=outputs), graph.weights, weights)

    def __call__(self, raw: Mapping[str, np.ndarray], *, exact: bool = False) -> dict[str, ReferenceOutput]:
        """Torch's answers; `exact` ones are computed in float64 throughout."""
        given = {name: to_torch(raw[name]) for name in self.inputs}
        with torch.no_grad():
            made = self.model.exactly(given) if exact else self.model(given)
        arrays = {n: array_of(tensor) for n, tensor in made.items()}
        return {n: self.answer(n, arrays) for n in self.outputs}

    def answer(self, name: str, arrays: Mapping[str, np.ndarray]) -> ReferenceOutput:
        names, floor = self.named.get(name, ()), self.floors.get(name, FLOOR)
        return ReferenceOutput(arrays[name], names, self.slack(name, arrays), floor)

    def slack(self, name: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
        if name not in self.choices:
            return None
        node = self.choices[name]
        slack = node.operator.tolerance(np)
        assert slack is not None
        operands = [arrays[f"{name}{BEHIND}{i}"] for i in range(len(node.operands))]
        weights = {leaf: self.weights[value.name] for leaf, value in node.weights.items()}
        return slack(*operands, **weights).reshape(arrays[name].shape)


def is_probability(value: Value, producers: Mapping[Value, Node]) -> bool:
    node = behind_index(value, producers)
    return node is not None and bool(node.operator.matches)


def array_of(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def to_torch(raw: np.ndarray) -> torch.Tensor | np.ndarray:
    """A raw input as the module takes it: text as it is."""
    if raw.dtype.kind in "OUS":
        return raw
    if raw.dtype.name == "bfloat16":
        return torch.from_numpy(raw.astype(np.float32)).to(torch.bfloat16)
    return as_tensor(raw)
