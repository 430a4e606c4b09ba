"""`dlc check`: all errors with source locations, and the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from stories import IRIS, dlc, write

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("torch", "onnx", "onnx_ir", "onnxruntime", "numpy", "pyarrow", "sklearn", "rich")


def test_a_valid_spec_gets_a_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "iris.dl", IRIS)
    monkeypatch.chdir(tmp_path)
    done = dlc("check", "iris.dl")
    assert (done.exit_code, done.output) == (0, "no errors in iris.dl: 67 parameters\n")


def test_parameters_may_depend_on_very_many_class_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = range(100)
    lines = [f"input x{n}: class(auto)\nh{n} = x{n} -> embedding(2)" for n in fields]
    lines += ["output y: float", f"concat({', '.join(f'h{n}' for n in fields)}) -> dense(1) -> y", ""]
    write(tmp_path, "many.dl", "\n".join(lines))
    monkeypatch.chdir(tmp_path)
    done = dlc("check", "many.dl")
    wanted = "no errors in many.dl: (more, known with the data) + 201 parameters\n"
    assert (done.exit_code, done.output) == (0, wanted)
    for view in ("--table", "--weights"):
        assert "(more, known with the data) + 201 parameters" in dlc("show", "many.dl", view).output


def test_errors_are_rendered_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs").mkdir()
    write(
        tmp_path / "specs", "iris.dl", IRIS.replace("relu", "rellu").replace("dense(3)", "dense(3, uints=1)")
    )
    monkeypatch.chdir(tmp_path)
    done = dlc("check", "specs/iris.dl")
    assert done.exit_code == 1
    assert " --> specs/iris.dl:7:47\n" in done.output, "the path leads there from the working folder"
    assert "help: did you mean `relu`?" in done.output
    end = "2 errors in specs/iris.dl\n`dlc explain E0301` explains it, with a corrected spec\n"
    assert done.output.endswith(end)


def test_a_warning_is_not_an_error(tmp_path: Path) -> None:
    text = "input x: float[4]\noutput y: float[3]\nx -> dense(3) -> softmax -> y\n"
    done = dlc("check", write(tmp_path, "warned.dl", text))
    assert done.exit_code == 0
    assert "warning[W0401]" in done.output
    assert "no errors and 1 warning in " in done.output


def test_several_files_have_one_exit_code(tmp_path: Path) -> None:
    good, bad = write(tmp_path, "good.dl", IRIS), write(tmp_path, "bad.dl", "input x: flaot\n")
    done = dlc("check", bad, good)
    assert done.exit_code == 1
    assert f"1 error in {bad}" in done.output
    assert f"no errors in {good}" in done.output
    assert dlc("check", good, good).exit_code == 0


def test_json_is_one_array_for_tools(tmp_path: Path) -> None:
    good, bad = write(tmp_path, "good.dl", IRIS), write(tmp_path, "bad.dl", "input x: flaot\n")
    assert json.loads(dlc("check", "--format", "json", good).output) == []
    done = dlc("check", "--format", "json", good, bad, tmp_path / "none.dl")
    found = json.loads(done.output)
    assert done.exit_code == 1
    assert [(d["severity"], d["line"], d["column"]) for d in found if d["line"]] == [("error", 1, 10)]
    assert found[-1]["code"] == "E0001"


def test_params_can_be_set(tmp_path: Path) -> None:
    spec = write(tmp_path, "iris.dl", IRIS)
    assert "99 parameters" in dlc("check", "--set", "units=12", spec).output
    assert "has no param `unit`" in dlc("check", "--set", "unit=12", spec).output
    without = write(tmp_path, "without.dl", "input x: float\noutput y: float\nx -> dense(1) -> y\n")
    assert "help: this spec declares no params" in dlc("check", "--set", "unit=12", without).output
    assert dlc("check", "--set", "units=twelve", spec).exit_code == 1
    assert dlc("check", "--set", "units", spec).exit_code == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00binary", "is not UTF-8 text (line 1)"),
        (b"#" * 1_000_001, "is larger than 1_000_000 bytes"),
    ],
)
def test_a_file_that_is_not_text_is_reported(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.dl"
    path.write_bytes(content)
    done = dlc("check", path)
    assert done.exit_code == 1
    assert message in done.output


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    write(tmp_path, "iris.dl", IRIS)
    assert "help: did you mean `iris.dl`?" in dlc("check", tmp_path / "irs.dl").output
    assert "is a folder" in dlc("check", tmp_path).output
    assert "there is no folder" in dlc("check", tmp_path / "no" / "iris.dl").output


def test_imports_are_relative_to_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs" / "parts").mkdir(parents=True)
    write(tmp_path / "specs" / "parts", "mlp.dl", "block mlp(x; n) { return x -> dense(n) -> rellu }\n")
    text = 'import mlp from "parts/mlp.dl"\ninput x: float[4]\noutput y: float[2]\nx -> mlp(2) -> y\n'
    write(tmp_path / "specs", "model.dl", text)
    monkeypatch.chdir(tmp_path)
    done = dlc("check", "specs/model.dl")
    assert " --> specs/parts/mlp.dl:1:" in done.output
    assert "used at specs/model.dl:4:6" in done.output


def test_it_loads_nothing_heavy(tmp_path: Path) -> None:
    spec = write(tmp_path, "iris.dl", IRIS)
    commands = [["check", str(spec)], ["--help"], ["fmt", "--check", str(spec)], ["show", str(spec)]]
    for arguments in [*commands, ["explain"], ["explain", "E0203"], ["doc"], ["doc", "conv"]]:
        program = (
            "import sys\nfrom dlc.cli import commands\n"
            f"try:\n    commands({arguments!r})\nexcept SystemExit as end:\n    assert not end.code\n"
            f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]", arguments


def test_colours_are_only_for_terminals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlc.cli.command_errors import colored

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colored(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colored(Terminal())
    assert "\033" not in dlc("check", write(tmp_path, "bad.dl", "input x: flaot\n")).output
