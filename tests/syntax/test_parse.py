"""The parser: the trees of texts, and the errors of invalid texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import HERE, check_case, read_cases
from trees import parsed, tree

from dlc.compiler import syntax
from dlc.compiler.diagnostics.problems import Problems
from dlc.compiler.diagnostics.render import render
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.parse.parser import parse

EXAMPLES = sorted((HERE / "examples").glob("*.dl"))


@pytest.mark.parametrize("title", read_cases("trees.txt"))
def test_tree(title: str) -> None:
    check_case("trees.txt", title, tree)


@pytest.mark.parametrize("title", read_cases("errors.txt"))
def test_error(title: str) -> None:
    check_case("errors.txt", title, _errors)


def _errors(text: str) -> str:
    _, problems = parsed(text)
    assert problems.failed
    return "\n\n".join(render(diagnostic) for diagnostic in problems.sorted())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path) -> None:
    file, problems = parsed(path.read_text("utf-8"))
    assert problems.found == []
    assert file.description
    assert file.description.splitlines()[0] == path.read_text("utf-8").splitlines()[0][2:]
    assert len(file.body) > 4


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 13


def test_spans_of_expressions() -> None:
    text = "x = (a, b) -> f(1, k=2)[0].g if not c else -(d + e)"
    (bind,) = parsed(text)[0].body
    choice = bind.value
    flow = choice.value
    attribute = flow.steps[1]
    index = attribute.value
    places = {
        bind: text,
        choice: text[4:],
        flow: "(a, b) -> f(1, k=2)[0].g",
        flow.steps[0]: "(a, b)",
        attribute: "f(1, k=2)[0].g",
        index: "f(1, k=2)[0]",
        index.value: "f(1, k=2)",
        choice.condition: "not c",
        choice.other: "-(d + e)",
        choice.other.operand: "(d + e)",
    }
    assert {node.span.text for node in places} == set(places.values())
    assert all(node.span.text == written for node, written in places.items())
    assert choice.other.operand.operator_span.text == "+"
    assert attribute.name_span.text == "g"
    assert index.value.arguments[1].name_span.text == "k"


def test_spans_of_statements() -> None:
    text = 'import f from "a.dl"\nif a { b = 1 } else if c { d = 2 }\ntrain { step g { } }\n'
    file, _ = parsed(text)
    imported, choice, train = file.body
    assert imported.path_span.text == '"a.dl"'
    assert choice.span.text == "if a { b = 1 } else if c { d = 2 }"
    assert choice.otherwise[0].span.text == "if c { d = 2 }"
    assert train.name.span.text == "train"
    assert train.body[0].of[0].span.text == "g"


def test_description_is_the_first_comment_block() -> None:
    assert parsed("\n# one\n#two\n#\n#   three\n\n# four\nx = 1")[0].description == "one\ntwo\n\n  three"
    assert parsed("x = 1 # one\n# two")[0].description == ""
    assert parsed("x = 1\n# one")[0].description == ""
    assert parsed("# only this")[0].description == "only this"
    assert parsed("")[0].description == ""


def test_comments_are_kept_with_their_spans() -> None:
    file, _ = parsed('# a\nx = "# no" # b\n  -> f #c')
    assert [text for _, text in file.comments] == ["# a", "# b", "#c"]
    assert [span.text for span, _ in file.comments] == ["# a", "# b", "#c"]


def test_an_error_in_a_statement_does_not_hide_other_errors() -> None:
    file, problems = parsed("a = 1 1\nb = 2\nblock f(x) {\n  c = 3 3\n  return x\n}\nd = * 4\ne = 5")
    assert [d.line for d in problems.sorted()] == [1, 4, 7]
    kept = [node.targets[0].id for node in file.body if isinstance(node, syntax.Bind)]
    assert kept == ["b", "e"]


def test_all_kinds_of_white_space() -> None:
    assert tree("a = 1\r\n\tb = 2\f\r\n") == tree("a = 1\nb = 2")


def test_the_errors_of_one_text_do_not_hide_those_of_another() -> None:
    problems = Problems()
    for name in ("a.dl", "b.dl", "a.dl"):
        file = parse(Source(name, "$\n" * 200 + "x = 1"), problems)
        assert file.body == () or file.body[0].span.source.name == name
    assert {d.span.source.name for d in problems.found} == {"a.dl", "b.dl"}
    assert len(parse(Source("c.dl", "x = 1"), problems).body) == 1


def test_a_byte_order_mark_is_skipped() -> None:
    assert tree("\ufeffx = 1") == tree("x = 1")


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x85", "\ud800"])
@pytest.mark.parametrize("text", ["x = {}", 'x = "{}"', "x = 1 # {}"])
def test_control_characters_and_surrogates_are_rejected(text: str, character: str) -> None:
    _, problems = parsed(text.replace("{}", character))
    assert [d.code for d in problems.found] == ["E0101"]
    assert f"U+{ord(character):04X}" in problems.found[0].message
    render(problems.found[0]).encode()
