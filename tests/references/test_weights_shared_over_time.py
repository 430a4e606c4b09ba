"""A net that is used at every step of a loop is a recurrent network: its answers, gradients and steps of
training are those of `nn.RNN` and of cells written by hand in PyTorch, and it is trained, proved, counted,
checked and emitted as any other network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx.reference import ReferenceEvaluator
from torch import nn
from torch.nn import functional as F

import dlc
from dlc.cli import commands
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.training.learner import Learner
from dlc.runtime.training.torch_forms import Forms

ELMAN = """
input  x: float[6, 3]
output y: class(4)

net cell(x, h) { return dense(x, 5) + dense(h, 5) -> tanh }
weight start: float[5] = zeros

h = start
for t in range(6) { h = cell(x[t], h) }
h -> dense(4) -> y

train { optimizer = sgd(lr=0.1) }
"""
LSTM = """
input  x: float[6, 3]
output y: float[6, 2]

net cell(x, h, c) {
  i, f, g, o = dense(x, 20) + dense(h, 20) -> split(4)
  c = sigmoid(f) * c + sigmoid(i) * tanh(g)
  return sigmoid(o) * tanh(c), c
}
net head(h) { return h -> dense(2) }
weight start: float[5] = zeros

h = start
c = start
steps = []
for t in range(6) {
  h, c = cell(x[t], h, c)
  steps = steps + [head(h)]
}
stack(steps) -> y

train { optimizer = sgd(lr=0.1) }
"""
TIED = """
input  text: class(11)[6]
output next: class(11)[6]

weight table: float[11, 5] = normal(1)
net cell(x, h) { return dense(x, 5) + dense(h, 5, bias=false) -> tanh }

x = embedding(text, 5, weight=table)
h = x[0]
steps = []
for t in range(6) {
  h = cell(x[t], h)
  steps = steps + [h]
}
stack(steps) @ transpose(table) -> next

train { optimizer = sgd(lr=0.1) }
"""


class Recurrent(nn.Module):
    """`nn.RNN` or `nn.LSTM` with a trained first state, and a layer on the last or on every state."""

    def __init__(self, kind: type[nn.RNNBase], outputs: int, every: bool):
        super().__init__()
        self.start = nn.Parameter(torch.zeros(5))
        self.layer = kind(3, 5, batch_first=True)
        self.head = nn.Linear(5, outputs)
        self.every = every

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.start.expand(1, len(x), 5).contiguous()
        states, _ = self.layer(x, (first, first) if isinstance(self.layer, nn.LSTM) else first)
        return self.head(states if self.every else states[:, -1])


class Tied(nn.Module):
    """A language model whose scores are products with its own embedding."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(11, 5))
        self.cell = nn.RNNCell(5, 5)
        self.cell.bias_hh.requires_grad_(False).zero_()

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        x = F.embedding(text, self.table)
        h, steps = x[:, 0], []
        for t in range(6):
            h = self.cell(x[:, t], h)
            steps.append(h)
        return torch.stack(steps, 1) @ self.table.T


CELL = {"cell.dense.weight": "weight_ih", "cell.dense.bias": "bias_ih",
        "cell.dense_2.weight": "weight_hh", "cell.dense_2.bias": "bias_hh"}  # fmt: skip
LAYER = {ours: f"layer.{theirs}_l0" for ours, theirs in CELL.items()} | {"start": "start"}
ELMAN_NAMES = LAYER | {"dense.weight": "head.weight", "dense.bias": "head.bias"}
LSTM_NAMES = LAYER | {"head.dense.weight": "head.weight", "head.dense.bias": "head.bias"}
TIED_NAMES = {ours: f"cell.{theirs}" for ours, theirs in CELL.items()} | {"table": "table"}
del TIED_NAMES["cell.dense_2.bias"]


