"""A run that is killed and resumed ends in the same bits as the run without interruption."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from benchmarks.kills import KINDS, differences, epochs, run_killed, run_whole
from kept_states import states

import dlc
from dlc.runtime.training import phase_training

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.runtime.training.history import Moment

SPEC = """
input  flower: float[4]
output species: class(setosa, versicolor, virginica)

net hidden(x) { return x -> dense(16) }
flower -> standardize -> hidden -> relu -> dropout(0.2) -> dense(3) -> species

data {
  source     = builtin("iris")
  validation = 0.2
}
train {
  batch  = 16
  epochs = 6
  keep   = steps(3)
  SETTINGS
}
"""
# Settings whose state has to be kept, each beside those of the spec.
SETTINGS = {
    "adam": "",
    "momentum": "optimizer = sgd(lr=0.1, momentum=0.9, nesterov=true)",
    "lists of optimizers": "optimizer = [muon(lr=0.01, on=hidden), adamw(lr=1e-3)]",
    "L-BFGS": "optimizer = lbfgs(lr=0.5)",
    "average weights": "ema = 0.9",
    "plateau": "schedule = plateau(1, 0.5)",
    "accumulated batches": "accumulate = 3",
    "early stopping": "early_stop = patience(2)",
    "float64": "precision = float64",
    "clipping": "clip = norm(0.5)\n  schedule = cosine",
}


class Killed(Exception):
    """Ends a training without giving it a chance to write anything, as SIGKILL does."""


class Killer(dlc.Listener):
    """Raises `Killed` after a step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def step(self, moment: Moment) -> None:
        if moment.step == self._step:
            raise Killed


def killed(text: str, out: Path, step: int, **settings: Any) -> Path:
    """The folder of a run that was killed after a step."""
    with pytest.raises(Killed):
        dlc.train(text=text, out=out, listeners=[Killer(step)], **settings)
    [run] = [path for path in (out / "text").iterdir() if path.name != "latest"]
    return run


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phase_training, "STEP_INTERVAL", 0.0)


SLOW = {"momentum", "float64", "clipping", "early stopping"}  # others are like them


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SETTINGS]
)
def test_a_resumed_run_has_the_bits_of_one_without_interruption(name: str, tmp_path: Path) -> None:
    text = SPEC.replace("SETTINGS", SETTINGS[name])
    whole = dlc.train(text=text, out=tmp_path / "whole").folder
    steps = len(epochs(whole)) * (3 if "accumulate" in text else 8)
    run = killed(text, tmp_path / "killed", steps // 2 + 1)
    resumed = dlc.train(resume=run)
    assert resumed.folder == run
    assert differences(whole, run) == []


@pytest.mark.parametrize("step", [1, 2, 7, 8, 9, 47])
def test_it_may_be_killed_after_any_step(step: int, tmp_path: Path) -> None:
    """Before a state is kept, at the ends of epochs, and before the last step."""
    text = SPEC.replace("SETTINGS", "")
    whole = dlc.train(text=text, out=tmp_path / "whole").folder
    run = killed(text, tmp_path / "killed", step)
    assert bool(states(run)) == (step > 3)
    dlc.train(resume=run)
    assert differences(whole, run) == []


def test_it_may_be_killed_again_and_again(tmp_path: Path) -> None:
    text = SPEC.replace("SETTINGS", "ema = 0.9")
    whole = dlc.train(text=text, out=tmp_path / "whole").folder
    run = killed(text, tmp_path / "killed", 10)
    for step in (17, 25, 40):
        with pytest.raises(Killed):
            dlc.train(resume=run, listeners=[Killer(step)])
    dlc.train(resume=run)
    assert differences(whole, run) == []


PHASES = """
input  pixels: uint8[64]
output digit: class(10)

net code(x) { return x -> dense(16) -> batchnorm -> relu }
net back(x) { return x -> dense(64) }

pixels / 16 -> code -> dropout(0.1) -> dense(10) -> digit

data {
  source = builtin("digits")
  test   = 0.8
}
train {
  batch  = 64
  epochs = 2
  keep   = steps(4)

  phase unlabelled { step code, back { loss = mse(pixels / 16 -> code -> back, pixels / 16) } }
  phase labels {
    freeze     = [code]
    loss       = cross_entropy(digit)
    early_stop = patience(2, on=train.loss)
    optimizer  = sgd(lr=0.1, momentum=0.9)
  }
}
"""


@pytest.mark.parametrize("step", [5, 11, 12, 13, 20])
def test_phases_and_steps_go_on_where_they_were(step: int, tmp_path: Path) -> None:
    """An epoch has six steps, and the first phase twelve."""
    whole = dlc.train(text=PHASES, out=tmp_path / "whole").folder
    run = killed(PHASES, tmp_path / "killed", step)
    dlc.train(resume=run)
    assert differences(whole, run) == []
    assert (run / "phases.json").read_bytes() == (whole / "phases.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(10))
def test_runs_of_every_kind_survive_sigkill(moment: int, tmp_path: Path) -> None:
    kind = [*KINDS.values()][moment % len(KINDS)]
    whole, seconds = run_whole(kind, tmp_path / "whole")
    run, _ = run_killed(kind, tmp_path / "killed", random.Random(moment).uniform(0, seconds))
    assert differences(whole, run) == []
