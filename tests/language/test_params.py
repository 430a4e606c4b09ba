"""Valid values of params: plain values and nested lists, from the spec, a command or Python."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

import dlc
from dlc.compiler import CompileError

SPEC = """
net f(x) { return x -> dense(4) }
block g(x) { return x }
weight w: float[4] = zeros
param p = %s
input x: float[4]
output y: float
x -> dense(1) -> y
"""


def value_of(own: str, *given: Any) -> Any:
    """The final value of the param."""
    return dlc.compile(text=SPEC % own, params=dict(zip("p", given, strict=False))).compiled.params["p"]


def rejected(own: str, *given: Any) -> Any:
    with pytest.raises(CompileError) as caught:
        value_of(own, *given)
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize("own", ["f", "g", "w", "relu", "dense(3)", "relu -> tanh", "f -> relu"])
@pytest.mark.parametrize("form", ["%s", "[%s]", "[1, [[%s]]]", "(2, %s)", "[3] + [%s]"])
def test_a_param_is_not_a_part_of_a_network(own: str, form: str) -> None:
    found = rejected(form % own)
    assert (found.code, found.line) == ("E0403", 5)
    assert ("a list that contains" in found.message) == (form != "%s")


def test_without_param_a_name_is_bound_to_them() -> None:
    text = SPEC.replace("param p = %s", "p = [f]").replace("x -> dense(1)", "x -> p[0] -> dense(1)")
    assert "`p = [f]`" in rejected("[f]").help
    assert dlc.compile(text=text).compiled.graph.weights


@pytest.mark.parametrize(
    ("own", "given", "wanted"),
    [
        ("1", np.int64(3), 3),
        ("1.0", np.int32(3), 3.0),
        ("1.0", np.float32(0.5), 0.5),
        ("true", np.bool_(False), False),
        ('"a"', np.str_("b"), "b"),
        ("[1]", np.arange(3), [0, 1, 2]),
        ("[1]", (np.int8(1), [2.5, "a", None, True]), [1, [2.5, "a", None, True]]),
        ("(1, 2)", [3, 4], (3, 4)),
        ("none", np.array(5), 5),
    ],
)
def test_values_from_python_become_plain(own: str, given: Any, wanted: Any) -> None:
    found = value_of(own, given)
    assert (found, type(found)) == (wanted, type(wanted))
    assert all(
        type(v) in (int, float, str, bool, list, type(None)) for v in np.ravel(np.array(found, object))
    )


def nested(depth: int) -> list[Any]:
    return [1] if depth == 0 else [nested(depth - 1)]


RECURSIVE: list[Any] = []
RECURSIVE += [RECURSIVE, RECURSIVE]


UNSUPPORTED = {
    "bytes": b"x", "dict": {"a": 1}, "set": {1, 2}, "object": object(), "date": date(2020, 1, 1),
    "complex": 1j, "range": range(3), "function": len, "nan": float("nan"), "inf": float("inf"),
    "numpy nan": np.float64("nan"),
    "numpy date": np.datetime64("2020"), "numpy complex": np.complex64(1), "array of bytes": np.array([b"x"]),
    "array of objects": np.array([None]), "large": 10**31, "huge": 10**5000, "long text": "x" * 10**6,
    "long array": np.zeros(10**6),
}  # fmt: skip


@pytest.mark.parametrize("given", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_other_values_from_python_are_rejected(given: Any) -> None:
    assert rejected("none", given).code == "E0403"
    found = rejected("[1]", [[given]])
    assert (found.code, found.line) == ("E0403", 5)
    assert "`p` was set to a list that contains" in found.message
    assert len(found.message) < 200


@pytest.mark.parametrize("given", [nested(60), RECURSIVE, [0] * 10**6, [[0] * 1000] * 1000], ids=range(4))
def test_lists_have_bounds(given: Any) -> None:
    assert rejected("[1]", given).code == "E0904"


def test_a_name_that_is_not_a_string_is_not_a_param() -> None:
    with pytest.raises(CompileError, match="no param `3`"):
        dlc.compile(text=SPEC % "1", params={3: 1})  # type: ignore[dict-item]
