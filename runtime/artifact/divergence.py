"""Find the first node where torch and ONNX Runtime diverge, for an artifact that fails the parity check."""

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
# Reasons why two engines may differ from a node on, without an error.
NOT_FINITE = "reads NaN or infinity, which engines treat differently"
TIE = "chooses between values that differ only by rounding"
ROUNDING = NOISE * 2.0**-23  # rounding in addition to the noise of torch, relative to the largest value


@dataclass(frozen=True)
class Excuse:
    """A node from which on a row may differ without an error, and the reason."""

    node: Node
    why: str

    def __str__(self) -> str:
        """`max` (model.dl:3:10) reads NaN ..."""
        return f"`{self.node.name}` ({self.node.site.place}) {self.why}"


Excuses = list["Excuse | None"]  # one for each row


@dataclass(frozen=True)
class Stages:
    """The nodes of an inference graph, with the weights of an artifact."""

    program: CompiledProgram
    graph: Graph
    weights: Mapping[str, np.ndarray]

    def first_refused(self, raw: Batch) -> Node | None:
        """The first node that ONNX Runtime cannot run."""
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
        """The outputs of ONNX Runtime, without graph optimizations."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stages.onnx"
            save(onnx_model(self.program, graph, self.weights, {}, folded=folded), path)
            return run(open_session(path, plain=True), raw)

    def first_fault(self, raw: Batch) -> tuple[Node | None, Excuses]:
        """The first wrong node, without and then with folded normalization; and for each row that may differ,
        its excuse."""
        excuses: Excuses = [None] * len(next(iter(raw.values())))
        for kept, folded in ((self.graph, False), (fold(self.graph, self.weights)[0], True)):
            node, found = self.walk(kept, raw, folded=folded)
            excuses = [old or new for old, new in zip(excuses, found, strict=True)]
            if node is not None:
                return node, excuses
        return None, excuses

    def walk(self, kept: Graph, raw: Batch, *, folded: bool) -> tuple[Node | None, Excuses]:
        walk = NodeComparison(self.graph, kept, self.weights)
        return walk.first_fault(walk.wanted(raw), self.run(walk.shown, raw, folded=folded))


class NodeComparison:
    """Compares all numeric values of a graph in torch with those of an engine, node by node.

    `kept` is the graph, or its nodes after folding; `shown` has all values of these nodes as outputs.
    """

    def __init__(self, graph: Graph, kept: Graph, weights: Mapping[str, np.ndarray]) -> None:
        self.nodes = kept.nodes
        self.names = {value: f"result_{i}" for i, value in enumerate(numeric_values(kept))}
        self.shown = replace(graph, outputs={name: value for value, name in self.names.items()})
        self.weights, self.unfolded = weights, set(graph.nodes)
        self.reference = Reference(self.shown, weights)
        self.stored = {w.value: weights[w.name] for w in graph.weights}

    def wanted(self, raw: Batch) -> dict[Value, ReferenceOutput | np.ndarray]:
        """All values in torch for a batch, with slack for the noise of float32; inputs and weights
        unchanged."""
        answers, exact = self.reference(raw), self.reference(raw, exact=True)
        known = {v: raw[v.name] for v in self.shown.inputs} | self.stored
        return known | {v: answers[n].with_noise(exact[n]) for v, n in self.names.items()}

    def first_fault(
        self, wanted: Mapping[Value, ReferenceOutput | np.ndarray], found: Batch
    ) -> tuple[Node | None, Excuses]:
        """The first wrong node, and for each row that may differ before it, its excuse."""
        count = next(len(values_of(wanted[v])) for v in self.shown.inputs)
        excuses: Excuses = [None] * count
        for node in self.nodes:
            unsound = np.array([excuse is not None for excuse in excuses], bool)
            for value in (v for v in node.operands if v in wanted):  # text is not
                sound = is_sound(values_of(wanted[value]), node)
                unsound |= of_rows(~sound, count, batched=value.type.batched)
            for value in node.results:
                if value not in self.names:
                    continue
                answer, have = wanted[value], np.asarray(found[self.names[value]])
                assert isinstance(answer, ReferenceOutput)
                answer, have = answer.fitted(have)
                if have.shape != answer.values.shape:
                    return node, excuses
                rows = diverging(answer, have, count, batched=value.type.batched)
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
        """The rows in which a node is correct for its own operands, which differ from those of torch only by
        rounding: its choice was decided by rounding, or it amplified the rounding error."""
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
        made = NodeComparison(graph, graph, self.weights).wanted(given)
        for value in node.results:
            answer, have = made[value], np.asarray(found[self.names[value]])
            assert isinstance(answer, ReferenceOutput)
            right &= ~diverging(answer, have, count, batched=value.type.batched)
        return right


def alone(node: Node, graph: Graph, flowed: Mapping[Value, str]) -> Graph:
    """A graph of a single node, with its operands as inputs of these names."""
    inputs = {v: GraphInput(name, v.type, v.site, "input", name) for v, name in flowed.items()}
    operands = tuple(inputs.get(value, value) for value in node.operands)
    return replace(
        graph, inputs=(*graph.inputs, *inputs.values()), nodes=(replace(node, operands=operands),), outputs={}
    )


def values_of(seen: ReferenceOutput | np.ndarray) -> np.ndarray:
    return seen.values if isinstance(seen, ReferenceOutput) else seen


def numeric_values(graph: Graph) -> list[Value]:
    read = {v for node in graph.nodes for v in node.reads}.union(graph.outputs.values())
    made = (v for node in graph.nodes for v in node.results if v in read or not node.graphs)
    return [v for v in made if v.type.element != "string"]


def diverging(answer: ReferenceOutput, have: np.ndarray, count: int, *, batched: bool) -> np.ndarray:
    """The rows in which a value of ONNX Runtime, of the same shape, exceeds the tolerance."""
    return of_rows(answer.gaps(have) > TOLERANCE, count, batched=batched)


def is_sound(values: np.ndarray, node: Node) -> np.ndarray:
    """Mask of operands for which a node is well-defined: finite values, and NaN unless engines differ on
    it."""
    if values.dtype.kind in "OUSTiub":
        return np.ones(values.shape, bool)
    return np.isfinite(values) if node.operator.differs_on_nan else ~np.isinf(values)


def of_rows(places: np.ndarray, count: int, *, batched: bool) -> np.ndarray:
    """The rows with any true entry; for an unbatched value all rows or none."""
    found = places.any(axis=tuple(range(1, places.ndim))) if batched else places.any()
    return found & np.ones(count, bool)
