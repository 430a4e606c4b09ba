"""Several seeds: `dlc train --seeds`, `dlc test` of an expected mean, and `dlc.train(..., seeds=3)`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file
from stories import dlc as run_command
from stories import write

import dlc
from dlc.compiler import CompileError
from dlc.runtime import pipeline

IRIS = """input  sepal_length, sepal_width, petal_length, petal_width: float
output species: class(setosa, versicolor, virginica)

(sepal_length, sepal_width, petal_length, petal_width)
  -> concat -> standardize -> dense(8) -> relu -> dropout(0.1) -> dense(3) -> species

data {
  source = builtin("iris")
  test   = 0.2
}
train {
  optimizer = adam(lr=0.02)
  epochs    = 5
  seed      = 7
}
"""
MEANS = """expect {
  parameters == 67
  test.accuracy >= 0.1
  mean(test.accuracy, seeds=3) >= 0.5
  mean(test.loss, seeds=2) <= 0
}
"""


def runs_in(folder: Path) -> list[Path]:
    """The run folders, in the order in which they were made."""
    runs = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    return sorted(runs, key=lambda path: path.stat().st_ctime_ns)


def figures_of(runs: list[Path]) -> dict[str, list[float]]:
    """Each figure of the runs, by what the table calls it."""
    found = [json.loads((run / "figures.json").read_text())["figures"] for run in runs]
    names = [(part, name) for part, of in found[0].items() for name in of]
    return {f"{part} {name}": [of[part][name] for of in found] for part, name in names}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with three trainings, and what was printed."""
    folder = tmp_path_factory.mktemp("seeds")
    done = run_command(
        "train", write(folder, "iris.dl", IRIS + MEANS), "--seeds", 3, "--out", folder / "runs"
    )
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_the_table_has_the_mean_and_the_deviation_that_numpy_computes(three: tuple[Path, str]) -> None:
    folder, printed = three
    figures = figures_of(runs_in(folder / "runs" / "iris"))
    assert "3 seeds  mean  deviation  lowest  highest" in re.sub("  +", "  ", printed)
    shown = {
        m[1]: m[2].split() for m in re.finditer(r"^((?:train|test) \w+) +([\d. ]+)$", printed, re.MULTILINE)
    }
    assert shown.keys() == figures.keys() == {"train loss", "train accuracy", "test loss", "test accuracy"}
    for name, values in figures.items():
        wanted = (np.mean(values), np.std(values, ddof=1), min(values), max(values))
        assert shown[name] == [f"{value:.4f}" for value in wanted], name
    assert np.std(figures["test loss"]) > 0


def test_each_run_is_that_of_its_seed_alone(three: tuple[Path, str], tmp_path: Path) -> None:
    """Its weights and its artifact have the bytes of `dlc train --set train.seed=...`, and the rows are split
    in the same way for all."""
    folder, _ = three
    runs = runs_in(folder / "runs" / "iris")
    for seed, run in zip((7, 8, 9), runs, strict=True):
        given = () if seed == 7 else ("--set", f"train.seed={seed}")
        assert run_command("train", folder / "iris.dl", *given, "--out", tmp_path).exit_code == 0
        alone = (tmp_path / "iris" / "latest").resolve()
        for name in ("weights.safetensors", "model.onnx", "spec.json"):
            assert (run / name).read_bytes() == (alone / name).read_bytes(), (seed, name)
    first, *others = [load_file(run / "rows.safetensors") for run in runs]
    assert all(np.array_equal(rows[name], first[name]) for rows in others for name in first)
    weights = [load_file(run / "weights.safetensors")["dense.weight"] for run in runs]
    assert not np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[1], weights[2])


