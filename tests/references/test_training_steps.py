"""Steps of training do what the same loop in plain PyTorch does: losses, weights and running statistics."""

from __future__ import annotations

import pytest
import torch
from agreement import copied
from networks import SmallConvNet
from torch.nn import functional as F

from dlc.compiler import Source, compile
from dlc.runtime.training.learner import Learner
from dlc.runtime.training.torch_forms import Forms

STEPS = 3
SPEC = """
input  image: uint8[3, 12, 12]
output kind: class(5)

image / 255
  -> conv(8, 3, stride=2, padding=1, bias=false) -> batchnorm -> relu -> maxpool(2)
  -> conv(6, 3, padding=1) -> relu -> batchnorm(momentum=0.3) -> global_avgpool
  -> dense(5) -> kind

train {
  %s
}
"""


class AllMuon:
    """What `muon` stands for: the only matrix of the network by Muon, filters and the rest by AdamW."""

    def __init__(self, weights):
        matrices = [w for w in weights if w.ndim == 2]
        assert len(matrices) == 1
        rest = [w for w in weights if w.ndim != 2]
        self.parts = (
            torch.optim.Muon(matrices, lr=0.01),
            torch.optim.AdamW(rest, lr=0.01, weight_decay=0.1),
        )

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad()

    def step(self):
        for part in self.parts:
            part.step()


SETTINGS = {
    "sgd": ("optimizer = sgd(lr=0.1)", lambda weights: torch.optim.SGD(weights, lr=0.1)),
    "nesterov": (
        "optimizer = sgd(lr=0.1, momentum=0.9, nesterov=true, weight_decay=0.01)",
        lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
    "rmsprop": ("optimizer = rmsprop(lr=0.01)", lambda weights: torch.optim.RMSprop(weights, lr=0.01)),
    "nadam": ("optimizer = nadam", torch.optim.NAdam),
    "radam": (
        "optimizer = radam(lr=0.01, weight_decay=0.1)",
        lambda weights: torch.optim.RAdam(weights, lr=0.01, weight_decay=0.1),
    ),
    "adamax": ("optimizer = adamax", torch.optim.Adamax),
    "adagrad": (
        "optimizer = adagrad(weight_decay=0.1)",
        lambda weights: torch.optim.Adagrad(weights, weight_decay=0.1),
    ),
    "adadelta": ("optimizer = adadelta", torch.optim.Adadelta),
    "muon": (
        "optimizer = muon(lr=0.01)",
        lambda weights: AllMuon(list(weights)),
    ),
    "adamw": (
        "optimizer = adamw(lr=0.01, weight_decay=0.1)",
        lambda weights: torch.optim.AdamW(weights, lr=0.01, weight_decay=0.1),
    ),
}


def none(module: SmallConvNet) -> float:
    return 0.0


def ridge(module: SmallConvNet) -> torch.Tensor:
    """L2 of the weights of layers: no biases, no norms."""
    return 0.01 * sum(layer.weight.square().sum() for layer in (module.conv1, module.conv2, module.fc))


def lasso(module: SmallConvNet) -> torch.Tensor:
    return 0.001 * sum(layer.weight.abs().sum() for layer in (module.conv1, module.conv2, module.fc))


def begin(settings: str) -> tuple[Learner, SmallConvNet]:
    """The same network, freshly drawn, in both, and in the layout that training on a CPU
    gives its filters."""
    torch.manual_seed(0)
    module = SmallConvNet().to(memory_format=torch.channels_last)
    program = compile(Source("small.dl", SPEC % settings))
    forms = Forms(program, copied(program, module), torch.device("cpu"))
    return Learner(forms, program.phase, STEPS), module.train()


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randint(0, 256, (16, 3, 12, 12), generator=generator, dtype=torch.uint8),
            torch.randint(0, 5, (16,), generator=generator),
        )
        for _ in range(STEPS)
    ]


def both(settings: str, make, penalty=none) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Pairs of what dlc and what plain PyTorch has: the loss of every step,
    then every weight and statistic."""
    learner, module = begin(settings)
    optimizer = make(module.parameters())
    pairs = []
    for step, (image, kind) in enumerate(batches()):
        given = {"image": image, "kind": kind}
        [(_, found)] = learner.step([[given[name] for name in learner.forms.fields]], step)
        loss = F.cross_entropy(module(image), kind)
        optimizer.zero_grad()
        (loss + penalty(module)).backward()
        optimizer.step()
        pairs.append((found["loss"].detach(), loss.detach()))
    ours = [torch.from_numpy(array) for array in learner.forms.arrays().values()]
    theirs = [t for n, t in module.state_dict().items() if not n.endswith("num_batches_tracked")]
    return pairs + list(zip(ours, theirs, strict=True))


def assert_same(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    for found, wanted in pairs:
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SETTINGS)
def test_steps_are_those_of_pytorch(name: str) -> None:
    assert_same(both(*SETTINGS[name]))


@pytest.mark.parametrize(("written", "penalty"), [("l2(0.01)", ridge), ("l1(0.001)", lasso)])
def test_regularizers_act_on_the_weights_of_layers(written: str, penalty) -> None:
    settings, make = SETTINGS["sgd"]
    assert_same(both(f"{settings}\n  regularize = {written}", make, penalty))


def test_another_rate_is_noticed() -> None:
    with pytest.raises(AssertionError):
        assert_same(both("optimizer = sgd(lr=0.1001)", SETTINGS["sgd"][1]))


def test_a_forgotten_penalty_is_noticed() -> None:
    with pytest.raises(AssertionError):
        assert_same(both(*SETTINGS["sgd"], penalty=ridge))
