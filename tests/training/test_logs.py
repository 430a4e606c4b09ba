"""`--log` and `dlc.train(log=)`: epochs for TensorBoard, MLflow and tables, also of a run that goes on."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import dlc
from dlc.cli import commands
from dlc.runtime.logs.csv_log import CsvLog
from dlc.runtime.logs.log import EpochLog
from dlc.runtime.logs.logs import open_logs

SPEC = """
input  flower: float[4]
output species: class(3)
flower -> standardize -> dense(8) -> relu -> dense(3) -> species
data {
  source     = builtin("iris")
  validation = 0.2
  test       = 0.2
}
train {
  optimizer = adam(lr=0.01)
  epochs    = 4
}
"""
PHASES = SPEC.replace(
    "epochs    = 4",
    "phase first { epochs = 1\nmetrics = [] }\n phase second { epochs = 2\nmetrics = [accuracy] }",
)


class Heard(dlc.Listener):
    """What a training tells."""

    def begin(self, program, plans, history=()):
        self.program, self.plans, self.epochs = program, plans, []

    def epoch(self, epoch, weights):
        self.epochs.append(epoch)

    def end(self, trained):
        self.trained = trained


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    listener = Heard()
    dlc.train(text=SPEC, out=tmp_path_factory.mktemp("runs"), listeners=[listener])
    return listener


def stopped_and_resumed(make: Any, heard: Heard) -> EpochLog:
    """Log three epochs, and go on after the second one with another log, as a killed run does."""
    first, second = make(), make()
    first.begin(heard.program, heard.plans)
    for epoch in heard.epochs[:3]:
        first.epoch(epoch, dict)
    if hasattr(first, "_writer"):
        first._writer.flush()
    if hasattr(first, "_send"):
        first._send()
    second.begin(heard.program, heard.plans, heard.epochs[:2])
    for epoch in heard.epochs[2:]:
        second.epoch(epoch, dict)
    second.end(heard.trained)
    return second


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    found = EventAccumulator(str(folder), {SCALARS: 0})
    found.Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_a_table_has_the_epochs_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("iris.dl").write_text(SPEC)
    result = CliRunner().invoke(commands, ["train", "iris.dl", "--log", "epochs.csv"])
    assert result.exit_code == 0, result.output
    (run,) = (p for p in Path("runs/iris").iterdir() if not p.is_symlink())
    assert re.search(r"^log +epochs\.csv$", result.output, re.MULTILINE)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rows = rows_of(Path("epochs.csv"))
    assert [row["run"] for row in rows] == [f"runs/iris/{run.name}"] * 4
    for row, record in zip(rows, records, strict=True):
        assert (int(row["epoch"]), int(row["step"])) == (record["epoch"], record["step"])
        assert row["best"] == str(record["best"]).lower()
        for part in ("train", "validation"):
            for name, value in record[part].items():
                assert float(row[f"{part}.{name}"]) == value
        assert float(row["gradient_norm"]) == record["gradient_norm"]


def test_runs_that_share_a_table_keep_the_rows_of_each_other(tmp_path):
    log = str(tmp_path / "all.csv")
    for text in (SPEC, PHASES, SPEC):
        dlc.train(text=text, out=tmp_path / "runs", log=log)
    rows = rows_of(tmp_path / "all.csv")
    runs = [*dict.fromkeys(row["run"] for row in rows)]
    assert [sum(row["run"] == run for row in rows) for run in runs] == [4, 3, 4]
    assert [row["phase"] for row in rows if row["run"] == runs[1]] == ["first", "second", "second"]
    measured = [bool(row["validation.accuracy"]) for row in rows if row["run"] == runs[1]]
    assert measured == [False, True, True]
    assert all(row["train.loss"] for row in rows)


def test_runs_that_write_at_the_same_time_keep_the_rows_of_each_other(tmp_path, heard):
    """One of them has a column that the others lack, so the table is written again."""
    path = tmp_path / "all.csv"

    def run(number: int) -> None:
        log = CsvLog(str(path), tmp_path / f"run{number}", print)
        log.begin(heard.program, heard.plans)
        for epoch in heard.epochs * 10:
            own = {f"own{number}": 1.0} if number else {}
            log.epoch(replace(epoch, train=epoch.train | own), dict)

    threads = [threading.Thread(target=run, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = rows_of(path)
    assert Counter(row["run"] for row in rows) == {f"run{number}": 40 for number in range(4)}
    assert all(row["train.own2"] == ("1.0" if row["run"] == "run2" else "") for row in rows)


def test_a_resumed_run_goes_on_in_its_table(tmp_path, heard):
    path = tmp_path / "log.csv"
    other = CsvLog(str(path), tmp_path / "text" / "other", print)
    other.begin(heard.program, heard.plans)
    other.epoch(heard.epochs[0], dict)
    stopped_and_resumed(lambda: CsvLog(str(path), tmp_path / "text" / "run", print), heard)
    rows = rows_of(path)
    assert [(row["run"], row["epoch"]) for row in rows] == [
        ("text/other", "1"), *(("text/run", str(n)) for n in (1, 2, 3, 4)),
    ]  # fmt: skip
    assert [float(r["train.loss"]) for r in rows[1:]] == [e.train["loss"] for e in heard.epochs]


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_has_each_epoch_once(tmp_path, heard):
    folder = tmp_path / "run"
    folder.mkdir()
    log = stopped_and_resumed(lambda: open_logs(["tensorboard"], folder, print)[0], heard)
    found = scalars(folder / "tensorboard")
    assert [step for step, _ in found["training/seconds"]] == [1, 2, 3, 4]
    losses = [value for _, value in found["validation/loss"]]
    assert losses == pytest.approx([e.validation["loss"] for e in heard.epochs])
    assert log.place == os.path.relpath(folder / "tensorboard")
    ((step, accuracy),) = found["test/accuracy"]
    assert (step, accuracy) == (heard.trained.kept, pytest.approx(heard.trained.figures["test"]["accuracy"]))


@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_each_epoch_once_and_the_settings(tmp_path, heard, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'tracked'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient

    folder = tmp_path / "run"
    folder.mkdir()
    log = stopped_and_resumed(lambda: open_logs(["mlflow"], folder, print)[0], heard)
    client = MlflowClient()
    experiment = client.get_experiment_by_name(heard.program.name)
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "run")
    assert log.place == f"run {run.info.run_id} at file:{tmp_path / 'tracked'}"
    assert run.data.params["train.optimizer"] == "adam(lr=0.01)"
    assert run.data.params["data.validation"] == "0.2" and run.data.params["train.epochs"] == "4"
    history = client.get_metric_history(run.info.run_id, "validation.loss")
    assert [(m.step, m.value) for m in history] == [(e.epoch, e.validation["loss"]) for e in heard.epochs]
    (test,) = client.get_metric_history(run.info.run_id, "test.accuracy")
    assert test.value == heard.trained.figures["test"]["accuracy"]


@pytest.mark.filterwarnings("ignore")
def test_a_log_that_a_run_gets_when_it_is_resumed_has_its_earlier_epochs(tmp_path, heard):
    for name in ("tensorboard", str(tmp_path / "new.csv")):
        (log,) = open_logs([name], tmp_path, print)
        log.begin(heard.program, heard.plans, heard.epochs[:3])
        log.epoch(heard.epochs[3], dict)
        log.end(heard.trained)
    assert [row["epoch"] for row in rows_of(tmp_path / "new.csv")] == ["1", "2", "3", "4"]
    assert [step for step, _ in scalars(tmp_path / "tensorboard")["train/loss"]] == [1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_has_pictures_texts_and_the_norms_of_weights(tmp_path, heard):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (log,) = open_logs(["tensorboard"], tmp_path, print)
    log.begin(heard.program, heard.plans)
    log.samples(3, {"drawn": np.zeros((4, 1, 8, 8), np.float32), "numbers": np.zeros((4, 2), np.float32)})
    log.statistics({"epoch": 1, "weights": [{"name": "dense.weight", "norm": 3.5, "gradient": None}]})
    log.end(heard.trained)
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    tags = found.Tags()
    assert tags["images"] == ["samples/drawn"] and found.Images("samples/drawn")[0].step == 1
    assert {tag.split("/")[0] for tag in tags["tensors"]} == {"spec", "settings"}
    (event,) = found.Scalars("norm/dense.weight")
    assert (event.step, event.value) == (1, 3.5) and "gradient/dense.weight" not in tags["scalars"]


def test_a_log_that_fails_while_it_trains_ends_alone(tmp_path, heard):
    told: list[str] = []
    path = tmp_path / "gone" / "log.csv"
    path.parent.mkdir()
    log = CsvLog(str(path), tmp_path / "run", told.append)
    log.begin(heard.program, heard.plans)
    path.unlink()
    path.parent.rmdir()
    for epoch in heard.epochs:
        log.epoch(epoch, dict)
    log.end(heard.trained)
    (sentence,) = told
    assert sentence.startswith(f"the log {path} ends here, and the training goes on: ")
    assert "no such file or directory" in sentence


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_package_that_is_not_installed_is_an_error_before_the_data_is_read(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    spec = SPEC.replace('builtin("iris")', 'csv("missing.csv")')
    with pytest.raises(dlc.CompileError) as raised:
        dlc.train(text=spec, out=tmp_path, log=package)
    (problem,) = raised.value.diagnostics
    assert (problem.code, problem.help) == ("E0816", f'pip install "dlc[{package}]"')
    assert f"the package {package}, which is not installed" in problem.message


@pytest.mark.filterwarnings("ignore")
def test_a_server_of_mlflow_that_does_not_answer_is_an_error_before_the_data_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    spec = SPEC.replace('builtin("iris")', 'csv("missing.csv")')
    with pytest.raises(dlc.CompileError) as raised:
        dlc.train(text=spec, out=tmp_path, log="mlflow")
    (problem,) = raised.value.diagnostics
    assert problem.code == "E0819" and "the log mlflow cannot be written: " in problem.message


def test_what_is_no_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("iris.dl").write_text(SPEC)
    Path("rows.csv").write_text("a,b\n1,2\n")
    Path("folder.csv").mkdir()
    for log, code, message in (
        ("tensorbord", 2, "did you mean `tensorboard`?"),
        ("epochs.txt", 2, "a log is tensorboard, mlflow or FILE.csv, not `epochs.txt`"),
        ("missing/e.csv", 1, "the log missing/e.csv cannot be written: missing/e.csv: no such file"),
        ("rows.csv", 1, "rows.csv is there, and it is not the log of a training"),
        ("folder.csv", 1, "the log folder.csv cannot be written"),
    ):
        result = CliRunner().invoke(commands, ["train", "iris.dl", "--log", log])
        assert (result.exit_code, message in result.stderr) == (code, True), result.output
    assert Path("rows.csv").read_text() == "a,b\n1,2\n" and not Path("runs").exists()
    with pytest.raises(ValueError, match="a log is tensorboard, mlflow or"):
        dlc.train("iris.dl", log=["tensorboard", "other"])


def test_numbers_that_are_not_finite_are_empty_cells(tmp_path):
    from dlc.runtime.logs.log import values_of
    from dlc.runtime.training.history import Epoch

    epoch = Epoch(1, 3, 0.1, 0.5, {"loss": float("nan")}, {"loss": 2.0}, True, (0.1, 0.2))
    assert values_of(epoch) == {
        "validation.loss": 2.0, "rate.1": 0.1, "rate.2": 0.2, "rate": 0.1, "rows_per_second": 0.0,
        "memory": 0, "seconds": 0.5,
    }  # fmt: skip
