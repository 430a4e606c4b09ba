"""Pipes, devices, sockets, folders and endless files, wherever a command opens a file: each is an error that
names its kind. No command blocks or allocates memory for it."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import guarded
import numpy as np
import pytest
from guarded import refused
from safetensors.numpy import save_file
from stories import dlc, write

MODEL = """input  x: float[4]
output y: float

x -> dense(1) -> y
"""
PIPE = "is a pipe (FIFO), not a regular file"
DEVICE = "is a device, not a regular file"
FOLDER = "is a folder, not a regular file"


@pytest.fixture
def odd(tmp_path: Path) -> dict[Path, str]:
    """Paths of files that are not regular, and the reason in the message."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as opened:
        os.chdir(tmp_path)  # because names of sockets must be short
        opened.bind("socket")
    reasons = {"pipe": PIPE, "zero": DEVICE, "folder": FOLDER, "socket": "is a socket, not a regular file"}
    return {tmp_path / name: why for name, why in reasons.items()}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_specs(odd: dict[Path, str]) -> None:
    commands = [
        ("check",),
        ("show",),
        ("show", "--stage", "syntax"),
        ("fmt",),
        ("emit",),
        ("train",),
        ("export",),
    ]
    typed = [(*command, path) for path in odd for command in commands]
    typed = [command for command in typed if not (command[0] == "export" and command[-1].is_dir())]
    for (*_, path), printed in zip(typed, refused(*typed), strict=True):
        assert printed.startswith(f"error[E0001]: {path} {odd[path]}\n")


def test_imports(odd: dict[Path, str], tmp_path: Path) -> None:
    """Before, an endless imported file was read until no memory was left, and a pipe blocked."""
    specs = []
    for path in odd:
        (tmp_path / f"{path.name}.dl").symlink_to(path)
        text = f'import b from "{path.name}.dl"\n' + MODEL.replace("x ->", "x -> b ->")
        specs.append(write(tmp_path, f"of_{path.name}.dl", text))
    for path, printed in zip(odd, refused(*(("check", spec) for spec in specs)), strict=True):
        assert f"error[E0307]: {path.name}.dl {odd[path]}\n --> of_{path.name}.dl:1:15\n" in printed
        assert "is a text file of at most 1_000_000 bytes" in printed


def test_an_imported_file_has_the_size_limit_of_a_spec(tmp_path: Path) -> None:
    spec = write(tmp_path, "spec.dl", 'import b from "z.dl"\n' + MODEL.replace("x ->", "x -> b ->"))
    block = "block b(x) { return x -> relu }\n"
    write(tmp_path, "z.dl", block + "#" * (1_000_000 - len(block)))
    (checked,) = guarded.run(("check", spec))
    assert checked.code == 0, checked
    write(tmp_path, "z.dl", block + "#" * (1_000_001 - len(block)))
    (printed,) = refused(("check", spec))
    assert "error[E0307]: z.dl is larger than 1_000_000 bytes\n" in printed


def test_data(odd: dict[Path, str], tmp_path: Path) -> None:
    expected, typed = [], []
    for path, why in odd.items():
        for kind in ("csv", "parquet", "npz"):
            name = f"{path.name}.{kind}"
            (tmp_path / name).symlink_to(path)
            data = f'\ndata {{ source = {kind}("{name}") }}\ntrain {{ epochs = 1 }}\n'
            typed.append(("train", write(tmp_path, f"{kind}_of_{path.name}.dl", MODEL + data)))
            if why == FOLDER and kind != "npz":  # the files in it are read
                expected.append(f"error[E0701]: the folder {name} has no {kind} files\n")
            else:
                expected.append(f"error[E0701]: {name} {why}\n")
    plain = write(tmp_path, "plain.dl", MODEL)
    (tmp_path / "zero.csv.gz").symlink_to(tmp_path / "zero")
    typed.append(("train", plain, "--data", "zero.csv.gz"))
    expected.append(f"zero.csv.gz {DEVICE}\n")
    for wanted, printed in zip(expected, refused(*typed), strict=True):
        assert wanted in printed


@pytest.mark.slow
def test_files_of_the_format_of_mnist(odd: dict[Path, str], tmp_path: Path) -> None:
    typed = []
    for path in odd:
        folder = tmp_path / f"mnist_{path.name}"
        folder.mkdir()
        for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
            (folder / name).symlink_to(path)
        data = f'\ndata {{ source = idx("{folder.name}") }}\ntrain {{ epochs = 1 }}\n'
        typed.append(("train", write(tmp_path, f"{path.name}.dl", MODEL + data)))
    for path, printed in zip(odd, refused(*typed), strict=True):
        assert f"error[E0701]: mnist_{path.name}/train-images-idx3-ubyte {odd[path]}\n" in printed


def test_weights(odd: dict[Path, str], tmp_path: Path) -> None:
    plain, expected, typed = write(tmp_path, "plain.dl", MODEL), [], []
    for path, why in odd.items():
        name = f"{path.name}.safetensors"
        (tmp_path / name).symlink_to(path)
        begin = f'\ndata {{ source = table([[1, 2, 3, 4, 5]]) }}\ntrain {{ weights = load("{name}") }}\n'
        typed += [
            ("train", write(tmp_path, f"{path.name}.dl", MODEL + begin)),
            ("export", plain, "--weights", name),
        ]
        expected += [f"error[E0808]: {name} {why}\n", f"error: {name} {why}\n"]
    for wanted, printed in zip(expected, refused(*typed), strict=True):
        assert wanted in printed


