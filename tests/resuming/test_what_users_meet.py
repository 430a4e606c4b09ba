"""Resuming a run, as a user meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from benchmarks.kills import differences
from click.testing import CliRunner, Result
from kept_states import states

import dlc
from dlc.cli import commands

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """
input  a: float
input  b: float
output y: class(no, yes)

stack(a, b) -> standardize -> dense(8) -> relu -> dropout(0.1) -> dense(2) -> y

data {
  source     = csv("rows.csv")
  validation = 0.25
}
train {
  batch  = 16
  epochs = 4
  keep   = epochs(1)
}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [f"{n * 7 % 11},{n * 5 % 13},{'yes' if n % 3 else 'no'}" for n in range(80)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    (tmp_path / "f.dl").write_text(SPEC)
    return tmp_path


def train(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["train", *arguments])


def folder(here: Path) -> Path:
    return here / "runs/f" / os.readlink(here / "runs/f/latest")


def test_a_run_that_was_done_goes_on_longer(here: Path) -> None:
    """As one that was as long from the beginning: the learning rate is constant."""
    assert train("f.dl", "--set", "train.epochs=7", "--out", "long").exit_code == 0
    assert train("f.dl").exit_code == 0
    done = train("--resume", "runs/f/latest", "--set", "train.epochs=7")
    assert done.exit_code == 0, done.output
    assert "resumed: runs/f/latest, after step 16, with 4 complete epochs" in done.output
    long = here / "long/f" / os.readlink(here / "long/f/latest")
    assert differences(long, folder(here)) in ([], ["model.onnx"])  # which names its settings
    assert len((folder(here) / "metrics.jsonl").read_text().splitlines()) == 7
    assert json.loads((folder(here) / "run.json").read_text())["resumed"] == [16]


def test_a_condition_that_held_may_be_changed(here: Path) -> None:
    (here / "f.dl").write_text(SPEC.replace("batch  = 16", "batch  = 16\n  until  = train.loss <= 100"))
    assert len(train("f.dl").output.split("epoch 1/4")) == 2
    longer = ["--resume", "runs/f/latest", "--set", "train.until=train.loss <= 0"]
    assert train(*longer).exit_code == 0
    assert len((folder(here) / "metrics.jsonl").read_text().splitlines()) == 4


def test_the_last_two_states_and_the_best_are_kept(here: Path) -> None:
    assert train("f.dl", "--set", "train.epochs=12", "--set", "train.optimizer=sgd(lr=3)").exit_code == 0
    lines = map(json.loads, (folder(here) / "metrics.jsonl").read_text().splitlines())
    losses = [line["validation"]["loss"] for line in lines]
    best = losses.index(min(losses)) + 1
    assert states(folder(here)) == sorted({4 * best, 4 * 11, 4 * 12})


def test_none_is_kept_where_none_is_asked_for(here: Path) -> None:
    assert train("f.dl", "--set", "train.keep=none").exit_code == 0
    assert states(folder(here)) == []
    begun = train("--resume", "runs/f/latest")
    assert "runs/f/latest has kept no state yet, so it begins anew" in begun.output


def test_the_spec_may_move_and_change_in_its_comments(here: Path) -> None:
    assert train("f.dl").exit_code == 0
    (here / "f.dl").write_text("# better\n" + SPEC.replace("    = epochs(1)", " = epochs(1)"))
    assert train("f.dl", "--resume", "runs/f/latest", "--set", "train.epochs=5").exit_code == 0
    os.chdir("/")
    moved = train("--resume", str(here / "runs/f/latest"), "--set", "train.epochs=6")
    assert moved.exit_code == 0, moved.output


def test_a_changed_network_is_named(here: Path) -> None:
    assert train("f.dl").exit_code == 0
    (here / "f.dl").write_text(SPEC.replace("dense(8)", "dense(9)").replace("batch  = 16", "batch  = 8"))
    refused = train("f.dl", "--resume", "runs/f/latest")
    assert refused.exit_code == 1
    assert "error[E0817]: the spec is not that of runs/f/latest" in refused.output
    assert "units 8 -> 9" in refused.output
    assert "train.batch: 16 -> 8" in refused.output


def test_changed_data_is_named(here: Path) -> None:
    assert train("f.dl").exit_code == 0
    text = (here / "rows.csv").read_text()
    (here / "rows.csv").write_text(text.replace("\n7,5,", "\n7,6,"))
    refused = train("--resume", "runs/f/latest")
    assert "error[E0818]: the data is not that of runs/f/latest: other values of `b` in the" in refused.output
    (here / "rows.csv").write_text(text + "1,1,no\n" * 8)
    refused = train("--resume", "runs/f/latest")
    assert "66 train rows, and the run has 60; 22 validation rows, and the run has 20" in refused.output


def test_a_state_that_was_cut_off_is_not_taken_for_a_whole_one(here: Path) -> None:
    assert train("f.dl").exit_code == 0
    newest = max((folder(here) / "states").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    resumed = train("--resume", "runs/f/latest", "--set", "train.epochs=5")
    assert resumed.exit_code == 0
    assert "after step 12, with 3 complete epochs" in resumed.output
    assert f"note: {newest.relative_to(here)} is not a state that can be read" in resumed.output
    assert "an older state is taken" in resumed.output


@pytest.mark.parametrize("place", [8, 200, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_state_with_a_flipped_bit_is_not_taken(place: float, here: Path) -> None:
    assert train("f.dl").exit_code == 0
    assert train("f.dl", "--set", "train.epochs=5", "--out", "long").exit_code == 0
    newest = max((folder(here) / "states").iterdir())
    content = bytearray(newest.read_bytes())
    content[int(place if place >= 1 else place * len(content))] ^= 1
    newest.write_bytes(content)
    resumed = train("--resume", "runs/f/latest", "--set", "train.epochs=5")
    assert resumed.exit_code == 0
    assert "after step 12, with 3 complete epochs" in resumed.output
    assert f"note: {newest.relative_to(here)} is not a state that can be read" in resumed.output
    long = here / "long/f" / os.readlink(here / "long/f/latest")
    assert differences(long, folder(here)) in ([], ["model.onnx"])


def test_weights_of_an_earlier_end_do_not_stay(here: Path) -> None:
    """`--weights best` and `last` of a run that went on are those of its new end."""
    assert train("f.dl").exit_code == 0
    weights = {"weights.safetensors", "best.safetensors", "last.safetensors"}
    for name in weights:
        (folder(here) / name).write_bytes((folder(here) / "weights.safetensors").read_bytes())
    assert train("--resume", "runs/f/latest", "--set", "train.epochs=5").exit_code == 0
    epochs = json.loads((folder(here) / "epochs.json").read_text())
    assert {name for name in weights if (folder(here) / name).exists()} == epochs.keys() != weights


def test_weights_of_an_earlier_end_do_not_stay_while_it_goes_on(here: Path) -> None:
    """A resumed run that stops without an end has the files of none."""

    class Stops(dlc.Listener):
        def epoch(self, epoch, weights):
            if epoch.epoch == 6:
                raise RuntimeError("stopped")

    (here / "f.dl").write_text(SPEC.replace("dropout(0.1)", "dropout(0)"))
    assert train("f.dl").exit_code == 0
    run = folder(here)
    for name in ("best.safetensors", "last.safetensors"):
        (run / name).write_bytes((run / "weights.safetensors").read_bytes())
    before = (run / "weights.safetensors").read_bytes()
    with pytest.raises(RuntimeError, match="stopped"):
        dlc.train(resume=run, params={"train.epochs": 9}, listeners=[Stops()])
    assert (run / "weights.safetensors").read_bytes() != before
    gone = ("best.safetensors", "last.safetensors", "epochs.json", "figures.json", "answers.json")
    assert [name for name in gone if (run / name).exists()] == []


def test_a_state_whose_header_names_no_values_is_not_taken(here: Path) -> None:
    assert train("f.dl").exit_code == 0
    newest = max((folder(here) / "states").iterdir())
    content = newest.read_bytes()
    assert content.count(b'"state":') == 1
    newest.write_bytes(content.replace(b'"state":', b'"stale":'))
    resumed = train("--resume", "runs/f/latest", "--set", "train.epochs=5")
    assert resumed.exit_code == 0
    assert "an older state is taken" in resumed.output


@pytest.mark.parametrize("damage", [b"", b"{}", b"\0" * 4096])
def test_states_that_are_all_damaged_are_an_error(here: Path, damage: bytes) -> None:
    assert train("f.dl").exit_code == 0
    for state in (folder(here) / "states").iterdir():
        state.write_bytes(damage)
    refused = train("--resume", "runs/f/latest")
    assert refused.exit_code == 1
    assert "is not a state that can be read" in refused.output
    assert f"remove {folder(here).relative_to(here) / 'states'}, and the run begins anew" in refused.output
    for state in (folder(here) / "states").iterdir():
        state.unlink()
    assert train("--resume", "runs/f/latest").exit_code == 0


@pytest.mark.parametrize(
    "lengths, asked, done",
    [("epochs = 4", "train.epochs=2", "4 epochs"), ("steps = 9", "train.steps=8", "9 steps")],
)
def test_a_run_is_not_made_shorter_than_it_is(lengths: str, asked: str, done: str, here: Path) -> None:
    (here / "f.dl").write_text(SPEC.replace("epochs = 4", lengths))
    assert train("f.dl").exit_code == 0
    before = {path: path.read_bytes() for path in folder(here).rglob("*") if path.is_file()}
    refused = train("--resume", "runs/f/latest", "--set", asked)
    assert refused.exit_code == 1
    assert (
        f"error[E0817]: runs/f/latest has {done} already, and the spec asks for {asked[-1]}" in refused.output
    )
    assert {path: path.read_bytes() for path in folder(here).rglob("*") if path.is_file()} == before


def test_a_run_without_the_record_of_its_data_is_an_error(here: Path) -> None:
    assert train("f.dl").exit_code == 0
    (folder(here) / "run.json").unlink()
    refused = train("--resume", "runs/f/latest", "--set", "train.epochs=5")
    assert refused.exit_code == 1
    assert "runs/f/latest cannot be resumed, because it has no file run.json" in refused.output


def test_a_state_of_another_run_is_an_error(here: Path) -> None:
    (here / "f.dl").write_text(SPEC)
    (here / "g.dl").write_text(SPEC.replace("dense(8)", "dense(9)"))
    assert train("f.dl").exit_code == train("g.dl").exit_code == 0
    for state in (folder(here) / "states").iterdir():
        state.unlink()
    other = here / "runs/g" / os.readlink(here / "runs/g/latest") / "states"
    for state in other.iterdir():
        state.rename(folder(here) / "states" / state.name)
    refused = train("--resume", "runs/f/latest", "--set", "train.epochs=9")
    assert refused.exit_code == 1
    assert "error: the state that the run has kept is not one of this spec" in refused.output


def test_what_is_no_run_is_an_error(here: Path) -> None:
    assert "there is no run at runs/none" in train("--resume", "runs/none").output
    assert "is not a run folder" in train("--resume", str(here)).output
    assert "give a spec, or a run with --resume" in train().output
    assert train("f.dl").exit_code == 0
    assert "--out is for a new run" in train("--resume", "runs/f/latest", "--out", "x").output


def test_a_run_on_rows_given_in_python_is_resumed_in_python(here: Path) -> None:
    rows = {"a": [1.0, 2, 3, 4] * 8, "b": [2.0, 1, 4, 3] * 8, "y": ["no", "yes"] * 16}
    run = dlc.train("f.dl", data=rows)
    refused = train("--resume", "runs/f/latest")
    assert "cannot read its rows, because its rows were given in Python" in refused.output
    longer = dlc.train(resume=run.folder, data=rows, params={"train.epochs": "6"})
    assert longer.trained is not None
    assert longer.trained.last == 6


def test_rows_past_memory_are_shuffled_as_before(here: Path) -> None:
    """The order of encoded rows is another one than that of rows in memory."""
    given = ["f.dl", "--memory", "1KB", "--set", "train.epochs=6"]
    assert train(*given, "--out", "whole").exit_code == 0
    assert train(*given[:-1], "train.epochs=3").exit_code == 0
    refused = train("--resume", "runs/f/latest", "--set", "train.epochs=6", "--memory", "1GB")
    assert "the training rows are in memory, and those of runs/f/latest were encoded" in refused.output
    assert train("--resume", "runs/f/latest", "--set", "train.epochs=6").exit_code == 0
    whole = here / "whole/f" / os.readlink(here / "whole/f/latest")
    assert "weights.safetensors" not in differences(whole, folder(here))
    in_memory = train("f.dl", "--set", "train.epochs=6", "--out", "other")
    assert in_memory.exit_code == 0
    other = here / "other/f" / os.readlink(here / "other/f/latest")
    assert "weights.safetensors" in differences(whole, other)


def test_other_versions_and_devices_are_told(here: Path) -> None:
    assert train("f.dl").exit_code == 0
    how = json.loads((folder(here) / "run.json").read_text())
    how["versions"]["torch"], how["device"] = "1.0", "cpu"
    (folder(here) / "run.json").write_text(json.dumps(how))
    told = train("--resume", "runs/f/latest", "--set", "train.epochs=5")
    assert re.search(r"note: torch \S+, then 1\.0: the last digits may differ", told.output)
    refused = train("--resume", "runs/f/latest", "--device", "cuda")
    assert "error: runs/f/latest was trained on cpu, not on cuda: leave `--device` out" in refused.output


def test_an_address_without_its_password_is_asked_for_again(here: Path) -> None:
    assert train("f.dl").exit_code == 0
    how = json.loads((folder(here) / "run.json").read_text())
    (folder(here) / "run.json").write_text(json.dumps(how | {"data": "s3://b/rows.csv", "cut": True}))
    refused = train("--resume", "runs/f/latest")
    assert "was kept without what signs in: give them again with `--data`" in refused.output


@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGTERM, 2)])
def test_a_signal_ends_the_run_and_says_how_to_go_on(number: signal.Signals, times: int, here: Path) -> None:
    """`timeout` sends SIGTERM to the process and to its group, so it comes twice."""
    out = here / "out.txt"
    given = ["train", "f.dl", "--set", "train.epochs=1_000_000", "--set", "train.keep=minutes(10)"]
    with out.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "dlc", *given], stdout=file)
        while not (here / "runs/f/latest").exists() and process.poll() is None:
            time.sleep(0.01)
        twice = train("--resume", str(folder(here)))
        assert f"error: {folder(here)} is trained by another process" in twice.output
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.05)
        assert process.wait(60) == 130
    words = out.read_text()
    run = os.path.relpath(folder(here))
    assert "interrupted" in words
    assert f"  dlc train --resume {run}\n" in words
    [step] = states(folder(here))
    resumed = train("--resume", run, "--set", f"train.epochs={step // 4 + 2}")
    assert resumed.exit_code == 0, resumed.output
    assert f"after step {step:_}, with" in resumed.output
