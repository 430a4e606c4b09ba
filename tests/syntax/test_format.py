"""The formatter: its layout, and that it changes only white space."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import HERE, check_case, read_cases
from hypothesis import HealthCheck, given, settings
from programs import programs
from trees import parsed, tree

from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.format.formatter import format
from dlc.compiler.format.token_lines import WIDTH

EXAMPLES = {path.stem: path for path in sorted((HERE / "examples").glob("*.dl"))}


def formatted(text: str) -> str:
    return format(Source("model.dl", text))


@pytest.mark.parametrize("title", read_cases("layouts.txt"))
def test_layout(title: str) -> None:
    check_case("layouts.txt", title, lambda text: formatted(text).rstrip("\n"))


@pytest.mark.parametrize(
    "path", [path for name, path in EXAMPLES.items() if name != "char_lm"], ids=lambda p: p.stem
)
def test_examples_are_already_formatted(path: Path) -> None:
    text = path.read_text("utf-8")
    assert formatted(text) == text


def test_aligned_columns_have_the_minimum_width() -> None:
    text = EXAMPLES["char_lm"].read_text("utf-8")
    expected = text.replace("  = ", " = ")
    assert formatted(text).split("train {")[1] == expected.split("train {")[1]
    assert formatted(text).split("train {")[0] == text.split("train {")[0]


def _changes_only_the_layout(text: str) -> None:
    once = formatted(text)
    assert tree(once) == tree(text)
    before, after = parsed(text)[0], parsed(once)[0]
    assert after.description == before.description
    assert [_words(c) for _, c in after.comments] == [_words(c) for _, c in before.comments]
    assert formatted(once) == once
    assert "\n\n\n" not in once
    assert all(line == line.rstrip() for line in once.split("\n"))


def _words(comment: str) -> str:
    return comment.lstrip("# ").rstrip()


@given(programs())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_random_programs_keep_their_tree(text: str) -> None:
    _changes_only_the_layout(text)


@pytest.mark.parametrize("path", EXAMPLES.values(), ids=lambda path: path.stem)
def test_examples_keep_their_tree_with_any_white_space(path: Path) -> None:
    text = path.read_text("utf-8")
    _changes_only_the_layout(text)
    crammed = "\n".join(" ".join(line.split()) for line in text.split("\n"))
    _changes_only_the_layout(crammed)
    _changes_only_the_layout(text.replace("\n", "\r\n\r\n\r\n"))


def test_long_lines_are_broken_where_possible() -> None:
    steps = " -> ".join(f"conv({n}, 3, padding=1, bias=false)" for n in range(20))
    rows = ", ".join(str(n) for n in range(100))
    text = f"x -> {steps} -> y\nz = table([{rows}], columns=[a, b])\ndata {{ source = csv({steps}) }}\n"
    assert all(len(line) <= WIDTH for line in formatted(text).split("\n"))
    _changes_only_the_layout(text)


def test_a_line_without_possible_breaks_is_kept() -> None:
    text = f'x = csv("{"a" * 200}")\n'
    assert formatted(text) == text


def test_a_large_table_is_formatted_quickly() -> None:
    text = "x = [" + "1, 2, 3,\n" * 5_000 + "]\n"
    assert formatted(text).count("\n") == 5_001


def test_a_line_of_any_length_is_broken() -> None:
    numbers = ", ".join(map(str, range(5_000)))
    flow = " -> ".join(f"dense({n}) -> relu" for n in range(1_000))
    laid_out = formatted(f"x = [{numbers}]\ny = input -> {flow}\n")
    assert all(len(line) <= WIDTH for line in laid_out.split("\n"))
    assert formatted(laid_out) == laid_out


def test_continuation_lines_are_broken_at_their_new_indentation() -> None:
    steps = " -> ".join(f"dense({n})" for n in (8.5, -1, 1234567, 123456, 12345, 1234))
    laid_out = formatted(f"x -> {steps} -> dense(3,\n   bias=maybe) -> repeat(2,\n   3) -> y\n")
    assert laid_out.endswith("bias=maybe)\n  -> repeat(2,\n            3) -> y\n")
    assert formatted(laid_out) == laid_out


def test_an_empty_text_stays_empty() -> None:
    assert formatted("") == ""
    assert formatted("\n \n\n") == ""


def test_a_text_with_errors_is_not_formatted() -> None:
    with pytest.raises(CompileError):
        formatted("x => f")