@pytest.mark.slow
def test_weights_with_a_large_stated_size(tmp_path: Path) -> None:
    spec = write(tmp_path, "spec.dl", MODEL)
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "header.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + content[8:])
    with open(tmp_path / "large.safetensors", "wb") as file:  # a sparse file
        file.write(content)
        file.truncate(10**12)
    commands = (("export", spec, "--weights", f"{name}.safetensors") for name in ("header", "large"))
    header, large = refused(*commands)
    assert header == "error: header.safetensors: its header is longer than 16_777_216 bytes\n"
    assert large == f"error: large.safetensors is larger than {guarded.FREE:_} bytes\n"


@pytest.mark.slow
def test_files_of_a_run(odd: dict[Path, str], tmp_path: Path) -> None:
    data = "\ndata { source = table([[1, 2, 3, 4, 5]]) }\ntrain { epochs = 1 }\n"
    assert dlc("train", write(tmp_path, "spec.dl", MODEL + data)).exit_code == 0
    expected, typed = [], []
    for path, why in odd.items():
        for name in ("model.dl", "spec.json", "weights.safetensors"):
            run = tmp_path / f"{path.name}_for_{name}"
            shutil.copytree(tmp_path / "runs" / "spec" / "latest", run)
            (run / name).unlink()
            (run / name).symlink_to(path)
            typed.append(("export", run))
            expected.append({
                "model.dl": f"error: {run} is not a run that can be read: model.dl {why}\n",
                "spec.json": f"error[E0001]: {run} is not a run folder\n",
                "weights.safetensors": f"error: {run / name} {why}\n",
            }[name])  # fmt: skip
    for wanted, printed in zip(expected, refused(*typed), strict=True):
        assert printed.startswith(wanted)


def test_a_run_reaches_no_file_outside_of_its_folder(tmp_path: Path) -> None:
    write(tmp_path, "secret.dl", "block b(x) { return x -> relu }\n")
    write(tmp_path, "spec.dl", 'import b from "secret.dl"\n' + MODEL.replace("x ->", "x -> b ->")
          + "\ndata { source = table([[1, 2, 3, 4, 5]]) }\ntrain { epochs = 1 }\n")  # fmt: skip
    assert dlc("train", "spec.dl").exit_code == 0
    runs = [tmp_path / "first", tmp_path / "second"]
    for run, place in zip(runs, ("../secret.dl", str(tmp_path / "secret.dl")), strict=True):
        shutil.copytree(tmp_path / "runs" / "spec" / "latest", run)
        text = (run / "spec.json").read_text()
        assert '"secret.dl": "secret.dl"' in text
        write(run, "spec.json", text.replace('"secret.dl": "secret.dl"', f'"secret.dl": "{place}"'))
    for printed in refused(*(("export", run) for run in runs)):
        assert "spec.json names files outside of the folder" in printed


@pytest.mark.slow
def test_only_regular_files_are_replaced(odd: dict[Path, str], tmp_path: Path) -> None:
    """Before, `-o /dev/null` replaced the device with a file, if permissions allowed it."""
    spec = write(tmp_path, "spec.dl", MODEL)
    model = tmp_path / "spec.onnx"
    assert dlc("export", spec, "-o", model).exit_code == 0
    rows = write(tmp_path, "rows.csv", "x,x,x,x\n1,2,3,4\n")
    for path, why in odd.items():
        typed = [("emit", spec, "-o", path), ("predict", model, rows, "-o", path)]
        if not path.is_dir():
            typed += [("export", spec, "-o", path), ("show", spec, "--svg", path)]
        for printed in refused(*typed):
            assert printed == f"error: {path} {why}\n"
    assert {path for path in odd if path.is_file()} == set()


NO_RUNS = {
    "{": "is not JSON",
    "[" * 100_000: "is not JSON",
    "[]": "is not as dlc writes it",
    '{"name": "m.dl"}': "is not as dlc writes it",
    '{"name": 3, "params": {}, "files": {}, "classes": {}}': "is not as dlc writes it",
    '{"name": "m.dl", "params": {}, "files": {}, "classes": {"y": {"count": -1}}}':
        "has invalid classes",
    '{"name": "m.dl", "params": {}, "files": {}, "classes": {"y": {"count": 2, "names": ["a"]}}}':
        "has invalid classes",
}  # fmt: skip


@pytest.mark.slow
def test_runs_that_dlc_did_not_write(tmp_path: Path) -> None:
    runs = [tmp_path / f"run{i}" for i in range(len(NO_RUNS))]
    for run, text in zip(runs, NO_RUNS, strict=True):
        run.mkdir()
        write(run, "model.dl", MODEL)
        write(run, "spec.json", text)
    for run, reason, printed in zip(
        runs, NO_RUNS.values(), refused(*(("export", run) for run in runs)), strict=True
    ):
        assert f"error: {run} is not a run that can be read: spec.json {reason}\n" in printed
