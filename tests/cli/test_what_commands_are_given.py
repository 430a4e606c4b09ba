"""Invalid arguments of every command: one line reports them, and nothing is written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stories import dlc, write

from dlc.cli import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC = """input x: float[2]
output y: float
x -> standardize -> dense(1) -> y
data { source = table([[1, 2, 3], [4, 5, 6]], columns=["x", "x", "y"]) }
train { epochs = 1 }
"""
TOO_LONG = "x" * 300
GIVEN = (
    None, "", "folder", "missing.dl", "missing.onnx", "empty.dl", "blank.dl", "empty.onnx", "binary",
    "binary.dl", "binary.onnx", "spec.dl", "spec.onnx", "model.onnx", "model.dl", "runs", "run", "killed",
    "begun", "torn", "spec.dl/x.dl", "a\udcff.dl", "--out=", TOO_LONG,
)  # fmt: skip
WORDS = ("explain", "doc")
FILES = [command for command in COMMANDS if command not in (*WORDS, "doctor", "cache")]
# Valid arguments of each command; `dlc show` takes both kinds.
SPECS = {
    (command, "spec.dl")
    for command in FILES
    if command not in ("verify", "eval", "predict", "export", "new", "report", "runs")
}
MODELS = {(c, model) for c in ("verify", "eval", "predict") for model in ("model.onnx", "model.dl", "run")}
TAKEN = SPECS | MODELS | {("show", "model.onnx"), ("export", "run"), ("export", "killed"),
                          ("diff", "model.onnx"), ("runs", None), ("runs", "runs"), ("report", "runs"),
                          *((command, run) for command in ("show", "test", "diff", "runs", "report")
                            for run in ("run", "killed", "begun"))}  # fmt: skip
REPORTS = ("check", "test")  # they print errors on standard output
GOLDEN = Path(__file__).parent / "given.txt"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of every kind, under the names above."""
    folder = tmp_path_factory.mktemp("given")
    spec = write(folder, "spec.dl", SPEC)
    done = dlc("train", spec, "--out", folder / "made")
    assert done.exit_code == 0, done.output
    run = next(path for path in (folder / "made" / "spec").iterdir() if path.name != "latest")
    (folder / "folder").mkdir()
    (folder / "runs").mkdir()
    shutil.copytree(run, folder / "run")
    shutil.copytree(run, folder / "runs" / "latest")
    for name, lost in (("killed", {"model.onnx"}), ("begun", {"model.onnx", "weights.safetensors"})):
        shutil.copytree(run, folder / name, ignore=lambda _, names, lost=lost: lost & {*names})
    shutil.copytree(run, folder / "torn", ignore=lambda _, names: {"model.onnx"} & {*names})
    write(folder / "torn", "spec.json", '{"name": "spec.dl", "files": 3')
    shutil.copy(run / "model.onnx", folder / "model.onnx")
    shutil.copy(run / "model.onnx", folder / "model.dl")
    shutil.copy(spec, folder / "spec.onnx")
    for name in ("empty.dl", "empty.onnx"):
        write(folder, name, "")
    write(folder, "blank.dl", " \n\n")
    for name in ("binary", "binary.dl", "binary.onnx"):
        (folder / name).write_bytes(bytes(range(256)))
    write(folder, "rows.csv", "x,x,y\n1,2,3\n")
    shutil.rmtree(folder / "made")
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def line_of(command: str, given: str | None) -> list[str]:
    second = {"eval": ["rows.csv"], "predict": ["rows.csv"], "diff": ["spec.dl"]}
    behind = second.get(command, []) if given is not None else []
    return [command, *([] if given is None else [given]), *behind]


def test_invalid_arguments_are_reported_in_one_line(
    kinds: Path, monkeypatch: pytest.MonkeyPatch, golden: Callable[[Path, str], None]
) -> None:
    monkeypatch.chdir(kinds)
    before, messages = contents(kinds), []
    for command in FILES:
        for given in GIVEN:
            if (command, given) in TAKEN:
                continue
            line = line_of(command, given)
            done = dlc(*line)
            printed = done.stdout if command in REPORTS and not done.stderr else done.stderr
            assert done.exit_code in (1, 2), line
            assert len(re.findall(r"^error(\[E\d{4}\])?: ", printed, re.MULTILINE)) == 1, (line, printed)
            assert "Traceback" not in done.output
            assert contents(kinds) == before, line
            if given != TOO_LONG:  # the message of which depends on Python
                typed = " ".join(line).encode("utf-8", "backslashreplace").decode()
                messages.append(f"$ dlc {typed}\n{shown(printed)}\n")
    golden(GOLDEN, "\n".join(messages))


