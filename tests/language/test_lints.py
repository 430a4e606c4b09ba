"""Lints: warnings for valid specs that are probably wrong, in short specs and through blocks, branches,
reshapes and written losses. Each suspicious spec gives one warning, and its help removes the warning. Each
intended spec gives none."""

from __future__ import annotations

from pathlib import Path

import pytest
from shipped import SPECS, compiled
from specs import codes, spec

from dlc.compiler.definitions.definition import family
from dlc.compiler.training.optimizers import Optimizer

X = "input x: float[4]\n"
SICK = X + "output y: binary\n"
DOSE = X + "output y: float\n"
DOSES = X + "output y: float[4]\n"
KIND = X + "output y: class(3)\n"
IMAGE = "input x: uint8[3, 32, 32]\noutput y: class(5)\n"
HEAD = "flatten -> dense(5) -> y"
SIGNAL = "input x: float[8, 16]\noutput y: class(5)\n"
SERIES = "input x: float[T, 4]\noutput y: class(3)\n"
SOUND = "input wave: float[T]\noutput y: class(3)\n"
LONG_SERIES = "input x: float[200, 4]\noutput y: class(3)\n"
LAST = "final=true) -> dense(3) -> y\n"
IRIS = 'data { source = builtin("iris") }\n'


def trained(text: str) -> str:
    return KIND + "x -> dense(3) -> y\ntrain {\n" + text + "\n}"


