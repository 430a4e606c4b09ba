"""Every error as a person meets it: `x.dl` has it, `x.txt` is what the compiler says.

`pytest tests/errors --update-golden` writes the answers anew; read them as a newcomer would.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest

from dlc.compiler import CompileError, Diagnostic, compile, read_source, reader
from dlc.compiler.diagnostics.render import render

HERE = Path(__file__).parent
STORIES = sorted(p.stem for p in HERE.glob("*.dl"))


def told(story: str) -> tuple[Diagnostic, ...]:
    """What is said of a story's spec, errors and warnings."""
    try:
        program = compile(read_source(HERE / f"{story}.dl"), read=reader(HERE))
    except CompileError as error:
        return error.diagnostics
    return program.warnings


@pytest.mark.parametrize("story", STORIES)
def test_story(story, golden):
    begin = perf_counter()
    diagnostics = told(story)
    assert perf_counter() - begin < 5  # a second on a machine that does nothing else
    golden(HERE / f"{story}.txt", "".join(f"{render(d)}\n\n" for d in diagnostics))


def test_no_answer_without_a_story(unused_golden):
    unused_golden(HERE, "*.txt", {f"{story}.txt" for story in STORIES})