def test_expectations_are_checked_in_the_summary(three: tuple[Path, str]) -> None:
    folder, printed = three
    values = figures_of(runs_in(folder / "runs" / "iris"))
    accuracy, loss = values["test accuracy"], values["test loss"][:2]
    assert "\nmet      parameters == 67   found 67\n" in printed
    assert "\nmet      test.accuracy >= 0.1   with 3 of 3 seeds\n" in printed
    assert (f"\nmet      mean(test.accuracy, seeds=3) >= 0.5   found {np.mean(accuracy):.4f} "
            f"(deviation {np.std(accuracy, ddof=1):.4f})\n") in printed  # fmt: skip
    assert (f"\nNOT MET  mean(test.loss, seeds=2) <= 0   found {np.mean(loss):.4f} "
            f"(deviation {np.std(loss, ddof=1):.4f})\n") in printed  # fmt: skip
    shown = re.findall(r"seed (\d)  (\S+)$", printed, re.MULTILINE)
    runs = [os.path.relpath(run) for run in runs_in(folder / "runs" / "iris")]
    assert shown == [("7", runs[0]), ("8", runs[1]), ("9", runs[2])]


def test_dlc_test_trains_the_seeds_that_are_expected(three: tuple[Path, str]) -> None:
    folder, printed = three
    done = run_command("test", folder / "iris.dl")
    assert done.exit_code == 1
    (accuracy,) = re.findall(r"^met      (mean\(test.accuracy.*)$", printed, re.MULTILINE)
    (loss,) = re.findall(r"^NOT MET  (mean\(test.loss.*)$", printed, re.MULTILINE)
    lines = done.output.splitlines()
    assert lines[1] == "  met      parameters == 67   found 67"
    assert lines[2].startswith("  met      test.accuracy >= 0.1   found ")
    assert lines[3:] == [f"  met      {accuracy}", f"  NOT MET  {loss}",
                         "the spec does not meet its expectations"]  # fmt: skip


def test_one_training_says_that_means_need_several_seeds(three: tuple[Path, str], tmp_path: Path) -> None:
    done = run_command("train", three[0] / "iris.dl", "--out", tmp_path)
    assert done.exit_code == 0
    said = [line for line in done.output.splitlines() if "needs" in line]
    assert said == ["expect   mean(test.accuracy, seeds=3) >= 0.5   needs `--seeds 3`",
                    "         mean(test.loss, seeds=2) <= 0   needs `--seeds 2`"]  # fmt: skip


def test_fewer_seeds_than_a_mean_needs_leave_it_unknown(tmp_path: Path) -> None:
    spec = write(tmp_path, "iris.dl", IRIS + "expect { mean(test.accuracy, seeds=3) >= 0.5 }\n")
    done = run_command("train", spec, "--seeds", 2, "--out", tmp_path)
    assert done.exit_code == 0
    assert "\nunknown  mean(test.accuracy, seeds=3) >= 0.5   needs `--seeds 3`\n" in done.output


def test_without_data_a_mean_is_unknown(tmp_path: Path) -> None:
    text = IRIS.replace('builtin("iris")', 'csv("none.csv")') + MEANS
    done = run_command("test", write(tmp_path, "far.dl", text))
    assert done.exit_code == 0
    assert "  unknown  mean(test.accuracy, seeds=3) >= 0.5\n" in done.output


def test_phases_with_seeds_of_their_own_count_up_too(tmp_path: Path) -> None:
    phases = "phase warm { epochs = 1 }\n phase main { epochs = 1\n seed = 40 }\n"
    spec = write(tmp_path, "iris.dl", IRIS.replace("epochs    = 5", phases))
    assert run_command("train", spec, "--seeds", 2, "--out", tmp_path).exit_code == 0
    first, second = [json.loads((run / "spec.json").read_text()) for run in runs_in(tmp_path / "iris")]
    assert first["params"] == {}
    assert second["params"] == {"train.seed": "8", "train.main.seed": "41"}


