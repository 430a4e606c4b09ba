"""Average nets: `net h = average(g)`, compared with `AveragedModel` of torch."""

from __future__ import annotations

import json
import re
from copy import deepcopy

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file
from torch import nn
from torch.nn import functional as F
from torch.optim import swa_utils
from trainings import program

import dlc
from dlc import CompileError
from dlc.cli import commands
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.training.loop import train

BYOL = """
input  a, b: float[3]
output code: float[4]

net follower = average(encoder, {decay})
net encoder(x) {{ return x -> dense(6) -> batchnorm -> relu -> dense(4) }}
net predictor(z) {{ return z -> dense(4) }}

a -> encoder -> code

train {{
  loss      = mse(predictor(encoder(a)), detach(follower(b)))
              + mse(predictor(encoder(b)), detach(follower(a)))
  optimizer = sgd(lr=0.1, momentum=0.9)
  epochs    = 3
  batch     = 16
  seed      = 5
  {more}
}}
"""


def pairs(n: int = 40) -> InMemoryRows:
    rng = np.random.default_rng(0)
    return InMemoryRows({k: rng.normal(size=(n, 3)).astype(np.float32) for k in "ab"}, n)


def trained(text: str, rows=None, validation=None):
    p = program(text)
    return train(p, Dataset(rows or pairs(), validation), draw(p.graph, p.train.seed), on="cpu")


def load(module: nn.Module, weights, net: str):
    """Give a module the weights of a net, in order."""
    own = [torch.from_numpy(a.copy()) for name, a in weights.items() if name.startswith(f"{net}.")]
    state = {k: v for k, v in module.state_dict().items() if "num_batches" not in k}
    module.load_state_dict(dict(zip(state, own, strict=True)), strict=False)
    return module


def assert_net(weights, net: str, module: nn.Module, **tolerance):
    state = [v for k, v in module.state_dict().items() if "num_batches" not in k]
    own = {name: a for name, a in weights.items() if name.startswith(f"{net}.")}
    for (name, array), tensor in zip(own.items(), state, strict=True):
        bounds = {"rtol": 1e-4, "atol": 1e-6} | tolerance
        np.testing.assert_allclose(array, tensor.numpy(), err_msg=name, **bounds)


def encoder_of(weights) -> nn.Sequential:
    layers = nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 4)
    return load(nn.Sequential(*layers), weights, "encoder")


def byol_by_hand(text: str, decays, accumulate: int = 1):
    """The nets after training in plain PyTorch. `decays` is the decay of each step."""
    begin = draw(program(text).graph, 5)
    encoder, predictor = encoder_of(begin), load(nn.Sequential(nn.Linear(4, 4)), begin, "predictor")
    decay = 0.0

    def follow(averages, weights, _):
        swa_utils.get_ema_multi_avg_fn(decay)(averages, weights, _)

    follower = swa_utils.AveragedModel(encoder, multi_avg_fn=follow)
    follower.n_averaged += 1  # it starts as a copy and follows from the first step on
    optimizer = torch.optim.SGD([*encoder.parameters(), *predictor.parameters()], 0.1, momentum=0.9)
    a, b = (torch.from_numpy(pairs()[k]) for k in "ab")
    shuffle, step = torch.Generator().manual_seed(5), 0
    for _ in range(3):
        for index in torch.randperm(40, generator=shuffle).split(16):
            optimizer.zero_grad()
            x, y = a[index], b[index]
            loss = F.mse_loss(predictor(encoder(x)), follower(y).detach())
            (loss + F.mse_loss(predictor(encoder(y)), follower(x).detach())).backward()
            optimizer.step()
            decay = decays(step)
            follower.update_parameters(encoder)
            step += 1
    return encoder, predictor, follower.module


@pytest.mark.parametrize(("decay", "decays"), [
    ("decay=0.9", lambda step: 0.9),
    ("decay=ramp(0.5, 1, 4)", lambda step: min(0.5 + step / 8, 1)),
    ("decay=1", lambda step: 1.0),
    ("0", lambda step: 0.0),
])  # fmt: skip
def test_two_views_train_as_in_torch(decay, decays):
    text = BYOL.format(decay=decay, more="")
    encoder, predictor, follower = byol_by_hand(text, decays)
    weights = trained(text).weights
    assert_net(weights, "encoder", encoder)
    assert_net(weights, "predictor", predictor)
    assert_net(weights, "follower", follower)
    for name in ("running_mean", "running_var"):  # the average net does not have statistics of its own
        same = weights[f"follower.batchnorm.{name}"], weights[f"encoder.batchnorm.{name}"]
        np.testing.assert_array_equal(*same)


