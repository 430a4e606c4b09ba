"""Messages for invalid command lines, and for internal errors."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from stories import IRIS, dlc, write

from dlc.cli import COMMANDS, options

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = dlc(command, "--help")
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: commands {command} ")
    listed = dlc("--help").output
    line = next(line for line in listed.splitlines() if line.split()[:1] == [command])
    assert line.endswith("."), "its words fit on the line"


def test_a_command_misspelt() -> None:
    done = dlc("chekc")
    assert done.exit_code == 2
    assert "there is no command `chekc`; did you mean `check`?" in done.output
    assert "`dlc --help` lists the commands" in dlc("frobnicate").output


@pytest.mark.parametrize(
    "arguments",
    [["check"], ["show"], ["train", "a", "b"], ["predict", "m.onnx"], ["show", "--stage", "no", "x"]],
)
def test_wrong_use_ends_with_2(arguments: list[str]) -> None:
    assert dlc(*arguments).exit_code == 2


@pytest.mark.parametrize(("option", "setting"), [
    ("--epochs", "train.epochs=..."), ("--batch-size", "train.batch=..."),
    ("--validation", "data.validation=..."), ("--lr", "'train.optimizer=adam(lr=...)'"),
    ("--learning_rate", "'train.optimizer=adam(lr=...)'"),
    ("--weight-decay", "'train.optimizer=adam(weight_decay=...)'"),
])  # fmt: skip
def test_an_option_that_is_a_setting_gets_a_hint(option: str, setting: str) -> None:
    for command in ("train", "check"):
        done = dlc(command, "p.dl", option, "3")
        assert (done.exit_code, done.stderr.splitlines()) == (2, [
            f"error: no such option '{option}'",
            f"  = help: it is a setting of the spec: `--set {setting}`",
        ])  # fmt: skip


def test_a_misspelt_option_gets_a_suggestion() -> None:
    assert dlc("train", "p.dl", "--dta", "x").stderr.endswith("  = help: did you mean `--data`?\n")
    assert dlc("train", "--hlep").stderr.endswith("  = help: did you mean `--help`?\n")
    for command in ("train", "predict"):
        assert "mean" not in dlc(command, "p.dl", "--sl", "1").stderr


@pytest.mark.parametrize("device", ["cuda:999", "cuda:N"])
def test_one_of_several_gpus_may_be_named(device: str, tmp_path: Path) -> None:
    done = dlc("train", write(tmp_path, "iris.dl", IRIS), "--device", device)
    assert done.stderr.splitlines()[0] == f"error[E0805]: there is no device `{device}` here"
    assert "'gpu' is not one of" in dlc("train", "iris.dl", "--device", "gpu").stderr


def test_ctrl_c_prints_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dlc.cli.check.check_all", interrupted)
    done = dlc("check", write(tmp_path, "iris.dl", IRIS))
    assert (done.exit_code, done.stderr) == (130, "stopped\n")


def test_internal_errors_have_a_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by us")

    monkeypatch.setattr("dlc.cli.check.check_all", broken)
    done = dlc("check", write(tmp_path, "iris.dl", IRIS))
    assert done.exit_code == 1
    assert done.stderr.startswith("Traceback")
    assert "ZeroDivisionError: by us" in done.stderr
    assert "error: this is an error in dlc, not in your file" in done.stderr


def test_files_that_cannot_be_written_are_reported_in_one_line(tmp_path: Path) -> None:
    spec = write(tmp_path, "iris.dl", IRIS)
    done = dlc("show", spec, "--svg", tmp_path / "no" / "net.svg")
    assert done.stderr == f"error: {tmp_path / 'no' / 'net.svg'}: no such file or directory\n"
    done = dlc("train", spec, "--out", spec)
    assert done.stderr.splitlines() == [
        f"error[E0813]: no run can be kept here: {spec} is not a folder",
        "  = help: name another folder with `--out`",
        "",
    ]


def test_too_little_memory_is_not_an_error_of_dlc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hungry(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("dlc.cli.check.check_all", hungry)
    done = dlc("check", write(tmp_path, "iris.dl", IRIS))
    assert (done.exit_code, done.stderr) == (1, "error: there is not enough memory for this\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("-1", -1), ("1e-3", 1e-3), ("61_706", 61706), ("true", True), ("none", None),
     ('"a b"', "a b"), ("word", "word"), ("[1, [2.5, x]]", [1, [2.5, "x"]]), ("+2", 2)],
)  # fmt: skip
def test_values_are_written_as_in_a_spec(text: str, value: object) -> None:
    assert options.literal(text) == value


@pytest.mark.parametrize("text", ["", "1 +", "f(2)", "a -> b", "1\ny = 2", "-true", '"open', "x; y"])
def test_other_expressions_are_not_values(text: str) -> None:
    with pytest.raises(ValueError, match="value"):
        options.literal(text)


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dlc", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("dlc 0.")


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    spec = write(
        tmp_path, "x.dl", "input x: float[4]\noutput y: float[4]\nx -> repeat(3000, dense(4)) -> y\n"
    )
    command = f"{sys.executable} -m dlc show --stage graph {spec} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == "graph x {\n"
    assert "Traceback" not in done.stderr
