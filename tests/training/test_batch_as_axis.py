"""`batch(x)` in losses: the batch as an axis, compared with published losses in PyTorch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch.nn import functional
from trainings import run

from dlc.cli import commands
from dlc.compiler import CompileError, Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.lower.torch import trace
from dlc.compiler.passes import specialize
from dlc.runtime.data import InMemoryRows

sys.path.insert(0, str(Path(__file__).parents[1] / "emit"))
from emitted import open_emitted

SPEC = """
input  a, b: float[4]
output code: float[4]

net encoder(x) { return x -> dense(4) }

block nt_xent(a, b; temperature = 0.5) {
  na     = a / norm(a)
  nb     = b / norm(b)
  z      = concat(batch(na), batch(nb), axis=0)
  pairs  = concat(batch(nb), batch(na), axis=0)
  scores = z @ transpose(z) / temperature - 1e9 * eye(2 * B)
  return mean(log(sum(exp(scores), axis=1)) - sum(z * pairs, axis=1) / temperature)
}

block standardized(x) {
  centered = batch(x) - mean(batch(x), axis=0)
  return centered / norm(centered, axis=0)
}

block barlow_twins(a, b; weight = 0.005) {
  c = transpose(standardized(a)) @ standardized(b)
  return sum((c * eye(4) - eye(4)) ** 2) + weight * sum((c * (1 - eye(4))) ** 2)
}

block spread(x) {
  centered   = batch(x) - mean(batch(x), axis=0)
  covariance = transpose(centered) @ centered / (B - 1)
  deviation  = sqrt(sum(covariance * eye(4), axis=1) + 1e-4)
  return 25 * mean(relu(1 - deviation)) + sum((covariance * (1 - eye(4))) ** 2) / 4
}

block vicreg(a, b) {
  return 25 * mse(a, b) + spread(a) + spread(b)
}

za = encoder(a)
zb = encoder(b)
za -> code

train {
  loss       = LOSS
  optimizer  = sgd(lr=0.1)
SETTINGS
}
"""


def nt_xent(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Chen et al. 2020, with `cross_entropy` over all other rows."""
    z = functional.normalize(torch.cat([a, b]), dim=1)
    scores = (z @ z.T / 0.5).fill_diagonal_(-torch.inf)
    return functional.cross_entropy(scores, torch.arange(2 * len(a)).roll(len(a)))


def barlow_twins(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Zbontar et al. 2021, with `corrcoef`."""
    c = torch.corrcoef(torch.cat([a, b], 1).T)[:4, 4:]
    off = c - torch.diag(c.diag())
    return ((c.diag() - 1) ** 2).sum() + 0.005 * (off**2).sum()


def vicreg(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Bardes et al. 2022."""
    total = 25 * functional.mse_loss(a, b)
    for z in (a, b):
        covariance = torch.cov(z.T)
        off = covariance - torch.diag(covariance.diag())
        total = total + 25 * functional.relu(1 - (z.var(0) + 1e-4).sqrt()).mean() + (off**2).sum() / 4
    return total


PUBLISHED = {
    "nt_xent(za, zb)": nt_xent,
    "barlow_twins(za, zb)": barlow_twins,
    "vicreg(za, zb)": vicreg,
    "mean((batch(za) @ transpose(batch(zb)) - eye(B)) ** 2)":
        lambda a, b: (a @ b.T - torch.eye(len(a))).square().mean(),
    "sum(batch(za)[0] * batch(zb)[-1]) + mean(max(batch(za), axis=0))":
        lambda a, b: (a[0] * b[-1]).sum() + a.max(0).values.mean(),
}  # fmt: skip


def spec(loss: str, settings: str = "") -> str:
    return SPEC.replace("LOSS", loss).replace("SETTINGS", settings)


def pairs(n: int, seed: int = 0) -> InMemoryRows:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, 4)).astype(np.float32)
    b = (a + 0.5 * rng.normal(size=(n, 4))).astype(np.float32)
    return InMemoryRows({"a": a, "b": b}, n)


def encoded(weights, rows) -> list[torch.Tensor]:
    w, b = (
        torch.from_numpy(weights[f"encoder.dense.{leaf}"]).requires_grad_() for leaf in ("weight", "bias")
    )
    return [functional.linear(torch.from_numpy(rows[name]), w, b) for name in "ab"] + [w, b]


@pytest.mark.parametrize(("loss", "published"), PUBLISHED.items(), ids=PUBLISHED)
def test_published_losses_and_their_gradients(loss, published, tmp_path):
    program, rows = compile(Source("m.dl", spec(loss))), pairs(7)
    weights = draw(program.graph, 0)
    a, b, w, bias = encoded(weights, rows)
    wanted = published(a, b)
    graph = specialize.training(program, program.objective)
    given = [torch.from_numpy(rows[v.field]) for v in graph.inputs]
    own = [torch.from_numpy(weights[v.name]).requires_grad_() for v in graph.weights]
    made = trace(graph).forward(*given, *own)["loss"]
    torch.testing.assert_close(made, wanted)
    known = {
        v.name: gradient for v, gradient in zip(graph.weights, torch.autograd.grad(made, own), strict=True)
    }
    theirs = torch.autograd.grad(wanted, (w, bias))
    for leaf, gradient in zip(("weight", "bias"), theirs, strict=True):
        torch.testing.assert_close(known[f"encoder.dense.{leaf}"], gradient, rtol=1e-4, atol=1e-5)
    path = tmp_path / "emitted.py"
    path.write_text(emit(program, model_alone=True))
    _, model = open_emitted(path, weights)
    torch.testing.assert_close(model.compute_loss(*(torch.from_numpy(rows[n]) for n in "ab")), made)


