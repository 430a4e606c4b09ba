"""The metrics of an artifact on rows with targets, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from artifacts import make

import dlc
from dlc.runtime import evaluate
from dlc.runtime.artifact import ArtifactError
from dlc.runtime.artifact.export import export

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


def test_a_table_of_answers_is_told_too(tmp_path: Path) -> None:
    text = TEXT + "train { metrics = [confusion_matrix, mae] }\n"
    found = evaluate.evaluate(dlc.load(make(text, tmp_path).path), rows(tmp_path / "rows"))
    assert (found.rows, list(found.figures)) == (4, ["size.mae"])
    assert found.tables["kind.confusion_matrix"].labels == ("no", "yes")
    assert found.tables["kind.confusion_matrix"].counts == ((2, 1), (0, 1))


def test_every_row_is_answered_in_pieces(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(evaluate, "CHUNK", 3)
    artifact = dlc.load(make(TEXT, tmp_path).path)
    found = evaluate.predict(artifact, rows(tmp_path / "rows")).answers
    assert found["kind"].tolist() == ["yes", "no", "yes", "no"]
    assert found["size"].tolist() == [3, 4, 12, 2]
    assert evaluate.evaluate(artifact, rows(tmp_path / "rows")).figures["size.mae"] == 1.0


LIES: dict[str, Any] = {
    "an unknown metric": {"kind": [{"name": "luck"}]},
    "a metric without name": {"kind": [{}]},
    "a list as name": {"kind": [{"name": ["accuracy"]}]},
    "an unknown setting": {"kind": [{"name": "accuracy", "luck": 1}]},
    "nothing": {},
    "an unknown output": {"other": [{"name": "accuracy"}]},
}


@pytest.mark.parametrize("lie", LIES)
def test_metrics_that_lie_are_refused(lie: str, tmp_path: Path) -> None:
    made = make(TEXT, tmp_path)
    next(p for p in made.proto.metadata_props if p.key == "dlc.metrics").value = json.dumps(LIES[lie])
    onnx.save(made.proto, tmp_path / "lies.onnx")
    with pytest.raises(ArtifactError):
        evaluate.evaluate(dlc.load(tmp_path / "lies.onnx"), rows(tmp_path / "rows"))


def test_an_answer_without_target_is_told(tmp_path: Path) -> None:
    made = make(TEXT, tmp_path)
    entry = next(p for p in made.proto.metadata_props if p.key == "dlc.outputs")
    entry.value = json.dumps({n: t | {"target": 3} for n, t in json.loads(entry.value).items()})
    onnx.save(made.proto, tmp_path / "lies.onnx")
    with pytest.raises(ArtifactError, match="does not say what `kind` is held against"):
        evaluate.evaluate(dlc.load(tmp_path / "lies.onnx"), rows(tmp_path / "rows"))


def test_a_spec_that_answers_nothing_is_refused(tmp_path: Path) -> None:
    face = dlc.compile(text="input x: float\nblock f(x) {\n  return x -> relu\n}\n")
    with pytest.raises(dlc.CompileError, match="has no output"):
        export(face.compiled, {}, tmp_path / "model.onnx")
    with pytest.raises(dlc.CompileError, match="has no output"):
        dlc.train(text="# nothing", out=tmp_path)
    assert not list(tmp_path.iterdir())
