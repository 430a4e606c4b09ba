"""Symbolic dimensions, compared with integers: substitution before and after a computation agree."""

from __future__ import annotations

import ast
import operator
import pickle
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlc.compiler.dims.dim import (
    MAX_INTEGER,
    Dim,
    DimError,
    Size,
    ceil_div,
    class_count,
    class_counts,
    divisors,
    evaluate,
    free,
    has_free,
    is_free,
    minimum,
    names,
    product,
    same,
    substitute,
)

H, T, W = free("H"), free("T"), free("W")
SYMBOLS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**"}
OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


def compute(tree, values):
    """The value of an expression tree: a name, a number, or (operator symbol, left, right)."""
    if isinstance(tree, str):
        return values[tree]
    if isinstance(tree, int):
        return tree
    symbol, left, right = tree
    return OPERATORS[symbol](compute(left, values), compute(right, values))


def read(text):
    """The expression tree of a text in Python syntax, which is that of the language."""

    def walk(node):
        if isinstance(node, ast.BinOp):
            return (SYMBOLS[type(node.op)], walk(node.left), walk(node.right))
        if isinstance(node, ast.UnaryOp):
            return ("-", 0, walk(node.operand))
        return node.id if isinstance(node, ast.Name) else node.value

    return walk(ast.parse(text, mode="eval").body)


def grow(trees):
    divisors = st.integers(1, 12)
    return st.one_of(
        st.tuples(st.sampled_from("+-*"), trees, trees),
        st.tuples(st.sampled_from(["+", "-", "*"]), trees, st.integers(-8, 8)),
        st.tuples(st.sampled_from(["//", "//", "%"]), trees, divisors),
        st.tuples(st.just("**"), trees, st.integers(0, 2)),
    )


TREES = st.recursive(st.sampled_from("HTW") | st.integers(-9, 9), grow, max_leaves=9)
VALUES = st.fixed_dictionaries({name: st.integers(1, 60) for name in "HTW"})
MANY_VALUES = st.lists(VALUES, min_size=1, max_size=8)
FREE = {"H": H, "T": T, "W": W}


def symbolic(tree) -> Size | None:
    """The tree as a size, or None beyond the limits."""
    try:
        return compute(tree, FREE)
    except DimError:
        return None


@given(TREES, MANY_VALUES)
def test_a_normal_form_has_the_value_of_its_expression(tree, many):
    size = symbolic(tree)
    if size is None:
        return
    for values in many:
        expected = compute(tree, values)
        assert evaluate(size, values) == expected
        assert substitute(size, values) == expected
        low = minimum(size)
        assert low is None or low <= expected


@given(TREES, VALUES, st.sampled_from("HTW"))
def test_partial_substitution(tree, values, name):
    size = symbolic(tree)
    if size is None:
        return
    part = substitute(size, {name: values[name]})
    assert name not in names(part)
    assert evaluate(part, values) == compute(tree, values)


@given(TREES, VALUES)
def test_printed_text_parses_to_the_same_size(tree, values):
    size = symbolic(tree)
    if size is None:
        return
    assert compute(read(str(size)), values) == compute(tree, values)
    assert same(compute(read(str(size)), FREE), size)


