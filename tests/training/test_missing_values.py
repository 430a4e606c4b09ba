"""Missing numbers from the data file to the answers, compared with scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import dlc
from dlc.cli import commands
from dlc.runtime.artifact.samples import sample
from dlc.runtime.artifact.verify import verify
from dlc.runtime.data import load

SPEC = """# What a flat costs.
input  area, age: float
input  rooms: float
input  city: class(auto)
output price: float

numbers = concat(area, age) -> impute(median) -> standardize
number  = rooms -> impute(most_frequent) -> minmax
where_  = city -> embedding(2)
all     = concat(numbers, number, where_)
all -> dense(1) -> price

data {
  source     = csv("flats.csv", missing="?")
  validation = 0.2
}
train {
  epochs    = 30
  optimizer = adam(lr=0.05)
}
export {
  outputs = [price, numbers, number]
}
"""
NAMES = ("area", "age", "rooms")


def flats(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    columns = {"area": rng.uniform(20, 150, count), "age": rng.integers(0, 90, count).astype(float),
               "rooms": rng.integers(1, 6, count).astype(float)}  # fmt: skip
    price = 3 * columns["area"] - columns["age"] + 10
    for column in columns.values():
        column[rng.random(count) < 0.15] = np.nan
    return columns | {"city": np.array(["Bern", "Graz", "Pau"])[rng.integers(0, 3, count)], "price": price}


def write(path: Path, columns: dict[str, np.ndarray], missing: str) -> None:
    cells = [[str(v).replace("nan", missing) for v in column.tolist()] for column in columns.values()]
    lines = [",".join(columns), *(",".join(row) for row in zip(*cells, strict=True)), ""]
    path.write_text("\n".join(lines), "utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flats")
    write(folder / "flats.csv", flats(200), "?")
    (folder / "flats.dl").write_text(SPEC, "utf-8")
    return dlc.train(folder / "flats.dl", out=folder, device="cpu"), folder


def test_fitted_weights_equal_scikit_learn(trained):
    result, folder = trained
    rows = load(dlc.compile(folder / "flats.dl").compiled, folder).train
    numbers = np.stack([rows["area"], rows["age"]], 1).astype(np.float64)
    steps = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(numbers)
    room = make_pipeline(SimpleImputer(strategy="most_frequent"), MinMaxScaler())
    room.fit(rows["rooms"].astype(np.float64)[:, None])
    new = {"area": [80, None, 30.5], "age": [None, None, 12], "rooms": [None, 3, 7], "city": ["Pau"] * 3}
    found = dlc.load(result.model).predict(new)
    given = np.array([new["area"], new["age"]], float).T
    np.testing.assert_allclose(found["numbers"], steps.transform(given), rtol=1e-5, atol=1e-6)
    wanted = room.transform(np.array(new["rooms"], float)[:, None])[:, 0]
    np.testing.assert_allclose(found["number"], wanted, rtol=1e-5)
    assert np.isfinite(found["price"]).all()


def test_the_proof_includes_rows_with_missing_numbers(trained):
    result, _ = trained
    model = dlc.load(result.model)
    drawn = sample(model.inputs, 7, 0)
    assert all(np.isnan(drawn[name]).any() and np.isfinite(drawn[name]).any() for name in NAMES)
    assert verify(result.model).holds
    assert model.metadata.parity["worst"] <= 1e-4
    stock = onnxruntime.InferenceSession(result.model)
    assert all(np.isfinite(answer).all() for answer in stock.run(None, drawn))


def test_dlc_predict_accepts_rows_with_empty_cells(trained, tmp_path):
    result, _ = trained
    few = {name: column[:20] for name, column in flats(200).items() if name != "price"}
    write(tmp_path / "new.csv", few, "")
    done = CliRunner().invoke(commands, ["predict", str(result.model), str(tmp_path / "new.csv"), "--format",
                                         "json"])  # fmt: skip
    assert done.exit_code == 0, done.output
    wanted = dlc.load(result.model).predict(few)["price"]
    np.testing.assert_allclose([row["price"] for row in json.loads(done.output)], wanted, rtol=1e-5)


def test_dlc_predict_and_eval_use_the_missing_marker_of_the_data(trained, tmp_path):
    """The file of the spec itself: a missing number is `?` in it."""
    result, folder = trained
    marked = CliRunner().invoke(commands, ["predict", str(result.model), str(folder / "flats.csv")])
    assert marked.exit_code == 0, marked.output
    measured = CliRunner().invoke(commands, ["eval", str(result.model), str(folder / "flats.csv")])
    assert measured.exit_code == 0 and "200 rows" in measured.output
    write(tmp_path / "other.csv", flats(40), "?")
    rows = load(dlc.compile(folder / "flats.dl").compiled, folder, source=tmp_path / "other.csv").train
    assert np.isnan(rows["area"]).any()


def test_the_torch_module_agrees_on_missing_numbers(trained):
    """The torch module agrees with the artifact on rows with NaN."""
    result, folder = trained
    program = dlc.compile(folder / "flats.dl").fit()
    columns = {n: np.array(c[:9], np.float32) for n, c in flats(200).items() if n in NAMES}
    cities = flats(200)["city"][:9].astype(object)
    inputs = {n: torch.from_numpy(c) for n, c in columns.items()} | {"city": cities}
    with torch.no_grad():
        made = program.torch(weights=result.weights)(inputs)["price"].numpy()
    found = dlc.load(result.model).predict(columns | {"city": cities})["price"]
    np.testing.assert_allclose(made, found, rtol=1e-5)
    assert np.isnan(np.stack(list(columns.values()))).any()
