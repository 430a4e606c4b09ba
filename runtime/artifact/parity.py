"""The proof that the artifact answers as the torch module does."""

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

PARTED = "E0811"
HELP = "the artifact was not written; please report the spec as an error in dlc"


@dataclass(frozen=True)
class Comparison:
    """What torch answers on a batch, with the slack that the artifact has, the worst difference, and how many
    rows are out of the comparison, by their excuse."""

    answers: dict[str, ReferenceOutput]
    worst: float
    excused: Mapping[Excuse, int]


class Parity:
    """An artifact, held against the torch module of the same graph."""

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
        self.choosing = {name: producers.get(value) for name, value in graph.outputs.items()}
        self._session: Any = None

    def hold(self, what: str, raw: Batch) -> Comparison:
        """Run both on a batch. An error names the first line of the spec where the two part; rounding and
        numbers that are none are no fault."""
        found = self.run(what, raw)
        answers = self.reference(raw)
        wrong = differing(answers, found)
        if not wrong:
            return self.held(answers, found, answers, [None] * rows_of(raw))
        node, excuses = self.stages.first_fault(raw)
        exact = self.reference(raw, exact=True)
        excused = np.array([excuse is not None for excuse in excuses], bool)
        allowed = {n: a.with_noise(exact[n]).without(excused) for n, a in answers.items()}
        wrong = wrong if node else differing(allowed, found)
        if wrong:
            apart = answers[wrong[0]].differs(found[wrong[0]])
            raise CompileError([parted(self.graph, wrong[0], what, apart, node)])
        return self.held(allowed, found, answers, excuses)

    def held(self, allowed: dict[str, ReferenceOutput], found: Batch, answers: dict[str, ReferenceOutput],
             excuses: Excuses) -> Comparison:  # fmt: skip
        """The comparison, with every row counted in which an answer is another than torch's."""
        worst = max((a.differs(found[n]) for n, a in allowed.items()), default=0.0)
        told: dict[int, Excuse] = {}
        for name, answer in answers.items():
            node = self.choosing[name]
            apart = answer.apart(found[name])
            batched = self.graph.outputs[name].type.batched
            for row in np.flatnonzero(apart if batched else np.full(len(excuses), apart.any())):
                excuse = excuses[row] or (Excuse(node, TIE) if node else None)
                if excuse is not None:
                    told.setdefault(int(row), excuse)
        return Comparison(allowed, worst, Counter(told.values()))

    def run(self, what: str, raw: Batch) -> Batch:
        on = ""
        try:
            self._session = self._session or open_session(self.artifact)
            on = f" on {what}"
            return {n: np.asarray(array) for n, array in run(self._session, raw).items()}
        except Exception as error:
            raise CompileError([refused(on, self.stages.first_refused(raw), error)]) from error


def differing(answers: dict[str, ReferenceOutput], found: Batch) -> list[str]:
    return [name for name, answer in answers.items() if not answer.differs(found[name]) <= TOLERANCE]


def rows_of(raw: Batch) -> int:
    return len(next(iter(raw.values())))


def refused(on: str, node: Node | None, error: Exception) -> Diagnostic:
    """The error for a model that ONNX Runtime does not take, at the first stage that is at fault."""
    why = str(error).splitlines()[0]
    message = f"ONNX Runtime does not take what was made of the spec{on}: {why}"
    return at_fault(node, message) if node else Diagnostic(PARTED, message, (), (), HELP)


def parted(graph: Graph, output: str, what: str, apart: float, node: Node | None) -> Diagnostic:
    """The error for a difference past the tolerance, at the first line of the spec where the two part."""
    size = "another answer" if apart == float("inf") else f"a relative difference of {apart:.1e}"
    message = f"torch and ONNX Runtime part in `{output}`: {size} on {what}, and {TOLERANCE:.0e} is allowed"
    if node is None:  # every stage by itself is right: what is wrong was made of several
        return Diagnostic(PARTED, message, (Label(graph.outputs[output].site.span),), help=HELP)
    return at_fault(node, message)


def at_fault(node: Node, message: str) -> Diagnostic:
    return Diagnostic.at(node.site, PARTED, message, HELP, text=f"first here, in `{node.name}`")
