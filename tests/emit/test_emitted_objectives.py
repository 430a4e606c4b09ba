"""`dlc emit --model` for specs with steps and phases: a method for the loss of each. Losses and gradients are
those of training."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from adversarial_specs import WGAN_GP
from click.testing import CliRunner
from emitted import open_emitted, with_noise

import dlc
from dlc.cli import commands
from dlc.compiler import CompileError
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.samples import sample

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.program import CompiledProgram

GOLDEN = Path(__file__).parent / "golden"
GAN = """
input  place: float
input  noise: float[4]
output fake: float[2]

net generator(z) { return z -> dense(16) -> batchnorm -> relu -> dense(2) }
net critic(x)    { return x -> dense(16) -> leaky_relu -> dense(1) }

angle = floor(place * 8) / 8 * 6.283
real  = stack(cos(angle), sin(angle)) * 2
noise -> generator -> fake

data {
  place = uniform()
  noise = normal()
}

train {
  steps = 10
  step critic    { loss = bce(critic(real), 1) + bce(critic(fake), 0) }
  step generator { loss = bce(critic(fake), 1) }
}
"""
# The gradient is taken at images that are stored as integers; the generator matches features of the critic.
R1 = """
input  image: uint8[1, 8, 8]
input  noise: float[8]
output fake: float[1, 8, 8]

net generator(z) { return z -> dense(64) -> tanh -> reshape(1, 8, 8) }
net critic(x) {
  h = x -> conv(4, 3, stride=2) -> tanh
  return h, h -> flatten -> dense(1)
}
real = image / 255
generator(noise) -> fake

train {
  step critic {
    _, score = critic(real)
    _, wrong = critic(fake)
    slope    = gradient(score, real)
    loss     = bce(score, 1) + bce(wrong, 0) + 5 * mean(sum(slope ** 2, axis=[0, 1, 2]))
  }
  step generator {
    a, _ = critic(fake)
    b, _ = critic(real)
    loss = mse(a, b)
  }
}
"""
PHASES = """
input  x: float[4]
output kind: class(3)

net encoder(x) { return x -> dense(8) -> batchnorm -> relu -> dense(2) }
net decoder(h) { return h -> dense(8) -> relu -> dense(4) }

h = x -> encoder
h -> relu -> dense(3) -> kind

train {
  phase pretrain { loss = mse(decoder(h), x) }
  phase classify { freeze = encoder
                   loss = cross_entropy(kind) }
  phase both {
    step encoder, decoder { loss = mse(decoder(h), x) + 0.1 * mean(h ** 2) }
    step encoder          { loss = cross_entropy(kind) }
  }
}
"""
# Both losses use one layer outside of nets; one of them needs no output.
SHARED = """
input  x: float[3]
output y: float

net f(a) { return a -> dense(4) -> tanh }
s = f(x) -> dense(2)
x -> f -> dense(1) -> y

