"""`dlc export RUN`: the artifact of a run again, byte for byte, also of an interrupted run."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load_file, save_file
from stories import IRIS, dlc, write

import dlc as face
from dlc.runtime import run_writer
from dlc.runtime.artifact import verify

if TYPE_CHECKING:
    from collections.abc import Callable

TRAIN = "train { optimizer = adam(lr=0.02)\n epochs = 2\n batch = 16 }\n"
ROWS = "width,height,colour,sold,price,sort\n" + "".join(
    f"{n % 7},{n % 5},{('red', 'green', 'blue')[n % 3]},{n % 2},{(n % 4) or '?'},{'pq'[n % 2]}\n"
    for n in range(40)
)
# Classes from the rows, other column names, a param, an import, several outputs, missing numbers.
WIDE = """import unit from "parts/unit.dl"
param units = 3
input size: float[2]
input kind: class(auto)
input price: float
output colour: class(auto)
output sold: binary("no", "yes")
h = concat(size -> standardize, kind -> one_hot, price -> impute(mean)) -> unit(units)
h -> dense(colour.classes) -> colour
h -> dense(1) -> sold
data {
  source = csv("rows.csv", missing="?")
  size   = columns("width", "height")
  kind   = column("sort")
  test   = 0.25
}
train { epochs = 2 }
"""


def model_of(folder: Path) -> Path:
    return next(folder.glob("*/latest/model.onnx")).resolve()


def exported(run: Path, *more: object) -> bytes:
    path = run.parent / "again.onnx"
    path.unlink(missing_ok=True)
    done = dlc("export", run, "-o", path, *more)
    assert done.exit_code == 0, done.output
    return path.read_bytes()


# --- the same bytes ---------------------------------------------------------------------------------------

SPECS = {
    "a built-in set": IRIS + TRAIN,
    "test rows": IRIS.replace('builtin("iris")', 'builtin("iris")\n test = 0.2\n validation = 0.1') + TRAIN,
    "early stopping": IRIS.replace('builtin("iris")', 'builtin("iris")\n validation = 0.2')
    + "train { epochs = 9\n early_stop = patience(1) }\n",
    "chosen outputs": IRIS + TRAIN + "export { outputs = [species.logits]\n opset = 18 }\n",
    "rows in the spec": "input a, b: bool\noutput c: binary\nconcat(a, b) -> dense(1) -> c\n"
    "data { source = table([[0, 1, 1], [1, 1, 0]]) }\ntrain { epochs = 2 }\n",
    "drawn rows": "input z: float[2]\noutput y: float[2]\nz -> dense(2) -> y\n"
    "data { z = normal() }\ntrain { loss = mse(y, z)\n steps = 3\n batch = 4 }\n",
    "nothing to learn": "input x: float[2]\noutput both: binary\n"
    "x -> dense(1, weight=[[1, 1]], bias=[-1.5]) -> threshold -> both\n",
    "a figure that is no number": "input x: float\noutput y: binary\nx -> dense(1) -> y\n"
    'data { source = table([[1, 1], [2, 1]], columns=["x", "y"]) }\n'
    "train { metrics = auroc\n epochs = 1 }\n",
}


@pytest.mark.parametrize("case", SPECS)
def test_an_artifact_is_written_again_byte_for_byte(case: str, tmp_path: Path) -> None:
    done = dlc("train", write(tmp_path, "m.dl", SPECS[case]), "--out", tmp_path / "runs")
    assert done.exit_code == 0, done.output
    model = model_of(tmp_path / "runs")
    assert exported(model.parent) == model.read_bytes()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the spec `WIDE`. Its rows and its spec are deleted."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "parts").mkdir()
    write(folder / "parts", "unit.dl", "block unit(x; n) { return x -> dense(n) -> relu }\n")
    spec, rows = write(folder, "wide.dl", WIDE), write(folder, "rows.csv", ROWS)
    done = dlc("train", spec, "--set", "units=5", "--out", folder / "runs")
    assert done.exit_code == 0, done.output
    run = model_of(folder / "runs").parent
    rows.unlink()
    spec.unlink()
    return run


def test_rows_and_spec_are_not_needed(wide: Path) -> None:
    assert exported(wide) == (wide / "model.onnx").read_bytes()
    metadata = face.load(wide).metadata
    assert metadata.parity["batches"][-2:] == ["1 real rows", "10 real rows"]
    assert metadata.columns == {"size": ["width", "height"], "kind": ["sort"]}
    assert metadata.params == {"units": 5}
    assert metadata.figures.keys() == {"train", "test"}


def test_rows_from_python_are_used_by_the_parity_check_too(tmp_path: Path) -> None:
    text = "input kind: class(auto)\ninput x: float\noutput y: float\n"
    text += "(kind -> one_hot -> dense(1)) + x -> y\n" + "train { epochs = 1 }\n"
    data: dict[str, Any] = {"kind": ["a", "b"] * 50, "x": np.arange(100.0), "y": np.arange(100.0)}
    run = face.train(text=text, data=data, out=tmp_path).folder
    assert exported(run) == (run / "model.onnx").read_bytes()
    assert len(load_file(run / "rows.safetensors")["x"]) == 64, "no more rows than the proof takes"


def test_no_row_is_in_the_artifact(wide: Path) -> None:
    metadata = onnxruntime.InferenceSession(wide / "model.onnx").get_modelmeta().custom_metadata_map
    assert set(json.loads(metadata["dlc.proof"])) == {"seed", "batch", "between", "inputs", "answers"}
    assert "rows" not in "".join(metadata)
    assert set(load_file(wide / "rows.safetensors")) == {"size", "kind", "price"}, "without the targets"


# --- other weights ----------------------------------------------------------------------------------------


def test_other_weights_have_no_figures(wide: Path, tmp_path: Path) -> None:
    zeros = {name: np.zeros_like(array) for name, array in load_file(wide / "weights.safetensors").items()}
    save_file(zeros, tmp_path / "zeros.safetensors")
    (tmp_path / "zeros.onnx").write_bytes(exported(wide, "--weights", tmp_path / "zeros.safetensors"))
    metadata = face.load(tmp_path / "zeros.onnx").metadata
    assert (metadata.figures, metadata.fingerprint) == ({}, "")
    assert metadata.columns == {"size": ["width", "height"], "kind": ["sort"]}
    assert metadata.parity["batches"][-1] == "10 real rows"


def test_weights_that_were_changed_in_the_folder_have_no_figures_either(tmp_path: Path) -> None:
    run = face.train(text=IRIS + TRAIN, out=tmp_path).folder
    changed = {name: array + 1 for name, array in load_file(run / "weights.safetensors").items()}
    save_file(changed, run / "weights.safetensors")
    (tmp_path / "m.onnx").write_bytes(exported(run))
    assert face.load(tmp_path / "m.onnx").metadata.figures == {}
    assert verify(tmp_path / "m.onnx").holds


def test_other_weights_need_no_weights_in_the_folder(wide: Path, tmp_path: Path) -> None:
    run = shutil.copytree(wide, tmp_path / "run")
    wanted = exported(run, "--weights", wide / "weights.safetensors")
    (run / "weights.safetensors").unlink()
    assert exported(run, "--weights", wide / "weights.safetensors") == wanted


# --- other rows -------------------------------------------------------------------------------------------

CHANGES = {
    "a class that is a float": ("kind", lambda rows: rows.astype(np.float32)),
    "a truth where a float is wanted": ("price", lambda rows: np.ones(len(rows), bool)),
    "other counts": ("price", lambda rows: rows[1:]),
    "none": ("price", lambda rows: rows[:0]),
    "no row": ("price", lambda rows: rows[0]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_rows_that_dlc_did_not_write_are_refused(change: str, wide: Path, tmp_path: Path) -> None:
    run = shutil.copytree(wide, tmp_path / "run")
    name, act = CHANGES[change]
    rows = load_file(run / "rows.safetensors")
    save_file(rows | {name: np.array(act(rows[name]))}, run / "rows.safetensors")
    done = dlc("export", run, "-o", tmp_path / "m.onnx")
    assert (done.exit_code, done.stderr) == (
        1, f"error: {run} is not a run that can be read: rows.safetensors holds no rows of its spec\n",
    )  # fmt: skip


# --- outputs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "names"), [
    ("sold", ["sold", "sold_probability"]), ("colour.logits", ["colour_logits"]), ("h", ["h"]),
    ("sold.logits, h", ["sold_logits", "h"]), ("[h, colour]", ["h", "colour", "colour_probabilities"]),
    ("h,", ["h"]), ("colour.probabilities", ["colour_probabilities"]),
])  # fmt: skip
def test_outputs_are_named_as_the_setting_names_them(
    asked: str, names: list[str], wide: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.onnx").write_bytes(exported(wide, "--outputs", asked))
    assert [o.name for o in onnxruntime.InferenceSession(tmp_path / "m.onnx").get_outputs()] == names
    assert verify(tmp_path / "m.onnx").holds


def test_a_setting_and_the_option_give_the_same_file(tmp_path: Path) -> None:
    text = IRIS.replace("dense(units) -> relu", "dense(units)").replace("-> standardize ", "")
    weights = tmp_path / "w.safetensors"
    save_file(face.compile(text=text).weights(), weights)
    models = []
    for more, option in (
        ("export { outputs = species.logits }\n", []),
        ("", ["--outputs", "species.logits"]),
    ):
        spec = write(tmp_path, "m.dl", text + more)
        assert dlc("export", spec, "--weights", weights, "-o", tmp_path / "m.onnx", *option).exit_code == 0
        session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
        given = {i.name: np.ones(3, np.float32) for i in session.get_inputs()}
        models.append((session.get_outputs()[0].name, session.run(None, given)[0]))
    assert models[0][0] == models[1][0] == "species_logits"
    np.testing.assert_array_equal(models[0][1], models[1][1])


ASKED = (
    "z",
    "colour, z",
    "y.logit",
    "h] -> [",
    "1",
    "units",
    "size",
    "colour.target",
    "h, h",
    "h; colour",
    " ",
)


def test_invalid_outputs_have_the_messages_of_the_setting(wide: Path, golden: Any) -> None:
    messages = []
    for asked in ASKED:
        done = dlc("export", wide, "--outputs", asked, "-o", wide.parent / "none.onnx")
        assert (done.exit_code, (wide.parent / "none.onnx").exists()) == (1, False), asked
        messages.append(f"$ dlc export RUN --outputs '{asked}'\n{done.stderr}")
    golden(Path(__file__).parent / "outputs.txt", "".join(messages))


# --- where links are not allowed ----------------------------------------------------------------------------


def test_a_latest_that_is_a_text_file_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no links here")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    write(tmp_path, "iris.dl", IRIS + "train { epochs = 1 }\n")
    assert dlc("train", "iris.dl").exit_code == 0
    latest = Path("runs/iris/latest")
    assert latest.is_file()
    for run in (latest, latest / "model.onnx"):
        for done in (dlc("predict", run, "iris"), dlc("eval", run, "iris"),
                     dlc("verify", run), dlc("show", run)):  # fmt: skip
            assert done.exit_code == 0, done.output
    assert dlc("export", latest, "-o", "again.onnx").exit_code == 0
    weights = latest / "weights.safetensors"
    assert dlc("export", "iris.dl", "--weights", weights, "-o", "more.onnx").exit_code == 0
    (folder,) = (p for p in Path("runs/iris").iterdir() if p.is_dir())
    assert Path("again.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
    folder.rename("elsewhere")
    for done in (dlc("predict", latest, "iris"), dlc("show", latest), dlc("export", latest)):
        assert done.exit_code == 1
        assert done.stderr == (
            f"error: {latest} names the run {folder.name}, and there is no such folder beside it\n"
        )


# --- interrupted runs -------------------------------------------------------------------------------------


def command_in(printed: str) -> list[str]:
    """The command in a message."""
    (command,) = re.findall("`(dlc export .*?)`", printed)
    return shlex.split(command)[1:]


def test_a_killed_run_names_the_next_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = write(tmp_path, "iris.dl", IRIS + "train { epochs = 10000 }\n")
    command = [sys.executable, "-m", "dlc", "train", str(spec), "--out", "runs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"}) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith(b"epoch")
        run.stdout.readline()
        run.send_signal(signal.SIGKILL)
    folder = Path("runs/iris/latest")
    expected = f"error: {folder} holds weights and no model yet: "
    for tried in (folder, folder / "model.onnx"):
        for done in (dlc("predict", tried, "iris"), dlc("eval", tried, "iris"), dlc("verify", tried)):
            assert done.exit_code == 1
            assert done.stderr.startswith(expected)
    assert "67 parameters" in dlc("show", folder).output, "its spec is there"
    assert dlc("export", folder, "--weights", "last").stderr == (
        f"error: {folder} holds no weights of its last epoch: it has not ended\n"
    )
    again = command_in(done.stderr)
    assert again == ["export", str(folder), "-o", str(folder / "model.onnx")]
    assert dlc(*again).exit_code == 0
    metadata = face.load(folder).metadata
    assert metadata.figures == {}, "nothing was measured at the end"
    assert (len(metadata.fingerprint), metadata.parity["batches"][-1]) == (64, "64 real rows")
    assert dlc("predict", folder, "iris").exit_code == 0


def test_a_run_without_weights_starts_again(tmp_path: Path) -> None:
    run = face.train(text=IRIS + TRAIN, out=tmp_path).folder
    for name in ("model.onnx", "weights.safetensors"):
        (run / name).unlink()
    for done in (dlc("predict", run, "iris"), dlc("verify", run), dlc("export", run)):
        assert done.stderr == (
            f"error: {run} holds no weights and no model yet: `dlc train --resume {run}` goes on with it\n"
        )


def test_the_command_for_a_run_with_an_odd_name_is_quoted(tmp_path: Path) -> None:
    """The name is untrusted: the suggested command runs only `dlc train`."""
    run = face.train(text=IRIS + TRAIN, out=tmp_path).folder.rename(tmp_path / "$(rm x); my run")
    for name in ("model.onnx", "weights.safetensors"):
        (run / name).unlink()
    assert f"`dlc train --resume '{run}'` goes on with it" in dlc("predict", run, "iris").stderr


def with_little_room(command: list[str], folder: Path, most: int) -> subprocess.CompletedProcess[str]:
    """Run a command with a limit on the size of its files, in bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return subprocess.run([sys.executable, "-m", "dlc", *command], cwd=folder, capture_output=True,
                          text=True, preexec_fn=limit, check=False)  # fmt: skip