# --- what stops it ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ctrl_c_keeps_the_runs_that_ended_and_says_how_to_train_the_others(tmp_path: Path) -> None:
    """The interrupted run is kept too, and not counted."""
    spec = write(tmp_path, "iris.dl", IRIS.replace("= 5", "= 60"))
    command = [sys.executable, "-m", "dlc", "train", spec, "--seeds", "4", "--set", "train.epochs=3000"]
    process = subprocess.Popen(
        [*map(str, command), "--out", str(tmp_path / "runs")], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("seed 8, 2 of 4"):
                assert next(process.stdout).startswith("epoch")
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 130
    first, second = runs_in(tmp_path / "runs" / "iris")
    relative = os.path.relpath(second, tmp_path)
    assert (
        f"seed 8 was interrupted: its run is {relative}, and it is not counted; "
        f"`dlc train --resume {relative}` goes on with it\n"
    ) in rest
    assert (second / "model.onnx").is_file()
    (values,) = re.findall(r"^test loss +(.*)$", rest, re.MULTILINE)
    (loss,) = figures_of([first])["test loss"]
    assert values.split() == [f"{loss:.4f}", "-", f"{loss:.4f}", f"{loss:.4f}"]
    assert "1 of 4 seeds; for those left, give `--set train.seed=8 --seeds 3`\n" in rest


def test_an_error_in_a_later_training_keeps_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = pipeline.train

    def fail_with_9(program: Any, **settings: Any) -> Any:
        if program.compiled.train.seed == 9:
            raise CompileError.of("E0802", "the loss is NaN")
        return train(program, **settings)

    monkeypatch.setattr(pipeline, "train", fail_with_9)
    done = run_command("train", write(tmp_path, "iris.dl", IRIS), "--seeds", 3, "--out", tmp_path)
    assert done.exit_code == 1
    assert "error[E0802]: the loss is NaN" in done.stderr
    assert done.stdout.endswith("2 of 3 seeds; for those left, give `--set train.seed=9`\n")
    assert "\n2 seeds " in done.stdout


@pytest.mark.parametrize(("count", "said"), [
    ("1", "invalid value for '--seeds': 1 is less than 2; one training needs no --seeds"),
    ("many", "invalid value for '--seeds': 'many' is not a valid integer"),
])  # fmt: skip
def test_a_number_of_seeds_is_at_least_two(count: str, said: str, tmp_path: Path) -> None:
    done = run_command("train", write(tmp_path, "iris.dl", IRIS), "--seeds", count, "--out", tmp_path)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {said}\n")


def test_seeds_need_something_to_train_and_have_to_exist(tmp_path: Path) -> None:
    fixed = write(tmp_path, "fixed.dl", "input x: float\noutput y: float\nx * 2 -> y\n")
    done = run_command("train", fixed, "--seeds", 2, "--out", tmp_path)
    assert "error[E0804]: this spec trains no weights, so all seeds give the same" in done.stderr
    late = write(tmp_path, "late.dl", IRIS.replace("= 7", "= 2_147_483_647"))
    done = run_command("train", late, "--seeds", 2, "--out", tmp_path)
    assert "error[E0403]: the last seed would be 2147483648, and the largest one is 2147483647" in done.stderr
    assert done.stdout == ""


# --- in Python --------------------------------------------------------------------------------------------


def test_python_has_the_runs_their_mean_and_their_deviation(tmp_path: Path) -> None:
    """Also of rows that can be read only once."""
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.normal(size=80), "y": rng.normal(size=80)})
    text = "input x: float\noutput y: float\nx -> dense(4) -> tanh -> dense(1) -> y\n"
    text += "data { test = 0.2 }\ntrain { epochs = 2 }\n"
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    done = dlc.train(text=text, data=reader, out=tmp_path, seeds=3)
    assert [*done.results] == [0, 1, 2] and done.interrupted is None
    for part in ("train", "test"):
        losses = [result.figures[part]["loss"] for result in done.results.values()]
        assert done.mean[part]["loss"] == pytest.approx(np.mean(losses), rel=1e-12)
        assert done.deviation[part]["loss"] == pytest.approx(np.std(losses, ddof=1), rel=1e-12)
        assert done.spreads[part]["loss"].values == tuple(losses)
    assert len({result.folder for result in done.results.values()}) == 3


@pytest.mark.parametrize("count", [1, 0, -3])
def test_python_refuses_fewer_than_two_seeds(count: int) -> None:
    with pytest.raises(ValueError, match="seeds is at least 2"):
        dlc.train(text=IRIS, seeds=count)


@pytest.mark.parametrize("count", ["5", 2.0, True])
def test_python_refuses_what_is_no_number_of_seeds(count: Any) -> None:
    with pytest.raises(TypeError, match="seeds is a number of trainings"):
        dlc.train(text=IRIS, seeds=count)
