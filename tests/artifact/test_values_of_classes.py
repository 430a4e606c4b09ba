"""Class values mean the same in training, `eval`, `predict`, Python and a plain ONNX Runtime session."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from artifacts import agree, make
from click.testing import CliRunner

import dlc
from dlc.cli import commands

SHOP = """
input  post: class(auto)
input  size: class(auto)
input  colour: class(red, blue)
output paid: float
output grade: class(auto)

h = (post -> embedding(3), size -> one_hot, colour -> impute(own) -> one_hot) -> concat
h -> dense(1) -> paid
h -> dense(grade.classes) -> grade

data {
  source     = csv("shop.csv", missing="-")
  validation = csv("later.csv", missing="-")
}

train {
  optimizer = adam(lr=0.05)
  epochs    = 30
  metrics   = [mae, accuracy, confusion_matrix]
}
"""
ROWS = """post,size,colour,paid,grade
00501,38,red,1,5
501,40,blue,2,1
00501,44,,3,1000
12,38,red,4,5
"""
UNIMPLEMENTED = """post,size,colour,paid,grade
00501,38,red,1.5,5
0501,40,green,2,1
,41,-,3,1000
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.dl").write_text(SHOP)
    (folder / "shop.csv").write_text(ROWS)
    (folder / "later.csv").write_text(UNIMPLEMENTED)
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Any:
    return dlc.train(folder / "shop.dl", out=folder / "runs")


