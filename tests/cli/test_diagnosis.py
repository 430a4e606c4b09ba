"""`dlc train` says in a line what is wrong with a training, and nothing if it is healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stories import IRIS, dlc, write

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TRAIN = "train { optimizer = OPTIMIZER\n epochs = 15\n batch = 16 }\n"


def told(folder: Path, optimizer: str) -> tuple[list[str], str]:
    """The lines of a training that begin with `diagnosis`, and its folder."""
    done = dlc("train", write(folder, "iris.dl", IRIS + TRAIN.replace("OPTIMIZER", optimizer)))
    (run,) = (path for path in (folder / "runs/iris").iterdir() if not path.is_symlink())
    lines = (done.output + done.stderr).splitlines()
    return [line for line in lines if line.startswith("diagnosis")], f"runs/iris/{run.name}"


def test_a_healthy_training_is_not_spoken_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert told(tmp_path, "adam(lr=0.02)")[0] == []


def test_what_is_wrong_is_told_with_the_command_that_explains_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines, run = told(tmp_path, "adam(lr=1e-5)")
    assert lines == [f"diagnosis  learning rate too low: `dlc report {run}` shows why"]


def test_a_training_that_diverged_has_a_diagnosis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "input a: float[2]\noutput y: float\na -> dense(4) -> relu -> dense(1) -> y\n" \
           'data {\n  source = table([[1, 2, 3], [2, 3, 4], [5, 4, 1]], columns=["p", "q", "y"])\n' \
           '  a = columns("p", "q")\n}\n'  # fmt: skip
    spec = write(tmp_path, "far.dl", text + "train { optimizer = sgd(lr=100) }\n")
    done = dlc("train", spec)
    assert done.exit_code == 1
    (run,) = (path.name for path in (tmp_path / "runs/far").iterdir() if not path.is_symlink())
    assert f"diagnosis: learning rate too high: `dlc report runs/far/{run}` shows why" in done.stderr
