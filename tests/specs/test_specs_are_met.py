"""The commands over `specs/`: those whose data is here train, export and meet what they expect."""

from __future__ import annotations

from pathlib import Path

import pytest
import trained
from benchmarks import results
from click.testing import CliRunner, Result

from dlc.cli import commands

SPECS = Path(__file__).parents[2] / "specs"
# The only expectation that cannot be held against anything: its data is not shipped.
UNKNOWN = {"lenet": ["  unknown  test.accuracy >= 0.985"]}


def dlc(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(a) for a in arguments])


RESULTS = results.recorded()  # of `python -m benchmarks results`
LONG = results.long_specs(RESULTS)
NAMES = [path.relative_to(SPECS).with_suffix("").as_posix() for path in results.specs()]
SHORT = [name for name in NAMES if name not in LONG and name not in trained.NAMES]


def test_the_results_are_those_of_the_specs() -> None:
    assert not [*results.changed(RESULTS)], "run `python -m benchmarks results`, which trains these specs"
    assert results.PAGE.read_text("utf-8") == results.page(RESULTS)
    assert all(one["met"] for of in RESULTS.values() for one in of["expectations"])
    assert max(of["seconds"] for of in RESULTS.values()) <= 240


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_a_spec_meets_what_it_expects(name: str) -> None:
    result = dlc("test", SPECS / f"{name}.dl")
    assert result.exit_code == 0, result.output
    *expectations, last = result.output.splitlines()
    found = [line for line in expectations if line.startswith("  ")]
    assert [line for line in found if not line.startswith("  met")] == UNKNOWN.get(name, [])
    assert last == "the spec meets its expectations"


def test_the_specs_that_other_tests_train_are_trained_there() -> None:
    texts = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    callers = [text for text in texts if "from trained import trained" in text]
    assert [name for name in trained.NAMES if not any(f'"{name}"' in text for text in callers)] == []


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
