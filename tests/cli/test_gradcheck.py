"""`dlc gradcheck`: right gradients, kinks, and operators with wrong gradients."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from dlc.cli import commands
from dlc.compiler.operators.activations import Relu, Tanh
from dlc.compiler.operators.layers import Dense
from dlc.compiler.training.pointwise import Mse

SPECS = Path(__file__).parents[2] / "specs"
SMOOTH = ("perceptron", "sine", "xor")
NAMES = ("breast_cancer", "diabetes", "iris", "perceptron", "sine", "two_inputs_two_outputs", "xor")
DATA = 'data { source = table([[1, 2, 0], [2, 1, 1], [3, 3, 0], [-1, 2, 1]], columns=["x", "x", "y"]) }\n'
NET = """input x: float[2]
output y: class(2)

x -> dense(6)
  -> tanh
  -> dense(2) -> y

"""


def check(text_or_path, *options: str, folder: Path | None = None):
    path = text_or_path
    if folder is not None:
        path = folder / "m.dl"
        path.write_text(text_or_path, encoding="utf-8")
    return CliRunner().invoke(commands, ["gradcheck", str(path), *options])


def weights_of(done) -> dict[str, dict]:
    return {w["name"]: w for w in json.loads(done.stdout)["weights"]}


@pytest.mark.parametrize("name", NAMES)
def test_golden_specs_agree_to_seven_digits(name: str) -> None:
    done = check(SPECS / f"{name}.dl", "--format", "json")
    result = json.loads(done.stdout)
    assert (done.exit_code, result["right"], result["random"]) == (0, True, False)
    for weight in result["weights"]:
        assert weight["error"] < 1e-7, weight
        assert name not in SMOOTH or weight["kinks"] == 0, weight


def test_the_table_shows_what_was_checked() -> None:
    done = check(SPECS / "iris.dl")
    assert done.exit_code == 0
    assert done.stdout.startswith("8 rows of the data; gradients in float64 against differences\n")
    assert re.search(
        r"^dense\.weight +\[16, 4\] +10 entries, 2 directions +\d\.\de-1\d$", done.stdout, re.MULTILINE
    )
    assert re.search(r"^dense_2\.bias +\[3\] +every entry +\d\.\de-1\d$", done.stdout, re.MULTILINE)
    assert re.search(r"^the gradients of all 4 weights are right, to \d\.\de-1\d$", done.stdout, re.MULTILINE)


@pytest.mark.slow
def test_kinks_of_a_convolutional_network_are_not_errors() -> None:
    done = check(SPECS / "digits_cnn.dl", "--format", "json")
    assert done.exit_code == 0
    assert sum(w["kinks"] for w in weights_of(done).values()) > 0


def test_the_seed_determines_weights_rows_and_entries(tmp_path: Path) -> None:
    first, second, again = (check(NET + DATA, "--format", "json", "--seed", seed, folder=tmp_path).stdout
                            for seed in ("1", "2", "1"))  # fmt: skip
    assert first == again != second


@pytest.mark.slow
def test_kinks_are_explained_where_there_are_some() -> None:
    printed = check(SPECS / "digits_cnn.dl").stdout
    kinks = sum(map(int, re.findall(r"(\d+) near a kink(?:  .* left)?$", printed, re.MULTILINE)))
    assert re.search(
        rf"^{kinks} of \d+ entries and directions are near a kink, such as that of `relu` at 0",
        printed,
        re.MULTILINE,
    )
    assert "kink" not in check(SPECS / "iris.dl").stdout


def test_weights_that_no_gradient_reaches_are_named(tmp_path: Path) -> None:
    done = check(NET.replace("tanh", "threshold") + DATA, folder=tmp_path)
    assert done.exit_code == 0
    assert re.search(r"^dense\.weight .* 0\.0e\+00  no gradient$", done.stdout, re.MULTILINE), done.stdout
    assert "no gradient reaches `dense.weight`, `dense.bias`: training does not change" in done.stdout
    assert "no gradient" not in check(NET + DATA, folder=tmp_path).stdout


def test_one_weight_is_reported_in_the_singular(tmp_path: Path) -> None:
    text = NET.replace("x -> dense(6)\n  -> tanh\n  -> dense(2)", "x -> dense(2, bias=false)")
    printed = check(text + DATA, folder=tmp_path).stdout
    assert "the gradient of the weight is right, to " in printed


def test_a_long_check_shows_the_remaining_time(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("dlc.runtime.training.progress.QUIET", 0)
    lines = [line for line in check(NET + DATA, folder=tmp_path).stdout.splitlines() if "dense" in line]
    assert ["left" in line for line in lines] == [True, True, True, False]
    done = check(NET + DATA, "--format", "json", folder=tmp_path)
    assert done.stderr.startswith("1 of 4 weights, 0:0") and json.loads(done.stdout)["right"]


def test_errors_are_reported_before_the_table(tmp_path: Path) -> None:
    text = "input x: float[2]\noutput y: float\nlog(x) -> dense(1) -> y\ntrain { epochs = 1 }\n"
    assert check(text, folder=tmp_path).stdout == ""


# --- parts of a step --------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [
    "dropout(0.5) -> tanh", "gaussian_noise(0.3) -> tanh", "batchnorm -> tanh", "layernorm -> silu",
])  # fmt: skip
def test_draws_are_the_same_and_statistics_are_those_of_the_batch(layers: str, tmp_path: Path) -> None:
    text = NET.replace("-> tanh", f"-> {layers}") + DATA
    done = check(text + "train { regularize = [l2(0.01), l1(0.01)] }\n", "--format", "json", folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert max(w["error"] for w in weights_of(done).values()) < 1e-7


def test_a_frozen_net_is_not_checked(tmp_path: Path) -> None:
    text = (
        "input x: float[2]\noutput y: class(2)\nnet f(a) { return a -> dense(3) -> batchnorm -> tanh }\n"
        f"x -> f -> dense(2) -> y\n{DATA}train {{ freeze = f }}\n"
    )
    assert set(weights_of(check(text, "--format", "json", folder=tmp_path))) == {"dense.weight", "dense.bias"}


def test_inputs_of_detach_are_constant(tmp_path: Path) -> None:
    """A straight-through threshold: a step in the forward pass, the identity in the backward pass."""
    text = NET.replace("  -> tanh\n  -> dense(2) -> y", "  -> straight -> dense(2) -> y").replace(
        "x -> dense", "block straight(a) { return a + detach(threshold(a) - a) }\nx -> dense"
    )
    done = check(text + DATA, "--format", "json", folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert weights_of(done)["dense.weight"]["error"] < 1e-7


def test_derivatives_within_the_loss_are_taken_too(tmp_path: Path) -> None:
    text = (
        "input t: float[1]\noutput u: float[1]\nt -> dense(4) -> tanh -> dense(1) -> u\n"
        "data { t = uniform() }\ntrain { loss = mean((gradient(u, t) - u) ** 2)\nsteps = 5 }\n"
    )
    done = check(text, "--format", "json", folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert max(w["error"] for w in weights_of(done).values()) < 1e-7


def test_an_exact_kink_is_distinguished_from_an_error(tmp_path: Path) -> None:
    text = (
        "input x: float[2]\noutput y: float\nweight w: float[2] = ones\n"
        "sum(x * relu(w - detach(w))) + sum(abs(w - detach(w)) * x) -> y\n"
        'data { source = table([[1, 2, 3], [2, 1, 4]], columns=["x", "x", "y"]) }\n'
    )
    done = check(text, "--format", "json", folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert weights_of(done)["w"]["kinks"] > 0


# --- rows -------------------------------------------------------------------------------------------------


def test_without_its_data_random_rows_are_taken(tmp_path: Path) -> None:
    done = check(NET + 'data { source = csv("nowhere.csv") }\n', folder=tmp_path)
    assert done.exit_code == 0
    assert "8 random rows: there is no file nowhere.csv" in done.stdout
    done = check(NET + "train { epochs = 1 }\n", folder=tmp_path)
    assert done.exit_code == 0 and "8 random rows: " in done.stdout


def test_random_rows_support_classes_sequences_labels_and_fitted_operators(tmp_path: Path) -> None:
    text = (
        "input kind: class(red, green, blue)\ninput t: float[T, 2]\ninput b: binary\n"
        "output label: binary[3]\noutput name: class(a, b)\n"
        "h = concat(kind -> embedding(3), t -> standardize -> sum(axis=0), b -> reshape(1))\n"
        "h -> dense(3) -> label\nh -> dense(2) -> name\ntrain { epochs = 1 }\n"
    )
    done = check(text, "--format", "json", folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["random"]


def test_drawn_inputs_are_drawn_once(tmp_path: Path) -> None:
    text = (
        "input z: float[3]\noutput y: float\nz -> dense(4) -> tanh -> dense(1) -> y\n"
        "data { z = normal() }\ntrain { loss = mse(y, 1)\nsteps = 5 }\n"
    )
    done = check(text, "--format", "json", folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert (json.loads(done.stdout)["rows"], json.loads(done.stdout)["random"]) == (8, False)
    assert max(w["error"] for w in weights_of(done).values()) < 1e-7


def test_given_data_must_exist(tmp_path: Path) -> None:
    done = check(NET + DATA, "--data", str(tmp_path / "nowhere.csv"), folder=tmp_path)
    assert done.exit_code == 1 and "no such file" in done.stderr


@pytest.mark.parametrize(("text", "message"), [
    ("input x: float[2]\noutput y: int64\nx -> dense(1) -> y\n", "help: give it one, `train { loss = ... }`"),
    ("input x: float[2]\noutput y: float\nx -> dense(1) -> detach -> y\ntrain { loss = mse(y, 0) }\n",
     "help: use a loss of an output that depends on a layer"),
    (NET.replace("class(2)", "class(auto)").replace("(2) -> y", "(y.classes) -> y"),
     "help: there is no data to find them in: give rows with `--data`"),
    ("input x: float[2]\noutput y: float\nlog(x) -> dense(1) -> y\ntrain { epochs = 1 }\n",
     "random rows may not suit it"),
])  # fmt: skip
def test_a_spec_that_cannot_be_checked_gets_a_reason(text: str, message: str, tmp_path: Path) -> None:
    done = check(text, folder=tmp_path)
    assert done.exit_code == 1
    assert message in done.stderr, done.stderr


# --- wrong gradients --------------------------------------------------------------------------------------


class Lying(torch.autograd.Function):
    """`tanh` with a wrong gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, *gradients):
        (x,) = ctx.saved_tensors
        return gradients[0] * (1 - x.tanh() ** 2) * 1.00001


