"""Random draws in training: repeated by the seed and in the NaN trace, and differentiable."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.training.loop import train

RNG = np.random.default_rng(0)
IMAGES = InMemoryRows({"image": RNG.random((48, 3, 8, 8), np.float32), "label": RNG.integers(0, 2, 48)}, 48)
DRAWING = (
    "random_flip", "random_crop(8, padding=2)", "random_rotate(20)", "random_resized_crop(8)", "random_erase",
    "color_jitter(hue=0.1)", "mixup(0.4)", "cutmix(1)", "gaussian_noise(0.1)", "dropout(0.2)", "bernoulli",
    "sample_normal(0.1)",
)  # fmt: skip


def run(text: str, rows: InMemoryRows, **fields: InMemoryRows):
    p = compile(Source("m.dl", text))
    return p, train(p, Dataset(rows, fields.get("validation"), None), draw(p.graph, p.train.seed), on="cpu")


def classifier(drawing: str, seed: int = 0) -> str:
    return f"""
input image: float[3, 8, 8]
output label: class(2)
image -> {drawing} -> conv(4, 3) -> relu -> flatten -> dense(2) -> label
train {{
  epochs = 2
  batch = 16
  seed = {seed}
}}
"""


@pytest.mark.parametrize("drawing", DRAWING)
def test_the_seed_repeats_all_draws(drawing):
    losses = [
        [e.train["loss"] for e in run(classifier(drawing, seed), IMAGES)[1].history] for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.02), ("float64", 0.2)])
def test_images_are_augmented_in_every_precision(precision, tolerance):
    """bf16 has the same draws except for rounding; float64 has other draws with more digits."""
    images = " -> ".join(drawing for drawing in DRAWING[:7])
    found, wanted = (
        run(classifier(images).replace("epochs = 2", f"epochs = 2\n precision = {p}"), IMAGES)[1].history
        for p in (precision, "float32")
    )
    assert [e.train["loss"] for e in found] == pytest.approx([e.train["loss"] for e in wanted], rel=tolerance)


@pytest.mark.parametrize("drawing", DRAWING)
def test_draws_are_on_the_device_of_the_images(drawing):
    """Tensors on another device would raise an error; the meta device shows that without a GPU."""
    p = compile(Source("m.dl", classifier(drawing)))
    model = Model(specialize.training(p, p.objective), p.graph.weights, draw(p.graph, 0)).to("meta")
    model._run.to("meta")
    fields = {name: torch.from_numpy(IMAGES[name]).to("meta") for name in ("image", "label")}
    assert model(fields)["objective"].device.type == "meta"


@pytest.mark.parametrize("drawing", DRAWING)
def test_fitted_operators_cannot_follow_random_ones(drawing):
    with pytest.raises(CompileError) as caught:
        compile(Source("m.dl", classifier(f"{drawing} -> standardize")))
    assert [d.code for d in caught.value.diagnostics] == ["E0512"]


def test_nan_is_found_with_the_same_draws():
    """The logarithm is infinite at the first step that draws a 0, with a probability of 1 in 50."""
    spec = """
input x: float
output y: float
chance = bernoulli(0.98 + 0 * x)
dense(x, 1) + log(chance) -> y
train {
  epochs = 2
  batch = 1
}
"""
    rows = InMemoryRows({"x": np.zeros(200, np.float32), "y": np.zeros(200, np.float32)}, 200)
    with pytest.raises(CompileError) as caught:
        run(spec, rows)
    (found,) = caught.value.diagnostics
    assert found.code == "E0802"
    assert found.message.startswith("the result of `log` is infinite at step ")
    assert int(found.message.split()[-1]) > 1


def test_a_boltzmann_machine_learns_its_patterns():
    """One step of contrastive divergence: hidden and visible units are drawn alternately."""
    spec = """
param units = 12
input  image: float[16]
output code: binary[units]
weight W: float[16, units] = normal(0.01)
weight a: float[16] = zeros
weight b: float[units] = zeros
block free_energy(v) {
  return -sum(v * a) - sum(softplus(v @ W + b))
}
sampled = bernoulli(sigmoid(image @ W + b))
dreamt = bernoulli(sigmoid(sampled @ transpose(W) + a))
image @ W + b -> code
train {
  loss = free_energy(image) - free_energy(detach(dreamt))
  optimizer = sgd(lr=0.1)
  epochs = 60
  batch = 20
}
"""
    patterns = np.array([[1] * 8 + [0] * 8, [0, 1] * 8], np.float32)
    rows = InMemoryRows({"image": patterns[RNG.integers(0, 2, 200)]}, 200)
    _, trained = run(spec, rows)
    W, a, b = (trained.weights[name] for name in "Wab")

    def likely(x):
        return 1 / (1 + np.exp(-x))

    again = likely(likely(patterns @ W + b) @ W.T + a)
    assert np.abs(again - patterns).max() < 0.25
