"""The folder of a run, and the output on the screen."""

from __future__ import annotations

import io
import json
import os
import re
import signal
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.training.metrics import CountTable
from dlc.runtime import run_writer
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.run_folder import run_at
from dlc.runtime.run_spec import read_spec
from dlc.runtime.run_writer import Run
from dlc.runtime.training import phase_training
from dlc.runtime.training import progress as progress_display
from dlc.runtime.training.history import Epoch, Trained
from dlc.runtime.training.loop import train
from dlc.runtime.training.progress import Progress, duration, line, number, summary, table
from dlc.runtime.training.training_plan import TrainingPlan
from dlc.runtime.weight_files import WeightFile

SPEC = """param units = 4
import wide, other from "blocks/wide.dl"
import far from "../shared/model.dl"
input x: float[2]
output y: class(2)
x -> wide(units=units) -> other -> far -> dense(2) -> y
train { epochs = 3 }
"""
FILES = {
    "blocks/wide.dl": "import inner from \"inner.dl\"\n"
    "block wide(x; units) { return x -> dense(units) -> inner }\n"
    "block other(x) { return x -> relu }\n",
    "blocks/inner.dl": "block inner(x) { return x -> tanh }\n",
    "../shared/model.dl": "block far(x) { return x -> sigmoid }\n",
}  # fmt: skip
WHEN = datetime(2026, 1, 2, 3, 4, 5)


def read(importing: Source, path: str) -> Source:
    name = os.path.normpath(Path(importing.name).parent / path).replace(os.sep, "/")
    return Source(name, FILES[name])


def program(params=None):
    return compile(Source("net.dl", SPEC), params=params, read=read)


def rows(n: int = 40) -> InMemoryRows:
    x = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    return InMemoryRows({"x": x, "y": (x[:, 0] > 0).astype(np.int64)}, n)


def trained(listeners, batch=32, **parts):
    p = program({"units": 6, "train.batch": batch})
    return train(p, Dataset(rows(), **parts), draw(p.graph, 0), on="cpu", listeners=listeners)


def test_a_run_leaves_spec_weights_and_metrics_and_latest_points_to_it(tmp_path):
    run = Run.create(tmp_path, "net", WHEN)
    result = trained([run], validation=rows(10))
    assert run.folder == tmp_path / "net" / "2026-01-02T03-04-05"
    assert (tmp_path / "net" / "latest").samefile(run.folder)
    kept = WeightFile(run.path("weights.safetensors"))
    assert all(np.array_equal(kept[n], w) for n, w in result.weights.items())
    lines = [json.loads(line) for line in run.path("metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[-1]["validation"] == result.history[-1].validation
    assert not [p for p in run.folder.rglob(".*")]  # no temporary files are left


def test_the_spec_of_a_run_compiles_to_the_same_program(tmp_path):
    run = Run.create(tmp_path, "net", WHEN)
    run.write_spec(program({"units": 6}))
    assert run.path("model.dl").read_text() == SPEC
    assert run.path("blocks/inner.dl").is_file()
    spec = read_spec(run.folder)
    again = compile(spec.source, params=spec.params, facts=spec.facts, read=spec.read)
    assert [w.name for w in again.graph.weights] == [w.name for w in program({"units": 6}).graph.weights]
    assert dict(again.params) == {"units": 6}
    run.path("spec.json").write_text(run.path("spec.json").read_text().replace("inner.dl", "lost.dl"))
    with pytest.raises(CompileError):
        compile(spec.source, params=spec.params, read=read_spec(run.folder).read)


def test_runs_of_the_same_second_have_different_folders(tmp_path):
    first, second = Run.create(tmp_path, "net", WHEN), Run.create(tmp_path, "net", WHEN)
    assert first.folder != second.folder
    first.write_weights({"w": np.ones(2, np.float32)})
    second.write_weights({"w": np.zeros(2, np.float32)})
    assert (tmp_path / "net" / "latest").samefile(second.folder)


@pytest.fixture
def no_links(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)


def test_without_symlinks_latest_is_a_text_file(no_links, tmp_path):
    run = Run.create(tmp_path, "net", WHEN)
    run.write_weights({"w": np.ones(2, np.float32)})
    latest = tmp_path / "net" / "latest"
    assert latest.read_text() == "2026-01-02T03-04-05\n"
    assert run_at(latest) == run.folder
    assert run_at(latest / "model.onnx") == run.folder / "model.onnx"
    assert run_at(latest / "weights.safetensors") == run.folder / "weights.safetensors"


@pytest.mark.parametrize(
    ("make", "message", "help"),
    [
        (lambda root: root.symlink_to("nowhere"), "runs is a link to nowhere, which is not a folder",
         "make the folder that it leads to, or name another folder with `--out`"),
        (lambda root: root.symlink_to("runs"), "runs is a link to runs, which is not a folder",
         "remove the link, or name another folder with `--out`"),
        (lambda root: root.write_text("text"), "runs is not a folder", "name another folder with `--out`"),
        (lambda root: (root.mkdir(), (root / "net").write_text("text")), "runs/net is not a folder",
         "name another folder with `--out`"),
        (lambda root: os.mkfifo(root), "runs is not a folder", "name another folder with `--out`"),
    ],
)  # fmt: skip
def test_obstacles_of_a_run_folder_are_reported(make, message, help, tmp_path, monkeypatch):
    """A broken link was retried forever."""
    monkeypatch.chdir(tmp_path)
    make(Path("runs"))
    with pytest.raises(CompileError) as caught:
        Run.create(Path("runs"), "net", WHEN)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("E0813", f"no run can be kept here: {message}")
    assert found.help == help


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied"),
        OSError(30, "Read-only file system"),
        OSError(28, "No space left"),
    ],
)
def test_an_unwritable_folder_is_reported(error, tmp_path, monkeypatch):
    real = Path.mkdir

    def mkdir(self, *args, **kwargs):
        if self.name.startswith("2026"):
            raise error
        real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(CompileError) as caught:
        Run.create(tmp_path, "net", WHEN)
    (found,) = caught.value.diagnostics
    assert found.message == f"no run can be kept here: {tmp_path / 'net'}: {error.strerror.lower()}"