def test_the_default_decay_is_099():
    assert program(BYOL.format(decay="decay=0.99", more="")).averages["follower"].decay == 0.99
    text = BYOL.format(decay="", more="").replace("encoder, )", "encoder)")
    assert program(text).averages["follower"].decay == 0.99


def test_accumulated_batches_are_one_step_of_the_average():
    more = "accumulate = 2"
    large = trained(BYOL.format(decay="decay=0.5", more="").replace("batch     = 16", "batch = 20")
                    .replace("-> batchnorm", "")).weights  # fmt: skip
    small = trained(BYOL.format(decay="decay=0.5", more=more).replace("batch     = 16", "batch = 10")
                    .replace("-> batchnorm", "")).weights  # fmt: skip
    for name, array in large.items():
        np.testing.assert_allclose(small[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


def test_ema_leaves_an_average_net_alone():
    plain = trained(BYOL.format(decay="decay=0.9", more="")).weights
    ema = trained(BYOL.format(decay="decay=0.9", more="ema = 0.5")).weights
    for name, array in plain.items():
        same = name.startswith("follower.") or "running" in name
        assert np.array_equal(ema[name], array) == same, name


def test_a_frozen_net_is_followed_by_a_constant_copy():
    weights = trained(BYOL.format(decay="decay=0.9", more="freeze = encoder")).weights
    for name, array in draw(program(BYOL.format(decay="", more="").replace(", )", ")")).graph, 5).items():
        assert np.array_equal(weights[name], array) != name.startswith("predictor."), name


# --- a mean teacher, whose average is the answer ----------------------------------------------------------

TEACHER = """
input  x: float[2]
output kind: class(2)

net student(x) { return x -> SCALE dense(8) -> batchnorm -> tanh -> dense(2) }
net teacher = average(student, decay=0.8)

x -> teacher -> kind
scores = student(x)

train {
  loss      = cross_entropy(scores, kind.target) + 0.5 * mse(softmax(scores), softmax(teacher(x)))
  optimizer = sgd(lr=0.1, momentum=0.9)
  epochs    = 4
  batch     = 16
  seed      = 5
}
"""


def student_of(weights) -> nn.Sequential:
    layers = nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2)
    return load(nn.Sequential(*layers), weights, "student")


def labelled(n: int) -> dict[str, np.ndarray]:
    x = np.random.default_rng(1).normal(3, 2, size=(n, 2)).astype(np.float32)
    return {"x": x, "kind": (x.sum(1) > 6).astype(np.int64)}


def test_a_teacher_is_validated_and_exported(tmp_path):
    rows, text = labelled(100), TEACHER.replace("SCALE", "standardize ->")
    result = dlc.train(text=f"{text}data {{ validation = 20 }}", data=rows, out=tmp_path)
    session = onnxruntime.InferenceSession(result.model)
    stored = {i.name for i in onnx.load(result.model).graph.initializer}
    assert not any(name.startswith("student.") for name in stored)
    own = {n.removeprefix("teacher."): a for n, a in result.weights.items() if n.startswith("teacher.")}
    net = student_of({f"student.{n}": a for n, a in own.items() if "standardize" not in n}).eval()
    inner = (rows["x"] - own["standardize.mean"]) / own["standardize.std"]
    with torch.no_grad():
        wanted = F.softmax(net(torch.from_numpy(inner)), 1).numpy()
    np.testing.assert_allclose(session.run(["kind_probabilities"], {"x": rows["x"]})[0], wanted, atol=1e-5)
    assert result.figures["validation"]["accuracy"] > 0.8
    for name in ("mean", "std"):
        copied = result.weights[f"teacher.standardize.{name}"]
        np.testing.assert_array_equal(copied, result.weights[f"student.standardize.{name}"])


def test_a_mean_teacher_trains_as_in_torch():
    """The gradient of the second term flows into the student only, though the teacher is not detached."""
    rows = labelled(80)
    p = program(TEACHER.replace("SCALE ", ""))
    begin = draw(p.graph, 5)
    student = student_of(begin)
    teacher = deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.SGD(student.parameters(), 0.1, momentum=0.9)
    x, y, shuffle = *map(torch.from_numpy, rows.values()), torch.Generator().manual_seed(5)
    for _ in range(4):
        for index in torch.randperm(80, generator=shuffle).split(16):
            optimizer.zero_grad()
            scores = student(x[index])
            consistency = F.mse_loss(F.softmax(scores, 1), F.softmax(teacher(x[index]), 1))
            (F.cross_entropy(scores, y[index]) + 0.5 * consistency).backward()
            optimizer.step()
            for own, other in zip(teacher.parameters(), student.parameters(), strict=True):
                own.mul_(0.8).add_(other.detach(), alpha=0.2)
            for own, other in zip(teacher.buffers(), student.buffers(), strict=True):
                own.copy_(other)
    weights = train(p, Dataset(InMemoryRows(rows, 80)), begin, on="cpu").weights
    assert_net(weights, "student", student, rtol=1e-3, atol=1e-5)
    assert_net(weights, "teacher", teacher, rtol=1e-3, atol=1e-5)


def test_gradients_pass_through_to_what_flows_in():
    """A generator in front of an average net learns through it."""
    text = """
input  x: float[3]
output y: float[2]
net judge(x) { return x -> dense(2) }
net slow = average(judge)
code = x -> dense(3)
code -> judge -> y
train { loss = mse(slow(code), 0) + 0 * mse(y, 0)
        optimizer = sgd(lr=0.1)
        epochs = 1
        batch = all }
"""
    p = program(text)
    begin = draw(p.graph, 0)
    x = pairs()["a"]
    weights = train(p, Dataset(InMemoryRows({"x": x}, 40)), begin, on="cpu").weights
    dense, slow = (load(nn.Linear(3, n), begin, name) for n, name in ((3, "dense"), (2, "judge")))
    F.mse_loss(slow(dense(torch.from_numpy(x))), torch.zeros(40, 2)).backward()
    wanted = (dense.weight - 0.1 * dense.weight.grad).detach().numpy()
    np.testing.assert_allclose(weights["dense.weight"], wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(weights["slow.dense.weight"], begin["judge.dense.weight"])


# --- weights ----------------------------------------------------------------------------------------------

NESTED = """
input  x: float[3]
output y: float[2]
weight table: float[3, 3] = normal(0.5)
net back(x) { return x -> dense(3) -> tanh }
net g(x) { return x @ table -> back -> dense(2) }
net h = average(g, decay=0.5)
g(x) -> y
train { loss = mse(y, 1) + 0 * mse(h(x), 0)
        optimizer = sgd(lr=0.1)
        epochs = 1
        batch = all }
"""


def test_nets_and_declared_weights_within_a_net_are_averaged_too():
    p = program(NESTED)
    assert [w.name for w in p.graph.weights if w.follows] == [
        "h.table", "h.back.dense.weight", "h.back.dense.bias", "h.dense.weight", "h.dense.bias",
    ]  # fmt: skip
    begin = draw(p.graph, 0)
    weights = train(p, Dataset(InMemoryRows({"x": pairs()["a"]}, 40)), begin, on="cpu").weights
    for weight in p.graph.weights:
        if weight.follows:
            wanted = (begin[weight.follows] + weights[weight.follows]) / 2
            np.testing.assert_allclose(weights[weight.name], wanted, atol=1e-6)
            assert not np.array_equal(wanted, begin[weight.follows])


def test_the_torch_module_has_averages_that_need_no_gradient():
    module = dlc.compile(text=NESTED).torch(mode="train")
    named = dict(module.named_parameters())
    assert all(p.requires_grad != name.startswith("h.") for name, p in named.items())
    assert named.keys() >= {"h.table", "h.dense.weight"}
    state = module.state_dict()
    assert list(state) == [w.name for w in program(NESTED).graph.weights]
    assert torch.equal(state["h.back.dense.weight"], state["back.dense.weight"])


def test_given_weights_of_a_net_are_those_its_average_starts_with():
    table = np.eye(3, dtype=np.float32)
    weights = dlc.compile(text=NESTED).weights({"table": table})
    np.testing.assert_array_equal(weights["h.table"], table)
    own = dlc.compile(text=NESTED).weights({"table": table, "h.table": 2 * table})
    np.testing.assert_array_equal(own["h.table"], 2 * table)


def test_a_training_that_diverges_keeps_the_last_good_averages(tmp_path):
    text = NESTED.replace("epochs = 1", "epochs = 30").replace("sgd(lr=0.1)", "sgd(lr=1e3)")
    with pytest.raises(CompileError):
        dlc.train(text=text, data={"x": 100 * pairs()["a"]}, out=tmp_path)
    [path] = tmp_path.glob("*/latest/weights.safetensors")
    assert all(np.isfinite(a).all() for a in load_file(path).values())


def test_fitted_values_are_copied_into_the_dtype_of_the_average_net(tmp_path):
    """Offsets are subtracted from timestamps in float64; the average net gets other numbers in float32."""
    text = """
input  t: int64[2]
input  x: float[2]
output y: float[2]
net g(x) { return x -> standardize -> dense(2) }
net h = average(g)
g(t) -> y
train { loss = mse(y, 0) + mse(h(x), 0)
        epochs = 1 }
"""
    stamps = 1_700_000_000 + np.arange(80).reshape(40, 2)
    result = dlc.train(text=text, data={"t": stamps, "x": pairs()["a"][:, :2]}, out=tmp_path)
    assert result.weights["g.standardize.mean"].dtype == np.float64
    assert result.weights["h.standardize.mean"].dtype == np.float32
    np.testing.assert_allclose(result.weights["g.standardize.mean"], stamps.mean(0), rtol=1e-12)
    np.testing.assert_allclose(result.weights["h.standardize.mean"], stamps.mean(0), rtol=1e-6)


# --- BYOL on images ---------------------------------------------------------------------------------------

IMAGES = """# Bootstrap your own latent: a net learns to say what a slowly following copy of itself sees.
input image: uint8[1, 28, 28]
output code: float[64]

net encoder(x) {
  return x -> conv(16, 3, stride=2, padding=1) -> batchnorm -> relu
           -> conv(32, 3, stride=2, padding=1) -> batchnorm -> relu
           -> flatten -> dense(64)
}

net predictor(z) {
  return z -> dense(64) -> relu -> dense(64)
}

net follower = average(encoder, decay=ramp(0.97, 1, 2000))

block seen(x) {
  return x -> random_crop(28, padding=4) -> random_rotate(15)
}

pixels = image / 255
a = pixels -> seen
b = pixels -> seen

pixels -> encoder -> code

data { source = idx("data/mnist") }

train {
  loss      = cosine(predictor(encoder(a)), detach(follower(b)))
              + cosine(predictor(encoder(b)), detach(follower(a)))
  optimizer = adamw(lr=1e-3)
  batch     = 64
  steps     = 12
  PRECISION
}
"""


@pytest.mark.parametrize(
    "precision",
    ["float32", *(pytest.param(other, marks=pytest.mark.slow) for other in ("bf16", "float64"))],
)
def test_byol_learns_from_images_without_labels(tmp_path, precision):
    images = np.random.default_rng(0).integers(0, 255, (128, 1, 28, 28)).astype(np.uint8)
    text = IMAGES.replace("PRECISION", f"precision = {precision}")
    result = dlc.train(text=text, data={"image": images}, out=tmp_path)
    losses = [epoch.train["loss"] for epoch in result.trained.history]
    assert losses[-1] < losses[0] - 0.1
    own = {n.removeprefix("follower."): a for n, a in result.weights.items() if n.startswith("follower.")}
    distances = [
        np.abs(array - result.weights[f"encoder.{name}"]).max()
        for name, array in own.items()
        if name.endswith("weight")
    ]
    assert distances and all(0 < d < 0.1 for d in distances)
    stored = {i.name for i in onnx.load(result.model).graph.initializer}
    assert not any("follower" in name for name in stored)


def test_what_is_shown_and_checked_of_an_average_net(tmp_path):
    (tmp_path / "m.dl").write_text(NESTED.replace("tanh", "dropout(0.1) -> tanh"))
    given = CliRunner().invoke(commands, ["show", "--weights", str(tmp_path / "m.dl")]).stdout
    assert re.search(r"h\.back\.dense\.weight +\[3, 3\] +9 +weight +as `back\.dense\.weight`", given)
    assert "29 parameters, and 29 numbers that no optimizer changes" in given
    np.savez(tmp_path / "rows.npz", x=pairs(8)["a"])
    rows = ["--data", str(tmp_path / "rows.npz"), "--format", "json"]
    checked = CliRunner().invoke(commands, ["gradcheck", str(tmp_path / "m.dl"), *rows])
    assert {w["name"] for w in json.loads(checked.stdout)["weights"]} == {
        "table", "back.dense.weight", "back.dense.bias", "g.dense.weight", "g.dense.bias",
    }  # fmt: skip
    for more in ([], ["--model"]):
        emitted = CliRunner().invoke(commands, ["emit", str(tmp_path / "m.dl"), *more])
        assert (
            emitted.exit_code == 1 and "E0820" in emitted.stderr and "`h` is an average net" in emitted.stderr
        )
