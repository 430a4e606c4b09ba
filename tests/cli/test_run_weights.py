"""The weights of the best and of the last epoch of a run: which are kept, told, and exported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from safetensors.numpy import load_file
from stories import IRIS, dlc, write

from dlc.runtime.errors import ArtifactError
from dlc.runtime.run_folder import weights_of_run

if TYPE_CHECKING:
    from pathlib import Path

SPEC = IRIS.replace("}\n", "\n validation = 0.2 }\n") + "train { optimizer = sgd(lr=0.9)\n epochs = 100 }\n"
EARLY = "train.early_stop=patience(2)"


def train(folder: Path, name: str, *given: str) -> tuple[Path, list[str]]:
    """The run of the spec with these settings, and what was printed."""
    settings = [word for setting in given for word in ("--set", setting)]
    done = dlc("train", write(folder, f"{name}.dl", SPEC), *settings, "--out", folder)
    assert done.exit_code == 0, done.output
    return (folder / name / "latest").resolve(), done.output.splitlines()


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run that stops early."""
    return train(tmp_path_factory.mktemp("early"), "early", EARLY)


def epochs(run: Path) -> dict[str, int]:
    return json.loads((run / "epochs.json").read_text("utf-8"))


def test_an_early_end_keeps_the_best_and_the_last_weights(early: tuple[Path, list[str]]) -> None:
    run, printed = early
    best, last = epochs(run)["weights.safetensors"], epochs(run)["last.safetensors"]
    assert last == best + 2
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    losses = [json.loads(line)["validation"]["loss"] for line in lines]
    assert len(losses) == last
    assert losses.index(min(losses)) + 1 == best
    assert f"best epoch: {best} of {last}, validation loss {min(losses):.4f}" in printed
    (weights,) = (n for n, line in enumerate(printed) if line.startswith("weights "))
    assert printed[weights].endswith(f"weights.safetensors (epoch {best}, the best)")
    assert printed[weights + 1].endswith(f"last.safetensors (epoch {last}, the last)")


def test_a_complete_run_keeps_the_same_weights_the_other_way_round(
    early: tuple[Path, list[str]], tmp_path: Path
) -> None:
    run, _ = early
    last = epochs(run)["last.safetensors"]
    complete, printed = train(tmp_path, "complete", f"train.epochs={last}")
    assert epochs(complete) == {"weights.safetensors": last, "best.safetensors": last - 2}
    assert any(line.endswith(f"best.safetensors (epoch {last - 2}, the best)") for line in printed)
    for which in ("best", "last"):
        assert weights_of_run(complete, which).read_bytes() == weights_of_run(run, which).read_bytes()
    assert weights_of_run(complete).name == "best.safetensors"
    assert weights_of_run(run).name == "weights.safetensors"


def test_one_epoch_is_the_best_and_the_last(tmp_path: Path) -> None:
    run, printed = train(tmp_path, "one", "train.epochs=1")
    assert epochs(run) == {"weights.safetensors": 1}
    assert any(line.endswith("weights.safetensors (epoch 1, the best and the last)") for line in printed)
    assert weights_of_run(run, "best") == weights_of_run(run, "last") == run / "weights.safetensors"


def test_a_run_is_exported_with_either(early: tuple[Path, list[str]], tmp_path: Path) -> None:
    run, _ = early
    made = {}
    for which in ("", "best", "last"):
        chosen = ["--weights", which] if which else []
        assert dlc("export", run, *chosen, "-o", tmp_path / "m.onnx").exit_code == 0
        made[which] = (tmp_path / "m.onnx").read_bytes()
    assert made[""] == made["best"] == (run / "model.onnx").read_bytes()
    named = dlc("export", run, "--weights", run / "last.safetensors", "-o", tmp_path / "m.onnx")
    assert named.exit_code == 0
    assert made["last"] == (tmp_path / "m.onnx").read_bytes() != made["best"]
    assert any((load_file(run / "last.safetensors")[n] != w).any() for n, w in
               load_file(run / "weights.safetensors").items())  # fmt: skip


def test_a_run_that_has_not_ended_has_no_last_weights(early: tuple[Path, list[str]], tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes((early[0] / "weights.safetensors").read_bytes())
    assert weights_of_run(tmp_path) == tmp_path / "weights.safetensors"
    with pytest.raises(ArtifactError, match="holds no weights of its last epoch: it has not ended"):
        weights_of_run(tmp_path, "last")
