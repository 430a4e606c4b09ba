"""The statistics of weights and units: their numbers, their cost, and that they change nothing."""

from __future__ import annotations

import json
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from trainings import classifier, points, program, run

import dlc
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.training import statistics
from dlc.runtime.training.history import Listener
from dlc.runtime.training.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dlc.runtime.training.history import Epoch


class Told(Listener):
    """Keeps the records of statistics, and the weights after each epoch."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []
        self.weights: list[Mapping[str, np.ndarray]] = []

    def statistics(self, record: Mapping[str, Any]) -> None:
        self.records.append(record)

    def epoch(self, epoch: Epoch, weights: Any) -> None:
        self.weights.append(weights())


@pytest.fixture
def generous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics are taken after each epoch, at any cost."""
    monkeypatch.setattr(statistics, "SHARE", 1e6)


FULL_BATCH = "optimizer = sgd(lr=0.5)\nbatch = all\nepochs = 4"


@pytest.mark.usefixtures("generous")
def test_norms_are_those_of_the_weights_and_of_the_steps() -> None:
    """With plain gradient descent on all rows, an epoch changes a weight by its gradient times the rate."""
    told = Told()
    run(classifier(FULL_BATCH), points(64), listeners=[told])
    assert [record["epoch"] for record in told.records] == [1, 2, 3, 4]
    begin = dlc.compile(text=classifier(FULL_BATCH)).weights()
    for record, before, after in zip(told.records, [begin, *told.weights], told.weights, strict=False):
        layers = {weight["name"]: weight for weight in record["weights"]}
        assert list(layers) == ["dense.weight", "dense_2.weight"]
        for name, layer in layers.items():
            change = np.linalg.norm(after[name] - before[name])
            np.testing.assert_allclose(layer["norm"], np.linalg.norm(after[name]), rtol=1e-5)
            np.testing.assert_allclose(layer["update"], change, rtol=1e-4)
            np.testing.assert_allclose(layer["gradient"], change / 0.5, rtol=1e-4)
        assert [(of["after"], of["last"]) for of in layers.values()] == [
            (1, "dense_2.weight"),
            (0, "dense_2.weight"),
        ]


HIDDEN = """
input  x: float[4]
output y: float
weight first: float[4, 6] = [[1, 0, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0]]
weight moved: float[6] = [0, 0, -99, -99, 99, 99]
x @ first + moved -> {name} -> dense(1) -> y
train {{
  optimizer = sgd(lr=1e-9)
  epochs    = 2
}}
"""


@pytest.mark.usefixtures("generous")
@pytest.mark.parametrize(("name", "key", "count"), [("relu", "dead", 2), ("tanh", "saturated", 4),
                                                    ("relu6", "dead", 4), ("leaky_relu", "", 0)])  # fmt: skip
def test_units_are_counted(name: str, key: str, count: int) -> None:
    """Two units are far below 0 for all rows, and two far above."""
    told, rng = Told(), np.random.default_rng(0)
    x = rng.normal(size=(80, 4)).astype(np.float32)
    run(HIDDEN.format(name=name), InMemoryRows({"x": x, "y": x[:, 0]}, 80), listeners=[told])
    units = told.records[-1].get("units", [])
    line = 6 if key else None
    assert [(of["operator"], of["units"], of.get(key), of["line"]) for of in units] == (
        [(name, 6, count, line)] if key else []
    )


@pytest.mark.usefixtures("generous")
def test_units_of_pictures_are_channels_and_those_of_steps_are_features() -> None:
    told = Told()
    text = """
input  picture: float[2, 8, 8]
input  series: float[5, 3]
output y: class(2)
a = picture -> conv(7, 3) -> relu -> flatten
b = series -> dense(9) -> relu -> rnn(4, final=true)
concat(a, b) -> dense(2) -> y
train { epochs = 1 }
"""
    rng = np.random.default_rng(0)
    rows = {"picture": rng.normal(size=(40, 2, 8, 8)), "series": rng.normal(size=(40, 5, 3))}
    arrays = {name: x.astype(np.float32) for name, x in rows.items()}
    run(text, InMemoryRows(arrays | {"y": rng.integers(0, 2, 40)}, 40), listeners=[told])
    units = [(of["operator"], of["units"]) for of in told.records[-1]["units"]]
    assert units == [("relu", 7), ("relu", 9), ("rnn", 4)]


