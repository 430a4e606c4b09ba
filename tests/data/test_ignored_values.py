"""The values that `ignore=` names, in every kind of file: class -1, or NaN."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
import torch
from fields import AUTO, csv_of, error_of, read, table, target
from torch.nn import functional

import dlc
from dlc.compiler import Source, compile
from dlc.compiler.definitions.sections import Builtin, Columns, Npz, Parquet
from dlc.runtime.data import RequiredField, load
from dlc.runtime.lints import run_lints


def ignoring(field: RequiredField, *values: float | str | None) -> RequiredField:
    return replace(field, declared=replace(field.declared, ignore=values))


def column(source, field: RequiredField, folder: Path = Path(), **settings):
    return read(source, field, folder=folder, **settings).train["y"]


NAN = np.nan
YES_NO = ("no", "yes")
# The cells of a csv column, the field, and its values.
CELLS = [
    ("0 1 255 2", ignoring(target("y", "class", classes=3), 255), [0, 1, -1, 2]),
    ("0 1 255.0 2", ignoring(target("y", "class", classes=3), 255), [0, 1, -1, 2]),
    ("0 1 -1 255", ignoring(target("y", "class", classes=2), 255, -1), [0, 1, -1, -1]),
    ("0 1 - 2", ignoring(target("y", "class", classes=3), None), [0, 1, -1, 2]),
    ("0 1 0 2", ignoring(target("y", "class", classes=3), 0), [-1, 1, -1, 2]),
    ("a b ? a", ignoring(target("y", "class", classes=("a", "b")), "?"), [0, 1, -1, 0]),
    ("0 1 7 0", ignoring(target("y", "class", classes=("a", "b")), 7), [0, 1, -1, 0]),
    ("a b void a", ignoring(target("y", "class", classes=("a", "b", "void")), "void"), [0, 1, -1, 0]),
    ("cat dog ? -", ignoring(target("y", "class", classes=AUTO), "?", None), [0, 1, -1, -1]),
    ("1 5 ? 1000", ignoring(target("y", "class", classes=AUTO), "?"), [0, 1, -1, 2]),
    ("1 5 255 1000", ignoring(target("y", "class", classes=AUTO), 255), [0, 1, -1, 2]),
    ("no yes - no", ignoring(target("y", "binary", classes=YES_NO), None), [0, 1, NAN, 0]),
    ("no yes unsure no", ignoring(target("y", "binary", classes=YES_NO), "unsure"), [0, 1, NAN, 0]),
    ("1 2 9 -", ignoring(target("y", "binary", classes=("1", "2")), 9, None), [0, 1, NAN, NAN]),
    ("0 1 -1 0.5", ignoring(target("y", "binary"), -1), [0, 1, NAN, 0.5]),
    ("true false -1", ignoring(target("y", "bool"), -1), [1, 0, NAN]),
    ("1.5 - -999 2", ignoring(target("y"), -999, None), [1.5, NAN, NAN, 2]),
    ("1 -1 9007199254740991", ignoring(target("y", "int64"), -1), [1, NAN, 9007199254740991]),
]


@pytest.mark.parametrize(("cells", "field", "wanted"), CELLS)
def test_cells_of_a_csv_file(cells, field, wanted, tmp_path):
    text = "y,x\n" + "".join(f"{'' if cell == '-' else cell},0\n" for cell in cells.split())
    np.testing.assert_array_equal(column(csv_of(tmp_path, text), field, tmp_path), wanted)


def test_columns_with_decimal_commas(tmp_path):
    source = csv_of(tmp_path, "y;k\n1,5;3,0\n;5,0\n-99,5;255,0\n", separator=";", decimal=",")
    assert_equal = np.testing.assert_array_equal
    assert_equal(column(source, ignoring(target("y"), None, -99.5), tmp_path), [1.5, NAN, NAN])
    field = ignoring(target("k", "class", classes=AUTO), 255)
    found = read(source, field, folder=tmp_path)
    assert_equal(found.train["k"], [0, 1, -1])
    assert found.classes["found"].labels == (3, 5)


def test_the_ignored_value_is_no_class(tmp_path):
    source = csv_of(tmp_path, "y\ncat\n?\ndog\n")
    field = ignoring(target("y", "class", classes=AUTO), "?")
    assert read(source, field, folder=tmp_path).classes["found"].labels == ("cat", "dog")


@pytest.mark.parametrize(
    ("array", "field", "wanted"),
    [
        (np.array([0, 1, 255, 2], np.uint8), ignoring(target("y", "class", classes=3), 255), [0, 1, -1, 2]),
        (np.array([0.0, NAN, 1.0]), ignoring(target("y", "class", classes=2), None), [0, -1, 1]),
        (np.array(["a", "", "b"]), ignoring(target("y", "class", classes=AUTO), None), [0, -1, 1]),
        (np.array([1.0, NAN, -9.0]), ignoring(target("y"), -9, None), [1, NAN, NAN]),
        (np.array([1.0, -99.9, 1e20], np.float32), ignoring(target("y"), -99.9, 1e20), [1, NAN, NAN]),
        (np.array([1, 0, 9]), ignoring(target("y", "binary"), "--", "--5", "9"), [1, 0, NAN]),
        (np.array([3, -1, 5], np.int32), ignoring(target("y", "int32"), -1), [3, NAN, 5]),
        (np.array([[[0, 9]], [[9, 1]]]), ignoring(target("y", "class", 1, 2, classes=2), 9),
         [[[0, -1]], [[-1, 1]]]),
    ],
)  # fmt: skip
def test_arrays(array, field, wanted, tmp_path):
    np.savez(tmp_path / "rows.npz", y=array)
    np.testing.assert_array_equal(column(Npz(path="rows.npz"), field, tmp_path), wanted)


@pytest.mark.parametrize(
    ("values", "field", "wanted"),
    [
        (pd.array([1, None, 0], "Int64"), ignoring(target("y", "class", classes=2), None), [1, -1, 0]),
        (pd.array([True, None, False], "boolean"), ignoring(target("y", "binary"), None), [1, NAN, 0]),
        (["a", None, "b"], ignoring(target("y", "class", classes=AUTO), None, "b"), [0, -1, -1]),
        ([1.5, None, 2.0], ignoring(target("y"), None), [1.5, NAN, 2]),
    ],
)
def test_parquet_files(values, field, wanted, tmp_path):
    pd.DataFrame({"y": values}).to_parquet(tmp_path / "rows.parquet")
    np.testing.assert_array_equal(column(Parquet(path="rows.parquet"), field, tmp_path), wanted)


def test_labels_of_a_data_set():
    found = column(Builtin(set="iris"), ignoring(target("y", "class", classes=AUTO), "setosa"))
    assert np.unique(found, return_counts=True)[1].tolist() == [50, 50, 50]
    assert {*found[:50]} == {-1}


def test_vectors_of_columns_are_ignored_place_by_place():
    field = ignoring(target("y", "float", 2, source=Columns(columns=("a", "b"))), -9, None)
    found = column(table((1, -9), (None, 2), columns=("a", "b")), field)
    np.testing.assert_array_equal(found, [[1, NAN], [NAN, 2]])


@pytest.mark.parametrize(
    ("field", "value"),
    [(target("y", "class", classes=2), 255), (target("y"), -9), (target("y", "binary"), 9)],
)
def test_other_missing_values_are_errors(field, value):
    found = error_of(column, table((0, 1), (None, 2), columns=("y", "x")), ignoring(field, value))
    assert found.code == "E0706"
    assert "ignore=[..., missing]" in found.help


def test_other_values_outside_of_the_classes_are_errors():
    field = ignoring(target("y", "class", classes=2), 255)
    found = error_of(column, table((0,), (255,), (7,), columns=("y",)), field)
    assert (found.code, "there is no class 7" in found.message) == ("E0707", True)


def test_a_column_of_ignored_values_has_no_classes():
    field = ignoring(target("y", "class", classes=AUTO), "?")
    found = error_of(column, table(("?",), ("?",), columns=("y",)), field)
    assert (found.code, "there is no class" in found.message) == ("E0706", True)


def test_a_split_is_stratified_by_what_counts_and_what_does_not():
    rows = [(n, ["a", "b", "?"][n % 3]) for n in range(60)]
    field = ignoring(target("y", "class", classes=AUTO), "?")
    made = read(table(*rows, columns=("x", "y")), field, validation=0.5, stratify="y")
    assert np.unique(made.validation["y"], return_counts=True)[1].tolist() == [10, 10, 10]


def test_fingerprints_do_not_depend_on_the_mark():
    fields = ignoring(target("y"), None), ignoring(target("y"), -9)
    found = [read(table((1.0,), (mark,), columns=("y",)), field).fingerprint
             for field, mark in zip(fields, (None, -9.0), strict=True)]  # fmt: skip
    assert found[0] == found[1]


# --- from files to figures --------------------------------------------------------------------------------

SPEC = """
input  image: uint8[1, 8, 8]
output mask: class(3, ignore=255)[8, 8]

