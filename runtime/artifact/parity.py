"""The parity check: compare the outputs of the artifact with those of the torch module."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.artifact.compare import TOLERANCE
from dlc.runtime.artifact.divergence import TIE, Batch, Excuse, Excuses, Stages
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.artifact.torch_reference import Reference, ReferenceOutput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.program import CompiledProgram

DIVERGED = "E0811"
HELP = "the artifact was not written; please report the spec as an error in dlc"


@dataclass(frozen=True)
class Comparison:
    """The outputs of torch for a batch with their slack, the largest difference of the artifact, and the
    number of rows that the comparison left out, by excuse."""

    answers: dict[str, ReferenceOutput]
    worst: float
    excused: Mapping[Excuse, int]


class Parity:
    """The parity check of an artifact with the torch module of the same graph."""

    def __init__(
        self,
        program: CompiledProgram,
        graph: Graph,
        weights: Mapping[str, np.ndarray],
        artifact: bytes | Path,
    ) -> None:
        self.graph, self.artifact = graph, artifact
        self.stages = Stages(program, graph, weights)
        self.reference = Reference(graph, weights)
        producers = graph.producers()
        self.defaults = {v.name: np.array(v.default) for v in graph.inputs if v.default is not None}
        self.choosing = {name: producers.get(value) for name, value in graph.outputs.items()}
        self._session: Any = None

    def check(self, what: str, raw: Batch) -> Comparison:
        """Run both on a batch and compare. An error names the first line of the spec where they diverge.
        Rounding and NaN are not errors."""
        found = self.run(what, raw)
        answers = self.reference(raw)
        wrong = differing(answers, found)
        if not wrong:
            return self.comparison(answers, found, answers, [None] * rows_of(raw))
        node, excuses = self.stages.first_fault(self.completed(raw))
        exact = self.reference(raw, exact=True)
        excused = np.array([excuse is not None for excuse in excuses], bool)
        allowed = {n: a.with_noise(exact[n]).without(excused) for n, a in answers.items()}
        wrong = wrong if node else differing(allowed, found)
        if wrong:
            apart = answers[wrong[0]].differs(found[wrong[0]])
            raise CompileError([diverged(self.graph, wrong[0], what, apart, node)])
        return self.comparison(allowed, found, answers, excuses)

    def comparison(self, allowed: dict[str, ReferenceOutput], found: Batch,
                   answers: dict[str, ReferenceOutput], excuses: Excuses) -> Comparison:  # fmt: skip
        """The comparison, counting every row in which an output differs from torch."""
        worst = max((a.differs(found[n]) for n, a in allowed.items()), default=0.0)
        excused: dict[int, Excuse] = {}
        for name, answer in answers.items():
            node = self.choosing[name]
            apart = answer.apart(found[name])
            batched = self.graph.outputs[name].type.batched
            for row in np.flatnonzero(apart if batched else np.full(len(excuses), apart.any())):
                excuse = excuses[row] or (Excuse(node, TIE) if node else None)
                if excuse is not None:
                    excused.setdefault(int(row), excuse)
        return Comparison(allowed, worst, Counter(excused.values()))

    def run(self, what: str, raw: Batch) -> Batch:
        on = ""
        try:
            self._session = self._session or open_session(self.artifact)
            on = f" on {what}"
            return {n: np.asarray(array) for n, array in run(self._session, raw).items()}
        except Exception as error:
            raise CompileError(
                [refused(on, self.stages.first_refused(self.completed(raw)), error)]
            ) from error

    def completed(self, raw: Batch) -> Batch:
        """The inputs, with the defaults of those that are not given."""
        return raw | {name: value for name, value in self.defaults.items() if name not in raw}


def differing(answers: dict[str, ReferenceOutput], found: Batch) -> list[str]:
    return [name for name, answer in answers.items() if not answer.differs(found[name]) <= TOLERANCE]


def rows_of(raw: Batch) -> int:
    return len(next(iter(raw.values())))


def refused(on: str, node: Node | None, error: Exception) -> Diagnostic:
    """The error for a model that ONNX Runtime refuses, at the first node that it cannot run."""
    why = str(error).splitlines()[0]
    message = f"ONNX Runtime cannot run the exported model{on}: {why}"
    return at_fault(node, message) if node else Diagnostic(DIVERGED, message, (), (), HELP)


def diverged(graph: Graph, output: str, what: str, apart: float, node: Node | None) -> Diagnostic:
    """The error for a difference above the tolerance, at the first line of the spec where they diverge."""
    size = "another answer" if apart == float("inf") else f"a relative difference of {apart:.1e}"
    message = f"torch and ONNX Runtime differ in `{output}`: {size} on {what}, and {TOLERANCE:.0e} is allowed"
    if node is None:  # every node is correct by itself: the error is in a combination of nodes
        return Diagnostic(DIVERGED, message, (Label(graph.outputs[output].site.span),), help=HELP)
    return at_fault(node, message)


def at_fault(node: Node, message: str) -> Diagnostic:
    return Diagnostic.at(node.site, DIVERGED, message, HELP, text=f"first here, in `{node.name}`")