def test_a_training_that_diverges_ends_with_the_gradients_before(tmp_path: Path) -> None:
    """They are those of the weights with which the epoch began, and finite."""
    told = Told()
    text = "input x: float[2]\noutput y: float\nx -> dense(4) -> relu -> dense(1) -> y\n" \
           "train {\n  optimizer = sgd(lr=100)\n  epochs = 9\n}\n"  # fmt: skip
    x = np.random.default_rng(0).normal(size=(640, 2)).astype(np.float32)
    with pytest.raises(dlc.CompileError, match="E0802"):
        run(text, InMemoryRows({"x": x, "y": x.sum(1)}, 640), listeners=[told])
    last = told.records[-1]
    assert last["diverged"] and last["epoch"] == 0
    assert all(0 < weight["gradient"] < 100 for weight in last["weights"])
    begin = dlc.compile(text=text).weights()
    for weight in last["weights"]:
        np.testing.assert_allclose(weight["norm"], np.linalg.norm(begin[weight["name"]]), rtol=1e-5)


# --- they change nothing ----------------------------------------------------------------------------------


TABLE = """
input  x: float[2]
output y: class(2)
x -> standardize -> dense(16) -> relu -> dropout(0.2) -> dense(2) -> y
data { validation = 0.2 }
train {
  epochs = 12
  batch  = 16
}
"""
CNN = """
input  image: float[64]
output digit: class(10)
image / 16 -> reshape(1, 8, 8) -> conv(8, 3, padding=same) -> batchnorm -> relu -> maxpool(2)
  -> conv(16, 3) -> batchnorm -> relu -> dropout(0.3) -> flatten -> dense(10) -> digit
data {
  source     = builtin("digits")
  validation = 0.2
}
train {
  epochs = 6
  batch  = 64
  ema    = 0.9
}
"""
LSTM = """
input  steps: float[T, 8]
output digit: class(10)
steps -> lstm(24, final=true) -> dropout(0.1) -> dense(16) -> relu -> dense(10) -> digit
train {
  epochs     = 4
  batch      = 64
  accumulate = 2
}
"""
TRANSFORMER = """
input  steps: float[8, 8]
output digit: class(10)
steps -> dense(32) + sinusoidal -> block_of -> block_of -> mean(0) -> dense(10) -> digit
block block_of(x) {
  y = x + (x -> layernorm -> attention(4))
  return y + (y -> layernorm -> dense(64) -> relu -> dropout(0.1) -> dense(32))
}
train {
  epochs = 3
  batch  = 64
}
"""
GAN = """
input  place: float[2]
input  noise: float[2]
output made: float[2]
net generator(z) { return z -> dense(32) -> relu -> dense(32) -> batchnorm -> relu -> dense(2) }
net critic(x) { return x -> dense(32) -> leaky_relu(0.2) -> dense(32) -> relu -> dense(1) }
noise -> generator -> made
data {
  place = normal()
  noise = normal()
}
train {
  batch = 128
  steps = 300
  step critic { loss = bce(critic(place), 1) + bce(critic(made), 0) }
  step generator { loss = bce(critic(made), 1) }
}
"""


def pictures() -> np.ndarray:
    from sklearn.datasets import load_digits

    return (load_digits().images / 16).astype(np.float32)


def digits() -> dict[str, np.ndarray]:
    from sklearn.datasets import load_digits

    return {"steps": pictures(), "digit": load_digits().target}


def table() -> dict[str, np.ndarray]:
    return dict(points(400).items())  # type: ignore[arg-type]


