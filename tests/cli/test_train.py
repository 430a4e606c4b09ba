"""From a spec to predictions: `train`, `verify`, `eval`, `predict`, `export` and `test` in sequence."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from stories import IRIS, dlc, write

TRAIN = "train { optimizer = adam(lr=0.02)\n epochs = 15\n batch = 16 }\n"
EXPECT = "expect { parameters == 67\n train.accuracy >= 0.8\n flops <= 200 }\n"
FLOWERS = (
    "petal_width,sepal_length,sepal_width,petal_length,note\n0.2,5.1,3.5,1.4,small\n2.3,6.7,3.0,5.2,large\n"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("iris")
    done = dlc("train", write(folder, "iris.dl", IRIS + TRAIN + EXPECT), "--out", folder / "runs")
    assert done.exit_code == 0, done.output
    return folder / "runs" / "iris" / "latest"


@pytest.fixture
def model(run: Path) -> Path:
    return run / "model.onnx"


def test_training_prints_metrics_and_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = dlc("train", write(tmp_path, "iris.dl", IRIS + TRAIN))
    lines = done.output.splitlines()
    assert lines[0].startswith("epoch  1/15  loss ")
    assert any(line.split() == ["loss", "accuracy"] for line in lines)
    assert any(line.startswith("parity   torch and ONNX Runtime agree to ") for line in lines)
    path = next(line.split()[1] for line in lines if line.startswith("model "))
    assert Path(path).is_file()
    assert not Path(path).is_absolute()
    assert lines[-1] == f"next     dlc predict {path} rows.csv"
    assert done.stderr == ""


def test_the_next_command_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = write(tmp_path, "iris.dl", IRIS + TRAIN)
    printed = dlc("train", spec, "--out", "my runs").output.splitlines()[-1]
    command = shlex.split(printed.removeprefix("next"))
    write(tmp_path, "rows.csv", "sepal_length,sepal_width,petal_length,petal_width\n1,2,3,4\n")
    assert command[:2] + command[3:] == ["dlc", "predict", "rows.csv"]
    assert dlc(*command[1:]).exit_code == 0


def test_an_output_without_a_target_is_not_measured(tmp_path: Path) -> None:
    spec = (
        "input x: float[2]\noutput y: float[2]\nx -> dense(2) -> y\ntrain { loss = mse(y, x)\n epochs = 1 }\n"
    )
    rows = write(tmp_path, "rows.csv", "x,x\n1,2\n3,4\n")
    assert dlc("train", write(tmp_path, "same.dl", spec), "--data", rows, "--out", tmp_path).exit_code == 0
    printed = dlc("eval", tmp_path / "same" / "latest" / "model.onnx", rows).stderr
    assert (
        "training compared none with a target; name what to measure in `train { metrics = [...] }`" in printed
    )


def test_drawn_rows_have_no_table(tmp_path: Path) -> None:
    text = "input z: float[2]\noutput y: float\nz -> dense(1) -> y\ndata { z = normal() }\n" \
        "train { loss = mean(y ** 2)\n steps = 2\n batch = 4 }\n"  # fmt: skip
    lines = dlc("train", write(tmp_path, "drawn.dl", text), "--out", tmp_path).output.splitlines()
    best = next(n for n, line in enumerate(lines) if line.startswith("best epoch"))
    assert [lines[best + 1], lines[best + 2].split()[0]] == ["", "parity"]


def test_a_missing_column_that_only_metrics_read_is_reported(tmp_path: Path) -> None:
    spec = "input x: float[2]\noutput y: class(2)\nx -> dense(2) -> y\n"
    spec += "train { loss = mse(y, x)\n metrics = [f1] }\n"
    rows = write(tmp_path, "rows.csv", "x,x\n1,2\n3,4\n")
    printed = dlc("train", write(tmp_path, "same.dl", spec), "--data", rows, "--out", tmp_path).stderr
    assert "which target `y` takes" in printed
    assert "= the loss does not read it, but `metrics` does" in printed


def test_the_proof_holds_until_the_file_is_changed(model: Path, tmp_path: Path) -> None:
    assert "answers as torch did" in dlc("verify", model).output
    import onnx

    proto = onnx.load(model)
    weight = next(w for w in proto.graph.initializer if w.name == "dense.weight")
    weight.CopyFrom(onnx.numpy_helper.from_array(np.zeros((8, 4), np.float32), weight.name))
    onnx.save(proto, tmp_path / "other.onnx")
    done = dlc("verify", tmp_path / "other.onnx")
    assert done.exit_code == 1
    assert "does not answer as torch did at export" in done.stderr


def test_predictions_equal_those_of_onnxruntime(model: Path, tmp_path: Path) -> None:
    done = dlc("predict", model, write(tmp_path, "flowers.csv", FLOWERS))
    rows = list(csv.DictReader(done.output.splitlines()))
    assert [row["species"] for row in rows] == ["setosa", "virginica"]
    rows_in = {
        name: np.array([row[name] for row in csv.DictReader(FLOWERS.splitlines())], np.float32)
        for name in ("sepal_length", "sepal_width", "petal_length", "petal_width")
    }
    _, probabilities = onnxruntime.InferenceSession(model).run(None, rows_in)
    found = [
        [float(row[f"species_probabilities.{k}"]) for k in ("setosa", "versicolor", "virginica")]
        for row in rows
    ]
    np.testing.assert_allclose(found, probabilities, rtol=1e-5)


def test_answers_as_json_in_a_file(model: Path, tmp_path: Path) -> None:
    rows = write(tmp_path, "flowers.csv", FLOWERS)
    done = dlc("predict", model, rows, "--format", "json", "-o", tmp_path / "answers.json")
    assert (done.exit_code, done.output) == (0, "")
    answers = json.loads((tmp_path / "answers.json").read_text("utf-8"))
    assert [a["species"] for a in answers] == ["setosa", "virginica"]
    assert [len(a["species_probabilities"]) for a in answers] == [3, 3]


def test_metrics_of_other_rows(model: Path, tmp_path: Path) -> None:
    done = dlc("eval", model, "iris")
    assert done.output.splitlines()[0] == "150 rows of iris"
    accuracy = float(done.output.split()[-1])
    assert accuracy >= 0.8
    result = json.loads(dlc("eval", model, "iris", "--format", "json").output)
    assert result["rows"] == 150
    assert result["accuracy"] == pytest.approx(accuracy, abs=1e-4)
    without_target = dlc("eval", model, write(tmp_path, "flowers.csv", FLOWERS))
    assert without_target.exit_code == 1
    assert 'no column "species"' in without_target.stderr


def test_the_spec_is_in_the_artifact(model: Path, tmp_path: Path) -> None:
    spec = write(tmp_path, "again.dl", dlc("show", model).output)
    assert "67 parameters" in dlc("check", spec).output
    assert dlc("fmt", "--check", spec).exit_code == 0, "it is kept in the one layout"


def test_a_run_is_exported_again(run: Path, tmp_path: Path) -> None:
    done = dlc("export", run, "-o", tmp_path / "again.onnx")
    assert done.exit_code == 0, done.output
    rows = write(tmp_path, "flowers.csv", FLOWERS)
    assert (
        dlc("predict", tmp_path / "again.onnx", rows).output
        == dlc("predict", run / "model.onnx", rows).output
    )


COLOURS = """input x: float[2]
output colour: class(auto)
x -> standardize -> dense(colour.classes) -> colour
data { source = csv("rows.csv")
 x = columns("width", "height") }
