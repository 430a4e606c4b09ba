"""The section of a page with the diagnosis: what is found in a run, with its evidence and a fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.runtime.diagnosis import HEALTHY, diagnose
from dlc.runtime.report.blocks import Advice, PageSection, Words
from dlc.runtime.report.texts import clean, clipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.diagnosis import Finding
    from dlc.runtime.report.blocks import Block
    from dlc.runtime.run_record import RunRecord

LINES = 5  # maximum number of lines of the spec of a finding
LETTERS = 1000  # of a sentence
LINE = 120  # letters of a line of the spec


def diagnosis(findings: Sequence[Finding], spec: str) -> PageSection:
    """The findings of a run, whose spec is `spec`."""
    source = spec.splitlines()
    told: list[Block] = [advice(finding, source) for finding in findings]
    nothing = "The run has not ended an epoch, so there is nothing to tell yet."
    return PageSection("diagnosis", "Diagnosis", told or [Words(nothing)])


def advice(finding: Finding, source: Sequence[str]) -> Advice:
    lines = [(n, clean(source[n - 1][:LINE])) for n in finding.lines[:LINES] if 0 < n <= len(source)]
    title = finding.title + (f", in the phase {clipped(finding.phase, 60)}" if finding.phase else "")
    fix = sentence(clipped(finding.fix, LETTERS)) if finding.fix else ""
    evidence = sentence(clipped(finding.evidence, LETTERS))
    return Advice(begun(clipped(title, LETTERS)), evidence, fix, lines, finding.kind == HEALTHY)


def begun(text: str) -> str:
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    return begun(text) if text.endswith((".", "!", "?")) else f"{begun(text)}."


def in_short(record: RunRecord, program: CompiledProgram | None) -> str:
    """The titles of what is found in a run."""
    return ", ".join(dict.fromkeys(finding.title for finding in diagnose(record, program))) or "-"
