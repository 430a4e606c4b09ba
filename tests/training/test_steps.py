"""Steps: several losses that take turns within a batch, against loops written by hand in plain PyTorch."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest
import torch
from steps_by_hand import Weights, points, rounds, run, update
from torch.nn import functional as F
from torch.optim import swa_utils

from dlc.compiler import CompileError

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


# --- what acts on a round ---------------------------------------------------------------------------------

SGD = "optimizer = sgd(lr=0.1, momentum=0.9)"


def sgds(net: Weights, *names: str) -> list[torch.optim.Optimizer]:
    return [torch.optim.SGD(net.of(name), 0.1, momentum=0.9) for name in names]


def test_ema_averages_all_trained_weights_after_each_round():
    text, x = gan(around=f"{SGD}\nema = 0.7", critic="times = 2"), points(44)
    net = Gan(text)
    names = [n for n, w in net.items() if w.requires_grad]
    held = torch.nn.ParameterList([net[n] for n in names])
    average = swa_utils.AveragedModel(held, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.7))
    critic, generator = sgds(net, "critic", "generator")
    for batches in rounds(x, 8, (3,), together=2, epochs=2, seed=4):
        for rows, noise in batches:
            update(critic, net.critic_loss(rows, noise))
        update(generator, net.generator_loss(batches[-1][1]))
        average.update_parameters(held)
    found = dict(zip(names, average.module.parameters(), strict=True))
    net.update(found)
    net.assert_equal(run(text, x).weights)


MLPS = """input x: float[2]
input noise: float[3]
output fake: float[2]

net generator(z) { return z -> dense(8) -> tanh -> dense(2) }
net critic(x) { return x -> dense(8) -> leaky_relu -> dense(1) }

noise -> generator -> fake