def loss_of(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(scores, target) if target.is_floating_point() else F.cross_entropy(
        scores.flatten(0, -2), target.flatten())  # fmt: skip


CASES = {
    "Elman": (ELMAN, lambda: Recurrent(nn.RNN, 4, every=False), ELMAN_NAMES),
    "LSTM": (LSTM, lambda: Recurrent(nn.LSTM, 2, every=True), LSTM_NAMES),
    "tied embedding": (TIED, Tied, TIED_NAMES),
}
ROWS = {
    "Elman": (torch.randn(7, 6, 3), torch.randint(0, 4, (7,))),
    "LSTM": (torch.randn(7, 6, 3), torch.randn(7, 6, 2)),
    "tied embedding": (torch.randint(0, 11, (7, 6)), torch.randint(0, 11, (7, 6))),
}


def begin(case: str) -> tuple[dlc.Program, dict[str, np.ndarray], nn.Module, dict[str, str]]:
    """The spec, random weights, and the module with the same weights."""
    text, module, names = CASES[case]
    program, rng = dlc.compile(text=text), np.random.default_rng(0)
    weights = {n: rng.normal(0, 0.4, t.shape).astype(np.float32) for n, t in program.weights().items()}
    made = module()
    theirs = made.state_dict()
    assert set(names) == set(weights)
    for name, array in weights.items():
        theirs[names[name]].copy_(torch.from_numpy(array))
    return program, weights, made, names


@pytest.mark.parametrize("case", CASES)
def test_answers_are_those_of_pytorch(case: str) -> None:
    program, weights, module, _ = begin(case)
    x, _ = ROWS[case]
    given, output = program.compiled.inputs[0].name, program.compiled.outputs[0]
    proto = program.onnx(weights)
    session, evaluator = open_session(proto.SerializeToString()), ReferenceEvaluator(proto)
    for batch in (1, 7):
        with torch.no_grad():
            scores = module(x[:batch])
        answer = f"{output.name}_probabilities" if output.declared.element == "class" else output.name
        wanted = scores if answer == output.name else scores.softmax(-1)
        (names, found) = [o.name for o in proto.graph.output], evaluator.run(None, {given: x[:batch].numpy()})
        np.testing.assert_allclose(run(session, {given: x[:batch].numpy()})[answer], wanted, atol=1e-6)
        np.testing.assert_allclose(found[names.index(answer)], wanted, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_gradients_accumulate_over_all_uses(case: str) -> None:
    """Three steps of SGD: each weight moves by the sum of what every step of the loop gives it."""
    program, weights, module, names = begin(case)
    x, y = ROWS[case]
    learner = Learner(Forms(program.compiled, weights, torch.device("cpu")), program.compiled.phase, 3)
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1)
    fields = {program.compiled.inputs[0].name: x, program.compiled.outputs[0].name: y}
    for step in range(3):
        [(_, found)] = learner.step([[fields[name] for name in learner.forms.fields]], step)
        loss = loss_of(module(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.testing.assert_close(found["loss"].detach(), loss.detach(), rtol=1e-5, atol=1e-6)
    theirs = module.state_dict()
    for name, tensor in learner.forms.weights.items():
        torch.testing.assert_close(tensor.detach(), theirs[names[name]], rtol=1e-5, atol=1e-6, msg=name)


def test_weights_are_stored_and_counted_once(tmp_path: Path) -> None:
    program, weights, _, names = begin("Elman")
    proto = program.onnx(weights)
    stored = [t.name for t in proto.graph.initializer if not t.name.startswith("constant")]
    assert sorted(n.removesuffix(".T") for n in stored) == sorted(names)
    (tmp_path / "elman.dl").write_text(ELMAN)
    shown = command("show", tmp_path / "elman.dl")
    assert shown.count("cell (the same weights)") == 5
    assert "79 parameters" in shown  # 15 + 5 + 25 + 5 of the cell, 5 of the start, 20 + 4 of the head
    assert "all 7 weights are right" in command("gradcheck", tmp_path / "elman.dl")


LONG = """
input  x: float[200, 3]
output y: float

net cell(x, h) { return dense(x, 5) + dense(h, 5, bias=false) -> tanh }

h = dense(x[0], 5)
for t in range(1, 200) { h = cell(x[t], h) }
h -> dense(1) -> y

train {
  optimizer = adam(lr=1e-2)
  clip = norm(1)
  epochs = 8
}
"""


@pytest.mark.slow
def test_two_hundred_steps_are_trained_proved_and_emitted(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((500, 200, 3)).astype(np.float32)
    (tmp_path / "long.dl").write_text(LONG)
    made = dlc.train(tmp_path / "long.dl", data={"x": x, "y": x[:, -2:, 0].sum(1)}, out=tmp_path / "runs")
    assert made.figures["train"]["loss"] < 0.5  # of a variance of 2
    proto = onnx.load(made.model)
    assert len(proto.graph.node) <= 5 * 200 + 5
    assert sum(len(t.dims) == 2 for t in proto.graph.initializer) == 4
    source = command("emit", "--model", tmp_path / "long.dl")
    assert source.count("nn.Linear(") == 4
    assert source.count("self.cell(") == 199


def command(*arguments: object) -> str:
    done = CliRunner().invoke(commands, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done.output
