"""Steps: several losses that take turns within a batch, against loops written by hand in plain PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from steps_by_hand import Weights, points, rounds, run, update
from torch.nn import functional as F
from torch.optim import swa_utils

NETS = """input x: float[2]
input noise: float[3]
output fake: float[2]

net generator(z) { return z -> dense(8, bias=false) -> batchnorm -> relu -> dropout(0.2) -> dense(2) }
net critic(x) { return x -> dense(8, bias=false) -> batchnorm -> leaky_relu -> dropout(0.3) -> dense(1) }

noise -> generator -> fake

data { noise = normal() }
"""


def gan(critic: str = "", generator: str = "", around: str = "", more: str = "") -> str:
    return f"""{NETS}{more}
train {{
  batch = 8
  epochs = 2
  seed = 4
  {around}
  step critic {{
    loss = bce(critic(x), 1) + bce(critic(fake), 0)
    {critic}
  }}
  step generator {{
    loss = bce(critic(fake), 1)
    {generator}
  }}
}}
"""


class Gan(Weights):
    """The two nets by hand. `trains` is the net whose running statistics are updated."""

    def generator(self, z, trains="", dropout=F.dropout):
        h = self.batchnorm("generator.batchnorm", self.dense("generator.dense", z), trains == "generator")
        return self.dense("generator.dense_2", dropout(F.relu(h), 0.2))

    def critic(self, x, trains="", dropout=F.dropout):
        h = self.batchnorm("critic.batchnorm", self.dense("critic.dense", x), trains == "critic")
        return self.dense("critic.dense_2", dropout(F.leaky_relu(h), 0.3))

    def critic_loss(self, x, z):
        fake = self.generator(z, "critic")
        return towards(self.critic(x, "critic"), 1) + towards(self.critic(fake, "critic"), 0)

    def generator_loss(self, z):
        return towards(self.critic(self.generator(z, "generator"), "generator"), 1)


def towards(scores: torch.Tensor, wanted: float) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, wanted))


# --- a whole GAN ------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "adam(lr=0.01, beta1=0.5)": lambda w: torch.optim.Adam(w, 0.01, (0.5, 0.999)),
    "rmsprop(lr=0.01)": lambda w: torch.optim.RMSprop(w, 0.01),
    "sgd(lr=0.1, momentum=0.9)": lambda w: torch.optim.SGD(w, 0.1, momentum=0.9),
}


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_gan_is_trained_as_by_hand(optimizer, times):
    """Batchnorm, dropout, an optimizer, a schedule, `clip` and `regularize` for each step. 44 rows are six
    batches, so that with four a round, the second round of an epoch has two. The critic takes all batches of
    a round, and the generator the last one."""
    text = gan(
        f"optimizer = {optimizer}\nschedule = cosine\nclip = norm(0.5)\ntimes = {times}",
        "optimizer = sgd(lr=0.05, momentum=0.9)\nschedule = exponential(0.9)\n"
        "regularize = [l2(0.01, on=generator), l1(0.001, on=generator)]",
    )  # fmt: skip
    x, by_hand, step = points(44), Gan(text), 0
    critic = OPTIMIZERS[optimizer](by_hand.of("critic"))
    generator = torch.optim.SGD(by_hand.of("generator"), 0.05, momentum=0.9)
    rate, steps = critic.param_groups[0]["lr"], 2 * -(-6 // times)
    for batches in rounds(x, 8, (3,), together=times, epochs=2, seed=4):
        critic.param_groups[0]["lr"] = rate * (1 + np.cos(np.pi * step / steps)) / 2
        generator.param_groups[0]["lr"] = 0.05 * 0.9**step
        for rows, noise in batches:
            update(critic, by_hand.critic_loss(rows, noise), clip=0.5)
        loss = by_hand.generator_loss(batches[-1][1])
        layers = [w for w in by_hand.of("generator") if w.dim() == 2]
        penalty = sum(0.01 * w.square().sum() + 0.001 * w.abs().sum() for w in layers)
        update(generator, loss + penalty)
        step += 1
    trained = run(text, x)
    by_hand.assert_equal(trained.weights)
    assert trained.last == 2 and trained.history[-1].step == step == steps
    assert {*trained.history[0].train} == {"critic.loss", "generator.loss"}


def test_a_round_changes_only_the_statistics_of_the_net_that_a_step_trains():
    """The generator makes what the critic sees, with the statistics of the batch, and its running ones do not
    move in that step; those of the critic do not move in the step of the generator."""
    text = gan("optimizer = sgd(lr=1e-6)  # allow W0410: only the statistics should move")
    before = Gan(text)
    for net, other in (("critic", "generator"), ("generator", "critic")):
        step = text[text.index(f"step {net}") : text.index("  }", text.index(f"step {net}"))] + "  }\n}\n"
        found = run(text[: text.index("  step critic")] + step, points(16)).weights
        for name in before:
            moved = not np.array_equal(found[name], before[name].detach())
            assert not moved if name.startswith(other) else moved or "running" not in name, name


# --- which weights a step changes -------------------------------------------------------------------------

FEATURES = """input x: float[2]
input noise: float[3]
output fake: float[2]

