"""Literals, static expressions, precedence, line continuation and reserved words."""

from __future__ import annotations

import pytest
from specs import VECTOR, bound, codes, operators, shapes, spec, types


def test_description_is_the_comment_block_at_the_top():
    program = spec(f"# A model\n#   of lines.\n\n# Not this.\n{VECTOR}x -> y # nor this")
    assert program.description == "A model\n  of lines."
    assert spec(f"{VECTOR}# below\nx -> y").description == ""


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 3),
        ("61_706", 61706),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("1_0.2_5e+10", 1_0.2_5e10),
        (r'"a \"b\" \\ \n \t"', 'a "b" \\ \n \t'),
        ("true", True),
        ("false", False),
        ("none", None),
        ("[1, [2.5], []]", [1, [2.5], []]),
        ("[1, 2,]", [1, 2]),
        ('(1, "b")', (1, "b")),
        ("(1)", 1),
        ("(1,)", (1,)),
    ],
)
def test_values(written, value):
    found = bound(f"a = {written}")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 * 3 ** 2", 18),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("2 ** 3 ** 2", 512),
        ("7 // 2 * 2", 6),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("6 / 3", 2.0),
        ("10 - 3 - 2", 5),
        ("1 + 1 == 2", True),
        ("not 1 == 2", True),
        ("not true or true", True),
        ("true or true and false", True),
        ("1 < 2 and 2 <= 2", True),
        ("1 if false else 2 if false else 3", 3),
        ("1 + 1 if 1 != 1 else 2 + 2", 4),
        ('"a" == "a" and "a" != "b"', True),
        ("[1] + [2, 3] == [1, 2, 3]", True),
        ('"a" + "b"', "ab"),
        ("1 == 1.0", True),
        ("true == 1", True),
        ("none == none", True),
        ('1 == "1"', False),
        ("[5, 6, 7][1]", 6),
        ("[5, 6, 7][-1]", 7),
        ("[5, 6, 7, 8][1:3]", [6, 7]),
        ("[5, 6, 7][::2]", [5, 7]),
        ("(5, 6)[0]", 5),
        ('len([1, 2]) + len((1, 2, 3)) + len("abcd")', 9),
        ("range(3) + range(1, 3) + range(5, 0, -2)", [0, 1, 2, 1, 2, 5, 3, 1]),
        ("reversed([1, 2])", [2, 1]),
        ("zip([1, 2, 3], [4, 5])", [(1, 4), (2, 5)]),
        ("x.shape[0] * x.rank", 4),
    ],
)
def test_static_expressions(written, value):
    assert bound(f"a = {written}") == value


def test_and_and_or_short_circuit():
    assert bound("a = true or 1 / 0 == 1") is True
    assert bound("a = false and 1 / 0 == 1") is False


FLOWS = {
    "x + x -> relu -> y": ["add", "relu"],
    "x -> (relu if 1 == 1 else tanh) -> y": ["relu"],
    "a = x -> relu if false else x -> tanh\na -> y": ["tanh"],
    "x * 2 + x @ x -> y": ["constant", "multiply", "matmul", "add"],
    "not (x > 0) and x < 1 -> y": ["constant", "greater", "logical_not", "constant", "less", "logical_and"],
    "(-x) -> relu -> y": ["negate", "relu"],
    "a = -x ** 2\na -> y": ["constant", "power", "negate"],
    "a = x[0] + x\na -> y": ["slice", "add"],
}


@pytest.mark.parametrize("flow", FLOWS)
def test_precedence_of_flow(flow):
    assert operators(VECTOR + flow) == FLOWS[flow]


LINES = [
    "x\n  -> relu\n  -> y",
    "x ->\n relu -> y",
    "x -> relu\n# a comment between\n\n  -> y",
    "a =\n x -> relu\na -> y",
    "relu(\n  x\n) -> y",
    "a = x +\n  0 -> relu\na -> y",
    "a = x -> relu if true\n  else x\na -> y",
    "if true {\n  x -> relu -> y\n}\nelse { x -> y }",
    "if true { x -> relu -> y } else if false { x -> y } else { x -> y }",
]


@pytest.mark.parametrize("text", LINES)
def test_line_continuation(text):
    assert "relu" in operators(VECTOR + text)


def test_a_line_that_begins_with_an_operator_continues():
    assert operators(f"{VECTOR}a = x\n  - 1\na -> y")[-1] == "subtract"


def test_declaration_keywords_are_names_elsewhere():
    text = "input input, data: float\noutput output: float\nparam, step = [1, 2]\nweight = data * param\n"
    assert types(text + "train = (input, weight) -> concat -> dense(step)\ntrain -> dense(1) -> output") == {
        "output": "float"
    }


def test_bare_words_of_a_setting_take_precedence_over_names():
    text = "input x: float[1, 9, 9]\noutput y: float[2, 9, 9]\nsame = 0\nx -> conv(2, 3, padding=same) -> y"
    assert shapes(text)["conv.weight"] == (2, 1, 3, 3)
    assert codes("param zeros = 1\n" + text) == ["E0302"]


@pytest.mark.parametrize(
    "name", ["dense", "repeat", "mse", "normal", "range", "attention", "focal", "identity", "where"]
)
def test_names_of_the_language_are_reserved(name):
    for statement in (
        f"{name} = 3",
        f"param {name} = 3",
        f"for {name} in [1] {{ }}",
        f"weight {name}: float = zeros",
    ):
        assert codes(f"{VECTOR}x -> y\n{statement}") == ["E0302"], statement
    assert codes(f"{VECTOR}block f({name}) {{ return {name} }}\nx -> f -> y")[0] == "E0302"
