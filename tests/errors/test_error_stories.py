"""Specs with errors: `x.dl` is the spec, and `x.txt` the output of the compiler.

`pytest tests/errors --update-golden` updates the outputs; read the changes from the user's point of view.
"""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from dlc.compiler import CompileError, Diagnostic, compile, read_source, reader, tensor_reader
from dlc.compiler.diagnostics.render import render

HERE = Path(__file__).parent
STORIES = sorted(p.stem for p in HERE.glob("*.dl"))


def diagnostics_of(story: str) -> tuple[Diagnostic, ...]:
    """The errors and warnings of the spec of a story."""
    try:
        program = compile(read_source(HERE / f"{story}.dl"), read=reader(HERE), type_in=tensor_reader(HERE))
    except CompileError as error:
        return error.diagnostics
    return program.warnings


@pytest.mark.parametrize("story", STORIES)
def test_story(story, golden):
    begin = process_time()
    diagnostics = diagnostics_of(story)
    assert process_time() - begin < 5  # about 1 s on an idle machine
    golden(HERE / f"{story}.txt", "".join(f"{render(d)}\n\n" for d in diagnostics))


def test_every_output_has_a_spec(unused_golden):
    unused_golden(HERE, "*.txt", {f"{story}.txt" for story in STORIES})