net features(x) { return x -> dense(4) -> batchnorm }
net inner(z) { return z -> dense(4) -> batchnorm }
net generator(z) { return z -> inner -> tanh -> dense(2) }
net critic(h) { return h -> dense(1) }
weight offset: float[2] = zeros

(noise -> generator) + offset -> fake

data { noise = normal() }
"""


def changed(text: str, x=None, given=None) -> set[str]:
    """The weights and statistics that one round changes."""
    before = Weights(text, given)
    found = run(text, points(16) if x is None else x, given=given)
    return {n for n, a in found.weights.items() if not np.array_equal(a, before[n].detach())}


def of(net: str, *norm: str) -> set[str]:
    found = {f"{net}.dense.weight", f"{net}.dense.bias"}
    return found | {f"{net}.batchnorm.{part}" for part in norm}


NORM = ("weight", "bias", "running_mean", "running_var")


@pytest.mark.parametrize(("step", "wanted"), [
    ("critic { loss = bce(critic(features(x)), 1) }", of("critic")),
    ("features { loss = mean(critic(features(x))) }", of("features", *NORM)),
    ("generator { loss = mse(fake, x) }", of("generator")),
    ("inner { loss = mse(fake, x) }", of("inner", *NORM)),
    ("inner, generator { loss = mse(fake, x) }", of("inner", *NORM) | of("generator")),
    ("offset { loss = mse(fake, x) }", {"offset"}),
    ("offset, critic { loss = bce(critic(features(fake)), 0) }", {"offset"} | of("critic")),
])  # fmt: skip
def test_a_step_changes_the_weights_that_it_names_and_no_others(step, wanted):
    """A net within a net has weights of its own: `generator` does not train `inner`."""
    assert changed(f"{FEATURES}train {{ batch = all\n epochs = 1\n step {step}\n }}\n") == wanted


def test_a_frozen_net_uses_and_keeps_its_running_statistics():
    text = f"""{FEATURES}
train {{
  batch = 8
  epochs = 1
  freeze = features
  optimizer = sgd(lr=0.1)
  step critic {{ loss = bce(critic(features(x)), 1) + bce(critic(features(fake)), 0) }}
  step generator {{ loss = bce(critic(features(fake)), 1) }}
}}
"""
    given = {"features.batchnorm.running_mean": np.float32([1, -1, 0.5, 2]),
             "features.batchnorm.running_var": np.float32([0.5, 2, 3, 0.1])}  # fmt: skip
    net = Weights(text, given)

    def features(x):
        return net.batchnorm_at_inference("features.batchnorm", net.dense("features.dense", x))

    def generator(z):
        return net.dense("generator.dense", torch.tanh(net.batchnorm(
            "inner.batchnorm", net.dense("inner.dense", z), False))) + net["offset"]  # fmt: skip

    critic, made = (torch.optim.SGD(net.of(name), 0.1) for name in ("critic", "generator"))
    for [(x, z)] in rounds(points(40), 8, (3,)):
        scores = net.dense("critic.dense", features(x)), net.dense("critic.dense", features(generator(z)))
        update(critic, towards(scores[0], 1) + towards(scores[1], 0))
        update(made, towards(net.dense("critic.dense", features(generator(z))), 1))
    net.assert_equal(run(text, points(40), given=given).weights)


def test_two_steps_on_one_net_have_optimizers_of_their_own():
    text = f"""{FEATURES}
train {{
  batch = 8
  epochs = 2
  optimizer = adam(lr=0.01)
  step critic {{ loss = bce(critic(x), 1) }}
  step critic {{
    loss = mse(critic(x), 0)
    optimizer = sgd(lr=0.1, momentum=0.5)
  }}
}}
"""
    net, x = Weights(text), points(24)
    adam, sgd = torch.optim.Adam(net.of("critic"), 0.01), torch.optim.SGD(net.of("critic"), 0.1, 0.5)
    losses = []
    for [(rows, _)] in rounds(x, 8, (3,), epochs=2):
        first = towards(net.dense("critic.dense", rows), 1)
        update(adam, first)
        second = net.dense("critic.dense", rows).square().mean()
        update(sgd, second)
        losses.append((first.item(), second.item()))
    trained = run(text, x)
    net.assert_equal(trained.weights)
    means = np.mean(losses[3:], 0)
    assert trained.history[1].train == pytest.approx({"critic.loss": means[0], "critic_2.loss": means[1]})