class Sided(torch.autograd.Function):
    """`relu` with a gradient of the wrong sign below 0."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.relu()

    @staticmethod
    def backward(ctx, *gradients):
        (x,) = ctx.saved_tensors
        return gradients[0] * x.sign()


def lying_tanh(x):
    return Lying.apply(x)


def lying_relu(x):
    return Sided.apply(x)


def lie(monkeypatch, operator, function) -> None:
    def traced(self, F, x):
        return x.tracer.create_proxy("call_function", function, (x,), {})

    monkeypatch.setattr(operator, "torch", traced)


def test_a_gradient_that_is_wrong_by_a_hundred_thousandth_is_found(monkeypatch, tmp_path: Path) -> None:
    lie(monkeypatch, Tanh, lying_tanh)
    done = check(NET + DATA, folder=tmp_path)
    assert done.exit_code == 1
    assert re.search(r"^dense\.weight .* 1\.\de-05  WRONG$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^dense_2\.weight .* \d\.\de-1\d$", done.stdout, re.MULTILINE)
    assert "the gradients of 2 of 4 weights are wrong" in done.stdout
    assert done.stderr.startswith(
        "error[E0810]: the gradient of the weight `dense.bias` differs from finite differences"
    )
    assert "m.dl:5:6" in done.stderr and "the gradient of `tanh` is wrong here" in done.stderr


def test_kinks_do_not_hide_a_wrong_gradient(monkeypatch, tmp_path: Path) -> None:
    lie(monkeypatch, Relu, lying_relu)
    done = check(NET.replace("tanh", "relu") + DATA, "--format", "json", folder=tmp_path)
    assert done.exit_code == 1
    weights = weights_of(done)
    assert weights["dense.weight"]["wrong"] and not weights["dense_2.weight"]["wrong"]
    assert "the gradient of `relu` is wrong here" in done.stderr


@pytest.mark.slow
def test_the_first_of_two_lines_is_named(monkeypatch, tmp_path: Path) -> None:
    lie(monkeypatch, Tanh, lying_tanh)
    text = NET.replace(
        "  -> tanh\n", "  -> silu\n  -> dense(4) -> batchnorm -> tanh\n  -> dense(3) -> tanh\n"
    )
    done = check(text + DATA, folder=tmp_path)
    assert done.exit_code == 1
    assert "m.dl:6:31" in done.stderr, done.stderr


class Scaled(torch.autograd.Function):
    """The identity, with a gradient that is 0.1 % too large."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, *gradients):
        return gradients[0] * 1.001


