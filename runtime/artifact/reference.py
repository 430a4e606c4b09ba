"""What the artifact is held against: the torch module, and how far rounding may move each of its answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from dlc.compiler.lower.torch import Model
from dlc.compiler.operators.answers import BinaryName, ClassName
from dlc.compiler.operators.indexing import Slice
from dlc.runtime.artifact.compare import FLOOR, PROBABILITY_FLOOR, difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.ir import Graph, Node, Value

BEHIND = " behind"  # what flows into the choice of an answer, as an output of its own


@dataclass(frozen=True)
class Answer:
    """Values as torch has them, the names that the artifact gives in their place,
    and their slack if they are choices."""

    values: np.ndarray
    names: tuple[str, ...] = ()
    slack: np.ndarray | None = None
    floor: float = FLOOR

    def differs(self, have: np.ndarray) -> float:
        """How far what the artifact gives is from it."""
        return difference(self.spelled, have, self.slack, self.floor)

    @property
    def spelled(self) -> np.ndarray:
        """As the artifact answers."""
        if not self.names:
            return self.values
        return np.array(self.names, dtype=object)[self.values.astype(np.int64)]


class Reference:
    """A graph in torch: from raw inputs to answers."""

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray]) -> None:
        self.inputs = tuple(v.name for v in graph.inputs)
        self.named: dict[str, tuple[str, ...]] = {}
        self.choices: dict[str, Node] = {}
        outputs = dict(graph.outputs)
        producers = graph.producers()
        for name, value in graph.outputs.items():
            node = maker(value, producers)
            if node is not None and isinstance(node.operator, ClassName | BinaryName):
                self.named[name] = node.operator.names
                node = producers.get(node.operands[0])
            if node is not None and node.operator.slack(np) is not None:
                self.choices[name] = node
                outputs[name + BEHIND] = node.operands[0]
        self.floors = {n: PROBABILITY_FLOOR for n, v in graph.outputs.items() if is_probability(v, producers)}
        self.outputs = tuple(graph.outputs)
        self.model = Model(replace(graph, outputs=outputs), graph.weights, weights)

    def __call__(self, raw: Mapping[str, np.ndarray]) -> dict[str, Answer]:
        with torch.no_grad():
            made = self.model({name: to_torch(raw[name]) for name in self.inputs})
        arrays = {n: array_of(tensor) for n, tensor in made.items()}
        return {n: self.answer(n, arrays) for n in self.outputs}

    def answer(self, name: str, arrays: Mapping[str, np.ndarray]) -> Answer:
        names, floor = self.named.get(name, ()), self.floors.get(name, FLOOR)
        return Answer(arrays[name], names, self.slack(name, arrays), floor)

    def slack(self, name: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
        if name not in self.choices:
            return None
        slack = self.choices[name].operator.slack(np)
        assert slack is not None
        return slack(arrays[name + BEHIND]).reshape(arrays[name].shape)


def maker(value: Value, producers: Mapping[Value, Node]) -> Node | None:
    """The node that made a value, looking behind the index that makes one value of `[1]`."""
    node = producers.get(value)
    if node is not None and isinstance(node.operator, Slice) and node.operands[0].type.shape == (1,):
        return producers.get(node.operands[0])
    return node


def is_probability(value: Value, producers: Mapping[Value, Node]) -> bool:
    node = maker(value, producers)
    return node is not None and bool(node.operator.matches)


def array_of(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def to_torch(raw: np.ndarray) -> torch.Tensor | np.ndarray:
    """A raw input as the module takes it: text as it is."""
    if raw.dtype.kind in "OUS":
        return raw
    if raw.dtype.name == "bfloat16":
        return torch.from_numpy(raw.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(np.ascontiguousarray(raw))
