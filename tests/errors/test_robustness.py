"""Any text, however malformed, gives a program or errors, within a time limit."""

from __future__ import annotations

from random import Random
from time import process_time
from typing import TYPE_CHECKING

import pytest
from garbled import Writer, garble, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.diagnostics.codes import codes
from dlc.compiler.diagnostics.render import render, to_json
from dlc.compiler.passes import specialize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.diagnostics.diagnostic import Diagnostic

SPECS = texts()
CODES = codes()
SECONDS = 3  # of the processor; processors differ by a factor of two
SEEDS = st.integers(0, 2**32)


def timed(source: Source) -> tuple[Sequence[Diagnostic], float]:
    """The errors or warnings of a source, and the seconds to compile it and to make both forms."""
    begin = process_time()
    try:
        program = compile(source)
        specialize.inference(program)
        for objective in program.objectives:
            specialize.training(program, objective)
        diagnostics = program.warnings
    except CompileError as error:
        diagnostics = error.diagnostics
        assert any(d.severity == "error" for d in diagnostics)
    return diagnostics, process_time() - begin


def check(text: str) -> None:
    """Compile a text. Both forms of a program can be made, and every error can be rendered."""
    source = Source("model.dl", text)
    diagnostics, seconds = timed(source)
    if seconds >= SECONDS:  # the memory of the process may just have grown: once more
        seconds = timed(source)[1]
    assert seconds < SECONDS
    for diagnostic in diagnostics:
        assert diagnostic.code in CODES
        assert diagnostic.message in render(diagnostic) or not diagnostic.message.isprintable()
        assert to_json(diagnostic)["message"] == diagnostic.message
        for label in diagnostic.labels:
            assert 0 <= label.span.start <= label.span.end <= len(label.span.source.text)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.binary(max_size=300))
def test_bytes(data):
    check(data.decode("utf-8", "replace"))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.text(max_size=200))
def test_texts(text):
    check(text)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(SEEDS)
def test_specs_with_words_deleted_duplicated_and_exchanged(seed):
    check(garble(Random(seed), SPECS))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(SEEDS)
def test_random_programs(seed):
    check(Writer(Random(seed)).program())


# Short specs that expand to large programs.
EXPANDING = {
    "lists doubled": "l = [1]\nfor i in range(60) { l = l + l }",
    "lists grown": "l = []\nfor i in range(9999) { l = l + [i] }",
    "lists grown and compared": "l = []\nfor i in range(9999) { l = l + [i]\n if l == l { } }",
    "lists turned": "l = range(9999)\nfor i in range(9999) { m = reversed(l) }",
    "lists zipped": "l = range(9999)\nfor i in range(9999) { m = zip(l, l, l) }",
    "lists cut": "l = range(9999)\nfor i in range(9999) { m = l[1:] }",
    "lists nested": "l = []\nfor i in range(9999) { l = [l, l] }\nif l == l { }",
    "lists of tensors nested": "l = [x]\nfor i in range(60) { l = [l, l] }\nl -> concat -> y",
    "lists of lists": "l = []\nfor i in range(9999) { l = [l] }",
    "lists added to themselves": "l = []\nfor i in range(60) { l = l + [l] }",
    "lists zipped again": "l = [1]\nfor i in range(60) { l = zip(l, l) }",
    "texts doubled": 'l = "a"\nfor i in range(60) { l = l + l }',
    "ranges": "for i in range(9999) { for j in range(9999) { } }",
    "empty loops": "for i in range(9999) { for j in range(9999) { for k in [] { } } }",
    "powers": "n = 2\nfor i in range(99) { n = n ** 2 }",
    "typos in a loop": "for i in range(9999) { x -> dens(i) -> y }",
    "typos in branches": ("block f(a; n) { b = a -> dens(3)\n if n == 0 { return a }\n"
                          " return f(a, n - 1) + f(a, n - 1) }\nx -> f(40) -> y"),
    "trees": "block f(a; n) { if n == 0 { return a }\n return f(a, n - 1) + f(a, n - 1) }\nx -> f(40) -> y",
    "trees of stages": "s = relu\nfor i in range(60) { s = s -> s }\nx -> s -> y",
    "stages in a row": "s = relu\nfor i in range(9999) { s = s -> relu }\nx -> s -> y",
    "stages within stages": "s = relu\nfor i in range(9999) { s = residual(s) }\nx -> s -> y",
    "repeats": "x -> repeat(9999, repeat(9999, repeat(9999, relu))) -> y",
    "repeats of nothing": "x -> repeat(9999, repeat(9999, repeat(0, relu))) -> y",
    "repeats of branches": "x -> repeat(40, branch(relu, relu) -> concat) -> y",
    "stages that widen": "x -> repeat(9999, branch(identity, identity)) -> y",
    "weights": "x -> repeat(9999, dense(9999)) -> y",
    "deep signs": f"block f(a) {{ return {'-' * 90}(a -> f) }}\nx -> f -> y",
    "deep calls": f"block f(a) {{ return {'relu(' * 90}f(a){')' * 90} }}\nx -> f -> y",
    "settings within themselves": "block f(a; n = f(a)) { return a }\nx -> f -> y",
    "dimensions": "n = x.features\nfor i in range(99) { n = n * z.features + n // 3 }",
    "classes": f"output c: class({', '.join(f'c{i}' for i in range(9999))})",
    "constants": f"x -> dense(4, weight=[{', '.join(['[1, 2, 3, 4]'] * 9999)}]) -> y",
    "tables": f"data {{ source = table([{', '.join(['[1, 2]'] * 20_000)}]) }}",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPANDING)
def test_a_spec_that_expands_too_far_is_rejected_quickly(name):
    check(f"input x: float[4]\ninput z: float[T]\noutput y: float[4]\n{EXPANDING[name]}")
