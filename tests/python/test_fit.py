"""Fitting of operators to the rows before training, by `fit` and by training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import dlc
from dlc.runtime.training import fit

PLAIN = "input x: float[3]\noutput y: float\nx -> standardize -> dense(1) -> y\n"


def held(program: dlc.Program) -> dict[str, np.ndarray]:
    return {n: w.numpy() for n, w in program.torch().state_dict().items()}


def rows(count: int = 50, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(3, 2, (count, 3)), "y": rng.normal(size=count)} | more


@pytest.mark.parametrize("chunk", [1, 7, 49, 50, 4096])
def test_rows_are_read_in_chunks(chunk: int, monkeypatch) -> None:
    monkeypatch.setattr(fit, "CHUNK", chunk)
    given = rows()
    found = held(dlc.compile(text=PLAIN).fit(given))
    np.testing.assert_allclose(found["standardize.mean"], given["x"].mean(0), rtol=1e-5)
    np.testing.assert_allclose(found["standardize.std"], given["x"].std(0), rtol=1e-5)


def test_operators_are_fitted_in_topological_order() -> None:
    given = rows()
    text = (
        "input x: float[3]\noutput y: float\n((x -> standardize) * 3 + 1) -> standardize -> dense(1) -> y\n"
    )
    found = held(dlc.compile(text=text).fit(given))
    np.testing.assert_allclose(found["standardize.mean"], given["x"].mean(0), rtol=1e-5)
    np.testing.assert_allclose(found["standardize_2.mean"], [1, 1, 1], atol=1e-5)
    np.testing.assert_allclose(found["standardize_2.std"], [3, 3, 3], rtol=1e-4)


NETS = "net f(v) { return v -> standardize }\nnet g(v) { return v -> minmax }\n"
TWICE = f"{NETS}input a, b: float[3]\noutput y: float\n"


@pytest.mark.parametrize("flow", ["f(a) + f(b)", "(a, b) -> each(f) -> concat", "f(a) + f(g(b))"])
def test_shared_operators_are_fitted_to_all_uses_of_a_net(flow: str) -> None:
    """In the last case the net depends on `g`, which follows its first use."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(5, 1, (50, 3)), rng.normal(-20, 4, (50, 3))
    found = held(dlc.compile(text=f"{TWICE}{flow} -> dense(1) -> y\n").fit({"a": a, "b": b}))
    seen = np.concatenate([a, MinMaxScaler().fit_transform(b) if "g" in flow else b])
    scaler = StandardScaler().fit(seen)
    np.testing.assert_allclose(found["f.standardize.mean"], scaler.mean_, rtol=1e-5)
    np.testing.assert_allclose(found["f.standardize.std"], scaler.scale_, rtol=1e-5)


@pytest.mark.parametrize("flow", ["a -> repeat(2, f)", "f(g(a)) + g(f(b))"])
def test_circular_fitting_is_an_error(flow: str) -> None:
    with pytest.raises(dlc.CompileError, match="it depends on its own fitted weights") as caught:
        dlc.compile(text=f"{TWICE}{flow} -> dense(1) -> y\n")
    assert {d.code for d in caught.value.diagnostics} == {"E0512"}


def test_images_are_fitted_by_channel() -> None:
    text = "input x: uint8[2, 4, 4]\noutput y: float\nx / 255 -> standardize -> flatten -> dense(1) -> y\n"
    images = np.random.default_rng(0).integers(0, 256, (10, 2, 4, 4)).astype(np.uint8)
    found = held(dlc.compile(text=text).fit({"x": images}))
    np.testing.assert_allclose(found["standardize.mean"], (images / 255).mean((0, 2, 3)), rtol=1e-5)


def test_random_operators_of_training_do_not_affect_fitting() -> None:
    text = (
        "input x: float[3]\noutput y: float\n"
        "a = x -> standardize\nb = a -> gaussian_noise(5) -> dropout(0.5) -> dense(1)\nb -> y\n"
    )
    given = rows()
    found = [held(dlc.compile(text=text).fit(given)) for _ in range(2)]
    np.testing.assert_array_equal(found[0]["standardize.std"], found[1]["standardize.std"])
    np.testing.assert_allclose(found[0]["standardize.std"], given["x"].std(0), rtol=1e-5)


def test_a_constant_feature_has_no_deviation() -> None:
    given = rows()
    given["x"][:, 1] = 0.1
    found = held(dlc.compile(text=PLAIN).fit({"x": given["x"]}))
    assert found["standardize.mean"][1] == np.float32(0.1)
    assert found["standardize.std"][1] == 1


def test_operators_are_fitted_only_to_training_rows(tmp_path: Path) -> None:
    """The validation and test rows have very different values."""
    far = {"x": np.full((5, 3), 1e6), "y": np.zeros(5)}
    np.savez(tmp_path / "rows.npz", **rows())
    np.savez(tmp_path / "far.npz", **far)
    parts = 'source = npz("rows.npz")\n  validation = npz("far.npz")\n  test = npz("far.npz")'
    spec = tmp_path / "m.dl"
    spec.write_text(f"{PLAIN}data {{\n  {parts}\n}}\ntrain {{\n  epochs = 1\n  batch = 10\n}}\n", "utf-8")
    mean = rows()["x"].mean(0)
    np.testing.assert_allclose(held(dlc.compile(spec).fit())["standardize.mean"], mean, rtol=1e-5)
    result = dlc.train(spec, out=tmp_path / "runs")
    np.testing.assert_allclose(result.weights["standardize.mean"], mean, rtol=1e-5)


def test_training_fits_like_fit(tmp_path: Path) -> None:
    given = rows()
    text = f"{PLAIN}train {{\n  epochs = 1\n  batch = 10\n}}\n"
    result = dlc.train(text=text, data=given, out=tmp_path)
    fitted = held(dlc.compile(text=text).fit(given))
    for name in ("standardize.mean", "standardize.std"):
        np.testing.assert_array_equal(result.weights[name], fitted[name])


def test_other_weights_are_unchanged() -> None:
    program = dlc.compile(text=PLAIN)
    before = program.torch(weights={"standardize.mean": np.zeros(3), "standardize.std": np.ones(3)})
    after = held(program.fit(rows()))
    np.testing.assert_array_equal(after["dense.weight"], before.state_dict()["dense.weight"].numpy())


def test_given_weights_override_fitted_ones() -> None:
    program = dlc.compile(text=PLAIN).fit(rows())
    module = program.torch(weights={"standardize.mean": np.full(3, 9)})
    assert module.state_dict()["standardize.mean"].tolist() == [9, 9, 9]
    assert program.torch().state_dict()["standardize.mean"].tolist() != [9, 9, 9]
