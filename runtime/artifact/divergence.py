"""Where torch and ONNX Runtime part, stage by stage, when an artifact does not answer as it should."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.ir.graph import GraphInput
from dlc.compiler.passes.folding import fold
from dlc.compiler.passes.graph_rewrite import prune
from dlc.runtime.artifact.compare import TOLERANCE
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.artifact.torch_reference import NOISE, Reference, ReferenceOutput
from dlc.runtime.artifact.write import onnx_model, save

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.ir.graph import Graph, Node, Value
    from dlc.compiler.program import CompiledProgram

Batch = dict[str, np.ndarray]
# Why two engines may differ from a stage on, without a fault.
NOT_FINITE = "takes NaN or infinity, of which each engine makes its own"
TIE = "decides between values that are equal but for rounding"
ROUNDING = NOISE * 2.0**-23  # how far it moves values beside the noise of torch, relative to the largest


@dataclass(frozen=True)
class Excuse:
    """A stage from which on a row may differ without a fault, and why."""

    node: Node
    why: str

    def __str__(self) -> str:
        """`max` (model.dl:3:10) takes NaN ..."""
        return f"`{self.node.name}` ({self.node.site.place}) {self.why}"


Excuses = list["Excuse | None"]  # one for each row


@dataclass(frozen=True)
class Stages:
    """The stages of an inference graph, with the weights of an artifact."""

    program: CompiledProgram
    graph: Graph
    weights: Mapping[str, np.ndarray]

    def first_refused(self, raw: Batch) -> Node | None:
        """The first stage that ONNX Runtime does not run."""
        return next((node for node in self.graph.nodes if not self.runs(node, raw)), None)

    def runs(self, node: Node, raw: Batch) -> bool:
        outputs = {f"result_{i}": v for i, v in enumerate(node.results)}
        graph = prune(self.graph, outputs)
        try:
            self.run(graph, {v.name: raw[v.name] for v in graph.inputs}, folded=False)
        except Exception:  # noqa: BLE001  ONNX Runtime's errors have no base of their own
            return False
        return True

    def run(self, graph: Graph, raw: Batch, *, folded: bool) -> Batch:
        """What ONNX Runtime makes of the outputs, without optimizations of its own."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stages.onnx"
            save(onnx_model(self.program, graph, self.weights, {}, folded=folded), path)
            return run(open_session(path, plain=True), raw)

    def first_fault(self, raw: Batch) -> tuple[Node | None, Excuses]:
        """The first stage at fault, each by itself or else with normalization folded; and for each row in
        which the two part without fault from which stage on."""
        excuses: Excuses = [None] * len(next(iter(raw.values())))
        for kept, folded in ((self.graph, False), (fold(self.graph, self.weights)[0], True)):
            node, found = self.walk(kept, raw, folded=folded)
            excuses = [old or new for old, new in zip(excuses, found, strict=True)]
            if node is not None:
                return node, excuses
        return None, excuses

    def walk(self, kept: Graph, raw: Batch, *, folded: bool) -> tuple[Node | None, Excuses]:
        walk = Walk(self.graph, kept, self.weights)
        return walk.first_fault(walk.wanted(raw), self.run(walk.shown, raw, folded=folded))