def shown(printed: str) -> str:
    """The message, without text of other libraries and additions of `dlc check`."""
    printed = re.sub(r"(ONNX Runtime can run): .*", r"\1: ...", printed)
    lines = [line for line in printed.splitlines() if line and not line.startswith("`dlc explain")]
    return "\n".join(line for line in lines if not re.match(r"\S+$|\d+ error|the spec does not", line))


@pytest.mark.parametrize(("command", "given"), sorted(TAKEN, key=str))
def test_valid_arguments_are_accepted(
    command: str, given: str, kinds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shutil.copytree(kinds, tmp_path / "given")
    monkeypatch.chdir(place)
    done = dlc(*line_of(command, given))
    assert done.exit_code == 0, done.output
    assert "error" not in done.stderr


@pytest.mark.parametrize("command", WORDS)
def test_words_are_text(command: str) -> None:
    done = dlc(command, "a\udcff")
    expected = ["error: `a\\xff` is not UTF-8 text", "  = help: give it a name in UTF-8"]
    assert (done.exit_code, done.stderr.splitlines()) == (1, expected)


@pytest.mark.parametrize(
    "command",
    [c for c in FILES if c not in ("verify", "eval", "predict", "test", "new", "report", "runs")],
)
@pytest.mark.parametrize(("name", "holds", "help"), [
    ("my rows.csv", "holds rows", "`dlc train f.dl --data 'my rows.csv'` trains with them"),
    ("rows.parquet", "holds rows", "`dlc train f.dl --data rows.parquet` trains with them"),
    ("rows.npz", "holds rows", "`dlc train f.dl --data rows.npz` trains with them"),
    ("w.safetensors", "holds weights", "`dlc export f.dl --weights w.safetensors` uses them"),
    ("net.py", "is Python", "name a .dl file"),
])  # fmt: skip
def test_a_file_that_is_not_a_spec_is_reported_once(
    command: str, name: str, holds: str, help: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, name, "a,b\n1,2\n" * 200)
    lines = dlc(command, name, *([name] if command == "diff" else [])).output.splitlines()
    expected = [f"error[E0001]: {name} {holds}; expected a spec", f"  = help: {help}"]
    assert lines[:2] == expected
    assert not any("error[" in line for line in lines[2:])


@pytest.mark.parametrize("command", ["predict", "eval", "verify"])
def test_weights_are_not_a_model(
    command: str, kinds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kinds)
    other = shutil.copy("run/weights.safetensors", tmp_path / "w.safetensors")
    for place, makes in (
        ("run/weights.safetensors", "`dlc export run -o run/model.onnx` makes the model of them"),
        (other, f"`dlc export f.dl --weights {other}` makes one of them"),
    ):
        done = dlc(*line_of(command, str(place)))
        expected = f"error: {place} holds weights, and a model is wanted: {makes}\n"
        assert (done.exit_code, done.stderr) == (1, expected)


OUTPUTS = {
    "export": ["export", "run", "-o"], "predict": ["predict", "run", "rows.csv", "-o"],
    "emit": ["emit", "spec.dl", "-o"], "show": ["show", "spec.dl", "--svg"],
    "train": ["train", "spec.dl", "--out"], "report": ["report", "run", "-o"],
}  # fmt: skip


@pytest.mark.parametrize("command", OUTPUTS)
@pytest.mark.parametrize(("place", "why"), [
    ("", "an argument is empty"), ("a\udcff", r"`a\xff` is not UTF-8 text"), ("folder", "is a folder"),
    ("no/where", "no such file or directory"), ("spec.dl/x", "no"), ("x" * 300, "file name too long"),
])  # fmt: skip
def test_an_unwritable_output_is_reported_before_the_work(
    command: str, place: str, why: str, kinds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command == "train" and place in ("folder", "no/where"):
        return  # these are valid folders for runs
    monkeypatch.chdir(kinds)
    before = contents(kinds)
    done = dlc(*OUTPUTS[command], place)
    assert done.exit_code in (1, 2)
    assert done.stderr.startswith("error")
    assert why in done.stderr.splitlines()[0]
    assert contents(kinds) == before
