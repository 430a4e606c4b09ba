"""Warnings of what can hardly be meant: they fire where practice says so, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from specs import codes

from dlc.compiler import compile, read_source, reader
from dlc.compiler.definition import family
from dlc.compiler.training.optimizers import Optimizer

ROOT = Path(__file__).parents[2]

X = "input x: float[4]\n"
SICK = X + "output y: binary\n"
DOSE = X + "output y: float\n"
DOSES = X + "output y: float[4]\n"
KIND = X + "output y: class(3)\n"
IMAGE = "input x: uint8[3, 32, 32]\noutput y: class(5)\n"
IRIS = 'data { source = builtin("iris") }\n'

HARDLY_MEANT = {
    "numbers of scores": ("W0404", SICK + "x -> dense(1) -> y\ntrain { loss = mae(y) }"),
    "scores of numbers": ("W0404", DOSE + "x -> dense(1) -> y\ntrain { loss = bce(y) }"),
    "softmax of softmax": ("W0405", KIND + "x -> dense(3) -> softmax -> softmax -> y"),
    "sigmoid of sigmoid": ("W0405", SICK + "x -> dense(1) -> sigmoid -> reshape(1) -> sigmoid -> y"),
    "softmax of what is held": ("W0405", KIND + "x -> dense(3) -> softmax -> detach -> softmax -> y"),
    "softmax over another axis": (
        "W0405", "input x: float[3, 4, 4]\noutput y: class(3)[4, 4]\nx -> softmax(axis=-1) -> y"),
    "a loss of probabilities": (
        "W0405", KIND + "x -> dense(3) -> softmax -> dropout(0.1) -> dense(3) -> y\n"
        "h = x -> dense(3) -> softmax -> dropout(0.1)\ntrain { loss = cross_entropy(h, y.target) }"),
    "dense behind a convolution": (
        "W0406", IMAGE + "x -> conv(8, 3) -> relu -> dense(9) -> flatten -> dense(5) -> y"),
    "dense behind what was made larger": (
        "W0406", IMAGE + "x -> conv(8, 3) -> upsample(2) -> clip(0, 6) -> dense(9)"
        " -> flatten -> dense(5) -> y"),
    "dense on the image": ("W0406", IMAGE + "x / 255 -> dense(9) -> relu -> flatten -> dense(5) -> y"),
    "dense on a picture of numbers": (
        "W0406", "input x: float[1, 28, 28]\noutput y: class(5)\nx -> dense(9) -> flatten -> dense(5) -> y"),
    "softmax into numbers": ("W0401", DOSES + "x -> dense(4) -> softmax -> y\ntrain { loss = mse(y) }"),
    "dropout at the end": ("W0407", KIND + "x -> dense(3) -> dropout(0.5) -> y"),
    "dropout before one value": ("W0407", DOSE + "x -> dense(1) -> dropout(0.5) -> y"),
    "deep sigmoids": ("W0408", KIND + "x -> repeat(5, dense(4) -> sigmoid) -> dense(3) -> y"),
    "deep mixture": (
        "W0408", KIND + "x -> repeat(3, dense(4) -> tanh -> dense(4) -> softsign) -> dense(3) -> y"),
    "Xavier before ReLU": ("W0409", KIND + "x -> dense(4, init=xavier_normal) -> relu -> dense(3) -> y"),
    "Xavier, a norm, ReLU": (
        "W0409", KIND + "x -> dense(4, init=xavier_uniform) -> batchnorm -> gelu -> dense(3) -> y"),
    "a rate in thousandths": ("W0410", KIND + "x -> dense(3) -> y\ntrain { optimizer = adam(lr=3) }"),
    "a rate of nothing": ("W0410", KIND + "x -> dense(3) -> y\ntrain { optimizer = sgd(lr=1e-9) }"),
    "a huge batch": ("W0410", KIND + "x -> dense(3) -> y\ntrain { batch = 50_000 }"),
    "nothing left": ("W0410", KIND + "x -> dense(9) -> dropout(0.9) -> dense(3) -> y"),
    "stopping blindly": (
        "W0411", KIND + "x -> dense(3) -> y\n" + IRIS + "train { early_stop = patience(3, on=train.loss) }"),
    "two decays": (
        "W0412", KIND + "x -> dense(3) -> y\ntrain {\n  optimizer = adamw\n  regularize = l2(1e-4)\n}"),
    "two decays, one elastic": (
        "W0412", KIND + "x -> dense(3) -> y\n"
        "train {\n  optimizer = sgd(lr=0.1, weight_decay=1e-4)\n  regularize = elastic(1e-4, 1e-4)\n}"),
}  # fmt: skip

WELL_MEANT = {
    "the Brier score": SICK + "x -> dense(1) -> y\ntrain { loss = mse(y.probabilities, y.target) }",
    "a float in 0 to 1": DOSE + "x -> dense(1) -> sigmoid -> y\ntrain { loss = bce(y) }",
    "softmax before a class": KIND + "x -> dense(3) -> softmax -> y\ntrain { loss = cross_entropy(y) }",
    "gates": KIND + "h = x -> dense(4) -> sigmoid\nh * x -> dense(3) -> y",
    "a loss of tensors": SICK + "x -> dense(1) -> y\ntrain { loss = bce(y) + mse(x, 0) }",
    "dense along a sequence": "input x: float[T, 4]\noutput y: float[T, 2]\nx -> dense(2) -> y",
    "channels last": IMAGE + "x / 255 -> transpose(1, 2, 0) -> dense(9) -> relu -> flatten -> dense(5) -> y",
    "pooled to a vector": IMAGE + "x -> conv(8, 3) -> global_avgpool -> dense(5) -> y",
    "dropout before the last layer": KIND + "x -> dense(9) -> dropout(0.5) -> dense(3) -> y",
    "a distribution": DOSES + "x -> dense(4) -> softmax -> y\ntrain { loss = kl_divergence(y.target, y) }",
    "four sigmoids": KIND + "x -> repeat(4, dense(4) -> sigmoid) -> dense(3) -> y",
    "deep, with norms": KIND + "x -> repeat(9, dense(4) -> batchnorm -> tanh) -> dense(3) -> y",
    "deep, with shortcuts": KIND + "x -> repeat(9, residual(dense(4) -> tanh)) -> dense(3) -> y",
    "deep and gated": KIND + "block gated(h) { return h * (h -> dense(4) -> sigmoid) }\n"
                      "x -> repeat(9, gated) -> dense(3) -> y",
    "Xavier before tanh": KIND + "x -> dense(4, init=xavier_normal) -> tanh -> dense(3) -> y",
    "historic rates": SICK + "x -> dense(1) -> threshold -> y\n"
                      "train {\n  loss = perceptron(y)\n  optimizer = sgd(lr=1)\n  batch = 1\n}",
    "validation": KIND + "x -> dense(3) -> y\n" + IRIS.replace(" }", "; validation = 0.2 }")
                  + "train { early_stop = patience(3, on=train.loss) }",
    "sparse and decayed": KIND + "x -> dense(3) -> y\n"
                          "train {\n  optimizer = adamw\n  regularize = l1(1e-4)\n}",
    "one decay": KIND + "x -> dense(3) -> y\n"
                 "train {\n  optimizer = adamw(weight_decay=0)\n  regularize = l2(1e-4)\n}",
    "a tensor kept small": KIND + "h = x -> dense(3)\nh -> y\n"
                           "train {\n  optimizer = adamw\n  regularize = l2(1e-4, on=h)\n}",
}  # fmt: skip


@pytest.mark.parametrize("name", HARDLY_MEANT)
def test_it_warns(name: str) -> None:
    code, text = HARDLY_MEANT[name]
    assert code in codes(text)
    assert set(codes(text)) <= {code, "W0402"}


@pytest.mark.parametrize("name", WELL_MEANT)
def test_it_is_silent(name: str) -> None:
    assert codes(WELL_MEANT[name].replace("; ", "\n")) == []


@pytest.mark.parametrize("spec", sorted((ROOT / "specs").rglob("*.dl")), ids=lambda p: p.stem)
def test_golden_specs_are_free_of_warnings(spec: Path) -> None:
    assert compile(read_source(spec), read=reader(spec.parent)).warnings == ()


def test_every_optimizer_knows_its_usual_rates() -> None:
    for optimizer in family("optimizer").values():
        assert issubclass(optimizer, Optimizer)
        low, high = optimizer.settings["lr"].usual or (0, 0)
        default = optimizer.settings["lr"].default
        assert 0 < low < high, optimizer.name
        assert not isinstance(default, float) or low <= default <= high, optimizer.name