data { noise = normal() }
"""


class Mlps(Weights):
    def generator(self, z):
        return self.dense("generator.dense_2", torch.tanh(self.dense("generator.dense", z)))

    def critic(self, x):
        return self.dense("critic.dense_2", F.leaky_relu(self.dense("critic.dense", x)))

    def critic_loss(self, x, z):
        return towards(self.critic(x), 1) + towards(self.critic(self.generator(z)), 0)

    def generator_loss(self, z):
        return towards(self.critic(self.generator(z)), 1)


def mlps(around: str = "", critic: str = "", generator: str = "", more: str = "") -> str:
    text = gan(critic, generator, f"{SGD}\n{around}", more)
    return MLPS + text[len(NETS) :]


def test_accumulated_batches_count_as_one():
    """A critic that takes two updates of three batches each, and a generator with the last three. 44 rows are
    six batches, which is one round."""
    text, x = mlps("accumulate = 3", "times = 2"), points(44)
    net = Mlps(text)
    critic, generator = sgds(net, "critic", "generator")
    for batches in rounds(x, 8, (3,), together=6, epochs=2, seed=4):
        for taken in (batches[:3], batches[3:]):
            rows, noise = (torch.cat(parts) for parts in zip(*taken, strict=True))
            update(critic, net.critic_loss(rows, noise))
        update(generator, net.generator_loss(noise))
    trained = run(text, x)
    net.assert_equal(trained.weights)
    assert [e.step for e in trained.history] == [1, 2]


def test_accumulated_batches_that_are_too_few_for_all_updates():
    """Five batches are an update of three and one of two for the critic; the generator has the last two. With
    two batches, the last round of an epoch has one update of each."""
    text, x = mlps("accumulate = 3\nepochs = 1", "times = 2").replace("epochs = 2\n", ""), points(64)
    net = Mlps(text)
    critic, generator = sgds(net, "critic", "generator")
    for batches in rounds(x, 8, (3,), together=6, seed=4):
        for start in range(0, len(batches), 3):
            rows, noise = (torch.cat(parts) for parts in zip(*batches[start : start + 3], strict=True))
            update(critic, net.critic_loss(rows, noise))
        update(generator, net.generator_loss(noise))
    net.assert_equal(run(text, x).weights)


@pytest.mark.parametrize(("precision", "dtype"), [("float64", torch.float64), ("bf16", torch.float32)])
def test_steps_in_other_precisions(precision, dtype):
    text, x = mlps(f"precision = {precision}"), points(40)
    net = Mlps(text, dtype=dtype)
    critic, generator = sgds(net, "critic", "generator")
    for [(rows, noise)] in rounds(x, 8, (3,), epochs=2, seed=4):
        rows, noise = rows.to(dtype), noise.to(dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            scores = net.critic(rows), net.critic(net.generator(noise))
        update(critic, towards(scores[0].to(dtype), 1) + towards(scores[1].to(dtype), 0))
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            score = net.critic(net.generator(noise))
        update(generator, towards(score.to(dtype), 1))
    net.assert_equal(run(text, x).weights)


def test_an_average_net_follows_after_each_update_of_its_net():
    """The target net of the critic is used by the generator; it moves with the two updates of the critic in a
    round, and not with that of the generator."""
    more = "net slow = average(critic, decay=0.8)\n"
    text = mlps(critic="times = 2", more=more).replace(
        "loss = bce(critic(fake), 1)", "loss = bce(slow(fake), 1)"
    )
    net, x = Mlps(text), points(48)
    critic, generator = sgds(net, "critic", "generator")
    for name in [n for n in net if n.startswith("slow.")]:
        net[name] = net[name.replace("slow", "critic")].detach().clone()

    def slow(h):
        return net.dense("slow.dense_2", F.leaky_relu(net.dense("slow.dense", h)))

    for batches in rounds(x, 8, (3,), together=2, epochs=2, seed=4):
        for rows, noise in batches:
            update(critic, net.critic_loss(rows, noise))
            for name in [n for n in net if n.startswith("slow.")]:
                net[name].lerp_(net[name.replace("slow", "critic")].detach(), 0.2)
        update(generator, towards(slow(net.generator(batches[-1][1])), 1))
    net.assert_equal(run(text, x).weights)


def test_a_ramp_in_a_loss_counts_rounds():
    ramped = "loss = bce(critic(fake), 1) + ramp(0, 2, steps=6) * mse(fake, 1)"
    text = mlps(critic="times = 2").replace("loss = bce(critic(fake), 1)", ramped)
    net, x, step = Mlps(text), points(48), 0
    critic, generator = sgds(net, "critic", "generator")
    for batches in rounds(x, 8, (3,), together=2, epochs=2, seed=4):
        for rows, noise in batches:
            update(critic, net.critic_loss(rows, noise))
        noise = batches[-1][1]
        spread = (net.generator(noise) - 1).square().mean()
        update(generator, net.generator_loss(noise) + 2 * step / 6 * spread)
        step += 1
    assert step == 6
    net.assert_equal(run(text, x).weights)


def test_lbfgs_computes_the_loss_of_a_step_again_with_the_same_draws():
    """Dropout and noise of the generator are drawn once for a step, and the statistics are updated once."""
    text = gan(generator="optimizer = lbfgs(lr=0.1, max_iter=3)", around=SGD)
    net, x = Gan(text), points(24)
    [critic] = sgds(net, "critic")
    generator = torch.optim.LBFGS(net.of("generator"), 0.1, max_iter=3)
    for [(rows, noise)] in rounds(x, 8, (3,), epochs=2, seed=4):
        update(critic, net.critic_loss(rows, noise))
        drawn = torch.get_rng_state()
        statistics = {n: w.clone() for n, w in net.items() if "running" in n}

        def again(noise=noise, drawn=drawn, statistics=statistics):
            torch.set_rng_state(drawn)
            for name, kept in statistics.items():
                net[name].copy_(kept)
            loss = net.generator_loss(noise)
            for w, g in zip(net.of("generator"), torch.autograd.grad(loss, net.of("generator")), strict=True):
                w.grad = g
            return loss

        generator.step(again)
    net.assert_equal(run(text, x).weights, rtol=1e-3, atol=1e-4)  # a search enlarges rounding


# --- derivatives in losses --------------------------------------------------------------------------------


def test_a_wasserstein_gan_with_gradient_penalty():
    """Gulrajani et al. 2017, against their loss by hand."""
    text = MLPS.replace("noise = normal()", "noise = normal()\n  mixed = uniform()").replace(
        "input noise", "input mixed: float\ninput noise") + """
