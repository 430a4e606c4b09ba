"""Programs, artifacts, results and errors can be pickled for other processes (multiprocessing, joblib,
ray)."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import dlc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPEC = """import unit from "parts/unit.dl"
param units = 4
input x: float[3]
output y: class(auto)
x -> standardize -> unit(units) -> dense(y.classes) -> y
train { epochs = 1 }
"""
PART = 'import deeper from "../deeper.dl"\nblock unit(x; n) { return x -> dense(n) -> deeper }\n'
ROWS = {"x": np.arange(12.0).reshape(4, 3), "y": ["no", "yes", "no", "perhaps"]}
COPIES = [lambda thing: pickle.loads(pickle.dumps(thing)), copy.deepcopy, copy.copy]


@pytest.fixture
def program(tmp_path: Path) -> dlc.Program:
    """A fitted program with an import and a param, whose files are deleted."""
    (tmp_path / "parts").mkdir()
    files = {"m.dl": SPEC, "parts/unit.dl": PART, "deeper.dl": "block deeper(x) { return x -> relu }\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    program = dlc.compile(tmp_path / "m.dl", params={"units": 5}).fit(ROWS)
    for name in files:
        (tmp_path / name).unlink()
    return program


@pytest.mark.parametrize("copied", COPIES)
def test_a_program_survives_pickling(copied: Callable[[Any], Any], program: dlc.Program) -> None:
    other = copied(program)
    assert other is not program
    assert other.onnx().SerializeToString() == program.onnx().SerializeToString()
    assert other.compiled.output("y").declared.classes.names == ("no", "perhaps", "yes")
    other.fit({"x": np.zeros((4, 3)), "y": ["a", "b", "a", "b"]})
    assert program.weights()["standardize.mean"].any(), "each copy has its own weights"


def means(program: dlc.Program) -> list[float]:
    return program.weights()["standardize.mean"].tolist()


def wrong(text: str) -> None:
    dlc.compile(text=text)


def test_other_processes_receive_programs_and_send_errors(program: dlc.Program) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(means, program).result() == means(program)
        with pytest.raises(dlc.CompileError) as caught:
            pool.submit(wrong, "input x: flaot\n").result()
    (problem,) = caught.value.diagnostics
    assert (problem.line, "did you mean `float`?" in problem.help) == (1, True)


@pytest.mark.parametrize("copied", COPIES)
def test_a_module_survives_pickling(copied: Callable[[Any], Any], program: dlc.Program) -> None:
    module = program.torch()
    rows = {"x": torch.ones(2, 3)}
    torch.testing.assert_close(copied(module)(rows), module(rows))


@pytest.mark.parametrize("copied", COPIES)
def test_an_unpickled_artifact_is_loaded_again(
    copied: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = dlc.train(text=SPEC.replace("import unit", "# ").replace("unit(units)", "relu"),
                       data=ROWS, out=tmp_path)  # fmt: skip
    monkeypatch.chdir(result.folder)
    artifact = dlc.load("model.onnx")
    monkeypatch.chdir(tmp_path)
    other = copied(artifact)
    assert other.predict({"x": ROWS["x"]})["y"].tolist() == artifact.predict({"x": ROWS["x"]})["y"].tolist()
    assert copied(result).figures == result.figures
    sent = pickle.dumps(artifact)
    result.model.unlink()
    with pytest.raises(Exception, match="no model yet"):
        pickle.loads(sent)