SUSPICIOUS = {
    # --- short ones
    "numbers of scores": ("W0404", SICK + "x -> dense(1) -> y\ntrain { loss = mae(y) }"),
    "scores of numbers": ("W0404", DOSE + "x -> dense(1) -> y\ntrain { loss = bce(y) }"),
    "softmax of softmax": ("W0405", KIND + "x -> dense(3) -> softmax -> softmax -> y"),
    "sigmoid of sigmoid": ("W0405", SICK + "x -> dense(1) -> sigmoid -> reshape(1) -> sigmoid -> y"),
    "softmax of a detached softmax": ("W0405", KIND + "x -> dense(3) -> softmax -> detach -> softmax -> y"),
    "softmax over another axis": (
        "W0405", "input x: float[3, 4, 4]\noutput y: class(3)[4, 4]\nx -> softmax(axis=-1) -> y"),
    "a loss of probabilities": (
        "W0405", KIND + "x -> dense(3) -> softmax -> dropout(0.1) -> dense(3) -> y\n"
        "h = x -> dense(3) -> softmax -> dropout(0.1)\ntrain { loss = cross_entropy(h, y.target) }"),
    "dense after a convolution": (
        "W0406", IMAGE + "x -> conv(8, 3) -> relu -> dense(9) -> flatten -> dense(5) -> y"),
    "dense after upsampling": (
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
    "features of another rate": (
        "W0425", SOUND + "wave * 2 -> spectrogram(64) -> mel(8, 16000) -> global_avgpool -> dense(3) -> y\n"
        'data { source = audio("words", rate=8000) }'),
    "features of another rate than the usual one": (
        "W0425", SOUND + "wave -> spectrogram(64) -> mel(8, 8000) -> global_avgpool -> dense(3) -> y\n"
        'data {\n  source = csv("words.csv")\n  wave = files("path")\n}'),
    "a setting at the top": ("W0414", KIND + "x -> dense(3) -> y\nepochs = 50"),
    "a setting at the top, by another word": ("W0414", KIND + "x -> dense(3) -> y\nbatch_size = 8"),
    "Xavier before ReLU": ("W0409", KIND + "x -> dense(4, init=xavier_normal) -> relu -> dense(3) -> y"),
    "Xavier, a norm, ReLU": (
        "W0409", KIND + "x -> dense(4, init=xavier_uniform) -> batchnorm -> gelu -> dense(3) -> y"),
    "a rate in thousandths": ("W0410", KIND + "x -> dense(3) -> y\ntrain { optimizer = adam(lr=3) }"),
    "a rate of nothing": ("W0410", KIND + "x -> dense(3) -> y\ntrain { optimizer = sgd(lr=1e-9) }"),
    "an average that follows at once": (
        "W0410", KIND + "net f(a) { return a -> dense(3) }\nnet slow = average(f, decay=0.01)\nx -> f -> y\n"
        "train { loss = cross_entropy(y) + mse(slow(x), 0) }"),
    "a huge batch": ("W0410", KIND + "x -> dense(3) -> y\ntrain { batch = 50_000 }"),
    "nothing left": ("W0410", KIND + "x -> dense(9) -> dropout(0.9) -> dense(3) -> y"),
    "stopping blindly": (
        "W0411", KIND + "x -> dense(3) -> y\n" + IRIS + "train { early_stop = patience(3, on=train.loss) }"),
    "two decays": (
        "W0412", KIND + "x -> dense(3) -> y\ntrain {\n  optimizer = adamw\n  regularize = l2(1e-4)\n}"),
    "two decays, one elastic": (
        "W0412", KIND + "x -> dense(3) -> y\n"
        "train {\n  optimizer = sgd(lr=0.1, weight_decay=1e-4)\n  regularize = elastic(1e-4, 1e-4)\n}"),
    # --- outputs and losses
    "scores against classes in a row": (
        "W0404", KIND + "x -> dense(3) -> y\ntrain { loss = 0.5 * mse(y, one_hot(y.target)) }"),
    "scores against softened classes": (
        "W0404", SICK + "x -> dense(1) -> y\ntrain { loss = mse(y, 0.9 * y.target + 0.05) }"),
    "numbers of scores after sigmoid": ("W0404", SICK + "x -> dense(1) -> sigmoid -> "
        "y\ntrain { loss = mse(y) }"),
    "one of two losses": ("W0404", DOSE + "x -> dense(1) -> y\ntrain { loss = mse(y) + 0.5 * bce(y) }"),
    "scores in a loss of probabilities": (
        "W0404", "input teacher: float[3]\n" + KIND + "x -> dense(3) -> y\n"
        "train { loss = kl_divergence(teacher, y) }"),
    "numbers in a loss of probabilities": (
        "W0404", DOSES + "x -> dense(4) -> y\ntrain { loss = kl_divergence(y.target, y) }"),
    "counts below 0": ("W0404", DOSE + "x -> dense(1) -> y\ntrain { loss = poisson(y) }"),
    "relu in a head": (
        "W0401", KIND + "block head(h) { return h -> dense(3) -> relu }\nx -> head -> y"),
    "relu and a reshape": ("W0401", KIND + "x -> dense(3) -> relu -> reshape(3) -> y"),
    "relu before softmax": ("W0401", KIND + "x -> dense(3) -> relu -> softmax -> y"),
    "relu before sigmoid": ("W0401", SICK + "x -> dense(1) -> relu -> sigmoid -> y"),
    "relu, bounded": ("W0401", KIND + "x -> dense(3) -> relu6 -> y"),
    "a yes that is always": ("W0401", SICK + "x -> dense(1) -> hard_sigmoid -> y"),
    "softmax of several labels": ("W0401", X + "output y: binary[4]\nx -> dense(4) -> softmax -> "
        "sigmoid -> y"),
    # --- probabilities of probabilities
    "softmax in a block and after it": (
        "W0405", KIND + "block head(h) { return h -> dense(3) -> softmax }\nx -> head -> softmax -> y"),
    "softmax in a net": ("W0405", KIND + "net g(h) { return h -> dense(3) -> softmax }\nsoftmax(g(x)) -> y"),
    "softmax, clipped above 0": ("W0405", KIND + "x -> dense(3) -> softmax -> clip(1e-6, 1) -> y"),
    "cross entropy of a reshaped softmax": (
        "W0405", KIND + "p = x -> dense(3) -> softmax -> reshape(3)\np -> y\n"
        "train { loss = cross_entropy(p, y.target) }"),
    "a sigmoid that is reshaped": ("W0405", DOSE + "x -> dense(1) -> sigmoid -> reshape(1) -> y\n"
                                   "train { loss = bce(y) }"),
    # --- images
    "dense after branches": (
        "W0406", IMAGE + "h = x / 255 -> branch(conv(8, 3, padding=1), conv(4, 3, padding=1)) -> "
        "concat(axis=0)\n"
        f"h -> dense(9) -> {HEAD}"),
    "dense after a residual": (
        "W0406", IMAGE + f"x / 255 -> conv(8, 3) -> residual(conv(8, 3, padding=1) -> relu) -> "
        f"dense(9) -> {HEAD}"),
    "dense after a gate": (
        "W0406", IMAGE + "h = x / 255 -> conv(8, 3)\ng = h -> global_avgpool -> sigmoid -> reshape(8, 1, 1)\n"
        f"h * g -> dense(9) -> {HEAD}"),
    "dense on a middle of an image": (
        "W0406", IMAGE.replace("uint8", "float") +
        f"x -> crop(28, 28) -> pad(1, 1, -1) -> dense(9) -> {HEAD}"),
    "dense on an image without channels": (
        "W0406", f"input x: uint8[28, 28]\noutput y: class(5)\nx / 255 -> dense(9) -> relu -> {HEAD}"),
    "dense on a signal": ("W0406", SIGNAL + f"x -> conv(8, 3) -> relu -> dense(9) -> {HEAD}"),
    # --- dropout
    "dropout and softmax": ("W0407", KIND + "x -> dense(3) -> softmax -> dropout(0.5) -> y"),
    "dropout before an answer's relu": ("W0407", DOSE + "x -> dense(1) -> dropout(0.5) -> relu -> y"),
    "dropout, scaled": ("W0407", DOSE + "100 * (x -> dense(1) -> dropout(0.5)) + 3 -> y"),
    "dropout in a repeated stage": ("W0407", DOSES + "x -> repeat(2, dense(4) -> relu -> dropout(0.2)) -> y"),
    "dropout before one of two": (
        "W0407", X + "output a: class(3)\noutput b: float\nh = x -> dense(9) -> relu -> dropout(0.5)\n"
        "h -> dense(3) -> a\nh -> dense(1) -> dropout(0.1) -> b"),
    # --- deep stacks
    "deep branches": (
        "W0408", KIND + "x -> repeat(5, branch(dense(4) -> tanh, dense(4) -> sigmoid) -> concat) -> "
        "dense(3) -> y"),
    "deep gates": (
        "W0408", KIND + "block g(h) { return (h -> dense(4) -> tanh) * (h -> dense(4) -> sigmoid) }\n"
        "x -> repeat(6, g) -> dense(3) -> y"),
    "deep in a loop": (
        "W0408", KIND + "h = x\nfor n in [8, 8, 8, 8, 8] { h = h -> dense(n) -> tanh }\nh -> dense(3) -> y"),
    "deep in two heads": (
        "W0408", X + "output a: class(3)\noutput b: class(3)\nh = x -> repeat(4, dense(4) -> sigmoid)\n"
        "h -> dense(4) -> sigmoid -> dense(3) -> a\nh -> dense(4) -> sigmoid -> dense(3) -> b"),
    "a deep autoencoder": (
        "W0408", DOSES + "x -> repeat(2, dense(3) -> sigmoid -> dense(2) -> sigmoid) -> dense(4) -> "
        "sigmoid -> y"),
    # --- initial values
    "Xavier of a declared weight": (
        "W0409", KIND + "weight w: float[8, 4] = xavier_normal\nx -> dense(8, weight=w) -> relu -> "
        "dense(3) -> y"),
    "Xavier within a residual": (
        "W0409", KIND + "x -> residual(dense(4, init=xavier_normal) -> relu -> dense(4)) -> dense(3) -> y"),
    "Xavier in copies": ("W0409", KIND + "x -> repeat(4, dense(4, init=xavier_normal) -> relu) -> "
        "dense(3) -> y"),
    # --- training
    "a rate of a param": ("W0410", "param rate = 3.0\n" + trained("optimizer = adam(lr=rate)")),
    "a peak of another optimizer": ("W0410", trained("optimizer = adam\nschedule = one_cycle(3.0)")),
    "nothing left, in a block": (
        "W0410", KIND + "block d(h; r = 0.95) { return h -> dense(8) -> relu -> dropout(r) }\nx -> d -> "
        "dense(3) -> y"),
    "rows for the test alone": (
        "W0411", KIND + "x -> dense(3) -> y\ndata {\n  source = builtin(\"iris\")\n  test = 0.2\n}\n"
        "train { early_stop = patience(3, on=train.loss) }"),
    "two decays, one of a net": (
        "W0412", KIND + "net g(h) { return h -> dense(3) }\nx -> g -> y\n"
        "train {\n  optimizer = adamw\n  regularize = l2(1e-4, on=g)\n}"),
    "two decays, one of a weight": (
        "W0412", KIND + "weight w: float[3, 4] = xavier_normal\nx -> dense(3, weight=w) -> y\n"
        "train {\n  optimizer = adamw\n  regularize = l2(1e-4, on=w)\n}"),
    # --- recurrent layers
    "a long recurrence": ("W0415", LONG_SERIES + f"x -> rnn(8, {LAST}"),
    "long recurrences in a row": ("W0415", LONG_SERIES + f"x -> rnn(8) -> layernorm -> rnn(8, {LAST}"),
    "a long recurrence of windows": (
        "W0415", "input x: float[4, 200]\noutput y: class(3)\n" +
        f"x -> conv(8, 3, stride=2) -> relu -> transpose -> rnn(8, {LAST}"),
    "no bound on gradients": ("W0416", SERIES + f"x -> gru(8, {LAST}train {{ epochs = 3 }}"),
    "no bound on the gradients of a net": (
        "W0416", SERIES + "net f(x) { return x -> lstm(8) -> lstm(8, final=true) }\nx -> f -> dense(3) -> y\n"
        "train { batch = 8 }"),
}  # fmt: skip

INTENDED = {
    "features of the rate of the recordings": SOUND + "wave -> spectrogram(64) -> mel(8, 16_000)"
    ' -> global_avgpool -> dense(3) -> y\ndata { source = audio("words") }',
    "features of half of the samples": SOUND + "wave -> reshape(1, T) -> avgpool(2) -> spectrogram(64)"
    ' -> mel(8, 8000) -> reshape(8, -1) -> global_avgpool -> dense(3) -> y\ndata { source = audio("words") }',
    "a setting of a name": KIND + "epochs = 5\nx -> dense(3) -> y\ntrain { epochs = epochs }",
    "a name as that of a setting": KIND + "batch = 8\nx -> dense(batch) -> relu -> dense(3) -> y",
    "a tensor as a setting is called": KIND + "loss = x -> dense(3)\nloss -> y",
    # --- short ones
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
    "validation": KIND + "x -> dense(3) -> y\n" + IRIS.replace(" }", "\nvalidation = 0.2 }")
                  + "train { early_stop = patience(3, on=train.loss) }",
    "sparse and decayed": KIND + "x -> dense(3) -> y\n"
                          "train {\n  optimizer = adamw\n  regularize = l1(1e-4)\n}",
    "one decay": KIND + "x -> dense(3) -> y\n"
                 "train {\n  optimizer = adamw(weight_decay=0)\n  regularize = l2(1e-4)\n}",
    "a regularized tensor": KIND + "h = x -> dense(3)\nh -> y\n"
                           "train {\n  optimizer = adamw\n  regularize = l2(1e-4, on=h)\n}",
    # --- outputs and losses
    "probabilities against classes": (
        KIND + "x -> dense(3) -> y\ntrain { loss = mse(y.probabilities, one_hot(y.target)) }"),
    "probabilities for scores, replaced by their logits": (
        KIND + "x -> dense(3) -> y\ntrain { loss = cross_entropy(y.probabilities, y.target) }"),
    "small scores": KIND + "x -> dense(3) -> "
        "y\ntrain { loss = cross_entropy(y) + 1e-4 * mean(square(y.logits)) }",
    "a margin": KIND + "x -> dense(3) -> y\ntrain { loss = hinge(y) }",
    "several labels": X + "output y: binary[4]\nx -> dense(4) -> sigmoid -> y",
    "numbers between -1 and 1": DOSES + "x -> dense(4) -> tanh -> y",
    "experts": KIND + "g = x -> dense(2) -> softmax\na = x -> dense(3) -> softmax\nb = x -> dense(3) -> "
        "softmax\n"
               "g[0:1] * a + g[1:2] * b -> log -> y",
    "attention": "input x: float[5, 3]\noutput y: class(3)\nw = x -> dense(1) -> softmax(axis=0)\n"
                 "sum(w * x, axis=0) -> y",
    "counts above 0": DOSE + "x -> dense(1) -> softplus -> y\ntrain { loss = poisson(y) }",
    "logarithms of counts": DOSE + "x -> dense(1) -> y\ntrain { loss = poisson(y, log=true) }",
    "a teacher": "input teacher: float[3]\n" + KIND + "x -> dense(3) -> y\n"
                 "train { loss = kl_divergence(softmax(teacher / 4), softmax(y.logits / 4)) }",
    # --- images
    "pictures with their channels last": (
        f"input x: uint8[28, 28, 3]\noutput y: class(5)\nx / 255 -> dense(9) -> relu -> {HEAD}"),
    "three sequences": "input x: float[3, T, 8]\noutput y: float[3, T, 2]\nx -> dense(2) -> y",
    "patches": IMAGE + f"x / 255 -> conv(16, 8, stride=8) -> reshape(16, 16) -> transpose -> "
        f"dense(32) -> {HEAD}",
    "a signal, turned": SIGNAL + f"x -> conv(8, 3) -> transpose -> dense(9) -> {HEAD}",
    "a table of numbers": f"input x: float[28, 28]\noutput y: class(5)\nx -> dense(9) -> relu -> {HEAD}",
    # --- dropout
    "no dropout": DOSE + "param rate = 0\nx -> dense(1) -> dropout(rate) -> y",
    "dropout in a residual": DOSES + "x -> residual(dense(4) -> relu -> dropout(0.2)) -> y",
    "dropout of a gate": DOSES + "h = x -> dense(4)\nh * (h -> dropout(0.2) -> sigmoid) -> y",
    "dropout before a pool": (
        "input x: float[T, 4]\noutput y: float[4]\nx -> dense(4) -> dropout(0.1) -> mean(axis=0) -> y"),
    # --- deep stacks
    "four and an answer": SICK + "x -> repeat(4, dense(4) -> tanh) -> dense(1) -> sigmoid -> y",
    "four and a number": DOSE + "x -> repeat(4, dense(4) -> tanh) -> dense(1) -> sigmoid -> "
        "y\ntrain { loss = bce(y) }",
    "an equation": (
        "input t: float[1]\noutput u: float[1]\nt -> repeat(6, dense(8) -> tanh) -> dense(1) -> u\n"
        "data { t = uniform() }\ntrain { loss = mean((gradient(u, t) - u) ** 2) }"),
    "highways": KIND + "block hw(h) {\n  t = h -> dense(4) -> sigmoid\n"
                "  return t * (h -> dense(4) -> tanh) + (1 - t) * h\n}\nx -> repeat(6, hw) -> dense(3) -> y",
    "joined with what came before": (
        KIND + "x -> repeat(6, branch(identity, dense(4) -> tanh) -> concat) -> dense(3) -> y"),
    # --- initial values
    "Xavier of a table": (
        "input x: class(9)\noutput y: class(3)\nx -> embedding(8, init=xavier_normal) -> relu -> "
        "dense(3) -> y"),
    "Xavier at the end of a residual": (
        KIND + "x -> residual(dense(4, init=xavier_normal)) -> residual(relu -> dense(4)) -> dense(3) -> y"),
    "a relu of the loss": (
        DOSE + "h = x -> dense(1, init=xavier_normal)\nh -> y\ntrain { loss = mse(y) + mean(relu(h - 1)) }"),
    # --- training
    "a usual peak": trained("optimizer = adam\nschedule = one_cycle(0.01)"),
    "a peak for sgd": trained("optimizer = sgd(lr=0.1)\nschedule = one_cycle(1.0)"),
    "an l2 of nothing": trained("optimizer = adamw\nregularize = l2(0)"),
    "an elastic net without squares": trained("optimizer = adamw\nregularize = elastic(1e-4, 0)"),
    # --- recurrent layers
    "a short recurrence": f"input x: float[28, 4]\noutput y: class(3)\nx -> rnn(8, {LAST}",
    "a long recurrence with gates": LONG_SERIES + f"x -> lstm(8, {LAST}",
    "a long recurrence of relu": LONG_SERIES + f"x -> rnn(8, activation=relu, {LAST}",
    "a recurrence of any length": SERIES + f"x -> rnn(8, {LAST}",
    "a recurrence over what a convolution leaves": (
        "input x: float[4, 200]\noutput y: class(3)\n"
        f"x -> conv(8, 8, stride=8) -> relu -> transpose -> rnn(8, {LAST}"),
    "bounded gradients": SERIES + f"x -> gru(8, {LAST}train {{ clip = value(1) }}",
    "a recurrence that nothing trains": SERIES + "net f(x) { return x -> gru(8, final=true) }\n"
    "x -> f -> dense(3) -> y\ntrain { freeze = [f] }",
    "gradients through a few steps": (
        f"input x: float[6, 4]\noutput y: class(3)\nx -> gru(8, {LAST}train {{ epochs = 3 }}"),
    "an optimizer with steps of its own": SERIES + f"x -> gru(8, {LAST}train {{ optimizer = lbfgs }}",
}  # fmt: skip

# The fix of a warning, applied: old text and new text.
FIXED = {
    "relu before softmax": ("relu -> ", ""),
    "scores against classes in a row": ("mse(y, one", "mse(y.probabilities, one"),
    "scores in a loss of probabilities": (", y)", ", y.probabilities)"),
    "numbers in a loss of probabilities": ("dense(4)", "dense(4) -> softmax"),
    "counts below 0": ("dense(1)", "dense(1) -> exp"),
    "numbers of scores after sigmoid": ("mse(y)", "mse(y.probabilities, y.target)"),
    "one of two losses": ("0.5 * bce", "0.5 * mse"),
    "softmax in a block and after it": ("dense(3) -> softmax", "dense(3)"),
    "dense after a residual": ("dense(9)", "conv(9, 1)"),
    "dense on an image without channels": ("dense(9) -> relu -> flatten", "flatten -> dense(9) -> relu"),
    "dense on a signal": ("dense(9)", "conv(9, 1)"),
    "dropout before an answer's relu": ("dense(1) -> dropout(0.5)", "dropout(0.5) -> dense(1)"),
    "deep gates": ("repeat(6, g)", "repeat(6, residual(g))"),
    "Xavier of a declared weight": ("xavier_normal", "he_normal"),
    "Xavier in copies": (", init=xavier_normal", ""),
    "two decays, one of a net": ("adamw", "adamw(weight_decay=0)"),
    "two decays, one of a weight": ("\n  regularize = l2(1e-4, on=w)", ""),
    "a long recurrence": ("rnn", "gru"),
    "a long recurrence of windows": ("stride=2", "stride=5"),
    "no bound on gradients": ("epochs = 3", "clip = norm(1)"),
    "no bound on the gradients of a net": ("batch = 8", "clip = norm(1)"),
}  # fmt: skip


@pytest.mark.parametrize("name", SUSPICIOUS)
def test_it_warns_once(name: str) -> None:
    code, text = SUSPICIOUS[name]
    assert codes(text) == [code]


@pytest.mark.parametrize("name", INTENDED)
def test_it_is_silent(name: str) -> None:
    assert codes(INTENDED[name]) == []


@pytest.mark.parametrize("name", SUSPICIOUS)
def test_it_is_allowed_on_its_line(name: str) -> None:
    code, text = SUSPICIOUS[name]
    lines = text.splitlines()
    lines[(spec(text).warnings[0].line or 0) - 1] += f"  # allow {code}: it is meant"
    assert codes("\n".join(lines)) == []


@pytest.mark.parametrize("name", FIXED)
def test_the_help_silences_it(name: str) -> None:
    old, new = FIXED[name]
    text = SUSPICIOUS[name][1]
    assert old in text
    assert codes(text.replace(old, new)) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("block", ["h * sigmoid(h) + h", "h -> tanh", "h -> clip(-1, 1)"])
def test_long_chains_are_traversed_once(block: str) -> None:
    text = (
        f"input x: float[T, 4]\noutput y: float[T, 3]\nblock f(h) {{ return {block} }}\n"
        "x -> repeat(1000, f) -> dense(3) -> y\n"
    )
    assert set(codes(text)) <= {"W0408"}


def test_numbers_are_shown_as_they_are_written() -> None:
    (found,) = spec(trained("batch = 1234567")).warnings
    assert "`batch` of `train` is 1234567, above the usual range: 1 to 8192" in found.message


def test_warnings_are_reported_beside_errors() -> None:
    text = KIND + "h = x -> dense(4, init=xavier_normal) -> relu\nh -> dense(3) -> dropout(0.5) -> y\n"
    train = "train {\n  optimizer = adam(lr=3)\n  epohcs = 2\n}\n"
    assert codes(text + train) == ["W0409", "W0407", "W0410", "E0601"]


def test_an_error_causes_no_further_warnings() -> None:
    assert codes(IMAGE + "h = x / 255 -> conv(8, 3)\nh -> dense(5) -> y") == ["E0507"]
    assert codes(KIND + "input spare: float\nh = x -> dense(4)\nh -> dens(3) -> y") == ["E0301"]


@pytest.mark.parametrize("path", sorted(SPECS.rglob("*.dl")), ids=lambda p: p.stem)
def test_golden_specs_are_free_of_warnings(path: Path) -> None:
    assert compiled(path).warnings == ()


def test_every_optimizer_has_a_usual_range_of_learning_rates() -> None:
    for optimizer in family("optimizer").values():
        assert issubclass(optimizer, Optimizer)
        low, high = optimizer.settings["lr"].usual or (0, 0)
        default = optimizer.settings["lr"].default
        assert 0 < low < high, optimizer.name
        assert not isinstance(default, float) or low <= default <= high, optimizer.name