train { epochs = 2 }
"""


def test_classes_from_the_data_are_known_when_a_run_is_exported_again(tmp_path: Path) -> None:
    rows = "".join(f"{n % 7},{n % 5},{('red', 'green', 'blue')[n % 3]}\n" for n in range(30))
    write(tmp_path, "rows.csv", "width,height,colour\n" + rows)
    spec = write(tmp_path, "colours.dl", COLOURS)
    assert dlc("train", spec, "--out", tmp_path / "runs").exit_code == 0
    done = dlc("export", tmp_path / "runs" / "colours" / "latest", "-o", tmp_path / "again.onnx")
    assert done.exit_code == 0, done.output
    session = onnxruntime.InferenceSession(tmp_path / "again.onnx")
    (answers,) = session.run(["colour"], {"x": np.zeros((1, 2), np.float32)})
    assert answers[0] in {"red", "green", "blue"}


def test_a_spec_is_exported_with_given_weights(run: Path, tmp_path: Path) -> None:
    spec, weights = write(tmp_path, "iris.dl", IRIS), run / "weights.safetensors"
    done = dlc("export", spec, "--weights", weights, "-o", tmp_path / "given.onnx")
    assert done.exit_code == 0, done.output
    other = dlc("export", spec, "--set", "units=9", "--weights", weights, "-o", tmp_path / "none.onnx")
    assert other.exit_code == 1
    assert "`dense.weight` has the shape [8, 4] instead of [9, 4]" in other.stderr
    broken = dlc(
        "export", spec, "--weights", write(tmp_path, "broken.safetensors", "no"), "-o", tmp_path / "none.onnx"
    )
    assert broken.stderr.startswith("error: ")
    assert "is not a safetensors file" in broken.stderr
    assert not (tmp_path / "none.onnx").exists()


def test_untrained_weights_are_reported(tmp_path: Path) -> None:
    text = "input x: float[4]\noutput a: float[2]\noutput b: float\nx -> dense(2) -> a\nx -> dense(1) -> b\n"
    spec = write(tmp_path, "two.dl", text)
    done = dlc("export", spec, "--outputs", "b", "-o", tmp_path / "b.onnx")
    assert "nothing was trained" in done.stderr
    assert [o.name for o in onnxruntime.InferenceSession(tmp_path / "b.onnx").get_outputs()] == ["b"]
    wrong = dlc("export", spec, "--outputs", "c", "-o", tmp_path / "c.onnx")
    assert (wrong.exit_code, (tmp_path / "c.onnx").exists()) == (1, False)


def test_expectations_are_met_or_not(tmp_path: Path) -> None:
    good = write(tmp_path, "good.dl", IRIS + TRAIN + EXPECT)
    done = dlc("test", good)
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.output.splitlines()] == [str(good), "met", "met", "met", "the"]
    bad = write(tmp_path, "bad.dl", IRIS + TRAIN + "expect { parameters == 66\n train.accuracy >= 0 }\n")
    done = dlc("test", bad)
    assert done.exit_code == 1
    assert "  NOT MET  parameters == 66   found 67\n" in done.output


def test_an_idx_folder_may_have_no_test_set(tmp_path: Path) -> None:
    for name, shape in (("images-idx3", (4, 2, 2)), ("labels-idx1", (4,))):
        head = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
        content = head + np.resize(np.arange(2, dtype=np.uint8), shape).tobytes()
        (tmp_path / f"train-{name}-ubyte").write_bytes(content)
    text = "input image: uint8[2, 2]\noutput digit: class(2)\nimage / 1 -> flatten -> dense(2) -> digit\n"
    text += 'data { source = idx(".") }\ntrain { epochs = 1 }\nexpect { test.loss >= 0 }\n'
    done = dlc("test", write(tmp_path, "digits.dl", text))
    assert done.exit_code == 1
    assert "  NOT MET  test.loss >= 0   there is no such value" in done.output


def test_static_expectations_are_checked_without_data(tmp_path: Path) -> None:
    text = IRIS.replace('builtin("iris")', 'csv("none.csv")') + EXPECT
    done = dlc("test", write(tmp_path, "far.dl", text), write(tmp_path, "wrong.dl", "input x\n"))
    assert done.exit_code == 1
    assert "there is no file none.csv; only expectations that need no training are checked" in done.output
    assert "  unknown  train.accuracy >= 0.8\n" in done.output
    assert done.output.endswith("1 of 2 specs meet their expectations\n")
    assert dlc("test", tmp_path / "far.dl").exit_code == 0


def test_other_rows_in_place_of_the_specs_own(tmp_path: Path) -> None:
    rows = (
        "sepal_length,sepal_width,petal_length,petal_width,species\n5.1,3.5,1.4,0.2,setosa\n"
        "6.7,3.0,5.2,2.3,virginica\n"
    )
    spec = write(tmp_path, "iris.dl", IRIS + TRAIN)
    done = dlc("train", spec, "--data", write(tmp_path, "rows.csv", rows), "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert dlc("train", spec, "--data", "wine", "--out", tmp_path).exit_code == 1
    missing = dlc("train", spec, "--data", tmp_path / "none.csv", "--out", tmp_path)
    assert missing.stderr == f"error: {tmp_path / 'none.csv'}: no such file or folder, and no built-in set\n"


def test_a_file_that_is_not_an_artifact_is_reported_in_one_line(tmp_path: Path) -> None:
    other = write(tmp_path, "other.onnx", "no model")
    for command in (["verify", other], ["eval", other, "iris"], ["predict", other, "iris"], ["show", other]):
        done = dlc(*command)
        assert done.exit_code == 1
        assert done.stderr.startswith(f"error: {other} is not ")
        assert len(done.stderr.splitlines()) == 1
    assert dlc("export", tmp_path).exit_code == 1, "a folder that is no run"


def test_ctrl_c_keeps_and_exports_the_weights(tmp_path: Path) -> None:
    spec = write(tmp_path, "iris.dl", IRIS + "train { epochs = 1000000 }\n")
    command = [sys.executable, "-m", "dlc", "train", str(spec), "--out", str(tmp_path / "runs")]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("epoch")
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130
    assert "interrupted: the weights of epoch " in rest
    assert (tmp_path / "runs" / "iris" / "latest" / "model.onnx").is_file()
