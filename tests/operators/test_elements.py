"""For each element that the compiler accepts for an operand, the artifact runs in ONNX Runtime and agrees
with torch."""

from __future__ import annotations

import re

import pytest
from proof import proof_of
from random_programs import in_reach, rows_of

import dlc.compiler.operators  # noqa: F401  (defines them)
from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.ir.graph import Value
from dlc.compiler.operators.base import Example, Operator
from dlc.compiler.types import FLOATS, INTEGERS, spell

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


def spec(operator: type[Operator], call: str, operands: tuple[str, ...]) -> str | None:
    """A spec with the result of the operator as its answer; none if the compiler rejects it."""
    names = PLACES[: len(operands)]
    flow = f"({', '.join(names)}) -> {call}" if len(operands) > 1 else f"a -> {call}"
    lines = [f"input {name}: {type}" for name, type in zip(names, operands, strict=True)]
    lines.append(f"made = {flow if operator.public else call}")
    try:
        made = compile(Source("row.dl", "\n".join([*lines, ""]))).bindings["made"]
    except CompileError:
        return None
    several = isinstance(made, tuple)
    for i, value in enumerate(made if several else (made,)):
        assert isinstance(value, Value)
        flow, element = f"made[{i}]" if several else "made", value.type.element
        if element == "class":
            flow, element = f"{flow} == 0", "bool"
        lines += [f"output y{i}: {spell(element, value.type.shape)}", f"{flow} -> y{i}"]
    return "\n".join([*lines, ""])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*in_reach()} & {*family("operator")} - LEFT_OUT))
def test_every_accepted_element_is_computed(name: str) -> None:
    operator = family("operator")[name]
    for row in rows_of(operator):
        for operands in sorted(set().union(*(rewritten(row, element) for element in ELEMENTS))):
            text = spec(operator, row.call, operands)
            if text is None:
                continue
            try:
                with proof_of(compile(Source("row.dl", text))) as (parity, batches):
                    for what, raw in batches:
                        parity.check(what, raw)
            except CompileError as error:
                pytest.fail(f"{text}\n{error}")