image / 255 -> conv(4, 3, padding=same) -> relu -> conv(3, 1) -> mask

data { source = npz("d.npz")
  validation = 8 }
train { epochs = 3
  batch = 16 }
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segments")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 1, 8, 8), np.uint8)
    mask = (image[:, 0] // 86).astype(np.uint8)
    mask[rng.random(mask.shape) < np.linspace(0, 1, 40).reshape(-1, 1, 1)] = 255
    np.savez(folder / "d.npz", image=image, mask=mask)
    (folder / "m.dl").write_text(SPEC)
    program = dlc.compile(folder / "m.dl")
    return folder, program, dlc.train(folder / "m.dl", out=folder / "runs"), image, mask.astype(np.int64)


def test_figures_of_a_run_are_those_of_ignore_index(trained):
    folder, program, result, _, _ = trained
    for part, rows in load(program.compiled, folder).parts():
        answers, mask = dlc.load(result.model).predict({"image": rows["image"]}), rows["mask"]
        log, counts = torch.from_numpy(np.log(answers["mask_probabilities"])), mask >= 0
        loss = functional.nll_loss(log, torch.from_numpy(mask), ignore_index=-1).item()
        figures = result.figures[part]
        assert figures["loss"] == pytest.approx(loss, rel=1e-4)
        assert figures["accuracy"] == sk.accuracy_score(mask[counts], answers["mask"][counts])


def test_an_artifact_measures_what_counts(trained):
    from click.testing import CliRunner

    from dlc.cli import commands

    folder, _, result, image, mask = trained
    counts = mask != 255
    answers = dlc.load(result.model).predict({"image": image})["mask"]
    done = CliRunner().invoke(commands, ["eval", str(result.model), str(folder / "d.npz")])
    assert done.exit_code == 0, done.output
    assert f"{sk.accuracy_score(mask[counts], answers[counts]):.4f}" in done.output
    done = CliRunner().invoke(commands, ["predict", str(result.model), str(folder / "d.npz")])
    assert done.exit_code == 0, done.output


def test_a_class_that_is_ignored_needs_no_row():
    text = "input x: float\noutput y: class(3, ignore=0)\nreshape(x, 1) -> dense(3) -> y\n" \
           "data { source = table([[0, 0], [1, 1], [2, 2], [3, 1]]) }\ntrain { epochs = 1 }\n"  # fmt: skip
    program = compile(Source("m.dl", text))
    assert "W0703" not in {d.code for d in run_lints(program, load(program, Path()), {})}
