"""All tasks of dlc for a spec: checking, formatting, pictures, graph forms and lowerings."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler import CompileError, Problems, Source, compile
from dlc.compiler.diagnostics.render import render_all, to_json
from dlc.compiler.differences import differences
from dlc.compiler.format.formatter import format
from dlc.compiler.format.printer import print_syntax
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.parse.parser import parse
from dlc.compiler.passes import specialize
from dlc.compiler.passes.cost import parameters
from dlc.program import Program
from dlc.show import stages, table, weights
from dlc.show.layers import TooLarge
from dlc.show.picture import picture

if TYPE_CHECKING:
    from collections.abc import Callable


def check(text: str) -> None:
    """Check the spec, render its diagnostics, and convert them to JSON."""
    try:
        program = compile(Source("spec.dl", text))
        found = program.warnings
        parameters(program.graph)
    except CompileError as error:
        found = error.diagnostics
    assert [*render_all(found)] or not found
    assert len([to_json(diagnostic) for diagnostic in found]) == len(found)


def opened(text: str) -> Program:
    return Program(Source("spec.dl", text), Path(), {})


def train(program: Program) -> None:
    """Make the graph forms that training needs."""
    compiled = program.compiled
    for objective in compiled.objectives:
        specialize.matrices(specialize.training(compiled, objective))
    specialize.check_reached(compiled)
    specialize.validation(compiled)


def draw(program: Program) -> None:
    with suppress(TooLarge):
        picture(program.compiled)


def compare(program: Program) -> None:
    """Compare the program with itself and with another one, both ways."""
    other = compile(Source("other.dl", "input x: float[4]\noutput y: float[3]\nx -> dense(3) -> y\n"))
    for a, b in ((program.compiled, program.compiled), (program.compiled, other), (other, program.compiled)):
        assert bool(differences(a, b)) == (a is not b)


TASKS: dict[str, Callable[[Program], Any]] = {
    "syntax": lambda p: print_syntax(parse(p.compiled.source, Problems())),
    "fmt": lambda p: format(p.compiled.source),
    "show": lambda p: table.table(p.compiled),
    "show --weights": lambda p: weights.weights(p.compiled),
    "show --svg": draw,
    "diff": compare,
    "train": train,
    "emit": lambda p: emit(p.compiled),
    "torch": lambda p: p.torch("train"),
    "onnx": lambda p: p.onnx(),
    **{f"show --stage {name}": lambda p, form=form: form(p.compiled) for name, form in stages.STAGES.items()},
}


def run(task: str, program: Program) -> None:
    """Run a task. Errors about missing rows or about code that cannot be emitted are ignored."""
    with suppress(CompileError):
        TASKS[task](program)
