"""The metrics of an artifact on rows with targets, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from artifacts import make
from click.testing import CliRunner
from pyarrow import parquet
from sklearn.metrics import matthews_corrcoef

import dlc
from dlc.cli import commands
from dlc.runtime.artifact import ArtifactError, evaluate
from dlc.runtime.artifact.export import export
from dlc.runtime.data import read_rows

TEXT = (
    "input x: float[2]\noutput kind: class(no, yes)\noutput size: float\n"
    "concat(x[0], x[1]) -> kind\nx[0] + x[1] -> size\n"
)


def rows(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    x = np.array([[1, 2], [3, 1], [5, 7], [2, 0]], np.float32)
    np.savez(
        folder / "rows.npz", x=x, kind=np.array(["yes", "no", "no", "no"]), size=np.array([3, 4, 12, 6.0])
    )
    return folder / "rows.npz"


def test_metrics_are_those_of_the_spec(tmp_path: Path) -> None:
    found = evaluate.evaluate(dlc.load(make(TEXT, tmp_path).path), rows(tmp_path / "rows"))
    assert found.rows == 4
    assert found.figures["kind.accuracy"] == 0.75
    assert found.figures["size.mae"] == 1.0
    assert not found.tables


def test_tabular_metrics_are_evaluated(tmp_path: Path) -> None:
    text = TEXT + "train { metrics = [confusion_matrix, mae] }\n"
    found = evaluate.evaluate(dlc.load(make(text, tmp_path).path), rows(tmp_path / "rows"))
    assert (found.rows, list(found.figures)) == (4, ["size.mae"])
    assert found.tables["kind.confusion_matrix"].labels == ("no", "yes")
    assert found.tables["kind.confusion_matrix"].counts == ((2, 1), (0, 1))


def test_metrics_of_ranks_and_relative_errors_are_evaluated(tmp_path: Path) -> None:
    text = TEXT.replace("class(no, yes)", "class(no, maybe, yes)").replace(
        "x[1]) -> kind", "0 * x[0], x[1]) -> kind"
    )
    text += "train { metrics = [top_k(2), mcc, mse, mape, quantile_coverage] }\n"
    found = evaluate.evaluate(dlc.load(make(text, tmp_path).path), rows(tmp_path / "rows"))
    assert found.figures == pytest.approx({
        "kind.top_k(2)": 1, "kind.mcc": matthews_corrcoef([2, 0, 0, 0], [2, 0, 2, 0]),
        "size.mse": 4, "size.mape": 1 / 6, "size.quantile_coverage": 0.75,
    })  # fmt: skip


def test_all_rows_are_evaluated_in_chunks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(evaluate, "CHUNK", 3)
    artifact = dlc.load(make(TEXT, tmp_path).path)
    found = evaluate.predict(artifact, rows(tmp_path / "rows")).answers
    assert found["kind"].tolist() == ["yes", "no", "yes", "no"]
    assert found["size"].tolist() == [3, 4, 12, 2]
    assert evaluate.evaluate(artifact, rows(tmp_path / "rows")).figures["size.mae"] == 1.0


EVERYTHING = """input size: float
input code: class(3)
input colour: class(red, green)
input old: bool
input wanted: binary("no", "yes")
input whole: int16
input pair: float[2]
output kind: class(a, b, c)
output flag: binary
output grid: float[2, 2]
h = concat(size, where(old, 1.0, 0.0), where(wanted, 1.0, 0.0), whole, pair) -> dense(4)
h + (code -> embedding(4)) + (colour -> embedding(4)) -> dense(3) -> kind
h -> dense(1) -> flag
h -> reshape(2, 2) -> grid
"""
HEADING = "size,code,colour,old,wanted,whole,pair,pair"
ANSWERS = ",".join(["kind", *(f"kind_probabilities.{name}" for name in "abc"), "flag", "flag_probability",
                    *(f"grid.{place}" for place in range(4))])  # fmt: skip


def csv_without_rows(path: Path) -> None:
    path.write_text(HEADING)


def parquet_without_rows(path: Path) -> None:
    pair, text = pa.list_(pa.float32()), pa.string()
    types = {"size": pa.float64(), "code": pa.int64(), "colour": text, "old": pa.bool_(),
             "wanted": pa.dictionary(pa.int32(), text), "whole": pa.int16(), "pair": pair}  # fmt: skip
    parquet.write_table(pa.table({name: pa.array([], type) for name, type in types.items()}), path)


def npz_without_rows(path: Path) -> None:
    arrays = {name: np.zeros(0, "U3" if name == "colour" else "f4") for name in HEADING.split(",")}
    np.savez(path, **arrays | {"pair": np.zeros((0, 2))})


@pytest.mark.parametrize(("name", "written"), [
    ("rows.csv", csv_without_rows), ("rows.parquet", parquet_without_rows), ("rows.npz", npz_without_rows),
])  # fmt: skip
def test_a_file_without_rows_is_predicted_but_not_evaluated(name: str, written: Any, tmp_path: Path) -> None:
    made = make(EVERYTHING, tmp_path)
    written(tmp_path / name)
    paths = [str(made.path), str(tmp_path / name)]
    predicted = CliRunner().invoke(commands, ["predict", *paths])
    assert predicted.stdout == f"{ANSWERS}\n"
    assert predicted.stderr.startswith(f"note: {name} has ") and "no rows" in predicted.stderr
    assert CliRunner().invoke(commands, ["predict", *paths, "--format", "json"]).stdout == "[]\n"
    with pytest.raises(dlc.CompileError) as caught:
        read_rows(Path(paths[1]), evaluate.inputs_of(dlc.load(made.path)))
    assert [d.code for d in caught.value.diagnostics] == ["E0708"]


def test_the_columns_of_a_file_without_rows_are_checked(tmp_path: Path) -> None:
    made = make(EVERYTHING, tmp_path)
    (tmp_path / "rows.csv").write_text(HEADING.replace("colour", "color") + "\n")
    done = CliRunner().invoke(commands, ["predict", str(made.path), str(tmp_path / "rows.csv")])
    assert done.exit_code == 1 and 'rows.csv has no column "colour"' in done.output


LIES: dict[str, Any] = {
    "an unknown metric": {"kind": [{"name": "luck"}]},
    "a metric without name": {"kind": [{}]},
    "a list as name": {"kind": [{"name": ["accuracy"]}]},
    "an unknown setting": {"kind": [{"name": "accuracy", "luck": 1}]},
    "nothing": {},
    "an unknown output": {"other": [{"name": "accuracy"}]},
}


@pytest.mark.parametrize("lie", LIES)
def test_invalid_metrics_are_refused(lie: str, tmp_path: Path) -> None:
    made = make(TEXT, tmp_path)
    next(p for p in made.proto.metadata_props if p.key == "dlc.metrics").value = json.dumps(LIES[lie])
    onnx.save(made.proto, tmp_path / "lies.onnx")
    with pytest.raises(ArtifactError):
        evaluate.evaluate(dlc.load(tmp_path / "lies.onnx"), rows(tmp_path / "rows"))


def test_an_output_without_a_target_is_an_error(tmp_path: Path) -> None:
    made = make(TEXT, tmp_path)
    entry = next(p for p in made.proto.metadata_props if p.key == "dlc.outputs")
    entry.value = json.dumps({n: t | {"target": 3} for n, t in json.loads(entry.value).items()})
    onnx.save(made.proto, tmp_path / "lies.onnx")
    with pytest.raises(ArtifactError, match="does not say which target `kind` is compared with"):
        evaluate.evaluate(dlc.load(tmp_path / "lies.onnx"), rows(tmp_path / "rows"))


def test_a_spec_without_outputs_is_refused(tmp_path: Path) -> None:
    face = dlc.compile(text="input x: float\nblock f(x) {\n  return x -> relu\n}\n")
    with pytest.raises(dlc.CompileError, match="has no output"):
        export(face.compiled, {}, tmp_path / "model.onnx")
    with pytest.raises(dlc.CompileError, match="has no output"):
        dlc.train(text="# nothing", out=tmp_path)
    assert not list(tmp_path.iterdir())
