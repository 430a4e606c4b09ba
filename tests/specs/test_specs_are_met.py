"""The commands over `specs/`: those whose data is here train, export and meet what they expect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from benchmarks import results
from click.testing import CliRunner, Result

from dlc import compile as compile_file
from dlc.cli import commands

if TYPE_CHECKING:
    from collections.abc import Iterator

SPECS = Path(__file__).parents[2] / "specs"
# The only expectation that cannot be held against anything: its data is not shipped.
UNKNOWN = ["  unknown  test.accuracy >= 0.985"]


def dlc(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(a) for a in arguments])


RESULTS = results.recorded()  # of `python -m benchmarks results`
LONG = [name for name, of in RESULTS.items() if of["seconds"] > 20]


def test_the_results_are_those_of_the_specs() -> None:
    assert not [*results.changed(RESULTS)], "run `python -m benchmarks results`, which trains these specs"
    assert results.PAGE.read_text("utf-8") == results.page(RESULTS)
    assert all(one["met"] for of in RESULTS.values() for one in of["expectations"])
    assert max(of["seconds"] for of in RESULTS.values()) <= 240


def short(name: str) -> Iterator[str]:
    """Arguments for a training of one epoch, or of a few steps, in each phase of a spec."""
    train = compile_file(SPECS / f"{name}.dl").compiled.train
    for path, section in {"train": train, **{f"train.{p.phase}": p for p in train.phases}}.items():
        if section is train or section.own("epochs") or section.own("steps"):
            yield from ("--set", f"{path}.steps=10" if section.steps else f"{path}.epochs=1")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", LONG)
def test_a_long_training_begins_and_its_model_is_verified(name: str, tmp_path: Path) -> None:
    result = dlc("train", SPECS / f"{name}.dl", "--out", tmp_path, *short(name))
    assert result.exit_code == 0, result.output
    assert "torch and ONNX Runtime agree to" in result.output


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_spec_meets_what_it_expects() -> None:
    paths = [
        path for path in results.specs() if path.relative_to(SPECS).with_suffix("").as_posix() not in LONG
    ]
    result = dlc("test", *paths)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line for line in lines if line.startswith("  unknown")] == UNKNOWN
    expectations = [line for line in lines if line.startswith("  ")]
    assert all(line.startswith("  met") for line in expectations if line not in UNKNOWN)
    assert lines[-1] == f"all {len(paths)} specs meet their expectations"


def test_what_is_not_met_fails(tmp_path: Path) -> None:
    text = (SPECS / "xor.dl").read_text("utf-8")
    (tmp_path / "xor.dl").write_text(
        text.replace("dense(8) -> tanh -> ", "").replace("== 33", "== 3"), "utf-8"
    )
    result = dlc("test", tmp_path)
    assert result.exit_code == 1
    assert "  met      parameters == 3 " in result.output
    assert "  NOT MET  train.accuracy == 1 " in result.output
    assert result.output.splitlines()[-1] == "the spec does not meet its expectations"


@pytest.mark.parametrize("name", ["mcculloch_pitts", "perceptron"])
def test_a_run_is_verified(name: str, tmp_path: Path) -> None:
    """Also where nothing is trained, and there is only a model to write."""
    result = dlc("train", SPECS / f"{name}.dl", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "torch and ONNX Runtime agree to" in result.output
    (model,) = {path.resolve() for path in tmp_path.rglob("model.onnx")}
    assert dlc("verify", model).exit_code == 0


def test_parameters_that_the_classes_of_the_data_decide_are_counted_with_them(tmp_path: Path) -> None:
    text = (
        "input a: class(auto)\noutput y: float\na -> embedding(2) -> dense(1) -> y\n"
        'data {\n  source = csv("rows.csv")\n}\ntrain {\n  epochs = 1\n}\n'
        "expect {\n  parameters == 9\n}\n"
    )
    (tmp_path / "auto.dl").write_text(text, "utf-8")
    lacking = dlc("test", tmp_path)
    assert "  unknown  parameters == 9\n" in lacking.output
    (tmp_path / "rows.csv").write_text("a,y\nred,1\ngreen,2\nblue,3\n", "utf-8")
    met = dlc("test", tmp_path)
    assert met.exit_code == 0, met.output
    assert "  met      parameters == 9   found 9\n" in met.output