def outputs_of(*arguments: object) -> tuple[str, str]:
    done = CliRunner().invoke(commands, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


NOTES = [
    '1 of the 3 values of `post` is not among its classes ("0501"), 1 is missing: they count as class -1',
    '1 of the 3 values of `size` is not among its classes ("41"): it counts as class -1',
    '1 of the 3 values of `colour` is not among its classes ("green"): it counts as class -1',
]


def test_training_counts_unknown_values_unless_they_are_imputed(trained: Any) -> None:
    assert list(trained.notes) == [f"validation rows: {note}" for note in NOTES]
    assert trained.warnings == ()


def test_the_artifact_takes_and_returns_class_labels(trained: Any) -> None:
    session = onnxruntime.InferenceSession(str(trained.model))
    assert {i.name: i.type for i in session.get_inputs()} == {
        "post": "tensor(string)", "size": "tensor(int64)", "colour": "tensor(string)",
    }  # fmt: skip
    assert {o.name: o.type for o in session.get_outputs()}["grade"] == "tensor(int64)"
    model = dlc.load(trained.model)
    assert model.inputs["post"].classes.labels == ("00501", "12", "501")
    assert model.outputs["grade"].classes.labels == (1, 5, 1000)
    found = model.predict({"post": ["00501", "501"], "size": [38, 40], "colour": ["red", "blue"]})
    assert found["grade"].tolist() == [5, 1]


def test_all_interfaces_agree_on_unknown_values(trained: Any, folder: Path, monkeypatch) -> None:
    """Validation rows in training, a file, Python, and a plain ONNX Runtime session."""
    monkeypatch.chdir(folder)
    out, err = outputs_of("predict", trained.model, "later.csv", "--format", "json")
    assert err.splitlines() == [f"note: {note}" for note in NOTES]
    from_file = [row["paid"] for row in json.loads(out)]
    with pytest.warns(UserWarning) as warned:
        from_python = dlc.load(trained.model).predict(
            {"post": ["00501", "0501", None], "size": [38, 40, 41], "colour": ["red", "green", np.nan]}
        )["paid"]
    assert [str(w.message) for w in warned] == NOTES
    session = onnxruntime.InferenceSession(str(trained.model))
    raw = {
        "post": np.array(["00501", "0501", ""], object),
        "size": np.array([38, 40, 41]),
        "colour": np.array(["red", "green", ""], object),
    }
    (alone,) = session.run(["paid"], raw)
    np.testing.assert_allclose(from_file, alone, rtol=1e-6)
    np.testing.assert_array_equal(from_python, alone)
    out, err = outputs_of("eval", trained.model, "later.csv", "--format", "json")
    assert err.splitlines() == [f"note: {note}" for note in NOTES]
    figures = json.loads(out)
    assert figures["paid.mae"] == pytest.approx(np.abs(alone - [1.5, 2, 3]).mean(), rel=1e-5)
    assert figures["paid.mae"] == pytest.approx(trained.figures["validation"]["paid.mae"], rel=1e-5)
    assert figures["grade.confusion_matrix"]["labels"] == ["1", "5", "1000"]


def test_an_unknown_target_class_ends_eval(trained: Any, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "wrong.csv").write_text(UNIMPLEMENTED.replace(",5\n", ",6\n"))
    done = CliRunner().invoke(commands, ["eval", str(trained.model), "wrong.csv"])
    assert done.exit_code == 1
    assert 'row 1 (line 2), column "grade": 6 is not one of the 3 classes' in done.output
    assert '"1", "5", "1000"' in done.output


def test_the_module_takes_and_returns_integer_labels(folder: Path) -> None:
    face = dlc.compile(folder / "shop.dl").fit()
    import torch

    given = {"post": ["00501", "x"], "size": torch.tensor([40, 41]), "colour": ["red", "blue"]}
    made = face.torch()(given)
    assert set(made["grade"].tolist()) <= {1, 5, 1000}
    other = face.torch()(given | {"size": torch.tensor([40, -7])})
    assert torch.equal(made["paid"], other["paid"]), "41 and -7 are both unknown"


@pytest.mark.parametrize(
    ("type", "given", "paid"),
    [
        ("class(3)", [0, 2, 3, -1, 2**40], [10, 12, 0, 0, 0]),
        ("class(a, b, c)", ["a", "c", "", "d", "A"], [10, 12, 0, 0, 0]),
    ],
)
def test_an_unknown_value_is_one_hot_encoded_as_zeros(
    type: str, given: list[Any], paid: list[float], tmp_path: Path
) -> None:
    text = "input k: class(3)\noutput y: float\nk -> embedding(1) -> sum -> y\n".replace("class(3)", type)
    made = make(text, tmp_path, weights={"embedding.weight": np.array([[10], [11], [12]])})
    raw = np.array(given, object if isinstance(given[0], str) else np.int64)
    assert made.onnxruntime({"k": raw})["y"].tolist() == paid
    assert made.reference({"k": raw})["y"].tolist() == paid
    agree(made)


@pytest.mark.parametrize(("number", "rows"), [(1000, [2]), (1, [0]), (5, [1, 3])])
def test_a_number_compared_with_a_class_is_its_label(number: int, rows: list[int], tmp_path) -> None:
    """Not the class with that index."""
    text = (
        "input k: class(auto)\noutput y: float\n"
        f"where(k == {number}, 1.0, 0.0) + 0 * (k -> one_hot -> dense(1, bias=false))[0] -> y\n"
        "train { epochs = 1 }\n"
    )
    k = [1, 5, 1000, 5]
    result = dlc.train(text=text, data={"k": k, "y": [0.0] * 4}, out=tmp_path)
    assert np.flatnonzero(dlc.load(result.model).predict({"k": k})["y"]).tolist() == rows


def test_booleans_of_a_typed_file_are_the_texts_of_pandas(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"member": [True, False, True, False] * 5, "stays": [True, False, False, False] * 5})
    frame.to_parquet("rows.parquet")
    frame.to_csv("rows.csv", index=False)
    Path("m.dl").write_text(
        "input  member: class(auto)\noutput stays: class(auto)\n\n"
        "member -> embedding(2) -> dense(stays.classes) -> stays\n\n"
        'data {\n  source = parquet("rows.parquet")\n}\n\ntrain { epochs = 1 }\n'
    )
    trained = dlc.train("m.dl", out="runs")
    model = dlc.load(trained.model)
    assert model.inputs["member"].classes.labels == model.outputs["stays"].classes.labels == ("False", "True")
    answers = {}
    for rows in ("rows.parquet", "rows.csv"):
        out, err = outputs_of("predict", trained.model, rows, "--format", "json")
        assert err == ""
        answers[rows] = json.loads(out), outputs_of("eval", trained.model, rows, "--format", "json")
    assert answers["rows.parquet"] == answers["rows.csv"]
    known = [row["stays"] for row in answers["rows.csv"][0]]
    for given in (frame, pl.DataFrame(frame), pa.table(frame), {"member": frame["member"].tolist()}):
        assert list(map(str, model.predict(given)["stays"])) == known
    frame.replace({True: "TRUE", False: "false"}).to_csv("rows.csv", index=False)
    again = dlc.load(dlc.train("m.dl", data="rows.csv", out="runs").model)
    assert again.inputs["member"].classes.labels == ("TRUE", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(again.predict(frame)["stays"]) <= {"TRUE", "false"}


def test_fields_of_one_column_share_classes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.dl").write_text(
        "input  word: class(auto)\noutput next: class(auto)\n\n"
        "word -> embedding(4) -> dense(word.classes) -> next\n\n"
        'data {\n  source = csv("m.csv")\n  word   = column("a")\n  next   = column("a")\n}\n\n'
        "train { epochs = 1 }\n"
    )
    Path("m.csv").write_text("a\nx\ny\nz\n")
    outputs_of("check", "m.dl")
    model = dlc.load(dlc.train("m.dl", out="runs").model)
    assert model.inputs["word"].classes.labels == model.outputs["next"].classes.labels == ("x", "y", "z")


def test_fields_that_share_a_column_have_to_be_known_at_compile_time() -> None:
    text = (
        "input  a, b: class(auto)\noutput y: float\n\n"
        'name = "a"\n(one_hot(a), one_hot(b)) -> concat -> dense(1) -> y\n\n'
        'data {\n  source = csv("m.csv")\n  b      = column(name)\n}\n'
    )
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=text)
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.line) == ("E0211", 7)
    dlc.compile(text=text.replace("name = ", "param name = "))
