"""Losses that have names in `train`, or that blocks make, and their figures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn import functional
from trainings import points, program, run

import dlc
from dlc.compiler import CompileError
from dlc.runtime.data import InMemoryRows

AUTOENCODER = """
input  x: float[2]
output y: float[2]
weight s: float = zeros

m = x -> dense(3)
m -> dense(2) -> y

block elbo(y, x, m; beta = 0.1) {
  rec  = mse(y, x)
  kl   = kl_normal(m, 0 * m)
  half = beta / 2
  return rec + 2 * half * kl
}

train {
  optimizer = sgd(lr=0.05)
  batch     = 8
  epochs    = 2
SETTINGS
}
"""


def named(settings: str) -> str:
    return AUTOENCODER.replace("SETTINGS", settings)


def rows(n: int = 20, seed: int = 0) -> InMemoryRows:
    return InMemoryRows({"x": points(n, seed)["x"]}, n)


def figures_of(settings: str) -> dict[str, float]:
    return run(named(settings), rows(), rows(seed=1)).figures["validation"]


def losses_of(trained) -> tuple[float, float]:
    """The two losses of the validation rows, in PyTorch."""
    w, b, w2, b2 = (torch.from_numpy(trained.weights[n]) for n in
                    ("dense.weight", "dense.bias", "dense_2.weight", "dense_2.bias"))  # fmt: skip
    x = torch.from_numpy(rows(seed=1)["x"])
    m = functional.linear(x, w, b)
    standard = torch.distributions.Normal(0.0, 1.0)
    kl = torch.distributions.kl_divergence(torch.distributions.Normal(m, 1.0), standard).mean()
    return float(functional.mse_loss(functional.linear(m, w2, b2), x)), float(kl)


def test_named_losses_are_reported_beside_their_sum():
    settings = "beta = 0.1\nrecon = mse(y, x)\nkl = kl_normal(m, 0 * m)\nloss = recon + beta * kl"
    trained = run(named(settings), rows(), rows(seed=1))
    recon, kl = losses_of(trained)
    wanted = {"loss": recon + 0.1 * kl, "recon": recon, "kl": kl}
    assert trained.figures["validation"] == pytest.approx(wanted, rel=1e-5)
    for epoch in trained.history:
        for found in (epoch.train, epoch.validation):
            assert found["loss"] == pytest.approx(found["recon"] + 0.1 * found["kl"], rel=1e-5)


def test_losses_of_a_block_are_named_after_it_and_its_bindings():
    settings = "loss = elbo(y, x, m) + 0.5 * elbo(y, x, m, beta=1)"
    found = figures_of(settings)
    assert list(found) == ["loss", "elbo", "elbo.rec", "elbo.kl", "elbo_2", "elbo_2.rec", "elbo_2.kl"]
    assert found["elbo_2"] == pytest.approx(found["elbo_2.rec"] + found["elbo_2.kl"], rel=1e-5)
    assert found["loss"] == pytest.approx(found["elbo"] + 0.5 * found["elbo_2"], rel=1e-5)


def test_one_loss_has_one_name():
    assert list(figures_of("loss = elbo(y, x, m)")) == ["loss", "elbo", "elbo.rec", "elbo.kl"]
    found = figures_of("term = elbo(y, x, m)\nloss = term + mse(y, x)")
    assert list(found) == ["loss", "term", "elbo.rec", "elbo.kl"]


@pytest.mark.parametrize(("settings", "names"), [
    ("errors = mse(y, x, reduce=none)\nw = x > 0\nloss = mean(w * errors)", ["errors"]),
    ("factor = exp(-s)\nrecon = mse(y, x)\nloss = factor * recon + s", ["recon"]),
    ("gap = mean(abs(y - x))\nscaled = 3 * gap\nloss = scaled - 1", ["gap", "scaled"]),
    ("root = sqrt(mse(y, x))\nloss = root ** 2", ["root"]),
    ("error = y - x\nloss = mean(error ** 2)", []),
    ("a, b = (mse(y, x), mae(y, x))\nloss = a + b", ["a", "b"]),
    ("best = mse(y, x) if 2 > 1 else mae(y, x)\nif 1 > 0 { other = mae(y, x) }\nloss = best + other",
     ["best", "other"]),
    ("far = norm(y - x) > 1\nloss = mse(y, x) + far", ["far"]),
    ("own = sum(mse(y, x, reduce=none))\nmoved = m + gradient(own, m)\nloss = own + sum(moved)", ["own"]),
])  # fmt: skip
def test_what_is_a_loss_is_reported(settings, names):
    assert list(figures_of(settings)) == ["loss", *names]


def test_named_losses_are_watched_expected_and_recorded(tmp_path):
    path = tmp_path / "named.dl"
    path.write_text(
        named("recon = mse(y, x)\nloss = recon + kl_normal(m, 0 * m)\n"
              "early_stop = patience(3, on=validation.recon)\nuntil = train.recon < 0")
        + "data { validation = 0.2 }\nexpect { validation.recon < 1e9 }\n"
    )  # fmt: skip
    result = dlc.train(path, data={"x": rows(40)["x"]}, out=tmp_path / "runs")
    lines = (result.folder / "metrics.jsonl").read_text().splitlines()
    assert all({"loss", "recon"} == epoch["train"].keys() for epoch in map(json.loads, lines))
    figures = json.loads((result.folder / "figures.json").read_text())["figures"]
    assert figures["validation"]["recon"] < figures["validation"]["loss"]


def test_names_do_not_change_the_training():
    plain = run(named("loss = mse(y, x) + 0.1 * kl_normal(m, 0 * m)"), rows()).weights
    given = run(named("kl = kl_normal(m, 0 * m)\nloss = recon + 0.1 * kl\nrecon = mse(y, x)"), rows()).weights
    assert all(np.array_equal(given[name], array) for name, array in plain.items())


@pytest.mark.parametrize(("settings", "code", "words"), [
    ("optimiser = adam()\nloss = mse(y, x)", "E0601", "did you mean `optimizer`?"),
    ("recon = mse(y, x)\nloss = mse(y, x)", "E0601", "a name of your own is for the `loss`"),
    ("recon = mse(y, x)", "E0601", "a name of your own is for the `loss`"),
    ("used = mse(y, x)\nunused = 2 * used\nloss = used", "E0601", "a name of your own is for the `loss`"),
    ("recon = mse(y, y.targets)\nloss = recon", "E0306", "did you mean `target`?"),
    ("m = mse(y, x)\nloss = m + n", "E0301", ""),
    ("mse = mse(y, x)\nloss = mse", "E0302", "choose another name"),
    ("y = mse(y, x)\nloss = y", "E0303", "choose another name"),
    ("relative = mse(y, x)\nloss = relative\nuntil = train.relativ < 1", "E0606", "`relative`"),
])  # fmt: skip
def test_wrong_names_are_errors(settings, code, words):
    with pytest.raises(CompileError) as caught:
        program(named(settings))
    (found,) = caught.value.diagnostics
    assert (found.code, words in found.help) == (code, True), found


def test_a_loss_and_a_metric_of_one_name_are_an_error():
    text = "input x: float[2]\noutput y: class(2)\nx -> dense(2) -> y\n" \
           "train { accuracy = cross_entropy(y)\nloss = 2 * accuracy }\n"  # fmt: skip
    with pytest.raises(CompileError) as caught:
        program(text)
    assert [d.code for d in caught.value.diagnostics] == ["E0609"]
