"""`dlc runs`: lists runs, with what differs in their specs and settings, and their best figures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stories import dlc, write

SPEC = """
param units = 8
input  flower: float[4]
output species: class(3)

flower -> standardize -> dense(units) -> relu -> dense(3) -> species

data {
  source     = builtin("iris")
  validation = 0.2
  test       = 0.2
}

train { epochs = 3 }
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `runs` with four runs: two of one text, one of another, and one of another spec."""
    folder = tmp_path_factory.mktemp("made")
    spec = write(folder, "iris.dl", SPEC)
    other = SPEC.replace("relu ->", "gelu -> dropout(0.1) ->")
    made = (
        (spec, SPEC, ()), (spec, SPEC, ("--set", "units=16", "--set", "train.optimizer=adam(lr=0.05)")),
        (spec, other, ()), (write(folder, "b.dl", SPEC), SPEC, ()),
    )  # fmt: skip
    for path, text, values in made:
        path.write_text(text)
        result = dlc("train", path, "--out", folder / "runs", *values)
        assert result.exit_code == 0, result.output
    return folder / "runs"


def runs_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.is_symlink())


def table(*arguments: object) -> list[dict[str, str]]:
    """The rows of the first table, by heading."""
    result = dlc("runs", *arguments)
    assert result.exit_code == 0, result.output
    head, rule, *rows = result.stdout.split("\n\n")[1].splitlines()
    starts = [n for n, c in enumerate(rule) if c == "-" and (n == 0 or rule[n - 1] == " ")]
    ends = [*starts[1:], None]
    cut = [[line[a:b].strip() for a, b in zip(starts, ends, strict=True)] for line in (head, *rows)]
    return [dict(zip(cut[0], row, strict=True)) for row in cut[1:]]


def figures(run: Path) -> dict[str, dict[str, float]]:
    return json.loads((run / "figures.json").read_text())["figures"]


def test_the_runs_of_a_spec_are_side_by_side(root):
    rows, folders = table(root / "iris"), runs_in(root / "iris")
    assert [row["run"] for row in rows] == [folder.name for folder in folders]
    assert [row["units"] for row in rows] == ["8", "16", "8"]
    assert [row["train.optimizer"] for row in rows] == ["adam", "adam(lr=0.05)", "adam"]
    assert [row["spec"] for row in rows] == ["1", "1", "2"]
    assert [(row["ended"], row["epochs"]) for row in rows] == [("done", "3")] * 3
    losses = [figures(folder)["test"]["loss"] for folder in folders]
    assert [float(row["test.loss"].rstrip("*")) for row in rows] == pytest.approx(losses, rel=1e-3)
    best = min(range(3), key=losses.__getitem__)
    assert [row["test.loss"].endswith("*") for row in rows] == [n == best for n in range(3)]
    accuracies = [figures(folder)["test"]["accuracy"] for folder in folders]
    stars = [row["test.accuracy"].endswith("*") for row in rows]
    assert stars == [a == max(accuracies) and len(set(accuracies)) > 1 for a in accuracies]


def test_a_setting_that_one_run_was_given_is_at_its_default_in_the_others(root, tmp_path):
    first, _, last = runs_in(root / "iris")
    for name, run in (("a", first), ("b", last)):
        shutil.copytree(run, tmp_path / name)
    info = json.loads((first / "spec.json").read_text())
    info["params"] |= {"train.keep": "epochs(1)", "train.accumulate": 2}
    (tmp_path / "a" / "spec.json").write_text(json.dumps(info))
    a, b = table(tmp_path)
    assert (a["train.keep"], b["train.keep"]) == ("epochs(1)", "minutes(10)")
    assert (a["train.accumulate"], b["train.accumulate"]) == ("2", "1")


def test_what_a_version_of_the_spec_changed_is_told(root):
    told = dlc("runs", root / "iris").stdout
    changes = told.split("spec 2 after spec 1:\n")[1].splitlines()
    assert changes == ["  layer gelu: operator relu -> gelu", "  layer dropout added: dropout(0.1)"]


def test_all_specs_one_spec_and_one_run(root, monkeypatch):
    assert dlc("runs", root).stdout.count("\n\nrun ") == 2
    monkeypatch.chdir(root.parent)
    assert dlc("runs").stdout == dlc("runs", root).stdout
    (row,) = table(root / "iris" / "latest")
    assert row["run"] == runs_in(root / "iris")[-1].name
    assert len(table(*runs_in(root / "iris")[:2])) == 2


def test_json_for_tools(root):
    b, iris = json.loads(dlc("runs", root, "--format", "json").stdout)
    assert (b["spec"], iris["spec"]) == ("b", "iris")
    assert iris["differing_params"] == ["units", "train.optimizer"]
    assert [run["version"] for run in iris["runs"]] == [1, 1, 2]
    run = iris["runs"][1]
    assert run["params"] == {"units": 16, "train.optimizer": "adam(lr=0.05)"} and run["epochs"] == 3
    assert run["figures"]["test.loss"] == figures(Path(run["folder"]))["test"]["loss"]
    assert run["seconds"] > 0 and run["begun"]


def test_runs_that_have_not_ended_or_cannot_be_read(root, tmp_path):
    first, second, _ = runs_in(root / "iris")
    folder = tmp_path / "iris"
    shutil.copytree(first, folder / "killed")
    for name in ("figures.json", "model.onnx"):
        (folder / "killed" / name).unlink()
    how = json.loads((first / "run.json").read_text()) | {"ended": "running"}
    (folder / "killed" / "run.json").write_text(json.dumps(how))
    metrics = (first / "metrics.jsonl").read_bytes()
    (folder / "killed" / "metrics.jsonl").write_bytes(metrics[:-30])
    (folder / "begun").mkdir()
    for name in ("model.dl", "spec.json"):
        shutil.copy(second / name, folder / "begun")
    (folder / "torn").mkdir()
    (folder / "torn" / "spec.json").write_text('{"name": ')
    (folder / "notes").mkdir()
    begun, killed = table(folder)
    assert (begun["run"], begun["epochs"], begun["ended"]) == ("begun", "0", "")
    assert (killed["run"], killed["epochs"], killed["ended"]) == ("killed", "2", "not ended")
    loss = json.loads(metrics.splitlines()[1])["validation"]["loss"]
    assert float(killed["validation.loss"]) == pytest.approx(loss, rel=1e-3)
    assert "note: " in dlc("runs", folder).stderr and "torn is not a run" in dlc("runs", folder).stderr


def test_a_version_that_this_version_of_dlc_cannot_compile(root, tmp_path):
    first, second, _ = runs_in(root / "iris")
    shutil.copytree(first, tmp_path / "a")
    shutil.copytree(second, tmp_path / "b")
    (tmp_path / "b" / "model.dl").write_text(SPEC.replace("relu", "rilu"))
    told = dlc("runs", tmp_path)
    assert told.exit_code == 0
    assert "spec 2 after spec 1:\n  this version of dlc cannot compile one of the two" in told.stdout


def test_paths_without_runs(root, tmp_path):
    for path, message in (
        (tmp_path, f"there is no run in {tmp_path}"),
        (tmp_path / "missing", "there is no folder"),
        (write(tmp_path, "f.dl", SPEC), "is not a folder of runs"),
    ):
        result = dlc("runs", root, path)
        assert result.exit_code == 1 and message in result.stderr and not result.stdout


def test_it_answers_without_torch(root):
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom dlc.cli import commands\n"
        f"commands(['runs', {str(root)!r}], standalone_mode=False)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "spec 2 after spec 1" in result.stdout