def info_nce(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Radford et al. 2021."""
    scores = functional.normalize(a, dim=1) @ functional.normalize(b, dim=1).T / 0.07
    partner = torch.arange(len(a))
    return (functional.cross_entropy(scores, partner) + functional.cross_entropy(scores.T, partner)) / 2


@pytest.mark.parametrize(("loss", "published"), [
    ("nt_xent(za, zb)", nt_xent),
    ("0.5 * vicreg(za, zb) + mse(za, zb)", lambda a, b: 0.5 * vicreg(a, b) + functional.mse_loss(a, b)),
    ("info_nce(za, zb)", info_nce),
])  # fmt: skip
def test_the_loss_is_that_of_each_batch_as_it_is_cut(loss, published):
    """A step of batches of 7 and 5 rows minimizes the mean of their losses, weighted by their rows."""
    text, rows = spec(loss, "batch = 7\naccumulate = 2\nsteps = 1\nseed = 3"), pairs(12)
    trained = run(text, rows)
    a, b, *own = encoded(draw(compile(Source("m.dl", text)).graph, 3), rows)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    wanted = sum(len(part) / 12 * published(a[part], b[part]) for part in order.split([7, 5]))
    assert trained.history[0].train["loss"] == pytest.approx(wanted.item(), rel=1e-5)
    for weight, gradient, leaf in zip(own, torch.autograd.grad(wanted, own), ("weight", "bias"), strict=True):
        made = torch.from_numpy(trained.weights[f"encoder.dense.{leaf}"])
        torch.testing.assert_close(made, weight - 0.1 * gradient, rtol=1e-4, atol=1e-5)


def test_validation_rows_are_cut_too_and_float64_is_supported():
    text = spec("nt_xent(za, zb)", "batch = 4\nprecision = float64\nepochs = 1")
    rows = pairs(9, seed=1)
    trained = run(text, pairs(12), rows)
    a, b, *_ = encoded(trained.weights, rows)
    assert trained.figures["validation"]["loss"] == pytest.approx(nt_xent(a, b).item(), rel=1e-5)


def test_gradients_equal_finite_differences(tmp_path):
    path = tmp_path / "m.dl"
    path.write_text(spec("barlow_twins(za, zb) + 0.1 * vicreg(za, zb) + nt_xent(za, zb)"))
    done = CliRunner().invoke(commands, ["gradcheck", str(path), "--format", "json"])
    assert done.exit_code == 0, done.output
    assert all(weight["error"] < 1e-6 for weight in json.loads(done.stdout)["weights"])


@pytest.mark.parametrize(("loss", "code", "words"), [
    ("mean(batch(za) - zb)", "E0201", "float[B, 4] of the whole batch and float[4] of single samples"),
    ("mean(za - mean(batch(za), axis=0))", "E0201", "float[4] of the whole batch and float[4] of single"),
    ("mse(batch(za), zb)", "E0201", "`mse` of float[B, 4] of the whole batch"),
    ("mean(where(batch(za) > 0, za, 0))", "E0201", "of the whole batch"),
    ("mean(batch(za) -> dense(3))", "E0201", "`dense` works on single samples"),
    ("mean(batch(batch(za)))", "E0201", "is the same for all"),
    ("mean(batch(za) + eye(B))", "E0204", "float[B, 4] and float[B, B]"),
    ("mean(batch(za) @ eye(5))", "E0203", "float[B, 4] and float[5, 5]"),
    ("mean(batch(za)) * batch", "E0302", "`batch` is a function"),
])  # fmt: skip
def test_values_of_the_batch_and_of_samples_do_not_mix(loss, code, words):
    with pytest.raises(CompileError) as caught:
        compile(Source("m.dl", spec(loss)))
    (found,) = caught.value.diagnostics
    assert (found.code, words in found.message) == (code, True), found


def test_one_number_of_the_batch_meets_values_of_samples():
    rows = pairs(6)
    trained = run(spec("mean((za - mean(batch(za))) ** 2)", "steps = 1\nbatch = all"), rows)
    a, *_ = encoded(draw(compile(Source("m.dl", spec("mse(za, 0)"))).graph, 0), rows)
    assert trained.history[0].train["loss"] == pytest.approx(a.var(correction=0).item(), rel=1e-5)


def test_batch_is_a_word_of_losses_and_no_reserved_name():
    with pytest.raises(CompileError) as caught:
        compile(Source("m.dl", "input x: float[2]\noutput y: float[2]\nbatch(x) -> y\n"))
    assert "allowed only in a loss" in caught.value.diagnostics[0].message
    taken = "input x: float[3, B]\noutput y: float[3, B]\nx -> y\ntrain { loss = mean(batch(x)) }\n"
    with pytest.raises(CompileError) as caught:
        compile(Source("m.dl", taken))
    assert caught.value.diagnostics[0].help == "give that dimension another name"
    compile(Source("m.dl", "param batch = 3\ninput x: float[B, 2]\noutput eye: float[3]\nramp = batch * x\n"
                           "ramp -> mean(axis=0) -> dense(batch) -> eye\n"))  # fmt: skip