def lying_linear(x, weight, bias):
    return torch.nn.functional.linear(x, Scaled.apply(weight), bias)


def forgetful_linear(x, weight, bias):
    return torch.nn.functional.linear(x, weight.data, bias)


def lying_loss(prediction, target):
    return torch.nn.functional.mse_loss(Scaled.apply(prediction), target)


@pytest.mark.parametrize(("function", "off"), [(lying_linear, "1.0e-03"), (forgetful_linear, "1.0e+00")])
def test_a_wrong_gradient_of_one_weight_names_that_weight(
    function, off: str, monkeypatch, tmp_path: Path
) -> None:
    def traced(self, F, x, weight, bias=None):
        return x.tracer.create_proxy("call_function", function, (x, weight, bias), {})

    monkeypatch.setattr(Dense, "torch", traced)
    done = check(NET + DATA, folder=tmp_path)
    assert done.exit_code == 1
    assert re.search(r"^dense\.bias .* \d\.\de-1\d$", done.stdout, re.MULTILINE), done.stdout
    message = f"the weight `dense.weight` differs from finite differences: the relative error is {off}"
    assert message in done.stderr
    assert "m.dl:4:6" in done.stderr and "the gradient of `dense` is wrong here" in done.stderr


def test_a_loss_that_is_wrong_is_named(monkeypatch, tmp_path: Path) -> None:
    def traced(self, F, prediction, target):
        return prediction.tracer.create_proxy("call_function", lying_loss, (prediction, target), {})

    monkeypatch.setattr(Mse, "torch", traced)
    text = NET.replace("class(2)", "float").replace("dense(2)", "dense(1)")
    done = check(text + DATA + "train { loss = mse(y) + 0.1 * mae(y) }\n", folder=tmp_path)
    assert done.exit_code == 1
    assert "the gradient of `mse` is wrong here" in done.stderr, done.stderr
