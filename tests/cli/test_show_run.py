"""`dlc show` of a run and of an artifact: the spec as trained, and its network with known classes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from stories import IRIS, dlc, write

ROWS = "id,width,height,colour\n" + "".join(
    f"a{n},{n % 7},{n % 5},{('red', 'green', 'blue')[n % 3]}\n" for n in range(30)
)
SPEC = """# Which colour?
import wide from "wide.dl"
param units   = 4
param doubled = units * 2
input  x: float[2]
output colour: class(auto)
x -> standardize -> wide(doubled) -> dense(colour.classes) -> colour
data {
  source = csv("rows.csv")
  x      = columns("width", "height")
}
train {
  epochs = 9  # enough
  if units > 3 { batch = 3 }
}
"""
WIDE = "block wide(x; n) { return x -> dense(n) -> relu }\n"
GIVEN = ("units=5", "train.epochs=2", "train.batch=10", "data.test=0.2", "export.opset=18")
TABLE = """\
colours: Which colour?

stage        makes      parameters  multiply-adds  initial values
-----------  ---------  ----------  -------------  --------------
x            float[2]
standardize  float[2]                              from the rows
wide
  dense(10)  float[10]          30             20  he_normal
  relu       float[10]
dense(3)     float[3]           33             30  xavier_normal
colour       class(3)

63 parameters (252 bytes), 50 multiply-adds for one sample
fitted to the training rows before training: standardize
params: units = 5, doubled = 10
set: train.epochs = 2, train.batch = 10, data.test = 0.2, export.opset = 18
"""
AS_TRAINED = """\
# Which colour?
import wide from "wide.dl"
param units   = 5
param doubled = 10
input  x: float[2]
output colour: class(auto)
x -> standardize -> wide(doubled) -> dense(colour.classes) -> colour
data {
  source = csv("rows.csv")
  x      = columns("width", "height")
  test   = 0.2
}
train {
  epochs = 2  # enough
  if units > 3 { }
  batch = 10
}

export {
  opset = 18
}

# --- wide.dl ---

"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `SPEC` with given values. The spec is deleted."""
    folder = tmp_path_factory.mktemp("colours")
    write(folder, "rows.csv", ROWS)
    write(folder, "wide.dl", WIDE)
    spec = write(folder, "colours.dl", SPEC)
    given = [word for value in GIVEN for word in ("--set", value)]
    done = dlc("train", spec, *given, "--out", folder / "runs")
    assert done.exit_code == 0, done.output
    spec.unlink()
    return folder / "runs" / "colours" / "latest"


@pytest.fixture(scope="module")
def model(run: Path) -> Path:
    """The artifact alone."""
    return Path(shutil.copy(run / "model.onnx", run.parents[2] / "model.onnx"))


def test_the_table_of_a_run_has_numbers(run: Path, model: Path) -> None:
    assert dlc("show", run).output == TABLE
    assert dlc("show", model, "--table").output == TABLE


def test_an_artifact_is_shown_as_the_spec_that_was_trained(run: Path, model: Path, tmp_path: Path) -> None:
    shown = dlc("show", model).output
    assert shown == AS_TRAINED + WIDE
    write(tmp_path, "rows.csv", ROWS)
    write(tmp_path, "wide.dl", WIDE)
    done = dlc("train", write(tmp_path, "again.dl", shown.partition("\n# ---")[0]), "--out", tmp_path)
    assert done.exit_code == 0, done.output
    again = tmp_path / "again" / "latest" / "weights.safetensors"
    assert again.read_bytes() == (run / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("stage", ["graph", "training", "inference", "onnx", "syntax"])
def test_stages_of_a_run_and_of_its_artifact(run: Path, model: Path, stage: str) -> None:
    done = dlc("show", run, "--stage", stage)
    assert done.exit_code == 0, done.output
    assert "file colours.dl" in done.output if stage == "syntax" else "[3, 10]" in done.output
    positions = stage == "syntax"  # an artifact has the formatted spec
    assert positions or dlc("show", model, "--stage", stage).output == done.output


def test_weights_and_pictures(run: Path, model: Path, tmp_path: Path) -> None:
    weights = dlc("show", run, "--weights").output
    assert "dense.weight       [3, 10]" in weights
    assert dlc("show", model, "--weights").output == weights
    for place, name in ((run, "run.svg"), (model, "model.svg")):
        assert dlc("show", place, "--svg", tmp_path / name).exit_code == 0
    assert (tmp_path / "run.svg").read_bytes() == (tmp_path / "model.svg").read_bytes()


def test_a_folder_of_runs_and_set_are_refused(run: Path, model: Path) -> None:
    assert dlc("show", run.parent).stderr.startswith(
        f"error[E0001]: {run.parent} is not a run folder\n  = help: did you mean {run.parent / 'latest'}?"
    )
    for place in (run, model):
        done = dlc("show", place, "--set", "units=3")
        assert (done.exit_code, "a run keeps what it was trained with" in done.stderr) == (2, True)


def test_a_spec_that_has_errors_without_given_values(tmp_path: Path) -> None:
    text = IRIS + "expect { test.loss <= 9 }\ntrain { epochs = 1 }\n"
    spec = write(tmp_path, "iris.dl", text)
    assert dlc("train", spec, "--set", "data.test=0.2", "--set", "units=3", "--out", tmp_path).exit_code == 0
    model = tmp_path / "iris" / "latest" / "model.onnx"
    shown = write(tmp_path, "shown.dl", dlc("show", model).output)
    assert "param units = 3\n" in shown.read_text("utf-8")
    assert dlc("show", shown).output.partition("\n")[2] == (
        dlc("show", model, "--table").output.partition("\n")[2].replace("set: data.test = 0.2\n", "")
    )


def test_files_that_a_spec_loads_are_needed_no_longer(tmp_path: Path) -> None:
    np.savez(tmp_path / "table.npz", words=np.ones((10, 4), np.float32))
    text = 'input word: class(10)\noutput y: float\nword -> embedding(4, weight=load("table.npz", "words"))' \
        " -> dense(1) -> y\ndata { source = table([[1, 2], [3, 4]]) }\ntrain { epochs = 1 }\n"  # fmt: skip
    spec = write(tmp_path, "words.dl", text)
    assert dlc("train", spec, "--out", tmp_path).exit_code == 0
    tables = [dlc("show", spec, view).output for view in ("--table", "--weights")]
    (tmp_path / "table.npz").unlink()
    assert "E0808" in dlc("show", spec).stderr
    run = tmp_path / "words" / "latest"
    for place in (run, run / "model.onnx"):
        assert [dlc("show", place, view).output for view in ("--table", "--weights")] == tables
        assert dlc("show", place, "--svg", tmp_path / "picture.svg").exit_code == 0


def test_a_spec_without_given_values_is_shown_as_it_is(tmp_path: Path) -> None:
    spec = write(tmp_path, "iris.dl", IRIS + "train { epochs = 1 }\n")
    assert dlc("train", spec, "--out", tmp_path).exit_code == 0
    assert dlc("show", tmp_path / "iris" / "latest" / "model.onnx").output == spec.read_text("utf-8")
