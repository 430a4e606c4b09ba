"""The diagnosis of a run: what its records say about how it went, each finding with evidence and a fix."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

from dlc.runtime.diagnosis import checked
from dlc.runtime.diagnosis.classes import NeglectedClasses
from dlc.runtime.diagnosis.course import UNSEEN, Course
from dlc.runtime.diagnosis.fitting import Overfitting, Underfitting
from dlc.runtime.diagnosis.gradients import ExplodingGradients, VanishingGradients
from dlc.runtime.diagnosis.kinds import Finding, Kind, number
from dlc.runtime.diagnosis.leaks import Leak
from dlc.runtime.diagnosis.rates import RateTooHigh, RateTooLow
from dlc.runtime.diagnosis.units import DeadUnits, SaturatedUnits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.run_record import RunRecord

__all__ = ["HEALTHY", "KINDS", "Finding", "Kind", "diagnose", "summary"]

# The kinds, causes before what they cause.
KINDS: tuple[Kind, ...] = (
    Leak(), ExplodingGradients(), RateTooHigh(), VanishingGradients(), DeadUnits(), SaturatedUnits(),
    RateTooLow(), Overfitting(), NeglectedClasses(), Underfitting(),
)  # fmt: skip
HEALTHY = "healthy"


def diagnose(record: RunRecord, program: CompiledProgram | None = None) -> list[Finding]:
    """What is found in a run, causes first; one finding of the kind `healthy` if there is nothing, and none
    for a run without epochs. `program` is its spec, which is compiled from the record by default."""
    program = program or compiled(record)
    courses = list(courses_of(record, program))
    findings = [finding for course in courses for finding in found_in(course)]
    findings = list({(f.kind, f.phase): f for f in findings}.values())
    return findings or ([healthy(courses[-1])] if courses and record.epochs else [])


def summary(findings: Sequence[Finding], folder: str | Path) -> str:
    """Findings in a line, with the command that explains them; empty if nothing is wrong."""
    titles = dict.fromkeys(finding.title for finding in findings if finding.kind != HEALTHY)
    return f"{', '.join(titles)}: `dlc report {quote(str(folder))}` shows why" if titles else ""


def found_in(course: Course) -> list[Finding]:
    """The findings of one phase, without those that others explain."""
    found: dict[str, Finding] = {}
    for kind in KINDS:
        finding = kind.find(course, found)
        if finding is not None:
            found[kind.name] = finding
    explained = {name for kind in KINDS if kind.name in found for name in kind.explains}
    return [finding for name, finding in found.items() if name not in explained]


def courses_of(record: RunRecord, program: CompiledProgram | None) -> Iterator[Course]:
    """The phases of a run that have begun, in order."""
    epochs, statistics = checked.epochs(record.epochs), checked.statistics(record.statistics)
    names = dict.fromkeys(r.get("phase", "") for r in (*epochs, *statistics))
    phases = {phase.name: phase for phase in program.phases} if program else {}
    for place, name in enumerate(names):
        is_last = place == len(names) - 1

        def of(records: list[Any], name: str = name) -> list[Any]:
            return [record for record in records if record.get("phase", "") == name]

        yield Course(record, name, of(epochs), of(statistics), program, phases.get(name),
                     checked.answers(record.answers) if is_last else {}, is_last)  # fmt: skip


def healthy(course: Course) -> Finding:
    """The finding that nothing was found, with the figures that speak for it."""
    evidence = []
    for output in course.outputs:
        seen, other = course.skill(output, "train"), course.skill(output, *UNSEEN)
        if seen is not None:
            evidence.append(f"`{output}` has {seen.words} on the training rows"
                            + (f" and {other.words} on others" if other else ""))  # fmt: skip
    train, validation = course.curve("train"), course.curve("validation")
    if train and course.epochs:
        evidence.append(f"the training loss fell from {number(train[0])} to {number(train[course.kept])}")
    if validation and course.epochs:
        evidence.append(f"the validation loss is {number(validation[course.kept])}, and its lowest "
                        f"{number(min(validation))}")  # fmt: skip
    test: Any = course.record.figures.get("test")
    if isinstance(test, dict) and isinstance(test.get(course.figure), float):
        evidence.append(f"the test loss is {number(test[course.figure])}")
    if course.units is None:
        evidence.append("its units were not looked at")
    return Finding(HEALTHY, HEALTHY, "; ".join(evidence) or "nothing in its records is out of order", "")


def compiled(record: RunRecord) -> CompiledProgram | None:
    """The spec of a run; none if this version of dlc does not compile it."""
    from dlc.compiler import compile
    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.runtime.run_spec import read_spec

    spec = read_spec(record.folder)
    try:
        return compile(spec.source, params=spec.params, facts=spec.facts, read=spec.read)
    except CompileError:
        return None
