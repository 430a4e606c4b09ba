"""Times and ids keep their differences: fitted statistics are those of scikit-learn in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import dlc

ROWS = 240
RNG = np.random.default_rng(0)
MINUTES = RNG.integers(0, 60, ROWS)
X = RNG.normal(size=ROWS).astype(np.float32)

# Integers around an offset at which the steps of float32 are larger than all of their differences.
TIMES = {
    "seconds": 1_700_000_000 + MINUTES,
    "milliseconds": 1_700_000_000_000 + 1000 * MINUTES,
    "ids": 1_200_000_000_000_000_000 + 10_000 * MINUTES,
}
FLOWS = {
    "alone": "standardize(t) -> reshape(1)",
    "minimum and maximum": "minmax(t) -> reshape(1)",
    "after concat": "(t, x) -> concat -> standardize",
    "after stack": "(x, t) -> stack -> standardize",
    "after reshape and a slice": "((t, x, t) -> concat -> reshape(3, 1))[:2, 0] -> standardize",
    "after an offset of the spec": "((t - {offset}) / {unit}, x) -> concat",
    "after two offsets": "((t - {offset}.0 + {unit}) * 1 - {unit}) / {unit} -> reshape(1)",
    "in other units": "t / {unit} -> standardize -> reshape(1)",
    "its median in place of what is missing": "(t, x) -> concat -> impute(median) -> standardize",
}


def spec(type: str, flow: str, offset: int, unit: int) -> str:
    return (
        f"input t: {type}\ninput x: float\noutput y: float\n"
        f"h = {flow.format(offset=offset, unit=unit)}\nh -> dense(1) -> y\n"
        "train {\n  optimizer = lbfgs\n  batch = all\n  epochs = 6\n  metrics = [r2]\n}\n"
    )


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("element", ["int64", "float64"])
@pytest.mark.parametrize("times", TIMES)
def test_a_linear_regression_on_times_equals_scikit_learn(
    times: str, element: str, flow: str, tmp_path: Path
) -> None:
    t = TIMES[times]
    if element == "float64" and times == "ids":
        t = t.astype(np.float64).astype(np.int64)  # in steps of 256
    unit = int(t.max() - t.min())
    y = (2 * (t - t.min()) / unit + 0.5 * X * ("x" in FLOWS[flow].replace("max", ""))).astype(np.float32)
    text = spec(element, FLOWS[flow], int(t.min()), unit)
    result = dlc.train(text=text, data={"t": t.astype(element), "x": X, "y": y}, out=tmp_path)
    scale = (MinMaxScaler if "minmax" in FLOWS[flow] else StandardScaler)()
    features = scale.fit_transform(np.stack([t.astype(np.float64), X], 1))
    wanted = LinearRegression().fit(features, y).score(features, y)
    assert wanted > 0.999
    assert result.figures["train"]["r2"] > 0.999
    answers = dlc.load(result.model).predict(given(result.model, t.astype(element)))["y"]
    np.testing.assert_allclose(answers, LinearRegression().fit(features, y).predict(features), atol=0.02)


def given(model: Path, t: np.ndarray) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return {i.name: {"t": t, "x": X}[i.name] for i in session.get_inputs()}