train {
  batch = 8
  epochs = 2
  between = mixed * x + (1 - mixed) * fake
  optimizer = adam(lr=0.01, beta1=0, beta2=0.9)
  step critic {
    penalty = mse(norm(gradient(critic(between), between), axis=0), 1)
    loss = mean(critic(fake)) - mean(critic(x)) + 10 * penalty
    times = 3
  }
  step generator { loss = -mean(critic(fake)) }
}
"""  # fmt: skip
    net, x, losses = Mlps(text), points(48), []
    critic, generator = (torch.optim.Adam(net.of(n), 0.01, (0.0, 0.9)) for n in ("critic", "generator"))
    torch.manual_seed(0)
    shuffle = torch.Generator().manual_seed(0)
    for _ in range(2):
        for part in torch.randperm(48, generator=shuffle).split(24):
            batches = [(x[i], torch.rand(8), torch.randn(8, 3)) for i in part.split(8)]
            for rows, mixed, noise in batches:
                fake = net.generator(noise).detach()
                between = (mixed[:, None] * rows + (1 - mixed[:, None]) * fake).requires_grad_()
                [slope] = torch.autograd.grad(net.critic(between).sum(), between, create_graph=True)
                penalty = (slope.norm(dim=1) - 1).square().mean()
                loss = net.critic(fake).mean() - net.critic(rows).mean() + 10 * penalty
                update(critic, loss)
                losses.append((loss.item(), penalty.item()))
            update(generator, -net.critic(net.generator(batches[-1][2])).mean())
    trained = run(text, x)
    net.assert_equal(trained.weights, rtol=1e-5, atol=1e-6)
    loss, penalty = np.mean(losses[6:], 0)
    assert trained.history[1].train["critic.loss"] == pytest.approx(loss, rel=1e-5)
    assert trained.history[1].train["critic.penalty"] == pytest.approx(penalty, rel=1e-5)


def test_a_contractive_autoencoder():
    """Rifai et al. 2011: the squared norm of the Jacobian of the code."""
    text = """input x: float[2]
