"""Excuses of the parity check: NaN and rounding are not errors, and must not hide errors."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from artifacts import make, random_weights
from click.testing import CliRunner

import dlc
from dlc.cli import commands
from dlc.compiler.operators.activations import Relu, Tanh
from dlc.compiler.operators.functions import Cos, Log
from dlc.compiler.operators.ordering import Argmax
from dlc.compiler.operators.reductions import Max
from dlc.runtime.artifact import verify
from dlc.runtime.artifact.export import export

# Engines differ for infinity and NaN.
NONE = {
    "the place of the greatest": "input x: float[5]\noutput y: float\nlog(x) -> argmax -> y\n",
    "the least of several": "input x: float[T, 4]\noutput y: float[T]\nlog(x) -> min(axis=1) -> y\n",
    "the greatest in a window": "input x: float[2, 6]\noutput y: float[2, 3]\nlog(x) -> maxpool(2) -> y\n",
    "a threshold": "input x: float[4]\noutput y: class(4)\nsqrt(x) -> threshold -> layernorm -> y\n",
    "after a threshold": "input x: float[4]\noutput y: float[3]\nsqrt(x) -> threshold -> dense(3) -> y\n",
    "of whole numbers": "input x: int32[4]\noutput y: class(4)\nsqrt(x) -> prelu -> hard_swish -> y\n",
    "past the largest number": "input x: uint8[4]\noutput y: float[4]\nexp(x) -> hard_swish -> y\n",
}
# Large values have large float32 steps (ulp).
LARGE = {
    "an angle": "input x: int32[4]\noutput y: float[4]\nx -> dense(4) -> cos -> y\n",
    "an angle of a power": "input x: float[4]\noutput y: float[4]\n(x * 3) -> exp -> sin -> y\n",
    "a difference": "input x: int32[4]\noutput y: float\nh = x -> dense(1)\nsum((h + 3e4) - 3e4 - h) -> y\n",
}
# Two values are equal up to rounding.
EQUAL = {
    "saturated": "input x: float[6]\noutput y: float[6]\nk = x * 100 -> tanh -> argmax\nx * k -> y\n",
    "the same twice": "input x: float[6]\noutput y: float\nh = x -> dense(3)\nconcat(h, h) -> argmax -> y\n",
}
# Zero up to rounding, in which engines differ.
NOUGHT = {
    "zero up to rounding": "input x: float[20]\noutput y: float\n(x - mean(x)) -> sum -> log -> y\n",
}


@pytest.mark.parametrize(
    "text",
    [*NONE.values(), *LARGE.values(), *EQUAL.values(), *NOUGHT.values()],
    ids=[*NONE, *LARGE, *EQUAL, *NOUGHT],
)
def test_correct_artifacts_pass(text: str, tmp_path: Path) -> None:
    assert verify(make(text, tmp_path).path).holds


def test_a_choice_among_values_that_are_zero_up_to_rounding_passes(tmp_path: Path) -> None:
    text = (
        "input x: float[2, 4, 5]\noutput y: class(2)\nx -> instancenorm -> global_avgpool -> softmax -> y\n"
    )
    face, far = dlc.compile(text=text), 1e4 + 10 * np.random.default_rng(0).random((64, 2, 4, 5))
    export(face.compiled, random_weights(face), tmp_path / "m.onnx", rows={"x": far.astype(np.float32)})
    assert verify(tmp_path / "m.onnx").holds


ERRORS = {
    "the place of the least": (
        "input x: float[5]\noutput y: float\nlog(x + 1) -> argmax -> y\n",
        Argmax,
        lambda self, op, x: op.ArgMin(x, axis=1, keepdims=0),
    ),
    "the least in place of the greatest": (
        "input x: float[5]\noutput y: float\nlog(x) -> max -> y\n",
        Max,
        lambda self, op, x: op.ReduceMin(x, op.constant([1], "int64"), keepdims=0),
    ),
    "values in place of NaN": (
        "input x: float[5]\noutput y: float\nh = log(x)\nh -> max -> y\n",
        Log,
        lambda self, op, x: op.Log(op.Abs(x)),
    ),
    "a number where it passes NaN on": (
        "input x: float[5]\noutput y: float[5]\nlog(x) -> relu -> y\n",
        Relu,
        lambda self, op, x: op.Where(
            op.Greater(x, op.constant(0.0, "float32")), x, op.constant(0.0, "float32")
        ),
    ),
    "another angle": (
        "input x: int32[4]\noutput y: float[4]\nx -> dense(4) -> cos -> y\n",
        Cos,
        lambda self, op, x: op.Sin(x),
    ),
    "before NaN": (
        "input x: float[5]\noutput y: float\nh = x -> dense(4) -> relu\nlog(h) -> min -> y\n",
        Relu,
        lambda self, op, x: op.Abs(x),
    ),
}


@pytest.mark.parametrize("error", ERRORS)
def test_no_error_is_excused(error: str, tmp_path: Path, monkeypatch) -> None:
    text, operator, form = ERRORS[error]
    monkeypatch.setattr(operator, "onnx", form)
    face = dlc.compile(text=text)
    with pytest.raises(dlc.CompileError) as caught:
        export(face.compiled, random_weights(face), tmp_path / "m.onnx")
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.line) == ("E0811", 3)
    assert f"in `{operator.name}`" in problem.labels[0].text
    assert not list(tmp_path.iterdir())


def test_an_error_larger_than_rounding_that_grows_is_an_error(tmp_path: Path, monkeypatch) -> None:
    """Each node by itself is within the tolerance."""
    form = Tanh.onnx
    monkeypatch.setattr(
        Tanh, "onnx", lambda self, op, x: op.Mul(form(self, op, x), op.constant(1.00002, "float32"))
    )
    face = dlc.compile(text="input x: float[9]\noutput y: float[9]\nh = tanh(x) * 30\nh -> exp -> y\n")
    with pytest.raises(dlc.CompileError) as caught:
        export(face.compiled, {}, tmp_path / "m.onnx")
    assert "in `exp`" in caught.value.diagnostics[0].labels[0].text


def test_an_excused_row_does_not_excuse_other_rows(tmp_path: Path, monkeypatch) -> None:
    """The first row has no logarithm, the second row is wrong."""
    monkeypatch.setattr(
        Max, "onnx", lambda self, op, x: op.ReduceMin(x, op.constant([1], "int64"), keepdims=0)
    )
    face = dlc.compile(text="input x: float[2]\noutput y: float\nlog(x) -> max -> y\n")
    rows = {"x": np.array([[-1, 2], [1, 2]], np.float32)}
    with pytest.raises(dlc.CompileError):
        export(face.compiled, {}, tmp_path / "m.onnx", rows=rows)


def test_excuses_are_recorded(tmp_path: Path) -> None:
    """`verify` repeats the proof also where torch and ONNX Runtime differ."""
    made = make(
        "input x: float[5]\noutput y: class(5)\noutput z: float\nh = log(x - 20)\nh -> y\nmax(h) -> z\n",
        tmp_path,
    )
    assert verify(made.path).holds


def test_the_worst_difference_is_that_of_compared_rows(tmp_path: Path) -> None:
    for text in (*NONE.values(), *LARGE.values()):
        parity = dlc.load(make(text, tmp_path).path).metadata.parity
        assert 0 <= parity["worst"] <= parity["tolerance"]


@pytest.mark.parametrize(
    ("text", "excuse"),
    [
        (
            "input x: float[4]\noutput y: float\n\nh = sqrt(x)\nh -> max -> y\n",
            r"\d+ of 12 rows are left out: `max` \(text.dl:5:6\) reads NaN or infinity, which .+",
        ),
        ("input x: float[4]\noutput y: float[4]\nsqrt(x) -> y\n", None),
        ("input x: float[4]\noutput y: class(4)\nx -> dense(4) -> y\n", None),
    ],
    ids=["NaN that one engine takes for nothing", "NaN in both", "nothing"],
)
def test_rows_that_are_not_compared_are_reported(text: str, excuse: str | None, tmp_path: Path) -> None:
    """An artifact that agrees to 0.0e+00 where it was compared may differ elsewhere."""
    made = export(
        dlc.compile(text=text).compiled, random_weights(dlc.compile(text=text)), tmp_path / "m.onnx"
    )
    if excuse is None:
        assert made.excused == ()
    else:
        (line,) = made.excused
        assert re.fullmatch(excuse, line)
    assert dlc.load(made.path).metadata.parity["excused"] == list(made.excused)


def test_rows_that_rounding_decides_are_reported(tmp_path: Path, monkeypatch) -> None:
    """With an engine that takes the last of two equal values."""
    last = {"axis": 1, "keepdims": 0, "select_last_index": 1}
    monkeypatch.setattr(Argmax, "onnx", lambda self, op, x: op.ArgMax(x, **last))
    face = dlc.compile(text=EQUAL["the same twice"])
    (line,) = export(face.compiled, random_weights(face), tmp_path / "m.onnx").excused
    assert line.startswith("12 of 12 rows are left out: `argmax`")
    assert line.endswith("chooses between values that differ only by rounding")


def test_export_prints_the_rows_that_are_not_compared(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("roots.dl").write_text("input x: float[4]\noutput y: float\n\nsqrt(x) -> max -> y\n")
    lines = CliRunner().invoke(commands, ["export", "roots.dl"]).output.splitlines()
    assert lines[0].endswith("torch and ONNX Runtime agree to 0.0e+00 on 5 batches")
    assert "rows are left out: `max` (roots.dl:4:12) reads NaN or infinity" in lines[1]