def test_a_full_disk_at_the_end_of_training_names_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "iris.dl", IRIS + TRAIN)
    done = with_little_room(["train", "iris.dl"], tmp_path, 3000)
    run = (tmp_path / "runs" / "iris" / "latest").resolve().relative_to(tmp_path)
    weights, model = run / "weights.safetensors", run / "model.onnx"
    note, error = done.stderr.split("\n", 1)
    assert re.fullmatch(rf"note: the state of .* not be kept in {run}/states/\S+: file too large", note)
    assert error == (
        f"error: {model}: file too large\n"
        f"  = help: the weights are in {weights}; `dlc export {run} -o {model}` makes the model of them\n"
    )
    assert not [path for path in run.iterdir() if path.name.startswith((".", "model.onnx"))]
    assert dlc(*command_in(done.stderr)).exit_code == 0
    assert face.load(model).metadata.figures["train"], "as if nothing had been in the way"


@pytest.mark.slow
def test_a_full_disk_within_training_keeps_the_weights_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "iris.dl", IRIS + TRAIN.replace("epochs = 2", "epochs = 100"))
    done = with_little_room(["train", "iris.dl"], tmp_path, 3000)
    run = (tmp_path / "runs" / "iris" / "latest").resolve().relative_to(tmp_path)
    lines = rf"error: {run}/(metrics|statistics)\.jsonl: file too large\n  = help: the weights are in "
    assert re.match(lines, done.stderr)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [*range(1, len(lines) + 1)], "no half line"
    assert dlc(*command_in(done.stderr)).exit_code == 0
    assert face.load(run).metadata.figures == {}


