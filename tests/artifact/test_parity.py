"""The parity check: an artifact is written only if it agrees with torch, and never partially."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import pytest
from artifacts import agree, make, random_weights

import dlc
from dlc.compiler.operators.activations import Gelu, Relu, Tanh, Threshold
from dlc.compiler.operators.arithmetic import Add, Multiply
from dlc.compiler.operators.axis_activations import Softmax
from dlc.compiler.operators.concat import Split
from dlc.compiler.operators.convolution import Conv
from dlc.compiler.operators.embedding import Embedding
from dlc.compiler.operators.functions import Log
from dlc.compiler.operators.impute import Impute
from dlc.compiler.operators.postprocessing import ClassNumber, RoundTo
from dlc.runtime.artifact import parity, verify, write
from dlc.runtime.artifact.compare import TOLERANCE, difference
from dlc.runtime.artifact.export import export

NET = """input x: float[1, 8, 8]
output y: class(3)

block unit(x; n) {
  return x -> conv(n, 3, padding=1) -> batchnorm
    -> relu
}

x
  -> unit(2)
  -> unit(2)
  -> flatten
  -> dense(5)
  -> tanh
  -> dense(3) -> y
"""


def refused(text: str, folder: Path, **given: Any) -> dlc.Diagnostic:
    """The only error of an export, which leaves no files."""
    before = sorted(folder.iterdir())
    face = dlc.compile(text=text)
    with pytest.raises(dlc.CompileError) as caught:
        export(face.compiled, random_weights(face), folder / "m.onnx", **given)
    assert sorted(folder.iterdir()) == before
    (problem,) = caught.value.diagnostics
    assert problem.code == "E0811"
    return problem


def wrong_tanh(self: Any, op: Any, x: Any) -> Any:
    return op.Sigmoid(x)


def wrong_relu(self: Any, op: Any, x: Any) -> Any:
    return op.LeakyRelu(x, alpha=0.001)


def off_by_little(self: Any, op: Any, x: Any) -> Any:
    return op.Mul(op.Tanh(x), op.constant(1.001, "float32"))


@pytest.mark.parametrize(
    ("operator", "form", "line"), [(Tanh, wrong_tanh, 14), (Relu, wrong_relu, 6), (Tanh, off_by_little, 14)]
)
def test_a_wrong_form_is_found_and_named(
    operator: type, form: Callable, line: int, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(operator, "onnx", form)
    problem = refused(NET, tmp_path)
    assert problem.line == line
    assert "torch and ONNX Runtime differ in `y" in problem.message
    assert "random rows" in problem.message


def test_an_error_within_a_block_has_the_chain_of_uses(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Relu, "onnx", wrong_relu)
    assert refused(NET, tmp_path).notes == ("in: block unit, used at text.dl:10:6",)


def test_a_difference_in_folding_is_found(tmp_path: Path, monkeypatch) -> None:
    def forgets_the_offset(self: Any, np: Any, weights: Any, scale: Any, offset: Any) -> Any:
        weight = weights["weight"] * scale.reshape(-1, 1, 1, 1)
        return {"weight": weight.astype(np.float32), "bias": weights["bias"].astype(np.float32)}

    monkeypatch.setattr(Conv, "scaled", forgets_the_offset)
    assert refused(NET, tmp_path).line == 5


def test_a_difference_in_the_second_result_is_found(tmp_path: Path, monkeypatch) -> None:
    form = Split.onnx

    def swapped(self: Any, op: Any, x: Any) -> Any:
        first, second, third = form(self, op, x)
        return first, third, second

    monkeypatch.setattr(Split, "onnx", swapped)
    text = (
        "input x: float[6]\noutput y: float[2]\na, b, c = x -> split(3, 0)\na -> dense(2) -> y\n"
        "export { outputs = [y, b] }\n"
    )
    problem = refused(text, tmp_path)
    assert (problem.line, "`b`" in problem.message) == (3, True)


def test_a_wrong_choice_after_the_scores_is_found(tmp_path: Path, monkeypatch) -> None:
    def last(self: Any, op: Any, x: Any) -> Any:
        return op.ArgMin(x, axis=-1, keepdims=0)

    monkeypatch.setattr(ClassNumber, "onnx_float", last)
    problem = refused(NET, tmp_path)
    assert (problem.line, "another answer" in problem.message) == (2, True)


def test_a_wrong_axis_of_the_probabilities_is_found(tmp_path: Path, monkeypatch) -> None:
    def along_the_batch(self: Any, op: Any, x: Any) -> Any:
        return op.Softmax(x, axis=0)

    monkeypatch.setattr(Softmax, "onnx", along_the_batch)
    assert "`y_probabilities`" in refused(NET, tmp_path).message


@pytest.mark.parametrize("wrong", [lambda self, op, x: op.Identity(x), lambda self, op, x: op.Abs(x)])
def test_nan_values_are_compared(wrong: Callable, tmp_path: Path, monkeypatch) -> None:
    """The result of a node for NaN has to be the same."""
    monkeypatch.setattr(Impute, "onnx", wrong)
    text = "input x: float[3]\noutput y: float\nx * 2\n  -> impute(-1)\n  -> dense(1) -> y\n"
    assert refused(text, tmp_path).line == 4


def test_unknown_classes_are_compared(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Embedding, "onnx", lambda self, op, x, weight: op.Gather(weight, x, axis=0))
    text = "input x: class(a, b, c)\noutput y: float\nx\n  -> embedding(2)\n  -> dense(1) -> y\n"
    assert refused(text, tmp_path).line == 4


def test_an_error_at_only_one_batch_size_is_found(tmp_path: Path, monkeypatch) -> None:
    def only_alone(self: Any, op: Any, x: Any) -> Any:
        return op.Add(x, op.ReduceSum(op.Sub(x, x), op.constant([0], "int64"), keepdims=1))

    def of_seven(self: Any, op: Any, x: Any) -> Any:
        is_large = op.Cast(op.Greater(op.batch(), op.constant(5, "int64")), to=1)
        return op.Add(op.Tanh(x), is_large)

    monkeypatch.setattr(Tanh, "onnx", of_seven)
    assert "7 random rows" in refused(NET, tmp_path).message
    monkeypatch.setattr(Tanh, "onnx", only_alone)
    assert refused(NET, tmp_path).line == 14


def test_an_error_at_only_one_length_is_found(tmp_path: Path, monkeypatch) -> None:
    def at_most_six(self: Any, op: Any, x: Any) -> Any:
        return op.Tanh(
            op.Mul(
                x, op.Cast(op.LessOrEqual(op.size(self.operands[0].shape[0]), op.constant(6, "int64")), to=1)
            )
        )

    monkeypatch.setattr(Tanh, "onnx", at_most_six)
    problem = refused("input x: float[T, 2]\noutput y: float[T, 2]\nx -> tanh -> y\n", tmp_path)
    assert "T = 8" in problem.message


def test_an_error_only_on_real_rows_is_found(tmp_path: Path, monkeypatch) -> None:
    def up_to_a_hundred(self: Any, op: Any, x: Any) -> Any:
        return op.Min(op.Relu(x), op.constant(100.0, "float32"))

    monkeypatch.setattr(Relu, "onnx", up_to_a_hundred)
    text = "input x: float[2]\noutput y: float[2]\nx -> relu -> y\n"
    assert make(text, tmp_path).operators == ["Relu", "Min"]
    (tmp_path / "model.onnx").unlink()
    problem = refused(text, tmp_path, rows={"x": np.array([[1, 2], [3, 400]], np.float32)})
    assert (problem.line, "2 real rows" in problem.message) == (3, True)


def test_a_model_that_onnx_runtime_refuses_is_reported_at_its_source_location(
    tmp_path: Path, monkeypatch
) -> None:
    def of_no_such_attribute(self: Any, op: Any, x: Any) -> Any:
        return op.Tanh(x, sharp=3)

    def of_no_such_operator(self: Any, op: Any, x: Any) -> Any:
        return op.Tanhh(x)

    def of_another_shape(self: Any, op: Any, x: Any) -> Any:
        return op.MatMul(x, op.constant(np.ones((7, 5)), "float32"))

    for form in (of_no_such_attribute, of_no_such_operator, of_another_shape):
        monkeypatch.setattr(Tanh, "onnx", form)
        problem = refused(NET, tmp_path)
        assert problem.line == 14, form
        assert "ONNX Runtime cannot run the exported model: " in problem.message


def test_a_model_that_fails_at_run_time_is_reported_at_its_source_location(
    tmp_path: Path, monkeypatch
) -> None:
    def of_a_size_known_late(self: Any, op: Any, x: Any) -> Any:
        return op.Reshape(
            x,
            op.Concat(op.Unsqueeze(op.batch(), op.constant([0], "int64")), op.constant([4], "int64"), axis=0),
        )

    monkeypatch.setattr(Tanh, "onnx", of_a_size_known_late)
    assert refused(NET, tmp_path).line == 14


def test_an_error_only_on_empty_batches_is_reported_at_its_source_location(
    tmp_path: Path, monkeypatch
) -> None:
    def of_what_is_left(self: Any, op: Any, x: Any) -> Any:
        return op.Reshape(op.Tanh(x), op.constant([0, -1], "int64"))

    def of_a_row_at_least(self: Any, op: Any, x: Any) -> Any:
        more = op.Cast(op.Equal(op.batch(), op.constant(0, "int64")), to=7)
        pads = op.Concat(op.Unsqueeze(more, op.constant([0], "int64")), op.constant([0] * 3, "int64"), axis=0)
        return op.Pad(op.Tanh(x), pads)

    for form in (of_what_is_left, of_a_row_at_least):
        monkeypatch.setattr(Tanh, "onnx", form)
        problem = refused(NET, tmp_path)
        assert (problem.line, "0 random rows" in problem.message) == (14, True)


def test_an_old_file_is_kept_if_the_new_one_is_refused(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "m.onnx").write_bytes(b"the old one")
    monkeypatch.setattr(Tanh, "onnx", wrong_tanh)
    refused(NET, tmp_path)
    assert (tmp_path / "m.onnx").read_bytes() == b"the old one"


# --- NaN --------------------------------------------------------------------------------------------------

LOGS = "input x: float[6]\noutput y: float[6]\nx -> log -> y\n"


def test_nan_passes(tmp_path: Path) -> None:
    text = (
        "input x: float[6]\noutput y: float[6]\noutput kind: class(6)\noutput whole: uint8[6]\n"
        "output flag: bool[6]\noutput yes: binary[6]\noutput scaled: float[6]\n"
        "h = log(x)\nh -> y\nh -> kind\nh -> whole\nh -> flag\nh -> yes\n"
        "x / 0 -> scaled\n"
    )
    assert verify(make(text, tmp_path).path).holds


@pytest.mark.parametrize(
    "form",
    [
        lambda self, op, x: op.Mul(op.Log(x), op.constant(1.01, "float32")),
        lambda self, op, x: op.Log(op.Abs(x)),
        lambda self, op, x: op.Where(
            op.Less(op.Log(x), op.constant(0.5, "float32")), op.Log(x), op.Log(op.Neg(x))
        ),
    ],
    ids=["other numbers", "numbers for none", "none for numbers"],
)
def test_nan_hides_no_error(form: Callable, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Log, "onnx", form)
    assert refused(LOGS, tmp_path).line == 3


def test_functions_without_values_for_small_numbers_are_compared_on_larger_ones(
    tmp_path: Path, monkeypatch
) -> None:
    text = "input x: float[6]\noutput y: float[6]\nlog(x - 3) -> y\n"
    made = make(text, tmp_path)
    assert "2 random rows of positive numbers" in made.metadata["dlc.parity"]
    (tmp_path / "model.onnx").unlink()
    monkeypatch.setattr(Log, "onnx", lambda self, op, x: op.Mul(op.Log(x), op.constant(1.01, "float32")))
    assert "positive numbers" in refused(text, tmp_path).message


def test_infinite_values_have_to_be_equal() -> None:
    inf, nan = np.inf, np.nan
    for have in ([inf, 1], [-inf, 1], [nan, 1], [1e30, 1]):
        alike = difference(np.array([inf, 1], np.float32), np.array(have, np.float32)) <= TOLERANCE
        assert alike == (have[0] == inf)
    assert difference(np.array([nan, inf, 2]), np.array([nan, inf, 2])) == 0
    assert difference(np.array([nan, 2.0]), np.array([nan, 2.1])) > TOLERANCE
    assert difference(np.zeros((2, 3)), np.zeros((3, 2))) == inf
    assert difference(np.zeros((0, 3)), np.zeros((0, 3))) == 0


# --- rounding ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("element", ["float16", "bfloat16", "int32", "bool", "float64"])
def test_rounding_passes(element: str, tmp_path: Path) -> None:
    made = make(f"input x: float[300]\noutput y: {element}[2000]\n(x -> dense(2000)) * 0.01 -> y\n", tmp_path)
    assert verify(made.path).holds


def test_equal_scores_pass(tmp_path: Path) -> None:
    text = (
        "input x: float[3]\noutput kind: class(4)\noutput yes: binary\nh = x -> dense(1)\n"
        "h2 = x -> dense(1)\nconcat(h + h2, h2 + h, h, h * 2 - h) -> kind\nh2 - h + h - h2 -> yes\n"
    )
    assert verify(make(text, tmp_path).path).holds


def test_rounding_excuses_no_wrong_integer(tmp_path: Path, monkeypatch) -> None:
    text = "input x: float[50]\noutput y: int32[50]\nx * 1000 -> y\n"
    form = RoundTo.onnx
    monkeypatch.setattr(RoundTo, "onnx", lambda self, op, x: form(self, op, op.Floor(x)))
    assert "another answer" in refused(text, tmp_path).message
    monkeypatch.setattr(
        RoundTo, "onnx", lambda self, op, x: form(self, op, op.Mul(x, op.constant(1.01, "float32")))
    )
    assert "another answer" in refused(text, tmp_path).message


# --- atomic writes ----------------------------------------------------------------------------------------

SMALL = "input x: float[3]\noutput y: float[2]\nx -> dense(2) -> y\n"


@pytest.mark.parametrize("stage", ["save", "check", "seal", "record"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device"), MemoryError])
def test_an_interrupted_export_leaves_no_files(stage: str, error: Any, tmp_path: Path, monkeypatch) -> None:
    from dlc.runtime.artifact import export as at

    def stop(*arguments: Any, **given: Any) -> None:
        raise error

    monkeypatch.setattr(*((parity.Parity, stage) if stage == "check" else (at, stage)), stop)
    (tmp_path / "old.onnx").write_bytes(b"the old one")
    face = dlc.compile(text=SMALL)
    for name in ("new.onnx", "old.onnx"):
        with pytest.raises(error if isinstance(error, type) else type(error)):
            export(face.compiled, face.weights(), tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["old.onnx"]
    assert (tmp_path / "old.onnx").read_bytes() == b"the old one"


def test_a_file_is_never_visible_half_written(tmp_path: Path, monkeypatch) -> None:
    """During the export only a hidden folder exists; then the complete file gets its name at once."""
    seen: list[list[str]] = []
    replace = os.replace

    def watch(source: Any, target: Any) -> None:
        seen.append(sorted(p.name for p in tmp_path.iterdir()))
        assert verify(source).holds
        replace(source, target)

    monkeypatch.setattr(os, "replace", watch)
    make(SMALL, tmp_path)
    (names,) = seen
    assert len(names) == 1
    assert names[0].startswith(".model.onnx.")
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_a_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    assert (make(SMALL, tmp_path).path.stat().st_mode & 0o777) == (
        (tmp_path / "other").stat().st_mode & 0o777
    )


def test_missing_folders_are_created(tmp_path: Path) -> None:
    assert make(SMALL, tmp_path / "a" / "b").path.is_file()


def test_weights_above_the_limit_are_external_data(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(write, "MAX_BYTES", 1000)
    made = make("input x: float[100]\noutput y: float[50]\nx -> dense(50) -> y\n", tmp_path / "large")
    assert sorted(p.name for p in made.path.parent.iterdir()) == ["model.onnx", "model.onnx.data"]
    assert made.path.stat().st_size < 20_000
    entries = onnx.load(made.path, load_external_data=False).graph.initializer[0].external_data
    assert {e.key: e.value for e in entries}["location"] == "model.onnx.data"
    agree(made)
    assert verify(made.path).holds
    moved = made.path.parent.rename(tmp_path / "moved") / "model.onnx"
    assert verify(moved).holds
    data = bytearray(moved.with_name("model.onnx.data").read_bytes())
    data[3] ^= 0x40
    moved.with_name("model.onnx.data").write_bytes(data)
    assert not verify(moved).holds
    moved.with_name("model.onnx.data").unlink()
    with pytest.raises(dlc.runtime.artifact.ArtifactError):
        verify(moved)


def test_a_smaller_model_has_no_external_data(tmp_path: Path, monkeypatch) -> None:
    """A large model with the same name existed before."""
    monkeypatch.setattr(write, "MAX_BYTES", 10)
    make(SMALL, tmp_path)
    monkeypatch.setattr(write, "MAX_BYTES", 10**9)
    made = make(SMALL, tmp_path)
    assert verify(made.path).holds
    assert not made.proto.graph.initializer[0].external_data


def test_saving_does_not_change_the_model_in_memory(tmp_path: Path, monkeypatch) -> None:
    """Writing external data twice does not lose the weights."""
    monkeypatch.setattr(write, "MAX_BYTES", 10)
    made = make(SMALL, tmp_path)
    model = onnx_ir.load(made.path)
    np.testing.assert_array_equal(
        model.graph.initializers["dense.weight"].const_value.numpy(), made.weights["dense.weight"]
    )


@pytest.mark.parametrize("operator", [Add, Multiply, Gelu])
def test_correct_forms_pass(operator: type, tmp_path: Path) -> None:
    text = "input x: float[4]\noutput y: float[4]\n(x + 1) * gelu(x) -> y\n"
    assert verify(make(text, tmp_path).path).worst <= TOLERANCE


def test_probabilities_of_many_classes_are_not_too_small_to_differ(tmp_path: Path, monkeypatch) -> None:
    """Probabilities of 0.001 are far below the floor of 1 for other values."""

    def warmer(self: Any, op: Any, x: Any) -> Any:
        return op.Softmax(op.Mul(x, op.constant(0.999, "float32")), axis=-1)

    text = "input x: float[4]\noutput y: class(1000)\nx -> dense(1000) -> y\n"
    assert verify(make(text, tmp_path).path).holds
    (tmp_path / "model.onnx").unlink()
    monkeypatch.setattr(Softmax, "onnx", warmer)
    assert "`y_probabilities`" in refused(text, tmp_path).message


def test_a_value_at_a_threshold_passes(tmp_path: Path) -> None:
    """0.1 + 0.2 - 0.3 is zero or almost zero, depending on the order of summation."""
    text = (
        "input x: float[3]\noutput fires: binary\noutput many: binary[2]\n"
        "h = x -> dense(1, weight=[[0.1, 0.2, -0.3]], bias=false)\nh -> threshold -> fires\n"
        "concat(h, h * 7) -> threshold -> many\n"
    )
    rows = {"x": np.full((6, 3), [1, 1, 1], np.float32) * np.arange(1, 7, dtype=np.float32)[:, None]}
    assert verify(make(text, tmp_path, rows=rows).path).holds


def test_a_value_at_a_comparison_passes(tmp_path: Path) -> None:
    """`tanh(10)` is 1 or almost 1; the remainder of almost an integer is 0 or almost 1."""
    text = (
        "input x: float[64]\noutput whole: bool[64]\noutput rest: float[64]\n"
        "h = tanh(x)\nh == 1 -> whole\n(h * 3) % 1 -> rest\n"
    )
    rows = {"x": np.linspace(5, 20, 6 * 64, dtype=np.float32).reshape(6, 64)}
    assert verify(make(text, tmp_path, rows=rows).path).holds


def test_a_wrong_threshold_is_found(tmp_path: Path, monkeypatch) -> None:
    text = "input x: float[3]\noutput fires: binary\nx -> dense(1) -> threshold -> fires\n"
    monkeypatch.setattr(
        Threshold, "onnx", lambda self, op, x: op.Cast(op.Less(x, op.constant(0.0, "float32")), to=1)
    )
    assert "`fires" in refused(text, tmp_path).message


def test_the_source_location_is_right_after_constants(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Tanh, "onnx", wrong_tanh)
    text = (
        "input x: float[3]\noutput y: float[1]\n"
        "h = x -> dense(3, weight=[[1, 2, 3], [4, 5, 6], [7, 8, 9]], bias=[1, 2, 3])\n"
        "g = h * 2 + 3\ng\n  -> tanh\n  -> dense(1, weight=[[1, 2, 3]], bias=[0.5]) -> y\n"
    )
    assert refused(text, tmp_path).line == 6
