"""What looks like another illness is not told as one, and each fix is one that can help."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ill_runs import generator, inputs, on, rare

import dlc
from dlc.runtime.diagnosis import compiled, courses_of
from dlc.runtime.run_record import read_record

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.runtime.diagnosis import Finding


def diagnosis(text: str, rows: dict[str, np.ndarray], folder: Path) -> dict[str, Finding]:
    return {f.kind: f for f in dlc.train(text=text, data=rows, out=folder, device="cpu").diagnosis}


def test_a_run_that_knows_what_can_be_known_needs_no_higher_rate(tmp_path: Path) -> None:
    """Half of the variance is noise. The validation loss is flat from the third epoch on."""
    x = inputs(600, 4)
    y = (x[:, 0] + generator(5).normal(size=600)).astype(np.float32)
    layers = "dense(64) -> gelu -> dropout(0.2) -> dense(64) -> gelu -> dense(1)"
    text = on("float", layers, "epochs = 60; early_stop = patience(6)", features=4)
    assert "rate_too_low" not in diagnosis(text, {"x": x, "y": y}, tmp_path)


def test_a_class_weight_that_is_advised_is_not_underfitting(tmp_path: Path) -> None:
    """It answers the rare class at the cost of the frequent one, with an accuracy below that of always no."""
    rows = rare()
    rows["x"][rows["y"] == 1, 3] += 1
    text = on("binary", "dense(16) -> relu -> dense(1)", "epochs = 15; loss = bce(y, positive=30)")
    result = dlc.train(text=text, data=rows, out=tmp_path, device="cpu")
    assert result.figures["train"]["accuracy"] < (rows["y"] == 0).mean()
    assert not {"underfitting", "neglected_classes"} & {finding.kind for finding in result.diagnosis}


def test_a_class_of_few_rows_that_is_never_answered_is_neglected(tmp_path: Path) -> None:
    x = inputs(1000)
    y = np.zeros(1000, np.int64)
    y[::160] = 1
    text = on("class(2)", "dense(16) -> relu -> dense(2)", "epochs = 8")
    found = diagnosis(text, {"x": x, "y": y}, tmp_path)
    assert re.search(
        r"of the \d training rows with `y` = 1 .* none is right", found["neglected_classes"].evidence
    )
    assert "underfitting" not in found


def test_a_rare_class_that_is_answered_hides_no_other_output(tmp_path: Path) -> None:
    rows = rare()
    rows["x"][rows["y"] == 1, 3] += 1
    rows["z"] = generator(7).integers(0, 2, len(rows["y"]))
    text = on("binary", "dense(16) -> relu -> dense(1)", "epochs = 15; loss = bce(y, positive=30) + bce(z)")
    text = text.replace("output y: binary\n", "output y: binary\noutput z: binary\n")
    text = text.replace("data {", "x -> dense(4) -> relu -> dense(1) -> z\ndata {")
    found = diagnosis(text, rows, tmp_path)
    assert found["underfitting"].evidence.startswith("`z` has accuracy")


@pytest.mark.parametrize(
    "optimizer, advised",
    [("adam(lr=0.01)", "`optimizer = adam(lr=0.05)`"), ("adam(lr=0.05)", "far more epochs"),
     ("sgd(lr=0.001)", "`optimizer = sgd(lr=0.01)`"), ("rmsprop(lr=0.01)", "`optimizer = rmsprop(lr=0.05)`")],
)  # fmt: skip
def test_a_higher_rate_is_higher_and_usual(optimizer: str, advised: str, tmp_path: Path) -> None:
    x = inputs(80)
    text = on("float", "dense(1)", f"optimizer = {optimizer}; epochs = 1")
    folder = dlc.train(text=text, data={"x": x, "y": x[:, 0]}, out=tmp_path, device="cpu").folder
    record = read_record(folder)
    (course,) = courses_of(record, compiled(record))
    assert course.with_rate(10) == advised


def test_a_rate_that_is_advised_is_a_usual_one(tmp_path: Path) -> None:
    x = inputs(600)
    text = on("binary", "dense(32) -> relu -> dense(1)", "optimizer = adam(lr=30); epochs = 20")
    found = diagnosis(text, {"x": x, "y": (x[:, 0] * x[:, 1] > 0).astype(np.int64)}, tmp_path)
    assert found["rate_too_high"].fix.startswith("`optimizer = adam`")
    assert "overfitting" not in found
