"""Commands on specs with steps and phases: what `dlc show` says about them, and `dlc gradcheck` for each."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from adversarial_specs import WGAN_GP
from click.testing import CliRunner

from dlc.cli import commands

if TYPE_CHECKING:
    from pathlib import Path

PHASES = """
input  x: float[4]
output kind: class(3)

net encoder(x) { return x -> dense(8) -> batchnorm -> tanh -> dense(2) }
net decoder(h) { return h -> dense(4) }

h = x -> encoder
h -> dense(3) -> kind

data { source = builtin("iris") }

train {
  epochs = 2
  phase pretrain { loss = mse(decoder(h), x) }
  phase classify { freeze = encoder
                   optimizer = sgd(lr=0.1) }
  phase both { step encoder { loss = cross_entropy(kind) } }
}
"""


def run(command: str, text: str, folder: Path, *options: str):
    path = folder / "m.dl"
    path.write_text(text, encoding="utf-8")
    return CliRunner().invoke(commands, [command, str(path), *options])


def rows_of(printed: str, heading: str) -> list[list[str]]:
    """The rows of the table that begins with a heading."""
    lines = printed.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(heading))
    return [re.split(r"  +", line) for line in lines[first + 2 :] if line]


# --- show -------------------------------------------------------------------------------------------------


def test_the_table_says_what_each_step_trains(tmp_path: Path) -> None:
    printed, adam = run("show", WGAN_GP, tmp_path).output, "adam(beta1=0.5)"
    assert rows_of(printed, "step ") == [
        [
            "critic (\u00d7 3)",
            "critic",
            "33",
            "critic(fake) - critic(real) + 10 * penalty",
            "adam(beta1=0.5)",
        ],
        ["generator", "generator", "58", "-critic(fake)", adam],
    ]


def test_the_table_says_what_each_phase_trains_and_freezes(tmp_path: Path) -> None:
    printed = run("show", PHASES, tmp_path).output
    assert rows_of(printed, "phase ") == [
        ["pretrain", "encoder, decoder", "86", "mse(decoder(h), x)", "adam"],
        ["classify", "dense", "9", "encoder", "as the outputs imply", "sgd(lr=0.1)"],
        ["both", "encoder", "encoder", "74", "cross_entropy(kind)", "adam"],
    ]


def test_a_spec_with_one_loss_has_no_such_table(tmp_path: Path) -> None:
    printed = run("show", PHASES[: PHASES.index("train {")].replace("decoder", "other"), tmp_path).output
    assert "trains" not in printed


def marks_of(folder: Path, text: str, *options: str) -> tuple[list[str], list[str]]:
    """The lines of the legend, and the numbers in circles, without those of the legend."""
    done = run("show", text, folder, "--svg", str(folder / "m.svg"), *options)
    assert done.exit_code == 0, done.output
    tree = ElementTree.parse(folder / "m.svg").getroot()
    spans = [item for item in tree.iter() if item.tag.endswith("}text") and len(item)]
    legend = ["".join(item.itertext()) for item in spans]
    numbers = [item.text or "" for item in tree.iter() if item.get("class") == "small"]
    return legend, [n for n in numbers if n.isdigit()][len(legend) :]


def test_the_picture_marks_nets_with_the_steps_that_train_them(tmp_path: Path) -> None:
    legend, numbers = marks_of(tmp_path, WGAN_GP)
    assert legend == [
        "step critic trains critic: critic(fake) - critic(real) + 10 * penalty",
        "step generator trains generator: -critic(fake)",
    ]
    uses_of_the_critic = 4 if len(numbers) == 5 else 3  # those that only a gradient needs may be left out
    assert sorted(numbers) == ["1"] * uses_of_the_critic + ["2"]


@pytest.mark.parametrize("options", [(), ("--depth", "0")])
def test_the_picture_marks_what_phases_train(options: tuple[str, ...], tmp_path: Path) -> None:
    legend, numbers = marks_of(tmp_path, PHASES, *options)
    assert legend[1] == "phase classify trains dense, freezes encoder: as the outputs imply"
    assert legend[2].startswith("phase both, step encoder trains encoder:")
    assert sorted(set(numbers)) == ["1", "2", "3"] and numbers.count("2") == numbers.count("3") == 1


def test_a_picture_of_one_loss_has_no_marks(tmp_path: Path) -> None:
    assert marks_of(tmp_path, PHASES[: PHASES.index("train {")]) == ([], [])


@pytest.mark.parametrize("stage", ["training", "torch"])
def test_stages_show_a_form_for_each_step_and_phase(stage: str, tmp_path: Path) -> None:
    printed = run("show", PHASES, tmp_path, "--stage", stage).output
    pretrain, classify, both = (printed.index(name) for name in (" pretrain", " classify", " both encoder"))
    assert pretrain < classify < both
    frozen = printed[classify:both]
    assert "decoder" in printed[pretrain:classify] and "decoder" not in frozen
    if stage == "torch":  # a frozen net uses its running statistics
        assert "training=False" in frozen and "training=True" in printed[pretrain:classify]


# --- gradcheck --------------------------------------------------------------------------------------------


def test_gradients_of_each_step_are_checked_with_its_own_weights(tmp_path: Path) -> None:
    done = run("gradcheck", WGAN_GP, tmp_path)
    assert done.exit_code == 0, done.output
    critic, generator = done.output.split("\nstep ")[1:]
    assert critic.startswith("critic\n") and generator.startswith("generator\n")
    assert "critic.dense.weight" in critic and "generator.dense" not in critic
    assert "generator.dense.weight" in generator and "critic.dense" not in generator
    assert len(re.findall(r"^the gradients of all 4 weights are right", done.output, re.MULTILINE)) == 2


def test_derivatives_of_derivatives_agree(tmp_path: Path) -> None:
    """The penalty of a Wasserstein critic needs second derivatives."""
    done = run("gradcheck", WGAN_GP, tmp_path, "--format", "json")
    weights = json.loads(done.stdout)["weights"]
    assert {(w["phase"], w["step"]) for w in weights} == {("", "critic"), ("", "generator")}
    assert all(w["error"] < 1e-6 for w in weights)
    assert next(w for w in weights if w["name"] == "critic.dense.weight")["gradient"] > 0.1


def test_phases_are_checked_as_they_train(tmp_path: Path) -> None:
    done = run("gradcheck", PHASES, tmp_path, "--format", "json")
    assert done.exit_code == 0, done.output
    found: dict[tuple[str, str], set[str]] = {}
    for weight in json.loads(done.stdout)["weights"]:
        found.setdefault((weight["phase"], weight["step"]), set()).add(weight["name"].split(".")[0])
    assert found == {
        ("pretrain", ""): {"encoder", "decoder"},
        ("classify", ""): {"dense"},
        ("both", "encoder"): {"encoder"},
    }


@pytest.mark.slow
def test_a_wrong_gradient_is_reported_in_its_step(monkeypatch, tmp_path: Path) -> None:
    import torch

    from dlc.compiler.operators.activations import Tanh

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.tanh(x)

        @staticmethod
        def backward(ctx, *gradients):
            return gradients[0] * 0.5

    def traced(self, F, x):
        return x.tracer.create_proxy("call_function", lambda x: Scaled.apply(x), (x,), {})

    monkeypatch.setattr(Tanh, "torch", traced)
    done = run("gradcheck", PHASES, tmp_path)
    assert done.exit_code == 1
    pretrain, classify, both = re.split(r"\n(?=phase )", done.stdout)[1:]
    assert "WRONG" in pretrain and "WRONG" not in classify and "WRONG" in both
    assert done.stderr.count("error[E0810]") == 2
