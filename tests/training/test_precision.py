"""Training in bfloat16 and in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from trainings import classifier, points, program, run

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.training import bfloat16
from dlc.runtime.training.learner import Learner
from dlc.runtime.training.torch_forms import Forms

CPU = torch.device("cpu")
LAYERS = "conv(4, 3, bias=false) -> batchnorm -> relu -> flatten -> dense(3)"
SPEC = """
input image: uint8[2, 6, 6]
output kind: class(3)
image / 255 -> {layers} -> kind
train {{
  optimizer = sgd(lr=0.1, momentum=0.9)
  regularize = l2(0.01)
  {settings}
}}
"""


class Seen(TorchDispatchMode):
    """Records the dtypes of the results of operators."""

    def __init__(self):
        super().__init__()
        self.made = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        first = result[0] if isinstance(result, (tuple, list)) else result
        if isinstance(first, torch.Tensor):
            self.made.setdefault(function.overloadpacket.__name__, set()).add(first.dtype)
        return result


def images(count: int = 12) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randint(0, 256, (count, 2, 6, 6), generator=generator, dtype=torch.uint8),
        torch.randint(0, 3, (count,), generator=generator),
    ]


def learner(settings: str, layers: str = LAYERS) -> Learner:
    p = compile(Source("m.dl", SPEC.format(settings=settings, layers=layers)))
    return Learner(Forms(p, draw(p.graph, 0), CPU), p.phase, 3)


def step_seen(settings: str, layers: str = LAYERS) -> tuple[Learner, Seen, torch.Tensor]:
    ours, seen = learner(settings, layers), Seen()
    with seen:
        ((_, made),) = ours.step([images()], 0)
    return ours, seen, made["loss"].detach()


# --- bfloat16 ---------------------------------------------------------------------------------------------


def test_layers_compute_in_bfloat16_with_weights_and_losses_in_float32():
    ours, seen, loss = step_seen("precision = bf16")
    assert seen.made["convolution"] == seen.made["addmm"] == seen.made["relu"] == {torch.bfloat16}
    assert seen.made["_log_softmax"] == seen.made["nll_loss_forward"] == {torch.float32}
    assert loss.dtype is torch.float32
    assert {w.dtype for w in ours.forms.weights.values()} == {torch.float32}
    assert {w.grad.dtype for w in ours.forms.trained} == {torch.float32}
    _, seen, _ = step_seen("")
    assert torch.bfloat16 not in set().union(*seen.made.values())


def test_angles_of_positions_are_computed_in_float32():
    layers = "reshape(9, 8) -> dense(8) -> rotary -> sinusoidal_position -> dense(3) -> mean(axis=0)"
    _, seen, _ = step_seen("precision = bf16", layers)
    assert seen.made["addmm"] == {torch.bfloat16}
    assert seen.made["cos"] == seen.made["sin"] == {torch.float32}


@pytest.mark.parametrize(
    "loss", ["mse(y, t)", "mae(y, t)", "huber(y, t)", "bce(y, 1)", "mean(square(y - t))"]
)
def test_every_loss_is_computed_in_float32(loss):
    text = (
        f"input x: float[4]\ninput t: float[3]\noutput y: float[3]\nx -> dense(3) -> y\n"
        f"train {{\nloss = {loss}\nprecision = bf16\n}}\n"
    )
    p = program(text)
    ours = Learner(Forms(p, draw(p.graph, 0), CPU), p.phase, 3)
    given = {"x": torch.randn(5, 4), "t": torch.randn(5, 3)}
    ((_, made),) = ours.step([[given[name] for name in ours.forms.fields]], 0)
    found = made["loss"].detach()
    weight, bias = (torch.from_numpy(a) for a in draw(p.graph, 0).values())
    with torch.autocast("cpu", torch.bfloat16):
        made = F.linear(given["x"], weight, bias).float()
    t, one = given["t"], torch.ones(5, 3)
    wanted = {"mse(y, t)": F.mse_loss(made, t), "mae(y, t)": F.l1_loss(made, t),
              "huber(y, t)": F.huber_loss(made, t), "mean(square(y - t))": F.mse_loss(made, t),
              "bce(y, 1)": F.binary_cross_entropy_with_logits(made, one)}[loss]  # fmt: skip
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def test_validation_and_saved_weights_are_float32():
    trained = run(
        classifier("precision = bf16\nepochs = 30\noptimizer = adam(lr=0.02)"), points(200), points(50, 1)
    )
    assert {a.dtype for a in trained.weights.values()} == {np.dtype(np.float32)}
    assert trained.figures["validation"]["accuracy"] > 0.9
    x, y = (torch.from_numpy(points(50, 1)[name]) for name in "xy")
    w = [torch.from_numpy(a) for a in trained.weights.values()]
    loss = F.cross_entropy(F.linear(F.linear(x, w[0], w[1]).tanh(), w[2], w[3]), y)
    assert trained.figures["validation"]["loss"] == pytest.approx(float(loss), rel=1e-5)


def test_nan_in_bfloat16_is_found_at_its_node():
    rows = points(20)
    rows["x"][3] = np.nan
    with pytest.raises(CompileError, match="the result of `dense` is NaN at step 1"):
        run(classifier("precision = bf16\nbatch = all"), rows)


# --- float64 ----------------------------------------------------------------------------------------------


def test_float64_steps_equal_pytorch_in_double():
    ours = learner("precision = float64")
    held = [ours.forms.weights[name] for name in ours.forms.arrays()]
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, bias=False), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(64, 3),
    ).double()  # fmt: skip
    theirs = {n: t for n, t in module.state_dict().items() if "num_batches" not in n}
    for own, other in zip(theirs.values(), held, strict=True):
        own.copy_(other.detach())
    image, kind = images()
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    for step in range(3):
        ((_, made),) = ours.step([[image, kind]], step)
        loss = F.cross_entropy(module(image.double() / 255), kind)
        penalty = 0.01 * (module[0].weight.square().sum() + module[4].weight.square().sum())
        optimizer.zero_grad()
        (loss + penalty).backward()
        optimizer.step()
        torch.testing.assert_close(made["loss"].detach(), loss.detach(), rtol=1e-12, atol=1e-12)
    for own, other in zip(theirs.values(), held, strict=True):
        torch.testing.assert_close(other.detach(), own, rtol=1e-12, atol=1e-12)


def test_a_step_in_float64_has_no_float32_values():
    layers = "dropout(0.1) -> gaussian_noise(0.1) -> " + LAYERS
    _, seen, loss = step_seen("precision = float64", layers)
    assert not {name for name, made in seen.made.items() if torch.float32 in made}
    assert seen.made["convolution"] == seen.made["bernoulli_"] == seen.made["dot"] == {torch.float64}
    assert loss.dtype is torch.float64


def test_weights_are_rounded_at_the_end_and_figures_use_rounded_weights():
    text = classifier("precision = float64\nepochs = 2\noptimizer = adam(lr=0.02)\nema = 0.5")
    trained = run(text, points(200), points(50, 1))
    assert {a.dtype for a in trained.weights.values()} == {np.dtype(np.float32)}
    x, y = (torch.from_numpy(points(50, 1)[name]) for name in "xy")
    w = [torch.from_numpy(a) for a in trained.weights.values()]
    loss = F.cross_entropy(F.linear(F.linear(x, w[0], w[1]).tanh(), w[2], w[3]), y)
    assert trained.figures["validation"]["loss"] == pytest.approx(float(loss), rel=1e-6)


def test_a_device_without_the_dtype_is_reported(monkeypatch):
    p = program(classifier("precision = bf16"))
    monkeypatch.setattr(torch.amp, "is_autocast_available", lambda kind: False)
    with pytest.raises(CompileError) as caught:
        Forms(p, draw(p.graph, 0), CPU)
    assert (caught.value.diagnostics[0].code, caught.value.diagnostics[0].line) == ("E0809", 5)


def test_attention_in_bf16_is_computed_in_float32_on_a_cpu_between_layers_in_bfloat16():
    layers = "reshape(12, 6) -> attention(2, dropout=0.1) -> mean(axis=0) -> dense(3)"
    _, seen, loss = step_seen("precision = bf16", layers)
    plain = "reshape(12, 6) -> attention(2) -> mean(axis=0) -> dense(3)"
    _, fast, _ = step_seen("precision = bf16", plain)
    assert loss.isfinite()
    assert torch.bfloat16 in seen.made["addmm"]
    assert fast.made["_scaled_dot_product_flash_attention_for_cpu"] == {torch.float32}
    assert fast.made["_scaled_dot_product_flash_attention_for_cpu_backward"] == {torch.float32}


@pytest.mark.parametrize("layer", ["lstm(4, final=true)", "gru(4, final=true)", "lstm(4, 2, true, true)"])
def test_recurrent_layers_train_in_bf16_on_processors_without_units_for_it_too(layer):
    _, _, loss = step_seen("precision = bf16", f"reshape(12, 6) -> {layer} -> dense(3)")
    _, _, wanted = step_seen("", f"reshape(12, 6) -> {layer} -> dense(3)")
    torch.testing.assert_close(loss.float(), wanted, rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("slowdown", "said"),
    [(4.2, "4.2 times as long"), (0.25, "4.0 times as fast as in float32"), (1.05, "about as fast as")],
)
def test_a_training_in_bf16_tells_how_fast_the_processor_is_before_it_begins(monkeypatch, slowdown, said):
    monkeypatch.setattr(bfloat16, "slowdown", lambda: slowdown)
    assert said in bfloat16.note(CPU, "bf16")
    assert not bfloat16.note(CPU, "float32")
    assert not bfloat16.note(torch.device("meta"), "bf16")


def test_the_time_of_bfloat16_is_measured():
    assert 0.01 < bfloat16.slowdown() < 1000
