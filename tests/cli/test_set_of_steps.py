"""`--set train.PHASE.STEP.NAME=value`: settings of steps and phases, given by a command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from stories import dlc, write

from dlc import compile

if TYPE_CHECKING:
    from pathlib import Path

GAN = """input  x: float[2]
input  noise: float[4]
output fake: float[2]

net generator(z) { return z -> dense(8) -> relu -> dense(2) }
net critic(x) { return x -> dense(8) -> leaky_relu -> dense(1) }

noise -> generator -> fake

data {
  x     = normal()
  noise = normal()
}

train {
  steps = 4

  phase warm {
    real = bce(critic(x), 1)

    step critic { loss = real + bce(critic(fake), 0) }
    step generator { loss = bce(critic(fake), 1) }
  }
  phase both {
    step critic { loss = bce(critic(x), 1) + bce(critic(fake), 0) }
    step generator { loss = bce(critic(fake), 1) }
    if true { step critic { loss = bce(critic(fake), 0) } }
  }
}
"""
GIVEN = {"train.both.critic_2.times": "2", "train.warm.steps": "3", "train.both.generator.optimizer":
         "sgd(lr=0.5)", "train.warm.critic.loss": "bce(critic(fake), 0)"}  # fmt: skip


def test_the_step_or_the_phase_alone_is_changed() -> None:
    warm, both = compile(text=GAN, params=GIVEN).compiled.phases
    assert [o.times for o in both.objectives] == [1, 1, 2]
    assert [warm.settings.steps, both.settings.steps] == [3, 4]
    optimizers = {o.figure: o.optimizers[0].name for phase in (warm, both) for o in phase.objectives}
    assert optimizers == {"critic.loss": "adam", "generator.loss": "sgd", "critic_2.loss": "adam"}
    assert warm.losses == ["critic.loss", "generator.loss"], "`real` is read by no loss, and leaves with it"


def test_a_run_and_its_artifact_keep_them(tmp_path: Path) -> None:
    sets = [word for name, value in GIVEN.items() for word in ("--set", f"{name}={value}")]
    done = dlc("train", write(tmp_path, "gan.dl", GAN), *sets, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    run = tmp_path / "gan" / "latest"
    assert json.loads((run / "spec.json").read_text("utf-8"))["params"] == GIVEN
    shown = dlc("show", run / "model.onnx").output
    again = compile(text=shown).compiled
    as_given = compile(text=GAN, params=GIVEN).compiled
    assert [p.settings.steps for p in again.phases] == [p.settings.steps for p in as_given.phases]
    assert [o.times for o in again.objectives] == [o.times for o in as_given.objectives]
    assert [o.optimizers for o in again.objectives] == [o.optimizers for o in as_given.objectives]


@pytest.mark.parametrize(("given", "message", "help"), [
    ("train.bth.steps=3", "`train` has no step and no phase `bth`", "did you mean `both`?"),
    ("train.both.critik.times=2", "`train.both` has no step and no phase `critik`", "did you mean `critic`?"),
    ("train.critic.times=2", "`train` has no step and no phase `critic`", "it has `warm`, `both`"),
    ("train.optimizer.lr=3", "`train.optimizer.lr` is not the name of a setting, which is `SECTION.SETTING`",
     "set the whole value: `--set 'train.optimizer=...'`"),
    ("train.both.critic.tims=2", "`step` has no setting `tims`", "did you mean `times`?"),
])  # fmt: skip
def test_errors(given: str, message: str, help: str, tmp_path: Path) -> None:
    done = dlc("check", write(tmp_path, "gan.dl", GAN), "--set", given)
    assert done.output.startswith(f"error[E0601]: {message}\n"), done.output
    assert f"= help: {help}\n" in done.output