@pytest.mark.parametrize(("file", "kept"), [
    ("weights.safetensors", "the weights in {} are those of an earlier epoch"),
    ("metrics.jsonl", "the weights are in {}"),
])  # fmt: skip
def test_a_full_disk_needs_free_space_first(
    file: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "iris.dl", IRIS + TRAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_writer, "SAVED", 0.0)
    written: list[str] = []

    def filling(real: Callable[..., Any]) -> Callable[..., Any]:
        def put(path: Path, content: bytes) -> Any:
            if path.name == file and file in written:
                raise OSError(28, "No space left on device", str(path))
            written.append(path.name)
            return real(path, content)

        return put

    monkeypatch.setattr(run_writer, "write", filling(run_writer.write))
    monkeypatch.setattr(run_writer, "append", filling(run_writer.append))
    printed = dlc("train", "iris.dl").stderr
    run = (tmp_path / "runs" / "iris" / "latest").resolve().relative_to(tmp_path)
    assert printed == (
        f"error: {run / file}: no space left on device\n"
        f"  = help: make room first; {kept.format(run / 'weights.safetensors')}; "
        f"then `dlc export {run} -o {run / 'model.onnx'}` makes the model of them\n"
    )


@pytest.mark.parametrize(("command", "file"), [
    (["export", "m.dl", "-o", "m.onnx"], "m.onnx"), (["fmt", "long.dl"], "long.dl"),
    (["show", "m.dl", "--svg", "m.svg"], "m.svg"), (["emit", "m.dl", "-o", "m.py"], "m.py"),
    (["predict", "whole.onnx", "rows.csv", "-o", "answers.csv"], "answers.csv"),
])  # fmt: skip
def test_a_full_disk_names_the_file(command: list[str], file: str, tmp_path: Path) -> None:
    text = "input x: float\noutput y: float\nx -> dense(1) -> y\n"
    spec = write(tmp_path, "m.dl", text)
    assert dlc("export", spec, "-o", tmp_path / "whole.onnx").exit_code == 0
    write(tmp_path, "long.dl", "#loose\n" * 100 + text)
    write(tmp_path, "rows.csv", "x\n" + "1\n" * 200)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = with_little_room(command, tmp_path, 100)
    assert (done.returncode, done.stderr) == (1, f"error: {file}: file too large\n")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_disk_for_standard_output_is_reported(tmp_path: Path) -> None:
    spec = write(tmp_path, "m.dl", "input x: float\noutput y: float\nx -> dense(1) -> y\n")
    for command in (["check", str(spec)], ["doc"], ["--version"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([sys.executable, "-m", "dlc", *command], stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False)  # fmt: skip
        assert (done.returncode, done.stderr) == (1, "error: standard output: no space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("spec", ["good.dl", "bad.dl"])
def test_a_closed_output_is_not_an_error_of_dlc(closed: str, spec: str, tmp_path: Path) -> None:
    write(tmp_path, "good.dl", IRIS)
    write(tmp_path, "bad.dl", "input x: flaot\n")
    command = f"{sys.executable} -m dlc check {spec} {closed}"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == (spec == "bad.dl")
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_reported_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, model = write(tmp_path, "m.dl", IRIS), tmp_path / "m.onnx"
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for a user other than root
    for command in (
        ["emit", spec, "-o", model],
        ["show", spec, "--svg", model],
        ["predict", spec, "iris", "-o", model],
    ):
        done = dlc(*command)
        assert done.exit_code in (1, 2)
        assert "denied" in done.stderr or "not writable" in done.stderr
    assert not model.exists()


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """A shell passes a pipe in place of a file: `dlc emit m.dl -o >(gzip)`."""
    spec = write(tmp_path, "m.dl", IRIS)
    reading, writing = os.pipe()
    assert dlc("emit", spec, "-o", f"/dev/fd/{writing}").exit_code == 0
    run = face.train(text=IRIS + TRAIN, out=tmp_path).folder
    done = dlc("export", run, "-o", f"/dev/fd/{writing}")
    expected = f"error: /dev/fd/{writing} is a pipe (FIFO), and a model needs a regular file\n"
    assert (done.exit_code, done.stderr) == (1, expected)
    os.close(writing)
    with open(reading) as reader:
        assert reader.read() == dlc("emit", spec).stdout


# --- inconsistent run folders -----------------------------------------------------------------------------


def spec_json(**changes: Any) -> dict[str, Any]:
    return {"spec.json": {"name": "m.dl", "params": {}, "files": {}, "classes": {}} | changes}


LIES: dict[str, dict[str, Any]] = {
    "no spec": {"spec.json": []}, "torn": {"spec.json": "{"}, "no files": {"spec.json": {"name": "m.dl"}},
    "files that are numbers": spec_json(files={"a.dl": 3}),
    "a file outside": spec_json(files={"a.dl": "../../a.dl"}),
    "a file from the root": spec_json(files={"a.dl": "/etc/passwd"}),
    "classes that are none": spec_json(classes={"y": 3}),
    "data that is a list": {"data.json": []},
    "columns that are numbers": {"data.json": {"columns": {"x": 3}}},
    "a fingerprint that is a number": {"data.json": {"fingerprint": 3}},
    "figures that are text": {"figures.json": {"figures": "fine"}},
    "torn figures": {"figures.json": '{"fig'}, "deep figures": {"figures.json": "[" * 100_000},
    "no rows": {"rows.safetensors": "none"},
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_an_inconsistent_run_folder_is_reported(lie: str, wide: Path, tmp_path: Path) -> None:
    run = shutil.copytree(wide, tmp_path / "run")
    for name, content in LIES[lie].items():
        write(run, name, content if isinstance(content, str) else json.dumps(content))
    done = dlc("export", run, "-o", tmp_path / "m.onnx")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {run}")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("rows", [
    {"size": np.zeros((3, 5), np.float32)}, {"kind": np.array([7])}, {"kind": np.array([-2])},
    {"size": np.zeros((0, 2), np.float32)}, {"price": np.zeros((2, 2), np.float32)},
])  # fmt: skip
def test_rows_of_another_spec_are_reported(rows: dict[str, np.ndarray], wide: Path, tmp_path: Path) -> None:
    run = shutil.copytree(wide, tmp_path / "run")
    save_file(load_file(run / "rows.safetensors") | rows, run / "rows.safetensors")
    done = dlc("export", run, "-o", tmp_path / "m.onnx")
    expected = f"error: {run} is not a run that can be read: rows.safetensors holds no rows of its spec\n"
    assert (done.exit_code, done.stderr) == (1, expected)


def test_open_classes_come_from_the_run_and_not_from_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("x,y\n" + "1,a\n2,b\n" * 10)
    Path("p.dl").write_text(
        "input x: float\noutput y: class(auto)\nx -> standardize -> dense(y.classes) -> y\n"
        'data { source = csv("rows.csv") }\ntrain { epochs = 1 }\n'
    )
    assert dlc("train", "p.dl").exit_code == 0
    done = dlc("export", "p.dl", "--weights", "runs/p/latest/weights.safetensors")
    assert "--weights" not in done.stderr
    assert done.stderr.count("= help: train it and export the run: `dlc export runs/NAME/latest`") == 1
    assert dlc("export", "runs/p/latest").exit_code == 0


def test_measured_outputs_must_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("x,y\n" + "1,a\n2,b\n" * 10)
    Path("p.dl").write_text(
        "input x: float\noutput y: class(a, b)\nx -> dense(2) -> y\ntrain { epochs = 1 }\n"
    )
    assert dlc("train", "p.dl", "--data", "rows.csv").exit_code == 0
    assert dlc("export", "runs/p/latest", "--outputs", "y.logits", "-o", "a.onnx").exit_code == 0
    printed = dlc("eval", "a.onnx", "rows.csv").stderr
    assert printed.endswith('`y` is not among its outputs: export it too: `--outputs "y, y.logits"`\n')
    assert dlc("export", "runs/p/latest", "--outputs", "y, y.logits", "-o", "a.onnx").exit_code == 0
    assert dlc("eval", "a.onnx", "rows.csv").exit_code == 0