train {
  phase first  { loss = mean(s ** 2) }
  phase second { loss = mse(y) + mean(s) ** 2 }
}
"""
SPECS = {"gan": GAN, "wgan_gp": WGAN_GP, "r1": R1, "phases": PHASES, "shared": SHARED}
METHODS = {
    "gan": ["compute_critic_loss", "compute_generator_loss"],
    "wgan_gp": ["compute_critic_loss", "compute_generator_loss"],
    "r1": ["compute_critic_loss", "compute_generator_loss"],
    "phases": [
        "compute_pretrain_loss",
        "compute_classify_loss",
        "compute_both_encoder_loss",
        "compute_both_encoder_2_loss",
    ],
    "shared": ["compute_first_loss", "compute_second_loss"],
}


def program_of(text: str) -> CompiledProgram:
    return dlc.compile(text=text).compiled


def batch_of(program: CompiledProgram) -> dict[str, torch.Tensor]:
    """A batch of random rows, by field."""
    types = {v.field: v.type for v in program.graph.inputs}
    drawn = sample(types, 5, 0)
    return {n: torch.from_numpy(np.maximum(x, 0) if types[n].classes else x) for n, x in drawn.items()}


def opened(program: CompiledProgram, tmp_path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    """The emitted model, and its weights, by their names in the spec."""
    path, weights = tmp_path / "emitted.py", with_noise(draw(program.graph, 0))
    path.write_text(emit(program, model_alone=True), "utf-8")
    return open_emitted(path, weights)[1], weights


def losses_of(model: Any) -> dict[str, Any]:
    return {n: getattr(model, n) for n in vars(type(model)) if n.startswith("compute_")}


def called(method: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return method(*(batch[field].clone() for field in inspect.signature(method).parameters))


def of_dlc(
    program: CompiledProgram, graph: Graph, weights: dict[str, np.ndarray], batch: dict[str, torch.Tensor]
) -> tuple[Model, dict[str, torch.Tensor]]:
    model = Model(graph, program.graph.weights, weights)
    return model, model({name: rows.clone() for name, rows in batch.items()})


@pytest.mark.parametrize("name", SPECS)
def test_each_step_and_phase_has_a_method_with_its_loss(name: str, tmp_path: Path) -> None:
    program = program_of(SPECS[name])
    model, weights = opened(program, tmp_path)
    found, batch = losses_of(model), batch_of(program)
    assert list(found) == METHODS[name]
    pairs = [(phase, objective) for phase in program.phases for objective in phase.objectives]
    for (phase, objective), method in zip(pairs, found.values(), strict=True):
        _, wanted = of_dlc(program, specialize.validation(program, phase), weights, batch)
        made = called(getattr(model.eval(), method.__name__), batch)
        torch.testing.assert_close(made, wanted[specialize.loss_of(objective.figure)], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SPECS)
def test_losses_and_gradients_are_those_of_training(name: str, tmp_path: Path) -> None:
    """With batch statistics, and for the weights that the step trains."""
    program = program_of(SPECS[name])
    begun, weights = opened(program, tmp_path)
    batch = batch_of(program)
    for objective, method in zip(program.objectives, losses_of(begun), strict=True):
        of_training, wanted = of_dlc(program, specialize.training(program, objective), weights, batch)
        model = deepcopy(begun).train()
        for net in {w.net for w in program.graph.weights if w.name in objective.freezes}:
            getattr(model, net).batchnorm.eval()
        made = called(getattr(model, method), batch)
        torch.testing.assert_close(made, wanted["loss"], rtol=1e-5, atol=1e-6)
        made.backward()
        wanted["objective"].backward()
        own, theirs = dict(model.named_parameters()), dict(of_training.named_parameters())
        assert objective.learns
        for weight in objective.learns & theirs.keys():
            gradient = theirs[weight].grad
            zeros = torch.zeros_like(own[weight])
            torch.testing.assert_close(
                zeros if own[weight].grad is None else own[weight].grad,
                zeros if gradient is None else gradient, rtol=1e-4, atol=1e-6,
            )  # fmt: skip


def test_a_wasserstein_critic_equals_one_written_by_hand(tmp_path: Path) -> None:
    model, _ = opened(program_of(WGAN_GP), tmp_path)
    rng = torch.Generator().manual_seed(0)
    real, noise, share = (torch.randn(6, n, generator=rng) for n in (2, 4, 1))
    fake = model.generator(noise).detach()
    mix = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(model.critic(mix).sum(), mix, create_graph=True)
    penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
    wanted = model.critic(fake).mean() - model.critic(real).mean() + 10 * penalty
    wanted.backward()
    gradients = [weight.grad.clone() for weight in model.critic.parameters() if weight.grad is not None]
    model.zero_grad()
    with torch.no_grad():  # the method needs derivatives of its own
        torch.testing.assert_close(model.compute_critic_loss(real, noise, share[:, 0]), wanted)
    model.compute_critic_loss(real, noise, share[:, 0]).backward()
    for weight, gradient in zip(model.critic.parameters(), gradients, strict=False):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-4, atol=1e-6)


def test_what_one_loss_needs_stands_in_its_method_alone(tmp_path: Path) -> None:
    model, _ = opened(program_of(GAN), tmp_path)
    critic, generator = (inspect.getsource(method) for method in losses_of(model).values())
    assert "real = " in critic and "real" not in generator
    assert list(inspect.signature(model.compute_generator_loss).parameters) == ["noise"]
    model, _ = opened(program_of(SHARED), tmp_path)
    first, second = (inspect.getsource(method) for method in losses_of(model).values())
    assert "self(" not in first and "= self(x)" in second
    assert "self.dense(" in first and "self.dense(" in second


def test_docstrings_say_what_is_trained_and_what_is_frozen(tmp_path: Path) -> None:
    model, _ = opened(program_of(WGAN_GP), tmp_path)
    assert model.compute_critic_loss.__doc__ == "The loss of a batch. It trains `critic`."
    model, _ = opened(program_of(PHASES), tmp_path)
    docs = [" ".join(method.__doc__.split()) for method in losses_of(model).values()]
    assert docs == [
        "The loss of a batch. It trains `encoder`, `decoder`.",
        "The loss of a batch. It trains `dense`. `encoder` is frozen, and uses its running statistics.",
        "The loss of a batch. It trains `encoder`, `decoder`.",
        "The loss of a batch. It trains `encoder`.",
    ]


def test_a_method_does_not_take_the_name_of_a_net(tmp_path: Path) -> None:
    text = SHARED.replace("net f(", "net compute_first_loss(").replace("f(x)", "compute_first_loss(x)")
    model, _ = opened(program_of(text.replace("x -> f ->", "x -> compute_first_loss ->")), tmp_path)
    assert list(losses_of(model)) == ["compute_first_loss_", "compute_second_loss"]


@pytest.mark.parametrize("name", SPECS)
def test_is_formatted_like_ruff(name: str, tmp_path: Path) -> None:
    path = tmp_path / "emitted.py"
    path.write_text(emit(program_of(SPECS[name]), model_alone=True), "utf-8")
    ast.parse(path.read_text("utf-8"))
    for command in (("check", "--select", "F,E9"), ("format", "--check")):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", path]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_text_of_a_wasserstein_gan_equals_the_golden_file(golden) -> None:
    golden(GOLDEN / "wgan_gp.py.txt", emit(program_of(WGAN_GP), model_alone=True))


@pytest.mark.parametrize(("name", "section"), [("gan", "step"), ("phases", "phase")])
def test_a_training_script_is_refused_at_the_section(name: str, section: str, tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        emit(program_of(SPECS[name]))
    (found,) = caught.value.diagnostics
    assert found.code == "E0821" and "dlc emit --model" in found.help
    assert found.span is not None and found.span.text.startswith(section)
    path = tmp_path / "m.dl"
    path.write_text(SPECS[name], encoding="utf-8")
    done = CliRunner().invoke(commands, ["emit", str(path)])
    assert done.exit_code == 1 and "error[E0821]" in done.output, done.output


# --- uses of a net ----------------------------------------------------------------------------------------


def test_uses_of_a_net_that_need_different_results(tmp_path: Path) -> None:
    text = """
    input x: float[4]
    output y: float[2]
    net both(a) { h = a -> dense(3) -> tanh
                  return h, h -> dense(2) }
    _, s = both(x)
    s -> y
    p, _ = both(x * 2)
    train { loss = mse(y) + mean(p) }
    """
    program = program_of(text)
    model, weights = opened(program, tmp_path)
    batch = batch_of(program)
    _, wanted = of_dlc(program, specialize.validation(program), weights, batch)
    torch.testing.assert_close(called(model.eval().compute_loss, batch), wanted[specialize.LOSS])