TRAININGS = {
    "table": (TABLE, table), "cnn": (CNN, None), "lstm": (LSTM, digits),
    "transformer": (TRANSFORMER.replace(" + sinusoidal", ""), digits), "gan": (GAN, None),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_has_the_same_bits_without_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, rows = TRAININGS[name]
    with monkeypatch.context() as patch:
        patch.setattr(statistics, "SHARE", 1e6)
        watched = dlc.train(text=text, data=rows() if rows else None, out=tmp_path)
    assert (watched.folder / "statistics.jsonl").read_text().count('"units"') >= 2
    with monkeypatch.context() as patch:
        patch.setattr(Statistics, "take", lambda self, epoch, is_last=False: None)
        plain = dlc.train(text=text, data=rows() if rows else None, out=tmp_path)
    assert not (plain.folder / "statistics.jsonl").exists()
    for file in ("model.onnx", "weights.safetensors"):
        assert (watched.folder / file).read_bytes() == (plain.folder / file).read_bytes()
    for one, other in zip(watched.trained.history, plain.trained.history, strict=True):
        assert (one.train, one.validation, one.gradient_norm) == (
            other.train,
            other.validation,
            other.gradient_norm,
        )


# --- their cost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAININGS)
def test_they_take_less_than_three_percent_of_the_time_of_a_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU time that is spent in them, with writing their records, of that of the whole run: the median of
    three runs."""
    import torch.optim  # noqa: F401  is imported before the time is measured

    spent = 0.0
    take = Statistics.take

    def timed(self: Statistics, epoch: Epoch, is_last: bool = False) -> None:
        nonlocal spent
        began = process_time()
        take(self, epoch, is_last)
        spent += process_time() - began

    text, rows = TRAININGS[name]
    arrays = rows() if rows else None
    program(classifier("epochs = 1"))  # the compiler is warm
    monkeypatch.setattr(Statistics, "take", timed)
    shares = []
    for _ in range(3):
        spent, began = 0.0, process_time()
        result = dlc.train(text=text, data=arrays, out=tmp_path)
        shares.append(spent / (process_time() - began))
        assert '"weights"' in (result.folder / "statistics.jsonl").read_text()
    assert 0 < median(shares) < 0.03, shares


@pytest.mark.parametrize("share", [0.0, 1e6])
def test_units_at_the_end_are_looked_at_whatever_time_there_is(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same epochs, and the same rows in the last one, on a slow machine and on a fast one."""
    monkeypatch.setattr(statistics, "SHARE", share)
    told = Told()
    run(classifier("batch = all\nepochs = 30"), points(300), listeners=[told])
    epochs = [record["epoch"] for record in told.records]
    assert (epochs[:20], epochs[-1], len(epochs)) == ([*range(1, 21)], 30, 22)
    assert (told.records[-1]["rows"], told.records[-1]["training_rows"]) == (256, 300)
    assert ["units" in record for record in told.records] == [share > 0] * 21 + [True]


def test_a_long_training_has_a_hundred_records_at_most() -> None:
    told = Told()
    run(classifier("batch = all\nepochs = 1000"), points(32), Dataset(points(32)).train, listeners=[told])
    assert 5 <= len(told.records) <= statistics.RECORDS + 1
    assert told.records[-1]["epoch"] > 500


@pytest.mark.usefixtures("generous")
def test_units_of_rows_of_different_length_past_memory(tmp_path: Path) -> None:
    """Rows that are read from the store have the lengths that the network takes."""
    import pyarrow as pa
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    series = [rng.normal(size=(rng.integers(3, 9), 4)).tolist() for _ in range(300)]
    table = pa.table({"steps": series, "y": [int(np.sum(rows) > 0) for rows in series]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    text = """
input  steps: float[T, 4]
output y: class(2)
steps -> dense(8) -> relu -> mean(0) -> dense(2) -> y
train { epochs = 2 }
"""
    counts = []
    for memory in ("10K", None):
        result = dlc.train(text=text, data=tmp_path / "rows.parquet", memory=memory, out=tmp_path / "runs")
        lines = (result.folder / "statistics.jsonl").read_text("utf-8").splitlines()
        counts.append([of["dead"] for of in json.loads(lines[0])["units"]])
    assert counts == [[0], [0]]