class Walk:
    """All numbers that a graph makes in torch, against which those of an engine are held stage by stage.

    `kept` is the graph itself, or what folding left of it; `shown` has all numbers of that as outputs.
    """

    def __init__(self, graph: Graph, kept: Graph, weights: Mapping[str, np.ndarray]) -> None:
        self.nodes = kept.nodes
        self.names = {value: f"result_{i}" for i, value in enumerate(numbers_of(kept))}
        self.shown = replace(graph, outputs={name: value for value, name in self.names.items()})
        self.weights, self.unfolded = weights, set(graph.nodes)
        self.reference = Reference(self.shown, weights)
        self.stored = {w.value: weights[w.name] for w in graph.weights}

    def wanted(self, raw: Batch) -> dict[Value, ReferenceOutput | np.ndarray]:
        """What torch makes of a batch, with slack for the noise of float32; inputs and weights as given."""
        answers, exact = self.reference(raw), self.reference(raw, exact=True)
        known = {v: raw[v.name] for v in self.shown.inputs} | self.stored
        return known | {v: answers[n].with_noise(exact[n]) for v, n in self.names.items()}

    def first_fault(
        self, wanted: Mapping[Value, ReferenceOutput | np.ndarray], found: Batch
    ) -> tuple[Node | None, Excuses]:
        """The first stage at fault, and for each row in which the two part without fault before it since
        which stage."""
        count = next(len(values_of(wanted[v])) for v in self.shown.inputs)
        excuses: Excuses = [None] * count
        for node in self.nodes:
            unsound = np.array([excuse is not None for excuse in excuses], bool)
            for value in node.operands:
                sound = is_sound(values_of(wanted[value]), node)
                unsound |= of_rows(~sound, count, batched=value.type.batched)
            for value in node.results:
                if value not in self.names:
                    continue
                answer, have = wanted[value], np.asarray(found[self.names[value]])
                assert isinstance(answer, ReferenceOutput)
                if have.shape != answer.values.shape:
                    return node, excuses
                rows = parting(answer, have, count, batched=value.type.batched)
                wrong = rows & ~unsound
                if wrong.any() and (wrong & ~self.right_by_itself(node, wanted, found, count)).any():
                    return node, excuses
                decided = of_rows(answer.decided(have), count, batched=value.type.batched)
                for row in np.flatnonzero(rows | decided):
                    excuses[row] = excuses[row] or Excuse(node, NOT_FINITE if unsound[row] else TIE)
        return None, excuses

    def right_by_itself(
        self, node: Node, wanted: Mapping[Value, ReferenceOutput | np.ndarray], found: Batch, count: int
    ) -> np.ndarray:
        """The rows in which a stage makes what torch makes of the same numbers, which are torch's but for
        rounding: that decided a choice, or grew."""
        known = {*self.shown.inputs, *self.stored}
        flowed = {v: f"operand {i}" for i, v in enumerate(node.operands) if v not in known}
        right = np.full(count, node in self.unfolded and bool(flowed) and self.names.keys() >= flowed.keys())
        if not right.any():
            return right
        given = {v.name: values_of(wanted[v]) for v in self.shown.inputs}
        for value, name in flowed.items():
            answer, given[name] = wanted[value], np.asarray(found[self.names[value]])
            assert isinstance(answer, ReferenceOutput)
            right &= ~of_rows(answer.gaps(given[name]) > ROUNDING, count, batched=value.type.batched)
        graph = alone(node, self.shown, flowed)
        made = Walk(graph, graph, self.weights).wanted(given)
        for value in node.results:
            answer, have = made[value], np.asarray(found[self.names[value]])
            assert isinstance(answer, ReferenceOutput)
            right &= ~parting(answer, have, count, batched=value.type.batched)
        return right


def alone(node: Node, graph: Graph, flowed: Mapping[Value, str]) -> Graph:
    """A stage of a graph, with what flows into it as inputs of these names."""
    inputs = {v: GraphInput(name, v.type, v.site, "input", name) for v, name in flowed.items()}
    operands = tuple(inputs.get(value, value) for value in node.operands)
    return replace(
        graph, inputs=(*graph.inputs, *inputs.values()), nodes=(replace(node, operands=operands),), outputs={}
    )


def values_of(seen: ReferenceOutput | np.ndarray) -> np.ndarray:
    return seen.values if isinstance(seen, ReferenceOutput) else seen


def numbers_of(graph: Graph) -> list[Value]:
    return [v for node in graph.nodes for v in node.results if v.type.element != "string"]


def parting(answer: ReferenceOutput, have: np.ndarray, count: int, *, batched: bool) -> np.ndarray:
    """The rows in which what ONNX Runtime gives, in the same shape, is too far from an answer."""
    return of_rows(answer.gaps(have) > TOLERANCE, count, batched=batched)


def is_sound(values: np.ndarray, node: Node) -> np.ndarray:
    """Where a stage has one right answer: for finite numbers, and for NaN unless engines differ."""
    if values.dtype.kind in "OUSTiub":
        return np.ones(values.shape, bool)
    return np.isfinite(values) if node.operator.differs_on_nan else ~np.isinf(values)


def of_rows(places: np.ndarray, count: int, *, batched: bool) -> np.ndarray:
    """The rows with any of these places; all rows for a value that all of them share."""
    found = places.any(axis=tuple(range(1, places.ndim))) if batched else places.any()
    return found & np.ones(count, bool)