output back: float[2]
net encoder(x) { return x -> dense(3) -> tanh }
net decoder(h) { return h -> dense(2) }
code = encoder(x)
code -> decoder -> back
train {
  batch = 8
  epochs = 2
  optimizer = sgd(lr=0.1, momentum=0.9)
  step encoder, decoder { loss = mse(back, x) + 0.1 * mean(sum(jacobian(code, x) ** 2)) }
}
"""
    net, x = Weights(text), points(24)
    sgd = torch.optim.SGD(net.of("encoder", "decoder"), 0.1, momentum=0.9)
    for [(rows, _)] in rounds(x, 8, epochs=2):
        code = torch.tanh(net.dense("encoder.dense", rows))
        jacobian = (1 - code.square())[:, :, None] * net["encoder.dense.weight"]
        back = net.dense("decoder.dense", code)
        update(sgd, (back - rows).square().mean() + 0.1 * jacobian.square().sum((1, 2)).mean())
    net.assert_equal(run(text, x).weights)


# --- what is reported -------------------------------------------------------------------------------------

NAMED = mlps().replace("  step critic {", "  score = mean(critic(fake))\n  step critic {").replace(
    "loss = bce(critic(x), 1) + bce(critic(fake), 0)",
    "real = bce(critic(x), 1)\n made = bce(critic(fake), 0)\n loss = real + made + 0.1 * score").replace(
    "loss = bce(critic(fake), 1)", "loss = bce(critic(fake), 1) - 0.1 * score")  # fmt: skip


def test_losses_with_names_are_reported_for_each_step_that_uses_them():
    """`score` is bound in `train` and used by both steps; the other names belong to the critic."""
    x, net = points(16), Mlps(NAMED)
    [[(rows, noise)]] = rounds(x, 16, (3,), seed=4)
    [critic] = sgds(net, "critic")
    fake = net.generator(noise)
    parts = [towards(net.critic(rows), 1), towards(net.critic(fake), 0), net.critic(fake).mean()]
    real, made, score = (part.item() for part in parts)
    update(critic, parts[0] + parts[1] + 0.1 * parts[2])
    after = net.critic(fake).mean().item()
    wanted = {
        "critic.loss": real + made + 0.1 * score, "critic.real": real, "critic.made": made,
        "critic.score": score, "generator.score": after,
        "generator.loss": net.generator_loss(noise).item() - 0.1 * after,
    }  # fmt: skip
    text = NAMED.replace("batch = 8", "batch = all").replace("epochs = 2", "epochs = 1")
    [epoch] = run(text, x).history
    assert epoch.train == pytest.approx(wanted, rel=1e-5)


def test_validation_losses_of_all_steps_are_drawn_with_the_seed():
    """The noise of the validation rows is the same after each epoch, and dropout does not drop."""
    text = gan(around="optimizer = sgd(lr=0.1)")
    trained = run(text, points(24), points(13, 1))
    net = Gan(text)
    for name, array in trained.weights.items():
        net[name] = torch.from_numpy(array)
    net.batchnorm = lambda name, x, updates: net.batchnorm_at_inference(name, x)
    noise = torch.randn(13, 3, generator=torch.Generator().manual_seed(crc32(b"4 validation")))
    fake = net.generator(noise, dropout=lambda h, rate: h)
    x, same = points(13, 1), {"dropout": lambda h, rate: h}
    critic = towards(net.critic(x, **same), 1) + towards(net.critic(fake, **same), 0)
    wanted = {"critic.loss": critic.item(), "generator.loss": towards(net.critic(fake, **same), 1).item()}
    assert trained.history[-1].validation == pytest.approx(wanted, rel=1e-5)
    assert trained.figures["validation"] == pytest.approx(wanted, rel=1e-5)


def test_losses_of_an_epoch_are_those_of_all_updates():
    """The critic has three updates in a round, and its loss is the mean over all of them."""
    text, x, losses = mlps(critic="times = 3"), points(48), []
    net = Mlps(text)
    critic, generator = sgds(net, "critic", "generator")
    for batches in rounds(x, 8, (3,), together=3, seed=4):
        for rows, noise in batches:
            loss = net.critic_loss(rows, noise)
            update(critic, loss)
            losses.append(loss.item())
        update(generator, net.generator_loss(batches[-1][1]))
    history = run(text, x).history
    assert history[0].train["critic.loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_the_same_training_twice_gives_the_same_bits():
    text, x = gan(around="ema = 0.9", critic="times = 2"), points(40)
    first, second = run(text, x), run(text, x)
    assert all(first.weights[n].tobytes() == a.tobytes() for n, a in second.weights.items())
    assert [e.train for e in first.history] == [e.train for e in second.history]
    other = run(text.replace("seed = 4", "seed = 5"), x)
    assert [e.train for e in first.history] != [e.train for e in other.history]


def test_a_training_in_which_all_inputs_are_drawn():
    """An epoch is a hundred steps, and the noise of each is drawn anew."""
    text = MLPS.replace("input x: float[2]\n", "") + """
train {
  batch = 4
  steps = 130
  step generator { loss = mse(fake, 1)
                   optimizer = sgd(lr=0.1) }
}
"""  # fmt: skip
    text = text.replace("net critic(x) { return x -> dense(8) -> leaky_relu -> dense(1) }\n", "")
    net = Mlps(text)
    sgd = torch.optim.SGD(net.of("generator"), 0.1)
    torch.manual_seed(0)
    for _ in range(130):
        update(sgd, (net.generator(torch.randn(4, 3)) - 1).square().mean())
    trained = run(text, None)
    net.assert_equal(trained.weights)
    assert [(e.epoch, e.step) for e in trained.history] == [(1, 100), (2, 130)]
    stop = "early_stop = patience(1, on=train.generator.loss, min_delta=10)"
    stopped = run(text.replace("steps = 130", f"steps = 900\n{stop}"), None)
    assert (stopped.ended, stopped.kept, stopped.last) == ("early", 1, 2)
    assert stopped.history[0].train == trained.history[0].train
    with pytest.raises(CompileError) as caught:
        run(text.replace("steps = 130", "steps = 130\nuntil = train.generator.loss < 1"), None)
    [error] = caught.value.diagnostics
    assert error.message == "`until` is measured on the training rows, and every input is drawn"
    assert (error.code, error.line) == ("E0408", 13)
