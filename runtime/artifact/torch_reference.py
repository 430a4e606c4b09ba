"""The reference of the parity check: the torch module, and the slack of each of its outputs for rounding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from dlc.compiler.ir.graph import producer_through_index
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes.loops import decoding_loop, with_stacked
from dlc.runtime.artifact.compare import (
    CHOICES,
    FLOOR,
    PROBABILITY_FLOOR,
    TOLERANCE,
    difference,
    gaps,
    widened,
)
from dlc.runtime.training.batches import as_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.ir.graph import Graph, Node, Value

OPERAND = " operand "  # infix in names of additional outputs: the operands of choices such as argmax
NOISE = 10.0  # factor on the rounding error of torch, for other orders of summation


@dataclass(frozen=True)
class ReferenceOutput:
    """An output of torch: its values, the labels that the artifact returns in their place, and the slack of
    each value for rounding. An answer may be made `stepwise`; `end` is then the value with which rows are
    filled after their end."""

    values: np.ndarray
    names: tuple[str, ...] = ()
    slack: np.ndarray | None = None
    floor: float = FLOOR
    stepwise: bool = False
    end: int | None = None

    def fitted(self, have: np.ndarray) -> tuple[ReferenceOutput, np.ndarray]:
        """This output and one of the artifact, with equally many steps: an answer that is made step by step
        ends with its longest row, and other rows are filled with the end."""
        if not self.stepwise or have.ndim != self.values.ndim:
            return self, have
        if self.end is None:  # all rows have all steps, if there are rows
            return self, have if len(have) else self.spelled
        steps = max(have.shape[1], self.values.shape[1])
        slack = self.slack if self.slack is None else widened(self.slack, steps)
        end = self.names[self.end] if self.names else self.end
        return replace(self, values=widened(self.values, steps, self.end), slack=slack), widened(
            have, steps, end
        )

    @property
    def spelled(self) -> np.ndarray:
        """The values as the artifact returns them, with labels; that of class -1 is empty."""
        if not self.names:
            return self.values
        return np.array((*self.names, ""), dtype=object)[self.values.astype(np.int64)]

    def differs(self, have: np.ndarray) -> float:
        """The difference of an output of the artifact."""
        self, have = self.fitted(have)  # noqa: PLW0642
        return difference(self.spelled, have, self.slack, self.floor)

    def gaps(self, have: np.ndarray) -> np.ndarray:
        self, have = self.fitted(have)  # noqa: PLW0642
        return gaps(self.spelled, have, self.slack, self.floor)

    def apart(self, have: np.ndarray) -> np.ndarray:
        """The rows in which an output of the artifact exceeds the tolerance, ignoring slack."""
        self, have = self.fitted(have)  # noqa: PLW0642
        places = gaps(self.spelled, have, None, self.floor) > TOLERANCE
        return np.asarray(places.any(axis=tuple(range(1, places.ndim))))

    def decided(self, have: np.ndarray) -> np.ndarray:
        """Mask of the values where only rounding made the artifact choose another value."""
        self, have = self.fitted(have)  # noqa: PLW0642
        if self.slack is None or have.shape != self.values.shape:
            return np.zeros(self.values.shape, bool)
        free = np.isinf(self.slack) | (self.values.dtype.kind in CHOICES)
        return free & (gaps(self.spelled, have, None, self.floor) > TOLERANCE)

    def with_noise(self, exact: ReferenceOutput) -> ReferenceOutput:
        """The output with slack for the difference between float32 and float64; infinite slack where this
        difference exceeds the tolerance."""
        self, values = self.fitted(exact.values)  # noqa: PLW0642
        exact = replace(exact, values=values)
        slack = np.zeros(self.values.shape) if self.slack is None else self.slack
        off = gaps(exact.values, self.values, None, self.floor)
        if self.values.dtype.kind not in CHOICES:
            with np.errstate(invalid="ignore"):
                noise = np.abs(self.values.astype(np.float64) - exact.values)
            slack = slack + NOISE * noise[np.isfinite(noise)].max(initial=0)
        return replace(self, slack=self.lasting(np.where(off <= TOLERANCE, slack, np.inf)))

    def lasting(self, slack: np.ndarray) -> np.ndarray:
        """The slack of an answer that is made step by step: a step reads those before it."""
        return slack if not self.stepwise else np.maximum.accumulate(slack, axis=1)

    def without(self, rows: np.ndarray) -> ReferenceOutput:
        """The output with infinite slack in these rows."""
        slack = np.zeros(self.values.shape) if self.slack is None else self.slack.copy()
        slack[rows] = np.inf
        return replace(self, slack=slack)


class Reference:
    """A graph in torch: from raw inputs to outputs."""

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray]) -> None:
        self.inputs, self.weights = tuple(v.name for v in graph.inputs), weights
        self.named: dict[str, tuple[str, ...]] = {}
        self.choices: dict[str, Node] = {}
        self.ends: dict[str, int | None] = {}  # of answers that are made step by step
        outputs = dict(graph.outputs)
        producers = graph.producers()
        for name, value in graph.outputs.items():
            node, last = producer_through_index(value, producers), producers.get(value)
            if node is not None and (labels := node.operator.labels()):
                texts = tuple(label for label in labels if isinstance(label, str))
                filled = texts and last is not None and last.operator.fills_padding
                self.named[name] = (*texts, "") if filled else texts  # class -1 in padding
                node = producers.get(node.operands[0])
            if decoded := decoding_loop(value, producers):
                loop, choice = decoded
                graph, operands = with_stacked(graph, loop, choice.operands)
                self.choices[name], self.ends[name] = choice, choice.operator.values()["end"]
                outputs |= {f"{name}{OPERAND}{i}": operand for i, operand in enumerate(operands)}
            elif node is not None and node.operator.tolerance(np) is not None:
                self.choices[name] = node
                outputs |= {f"{name}{OPERAND}{i}": operand for i, operand in enumerate(node.operands)}
        self.floors = {n: PROBABILITY_FLOOR for n, v in graph.outputs.items() if is_probability(v, producers)}
        self.outputs = tuple(graph.outputs)
        self.model = Model(replace(graph, outputs=outputs), graph.weights, weights)

    def __call__(self, raw: Mapping[str, np.ndarray], *, exact: bool = False) -> dict[str, ReferenceOutput]:
        """The outputs of torch; `exact` computes everything in float64."""
        given = {name: to_torch(raw[name]) for name in self.inputs if name in raw}
        with torch.no_grad():
            made = self.model.exactly(given) if exact else self.model(given)
        arrays = {n: array_of(tensor) for n, tensor in made.items()}
        return {n: self.answer(n, arrays) for n in self.outputs}

    def answer(self, name: str, arrays: Mapping[str, np.ndarray]) -> ReferenceOutput:
        names, floor = self.named.get(name, ()), self.floors.get(name, FLOOR)
        answer = ReferenceOutput(arrays[name], names, None, floor, name in self.ends, self.ends.get(name))
        slack = self.slack(name, arrays)
        return answer if slack is None else replace(answer, slack=answer.lasting(slack))

    def slack(self, name: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
        if name not in self.choices:
            return None
        node = self.choices[name]
        slack = node.operator.tolerance(np)
        assert slack is not None
        operands = [arrays[f"{name}{OPERAND}{i}"] for i in range(len(node.operands))]
        weights = {leaf: self.weights[value.name] for leaf, value in node.weights.items()}
        return slack(*operands, **weights).reshape(arrays[name].shape)


def is_probability(value: Value, producers: Mapping[Value, Node]) -> bool:
    node = producer_through_index(value, producers)
    return node is not None and bool(node.operator.matches)


def array_of(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def to_torch(raw: np.ndarray) -> torch.Tensor | np.ndarray:
    """A raw input as the torch module takes it; text is unchanged."""
    if raw.dtype.kind in "OUS":
        return raw
    if raw.dtype.name == "bfloat16":
        return torch.from_numpy(raw.astype(np.float32)).to(torch.bfloat16)
    return as_tensor(raw)
