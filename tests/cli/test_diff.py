"""`dlc diff`: what differs between specs, runs and artifacts, in the terms of the language."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stories import dlc, write

SPEC = """# Which iris is it?
param units = 8
input  flower: float[4]
output species: class(auto)

flower -> standardize -> dense(units) -> relu -> dense(species.classes) -> species

data {
  source     = builtin("iris")
  validation = 0.2
  test       = 0.2
}

train { epochs = 2 }
"""
OTHER = SPEC.replace("units = 8", "units = 16").replace("relu ->", "relu -> dropout(0.1) ->")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of one spec, the second with other values."""
    folder = tmp_path_factory.mktemp("runs")
    spec = write(folder, "iris.dl", SPEC)
    for values in ((), ("--set", "units=16", "--set", "train.optimizer=adam(lr=0.05)")):
        assert dlc("train", spec, "--out", folder / "runs", *values).exit_code == 0
    first, second = sorted(p for p in (folder / "runs" / "iris").iterdir() if not p.is_symlink())
    return first, second


def lines(*arguments: object) -> list[str]:
    """The printed lines, with one space between words."""
    result = dlc("diff", *arguments)
    assert result.exit_code == 0, result.output
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def test_two_specs(tmp_path):
    a, b = write(tmp_path, "a.dl", SPEC), write(tmp_path, "b.dl", OTHER)
    told = lines(a, b)
    assert "~ units 8 -> 16 b.dl:2:7" in told
    assert "~ dense dense(8) -> dense(16) float[8] -> float[16] 40 -> 80 b.dl:6:26" in told
    assert "+ dropout dropout(0.1) float[16] reads relu b.dl:6:50" in told
    assert "what these make differs too: relu" in told
    assert "parameters 9 * species.classes + 40 -> 17 * species.classes + 80" in told
    assert "~ relu relu float[8] -> float[16] b.dl:6:42" in lines(a, b, "--all")


def test_two_runs_with_their_figures(runs):
    told = lines(*runs)
    assert "~ units 8 -> 16 iris.dl:2:7" in told
    assert "~ train.optimizer.lr 0.001 -> 0.05 --set:1:29" in told
    figures = [json.loads((run / "figures.json").read_text())["figures"]["test"]["loss"] for run in runs]
    assert f"test.loss {figures[0]:.4g} {figures[1]:.4g} {figures[1] - figures[0]:+.4g}" in told


def test_a_spec_that_finds_its_classes_in_data_takes_those_of_a_run_or_an_artifact(runs):
    spec, model = runs[0].parents[2] / "iris.dl", runs[0] / "model.onnx"
    same = "they do not differ in layers, shapes or settings"
    assert same in lines(spec, runs[0]) and same in lines(model, spec) and same in lines(model, runs[0])
    assert "parameters 67 -> 131" in lines(spec, runs[1])


def test_a_layout_of_the_same_spec(tmp_path):
    a, b = (
        write(tmp_path, "a.dl", SPEC),
        write(tmp_path, "b.dl", SPEC.replace("\n  test       =", "\n  test =")),
    )
    assert lines(a, b)[2] == "only the text of b.dl differs, and not what it means"


def test_json_for_tools(runs):
    found = json.loads(dlc("diff", *runs, "--format", "json").stdout)
    assert found["before"] == str(runs[0]) and found["parameters"] == [67, 131]
    assert found["figures"].keys() >= {"train.loss", "test.accuracy"}
    layer = next(d for d in found["differences"] if d["name"] == "dense")
    assert layer["changes"][0] == {"what": "units", "before": "8", "after": "16"}


def test_layers_that_change_alike_are_one_row(tmp_path):
    text = SPEC.replace("dense(units) -> relu", "repeat(4, dense(units) -> relu)")
    a, b = write(tmp_path, "a.dl", text), write(tmp_path, "b.dl", text.replace("relu)", "gelu)"))
    assert "~ gelu and 3 more relu -> gelu b.dl:6:52" in lines(a, b)


def test_a_run_that_has_only_begun(runs, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    for name in ("model.dl", "spec.json"):
        shutil.copy(runs[0] / name, begun)
    assert "parameters 67 -> 131" in lines(begun, runs[1])
    (begun / "metrics.jsonl").write_bytes((runs[0] / "metrics.jsonl").read_bytes()[:-40])
    assert "parameters 67 -> 131" in lines(begun, runs[1])


def test_a_run_of_a_spec_that_this_version_does_not_know(runs, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(runs[0], old)
    (old / "model.dl").write_text(SPEC.replace("relu", "rilu"))
    result = dlc("diff", old, runs[0])
    assert result.exit_code == 1 and "nothing is called `rilu` here" in result.stderr
    assert f"this is the spec in {old}, which this version of dlc cannot compile" in result.stderr


def test_what_is_no_spec_no_run_and_no_artifact(runs, tmp_path):
    spec = write(tmp_path, "a.dl", SPEC)
    (tmp_path / "torn").mkdir()
    write(tmp_path / "torn", "spec.json", "{")
    for path, message in (
        (write(tmp_path, "rows.csv", "a,b\n1,2\n"), "holds rows; expected a spec"),
        (write(tmp_path, "m.onnx", "text"), "is not an artifact of dlc"),
        (tmp_path, "is a folder and no run"),
        (tmp_path / "missing", "does not exist"),
        (tmp_path / "torn", "is not a run that can be read: spec.json is not JSON"),
        (runs[0].parent.parent, "is a folder and no run"),
    ):
        result = dlc("diff", spec, path)
        assert result.exit_code == 1 and message in result.stderr, path
        assert not result.stdout


def test_it_answers_without_torch(runs):
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom dlc.cli import commands\n"
        f"commands(['diff', {str(runs[0])!r}, {str(runs[1] / 'model.onnx')!r}], standalone_mode=False)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "units" in result.stdout


def test_the_example_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "watching.md").read_text(encoding="utf-8")
    spec, printed = (re.findall(rf"```{of}\n(.*?)```", page, re.DOTALL)[0] for of in ("dl", "text"))
    Path("iris.dl").write_text(spec)
    Path("wider.dl").write_text(spec.replace("= 8", "= 16").replace("relu ->", "relu -> dropout(0.1) ->"))
    assert dlc("diff", "iris.dl", "wider.dl").stdout == printed


def test_runs_that_were_trained_on_other_rows(runs, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(runs[0], other)
    data = json.loads((other / "data.json").read_text()) | {"fingerprint": "f" * 64}
    (other / "data.json").write_text(json.dumps(data))
    own = json.loads((runs[0] / "data.json").read_text())["fingerprint"][:12]
    assert f"~ fingerprint of the rows {own} -> {'f' * 12}" in lines(runs[0], other)