@given(TREES, TREES)
def test_arithmetic_keeps_the_normal_form(left, right):
    a, b = symbolic(left), symbolic(right)
    if a is None or b is None:
        return
    try:
        total, halves = a + b, a + b // 2
    except DimError:
        return
    assert same(total, b + a) and hash(total) == hash(b + a)
    assert same(total - b, a) and same(halves - b // 2, a)
    assert type(a - a) is int and a - a == 0


class Counted:
    """A value that supports only `+`, `*` and `//`, and counts their uses."""

    def __init__(self, value, log):
        self.value, self.log = value, log

    def _of(self, symbol, other):
        self.log.append(symbol)
        other = other.value if isinstance(other, Counted) else other
        return Counted(OPERATORS[symbol](self.value, other), self.log)

    def __add__(self, other):
        return self._of("+", other)

    def __mul__(self, other):
        return self._of("*", other)

    def __floordiv__(self, other):
        return self._of("//", other)


@given(TREES, VALUES)
def test_evaluation_uses_only_three_operators(tree, values):
    size = symbolic(tree)
    if isinstance(size, Dim):
        log = []
        result = evaluate(size, {name: Counted(value, log) for name, value in values.items()})
        assert isinstance(result, Counted) and result.value == compute(tree, values)


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (T, 0),
        (2 * T + 1, 2),
        ((T + 1) // 2, 2),
        (H * W + H + W + 1, 3),
        (10 - T // 2, 3),
        (((T + 1) // 2) * ((T + 1) // 2), 3),
        (64 * H * W, 2),
    ],
    ids=str,
)
def test_few_operations_are_used(size, count):
    log = []
    evaluate(size, {name: Counted(5, log) for name in "HTW"})
    assert len(log) == count


def test_known_numbers_are_folded():
    log = []
    value = evaluate(H * (W + 1) * T // 6, {"H": 3, "W": 3, "T": Counted(7, log)})
    assert isinstance(value, Counted) and value.value == 14 and log == ["*"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2 * T + 1) // 2, T),
        (((T + 1) // 2 + 1) // 2, (T + 3) // 4),
        ((T // 3) // 5, T // 15),
        ((H * W * 7) // 7, H * W),
        ((6 * T + 4) // 4, (3 * T + 2) // 2),
        ((6 * T + 5) // 4, (3 * T + 2) // 2),
        ((T - 3) // 2 + 1, (T - 1) // 2),
        ((5 * T + H + 7) // 5, T + 1 + (H + 2) // 5),
        (T - T // 2, (T + 1) // 2),
        (T // 2 + (T + 1) // 2, T),
        (T // 3 + (T + 1) // 3 + (T + 2) // 3, T),
        (H * (T // 2) + H * ((T + 1) // 2), H * T),
        (T - T // 3 - (T + 1) // 3, (T + 2) // 3),
        (T + (-T) % 8, 8 * ceil_div(T, 8)),
        (-(-T // 4), ceil_div(T, 4)),
        (T % 4 % 2, T % 2),
        ((T + 4) % 4, T % 4),
        ((H + W) ** 2, H * H + 2 * H * W + W * W),
        ((H + 1) * (W + 1) // (W + 1), H + 1),
        (H * W * 12 // (4 * W), 3 * H),
        ((T // 2) * 64 // (T // 2), 64),
        (H * W % W, 0),
        (0 // T, 0),
        (3 // (T + 3), 0),
        ((T % 4) // 4, 0),
        (-((H % 2) // 3), 0 - (H % 2) // 3),
        (2 * (T // 2) + T % 2, T),
        (T // 1, T),
        (+T, T),
        (T**0, 1),
    ],
    ids=str,
)
def test_equal_sizes_have_one_normal_form(left, right):
    assert same(left, right)
    assert hash(left) == hash(right)
    assert type(left) is type(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (T, H),
        (T + 1, T),
        (T // 2, (T + 1) // 2),
        ((T + 1) // 2, T // 2 + 1),
        (T * T, T),
        (T, 1),
        (1, T),
        (2, 3),
    ],
    ids=str,
)
def test_different_sizes_have_different_normal_forms(left, right):
    assert not same(left, right)
    assert left != right


def test_a_size_is_never_equal_to_a_number():
    assert T != 1 and T - T == 0 and isinstance(T - T, int)
    assert {T: "free"}[free("T")] == "free"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (T, "T"),
        (1 + T * 2, "2 * T + 1"),
        (T - 1, "T - 1"),
        (1 - T, "1 - T"),
        (-T, "-T"),
        (W * H, "H * W"),
        (W - H, "W - H"),
        (ceil_div(T, 2), "(T + 1) // 2"),
        (T // 2, "T // 2"),
        (2 * T // 3, "(2 * T) // 3"),
        (3 * (T // 2), "3 * (T // 2)"),
        (H * (T // 2), "H * (T // 2)"),
        (T // 2 + 1, "T // 2 + 1"),
        (-(T // 2), "-(T // 2)"),
        (10 - T // 2, "10 - T // 2"),
        (H - T // 2, "H - T // 2"),
        (T - T // 2, "(T + 1) // 2"),
        (T % 2, "T - 2 * (T // 2)"),
        ((-T) % 8, "8 * ((T + 7) // 8) - T"),
        (T * T * T - H, "T ** 3 - H"),
        ((T // 2) ** 2, "(T // 2) ** 2"),
        ((H + T // 2) // 3, "(2 * H + T) // 6"),
        ((H * (T // 2)) // 3, "(H * (T // 2)) // 3"),
        ((T - 7) // 2 + 1, "(T + 1) // 2 - 3"),
    ],
)
def test_text(size, text):
    assert str(size) == text


@pytest.mark.parametrize(
    ("divide", "message"),
    [
        (lambda: T // 0, "`T` cannot be divided by 0"),
        (lambda: T // -2, "the divisor must be a positive whole number"),
        (lambda: T % 0, "`T` cannot be divided by 0"),
        (lambda: T // H, "`T` cannot be divided by `H`"),
        (lambda: (H * W + 1) // W, "is not a known expression"),
        (lambda: 12 // T, "`12` cannot be divided by `T`"),
        (lambda: T**-1, "`T` cannot be raised to -1"),
        (lambda: 2**T, "`2` cannot be raised to `T`"),
        (lambda: H**T, "`H` cannot be raised to `T`"),
        (lambda: T**17, "the power must be from 0 to 16"),
        (lambda: ceil_div(T, 0), "cannot be divided by 0"),
    ],
)
def test_unsupported_operations_are_errors(divide, message):
    with pytest.raises(DimError) as error:
        divide()
    assert message in str(error.value)


@pytest.mark.parametrize("operation", OPERATORS.values())
@pytest.mark.parametrize("other", ["x", 1.5, None, [1]], ids=str)
def test_other_values_are_rejected(operation, other):
    for left, right in ((T, other), (other, T)):
        if isinstance(left, str) and operation is operator.mod:
            continue  # "x" % T is Python's way to write text
        with pytest.raises(TypeError):
            operation(left, right)


def _nested(size, depth):
    for level in range(depth):
        size = (size * free(f"x{level}") + 1) // 2
    return size


@pytest.mark.parametrize(
    "expand",
    [
        lambda: product([T + 1] * 30),
        lambda: product([free(f"x{i}") + 1 for i in range(10)]),
        lambda: sum(free(f"x{i}") for i in range(100)),
        lambda: product([10**6] * 4),
        lambda: product([10**6] * 100_000),
        lambda: T * (MAX_INTEGER + 1),
        lambda: T + MAX_INTEGER + 1,
        lambda: product([T, 10**9, 10**9, 10]),
        lambda: substitute(T**16, {"T": 10**17}),
        lambda: _nested(T, 12),
        lambda: product([sum(free(f"{c}{i}") for i in range(60)) for c in "ab"]),
        lambda: product([T // k + k for k in range(2, 20)]),
    ],
)
def test_a_size_is_bounded(expand):
    start = time.process_time()
    with pytest.raises(DimError):
        expand()
    assert time.process_time() - start < 1


def test_a_sum_of_many_divisions_is_quick():
    start = time.process_time()
    assert isinstance(sum(T // k for k in range(2, 60)), Dim)
    assert same(sum((T + i) // 40 for i in range(40)), T)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("size", "low"),
    [
        (7, 7),
        (T, 1),
        (2 * T - 1, 1),
        (T - 1, 0),
        (T - 3, -2),
        (ceil_div(T, 2), 1),
        (T // 2, 0),
        (T - T // 2, 1),
        (H * W - H, 0),
        (H * W * 3 - H - W, 1),
        (T % 8, 0),
        (8 * ceil_div(T, 8) - T, 0),
        (T - 2 * (T // 4), 1),
        (H - T, None),
        (-T, None),
    ],
    ids=str,
)
def test_minimum(size, low):
    assert minimum(size) == low


def test_names_and_is_free():
    assert names(3) == frozenset()
    assert names(H * ((T + 1) // 2) + 1) == {"H", "T"}
    assert is_free(T) and not is_free(T + 1) and not is_free(2 * T) and not is_free(1) and not is_free(T // 2)


def test_a_class_count_is_not_a_free_dimension():
    count = class_count("kind")
    assert str(2 * count + 1) == "2 * kind.classes + 1"
    assert not is_free(count) and not has_free((count + 1) // 2) and has_free(count * T)


def test_a_class_count_is_kept_in_derived_sizes():
    size = (class_count("kind") * T + 3) // 2
    for made in (size, substitute(size, {"T": W + 1}), pickle.loads(pickle.dumps(size)), size * 2 - T):
        assert [count.field for count in class_counts(made)] == ["kind"]
    assert class_counts(substitute(size, {"kind.classes": 3})) == []


def test_substitution_is_simultaneous():
    assert same(substitute(H + 2 * T, {"H": T, "T": H}), T + 2 * H)
    assert same(substitute((T + 1) // 2, {"T": 2 * W + 1}), W + 1)
    assert substitute((T + 1) // 2, {"T": 8}) == 4


def test_product():
    assert product([]) == 1
    assert product([2, 3]) == 6
    assert same(product([2, T, H]), 2 * H * T)
    assert product([T, 0]) == 0


def test_only_the_standard_library_is_loaded():
    code = (
        "import sys, dlc.compiler.dims.dim; print(*(m for m in ('torch', 'numpy', 'onnx', 'lark') if m in "
        "sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment()
    )
    assert done.stdout.strip() == ""


def _environment():
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@given(st.integers(1, 5_000))
def test_divisors_leave_no_remainder(size: int) -> None:
    assert divisors(size) == [n for n in range(1, size + 1) if not size % n]


def test_divisors_of_the_largest_sizes_are_found_quickly() -> None:
    begin = time.process_time()
    assert divisors(999_999_937) == [1, 999_999_937]
    assert len(divisors(735_134_400)) == 1344  # no smaller number has so many
    assert time.process_time() - begin < 1
