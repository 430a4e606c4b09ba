"""For each element that the compiler accepts for an operand, the artifact runs in ONNX Runtime and agrees
with torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest
from proof import proof_of
from random_programs import in_reach, rows_of

import dlc.compiler.operators  # noqa: F401  (defines them)
from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.ir.graph import Value
from dlc.compiler.operators.base import Example
from dlc.compiler.types import FLOATS, INTEGERS, spell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.program import CompiledProgram

ELEMENTS = (*FLOATS, *INTEGERS, "bool")
NUMBERS = rf"^({'|'.join(ELEMENTS)})(?=\[|$)"
# At inference they are `crop` and `resize`; in training their targets would have to be cropped too.
LEFT_OUT = {"random_crop", "random_resized_crop"}
PLACES = "abcdefgh"  # the operands in examples of symbols


def rewritten(row: Example, element: str) -> set[tuple[str, ...]]:
    """The operands of an example with this element for all numbers, and for the numbers of one operand."""
    changed = tuple(re.sub(NUMBERS, element, operand) for operand in row.operands)
    alone = (
        (*row.operands[:i], new, *row.operands[i + 1 :])
        for i, (new, old) in enumerate(zip(changed, row.operands, strict=True))
        if new != old
    )
    return {changed, *alone} - {row.operands}


class Case(NamedTuple):
    """An operator applied to inputs of these types, with names of its own."""

    number: int
    operands: tuple[str, ...]
    call: str
    public: bool

    def lines(self) -> list[str]:
        names = {place: f"{place}{self.number}" for place in PLACES[: len(self.operands)]}
        flows = f"({', '.join(names.values())})" if len(names) > 1 else f"a{self.number}"
        call = re.sub(r"\b[a-h]\b", lambda place: names.get(place[0], place[0]), self.call)
        inputs = [f"input {name}: {type}" for name, type in zip(names.values(), self.operands, strict=True)]
        return [*inputs, f"made{self.number} = {f'{flows} -> {self.call}' if self.public else call}"]


def accepted(cases: Sequence[Case]) -> tuple[Sequence[Case], CompiledProgram]:
    """The cases that the compiler accepts, and a program of all of them."""
    while True:
        places = [case for case in cases for _ in case.lines()]
        text = "\n".join([*(line for case in cases for line in case.lines()), ""])
        try:
            return cases, compile(Source("row.dl", text))
        except CompileError as error:
            wrong = {places[line - 1] for line in lines_of(error)}
            assert wrong, error
            cases = [case for case in cases if case not in wrong]


def lines_of(error: CompileError) -> set[int]:
    labels = (label for found in error.diagnostics if found.severity == "error" for label in found.labels)
    return {label.span.source.position(label.span.start)[0] for label in labels}


def answered(cases: Sequence[Case], program: CompiledProgram) -> CompiledProgram:
    """The program with an output for each result."""
    lines = [line for case in cases for line in case.lines()]
    for case in cases:
        made = program.bindings[f"made{case.number}"]
        several = isinstance(made, tuple)
        for i, value in enumerate(made if several else (made,)):
            assert isinstance(value, Value)
            flow, element = f"made{case.number}[{i}]" if several else f"made{case.number}", value.type.element
            if element == "class":
                flow, element = f"{flow} == 0", "bool"
            answer = f"y{case.number}_{i}"
            lines += [f"output {answer}: {spell(element, value.type.shape)}", f"{flow} -> {answer}"]
    return compile(Source("row.dl", "\n".join([*lines, ""])))


def prove(cases: Sequence[Case]) -> None:
    """The artifact of the accepted cases agrees with torch. Where it does not in every row, each case is held
    against torch by itself, so that what excuses a row of one does not excuse it in the others."""
    kept, program = accepted(cases)
    if not kept:
        return
    try:
        program = answered(kept, program)
        with proof_of(program) as (parity, batches):
            excused = [what for what, raw in batches if parity.check(what, raw).excused]
    except CompileError as error:
        if len(kept) == 1:
            pytest.fail(f"{program.source.text}\n{error}")
        excused = ["all"]
    for case in kept if excused and len(kept) > 1 else ():
        prove([case])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*in_reach()} & {*family("operator")} - LEFT_OUT))
def test_every_accepted_element_is_computed(name: str) -> None:
    operator = family("operator")[name]
    for row in rows_of(operator):
        types = sorted(set().union(*(rewritten(row, element) for element in ELEMENTS)))
        prove([Case(number, operands, row.call, operator.public) for number, operands in enumerate(types)])