def test_a_folder_called_latest_is_left_alone_and_the_run_is_kept(tmp_path):
    (tmp_path / "net" / "latest").mkdir(parents=True)
    (tmp_path / "net" / "latest" / "mine").write_text("text")
    run = Run.create(tmp_path, "net", WHEN)
    assert run.latest_warning is not None
    assert (run.latest_warning.code, run.latest_warning.severity) == ("W0801", "warning")
    run.write_weights({"w": np.ones(2, np.float32)})
    assert WeightFile(run.path("weights.safetensors"))["w"].tolist() == [1, 1]
    assert [p.name for p in (tmp_path / "net" / "latest").iterdir()] == ["mine"]
    assert {p.name for p in (tmp_path / "net").iterdir()} == {"latest", run.folder.name}


def test_an_unwritable_latest_is_reported_at_the_end(tmp_path, monkeypatch):
    run = Run.create(tmp_path, "net", WHEN)
    assert run.latest_warning is None

    def fail(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(run_writer, "point", fail)
    run.write_weights({"w": np.ones(2, np.float32)})
    assert run.latest_warning is not None
    assert run.latest_warning.message.endswith("latest: permission denied, so it does not point to this run")


@pytest.mark.parametrize("text", ["../../../etc\n", "..\n", "", "/etc", "a\nb\n", "x" * 256, "\0"], ids=repr)
def test_an_invalid_text_in_latest_is_ignored(text, tmp_path):
    (tmp_path / "latest").write_text(text)
    assert run_at(tmp_path / "latest") == tmp_path / "latest"


def test_better_weights_are_saved_at_intervals(tmp_path, monkeypatch):
    run, clock, saved = Run.create(tmp_path, "net", WHEN), [100.0], []
    monkeypatch.setattr(run_writer.time, "monotonic", lambda: clock[0])

    def epoch(n: int, best: bool, at: float) -> bool:
        clock[0] = at
        before = len(saved)
        run.epoch(
            Epoch(n, n, 0.1, 1.0, {"loss": 1.0}, {}, best), lambda: saved.append(n) or {"w": np.full(1, n)}
        )
        return len(saved) > before

    assert epoch(1, True, 100.0)
    assert not epoch(2, True, 101.0)  # too soon
    assert epoch(3, False, 103.0)  # the better weights of epoch 2, late
    assert not epoch(4, False, 110.0)  # nothing got better
    assert epoch(5, True, 111.0)
    assert WeightFile(run.path("weights.safetensors"))["w"] == 5


def test_files_are_written_atomically(tmp_path, monkeypatch):
    path = run_writer.write(tmp_path / "a", b"old")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        run_writer.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_diverges_keeps_its_last_good_weights(tmp_path):
    run = Run.create(tmp_path, "net", WHEN)
    bad = rows()
    bad["x"][3] = np.nan
    p = program()
    with pytest.raises(CompileError, match="NaN at step"):
        train(p, Dataset(bad), draw(p.graph, 0), on="cpu", listeners=[run])
    kept = WeightFile(run.path("weights.safetensors"))
    assert all(np.array_equal(kept[n], w) for n, w in draw(p.graph, 0).items())


# --- the screen -------------------------------------------------------------------------------------------


def test_without_a_terminal_epochs_are_plain_lines():
    console = Console(file=io.StringIO(), width=40)
    progress = Progress(console)
    trained([progress], validation=rows(10))
    *lines, best = console.file.getvalue().splitlines()
    assert len(lines) == 3
    for n, shown in enumerate(lines, 1):
        assert shown.startswith(f"epoch {n}/3  loss 0.")
        assert "validation loss 0." in shown and "accuracy" in shown
        assert "\x1b" not in shown
    assert lines[0].endswith("  *  0:00 left") and not lines[-1].endswith("left")
    found = re.fullmatch(r"best epoch: (\d) of 3, validation loss (0\.\d{4})", best)
    assert found
    marked = [n for n, shown in enumerate(lines, 1) if "  *" in shown]
    assert marked[-1] == int(found[1]), "the last star is that of the best epoch"
    assert f"validation loss {found[2]}" in lines[marked[-1] - 1]


def test_a_long_epoch_gets_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr(progress_display, "LONG", 0.0)
    monkeypatch.setattr(phase_training, "STEP_INTERVAL", 0.0)
    console = Console(file=io.StringIO(), width=40)
    trained([Progress(console)], batch=10)
    within = [line for line in console.file.getvalue().splitlines() if " rows/s" in line]
    pattern = r"epoch (\d)/3  (\d+) of 40 rows  loss 0\.\d{4}  rate 0\.001  [\d_]+ rows/s"
    found = [re.fullmatch(pattern, line) for line in within]
    assert [(int(m[1]), int(m[2])) for m in found if m] == [
        (epoch, rows) for epoch in (1, 2, 3) for rows in (10, 20, 30, 40)
    ]


def test_an_interrupted_first_epoch_is_the_best_one(monkeypatch):
    class Interrupting(Progress):
        def step(self, moment):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(phase_training, "STEP_INTERVAL", 0.0)
    console = Console(file=io.StringIO(), width=40)
    p = program({"train.early_stop": "patience(2)", "train.batch": 10})
    data = Dataset(rows(), validation=rows(10))
    train(p, data, draw(p.graph, 0), on="cpu", listeners=[Interrupting(console)])
    assert console.file.getvalue().splitlines()[1:] == [
        "interrupted: the weights of epoch 1 are kept", "best epoch: 1 of 1",
    ]  # fmt: skip


def test_a_terminal_has_a_progress_bar_that_is_removed(monkeypatch):
    monkeypatch.setattr(phase_training, "STEP_INTERVAL", 0.0)
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    progress = Progress(console)
    trained([progress])
    text = console.file.getvalue()
    assert re.search(r"loss 0\.\d{4}  rate 0\.001  [\d_]+ rows/s", text)
    assert "epoch 1/3" in text and "\x1b[?25l" in text  # the cursor is hidden
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # and visible again


def test_many_epochs_do_not_fill_the_screen():
    console = Console(file=io.StringIO(), width=200)
    p = compile(
        Source(
            "net.dl", "input x: float[2]\noutput y: class(2)\nx -> dense(2) -> y\ntrain { epochs = 200 }\n"
        )
    )
    train(p, Dataset(rows(4)), draw(p.graph, 0), on="cpu", listeners=[Progress(console)])
    lines = console.file.getvalue().splitlines()
    assert 20 <= len(lines) <= 23
    assert lines[0].startswith("epoch   1/200") and lines[-2].startswith("epoch 200/200")


def test_the_end_shows_a_table_and_the_paths():
    console = Console(file=io.StringIO(), width=30)
    figures = {"train": {"loss": 0.25, "accuracy": 0.9}, "test": {"loss": 1234.5, "accuracy": float("nan")}}
    summary(console, Trained({}, (), 3, "done", figures), parity=("1e-07", "3 rows are left out"),
            files=[("model", "runs/[net]/model.onnx")],
            next="dlc predict runs/net/latest/model.onnx rows.csv")  # fmt: skip
    assert console.file.getvalue().splitlines() == [
        "",
        "           loss  accuracy",
        "train    0.2500    0.9000",
        "test   1.23e+03         -",
        "",
        "parity  1e-07",
        "        3 rows are left out",
        "model   runs/[net]/model.onnx",
        "next    dlc predict runs/net/latest/model.onnx rows.csv",
    ]
    assert table({}) == [""]
    assert (number(0.0), number(1e-5), duration(4), duration(3723)) == ("0.0000", "1e-05", "0:04", "1:02:03")


def test_many_figures_and_classes_do_not_fill_the_screen():
    console = Console(file=io.StringIO(), width=30)
    figures = {"loss": 1.0} | {f"f1[{k}]": k / 100 for k in range(30)}
    counts = CountTable(tuple(map(str, range(30))), ((0,) * 30,) * 30)
    both = {"train": figures, "test": figures}
    summary(console, Trained({}, (), 3, "done", both, {"test": {"confusion_matrix": counts}}))
    lines = console.file.getvalue().splitlines()
    assert lines[1:4] == ["         train    test", "loss    1.0000  1.0000", "f1[0]   0.0000  0.0000"]
    assert lines[-1] == "test confusion_matrix: 30 classes; `tables.json` of the run has it"
    assert len(lines) == 2 + 31 + 2
    shown = line(Epoch(1, 1, 0.1, 0.1, {"loss": 1.0}, figures, True), 2)
    assert shown.endswith("f1[6] 0.0600  and 23 more  *")


@pytest.mark.parametrize(("ended", "kept", "words"), [
    ("early", 3, "stopped early: the weights of epoch 3 are kept"),
    ("interrupted", 0, "interrupted: the initial weights are kept"),
    ("done", 3, ""),
])  # fmt: skip
def test_an_early_end_is_reported(ended, kept, words):
    console, p = Console(file=io.StringIO(), width=200), program()
    progress = Progress(console)
    progress.begin(p, [TrainingPlan([32], 3)])
    progress.end(Trained({}, (), kept, ended))
    assert console.file.getvalue().strip() == words
